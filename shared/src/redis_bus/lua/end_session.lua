-- Ends a session.
--
-- KEYS 3
--   1 session (hash)   2 running calls of the session (hash)   3 values of the session (hash)
-- ARGV
--   none
-- Returns
--   nil: it had ended before   otherwise {stream, call, ...} of the calls that were running in it

local calls = redis.call('HGETALL', KEYS[2])
if redis.call('DEL', KEYS[1]) == 0 then return false end
redis.call('UNLINK', KEYS[2], KEYS[3])
return calls
