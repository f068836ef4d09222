-- Notes a call that runs in a session.
--
-- KEYS 2
--   1 session (hash)   2 running calls of the session (hash)
-- ARGV
--   1 stream of the call   2 call   3 most calls
-- Returns
--   0 noted   1 as many run as may   2 the session has ended

local life = redis.call('PTTL', KEYS[1])
if life < 0 then return 2 end
if redis.call('HLEN', KEYS[2]) >= tonumber(ARGV[3])
  and redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0 then
  return 1
end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
-- The calls must not outlive their session.
redis.call('PEXPIRE', KEYS[2], math.max(life, 1))
return 0
