-- Reads a page of a stream's events after an offset.
--
-- KEYS 1
--   1 log of the stream (hash)
-- ARGV
--   1 session or ''   2 offset after which to read   3 most events   4 most bytes
-- Returns
--   nil: no such log, or of another session
--   otherwise: state, newest offset, holder or '', '1' if there are more events or '', bytes of the next event if it
--   alone has more than the most or '', event lines by offset

local log = redis.call('HMGET', KEYS[1], 'state', 'session', 'newest', 'holder')
if not log[1] or (log[2] or '') ~= ARGV[1] then return false end

local after, newest = tonumber(ARGV[2]), tonumber(log[3])
local answer = { log[1], log[3], log[4] or '', '', '' }
local offset, bytes, most = after, 0, tonumber(ARGV[4])
-- An event that is missing is not looked for further on: the reader sees the hole.
while offset < newest and offset - after < tonumber(ARGV[3]) do
  local field = string.format('%.0f', offset + 1)
  local size = redis.call('HSTRLEN', KEYS[1], field)
  if bytes + size > most then
    if bytes == 0 then answer[5] = string.format('%.0f', size) end
    break
  end
  if size > 0 then answer[#answer + 1] = redis.call('HGET', KEYS[1], field) end
  offset, bytes = offset + 1, bytes + size
end
if offset < newest then answer[4] = '1' end
return answer
