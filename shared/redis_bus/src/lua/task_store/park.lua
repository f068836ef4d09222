-- Lets a task wait for its client: keeps its questions and its request, and takes that out of the queue. Idempotent.
--
-- KEYS 4
--   1 log of the stream (hash)   2 unfinished streams (sorted set)   3 request queue (stream)
--   4 tasks that wait for their clients, by when they have waited for as long as they may (sorted set)
-- ARGV
--   1 consumer group   2 stream   3 entry   4 fencing token   5 what its handler left, or ''
--   6 record for the audit, should it be cancelled, or ''   7 most bytes of questions and answers
--   then for each question: key, the handler's name for it, request
-- Returns
--   a code (scripts/write_code.rs)
--   0 it waits, now or before   1 not the owner, no task, or the log is gone   2 cancelled
--   3 finished, or another entry's   4 no room for its questions

local call = redis.call
local log = call('HMGET', KEYS[1], 'state', 'owner', 'entry', 'task', 'parked', 'asked', 'counts')
local parked = ARGV[3] .. ' ' .. ARGV[4]
if log[5] == parked then return 0 end
if log[3] and log[3] ~= ARGV[3] then return 3 end
if log[1] == 'cancelled' then return 2 end
if not log[4] or log[2] ~= ARGV[4] then return 1 end
if log[1] == 'finished' then return 3 end
local entry = call('XRANGE', KEYS[3], ARGV[3], ARGV[3])[1]
if not entry then return 1 end

local asked = log[6] and cmsgpack.unpack(log[6]) or {}
-- Answers that it waits for, bytes of all questions and answers, how often it has waited.
local _, bytes, rounds = unpack(log[7] and cmsgpack.unpack(log[7]) or { 0, 0, 0 })
local set = {}
for i = 8, #ARGV, 3 do
  bytes = bytes + #ARGV[i] + #ARGV[i + 1] + #ARGV[i + 2]
  asked[#asked + 1], asked[#asked + 2] = ARGV[i], ARGV[i + 1]
  set[#set + 1], set[#set + 2] = '?' .. ARGV[i], ARGV[i + 2]
end
if bytes + #ARGV[5] > tonumber(ARGV[7]) then return 4 end

-- As the gateway wrote it, with its signature.
local request = {}
for i = 1, #entry[2], 2 do
  if entry[2][i] ~= 'again' then
    request[#request + 1], request[#request + 2] = entry[2][i], entry[2][i + 1]
  end
end
call('HSET', KEYS[1], 'owner', '-', 'parked', parked, 'asked', cmsgpack.pack(asked), 'record', ARGV[6],
  'counts', cmsgpack.pack({ (#ARGV - 7) / 3, bytes, rounds + 1 }),
  'queued', cmsgpack.pack(request), set[1], set[2])
if ARGV[5] == '' then call('HDEL', KEYS[1], 'left') else call('HSET', KEYS[1], 'left', ARGV[5]) end
-- There may be more of them than `unpack` takes.
for i = 3, #set, 2 do call('HSET', KEYS[1], set[i], set[i + 1]) end
call('XACK', KEYS[3], ARGV[1], ARGV[3])
call('XDEL', KEYS[3], ARGV[3])
call('ZREM', KEYS[2], ARGV[2])
local _, spare = terms(KEYS[1])
local now = call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
call('ZADD', KEYS[4], string.format('%.0f', now_ms + call('PTTL', KEYS[1]) - spare), ARGV[2])
tell_task(KEYS[1])
return 0
