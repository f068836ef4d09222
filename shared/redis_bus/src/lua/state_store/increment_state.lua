-- Adds to a whole number and sets its lifetime anew; once, however often it is asked to.
--
-- KEYS 2
--   1 value (string)   2 what the operation answered (string)
-- ARGV
--   1 summand   2 lifetime in ms, '' for ever   3 how long the answer is remembered, ms
-- Returns
--   the sum; an error when the value is not a whole number or would overflow

local answered = redis.call('GET', KEYS[2])
if answered then return answered end

redis.call('INCRBY', KEYS[1], ARGV[1])
if ARGV[2] == '' then
  redis.call('PERSIST', KEYS[1])
else
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
-- As text: a Lua number holds 53 bits only.
local sum = redis.call('GET', KEYS[1])
redis.call('SET', KEYS[2], sum, 'PX', ARGV[3])
return sum
