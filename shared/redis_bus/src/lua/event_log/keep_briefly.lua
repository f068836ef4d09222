-- Lets the log of a finished stream end earlier.
--
-- KEYS 1
--   1 log of the stream (hash)
-- ARGV
--   1 retention from now on, ms
-- Returns
--   1 it ends earlier   0 it does not

local log = redis.call('HMGET', KEYS[1], 'state', 'task')
-- How long a task can be asked for has been said to its client.
if log[1] ~= 'finished' or log[2] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[1], 'LT')
