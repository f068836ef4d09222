-- Makes the consumer group and its stream; from the first entry, so that none queued before is passed over. If there was
-- a group before, nobody knows what it had handed out: all that is there counts as running, in the hands of nobody.
-- Workers that run some of it take their leases over when they renew them; the rest is reclaimed.
--
-- KEYS 2
--   1 request queue (stream)   2 whether there was a group (string)
-- ARGV
--   1 consumer group   2 name of nobody
-- Returns
--   how many entries count as running

local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
if made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then return made end
local was_there = redis.call('SET', KEYS[2], '1', 'GET')
if made.err or not was_there then return 0 end

local count = 0
repeat
  local read = redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', 1000, 'STREAMS', KEYS[1], '>')
  local entries = read and #read[1][2] or 0
  count = count + entries
until entries == 0
return count
