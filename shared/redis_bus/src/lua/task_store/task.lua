-- What there is to say of a task.
--
-- KEYS 1
--   1 log of the stream (hash)
-- ARGV
--   1 whose it must be   2 most bytes of the response
-- Returns
--   nil: no such task, or another's
--   otherwise what `task_sight` says

local log = redis.call('HMGET', KEYS[1], 'principal', 'task')
if not log[2] or log[1] ~= ARGV[1] then return false end
return task_sight(KEYS[1], tonumber(ARGV[2]))
