-- Marks a call as cancelled, tells its holder and wakes its worker. A call that is over is left alone.
--
-- KEYS 7
--   1 log of the stream (hash)   2 mailbox (list)   3 unfinished streams (sorted set)
--   4 streams of cancelled requests (sorted set)   5 request queue (stream)   6 audit (stream)
--   7 tasks that wait for their clients (sorted set)
-- ARGV
--   1 consumer group   2 stream   3 entry or ''   4, 5 event line before and after its offset
--   6 signal line      7 gateway channels' common start   8 worker channels' common start
--   9 retention while the entry is or may be there, ms   10 retention afterwards, ms
--  11 most marks      12 idle time from which a lease counts as handed back, ms   13 era
--  14 'task' if a task is cancelled as well, or ''
-- Returns
--   a code, and the record of a task that has ended now, or ''
--   1 marked   2 marked, and ended: it waited for its client, and no worker sees it
--   0 it was over, or nobody knows of it and there are too many marks already

local log = redis.call('HMGET', KEYS[1], 'state', 'holder', 'newest', 'mail', 'owner', 'task', 'entry')
local state, holder, newest = log[1], log[2], tonumber(log[3] or 0)
local is_known, lease, entry = ARGV[3] ~= '', nil, nil
local task = log[6]
-- A task that has come back with answers has another entry than the one that is known of it.
local id = task and log[7] or ARGV[3]
-- Marked before its entry was known: neither holder nor worker has been told.
if state == 'cancelled' and not holder and not task and is_known then state = nil end
if state and state ~= 'open' then return { 0, '' } end
if task and ARGV[14] == '' then return { 0, '' } end
local waited, record = task and is_asking(KEYS[1]), ''

if is_known then
  lease = redis.call('XPENDING', KEYS[5], ARGV[1], id, id, 1)[1]
  entry = redis.call('XRANGE', KEYS[5], id, id)[1]
end

local time = redis.call('TIME')
local now = time[1] * 1000
-- Older marks than the logs they are about tell nothing.
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', '(' .. (now - ARGV[9]))

if state then
  redis.call('HSET', KEYS[1], 'state', 'cancelled')
elseif not is_known then
  -- It may come yet, or never: the log is made for the mark alone.
  if redis.call('ZCARD', KEYS[4]) >= tonumber(ARGV[11]) then return { 0, '' } end
  redis.call('HSET', KEYS[1], 'state', 'cancelled', 'session', '', 'era', ARGV[13],
    'newest', 0, 'count', 0)
  redis.call('ZADD', KEYS[3], now, ARGV[2])
else
  -- Nothing was written yet: what the log must know stands in the entry.
  if not entry then return { 0, '' } end
  local request = {}
  for i = 1, #entry[2], 2 do request[entry[2][i]] = entry[2][i + 1] end
  if request.stream ~= ARGV[2] then return { 0, '' } end
  local session = request.session and cjson.decode(request.session).id or ''
  holder = request.holder
  redis.call('HSET', KEYS[1], 'state', 'cancelled', 'entry', ARGV[3], 'holder', holder,
    'session', session, 'era', request.era, 'newest', 0, 'count', 0)
  redis.call('ZADD', KEYS[3], now, ARGV[2])
end
if log[4] then redis.call('DEL', KEYS[2]) end
if waited then
  -- No worker will come to end it.
  local _, _, _, _, most_records = terms(KEYS[1])
  record = redis.call('HGET', KEYS[1], 'record')
  -- Whoever cancels may be an operator, who does not know how many records the fleet keeps.
  if record ~= '' and most_records ~= '0' then
    redis.call('XADD', KEYS[6], 'MAXLEN', '~', most_records, '*', 'records', record)
  end
  redis.call('HDEL', KEYS[1], 'queued', 'record')
  redis.call('ZREM', KEYS[7], ARGV[2])
end

if (entry or not is_known) and not waited then
  -- The mark must be there when a worker claims the entry, however late that is.
  redis.call('PEXPIRE', KEYS[1], ARGV[9])
  redis.call('ZADD', KEYS[4], now, ARGV[2])
  redis.call('ZREMRANGEBYRANK', KEYS[4], 0, -(tonumber(ARGV[11]) + 1))
else
  redis.call('PEXPIRE', KEYS[1], ARGV[10])
  redis.call('ZREM', KEYS[3], ARGV[2])
end
-- Its client can ask for it as long as for one that ended by itself.
if task then
  redis.call('PEXPIREAT', KEYS[1], until_gone(KEYS[1], ARGV[2]), 'GT')
  tell_task(KEYS[1])
end

if holder then
  redis.call('PUBLISH', ARGV[7] .. holder, ARGV[4] .. string.format('%.0f', newest + 1) .. ARGV[5])
end
local worker
if lease and lease[3] < tonumber(ARGV[12]) then
  worker = lease[2]
elseif not is_known and log[5] then
  -- The owner is a fencing token: worker, colon, delivery.
  worker = string.match(log[5], '^(.*):%d+$')
end
if worker then redis.call('PUBLISH', ARGV[8] .. worker, ARGV[6]) end
return { waited and 2 or 1, record }
