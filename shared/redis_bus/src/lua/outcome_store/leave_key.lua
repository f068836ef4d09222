-- Ends the running record of an idempotency key, or removes it, if it is this stream's.
--
-- KEYS 1
--   1 record of the key (hash)
-- ARGV
--   1 stream   2 delivery   3 fingerprint   4 outcome, '' to remove the record   5 lifetime in ms
-- Returns
--   1 done   0 there is no record that this delivery or an earlier one left running

local record = redis.call('HMGET', KEYS[1], 'fingerprint', 'stream', 'delivery', 'outcome')
if record[1] ~= ARGV[3] or record[2] ~= ARGV[1] or record[4] then return 0 end
if tonumber(record[3]) > tonumber(ARGV[2]) then return 0 end
if ARGV[4] == '' then return redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[1], 'outcome', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return 1
