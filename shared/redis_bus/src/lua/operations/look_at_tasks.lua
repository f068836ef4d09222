-- Reads tasks as operators see them: nothing that a client or a tool said. A response is only searched for how it ends.
--
-- KEYS 0 + 1 per task
--   the log of each (hash)
-- ARGV
--   1 bytes of responses after which no task is looked at any more   2 most bytes of a field
--   3 most keys of questions that are told
-- Returns
--   for each task that was looked at, the first ones: {} when it is gone; else, as text or '', the task as JSON, its
--   state, whose it is, when it changed, until when it can be asked for (both Unix ms), its owner, its entry, '1' if
--   it waits for its client, answers that it waits for, how often it has waited, bytes of what it says, 'result' or
--   'error' if it ended so, then the keys of questions that it waits for

local call = redis.call
local left, longest, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])

-- How a response ends. Within JSON's texts quotes are escaped, so the first of the two names is its own. One that is
-- sealed has neither, and its event says if it is an error.
local function ending(log, newest)
  local line = newest and call('HGET', log, newest) or ''
  left = left - #line
  if string.find(line, '"failed":true,"message":', 1, true) then return 'error' end
  local result = string.find(line, '"result":', 1, true)
  local failed = string.find(line, '"error":', 1, true)
  if failed and (not result or failed < result) then return 'error' end
  return 'result'
end

-- The keys of questions that wait, as a client names them.
local function questions(log, seen)
  local asked = call('HGET', log, 'asked')
  asked = asked and cmsgpack.unpack(asked) or {}
  local told = 0
  for i = 1, #asked, 2 do
    if told == most then return end
    if call('HSTRLEN', log, '?' .. asked[i]) > 0 then
      seen[#seen + 1], told = string.sub(asked[i], 1, longest), told + 1
    end
  end
end

local found = {}
for i, key in ipairs(KEYS) do
  if i > 1 and left <= 0 then break end
  local log = call('HMGET', key, 'task', 'state', 'principal', 'changed', 'until', 'owner', 'entry', 'counts',
    'newest')
  if log[1] then
    local waits = log[2] == 'open' and call('HSTRLEN', key, 'queued') > 0
    local awaited, _, rounds = unpack(log[8] and cmsgpack.unpack(log[8]) or { 0, 0, 0 })
    local seen = {
      log[1], log[2], string.sub(log[3] or '', 1, longest), log[4] or '', log[5] or '', log[6] or '', log[7] or '',
      waits and '1' or '', waits and tostring(awaited) or '0', tostring(rounds), tostring(call('HSTRLEN', key, 'said')),
      log[2] == 'finished' and ending(key, log[9]) or '',
    }
    if waits and most > 0 then questions(key, seen) end
    found[i] = seen
  else
    found[i] = {}
  end
end
return found
