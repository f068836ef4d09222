-- Ends a session.
--
-- KEYS 2
--   1 session (hash)   2 running calls of the session (hash)
-- ARGV
--   none
-- Returns
--   nil: it had ended before   otherwise the calls that were running in it

local calls = redis.call('HVALS', KEYS[2])
if redis.call('DEL', KEYS[1]) == 0 then return false end
redis.call('DEL', KEYS[2])
return calls
