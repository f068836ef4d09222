-- Queues a call of a session, where a cancel and the end of the session find it.
--
-- KEYS 3
--   1 request queue (stream)   2 session (hash)   3 calls of all sessions (sorted set)
-- ARGV
--   1 session      2 stream   3 request id   4 log level of the session that the entry says, or ''
--   5 most calls of the session, '' when the queue is too short for so many
--   6 '1' when the length of the queue is wanted   then the fields and values of the entry
-- Returns
--   {0 queued, entry, length of the queue or nil}   {1 the session has ended, '', nil}
--   {2 the session has this log level now, it or '', nil}   {3 it has as many calls as it may, '', nil}

local session = redis.call('HMGET', KEYS[2], 'principal', 'log_level')
if not session[1] then return {1, '', false} end
local level = session[2] or ''
if level ~= ARGV[4] then return {2, level, false} end
if ARGV[5] ~= '' then
  -- A call is session:entry:stream:request id, and ';' is what comes after ':'.
  local calls = redis.call('ZLEXCOUNT', KEYS[3], '[' .. ARGV[1] .. ':', '(' .. ARGV[1] .. ';')
  if calls >= tonumber(ARGV[5]) then return {3, '', false} end
end
local entry = redis.call('XADD', KEYS[1], '*', unpack(ARGV, 7))
-- finish.lua and dead_letter.lua take it out again.
redis.call('ZADD', KEYS[3], 0, table.concat({ARGV[1], entry, ARGV[2], ARGV[3]}, ':'))
return {0, entry, ARGV[6] == '1' and redis.call('XLEN', KEYS[1])}
