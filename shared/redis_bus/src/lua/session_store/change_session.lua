-- Changes one thing of a session.
--
-- KEYS 1
--   1 session (hash)
-- ARGV
--   1 'set', 'subscribe' or 'unsubscribe'   2 field   3 value ('set')   4 most subscriptions
--   5 bytes that are counted for the session from now on, '' as before   6 what a field costs besides its name
-- Returns
--   {0 changed   1 it has as many subscriptions as it may   2 it has ended   3 more bytes must be counted first,
--   share, bytes}

local NOTHING = ''
if redis.call('EXISTS', KEYS[1]) == 0 then return {2, NOTHING, 0} end
if ARGV[1] == 'set' then
  redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
elseif ARGV[1] == 'unsubscribe' then
  if redis.call('HDEL', KEYS[1], ARGV[2]) == 1 then
    redis.call('HINCRBY', KEYS[1], 'subscriptions', -1)
    redis.call('HINCRBY', KEYS[1], 'used', -(#ARGV[2] + ARGV[6]))
  end
elseif redis.call('HEXISTS', KEYS[1], ARGV[2]) == 0 then
  local session = redis.call('HMGET', KEYS[1], 'subscriptions', 'share', 'used', 'kept')
  local count, used = tonumber(session[1] or 0), tonumber(session[3] or 0) + #ARGV[2] + ARGV[6]
  if count >= tonumber(ARGV[4]) then return {1, NOTHING, 0} end
  -- One of a release that did not count has no share.
  local kept = ARGV[5] ~= '' and ARGV[5] or session[4]
  if session[2] and used > tonumber(kept) then return {3, session[2], used} end
  redis.call('HSET', KEYS[1], ARGV[2], 1, 'subscriptions', count + 1, 'used', used)
  if session[2] then redis.call('HSET', KEYS[1], 'kept', kept) end
end
return {0, NOTHING, 0}
