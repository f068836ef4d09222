-- Keeps a sealed token, in place of what is there.
--
-- KEYS 1
--   1 the token (string)
-- ARGV
--   1 the token, sealed   2 for how long, in milliseconds
-- Returns
--   1

redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
