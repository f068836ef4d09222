-- How many tasks there are.
--
-- KEYS 3
--   1 tasks, by when they make room for others (sorted set)   2 unfinished streams (sorted set)
--   3 tasks that wait for their clients, by when they have waited for as long as they may (sorted set)
-- Returns
--   those that wait for a worker or run; those that wait for their clients; all that can be asked for

local now = redis.call('TIME')
now = string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000))
return {
  redis.call('ZINTERCARD', 2, KEYS[1], KEYS[2]), redis.call('ZCOUNT', KEYS[3], now, '+inf'),
  redis.call('ZCOUNT', KEYS[1], now, '+inf'),
}
