-- Reads sessions as operators see them. What a client says of itself may be large, so it is read here.
--
-- KEYS 1 + 1 per session
--   1 calls of all sessions (sorted set)   then each session (hash)
-- ARGV
--   1 most bytes of a field   then the name of each session
-- Returns
--   for each session: {} when it is gone; else its format, its subject, its revision, the client's name, its version,
--   its life time in ms, its calls, its subscriptions, each as text or ''

local LARGE = 16384
local longest = tonumber(ARGV[1])

local function member(json, name)
  if not json then return '' end
  local is_json, object = pcall(cjson.decode, json)
  local value = is_json and type(object) == 'table' and object[name]
  return type(value) == 'string' and string.sub(value, 1, longest) or ''
end

local function small(key, field)
  if redis.call('HSTRLEN', key, field) > LARGE then return false end
  return redis.call('HGET', key, field)
end

local seen = {}
for i = 2, #KEYS do
  local key = KEYS[i]
  local plain = redis.call('HMGET', key, 'v', 'protocol_version', 'subscriptions')
  if plain[1] then
    local client = small(key, 'client_info')
    -- A call is session:entry:stream:request id, and ';' is what comes after ':'.
    local calls = redis.call('ZLEXCOUNT', KEYS[1], '[' .. ARGV[i] .. ':', '(' .. ARGV[i] .. ';')
    seen[i - 1] = {
      plain[1], member(small(key, 'principal'), 'subject'), plain[2] or '', member(client, 'name'),
      member(client, 'version'), tostring(redis.call('PTTL', key)), tostring(calls), plain[3] or '0',
    }
  else
    seen[i - 1] = {}
  end
end
return seen
