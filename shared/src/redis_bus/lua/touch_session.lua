-- Reads a session and restarts its idle time.
--
-- KEYS 3
--   1 session (hash)   2 running calls of the session (hash)   3 values of the session (hash)
-- ARGV
--   1 idle time, ms
-- Returns
--   {the session's fields and values, how many calls run}; no fields when it has ended

local session = redis.call('HGETALL', KEYS[1])
if #session > 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  redis.call('PEXPIRE', KEYS[2], ARGV[1])
  redis.call('PEXPIRE', KEYS[3], ARGV[1])
end
return {session, redis.call('HLEN', KEYS[2])}
