-- Changes one thing of a session.
--
-- KEYS 1
--   1 session (hash)
-- ARGV
--   1 'set', 'subscribe' or 'unsubscribe'   2 field   3 value ('set')   4 most subscriptions
-- Returns
--   0 changed   1 it has as many subscriptions as it may   2 it has ended

if redis.call('EXISTS', KEYS[1]) == 0 then return 2 end
if ARGV[1] == 'set' then
  redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
elseif ARGV[1] == 'unsubscribe' then
  if redis.call('HDEL', KEYS[1], ARGV[2]) == 1 then
    redis.call('HINCRBY', KEYS[1], 'subscriptions', -1)
  end
elseif redis.call('HEXISTS', KEYS[1], ARGV[2]) == 0 then
  local count = tonumber(redis.call('HGET', KEYS[1], 'subscriptions') or 0)
  if count >= tonumber(ARGV[4]) then return 1 end
  redis.call('HSET', KEYS[1], ARGV[2], 1, 'subscriptions', count + 1)
end
return 0
