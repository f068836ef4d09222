-- Gives a worker the new entries that it was handed out and has not received: the answer to its read was lost. Their
-- leases start anew. What does not fit is left for the next call.
--
-- KEYS 2
--   1 request queue (stream)   2 the worker's last reclaim (list): see reclaim.lua, which repeats its answer itself
-- ARGV
--   1 consumer group   2 worker   3 last entry that it received   4 most entries
--   5 idle time from which a lease counts as handed back, ms   6 most bytes
-- Returns
--   the size of the first entry that does not fit or 0, and for each entry: its id, its delivery, its fields

local reclaimed = {}
for i, value in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do
  if i % 2 == 0 then reclaimed[value] = true end
end

local answer, bytes = {}, 0
for _, lease in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], '(' .. ARGV[3], '+', 1000, ARGV[2])) do
  local is_new = lease[4] == 1 and lease[3] < tonumber(ARGV[5]) and not reclaimed[lease[1]]
  if is_new and #answer < tonumber(ARGV[4]) then
    local entry = redis.call('XRANGE', KEYS[1], lease[1], lease[1])[1]
    if entry then
      local size = 0
      for _, text in ipairs(entry[2]) do size = size + #text end
      bytes = bytes + size
      if bytes > tonumber(ARGV[6]) then return { size, answer } end
      redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, lease[1], 'IDLE', 0, 'JUSTID')
      answer[#answer + 1] = { entry[1], lease[4], entry[2] }
    end
  end
end
return { 0, answer }
