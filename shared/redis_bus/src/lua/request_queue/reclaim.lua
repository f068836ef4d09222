#!lua flags=allow-oom
-- Takes entries whose owner's lease ended, longest-waiting entry first. Only time counts in which Redis answered some
-- worker: every call of this script is such a moment, and a pause between two of them is a silence, whether Redis, the
-- network or all workers stood still. Also a Redis that is full hands out what a lost worker had, hence the flag.
-- When the answer was lost and the same reclaim comes again, it gets the same entries, as far as they are still its
-- worker's. What does not fit is left for the next reclaim.
--
-- KEYS 5
--   1 request queue (stream)   2 leases of the workers, ms (hash)
--   3 when this was called last, Unix ms (string)   4 silences, newest first (list)
--   5 the worker's last reclaim (list): its number, then entry, delivery, ...
-- ARGV
--   1 consumer group   2 worker   3 its lease, ms: also that of an owner which told none   4 most entries
--   5 name of nobody   6 longest pause that is no silence, ms   7 time after a silence that workers may take to come
--   back, ms           8 most silences   9 number of this reclaim   10 how long it is remembered, ms   11 most bytes
-- Returns
--   Redis' time, Unix ms; the size of the first entry that does not fit or 0; for each entry: its id, its delivery,
--   its fields

local PAGE = 256
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local last = tonumber(redis.call('GET', KEYS[3]) or now)
if now - last > tonumber(ARGV[6]) then
  redis.call('LPUSH', KEYS[4], last .. ' ' .. (now + ARGV[7]))
  redis.call('LTRIM', KEYS[4], 0, ARGV[8] - 1)
end
redis.call('SET', KEYS[3], now)

local bytes, too_large = 0, 0
local function fits(entry)
  local size = 0
  for _, text in ipairs(entry and entry[2] or {}) do size = size + #text end
  bytes = bytes + size
  if bytes > tonumber(ARGV[11]) then too_large = size end
  return too_large == 0
end

local answer = {}
local before = redis.call('LRANGE', KEYS[5], 0, -1)
if before[1] == ARGV[9] then
  for i = 2, #before, 2 do
    local lease = redis.call('XPENDING', KEYS[1], ARGV[1], before[i], before[i], 1)[1]
    local entry = redis.call('XRANGE', KEYS[1], before[i], before[i])[1]
    if entry and lease and lease[2] == ARGV[2] and lease[4] == tonumber(before[i + 1]) then
      -- It was given alone.
      if not fits(entry) then break end
      redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, before[i], 'IDLE', 0, 'JUSTID')
      answer[#answer + 1] = { entry[1], lease[4], entry[2] }
    end
  end
  return { now, too_large, answer }
end

local silences = {}
for i, silence in ipairs(redis.call('LRANGE', KEYS[4], 0, -1)) do
  local from, to = string.match(silence, '(%d+) (%d+)')
  silences[i] = { from = tonumber(from), to = math.min(tonumber(to), now) }
end

-- Not renewed for so long is not renewed for a lease in which Redis answered.
local function idle_time(lease)
  local idle = lease
  for _, silence in ipairs(silences) do
    if now - idle < silence.to then idle = idle + silence.to - silence.from end
  end
  return idle
end

local own = tonumber(ARGV[3])
local shortest, longest, told = own, own, redis.call('HGETALL', KEYS[2])
for i = 2, #told, 2 do
  local lease = tonumber(told[i])
  -- A worker that has ended says 0. What it handed back is older than any lease, so that nobody reads more for it.
  if lease > 0 then shortest, longest = math.min(shortest, lease), math.max(longest, lease) end
end
local idle_times, others = {}, idle_time(own)
for i = 1, #told, 2 do idle_times[told[i]] = idle_time(tonumber(told[i + 1])) end
-- The worker that had it before the group was lost may yet renew it (renew.lua).
idle_times[ARGV[5]] = idle_time(longest)

local ids, deliveries, from = {}, {}, '-'
local most, least_idle = tonumber(ARGV[4]), idle_time(shortest)
repeat
  local page = redis.call('XPENDING', KEYS[1], ARGV[1], 'IDLE', least_idle, from, '+', PAGE)
  for _, lease in ipairs(page) do
    if too_large == 0 and #ids < most and lease[3] >= (idle_times[lease[2]] or others)
      and fits(redis.call('XRANGE', KEYS[1], lease[1], lease[1])[1]) then
      ids[#ids + 1] = lease[1]
      deliveries[lease[1]] = lease[4] + 1
    end
    from = '(' .. lease[1]
  end
until #page < PAGE or #ids == most or too_large > 0
if #ids == 0 then return { now, too_large, answer } end

redis.call('DEL', KEYS[5])
redis.call('RPUSH', KEYS[5], ARGV[9])
for _, entry in ipairs(redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, unpack(ids))) do
  answer[#answer + 1] = { entry[1], deliveries[entry[1]], entry[2] }
  redis.call('RPUSH', KEYS[5], entry[1], deliveries[entry[1]])
end
redis.call('PEXPIRE', KEYS[5], ARGV[10])
return { now, too_large, answer }
