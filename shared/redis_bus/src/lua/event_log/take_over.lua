-- Makes a redelivered claim the owner of its stream.
--
-- KEYS 3
--   1 log of the stream (hash)   2 unfinished streams (sorted set)   3 request queue (stream)
-- ARGV
--   1 stream   2 consumer group   3 entry   4 worker   5 delivery   6 holder   7 session or ''
--   8 era      9 retention, ms
-- Returns
--   a code (scripts/write_code.rs), the newest offset, 0 with a refusal, and the task as JSON if it is one, or ''
--   0 taken   1 the entry is another delivery's   2 cancelled   3 finished, another entry's, or a task that is gone

local log = redis.call('HMGET', KEYS[1], 'state', 'newest', 'entry', 'task')
if log[3] and log[3] ~= ARGV[3] then return { 3, 0, '' } end
if log[1] == 'cancelled' then return { 2, 0, '' } end
if log[1] == 'finished' then return { 3, 0, '' } end

local lease = redis.call('XPENDING', KEYS[3], ARGV[2], ARGV[3], ARGV[3], 1)[1]
if not lease or lease[2] ~= ARGV[4] or lease[4] ~= tonumber(ARGV[5]) then return { 1, 0, '' } end

if not log[1] then
  local entry = redis.call('XRANGE', KEYS[3], ARGV[3], ARGV[3])[1]
  for i = 1, #(entry and entry[2] or {}), 2 do
    -- A task that came back. What its client was asked and has answered went with its log.
    if entry[2][i] == 'again' then return { 3, 0, '' } end
  end
end

local token = ARGV[4] .. ':' .. ARGV[5]
if log[1] then
  redis.call('HSET', KEYS[1], 'owner', token, 'entry', ARGV[3])
else
  redis.call('HSET', KEYS[1], 'state', 'open', 'owner', token, 'entry', ARGV[3],
    'holder', ARGV[6], 'session', ARGV[7], 'era', ARGV[8], 'newest', 0, 'count', 0)
  redis.call('ZADD', KEYS[2], redis.call('TIME')[1] * 1000, ARGV[1])
end
-- How long a task can be asked for has been said to its client.
if not log[4] then redis.call('PEXPIRE', KEYS[1], ARGV[9]) end
return { 0, tonumber(log[2] or 0), log[4] or '' }
