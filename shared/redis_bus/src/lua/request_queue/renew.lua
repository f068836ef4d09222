#!lua flags=allow-oom
-- Notes how long a worker's leases last, and lets those of its entries start anew; those of others, or handed back, are
-- left alone. One that is in nobody's hands since the group was lost (make_group.lua) is the worker's. A Redis that is
-- full keeps what runs, hence the flag. A lease of 0 says that the worker has ended; a renewal that comes after it, on
-- another connection, changes nothing.
--
-- KEYS 2
--   1 request queue (stream)   2 leases of the workers, ms (hash)
-- ARGV
--   1 consumer group   2 worker   3 its lease, ms   4 idle time from which a lease counts as handed back, ms
--   5 name of nobody   6 most entries that a worker has, when all of its own are to be renewed; else ''
--   then the entries
-- Returns
--   how many were renewed

local told = redis.call('HGET', KEYS[2], ARGV[2])
if told == '0' and ARGV[3] ~= '0' then return 0 end
-- The sweep forgets the lease of a worker that is no consumer.
if not told then
  -- Says NOGROUP when the group is gone, also when the queue is gone with it.
  redis.call('XPENDING', KEYS[1], ARGV[1])
  redis.call('XGROUP', 'CREATECONSUMER', KEYS[1], ARGV[1], ARGV[2])
end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
local own = {}
if ARGV[6] ~= '' then
  for _, lease in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', ARGV[6], ARGV[2])) do
    if lease[3] < tonumber(ARGV[4]) then own[#own + 1] = lease[1] end
  end
end
for i = 7, #ARGV do
  local lease = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)[1]
  local is_own = lease and (lease[2] == ARGV[2] or lease[2] == ARGV[5])
  if is_own and lease[3] < tonumber(ARGV[4]) then own[#own + 1] = ARGV[i] end
end
for i, entry in ipairs(own) do
  redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, entry, 'IDLE', 0, 'JUSTID')
end
return #own
