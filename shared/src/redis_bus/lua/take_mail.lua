-- Takes all messages out of the mailbox of a call, for its owner only.
--
-- KEYS 2
--   1 log of the stream (hash)   2 mailbox (list)
-- ARGV
--   1 fencing token
-- Returns
--   the messages, oldest first; none for anybody else

if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return {} end
local messages = redis.call('LRANGE', KEYS[2], 0, -1)
if #messages > 0 then redis.call('DEL', KEYS[2]) end
return messages
