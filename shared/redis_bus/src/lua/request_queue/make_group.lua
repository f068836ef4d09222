-- Makes the consumer group and its stream; from the first entry, so that none queued before is passed over. If there
-- was a group before, nobody knows what it had handed out: all that is there counts as running, in the hands of nobody.
-- Workers that run some of it take their leases over when they renew them; the rest is reclaimed. The same is done when
-- this server may lack the last that was written: when it writes under another replication id than the one noted,
-- unless the file it was restarted from has every write, or what the master before said when it was demoted proves that
-- nothing is missing. Writes nothing when nothing has changed.
--
-- KEYS 3
--   1 request queue (stream)   2 whether there was a group (string)
--   3 replication id under which this was written (string)
-- ARGV
--   1 consumer group   2 name of nobody   3 '1' when every write is on disk before it is answered
--   4 replication id of the master before, '' when it was not asked   5 its last offset
-- Returns
--   how many entries count as running; 1 when the group was gone; 1 when writes may be missing;
--   1 when the replication id is known

local function is_there()
  local groups = redis.pcall('XINFO', 'GROUPS', KEYS[1])
  if groups.err then return false end
  for _, group in ipairs(groups) do
    if group[2] == ARGV[1] then return true end
  end
  return false
end

local was_made = redis.call('EXISTS', KEYS[2]) == 1
local is_gone = false
if not is_there() then
  redis.call('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
  is_gone = was_made
end

local facts = redis.pcall('INFO', 'replication')
if type(facts) ~= 'string' then facts = '' end
local id, before = string.match(facts, 'master_replid:(%x+)'), redis.call('GET', KEYS[3])
local is_other = id and before and id ~= before
local lacks = is_other
if is_other then
  local id2 = string.match(facts, 'master_replid2:(%x+)')
  local begun = tonumber(string.match(facts, 'second_repl_offset:(%-?%d+)'))
  local is_restarted = not string.find(id2, '[^0]')
  local has_all = id2 == before and ARGV[4] == before and tonumber(ARGV[5]) < begun
  lacks = not (has_all or (is_restarted and ARGV[3] == '1'))
end

local count = 0
if is_gone or lacks then
  repeat
    local read = redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', 1000, 'STREAMS', KEYS[1], '>')
    local entries = read and #read[1][2] or 0
    count = count + entries
  until entries == 0
end

-- A full Redis refuses these: then all is looked at again with the next connection.
if not was_made then redis.pcall('SET', KEYS[2], '1') end
if id and id ~= before then redis.pcall('SET', KEYS[3], id) end
return { count, is_gone and 1 or 0, lacks and 1 or 0, id and 1 or 0 }
