-- Reads the changes after a position. The feed keeps one entry more than it promises: the oldest
-- one only tells whether anything before the next was trimmed.
--
-- KEYS 2
--   1 epoch of the feed (string)   2 feed (stream)
-- ARGV
--   1 epoch, should there be none   2 epoch of the position   3, 4 its milliseconds and number
--   5 most changes                  6 entries promised
-- Returns
--   epoch, '1' when changes were lost or '0', then id and change line of each change

redis.call('SET', KEYS[1], ARGV[1], 'NX')
local epoch = redis.call('GET', KEYS[1])
local length = redis.call('XLEN', KEYS[2])
if length == 0 then
  local at_start = ARGV[3] == '0' and ARGV[4] == '0'
  return { epoch, epoch == ARGV[2] and at_start and '0' or '1' }
end

local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1][1]
local trimmed = length > tonumber(ARGV[6])
local from, lost = '(' .. ARGV[3] .. '-' .. ARGV[4], false
if epoch ~= ARGV[2] then
  from, lost = trimmed and '(' .. oldest or '-', true
elseif trimmed then
  local major, minor = string.match(oldest, '^(%d+)-(%d+)$')
  major, minor = tonumber(major), tonumber(minor)
  local after_major, after_minor = tonumber(ARGV[3]), tonumber(ARGV[4])
  if after_major < major or (after_major == major and after_minor < minor) then
    from, lost = '(' .. oldest, true
  end
end

local answer = { epoch, lost and '1' or '0' }
for _, entry in ipairs(redis.call('XRANGE', KEYS[2], from, '+', 'COUNT', ARGV[5])) do
  answer[#answer + 1] = entry[1]
  answer[#answer + 1] = entry[2][2]
end
return answer
