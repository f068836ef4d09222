-- Reads the events of a stream after an offset; makes a gateway its holder first, if one is named.
--
-- KEYS 1
--   1 log of the stream (hash)
-- ARGV
--   1 new holder or ''   2 session or ''   3 offset after which to read
-- Returns
--   nil: no such log, or of another session
--   otherwise: state, newest offset, holder or '', event lines by offset

-- Up to here the events are asked for by name; beyond it the whole log is read and sorted, so that
-- neither a long log nor a hole in the offsets costs more than the log's size.
local BY_NAME = 1000

local log = redis.call('HMGET', KEYS[1], 'state', 'session', 'newest', 'holder')
if not log[1] or (log[2] or '') ~= ARGV[2] then return false end
local holder = log[4] or ''
if ARGV[1] ~= '' then
  holder = ARGV[1]
  redis.call('HSET', KEYS[1], 'holder', holder)
end

local after, newest = tonumber(ARGV[3]), tonumber(log[3])
local answer = { log[1], log[3], holder }
if after >= newest then return answer end

if newest - after <= BY_NAME then
  local offsets = {}
  for offset = after + 1, newest do offsets[#offsets + 1] = string.format('%.0f', offset) end
  for _, line in ipairs(redis.call('HMGET', KEYS[1], unpack(offsets))) do
    if line then answer[#answer + 1] = line end
  end
else
  local lines, offsets = {}, {}
  local all = redis.call('HGETALL', KEYS[1])
  for i = 1, #all, 2 do
    local offset = tonumber(all[i])
    if offset and offset > after then
      offsets[#offsets + 1] = offset
      lines[offset] = all[i + 1]
    end
  end
  table.sort(offsets)
  for _, offset in ipairs(offsets) do answer[#answer + 1] = lines[offset] end
end
return answer
