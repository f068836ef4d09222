-- Notes where a call of a session lies in the queue.
--
-- KEYS 2
--   1 session (hash)   2 running calls of the session (hash)
-- ARGV
--   1 stream of the call   2 entry
-- Returns
--   0 noted, or the call is over already   1 it was cancelled meanwhile   2 the session has ended

if redis.call('EXISTS', KEYS[1]) == 0 then return 2 end
local noted = redis.call('HGET', KEYS[2], ARGV[1])
if not noted then return 0 end
local call = cjson.decode(noted)
call.entry = ARGV[2]
redis.call('HSET', KEYS[2], ARGV[1], cjson.encode(call))
-- The note stays: a gateway that did not hear the answer asks again.
return call.cancelled and 1 or 0
