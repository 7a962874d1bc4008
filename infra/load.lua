-- A steady load of GET requests, each on a connection of its own, until SIGTERM.
--
--   luajit infra/load.lua PORT REQUESTS_PER_SECOND
--
-- The rate is kept whatever becomes of the requests, so a request that waits does not hold back
-- the next. Prints a line for each finished request, in the order of their ends:
--
--   START_MS LATENCY_MS STATUS BODY      wall clock; status 0: no whole response within 10 s

local uv = require("luv")

local port, rate = tonumber(arg[1]), tonumber(arg[2])
local GIVE_UP_MS = 10000
local REQUEST = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

local in_flight, stopping = 0, false

local function wall_ms()
  local seconds, microseconds = uv.gettimeofday()
  return seconds * 1000 + math.floor(microseconds / 1000)
end

-- The status and the first line of the body, if its length is what the head promised.
local function read_response(bytes)
  local head, body = bytes:match("^(.-\r\n)\r\n(.*)$")
  if not head then return 0, "no response head" end
  local promised = tonumber(head:lower():match("\r\ncontent%-length: *(%d+)\r\n"))
  if promised ~= #body then return 0, "not the promised length" end
  return tonumber(head:match("^HTTP/1%.1 (%d%d%d)")) or 0, body:match("^[^\n]*")
end

local function request()
  local started_wall, started = wall_ms(), uv.hrtime()
  local socket, clock, received = uv.new_tcp(), uv.new_timer(), {}
  in_flight = in_flight + 1

  local function finish(status, what)
    if socket:is_closing() then return end
    local latency = math.floor((uv.hrtime() - started) / 1e6)
    io.write(("%d %d %d %s\n"):format(started_wall, latency, status, what))
    io.flush()
    socket:close()
    clock:close()
    in_flight = in_flight - 1
    if stopping and in_flight == 0 then uv.stop() end
  end

  clock:start(GIVE_UP_MS, 0, function() finish(0, "gave up") end)
  socket:connect("127.0.0.1", port, function(err)
    if err then return finish(0, err) end
    socket:write(REQUEST)
    socket:read_start(function(read_err, bytes)
      if read_err then return finish(0, read_err) end
      if bytes then
        received[#received + 1] = bytes
      else
        finish(read_response(table.concat(received)))
      end
    end)
  end)
end

local pace, due, from = uv.new_timer(), 0, uv.hrtime()
pace:start(0, 5, function()
  local wanted = (uv.hrtime() - from) / 1e9 * rate
  while due < wanted do
    due = due + 1
    request()
  end
end)

local stop = uv.new_signal()
stop:start("sigterm", function()
  pace:stop()
  stopping = true
  if in_flight == 0 then uv.stop() end
end)

uv.run()
