-- Ends a session, for its own principal only. Whose it was is kept until its calls are cancelled, so that a gateway
-- that did not hear the answer can ask again.
--
-- KEYS 5
--   1 session (hash)   2 values of the session (hash)   3 ended session (hash)
--   4 calls of all sessions (sorted set)   5 sessions (sorted set)
-- ARGV
--   1 subject of the caller   2 how long the ended session is kept, ms   3 session
-- Returns
--   nil: there is none, or its calls were cancelled before, or it is another principal's
--   otherwise {stream, entry, ...} of the calls that wait or run in it

local lives = redis.call('EXISTS', KEYS[1]) == 1
local principal = redis.call('HGET', lives and KEYS[1] or KEYS[3], 'principal')
if not principal or cjson.decode(principal).subject ~= ARGV[1] then return false end
if lives then
  redis.call('RENAME', KEYS[1], KEYS[3])
  redis.call('UNLINK', KEYS[2])
  redis.call('ZREM', KEYS[5], ARGV[3])
  redis.call('PEXPIRE', KEYS[3], ARGV[2])
end
local found = {}
-- A call is session:entry:stream:request id, and ';' is what comes after ':'.
for _, call in ipairs(redis.call('ZRANGE', KEYS[4], '[' .. ARGV[3] .. ':', '(' .. ARGV[3] .. ';', 'BYLEX')) do
  local entry, stream = string.match(call, '^%x+:([^:]+):(%x+):')
  found[#found + 1] = stream
  found[#found + 1] = entry
end
return found
