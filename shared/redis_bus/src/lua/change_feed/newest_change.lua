-- Names the position of the newest change.
--
-- KEYS 2
--   1 epoch of the feed (string)   2 feed (stream)
-- ARGV
--   1 epoch, should there be none
-- Returns
--   the position: epoch-milliseconds-number

redis.call('SET', KEYS[1], ARGV[1], 'NX')
local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
return redis.call('GET', KEYS[1]) .. '-' .. (newest and newest[1] or '0-0')
