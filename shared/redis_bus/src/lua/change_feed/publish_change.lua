-- Logs a change and publishes it.
--
-- KEYS 2
--   1 epoch of the feed (string)   2 feed (stream)
-- ARGV
--   1 epoch, should there be none   2 change line   3 entries to keep   4 channel
-- Returns
--   the position: epoch-milliseconds-number

redis.call('SET', KEYS[1], ARGV[1], 'NX')
local id = redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[3], '*', 'change', ARGV[2])
local position = redis.call('GET', KEYS[1]) .. '-' .. id
redis.call('PUBLISH', ARGV[4], position .. ' ' .. ARGV[2])
return position
