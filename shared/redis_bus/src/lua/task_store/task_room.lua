-- Whether there is room for one more task.
--
-- KEYS 2
--   1 tasks, by when they make room for others (sorted set)   2 those of its share (sorted set)
-- ARGV
--   1 now, Unix ms   2 most tasks   3 most of one share
-- Returns
--   0 there is   1 not for its share   2 not at all

for i = 1, 2 do redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', '(' .. ARGV[1]) end
if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[3]) then return 1 end
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 2 end
return 0
