-- make hostile-memory: clients that make a worker hold as much as they can, next to innocent ones.
--
--   luajit infra/hostile_memory.lua [LB] [CLIENTS] [SECONDS]
--                                        build/lb, 10000, and 30 from when all are there
--
-- The worker may have 256 MiB (RLIMIT_DATA). A client that is cut off comes back. Everything is
-- on loopback and ends by itself, with PASS or FAIL for each figure and in the exit status.
local uv = require "luv"

local lb_path, CLIENTS, SECONDS = arg[1] or "build/lb", tonumber(arg[2] or 10000), tonumber(arg[3] or 30)
if not uv.fs_access(lb_path, "X") or not CLIENTS or not SECONDS then
  io.stderr:write "usage: luajit infra/hostile_memory.lua [LB] [CLIENTS] [SECONDS]\n"
  os.exit(2)
end
local BYTES_MAX = 256 * 2 ^ 20
local INNOCENTS, PAUSE_MS = 20, 50
local STARTING_S = 180 -- until all clients have come, at most
local LARGE, ANSWER = ("y"):rep(60000), ("z"):rep(4 * 2 ^ 20)
local failed = false

local function say(ok, text, ...)
  print((ok and "PASS  " or "FAIL  ") .. text:format(...))
  if not ok then failed = true end
end

local function run_until(done)
  while not done() do uv.run "once" end
end

-- --- the backend: never answers /never, and /large with more than its client reads ---

local function serve(stream)
  local text = ""
  stream:read_start(function(_, bytes)
    if not bytes then
      if not stream:is_closing() then stream:close() end
      return
    end
    text = #text < 200000 and text .. bytes or text
    while text:find("\r\n\r\n", 1, true) and not text:find "^%u+ /never" do
      local target = text:match "^%u+ (%S+)"
      text = text:match "\r\n\r\n(.*)$"
      stream:write(target == "/large"
        and ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"):format(#ANSWER) .. ANSWER
        or "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    end
  end)
end

local backend = uv.new_tcp()
backend:bind("127.0.0.1", 0)
backend:listen(4096, function()
  local stream = uv.new_tcp()
  backend:accept(stream)
  serve(stream)
end)

-- --- lb ---

local script = os.tmpname()
local file = assert(io.open(script, "w"))
file:write(([[return { listen = "127.0.0.1:0", backends = "127.0.0.1:%d", script = { memory = 16 * 1024 * 1024 },
  limits = { connections = %d } }]]):format(backend:getsockname().port, CLIENTS + 1000))
file:close()
local log, exited, said = uv.new_pipe(false), false, ""
local handle, pid = uv.spawn("prlimit", {
  args = { ("--data=%d"):format(BYTES_MAX), lb_path, "--workers", "1", "--log-format", "json", script },
  stdio = { nil, nil, log },
}, function() exited = true end)
assert(handle, "cannot start " .. lb_path)
log:read_start(function(_, bytes) said = said .. (bytes or "") end)
local port
run_until(function()
  port = port or tonumber(said:match '"event":"listening".-"address":"127.0.0.1:(%d+)"')
  return port or exited
end)
os.remove(script)
assert(port, "lb did not start: " .. said)

local function workers()
  local list = {}
  for child in io.popen("ps -o pid= --ppid " .. pid):lines() do
    local comm = io.open("/proc/" .. tonumber(child) .. "/comm")
    if comm and comm:read "*l":find "worker" then list[#list + 1] = tonumber(child) end
    if comm then comm:close() end
  end
  return list
end

local function resident(worker)
  local status = io.open("/proc/" .. worker .. "/status")
  local kib = status and status:read "*a":match "VmRSS:%s+(%d+)"
  if status then status:close() end
  return tonumber(kib or 0) * 1024
end

-- --- the clients ---

local KINDS = {
  { "a head, a body and requests ahead, 60 KB each", "POST /never HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\nX: "
    .. LARGE .. "\r\n\r\n" .. LARGE .. ("GET / HTTP/1.1\r\nHost: x\r\n\r\n"):rep(2000) },
  { "a body that does not end", "POST /never HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n" .. LARGE },
  { "a head that does not end", "GET / HTTP/1.1\r\nHost: x\r\nX: " .. LARGE },
  { "trailers that do not end", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: " .. LARGE },
  { "an answer that nobody reads", "GET /large HTTP/1.1\r\nHost: x\r\n\r\n", unread = true },
}
local over, open, cut_off = false, 0, 0

local function hostile(kind)
  local stream, gone = uv.new_tcp(), false
  open = open + 1
  local function again()
    if gone then return end
    gone, open, cut_off = true, open - 1, cut_off + 1
    stream:close()
    if not over then
      local timer = uv.new_timer()
      timer:start(500, 0, function()
        timer:close()
        if not over then hostile(kind) end
      end)
    end
  end
  stream:connect("127.0.0.1", port, function(err)
    if err then return again() end
    stream:write(kind[2], function(failure) if failure then again() end end)
    if not kind.unread then
      stream:read_start(function(_, bytes) if not bytes then again() end end)
    end
  end)
end

local asked, lost, slowest, again = 0, {}, 0, 0

-- One request after the other on one connection; on a new one if it was closed before a byte of an
-- answer came, as any client does.
local function innocent()
  local stream, answer, began, sent, asking
  local timer = uv.new_timer()
  local function connect()
    stream = uv.new_tcp()
    stream:connect("127.0.0.1", port, function(err)
      if err then lost[#lost + 1] = err end
      asking()
    end)
  end
  local function done(what)
    asked = asked + 1
    slowest = math.max(slowest, (uv.hrtime() - began) / 1e9)
    if what then lost[#lost + 1] = what end
    if over then
      timer:close()
      if not stream:is_closing() then stream:close() end
      return
    end
    timer:start(PAUSE_MS, 0, function()
      began = uv.hrtime()
      if stream:is_closing() then
        again = again + 1
        connect()
      else
        asking()
      end
    end)
  end
  function asking()
    answer, sent = "", true
    stream:write "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    stream:read_start(function(err, bytes)
      if bytes then
        answer = answer .. bytes
        if sent and answer:find "ok$" then
          sent = false
          done()
        elseif sent and answer:find "\r\n\r\n" and not answer:find "^HTTP/1.1 200" then
          sent = false
          stream:close()
          done(answer:match "^[^\r]*")
        end
        return
      end
      if not stream:is_closing() then stream:close() end
      if sent and answer == "" then
        again = again + 1
        connect() -- it was idle, and closed as the request was on its way
      elseif sent then
        done(err or "cut")
      end
    end)
  end
  began = uv.hrtime()
  connect()
end

local worker, most = workers()[1], 0
local watch = uv.new_timer()
watch:start(0, 100, function() most = math.max(most, resident(worker)) end)
for _ = 1, INNOCENTS do innocent() end
local starting, started, most_open = uv.new_timer(), 0, 0
-- Not all in one moment: the kernel's queue is not what is tested.
starting:start(0, 5, function()
  for _ = 1, 20 do
    if started < CLIENTS then
      started = started + 1
      hostile(KINDS[started % #KINDS + 1])
    end
  end
  most_open = math.max(most_open, open)
end)
local latest = uv.now() + STARTING_S * 1000
run_until(function() return started == CLIENTS or uv.now() >= latest end)
local clock = uv.new_timer()
clock:start(SECONDS * 1000, 0, function() over = true end)
run_until(function() return over end)
local alive = workers()
local deaths = select(2, said:gsub('"event":"worker_died"', ""))
say(started == CLIENTS, "%d hostile clients, %d of them at once; %d times one was cut off, and came back",
  started, most_open, cut_off)
say(deaths == 0 and alive[1] == worker, "the worker lives (%d deaths)", deaths)
say(most < BYTES_MAX, "it held %d MiB of memory at most, of %d", most / 2 ^ 20, BYTES_MAX / 2 ^ 20)
say(#lost == 0 and asked > INNOCENTS,
  "%d requests of innocent clients were answered, %d were not%s, the slowest in %.2f s, %d on new connections",
  asked - #lost, #lost, #lost > 0 and " (" .. tostring(lost[1]) .. ")" or "", slowest, again)
say(said:find '"event":"memory_full"' ~= nil, "memory was full meanwhile")
uv.kill(pid, "sigkill")
os.exit(failed and 1 or 0)
