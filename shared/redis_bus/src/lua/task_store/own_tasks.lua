-- Which streams are tasks of a principal.
--
-- KEYS 0 + 1 per stream
--   log of the stream (hash)
-- ARGV
--   1 whose they must be
-- Returns, for each stream
--   1 it is   0 it is not

local own = {}
for i = 1, #KEYS do
  local log = redis.call('HMGET', KEYS[i], 'principal', 'task')
  own[i] = log[2] and log[1] == ARGV[1] and 1 or 0
end
return own
