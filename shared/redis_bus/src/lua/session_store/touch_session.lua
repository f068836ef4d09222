-- Restarts the idle time of a session and reads what is asked for, for its own principal only. Subscriptions are fields
-- of the session as well, so fields are read by name.
--
-- KEYS 3
--   1 session (hash)   2 values of the session (hash)   3 sessions (sorted set)
-- ARGV
--   1 how long it lives from now on, ms   2 subject of the caller   3 now, Unix ms   4 session
--   then the fields to read
-- Returns
--   {1, the values of the fields, {} or {share, bytes}: what is to be counted anew}; {0, {}, {}} when the session has
--   ended or is another principal's

local session = redis.call('HMGET', KEYS[1], 'principal', 'counted', unpack(ARGV, 5))
if not session[1] or cjson.decode(session[1]).subject ~= ARGV[2] then return {0, {}, {}} end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[1])
-- A count lasts for five quarters of the idle time, and so for longer than the session lives from here.
local count = {}
if session[2] and ARGV[3] - session[2] > ARGV[1] / 8 then
  count = redis.call('HMGET', KEYS[1], 'share', 'kept')
  redis.call('HSET', KEYS[1], 'counted', ARGV[3])
  -- Longer than it lives from its last touch before the next time that it comes here.
  redis.call('ZADD', KEYS[3], redis.call('TIME')[1] * 1000 + ARGV[1] * 9 / 8, ARGV[4])
end
local values = {}
for i = 5, #ARGV do values[i - 4] = session[i - 2] end
return {1, values, count}
