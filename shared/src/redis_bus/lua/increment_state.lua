-- Adds to a whole number and sets its lifetime anew.
--
-- KEYS 1
--   1 value (string)
-- ARGV
--   1 summand   2 lifetime in ms, '' for ever
-- Returns
--   the sum; an error when the value is not a whole number or would overflow

local sum = redis.call('INCRBY', KEYS[1], ARGV[1])
if ARGV[2] == '' then
  redis.call('PERSIST', KEYS[1])
else
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
-- As text: a Lua number holds 53 bits only.
return redis.call('GET', KEYS[1])
