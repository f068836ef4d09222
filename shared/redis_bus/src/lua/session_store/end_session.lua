-- Ends a session, for its own principal only. What it leaves (its calls, and whose it was) is kept until the calls are
-- cancelled, so that a gateway that did not hear the answer can ask again.
--
-- KEYS 4
--   1 session (hash)   2 running calls of the session (hash)   3 values of the session (hash)
--   4 ended session (hash)
-- ARGV
--   1 subject of the caller   2 how long what it leaves is kept, ms
-- Returns
--   nil: there is none, or its calls were cancelled before, or it is another principal's
--   otherwise {stream, call, ...} of the calls that were running in it

local lives = redis.call('EXISTS', KEYS[1]) == 1
local principal = redis.call('HGET', lives and KEYS[1] or KEYS[4], 'principal')
if not principal or cjson.decode(principal).subject ~= ARGV[1] then return false end
if lives then
  redis.call('RENAME', KEYS[1], KEYS[4])
  redis.call('UNLINK', KEYS[3])
  redis.call('PEXPIRE', KEYS[4], ARGV[2])
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
end
return redis.call('HGETALL', KEYS[2])
