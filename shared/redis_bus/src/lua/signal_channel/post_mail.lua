-- Puts a message of the client into the mailbox of a running call and wakes its worker. One that lies there already is
-- the same message, sent again.
--
-- KEYS 2
--   1 log of the stream (hash)   2 mailbox (list)
-- ARGV
--   1 session   2 message   3 most messages   4 retention, ms   5 worker channels' common start
--   6 signal line
-- Returns
--   0 accepted   1 no such call runs in this session   2 the mailbox is full

local log = redis.call('HMGET', KEYS[1], 'state', 'session', 'owner', 'newest')
if log[1] ~= 'open' or log[2] ~= ARGV[1] or not log[3] or log[4] == '0' then return 1 end
local is_there = redis.call('LPOS', KEYS[2], ARGV[2])
if not is_there and redis.call('LLEN', KEYS[2]) >= tonumber(ARGV[3]) then return 2 end

if not is_there then redis.call('RPUSH', KEYS[2], ARGV[2]) end
redis.call('PEXPIRE', KEYS[2], ARGV[4])
redis.call('HSET', KEYS[1], 'mail', 1)
-- The owner is a fencing token: worker, colon, delivery.
redis.call('PUBLISH', ARGV[5] .. string.match(log[3], '^(.*):%d+$'), ARGV[6])
return 0
