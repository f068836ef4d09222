-- Lets the leases of a worker's entries start anew; those of others, or handed back, are left alone. One that is in
-- nobody's hands since the group was lost (make_group.lua) is the worker's.
--
-- KEYS 1
--   1 request queue (stream)
-- ARGV
--   1 consumer group   2 worker   3 idle time from which a lease counts as handed back, ms
--   4 name of nobody
--   then the entries
-- Returns
--   how many were renewed

local own = {}
for i = 5, #ARGV do
  local lease = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)[1]
  local is_own = lease and (lease[2] == ARGV[2] or lease[2] == ARGV[4])
  if is_own and lease[3] < tonumber(ARGV[3]) then own[#own + 1] = ARGV[i] end
end
for i, entry in ipairs(own) do
  redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, entry, 'IDLE', 0, 'JUSTID')
end
return #own
