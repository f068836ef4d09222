-- Finds the entry of a request that was sent to the queue without an answer. If it is not there it is marked as
-- cancelled, so that it is never begun should it still come.
--
-- KEYS 4
--   1 request queue (stream)   2 log of the stream (hash)   3 unfinished streams (sorted set)
--   4 streams of cancelled requests (sorted set)
-- ARGV
--   1 stream   2 how long ago it was sent, ms   3 most entries to look at   4 era
--   5 retention of the mark, ms   6 most marks
-- Returns
--   its entry   '' when it is marked   nil when nobody knows: there is too much to look at, or there are too many marks

-- A call that has written, or ended, says so in its log.
local log = redis.call('HMGET', KEYS[2], 'entry', 'state')
if log[1] then return log[1] end
if log[2] == 'cancelled' then return '' end

local time = redis.call('TIME')
local from = math.max(time[1] * 1000 + math.floor(time[2] / 1000) - ARGV[2], 0)
local at, left = string.format('%.0f', from), tonumber(ARGV[3])
repeat
  local page = redis.call('XRANGE', KEYS[1], at, '+', 'COUNT', 100)
  for _, entry in ipairs(page) do
    for i = 1, #entry[2], 2 do
      if entry[2][i] == 'stream' and entry[2][i + 1] == ARGV[1] then return entry[1] end
    end
    at = '(' .. entry[1]
  end
  left = left - #page
until #page < 100 or left <= 0
if left <= 0 then return false end

redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', '(' .. (time[1] * 1000 - ARGV[5]))
if redis.call('ZCARD', KEYS[4]) >= tonumber(ARGV[6]) then return false end
redis.call('HSET', KEYS[2], 'state', 'cancelled', 'session', '', 'era', ARGV[4], 'newest', 0, 'count', 0)
redis.call('PEXPIRE', KEYS[2], ARGV[5])
redis.call('ZADD', KEYS[3], time[1] * 1000, ARGV[1])
redis.call('ZADD', KEYS[4], time[1] * 1000, ARGV[1])
return ''
