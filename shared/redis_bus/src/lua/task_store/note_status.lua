-- Notes what a task says of itself.
--
-- KEYS 1
--   1 log of the stream (hash)
-- ARGV
--   1 entry   2 fencing token   3 what it says
-- Returns
--   a code (scripts/write_code.rs)
--   0 noted   1 not the owner, no task, or the log is gone   2 cancelled   3 finished, or another entry's

local log = redis.call('HMGET', KEYS[1], 'state', 'owner', 'entry', 'task', 'said')
if log[3] and log[3] ~= ARGV[1] then return 3 end
if log[1] == 'cancelled' then return 2 end
if not log[4] or log[2] ~= ARGV[2] then return 1 end
if log[1] == 'finished' then return 3 end
if log[5] ~= ARGV[3] then
  redis.call('HSET', KEYS[1], 'said', ARGV[3])
  tell_task(KEYS[1])
end
return 0
