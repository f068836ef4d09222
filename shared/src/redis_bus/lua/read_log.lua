-- Reads a page of a stream's events after an offset; makes a gateway its holder first, if one is named.
--
-- KEYS 1
--   1 log of the stream (hash)
-- ARGV
--   1 new holder or ''   2 session or ''   3 offset after which to read   4 most events   5 most bytes, about
-- Returns
--   nil: no such log, or of another session
--   otherwise: state, newest offset, holder or '', '1' if there are more events or '', event lines by offset

local log = redis.call('HMGET', KEYS[1], 'state', 'session', 'newest', 'holder')
if not log[1] or (log[2] or '') ~= ARGV[2] then return false end
local holder = log[4] or ''
if ARGV[1] ~= '' then
  holder = ARGV[1]
  redis.call('HSET', KEYS[1], 'holder', holder)
end

local after, newest = tonumber(ARGV[3]), tonumber(log[3])
local answer = { log[1], log[3], holder, '' }
local offset, bytes = after, 0
-- An event that is missing is not looked for further on: the reader sees the hole.
while offset < newest and offset - after < tonumber(ARGV[4]) and bytes < tonumber(ARGV[5]) do
  offset = offset + 1
  local line = redis.call('HGET', KEYS[1], string.format('%.0f', offset))
  if line then
    bytes = bytes + #line
    answer[#answer + 1] = line
  end
end
if offset < newest then answer[4] = '1' end
return answer
