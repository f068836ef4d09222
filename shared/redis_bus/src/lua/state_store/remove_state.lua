-- Removes a value; says the same however often it is asked to.
--
-- KEYS 2
--   1 value (string)   2 what the operation answered (string)
-- ARGV
--   1 how long the answer is remembered, ms
-- Returns
--   '1' removed   '0' there was none

local answered = redis.call('GET', KEYS[2])
if answered then return answered end

local removed = tostring(redis.call('DEL', KEYS[1]))
redis.call('SET', KEYS[2], removed, 'PX', ARGV[1])
return removed
