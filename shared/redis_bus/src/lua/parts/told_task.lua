-- Part of the scripts that show a task, change it or end it.

-- Whether the task with this log waits for its client: then its request lies there, which may be large.
local function is_asking(key) return redis.call('HSTRLEN', key, 'queued') > 0 end

-- What its promotion fixed for the task with this log: how long it can be asked for from its end on, how much longer
-- its log lives than the task may take (both ms), the two keys that count it, and the most entries of the audit.
local function terms(key) return unpack(cmsgpack.unpack(redis.call('HGET', key, 'terms'))) end

-- Whether the task with this log, which waits for its client, has waited for as long as it may: what is left of the
-- life of its log is for its end.
local function is_overdue(key)
  local _, spare = terms(key)
  return redis.call('PTTL', key) <= tonumber(spare)
end

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
  local kept, _, all, of_share = terms(key)
  local now = redis.call('TIME')
  local last = now[1] * 1000 + math.floor(now[2] / 1000) + kept
  last = string.format('%.0f', math.max(last, tonumber(redis.call('HGET', key, 'until'))))
  redis.call('HSET', key, 'until', last)
  -- Whoever ends a task does not know its share, so its log has the names of these keys. They are of its hash slot.
  redis.call('ZADD', all, 'XX', 'LT', last, stream)
  redis.call('ZADD', of_share, 'XX', 'LT', last, stream)
  return last
end
