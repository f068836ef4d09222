-- Deletes the logs of streams that are finished, or cancelled with their entry gone.
--
-- KEYS 1 + 1 per stream
--   1 unfinished streams (sorted set)   then the log (hash) of each stream
-- ARGV
--   the streams, in the order of their logs
-- Returns
--   how many logs were deleted

local unfinished = redis.call('ZMSCORE', KEYS[1], unpack(ARGV))
local ended = {}
for i = 1, #ARGV do
  if not unfinished[i] then ended[#ended + 1] = KEYS[i + 1] end
end
if #ended == 0 then return 0 end
return redis.call('UNLINK', unpack(ended))
