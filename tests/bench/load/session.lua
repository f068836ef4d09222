-- A session for each call, as clients that connect anew each time do it: initialize, notifications/initialized, the
-- call, DELETE. To be run with one connection per thread, since wrk does not say which connection an answer is for.
-- Every answer is read: without it there is no session id.
dofile(os.getenv("BENCH_CALL"))

local threads = {}
function setup(thread)
  table.insert(threads, thread)
end

wrong, checked, read, said = 0, 0, 0, ""
local step, first, initialized, format = 1, nil, nil, wrk.format

local function with_session(method, session, body)
  local headers = {}
  for name, value in pairs(call.headers) do
    headers[name] = value
  end
  headers["Mcp-Session-Id"] = session
  return format(method, nil, headers, body)
end

local session = nil

function init()
  first = format("POST", nil, call.headers, call.initialize)
end

function request()
  if step == 1 then
    return first
  elseif step == 2 then
    return with_session("POST", session, call.initialized)
  elseif step == 3 then
    return with_session("POST", session, call.body)
  end
  return with_session("DELETE", session)
end

function response(status, headers, body)
  local right = status >= 200 and status < 300
  if step == 1 then
    session = headers["mcp-session-id"] or headers["Mcp-Session-Id"]
    right = right and session ~= nil
  elseif step == 3 then
    right = right and body:find(call.expected, 1, true) and not body:find('"error"', 1, true)
  elseif step == 4 then
    checked = checked + 1
  end
  if not right then
    wrong = wrong + 1
    said = "step " .. step .. ": " .. status .. " " .. body:sub(1, 300)
    step = 1
  else
    step = step % 4 + 1
  end
end

dofile(os.getenv("BENCH_REPORT"))(threads)
