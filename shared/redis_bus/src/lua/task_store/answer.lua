-- Keeps answers of the client of a task. With the last one that it waits for, its request is queued again.
--
-- KEYS 4
--   1 log of the stream (hash)   2 unfinished streams (sorted set)   3 request queue (stream)
--   4 tasks that wait for their clients (sorted set)
-- ARGV
--   1 whose it must be   2 stream   3 most bytes of questions and answers   4 most entries of the queue
--   then for each answer: key, answer
-- Returns
--   nil: no such task, or another's
--   0 kept; what answers no open question is not   1 the task goes on   2 too many bytes   3 the queue is full
--   4 as many tasks of its share go on as the queue has room left

local call = redis.call
local log = call('HMGET', KEYS[1], 'principal', 'task', 'state', 'counts')
if not log[2] or log[1] ~= ARGV[1] then return false end
if log[3] ~= 'open' or not is_asking(KEYS[1]) then return 0 end

local awaited, bytes, rounds = unpack(cmsgpack.unpack(log[4]))
local given = {}
for i = 5, #ARGV, 2 do
  if call('HEXISTS', KEYS[1], '?' .. ARGV[i]) == 1 and not given[ARGV[i]] then
    given[ARGV[i]] = ARGV[i + 1]
    bytes, awaited = bytes + #ARGV[i + 1], awaited - 1
  end
end
if not next(given) then return 0 end
if bytes > tonumber(ARGV[3]) then return 2 end
if awaited == 0 then
  local room = ARGV[4] - call('XLEN', KEYS[3])
  if room <= 0 then return 3 end
  -- As with calls, which their gateways count: whoever fills the queue leaves the other half of it to the others.
  local _, _, _, of_share = terms(KEYS[1])
  if call('ZINTERCARD', 2, of_share, KEYS[2], 'LIMIT', room) >= room then return 4 end
end

for key, answer in pairs(given) do
  call('HDEL', KEYS[1], '?' .. key)
  call('HSET', KEYS[1], '=' .. key, answer)
end
call('HSET', KEYS[1], 'counts', cmsgpack.pack({ awaited, bytes, rounds }))
if awaited > 0 then
  tell_task(KEYS[1])
  return 0
end

local request = cmsgpack.unpack(call('HGET', KEYS[1], 'queued'))
request[#request + 1], request[#request + 2] = 'again', '1'
local entry = call('XADD', KEYS[3], '*', unpack(request))
call('HSET', KEYS[1], 'entry', entry)
call('HDEL', KEYS[1], 'queued', 'record')
call('ZREM', KEYS[4], ARGV[2])
call('ZADD', KEYS[2], call('TIME')[1] * 1000, ARGV[2])
tell_task(KEYS[1])
return 1
