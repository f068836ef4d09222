-- Ends requests: ownership, last events, retention, acknowledgement and record of each; one PUBLISH per holder.
-- Idempotent.
--
-- KEYS 5 + 2 per request
--   1 request queue (stream)   2 unfinished streams (sorted set)   3 streams of cancelled requests (sorted set)
--   4 calls of all sessions (sorted set)   5 audit (stream)
--   then for each request: log of the stream (hash), mailbox (list)
-- ARGV
--   1 consumer group   2 gateway channels' common start   3 what to publish instead of the events, or ''
--   4 most entries of the audit
--   then for each request: stream, entry, worker, delivery, holder, session or '', retention in ms,
--   the call among those of its session or '', '1' if it has a record for the audit or '',
--   number of events (0 when there is no final event), then of each event, the final one last: offset, event line
--   and last the entries of the audit: the records of those that have one, in their order, a line each; each entry but
--   the last has eight
-- Returns a code (scripts/write_code.rs) for each request
--   0 ended, now or before   1 not the owner, or the log is gone: entry left alone
--   2 cancelled   3 finished with another event, or another entry's
--   (2, 3: entry removed, nothing published)

local PER_REQUEST = 10
-- Where these are among the arguments of a request, the stream being 0.
local ENTRY, WORKER, DELIVERY, HOLDER, SESSION, RETENTION, CALL, RECORD, EVENTS = 1, 2, 3, 4, 5, 6, 7, 8, 9
local OK, LOST, CANCELLED, FINISHED = 0, 1, 2, 3
local call = redis.call
local count = (#KEYS - 5) / 2

local logs = {}
for i = 1, count do logs[i] = KEYS[4 + 2 * i] end
-- One look for all: most requests are ended by their first write.
local none_has_a_log = call('EXISTS', unpack(logs)) == 0

-- By the number of a request: whether its log is made here, what is known of a log that is closed here, and of one that
-- was cancelled. Every call is ended here, and a table takes long to make: a first write needs none of its own.
local made, closing, cancelled = {}, {}, {}

-- Decides what becomes of a request: its arguments begin at `at`; its events are from `from` to `last`, none if that is
-- less.
local function admit(i, at, from, last)
  local entry, delivery = ARGV[at + ENTRY], ARGV[at + DELIVERY]
  local is_first = delivery == '1' and ARGV[from] == '1'
  if none_has_a_log and from <= last then
    made[i] = is_first
    return is_first and OK or LOST
  end
  local log = none_has_a_log and {}
    or call('HMGET', logs[i], 'state', 'owner', 'newest', 'holder', 'mail', 'entry', 'task')
  local state, owner, newest = log[1], log[2], log[3]
  local is_copy = log[6] and log[6] ~= entry
  cancelled[i] = state == 'cancelled' and not is_copy and { task = log[7] }
  if last < from then
    local lease = call('XPENDING', KEYS[1], ARGV[1], entry, entry, 1)[1]
    if lease and (lease[2] ~= ARGV[at + WORKER] or lease[4] ~= tonumber(delivery)) then return LOST end
    return is_copy and FINISHED or OK
  end
  if is_copy then return FINISHED end
  if not state then
    made[i] = is_first
    return is_first and OK or LOST
  end
  if cancelled[i] then return CANCELLED end
  if owner and owner ~= ARGV[at + WORKER] .. ':' .. delivery then return LOST end
  if not owner and delivery ~= '1' then return LOST end
  if state == 'finished' then return ARGV[last] == newest and OK or FINISHED end
  closing[i] = { newest = tonumber(newest or 0), holder = log[4], mail = log[5], task = log[7] }
  return OK
end

local answers, entries, calls = {}, {}, {}
local at = 5
for i = 1, count do
  local from = at + PER_REQUEST
  local last = from + 2 * (ARGV[at + EVENTS] - 1)
  answers[i] = admit(i, at, from, last)
  if answers[i] ~= LOST then
    entries[#entries + 1] = ARGV[at + ENTRY]
    if ARGV[at + CALL] ~= '' then calls[#calls + 1] = ARGV[at + CALL] end
  end
  at = last + 2
end
if #entries == 0 then return answers end

local function is_queued(entry) return #call('XRANGE', KEYS[1], entry, entry) == 1 end

-- An entry that is gone was ended before, and its log is never made twice.
if call('XACK', KEYS[1], ARGV[1], unpack(entries)) < #entries then
  at = 5
  for i = 1, count do
    if made[i] and not is_queued(ARGV[at + ENTRY]) then answers[i], made[i] = LOST, false end
    at = at + PER_REQUEST + 2 * ARGV[at + EVENTS]
  end
end

local news, holders, closed, marks = {}, {}, {}, {}

-- How many requests have a record, and which of these records are not kept.
local recorded, dropped, is_dropped = 0, 0, {}

at = 5
for i = 1, count do
  local from = at + PER_REQUEST
  local last = from + 2 * (ARGV[at + EVENTS] - 1)
  local seen = closing[i]
  local is_written = made[i] or seen
  -- What has no final event leaves nothing by which a repetition is known, but for its entry.
  local ends_now = is_written
    or ((last < from or cancelled[i]) and answers[i] ~= LOST and is_queued(ARGV[at + ENTRY]))
  if is_written then
    local holder = ARGV[at + HOLDER]
    -- A task has none.
    if seen then holder = seen.holder end
    local owner = ARGV[at + WORKER] .. ':' .. ARGV[at + DELIVERY]
    while seen and from < last and tonumber(ARGV[from]) <= seen.newest do from = from + 2 end
    if seen or ARGV[at + SESSION] == '' then
      call('HSET', logs[i], 'state', 'finished', 'owner', owner, 'entry', ARGV[at + ENTRY], 'newest', ARGV[last],
        unpack(ARGV, from, last + 1))
    else
      call('HSET', logs[i], 'state', 'finished', 'owner', owner, 'entry', ARGV[at + ENTRY], 'newest', ARGV[last],
        'session', ARGV[at + SESSION], unpack(ARGV, from, last + 1))
    end
    if seen and seen.task then
      call('PEXPIREAT', logs[i], until_gone(logs[i], ARGV[at]))
      tell_task(logs[i])
    else
      call('PEXPIRE', logs[i], ARGV[at + RETENTION])
    end
    if seen then
      closed[#closed + 1] = ARGV[at]
      if seen.mail then call('DEL', KEYS[5 + 2 * i]) end
    end
    local lines = holder and news[holder]
    if holder and not lines then
      lines = {}
      news[holder], holders[#holders + 1] = lines, holder
    end
    if lines and ARGV[3] ~= '' then
      lines[#lines + 1] = ARGV[3]
    elseif lines then
      for line = from + 1, last + 1, 2 do lines[#lines + 1] = ARGV[line] end
    end
  elseif cancelled[i] and answers[i] ~= LOST then
    if cancelled[i].task then
      -- Its client was told when it was cancelled.
      call('PEXPIREAT', logs[i], call('HGET', logs[i], 'until'))
    else
      call('PEXPIRE', logs[i], ARGV[at + RETENTION])
    end
    closed[#closed + 1] = ARGV[at]
    marks[#marks + 1] = ARGV[at]
  end
  if ARGV[at + RECORD] ~= '' then
    recorded = recorded + 1
    if not ends_now then dropped, is_dropped[recorded] = dropped + 1, true end
  end
  at = last + 2
end

local function add_records(lines) call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[4], '*', 'records', lines) end

if dropped == 0 then
  for i = at, #ARGV do add_records(ARGV[i]) end
elseif dropped < recorded then
  local kept, record = {}, 0
  for i = at, #ARGV do
    for line in ARGV[i]:gmatch('[^\n]+') do
      record = record + 1
      if not is_dropped[record] then kept[#kept + 1] = line end
    end
  end
  for i = 1, #kept, 8 do add_records(table.concat(kept, '\n', i, math.min(i + 7, #kept))) end
end

call('XDEL', KEYS[1], unpack(entries))
if #calls > 0 then call('ZREM', KEYS[4], unpack(calls)) end
if #closed > 0 then call('ZREM', KEYS[2], unpack(closed)) end
if #marks > 0 then call('ZREM', KEYS[3], unpack(marks)) end
for _, holder in ipairs(holders) do
  call('PUBLISH', ARGV[2] .. holder, table.concat(news[holder], '\n'))
end
return answers
