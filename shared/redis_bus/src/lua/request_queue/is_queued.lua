-- Whether an entry is in the queue. A command would answer with the whole entry, which may be large.
--
-- KEYS 1
--   1 request queue (stream)
-- ARGV
--   1 entry
-- Returns
--   1 it is   0 it is not

return #redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])
