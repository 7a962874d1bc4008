-- make soak: big bodies past a slow side, and many idle connections, with what lb's memory did.
--
--   luajit infra/soak.lua [LB] [MIB]     build/lb, and bodies of 1024 MiB, unless given
--
-- Everything is on loopback and ends by itself, with PASS or FAIL for each figure and in the exit
-- status. Each body is compared byte by byte with what was sent.
local uv = require "luv"

local lb_path = arg[1] or "build/lb"
local MIB = tonumber(arg[2] or 1024)
if not uv.fs_access(lb_path, "X") or not MIB or MIB < 1 or MIB % 1 ~= 0 then
  io.stderr:write("usage: luajit infra/soak.lua [LB] [MIB]: a program, and a whole number from 1\n")
  os.exit(2)
end
local BODY = MIB * 2 ^ 20
local BLOCK = 2 ^ 16
-- How much longer the slow side takes than the fast pair.
local SLOW_SHARE = 100
local GROWTH_MAX = 2 ^ 20           -- resident memory, while a body passes
local IDLE_CONNECTIONS, IDLE_MAX = 10000, 512
local failed = false

local function say(ok, text, ...)
  print((ok and "PASS  " or "FAIL  ") .. text:format(...))
  if not ok then failed = true end
end

local function run_until(done)
  while not done() do uv.run "once" end
end

-- --- the body: blocks that differ, so that a lost or doubled one shows ---

local random = {}
do
  local state = 88172645463325252 % 2 ^ 31
  for i = 1, 257 do
    local bytes = {}
    for j = 1, 256 do
      state = (state * 1103515245 + 12345) % 2 ^ 31
      bytes[j] = string.char(math.floor(state / 2 ^ 16) % 256)
    end
    random[i] = table.concat(bytes)
  end
end
local pieces = {}
for i = 0, 256 do pieces[i] = table.concat(random):rep(2):sub(i * 256 + 1, i * 256 + BLOCK) end

local function block(i) return pieces[i * 31 % 257] end

-- Compares what comes with what was sent; says where it differs first.
local function checker()
  local seen, rest, at = 0, "", 0
  return function(bytes)
    rest = rest .. bytes
    while #rest >= BLOCK do
      if rest:sub(1, BLOCK) ~= block(at) then error("the body differs in block " .. at) end
      rest, at = rest:sub(BLOCK + 1), at + 1
    end
    seen = seen + #bytes
    return seen
  end
end

-- Sends the body as fast as the other side takes it, or a block each so many ms.
local function send_body(stream, pause_ms)
  local at = 0
  local timer = pause_ms and uv.new_timer()
  local function step()
    if at * BLOCK >= BODY then
      if timer then timer:close() end
      return
    end
    at = at + 1
    stream:write(block(at - 1), function(err)
      assert(not err, err)
      if timer then timer:start(pause_ms, 0, step) else step() end
    end)
  end
  step()
end

-- Reads until on_bytes says that it is enough; a read each so many ms.
local function receive(stream, pause_ms, on_bytes)
  local timer = pause_ms and uv.new_timer()
  local function on_read(err, bytes)
    assert(not err, err)
    if not bytes then error "the connection ended too early" end
    if on_bytes(bytes) then
      stream:read_stop()
      if timer then timer:close() end
    elseif timer then
      stream:read_stop()
      timer:start(pause_ms, 0, function() stream:read_start(on_read) end)
    end
  end
  stream:read_start(on_read)
end

-- --- lb and what is around it ---

local children = {}

local function lb_start(backend)
  local stderr = uv.new_pipe(false)
  local script = os.tmpname()
  local file = assert(io.open(script, "w"))
  file:write(('return { listen = "127.0.0.1:0", backends = "127.0.0.1:%d" }\n'):format(backend))
  file:close()
  local child = { exited = false }
  child.handle, child.pid = uv.spawn(lb_path, {
    args = { "--workers", "1", "--log-format", "json", script }, stdio = { nil, nil, stderr },
  }, function() child.exited = true end)
  assert(child.pid, "cannot start " .. lb_path)
  table.insert(children, child)
  local text = ""
  stderr:read_start(function(_, bytes)
    text = text .. (bytes or "")
    child.port = child.port or tonumber(text:match '"event":"listening".-"address":"127.0.0.1:(%d+)"')
  end)
  run_until(function() return child.port or child.exited end)
  os.remove(script)
  assert(child.port, "lb did not start: " .. text)
  for pid in io.popen("ps -o pid= --ppid " .. child.pid):lines() do
    local comm = assert(io.open("/proc/" .. tonumber(pid) .. "/comm")):read "*l"
    if comm:find "worker" then child.worker = tonumber(pid) end
  end
  child.stderr = stderr
  return child
end

local function lb_stop(child)
  uv.kill(child.pid, "sigterm")
  run_until(function() return child.exited end)
  child.stderr:close()
end

local function memory(child, field)
  for line in io.lines("/proc/" .. child.worker .. "/smaps_rollup") do
    local value = line:match("^" .. field .. ":%s+(%d+) kB")
    if value then return tonumber(value) * 1024 end
  end
  error("no " .. field)
end

local function connect(port)
  local stream, connected = uv.new_tcp(), false
  stream:connect("127.0.0.1", port, function(err)
    assert(not err, err)
    connected = true
  end)
  run_until(function() return connected end)
  return stream
end

-- One request per connection: serve(stream, head) has the rest.
local function origin(serve)
  local server = uv.new_tcp()
  server:bind("127.0.0.1", 0)
  server:listen(128, function()
    local stream, text = uv.new_tcp(), ""
    server:accept(stream)
    stream:read_start(function(_, bytes)
      if not bytes then
        if not stream:is_closing() then stream:close() end
        return
      end
      text = text .. bytes
      local head, rest = text:match "^(.-\r\n\r\n)(.*)$"
      if head and #head > 4 then
        text = ""
        serve(stream, head, rest)
      end
    end)
  end)
  return server, server:getsockname().port
end

-- --- bodies ---

-- Gives seconds and how much lb's worker grew meanwhile, at its peak.
local function transfer(direction, pause_ms)
  local done = false
  local check = checker()
  local function arrived(bytes)
    local seen = check(bytes)
    done = seen >= BODY
    return done
  end
  local server, port = origin(function(stream, _, rest)
    if direction == "download" then
      stream:write("HTTP/1.1 200 OK\r\nContent-Length: " .. ("%d"):format(BODY) .. "\r\n\r\n")
      send_body(stream)
    else
      stream:read_stop()
      if rest ~= "" then arrived(rest) end
      receive(stream, pause_ms, arrived)
    end
  end)
  local lb = lb_start(port)
  local client = connect(lb.port)
  local before, most, started = memory(lb, "Rss"), 0, uv.hrtime()
  local watch = uv.new_timer()
  watch:start(0, 20, function() most = math.max(most, memory(lb, "Rss")) end)
  if direction == "download" then
    local text, in_body = "", false
    client:write "GET / HTTP/1.1\r\nHost: soak\r\n\r\n"
    receive(client, pause_ms, function(bytes)
      if in_body then return arrived(bytes) end
      text = text .. bytes
      local rest = text:match "\r\n\r\n(.*)$"
      in_body = rest ~= nil
      return in_body and arrived(rest)
    end)
  else
    client:write("POST / HTTP/1.1\r\nHost: soak\r\nContent-Length: " .. ("%d"):format(BODY) .. "\r\n\r\n")
    send_body(client)
  end
  run_until(function() return done end)
  watch:close()
  client:close()
  server:close()
  lb_stop(lb)
  return (uv.hrtime() - started) / 1e9, most - before
end

for _, direction in ipairs { "download", "upload" } do
  local fast, growth = transfer(direction)
  say(growth < GROWTH_MAX, "%s of %d MiB, both sides fast: exact, %.1f s, lb's memory grew by %d KiB",
    direction, BODY / 2 ^ 20, fast, growth / 1024)
  -- A read takes at most one block, so a pause after each makes the slow side's rate.
  local slow, slow_growth = transfer(direction, math.max(1, math.floor(fast * SLOW_SHARE / (BODY / BLOCK) * 1000)))
  say(slow_growth < GROWTH_MAX and slow > fast * SLOW_SHARE / 4,
    "%s of %d MiB, the receiver %.0f times slower: exact, %.1f s, lb's memory grew by %d KiB",
    direction, BODY / 2 ^ 20, slow / fast, slow, slow_growth / 1024)
end

-- --- idle connections ---

do
  local server, port = origin(function(stream) stream:write "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" end)
  -- The origin's reader stops nowhere: it serves request after request.
  local lb = lb_start(port)
  local open = {}
  -- An lb with two descriptors per client cannot have more; nor can this process.
  local descriptors = tonumber(io.popen("ulimit -n"):read "*l") or 1024
  local wanted = math.min(IDLE_CONNECTIONS, math.floor(descriptors / 2) - 100)
  local function add(count)
    for _ = 1, count do
      local client, answered = connect(lb.port), false
      client:write "GET / HTTP/1.1\r\nHost: soak\r\n\r\n"
      client:read_start(function(_, bytes) answered = answered or bytes ~= nil end)
      run_until(function() return answered end)
      table.insert(open, client)
    end
  end
  add(math.floor(wanted / 2)) -- what only grows once has grown
  local before = memory(lb, "Private_Dirty")
  add(wanted - #open)
  local each = (memory(lb, "Private_Dirty") - before) / (wanted - math.floor(wanted / 2))
  say(each < IDLE_MAX, "%d idle connections that were served: %d bytes of user memory for each", wanted, each)
  for _, client in ipairs(open) do client:close() end
  server:close()
  lb_stop(lb)
end

os.exit(failed and 1 or 0)
