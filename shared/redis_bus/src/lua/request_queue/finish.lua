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
--   the call among those of its session or '', record for the audit or '',
--   number of events (0 when there is no final event), then of each event, the final one last: offset, event line
-- Returns a code (scripts/write_code.rs) for each request
--   0 ended, now or before   1 not the owner, or the log is gone: entry left alone
--   2 cancelled   3 finished with another event, or another entry's
--   (2, 3: entry removed, nothing published)

local PER_REQUEST = 10
local RECORDS_PER_ENTRY = 4 -- of the audit, at most
local OK, LOST, CANCELLED, FINISHED = 0, 1, 2, 3
local call = redis.call
local count = (#KEYS - 5) / 2

local requests, logs, at = {}, {}, 5
for i = 1, count do
  local from, events = at + PER_REQUEST, tonumber(ARGV[at + 9])
  local last = from + 2 * (events - 1)
  logs[i] = KEYS[4 + 2 * i]
  requests[i] = {
    log = logs[i], mailbox = KEYS[5 + 2 * i],
    stream = ARGV[at], entry = ARGV[at + 1], worker = ARGV[at + 2], delivery = ARGV[at + 3],
    holder = ARGV[at + 4], session = ARGV[at + 5], retention = ARGV[at + 6], call = ARGV[at + 7],
    record = ARGV[at + 8],
    from = from, last = last, offset = events > 0 and ARGV[last] or '',
  }
  at = from + 2 * events
end

-- One look for all: most requests are ended by their first write.
local none_has_a_log = call('EXISTS', unpack(logs)) == 0

-- Decides what becomes of a request; `make` and `close` say how its log is written.
local function admit(r)
  local log = none_has_a_log and {}
    or call('HMGET', r.log, 'state', 'owner', 'newest', 'holder', 'mail', 'entry')
  local state, owner = log[1], log[2]
  local is_copy = log[6] and log[6] ~= r.entry
  r.cancelled = state == 'cancelled' and not is_copy
  if r.offset == '' then
    local lease = call('XPENDING', KEYS[1], ARGV[1], r.entry, r.entry, 1)[1]
    if lease and (lease[2] ~= r.worker or lease[4] ~= tonumber(r.delivery)) then return LOST end
    return is_copy and FINISHED or OK
  end
  if is_copy then return FINISHED end
  if not state then
    if r.delivery ~= '1' or ARGV[r.from] ~= '1' then return LOST end
    r.make = true
    return OK
  end
  if r.cancelled then return CANCELLED end
  local token = r.worker .. ':' .. r.delivery
  if owner and owner ~= token then return LOST end
  if not owner and r.delivery ~= '1' then return LOST end
  if state == 'finished' then
    if r.offset == log[3] then return OK end
    return FINISHED
  end
  r.close, r.holder, r.mail = true, log[4], log[5]
  local newest = tonumber(log[3] or 0)
  while r.from < r.last and tonumber(ARGV[r.from]) <= newest do r.from = r.from + 2 end
  return OK
end

local answers, entries, calls = {}, {}, {}
for i, r in ipairs(requests) do
  answers[i] = admit(r)
  if answers[i] ~= LOST then
    entries[#entries + 1] = r.entry
    if r.call ~= '' then calls[#calls + 1] = r.call end
  end
end
if #entries == 0 then return answers end

-- An entry that is gone was ended before, and its log is never made twice.
if call('XACK', KEYS[1], ARGV[1], unpack(entries)) < #entries then
  for i, r in ipairs(requests) do
    if r.make and #call('XRANGE', KEYS[1], r.entry, r.entry) == 0 then
      answers[i], r.make = LOST, false
    end
  end
end

local news, holders, closed, marks = {}, {}, {}, {}
for i, r in ipairs(requests) do
  local token = r.worker .. ':' .. r.delivery
  if r.make and r.session == '' then
    call('HSET', r.log, 'state', 'finished', 'owner', token, 'entry', r.entry, 'newest', r.offset,
      unpack(ARGV, r.from, r.last + 1))
  elseif r.make then
    call('HSET', r.log, 'state', 'finished', 'owner', token, 'entry', r.entry, 'newest', r.offset,
      'session', r.session, unpack(ARGV, r.from, r.last + 1))
  elseif r.close then
    call('HSET', r.log, 'state', 'finished', 'owner', token, 'entry', r.entry, 'newest', r.offset,
      unpack(ARGV, r.from, r.last + 1))
    closed[#closed + 1] = r.stream
    if r.mail then call('DEL', r.mailbox) end
  elseif r.cancelled and answers[i] ~= LOST then
    closed[#closed + 1] = r.stream
    marks[#marks + 1] = r.stream
  end
  if r.make or r.close or (r.cancelled and answers[i] ~= LOST) then
    call('PEXPIRE', r.log, r.retention)
  end
  if r.make or r.close then
    if not news[r.holder] then
      news[r.holder] = {}
      holders[#holders + 1] = r.holder
    end
    local lines = news[r.holder]
    if ARGV[3] ~= '' then
      lines[#lines + 1] = ARGV[3]
    else
      for line = r.from + 1, r.last + 1, 2 do lines[#lines + 1] = ARGV[line] end
    end
  end
end

-- What has no final event leaves nothing by which a repetition is known, but for its entry.
local function ends_now(i, r)
  if r.make or r.close then return true end
  local is_end = r.offset == '' or r.cancelled
  return is_end and answers[i] ~= LOST and #call('XRANGE', KEYS[1], r.entry, r.entry) == 1
end
-- Records that come together share entries: one command for several.
local records = {}
local function add_records()
  call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[4], '*', unpack(records))
  records = {}
end
for i, r in ipairs(requests) do
  if r.record ~= '' and ends_now(i, r) then
    records[#records + 1] = 'record'
    records[#records + 1] = r.record
    if #records == 2 * RECORDS_PER_ENTRY then add_records() end
  end
end
if #records > 0 then add_records() end

call('XDEL', KEYS[1], unpack(entries))
if #calls > 0 then call('ZREM', KEYS[4], unpack(calls)) end
if #closed > 0 then call('ZREM', KEYS[2], unpack(closed)) end
if #marks > 0 then call('ZREM', KEYS[3], unpack(marks)) end
for _, holder in ipairs(holders) do
  call('PUBLISH', ARGV[2] .. holder, table.concat(news[holder], '\n'))
end
return answers
