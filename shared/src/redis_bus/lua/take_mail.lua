-- Reads the mailbox of a call, for its owner only. Messages are numbered from 1; those that the owner has received are
-- removed, so an answer that is lost loses none.
--
-- KEYS 2
--   1 log of the stream (hash)   2 mailbox (list)
-- ARGV
--   1 fencing token   2 number of the last message received, 0 before the first
-- Returns
--   the number to name next, then the messages, oldest first; none for anybody else

local log = redis.call('HMGET', KEYS[1], 'owner', 'mail_removed')
if log[1] ~= ARGV[1] then return { ARGV[2] } end

local received, removed = tonumber(ARGV[2]), tonumber(log[2] or 0)
if received > removed then
  redis.call('LTRIM', KEYS[2], received - removed, -1)
  redis.call('HSET', KEYS[1], 'mail_removed', ARGV[2])
  removed = received
end
local answer = redis.call('LRANGE', KEYS[2], 0, -1)
table.insert(answer, 1, string.format('%.0f', removed + #answer))
return answer
