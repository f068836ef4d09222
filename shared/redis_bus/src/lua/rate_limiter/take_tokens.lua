-- Takes tokens of a bucket, as many as there are. All times are in microseconds.
--
-- KEYS 1
--   1 when the bucket is full again (string); full without it
-- ARGV
--   1 time until one token has come back   2 most tokens   3 tokens wanted
-- Returns
--   tokens taken; how long until there is one more, 0 if there is one

local period, burst, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local refill = period * burst

-- Not further ahead than an empty one: the clock may have gone back.
local full_at = tonumber(redis.call('GET', KEYS[1]) or now)
full_at = math.max(math.min(full_at, now + refill), now)
local taken = math.min(wanted, math.floor((now + refill - full_at) / period))
if taken > 0 then
  full_at = full_at + taken * period
  redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000))
end
return { taken, math.max(full_at + period - now - refill, 0) }
