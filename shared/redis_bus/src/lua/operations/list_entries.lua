-- Reads entries as operators see them: what they say of themselves, cut short, and no message. Messages may be large,
-- so a command that answers with entries is not used.
--
-- KEYS 1
--   1 request queue or dead letters (stream)
-- ARGV
--   1 consumer group, or '' when nobody has these entries   2 '1' newest first   3 where to begin: - + or (entry
--   4 most entries to look at   5 bytes after which none is looked at any more   6 most bytes of a field
--   7 stream or entry that is wanted, or ''
-- Returns
--   the entry that was looked at last, '' when there are no more; for each entry: its id, its size,
--   {field, value, ...}, {} or {consumer, idle time in ms, deliveries}

local SHOWN = {
  'v', 'stream', 'holder', 'era', 'version', 'method', 'name', 'id', 'queued', 'deadline', 'entry', 'reason',
}
local LARGE = 16384

-- A member of a JSON object; the rest of it is not for operators.
local function member(json, name)
  if not json or #json > LARGE then return nil end
  local is_json, object = pcall(cjson.decode, json)
  local value = is_json and type(object) == 'table' and object[name]
  return type(value) == 'string' and value or nil
end

local command, from, to = 'XRANGE', ARGV[3], '+'
if ARGV[2] == '1' then command, to = 'XREVRANGE', '-' end
local most, left, longest = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local found, looked, last = {}, 0, ''
while true do
  local entry = redis.call(command, KEYS[1], from, to, 'COUNT', 1)[1]
  if not entry then
    last = ''
    break
  end
  if looked == most or left <= 0 then break end
  local fields, size = {}, 0
  for i = 1, #entry[2], 2 do
    size = size + #entry[2][i] + #entry[2][i + 1]
    fields[entry[2][i]] = entry[2][i + 1]
  end
  looked, left, last, from = looked + 1, left - size, entry[1], '(' .. entry[1]
  if ARGV[7] == '' or entry[1] == ARGV[7] or fields.stream == ARGV[7] or fields.entry == ARGV[7] then
    local said = {}
    local function say(name, value)
      if value then
        said[#said + 1] = name
        said[#said + 1] = string.sub(value, 1, longest)
      end
    end
    for _, name in ipairs(SHOWN) do say(name, fields[name]) end
    say('principal', member(fields.principal, 'subject'))
    say('session', member(fields.session, 'id'))
    if fields.sig then say('signed', '1') end
    local lease = {}
    if ARGV[1] ~= '' then
      local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1], entry[1], entry[1], 1)
      if pending[1] then
        local p = pending[1]
        lease = { p[2], string.format('%.0f', p[3]), string.format('%.0f', p[4]) }
      end
    end
    found[#found + 1] = { entry[1], size, said, lease }
  end
end
return { last, found }
