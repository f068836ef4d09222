-- Finds the calls of a session that have a request id.
--
-- KEYS 2
--   1 session (hash)   2 calls of all sessions (sorted set)
-- ARGV
--   1 session   2 request id
-- Returns
--   {stream, entry, stream, entry, ...}

local found = {}
-- The gateway that ends a session cancels its calls.
if redis.call('EXISTS', KEYS[1]) == 0 then return found end
-- A call is session:entry:stream:request id, and ';' is what comes after ':'.
for _, call in ipairs(redis.call('ZRANGE', KEYS[2], '[' .. ARGV[1] .. ':', '(' .. ARGV[1] .. ';', 'BYLEX')) do
  local entry, stream, id = string.match(call, '^%x+:([^:]+):(%x+):(.*)$')
  if id == ARGV[2] then
    found[#found + 1] = stream
    found[#found + 1] = entry
  end
end
return found
