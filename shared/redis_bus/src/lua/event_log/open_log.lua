-- Makes the log of a stream before its first event; changes nothing when there is one.
--
-- KEYS 2
--   1 log of the stream (hash)   2 unfinished streams (sorted set)
-- ARGV
--   1 stream   2 holder   3 session or ''   4 era   5 retention, ms
-- Returns
--   1 made   0 there was one

if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'state', 'open', 'holder', ARGV[2], 'session', ARGV[3],
  'era', ARGV[4], 'newest', 0, 'count', 0)
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('ZADD', KEYS[2], redis.call('TIME')[1] * 1000, ARGV[1])
return 1
