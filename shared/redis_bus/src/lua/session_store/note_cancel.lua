-- Finds the running calls of a request id, and notes on those without a queue entry that they are cancelled, for
-- the gateway that queues them (place_call.lua).
--
-- KEYS 2
--   1 session (hash)   2 running calls of the session (hash)
-- ARGV
--   1 request id
-- Returns
--   {stream, entry or '', stream, entry or '', ...}

local found = {}
-- The gateway that ends a session cancels its calls.
if redis.call('EXISTS', KEYS[1]) == 0 then return found end
local calls = redis.call('HGETALL', KEYS[2])
for i = 1, #calls, 2 do
  local call = cjson.decode(calls[i + 1])
  if call.request_id == ARGV[1] then
    found[#found + 1] = calls[i]
    found[#found + 1] = call.entry or ''
    if not call.entry then
      call.cancelled = true
      redis.call('HSET', KEYS[2], calls[i], cjson.encode(call))
    end
  end
end
return found
