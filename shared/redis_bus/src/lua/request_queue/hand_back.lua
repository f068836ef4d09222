-- Ends the leases of a worker's entries at once, so that any reclaim finds them.
--
-- KEYS 1
--   1 request queue (stream)
-- ARGV
--   1 consumer group   2 worker   3 idle time from which a lease counts as handed back, ms
--   4 '1' when they were begun, '0' when this delivery does not count   then the entries
-- Returns
--   how many were handed back

local handed_back = 0
for i = 5, #ARGV do
  local lease = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)[1]
  if lease and lease[2] == ARGV[2] and lease[3] < tonumber(ARGV[3]) then
    local deliveries = lease[4]
    if ARGV[4] == '0' then deliveries = math.max(deliveries - 1, 0) end
    -- Last delivered in 1970: longer ago than any lease.
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'TIME', 0,
      'RETRYCOUNT', deliveries, 'JUSTID')
    handed_back = handed_back + 1
  end
end
return handed_back
