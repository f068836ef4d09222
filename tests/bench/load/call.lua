-- One call again and again. BENCH_CALL names a Lua file that sets `call`: body, headers, sessions, expected, events.
--
-- Without sessions every request is the same, so that wrk builds it once. In sessions each request has an id of its
-- own, and the sessions take turns: as many of them as there are connections. With BENCH_CHECK set, every answer is
-- read; that costs wrk time, so it is done before the measurement and not in it.
dofile(os.getenv("BENCH_CALL"))
wrk.method = "POST"
wrk.body = call.body
wrk.headers = call.headers

local threads = {}
function setup(thread)
  table.insert(threads, thread)
end

wrong, checked, read, said = 0, 0, 0, ""

if #call.sessions > 0 then
  local parts, sent = {}, 0

  function init()
    for _, session in ipairs(call.sessions) do
      wrk.headers["Mcp-Session-Id"] = session
      local whole = wrk.format()
      local at, after = whole:find(call.first_id, 1, true)
      table.insert(parts, { whole:sub(1, at - 1), whole:sub(after + 1) })
    end
  end

  function request()
    sent = sent + 1
    local part = parts[sent % #parts + 1]
    return part[1] .. (call.first_id + sent) .. part[2]
  end
end

if os.getenv("BENCH_CHECK") then
  function response(status, headers, body)
    checked = checked + 1
    -- The first line, the empty one, and what stands around names and values.
    read = read + #body + 19
    for name, value in pairs(headers) do
      read = read + #name + #value + 4
    end
    local _, events = body:gsub("notifications/progress", "")
    local right = status == 200 and body:find(call.expected, 1, true) and not body:find('"error"', 1, true)
    if not right or events ~= call.events then
      wrong = wrong + 1
      said = status .. " " .. body:sub(1, 300)
    end
  end
end

dofile(os.getenv("BENCH_REPORT"))(threads)
