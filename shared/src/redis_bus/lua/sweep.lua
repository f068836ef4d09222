-- Removes what dead processes left behind: consumers without entries, and marks of logs that expired.
--
-- KEYS 3
--   1 request queue (stream)   2 unfinished streams (sorted set)
--   3 streams of cancelled requests (sorted set)
-- ARGV
--   1 consumer group   2 idle time of an abandoned consumer, ms   3 oldest unfinished stream to keep, Unix ms
--   4 oldest cancelled one to keep, Unix ms   5 most consumers to remove
-- Returns
--   how many consumers were removed

redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', '(' .. ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', '(' .. ARGV[4])

local removed = 0
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local facts = {}
  for i = 1, #consumer, 2 do facts[consumer[i]] = consumer[i + 1] end
  if facts.pending == 0 and facts.idle > tonumber(ARGV[2]) and removed < tonumber(ARGV[5]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], facts.name)
    removed = removed + 1
  end
end
return removed
