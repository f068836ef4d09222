-- Ends a task that nobody else will end: one that waits for its client and has run out of time, or one whose entry is
-- gone. The latter is noted at the first look, and ends when it is still so a while later.
--
-- KEYS 5
--   1 log of the stream (hash)   2 unfinished streams (sorted set)   3 request queue (stream)
--   4 tasks that wait for their clients (sorted set)   5 audit (stream)
-- ARGV
--   1 stream   2 'overdue' or 'lost'   3, 4 event line of the response before and after its offset
--   5 record for the audit or ''   6 most entries of the audit   7 how long an entry is missed, ms
-- Returns
--   1 ended   0 it goes on   2 it does not wait for its client, or is gone

local call = redis.call
local log = call('HMGET', KEYS[1], 'state', 'task', 'entry', 'newest', 'missed')
local waits = is_asking(KEYS[1])
if log[1] ~= 'open' or not log[2] or (ARGV[2] == 'overdue' and not waits) then
  call('ZREM', KEYS[4], ARGV[1])
  return 2
end
local now = call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
if ARGV[2] == 'overdue' then
  if not is_overdue(KEYS[1]) then return 0 end
else
  if waits then return 0 end
  if #call('XRANGE', KEYS[3], log[3], log[3]) > 0 then
    call('HDEL', KEYS[1], 'missed')
    return 0
  end
  -- Another entry may have been missed before.
  local missed, since = string.match(log[5] or '', '^(.*) (%d+)$')
  if missed ~= log[3] then
    missed, since = log[3], string.format('%.0f', now)
    call('HSET', KEYS[1], 'missed', missed .. ' ' .. since)
  end
  if now - since < tonumber(ARGV[7]) then return 0 end
end

local offset = string.format('%.0f', log[4] + 1)
call('HSET', KEYS[1], 'state', 'finished', 'owner', '-', 'newest', offset, offset, ARGV[3] .. offset .. ARGV[4])
call('HDEL', KEYS[1], 'queued', 'record', 'missed')
call('PEXPIREAT', KEYS[1], until_gone(KEYS[1], ARGV[1]))
call('ZREM', KEYS[2], ARGV[1])
call('ZREM', KEYS[4], ARGV[1])
tell_task(KEYS[1])
if ARGV[5] ~= '' then call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[6], '*', 'records', ARGV[5]) end
return 1
