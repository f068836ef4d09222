-- Restarts the idle time of a session and reads what is asked for, for its own principal only. Subscriptions are fields
-- of the session as well, so fields are read by name.
--
-- KEYS 2
--   1 session (hash)   2 values of the session (hash)
-- ARGV
--   1 how long it lives from now on, ms   2 subject of the caller   3 now, Unix ms    then the fields to read
-- Returns
--   {1, the values of the fields, {} or {share, bytes}: what is to be counted anew}; {0, {}, {}} when the session has
--   ended or is another principal's

local session = redis.call('HMGET', KEYS[1], 'principal', 'counted', unpack(ARGV, 4))
if not session[1] or cjson.decode(session[1]).subject ~= ARGV[2] then return {0, {}, {}} end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[1])
-- A count lasts for five quarters of the idle time, and so for longer than the session lives from here.
local count = {}
if session[2] and ARGV[3] - session[2] > ARGV[1] / 8 then
  count = redis.call('HMGET', KEYS[1], 'share', 'kept')
  redis.call('HSET', KEYS[1], 'counted', ARGV[3])
end
local values = {}
for i = 4, #ARGV do values[i - 3] = session[i - 1] end
return {1, values, count}
