-- What the queue holds. A command would answer with the oldest entry, which may be large.
--
-- KEYS 2
--   1 request queue (stream)   2 dead letters (stream)
-- ARGV
--   1 consumer group
-- Returns
--   entries that wait; entries that run; how long the oldest one waits, ms, or 0; dead letters

local running = redis.call('XPENDING', KEYS[1], ARGV[1])[1]
local handed_out = '0-0'
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local said = {}
  for i = 1, #group, 2 do said[group[i]] = group[i + 1] end
  if said['name'] == ARGV[1] then handed_out = said['last-delivered-id'] end
end
local oldest = redis.call('XRANGE', KEYS[1], '(' .. handed_out, '+', 'COUNT', 1)[1]
local age = 0
if oldest then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  age = math.max(0, now - tonumber(string.match(oldest[1], '^%d+')))
end
local waiting = math.max(0, redis.call('XLEN', KEYS[1]) - running)
return { waiting, running, age, redis.call('XLEN', KEYS[2]) }
