-- Takes entries whose lease ended, longest-waiting entry first.
--
-- KEYS 1
--   1 request queue (stream)
-- ARGV
--   1 consumer group   2 worker   3 lease, ms   4 most entries
-- Returns
--   for each entry: its id, its delivery, its fields

local expired = redis.call('XPENDING', KEYS[1], ARGV[1], 'IDLE', ARGV[3], '-', '+', ARGV[4])
if #expired == 0 then return {} end

local ids, deliveries = {}, {}
for i, lease in ipairs(expired) do
  ids[i] = lease[1]
  deliveries[lease[1]] = lease[4] + 1
end
local answer = {}
for _, entry in ipairs(redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], unpack(ids))) do
  answer[#answer + 1] = { entry[1], deliveries[entry[1]], entry[2] }
end
return answer
