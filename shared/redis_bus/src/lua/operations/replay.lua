-- Queues the request of a dead letter once more and removes the letter.
--
-- KEYS 2
--   1 request queue (stream)   2 dead letters (stream)
-- ARGV
--   1 letter   then the entry's fields and values
-- Returns
--   its entry, nil when there is no such letter

if redis.call('XDEL', KEYS[2], ARGV[1]) == 0 then return false end
return redis.call('XADD', KEYS[1], '*', unpack(ARGV, 2))
