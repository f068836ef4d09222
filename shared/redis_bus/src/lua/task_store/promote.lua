-- Makes a task of a call that runs: logs the response that names it, publishes that to the holder, and lets the log
-- live on without one. Idempotent.
--
-- KEYS 5
--   1 log of the stream (hash)   2 unfinished streams (sorted set)   3 request queue (stream)
--   4 tasks, by when they make room for others (sorted set)   5 those of its share (sorted set)
-- ARGV
--   1 consumer group   2 stream   3 entry   4 worker   5 delivery   6 holder   7 era   8 gateway channels' common start
--   9 offset of the response   10 its event line   11 the task as JSON   12 whose it is   13 when it is made, Unix ms
--  14 how long it can be asked for, ms   15 and from its end on, ms   16 how long its log outlives the former, ms
--  17 most tasks   18 most of one share   19 most entries of the audit, 0 if there is none
-- Returns
--   a code (scripts/write_code.rs)
--   0 it is a task, now or before   1 not the owner, or the log is gone   2 cancelled   3 finished, or another entry's
--   4 there are as many as may be

local call = redis.call
local token = ARGV[4] .. ':' .. ARGV[5]
local log = call('HMGET', KEYS[1], 'state', 'owner', 'entry', 'holder', 'task')
local state, owner, holder = log[1], log[2], log[4] or ARGV[6]
if log[3] and log[3] ~= ARGV[3] then return 3 end
if state == 'cancelled' then return 2 end
if state and (owner or '') ~= token and (owner or ARGV[5] ~= '1') then return 1 end
if log[5] then return 0 end
if state == 'finished' then return 3 end
local made = tonumber(ARGV[13])
local gone = '(' .. ARGV[13]
call('ZREMRANGEBYSCORE', KEYS[4], '-inf', gone)
call('ZREMRANGEBYSCORE', KEYS[5], '-inf', gone)
if call('ZCARD', KEYS[4]) >= tonumber(ARGV[17]) or call('ZCARD', KEYS[5]) >= tonumber(ARGV[18]) then return 4 end
if not state then
  -- The response is the first event. An entry that is gone had its log before, and a log is never made twice.
  local lease = call('XPENDING', KEYS[3], ARGV[1], ARGV[3], ARGV[3], 1)[1]
  if ARGV[5] ~= '1' or ARGV[9] ~= '1' or not lease then return 1 end
  call('HSET', KEYS[1], 'session', '', 'era', ARGV[7], 'count', 1)
  call('ZADD', KEYS[2], call('TIME')[1] * 1000, ARGV[2])
end

call('HSET', KEYS[1], 'state', 'open', 'owner', token, 'entry', ARGV[3], 'newest', ARGV[9], ARGV[9], ARGV[10],
  'task', ARGV[11], 'principal', ARGV[12], 'changed', ARGV[13],
  'until', string.format('%.0f', made + ARGV[14]),
  'terms', cmsgpack.pack({ ARGV[15], ARGV[16], KEYS[4], KEYS[5], ARGV[19] }))
call('HDEL', KEYS[1], 'holder')
local life = string.format('%.0f', ARGV[14] + ARGV[16])
call('PEXPIRE', KEYS[1], life)
for i = 4, 5 do
  call('ZADD', KEYS[i], string.format('%.0f', made + life), ARGV[2])
  if call('PTTL', KEYS[i]) < tonumber(life) then call('PEXPIRE', KEYS[i], life) end
end
call('PUBLISH', ARGV[8] .. holder, ARGV[10])
return 0
