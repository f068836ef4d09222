-- Part of the scripts that show a task, change it or end it.

-- Whether the task with this log waits for its client: then its request lies there, which may be large.
local function is_asking(key) return redis.call('HSTRLEN', key, 'queued') > 0 end

-- What there is to say of the task with this log: the task as JSON, state, entry, when it changed, until when it can be
-- asked for (both Unix ms), what it said last or '', bytes of its response if it has more than `most` or '', event line
-- of its response or '', how often it has changed, then each question that it waits for: key, request.
local function task_sight(key, most)
  local log = redis.call('HMGET', key, 'task', 'state', 'entry', 'changed', 'until', 'said', 'newest', 'version',
    'asked')
  local bytes, line = '', ''
  if log[2] == 'finished' then
    local size = redis.call('HSTRLEN', key, log[7])
    if size > most then
      bytes = string.format('%.0f', size)
    else
      line = redis.call('HGET', key, log[7])
    end
  end
  local seen = { log[1], log[2], log[3], log[4], log[5], log[6] or '', bytes, line, log[8] or '0' }
  if log[2] == 'open' and is_asking(key) then
    local asked = cmsgpack.unpack(log[9])
    for i = 1, #asked, 2 do
      local request = redis.call('HGET', key, '?' .. asked[i])
      if request then seen[#seen + 1], seen[#seen + 2] = asked[i], request end
    end
  end
  return seen
end

-- Notes that the task with this log has changed, and publishes what it is now. The channel has the name of the log, and
-- the message is what `task_sight` says as a JSON array; an empty one if that is much: whoever listens reads it then.
local function tell_task(key)
  local most = 16384
  local time = redis.call('TIME')
  local log = redis.call('HMGET', key, 'changed', 'version')
  -- That of the server before a fail-over may have been ahead.
  local now = math.max(time[1] * 1000 + math.floor(time[2] / 1000), tonumber(log[1]))
  redis.call('HSET', key, 'changed', string.format('%.0f', now), 'version', (log[2] or 0) + 1)
  local seen = task_sight(key, most)
  local size = 0
  for i = 1, #seen do size = size + #seen[i] end
  local is_told = seen[7] == '' and size <= most
  redis.call('PUBLISH', key, is_told and cjson.encode(seen) or '[]')
end

-- The task with this log, of this stream, ends now: it can be asked for as long as its client was told, and long enough
-- to fetch its result. Then it makes room for others. Says until when that is, in Unix ms as text.
local function until_gone(key, stream)
  local log = redis.call('HMGET', key, 'kept', 'until', 'among', 'share')
  local now = redis.call('TIME')
  local last = now[1] * 1000 + math.floor(now[2] / 1000) + log[1]
  last = string.format('%.0f', math.max(last, tonumber(log[2])))
  redis.call('HSET', key, 'until', last)
  -- Whoever ends a task does not know its share, so its log has the names of these keys. They are of its hash slot.
  for i = 3, 4 do redis.call('ZADD', log[i], 'XX', 'LT', last, stream) end
  return last
end
