-- Reads a session, restarts its idle time and notes a call that begins in it.
--
-- KEYS 3
--   1 session (hash)   2 running calls of the session (hash)   3 values of the session (hash)
-- ARGV
--   1 idle time, ms   2 stream of the call or ''   3 call   4 most calls
-- Returns
--   {the session's fields and values, 1 or 0: whether there was room for the call}; no fields when it has ended

local session = redis.call('HGETALL', KEYS[1])
if #session == 0 then return {session, 0} end
local has_room = 1
if ARGV[2] ~= '' then
  if redis.call('HLEN', KEYS[2]) < tonumber(ARGV[4]) then
    redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
  else
    has_room = 0
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[1])
redis.call('PEXPIRE', KEYS[3], ARGV[1])
return {session, has_room}
