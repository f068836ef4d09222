-- Reads a value, unless it is too large to be read unawares.
--
-- KEYS 1
--   1 value (string)
-- ARGV
--   1 most bytes
-- Returns
--   nil: there is none
--   otherwise: its bytes, and the value, or nil if it has more than the most

local bytes = redis.call('STRLEN', KEYS[1])
if bytes > tonumber(ARGV[1]) then return { bytes, false } end
local value = redis.call('GET', KEYS[1])
return value and { bytes, value }
