-- Notes an entry among the dead letters and removes it. It may have been finished before.
--
-- KEYS 3
--   1 request queue (stream)   2 dead letters (stream)   3 streams of cancelled requests (sorted set)
-- ARGV
--   1 consumer group   2 entry   3 delivery   4 reason   5 most dead letters, about
--   then the entry's fields and values
-- Returns
--   1 noted   0 it is another delivery's

local lease = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1)[1]
if lease and lease[4] ~= tonumber(ARGV[3]) then return 0 end

redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[5], '*', 'entry', ARGV[2], 'reason', ARGV[4],
  unpack(ARGV, 6))
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
redis.call('XDEL', KEYS[1], ARGV[2])
for i = 6, #ARGV, 2 do
  if ARGV[i] == 'stream' then redis.call('ZREM', KEYS[3], ARGV[i + 1]) end
end
return 1
