-- Counts something that is kept for a caller, or forgets it. What has reached its end is forgotten by itself, so a
-- count that nobody takes back is wrong for as long as the thing would have lived, and no longer.
--
-- KEYS 2
--   1 ends of what is kept (sorted set: name by Unix ms)
--   2 bytes of it (hash: by name; "sum" of all, "sessions": how many names begin with "s.")
-- ARGV
--   1 name, '' to ask only   2 bytes, '' to forget it   3 lifetime in ms, '' for ever   4 most bytes
--   5 most sessions
-- Returns
--   0 counted or forgotten   1 no room for the bytes   2 as many sessions as there may be

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local counts = redis.call('HMGET', KEYS[2], 'sum', 'sessions', ARGV[1])
local sum, sessions = tonumber(counts[1] or 0), tonumber(counts[2] or 0)
local before = tonumber(counts[3] or 0)

local changed = false
local function forget(name, bytes)
  changed = true
  sum = sum - bytes
  if string.sub(name, 1, 2) == 's.' then sessions = sessions - 1 end
  redis.call('HDEL', KEYS[2], name)
  redis.call('ZREM', KEYS[1], name)
end

-- More than one, so that forgetting outruns counting; bounded, since Redis serves nobody else meanwhile.
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 256)) do
  forget(name, tonumber(redis.call('HGET', KEYS[2], name) or 0))
  if name == ARGV[1] then counts[3], before = false, 0 end
end

local code = 0
if ARGV[2] == '' then
  if counts[3] then forget(ARGV[1], before) end
else
  local is_new_session = not counts[3] and string.sub(ARGV[1], 1, 2) == 's.'
  local grows = tonumber(ARGV[2]) > before
  if grows and sum - before + ARGV[2] > tonumber(ARGV[4]) then
    code = 1
  elseif is_new_session and sessions >= tonumber(ARGV[5]) then
    code = 2
  elseif ARGV[1] ~= '' then
    changed = true
    sum = sum - before + ARGV[2]
    if is_new_session then sessions = sessions + 1 end
    redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
    redis.call('ZADD', KEYS[1], ARGV[3] == '' and '+inf' or now + ARGV[3], ARGV[1])
  end
end

if not changed then return code end
local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if not last[1] then
  redis.call('DEL', KEYS[2])
  return code
end
redis.call('HSET', KEYS[2], 'sum', sum, 'sessions', sessions)
for _, key in ipairs(KEYS) do
  if last[2] == 'inf' then redis.call('PERSIST', key) else redis.call('PEXPIREAT', key, last[2] + 1000) end
end
return code
