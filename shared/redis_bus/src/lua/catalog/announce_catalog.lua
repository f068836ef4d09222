-- Replaces the catalog; publishes the change when it is one.
--
-- KEYS 3
--   1 catalog (string)   2 epoch of the feed (string)   3 feed (stream)
-- ARGV
--   1 catalog   2 epoch, should there be none   3 change line   4 entries to keep   5 channel
-- Returns
--   1 it differed   0 it was the same

if redis.call('GET', KEYS[1]) == ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('SET', KEYS[2], ARGV[2], 'NX')
local id = redis.call('XADD', KEYS[3], 'MAXLEN', ARGV[4], '*', 'change', ARGV[3])
local position = redis.call('GET', KEYS[2]) .. '-' .. id
redis.call('PUBLISH', ARGV[5], position .. ' ' .. ARGV[3])
return 1
