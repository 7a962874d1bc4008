-- make storm: reloads without end, under load. Nothing may be lost.
--
--   luajit infra/storm.lua [LB] [SECONDS] [WORKERS]     build/lb, 30 and 8 unless given
--
-- Every 100 ms there is another script, and SIGHUP is sent: two right ones take turns, both round
-- robin on one counter, and each third one is broken. Meanwhile clients send requests over kept and
-- new connections. It ends by itself, with its figures, PASS or FAIL for each, and the exit status.
local uv = require "luv"

local lb_path = arg[1] or "build/lb"
local SECONDS, WORKERS = tonumber(arg[2]) or 30, tonumber(arg[3]) or 8
local EVERY_MS, KEPT, FRESH = 100, 24, 4
local GROWTH_MAX_KIB = 1024 -- for each process, from a third of the time to its end
local failed = false

local function say(ok, text, ...)
  print((ok and "PASS  " or "FAIL  ") .. text:format(...))
  if not ok then failed = true end
end

local function run_for(ms)
  local over = false
  local timer = uv.new_timer()
  timer:start(ms, 0, function() over = true timer:close() end)
  while not over do uv.run "once" end
end

-- --- backends ---

local function origin(name)
  local self = { requests = 0 }
  local server = uv.new_tcp()
  assert(server:bind("127.0.0.1", 0))
  self.port = server:getsockname().port
  local answer = ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(#name, name)
  assert(server:listen(512, function()
    local stream, rest = uv.new_tcp(), ""
    server:accept(stream)
    stream:read_start(function(_, bytes)
      if not bytes then
        if not stream:is_closing() then stream:close() end
        return
      end
      rest = rest .. bytes
      while rest:find("\r\n\r\n", 1, true) do
        rest = rest:sub(rest:find("\r\n\r\n", 1, true) + 4)
        self.requests = self.requests + 1
        stream:write(answer)
      end
    end)
  end))
  return self
end

local one, two = origin "1", origin "2"

-- --- scripts ---

local good = {}
for i = 1, 2 do
  good[i] = ([[local turn = lb.counter "turn"
return { listen = "127.0.0.1:0", backends = "127.0.0.1:%d, 127.0.0.1:%d", workers = %d, timeouts = { connect = %d },
  choose = function(ctx, backends) return backends[turn:next(#backends)] end }
]]):format(one.port, two.port, WORKERS, i)
end
local broken = {
  "return {",
  "return { choices = print }",
  "error 'broken'",
  good[1]:gsub("choose", "init = function() error 'broken' end, choose"),
  good[1]:gsub("backends%[turn", "nothing[turn"),
}

-- --- lb ---

local folder = assert(uv.fs_mkdtemp "/tmp/lb-storm-XXXXXX")
local path = folder .. "/balancer.lua"

local function save(text)
  local file = assert(io.open(path .. ".new", "w"))
  file:write(text)
  file:close()
  assert(os.rename(path .. ".new", path))
end

local events, port, ended = {}, nil, nil
save(good[1])
local err = uv.new_pipe(false)
local process, pid = uv.spawn(lb_path, {
  args = { "--log-format", "json", path }, stdio = { nil, nil, err },
}, function(code) ended = code end)
assert(process, pid)
do
  local rest = ""
  err:read_start(function(_, bytes)
    rest = rest .. (bytes or "")
    for line in rest:gmatch "([^\n]*)\n" do
      local event = line:match '"event":"([%w_]+)"' or line
      events[event] = (events[event] or 0) + 1
      port = port or line:match '"address":"127.0.0.1:(%d+)"' and event == "listening"
        and tonumber(line:match '"address":"127.0.0.1:(%d+)"')
    end
    rest = rest:match "[^\n]*$"
  end)
end
while not port and not ended do uv.run "once" end
assert(port, "lb did not start")

local function children()
  local list = { pid }
  local file = assert(io.open(("/proc/%d/task/%d/children"):format(pid, pid)))
  for child in file:read("*a"):gmatch "%d+" do
    local comm = io.open(("/proc/%s/comm"):format(child))
    local name = comm and comm:read "*l" or ""
    if comm then comm:close() end
    if name:find "worker" then list[#list + 1] = tonumber(child) end
  end
  file:close()
  return list
end

-- Of the supervisor and the workers: KiB of private memory, sockets, and other descriptors.
local function measure()
  local memory, files, sockets = 0, 0, 0
  for _, each in ipairs(children()) do
    local status = assert(io.open(("/proc/%d/status"):format(each)))
    memory = memory + tonumber(status:read("*a"):match "RssAnon:%s*(%d+)")
    status:close()
    for name in uv.fs_scandir_next, assert(uv.fs_scandir(("/proc/%d/fd"):format(each))) do
      local target = uv.fs_readlink(("/proc/%d/fd/%s"):format(each, name)) or ""
      if target:find "^socket" then sockets = sockets + 1 else files = files + 1 end
    end
  end
  return { memory = memory, files = files, sockets = sockets }
end

-- --- clients ---

local connecting, sent, answered, lost, going = 0, 0, 0, {}, true

local function lose(text, ...) lost[#lost + 1] = text:format(...) end

local function client(keeps)
  local stream = uv.new_tcp()
  local rest = ""
  local busy = false
  local function ask()
    busy = true
    sent = sent + 1
    stream:write("GET / HTTP/1.1\r\nHost: storm\r\n" .. (keeps and "\r\n" or "Connection: close\r\n\r\n"))
  end
  connecting = connecting + 1
  stream:connect("127.0.0.1", port, function(refused)
    connecting = connecting - 1
    if refused then return lose("connect: %s", refused) end
    ask()
    stream:read_start(function(wrong, bytes)
      if not bytes then
        if busy then lose("the connection ended: %s", wrong or "closed") end
        if not stream:is_closing() then stream:close() end
        if going and not keeps then client(false) end
        return
      end
      rest = rest .. bytes
      local head_end = select(2, rest:find("\r\n\r\n", 1, true))
      if not head_end or #rest < head_end + 1 then return end
      if not rest:find "^HTTP/1.1 200" then lose("an answer: %s", rest:match "^[^\r]*") end
      rest, busy = "", false
      answered = answered + 1
      if keeps and going then ask() end
    end)
  end)
end

for _ = 1, KEPT do client(true) end
for _ = 1, FRESH do client(false) end

-- --- the storm ---

local asked = 0
local timer = uv.new_timer()
timer:start(EVERY_MS, EVERY_MS, function()
  asked = asked + 1
  if asked % 3 == 0 then
    save(broken[asked / 3 % #broken + 1])
  else
    save(good[asked % 3])
  end
  uv.kill(pid, "sighup")
end)

local pids = table.concat(children(), " ")
run_for(SECONDS * 1000 / 3)
local before = measure()
run_for(SECONDS * 1000 * 2 / 3)
local late = uv.now() + 30000 -- a busy machine has seen few of them by then
while not (events.reload and events.reload_refused) and uv.now() < late do run_for(100) end
-- A worker that loads a script has files open for a moment; what leaks stays open.
local after = measure()
while after.files > before.files and uv.now() < late do
  run_for(10)
  after = measure()
end
timer:close()
going = false
local patience = uv.now() + 20000
while connecting + sent > answered + #lost and uv.now() < patience do run_for(10) end
local pids_after = table.concat(children(), " ")
local reloads, refused = events.reload or 0, events.reload_refused or 0
uv.kill(pid, "sigterm")
while not ended do uv.run "once" end
os.remove(path) os.remove(path .. ".new") uv.fs_rmdir(folder)

print(("%d s, %d workers: asked %d times, %d reloads, %d refused; %d requests, %.0f a second"):format(
  SECONDS, WORKERS, asked, reloads, refused, answered, answered / SECONDS))
say(reloads > 0 and refused > 0, "scripts were loaded, and refused")
say(#lost == 0 and sent == answered, "%d of %d requests failed%s", sent - answered + #lost, sent,
  lost[1] and ": " .. lost[1] or "")
say(math.abs(one.requests - two.requests) <= 1 and one.requests + two.requests == answered,
  "exact alternation: %d and %d", one.requests, two.requests)
say(pids == pids_after and not events.worker_died and not events.monitor_died, "the same processes to the end")
local quarantine = lb_path:find("asan", 1, true) -- which keeps what was freed
say(quarantine or after.memory - before.memory <= GROWTH_MAX_KIB * (WORKERS + 1),
  "memory: %d KiB after a third, %d KiB at the end",
  before.memory, after.memory)
say(after.files <= before.files and after.sockets <= before.sockets + KEPT + FRESH,
  "descriptors: %d files and %d sockets after a third, %d and %d at the end",
  before.files, before.sockets, after.files, after.sockets)
say(ended == 0, "it ended with status %d", ended)
os.exit(failed and 1 or 0)
