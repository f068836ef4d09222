-- Reads or changes a value of the tool author that ends with a session.
--
-- KEYS 3
--   1 session (hash)   2 values of the session (hash)   3 what the operation answered (string)
-- ARGV
--   1 'get', 'set', 'remove' or 'add'   2 key   3 most bytes to get, value or summand
--   4 lifetime in ms, '' for ever
--   5 how long the answer to 'remove' or 'add' is remembered, so that it is done once, ms
-- Returns
--   0 and nil: the session has ended
--   1 and the value read or the sum, nil when there was none; '' for a value that was written, '1' for one that was
--   removed
--   2 and the bytes of a value that has more than the most
--   an error when the value to add to is not a whole number or the sum would overflow

local life = redis.call('PTTL', KEYS[1])
if life < 0 then return { 0, false } end

local is_counted = ARGV[1] == 'remove' or ARGV[1] == 'add'
local answered = is_counted and redis.call('GET', KEYS[3])
if answered then return { 1, answered ~= '' and answered } end

-- Fields of a hash have no lifetime of their own: the end of each is kept beside it.
local value, ends = 'value:' .. ARGV[2], 'ends:' .. ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ended = redis.call('HGET', KEYS[2], ends)
if ended and tonumber(ended) <= now then redis.call('HDEL', KEYS[2], value, ends) end

if ARGV[1] == 'get' then
  local bytes = redis.call('HSTRLEN', KEYS[2], value)
  if bytes > tonumber(ARGV[3]) then return { 2, string.format('%.0f', bytes) } end
  return { 1, redis.call('HGET', KEYS[2], value) }
end
if ARGV[1] == 'remove' then
  local removed = redis.call('HDEL', KEYS[2], value) == 1 and '1'
  redis.call('HDEL', KEYS[2], ends)
  redis.call('SET', KEYS[3], removed or '', 'PX', ARGV[5])
  return { 1, removed }
end

if ARGV[1] == 'add' then
  redis.call('HINCRBY', KEYS[2], value, ARGV[3])
else
  redis.call('HSET', KEYS[2], value, ARGV[3])
end
if ARGV[4] == '' then
  redis.call('HDEL', KEYS[2], ends)
else
  redis.call('HSET', KEYS[2], ends, string.format('%.0f', now + ARGV[4]))
end
-- The values must not outlive their session.
redis.call('PEXPIRE', KEYS[2], math.max(life, 1))
if ARGV[1] == 'set' then return { 1, '' } end
-- As text: a Lua number holds 53 bits only.
local written = redis.call('HGET', KEYS[2], value)
if is_counted then redis.call('SET', KEYS[3], written, 'PX', ARGV[5]) end
return { 1, written }
