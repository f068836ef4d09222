-- Notes an entry among the dead letters, once, and removes it. It may have been finished before.
--
-- KEYS 6 + 1 per stream
--   1 request queue (stream)   2 dead letters (stream)   3 streams of cancelled requests (sorted set)
--   4 unfinished streams (sorted set)   5 whether the entry was noted (string)
--   6 calls of all sessions (sorted set)
--   then the log of the entry's stream (hash), if that is known
-- ARGV
--   1 consumer group   2 entry   3 delivery   4 reason   5 most dead letters
--   6 stream or ''     7 retention of a cancelled log from now on, ms
--   8 how long it is remembered that the entry was noted, ms   9 the call among those of its session or ''
--   then the entry's fields and values
-- Returns
--   1 noted   0 it is another delivery's

local lease = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1)[1]
if lease and lease[4] ~= tonumber(ARGV[3]) then return 0 end

if redis.call('SET', KEYS[5], '1', 'NX', 'PX', ARGV[8]) then
  redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[5], '*', 'entry', ARGV[2], 'reason', ARGV[4],
    unpack(ARGV, 10))
end
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
redis.call('XDEL', KEYS[1], ARGV[2])
if ARGV[9] ~= '' then redis.call('ZREM', KEYS[6], ARGV[9]) end
if KEYS[7] then
  local log = redis.call('HMGET', KEYS[7], 'state', 'entry')
  if log[1] == 'cancelled' and (not log[2] or log[2] == ARGV[2]) then
    -- The log was kept for the sake of the entry.
    redis.call('ZREM', KEYS[3], ARGV[6])
    redis.call('ZREM', KEYS[4], ARGV[6])
    redis.call('PEXPIRE', KEYS[7], ARGV[7])
  end
end
return 1
