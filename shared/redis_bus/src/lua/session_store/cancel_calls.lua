-- Finds the running calls of a request id, and marks those that are not placed yet, for whoever is placing them.
--
-- KEYS 2
--   1 session (hash)   2 running calls of the session (hash)
-- ARGV
--   1 request id
-- Returns
--   {stream, entry or '', stream, entry or '', ...}

local found = {}
-- The calls of an ended session are cancelled by whoever ends it.
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
