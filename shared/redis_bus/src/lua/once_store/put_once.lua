-- Writes a value, if nothing is written there.
--
-- KEYS 1
--   1 the value (string)
-- ARGV
--   1 the value   2 for how long, in milliseconds
-- Returns
--   what is written there now

local there = redis.call('GET', KEYS[1])
if there then
  return there
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]
