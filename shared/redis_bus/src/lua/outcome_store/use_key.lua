-- Begins a call under an idempotency key, or ends one that shall not be begun; or says what is in the way.
--
-- KEYS 1
--   1 record of the key (hash)
-- ARGV
--   1 stream   2 delivery   3 fingerprint   4 outcome, '' to begin   5 lifetime in ms
-- Returns two values, a code and what it is about ('' without anything)
--   0 the record is this one's   1 another call runs, on this stream   2 a call has ended, with this outcome
--   3 the key was used for something else   4 a later delivery of the stream has it

local record = redis.call('HMGET', KEYS[1], 'fingerprint', 'stream', 'delivery', 'outcome')
if record[1] then
  if record[1] ~= ARGV[3] then return {3, ''} end
  if record[4] then return {2, record[4]} end
  if record[2] ~= ARGV[1] then return {1, record[2]} end
  if tonumber(record[3]) > tonumber(ARGV[2]) then return {4, ''} end
end
redis.call('HSET', KEYS[1], 'fingerprint', ARGV[3], 'stream', ARGV[1], 'delivery', ARGV[2])
if ARGV[4] ~= '' then redis.call('HSET', KEYS[1], 'outcome', ARGV[4]) end
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return {0, ''}
