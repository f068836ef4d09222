-- Removes what dead processes left behind: consumers without entries, the leases of workers that are no consumers,
-- marks of logs that expired, sessions that fell idle, and calls of sessions whose entry was deleted by other means
-- than a script of ours.
--
-- KEYS 6
--   1 request queue (stream)   2 unfinished streams (sorted set)
--   3 streams of cancelled requests (sorted set)   4 leases of the workers (hash)
--   5 calls of all sessions (sorted set)   6 sessions (sorted set)
-- ARGV
--   1 consumer group   2 idle time of an abandoned consumer, ms   3 longest life of an unfinished stream, ms
--   4 longest life of a cancelled one, ms   5 most consumers to remove
--   6 how many calls to look at; they are drawn by lot
-- Returns
--   how many consumers were removed

local now = redis.call('TIME')[1] * 1000
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', '(' .. (now - ARGV[3]))
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', '(' .. (now - ARGV[4]))
redis.call('ZREMRANGEBYSCORE', KEYS[6], '-inf', '(' .. now)

-- finish.lua and dead_letter.lua take a call out with its entry. An operator who deletes entries does not, nor does a
-- script that does not know whose call a forged entry was.
for _, said in ipairs(redis.call('ZRANDMEMBER', KEYS[5], ARGV[6])) do
  local entry = string.match(said, '^%x+:([^:]+):')
  if not entry or #redis.call('XRANGE', KEYS[1], entry, entry) == 0 then redis.call('ZREM', KEYS[5], said) end
end

local removed, there = 0, {}
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local facts = {}
  for i = 1, #consumer, 2 do facts[consumer[i]] = consumer[i + 1] end
  if facts.pending == 0 and facts.idle > tonumber(ARGV[2]) and removed < tonumber(ARGV[5]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], facts.name)
    removed = removed + 1
  else
    there[facts.name] = true
  end
end
for _, worker in ipairs(redis.call('HKEYS', KEYS[4])) do
  if not there[worker] then redis.call('HDEL', KEYS[4], worker) end
end
return removed
