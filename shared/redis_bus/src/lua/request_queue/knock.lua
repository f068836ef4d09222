-- Adds an entry to the request queue if it is empty: nothing waits, and nothing runs.
--
-- KEYS 1
--   1 request queue (stream)
-- ARGV
--   field, value, … of the entry
-- Returns
--   how long the oldest entry has been there, ms, 1 at least; 0 if this is it

local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
if not oldest then
  redis.call('XADD', KEYS[1], '*', unpack(ARGV))
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return math.max(1, now - tonumber(string.match(oldest[1], '^%d+')))
