-- Keep-alive connections that do nothing any more after one request each, until SIGTERM.
--
--   luajit infra/instructions/idle.lua ADDRESS COUNT
--
-- Says "idle" when all have been answered; ends if one of them is not, or closes.
local uv = require "luv"

local host, port = arg[1]:match "^(.*):(%d+)$"
local count, answered, AT_ONCE = tonumber(arg[2]), 0, 100

local function fail(...) io.stderr:write("idle.lua: ", string.format(...), "\n") os.exit(1) end

local function open()
  local tcp, bytes, begin = uv.new_tcp(), "", nil
  local function on_read(err, piece)
    if not piece and answered == count then os.exit(1) end -- the exit status says it
    if not piece then fail("a connection ended: %s", err or "closed") end
    if begin == nil then fail "an answer that nobody asked for" end
    bytes = bytes .. piece
    local head, body = bytes:match "^(HTTP/1%.1 200 .-\r\n\r\n)(.*)$"
    if not head or #body < tonumber(head:lower():match "content%-length: (%d+)") then return end
    begin, bytes, answered = nil, "", answered + 1
    if answered + AT_ONCE <= count then open() end
    if answered == count then print "idle" io.stdout:flush() end
  end
  tcp:connect(host, tonumber(port), function(err)
    if err then fail("no connection: %s", err) end
    begin = true
    tcp:read_start(on_read)
    tcp:write "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
  end)
end

for _ = 1, math.min(AT_ONCE, count) do open() end
uv.run()
