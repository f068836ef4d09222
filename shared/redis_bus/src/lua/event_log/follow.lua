-- Makes a gateway the holder of a stream.
--
-- KEYS 1
--   1 log of the stream (hash)
-- ARGV
--   1 new holder   2 session or ''
-- Returns
--   nil: no such log, or of another session
--   otherwise: newest offset

local log = redis.call('HMGET', KEYS[1], 'state', 'session', 'newest')
if not log[1] or (log[2] or '') ~= ARGV[2] then return false end
redis.call('HSET', KEYS[1], 'holder', ARGV[1])
return tonumber(log[3])
