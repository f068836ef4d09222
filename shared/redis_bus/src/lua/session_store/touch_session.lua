-- Restarts the idle time of a session, reads what is asked for and notes a call that begins in it, for its own
-- principal only. Subscriptions are fields of the session as well, so fields are read by name.
--
-- KEYS 3
--   1 session (hash)   2 running calls of the session (hash)   3 values of the session (hash)
-- ARGV
--   1 idle time, ms   2 subject of the caller   3 stream of the call or ''   4 call   5 most calls
--   6 now, Unix ms    then the fields to read
-- Returns
--   {1, 1 or 0: whether there was room for the call, the values of the fields, {} or {share, bytes}: what is to be
--   counted anew}; {0, 0, {}, {}} when the session has ended or is another principal's

local session = redis.call('HMGET', KEYS[1], 'principal', 'counted')
if not session[1] or cjson.decode(session[1]).subject ~= ARGV[2] then return {0, 0, {}, {}} end
local has_room = 1
if ARGV[3] ~= '' then
  local is_small = redis.call('HLEN', KEYS[2]) < tonumber(ARGV[5])
  -- Who did not hear the answer asks again, also at the bound.
  if is_small or redis.call('HEXISTS', KEYS[2], ARGV[3]) == 1 then
    redis.call('HSET', KEYS[2], ARGV[3], ARGV[4])
  else
    has_room = 0
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[1])
redis.call('PEXPIRE', KEYS[3], ARGV[1])
-- A count lasts for five quarters of the idle time.
local count = {}
if session[2] and ARGV[6] - session[2] > ARGV[1] / 4 then
  count = redis.call('HMGET', KEYS[1], 'share', 'kept')
  redis.call('HSET', KEYS[1], 'counted', ARGV[6])
end
return {1, has_room, #ARGV > 6 and redis.call('HMGET', KEYS[1], unpack(ARGV, 7)) or {}, count}
