-- Takes entries whose lease ended, longest-waiting entry first. When the answer was lost and the same reclaim comes again,
-- it gets the same entries, as far as they are still its worker's.
--
-- KEYS 2
--   1 request queue (stream)   2 the worker's last reclaim (list): its number, then entry, delivery, ...
-- ARGV
--   1 consumer group   2 worker   3 lease, ms   4 most entries   5 number of this reclaim
--   6 how long it is remembered, ms
-- Returns
--   for each entry: its id, its delivery, its fields

local answer = {}
local last = redis.call('LRANGE', KEYS[2], 0, -1)
if last[1] == ARGV[5] then
  for i = 2, #last, 2 do
    local lease = redis.call('XPENDING', KEYS[1], ARGV[1], last[i], last[i], 1)[1]
    local entry = redis.call('XRANGE', KEYS[1], last[i], last[i])[1]
    if entry and lease and lease[2] == ARGV[2] and lease[4] == tonumber(last[i + 1]) then
      redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, last[i], 'IDLE', 0, 'JUSTID')
      answer[#answer + 1] = { entry[1], lease[4], entry[2] }
    end
  end
  return answer
end

local expired = redis.call('XPENDING', KEYS[1], ARGV[1], 'IDLE', ARGV[3], '-', '+', ARGV[4])
if #expired == 0 then return answer end

local ids, deliveries = {}, {}
for i, lease in ipairs(expired) do
  ids[i] = lease[1]
  deliveries[lease[1]] = lease[4] + 1
end
redis.call('DEL', KEYS[2])
redis.call('RPUSH', KEYS[2], ARGV[5])
for _, entry in ipairs(redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], unpack(ids))) do
  answer[#answer + 1] = { entry[1], deliveries[entry[1]], entry[2] }
  redis.call('RPUSH', KEYS[2], entry[1], deliveries[entry[1]])
end
redis.call('PEXPIRE', KEYS[2], ARGV[6])
return answer
