-- Logs an event of a stream and publishes it to the stream's holder.
--
-- KEYS 3
--   1 log of the stream (hash)   2 unfinished streams (sorted set)   3 request queue (stream)
-- ARGV
--   1 stream        2 consumer group   3 entry     4 fencing token   5 delivery   6 holder
--   7 session or '' 8 era              9 offset   10 event line     11 most events
--  12 retention, ms 13 gateway channels' common start   14 most bytes
--  15 what to publish instead of the event, or ''
-- Returns a code (scripts/write_code.rs)
--   0 logged, now or before   1 not the owner, or the log is gone   2 cancelled
--   3 finished, or another entry's   4 full

local log = redis.call('HMGET', KEYS[1], 'state', 'owner', 'holder', 'newest', 'count', 'bytes', 'entry')
local state, owner, holder = log[1], log[2], log[3]
local offset = tonumber(ARGV[9])

if not state then
  -- Offset 1 is what makes a log. An entry that is gone had its log before, and a log is never
  -- made twice.
  if ARGV[5] ~= '1' or offset ~= 1 then return 1 end
  if #ARGV[10] > tonumber(ARGV[14]) then return 4 end
  local lease = redis.call('XPENDING', KEYS[3], ARGV[2], ARGV[3], ARGV[3], 1)
  if not lease[1] then return 1 end
  holder = ARGV[6]
  redis.call('HSET', KEYS[1], 'state', 'open', 'owner', ARGV[4], 'entry', ARGV[3], 'holder', holder,
    'session', ARGV[7], 'era', ARGV[8], 'newest', 1, 'count', 1, 'bytes', #ARGV[10],
    '1', ARGV[10])
  redis.call('ZADD', KEYS[2], redis.call('TIME')[1] * 1000, ARGV[1])
else
  if log[7] and log[7] ~= ARGV[3] then return 3 end
  if state == 'cancelled' then return 2 end
  if owner and owner ~= ARGV[4] then return 1 end
  if not owner and ARGV[5] ~= '1' then return 1 end
  if offset <= tonumber(log[4]) then return 0 end
  if state == 'finished' then return 3 end
  local count, bytes = tonumber(log[5]), tonumber(log[6] or 0) + #ARGV[10]
  if count >= tonumber(ARGV[11]) or bytes > tonumber(ARGV[14]) then return 4 end
  redis.call('HSET', KEYS[1], 'owner', ARGV[4], 'entry', ARGV[3], 'newest', ARGV[9],
    'count', count + 1, 'bytes', bytes, ARGV[9], ARGV[10])
end
redis.call('PEXPIRE', KEYS[1], ARGV[12])
redis.call('PUBLISH', ARGV[13] .. holder, ARGV[15] ~= '' and ARGV[15] or ARGV[10])
return 0
