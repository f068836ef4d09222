-- Logs events of streams and publishes them to the holders; one PUBLISH per holder. Idempotent.
--
-- KEYS 2 + 1 per stream
--   1 unfinished streams (sorted set)   2 request queue (stream)   then for each stream: its log (hash)
-- ARGV
--   1 consumer group   2 gateway channels' common start   3 retention, ms   4 most events   5 most bytes
--   6 what to publish instead of the events, or ''
--   then for each stream: stream, entry, fencing token, delivery, holder, session or '', era, number of events,
--   then of each event: offset, event line
-- Returns a code (scripts/write_code.rs) for each stream
--   0 logged, now or before   1 not the owner, or the log is gone   2 cancelled
--   3 finished, or another entry's   4 no room for all of them; none is logged

local PER_STREAM = 8
local OK, LOST, CANCELLED, FINISHED, FULL = 0, 1, 2, 3, 4
local call = redis.call
local most_events, most_bytes = tonumber(ARGV[4]), tonumber(ARGV[5])

local streams, begun, at = {}, {}, 7
for i = 1, #KEYS - 2 do
  local events = tonumber(ARGV[at + 7])
  local from = at + PER_STREAM
  streams[i] = {
    log = KEYS[2 + i], stream = ARGV[at], entry = ARGV[at + 1], token = ARGV[at + 2],
    delivery = ARGV[at + 3], holder = ARGV[at + 4], session = ARGV[at + 5], era = ARGV[at + 6],
    events = events, from = from, last = from + 2 * (events - 1),
  }
  if ARGV[from] == '1' then begun[#begun + 1] = streams[i] end
  at = from + 2 * events
end

-- Before the first write, since it fails without the consumer group: then nothing is written.
local logs = {}
for i, s in ipairs(begun) do
  logs[i] = s.log
  s.is_leased = call('XPENDING', KEYS[2], ARGV[1], s.entry, s.entry, 1)[1]
end

-- One look for all that begin: most of them have no log yet.
local none_has_begun = #begun > 0 and call('EXISTS', unpack(logs)) == 0

local made = {}

-- The first events make the log. An entry that is gone had its log before, and a log is never made twice.
local function make(s, bytes)
  if s.delivery ~= '1' or ARGV[s.from] ~= '1' then return LOST end
  if s.events > most_events or bytes > most_bytes then return FULL end
  if not s.is_leased then return LOST end
  call('HSET', s.log, 'state', 'open', 'owner', s.token, 'entry', s.entry, 'holder', s.holder,
    'session', s.session, 'era', s.era, 'newest', ARGV[s.last], 'count', s.events, 'bytes', bytes,
    unpack(ARGV, s.from, s.last + 1))
  made[#made + 1] = s.stream
  return OK
end

-- Logs the events of one stream; those from `s.from` on are then to be published.
local function append(s)
  local log = none_has_begun and ARGV[s.from] == '1' and {}
    or call('HMGET', s.log, 'state', 'owner', 'holder', 'newest', 'count', 'bytes', 'entry')
  local state, owner = log[1], log[2]
  if state then
    if log[7] and log[7] ~= s.entry then return FINISHED end
    if state == 'cancelled' then return CANCELLED end
    if owner and owner ~= s.token then return LOST end
    if not owner and s.delivery ~= '1' then return LOST end
    s.holder = log[3]
    local newest = tonumber(log[4])
    while s.events > 0 and tonumber(ARGV[s.from]) <= newest do
      s.from, s.events = s.from + 2, s.events - 1
    end
    if s.events == 0 then return OK end
    if state == 'finished' then return FINISHED end
  end
  local bytes = 0
  for line = s.from + 1, s.last + 1, 2 do bytes = bytes + #ARGV[line] end
  if not state then return make(s, bytes) end
  local count = tonumber(log[5]) + s.events
  bytes = tonumber(log[6] or 0) + bytes
  if count > most_events or bytes > most_bytes then return FULL end
  call('HSET', s.log, 'owner', s.token, 'entry', s.entry, 'newest', ARGV[s.last], 'count', count,
    'bytes', bytes, unpack(ARGV, s.from, s.last + 1))
  return OK
end

local answers, news, holders = {}, {}, {}
for i, s in ipairs(streams) do
  answers[i] = append(s)
  -- A task has no holder.
  if answers[i] == OK and s.events > 0 and s.holder then
    call('PEXPIRE', s.log, ARGV[3])
    if not news[s.holder] then
      news[s.holder] = {}
      holders[#holders + 1] = s.holder
    end
    local lines = news[s.holder]
    if ARGV[6] ~= '' then
      lines[#lines + 1] = ARGV[6]
    else
      for line = s.from + 1, s.last + 1, 2 do lines[#lines + 1] = ARGV[line] end
    end
  end
end

if #made > 0 then
  local marks, now = {}, call('TIME')[1] * 1000
  for _, stream in ipairs(made) do
    marks[#marks + 1] = now
    marks[#marks + 1] = stream
  end
  call('ZADD', KEYS[1], unpack(marks))
end
for _, holder in ipairs(holders) do
  call('PUBLISH', ARGV[2] .. holder, table.concat(news[holder], '\n'))
end
return answers
