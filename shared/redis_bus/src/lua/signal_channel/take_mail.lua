-- Reads the mailbox of a call, for its owner only. Messages are numbered from 1; those that the owner has received are
-- removed, so an answer that is lost loses none. What does not fit is left for the next read.
--
-- KEYS 2
--   1 log of the stream (hash)   2 mailbox (list)
-- ARGV
--   1 fencing token   2 number of the last message received, 0 before the first   3 most bytes
-- Returns
--   the number to name next, the size of the first message that does not fit or 0, then the messages, oldest first;
--   none for anybody else

local log = redis.call('HMGET', KEYS[1], 'owner', 'mail_removed')
if log[1] ~= ARGV[1] then return { ARGV[2], '0' } end

local received, removed = tonumber(ARGV[2]), tonumber(log[2] or 0)
if received > removed then
  redis.call('LTRIM', KEYS[2], received - removed, -1)
  redis.call('HSET', KEYS[1], 'mail_removed', ARGV[2])
  removed = received
end
local answer, bytes, too_large = {}, 0, 0
for i = 0, redis.call('LLEN', KEYS[2]) - 1 do
  local message = redis.call('LRANGE', KEYS[2], i, i)[1]
  if bytes + #message > tonumber(ARGV[3]) then
    too_large = #message
    break
  end
  answer[#answer + 1], bytes = message, bytes + #message
end
table.insert(answer, 1, string.format('%.0f', removed + #answer))
table.insert(answer, 2, string.format('%.0f', too_large))
return answer
