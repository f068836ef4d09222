-- Reads a session, restarts its idle time and notes a call that begins in it, for its own principal only.
--
-- KEYS 3
--   1 session (hash)   2 running calls of the session (hash)   3 values of the session (hash)
-- ARGV
--   1 idle time, ms   2 subject of the caller   3 stream of the call or ''   4 call   5 most calls
-- Returns
--   {the session's fields and values, 1 or 0: whether there was room for the call}; no fields when it has ended
--   or is another principal's

local principal = redis.call('HGET', KEYS[1], 'principal')
if not principal or cjson.decode(principal).subject ~= ARGV[2] then return {{}, 0} end
local has_room = 1
if ARGV[3] ~= '' then
  local is_noted = redis.call('HEXISTS', KEYS[2], ARGV[3]) == 1
  if is_noted or redis.call('HLEN', KEYS[2]) < tonumber(ARGV[5]) then
    redis.call('HSET', KEYS[2], ARGV[3], ARGV[4])
  else
    has_room = 0
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[1])
redis.call('PEXPIRE', KEYS[3], ARGV[1])
return {redis.call('HGETALL', KEYS[1]), has_room}
