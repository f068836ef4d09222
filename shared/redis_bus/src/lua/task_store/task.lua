-- What there is to say of a task.
--
-- KEYS 2
--   1 log of the stream (hash)   2 request queue (stream)
-- ARGV
--   1 whose it must be   2 most bytes of the response   3 consumer group
--   4 idle time from which a lease may be that of a lost entry, ms
-- Returns
--   nil: no such task, or another's
--   otherwise: 'overdue' if it waits for its client for longer than it may take, 'lost' if neither a worker nor the
--   queue has it, or ''; then what `task_sight` says

local call = redis.call
local log = call('HMGET', KEYS[1], 'principal', 'task', 'state', 'entry')
if not log[2] or log[1] ~= ARGV[1] then return false end
local stuck = ''
if log[3] == 'open' and is_asking(KEYS[1]) then
  if is_overdue(KEYS[1]) then stuck = 'overdue' end
elseif log[3] == 'open' then
  -- Looked for only when no worker has it: an entry may be large.
  local lease = call('XPENDING', KEYS[2], ARGV[3], log[4], log[4], 1)[1]
  if (not lease or lease[3] > tonumber(ARGV[4])) and #call('XRANGE', KEYS[2], log[4], log[4]) == 0 then
    stuck = 'lost'
  end
end
local seen = task_sight(KEYS[1], tonumber(ARGV[2]))
table.insert(seen, 1, stuck)
return seen
