-- What there is to say of a task.
--
-- KEYS 1
--   1 log of the stream (hash)
-- ARGV
--   1 whose it must be   2 most bytes of the response
-- Returns
--   nil: no such task, or another's
--   otherwise: the task as JSON, state, entry, when it changed, until when it can be asked for (both Unix ms), what it
--   said last or '', bytes of its response if it has more than the most or '', event line of its response or '', then
--   each question that it waits for: key, request

local log = redis.call('HMGET', KEYS[1], 'principal', 'task', 'state', 'entry', 'changed', 'until', 'said', 'newest',
  'queued', 'asked')
if not log[2] or log[1] ~= ARGV[1] then return false end
local bytes, line = '', ''
if log[3] == 'finished' then
  local size = redis.call('HSTRLEN', KEYS[1], log[8])
  if size > tonumber(ARGV[2]) then
    bytes = string.format('%.0f', size)
  else
    line = redis.call('HGET', KEYS[1], log[8])
  end
end
local seen = { log[2], log[3], log[4], log[5], log[6], log[7] or '', bytes, line }
if log[3] == 'open' and log[9] then
  local asked = cmsgpack.unpack(log[10])
  for i = 1, #asked, 2 do
    local request = redis.call('HGET', KEYS[1], '?' .. asked[i])
    if request then seen[#seen + 1], seen[#seen + 2] = asked[i], request end
  end
end
return seen
