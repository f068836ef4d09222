-- Forgets a call that ended, unless its request id names another call by now.
--
-- KEYS 1
--   1 running calls of the session (hash)
-- ARGV
--   1 request id   2 stream of the call
-- Returns
--   1 forgotten   0 there is no such call, or another one

local call = redis.call('HGET', KEYS[1], ARGV[1])
-- Not compared as text: another release may have written more about the call.
if not call or cjson.decode(call).stream ~= ARGV[2] then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])
