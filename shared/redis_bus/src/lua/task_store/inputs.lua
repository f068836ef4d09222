-- What the client of a task has answered so far.
--
-- KEYS 1
--   1 log of the stream (hash)
-- ARGV
--   1 entry   2 fencing token
-- Returns
--   a code (scripts/write_code.rs), how often it was entered again, what its handler left or '', then for each answer:
--   key, the handler's name for the question, answer
--   0 here it is   1 not the owner, no task, or the log is gone   2 cancelled   3 finished, or another entry's

local log = redis.call('HMGET', KEYS[1], 'state', 'owner', 'entry', 'task', 'asked', 'counts', 'left')
if log[3] and log[3] ~= ARGV[1] then return { '3' } end
if log[1] == 'cancelled' then return { '2' } end
if not log[4] or log[2] ~= ARGV[2] then return { '1' } end
if log[1] == 'finished' then return { '3' } end

local rounds = log[6] and cmsgpack.unpack(log[6])[3] or 0
local answers = { '0', string.format('%.0f', rounds), log[7] or '' }
local asked = log[5] and cmsgpack.unpack(log[5]) or {}
for i = 1, #asked, 2 do
  local answer = redis.call('HGET', KEYS[1], '=' .. asked[i])
  if answer then
    answers[#answers + 1], answers[#answers + 2], answers[#answers + 3] = asked[i], asked[i + 1], answer
  end
end
return answers
