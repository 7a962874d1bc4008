-- make upgrades: one program takes the place of another again and again, under load. Nothing may
-- be lost.
--
--   luajit infra/upgrades.lua LB OTHER [TIMES] [BUSY] [IDLE] [WORKERS] [tls]
--                                      20, 64, 2000 and 4 unless given; tls: clients speak TLS 1.3
--
-- LB and OTHER take turns behind one path, and SIGUSR2 is sent. Meanwhile BUSY clients ask without
-- a pause over connections that they keep, IDLE ones rest and ask now and then, and each
-- millisecond, or over TLS each tenth one, a client comes and goes. It ends by itself, with its
-- figures, PASS or FAIL for each, and the exit status.
local uv = require "luv"

local programs = { assert(arg[1]), assert(arg[2]) }
local TIMES, BUSY, IDLE, WORKERS =
  tonumber(arg[3]) or 20, tonumber(arg[4]) or 64, tonumber(arg[5]) or 2000, tonumber(arg[6]) or 4
local secured = arg[7] == "tls" and dofile "infra/upgrades_tls.lua"
local FRESH_MS, PATIENCE_MS = secured and 10 or 1, 30000
local failed = false

local function say(ok, text, ...)
  print((ok and "PASS  " or "FAIL  ") .. text:format(...))
  if not ok then failed = true end
end

local function run_until(what, is_true)
  local late, timer = uv.now() + PATIENCE_MS, uv.new_timer()
  timer:start(5, 5, function() end)
  while not is_true() do
    if uv.now() > late then
      say(false, "%s: not within %d s", what, PATIENCE_MS / 1000)
      break
    end
    uv.run "once"
  end
  timer:close()
end

-- --- lb ---

local function free_port()
  local socket = uv.new_tcp()
  assert(socket:bind("127.0.0.1", 0))
  local port = socket:getsockname().port
  socket:close()
  return port
end

local backend_port = free_port()

local folder = assert(uv.fs_mkdtemp "/tmp/lb-upgrades-XXXXXX")
local script, link, pair = folder .. "/balancer.lua", folder .. "/lb", folder .. "/pair"
local listen = '"127.0.0.1:0"'
if secured then
  assert(os.execute(("openssl req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -subj /CN=a.test "
    .. "-days 90 -keyout %s.key -out %s.crt 2>/dev/null"):format(pair, pair)))
  listen = ('{ { "127.0.0.1:0", tls = true } }, tls = { certificates = { { cert = "%s.crt", key = "%s.key" } } }')
    :format(pair, pair)
end

local function put(program)
  if program:sub(1, 1) ~= "/" then program = uv.cwd() .. "/" .. program end
  assert(uv.fs_symlink(program, link .. ".new"))
  assert(os.rename(link .. ".new", link))
end

do
  local file = assert(io.open(script, "w"))
  file:write(([[
local asked, bucket = lb.counter "asked", lb.bucket("half", { rate = 1e-6, burst = 10 })
return {
  listen = %s, backends = "127.0.0.1:%d", workers = %d,
  timeouts = { keep_alive = 600, request_head = 600 },
  choose = function(ctx, backends)
    if ctx.path == "/begin" then
      lb.set("kept", 42)
      for _ = 1, 5 do bucket:take "all" end
      lb.counter("named"):add(7)
    elseif ctx.path == "/end" then
      local left = 0
      while bucket:take "all" and left < 20 do left = left + 1 end
      local said = ("%%d %%d %%d %%d"):format(asked:get(), lb.get "kept", left, lb.counter("named"):get())
      return ctx:respond { status = 200, body = said }
    end
    asked:add(1)
    return backends[1]
  end,
}
]]):format(listen, backend_port, WORKERS))
  file:close()
end
put(programs[1])

-- A backend: lb again, which answers all by itself.
local backend_script = folder .. "/backend.lua"
do
  local file = assert(io.open(backend_script, "w"))
  file:write(([[
return {
  listen = "127.0.0.1:%d", workers = 1, log = { skip = "/" },
  choose = function(ctx) return ctx:respond { status = 200, body = "ok" } end,
}
]]):format(backend_port))
  file:close()
end
local said, is_there = uv.new_pipe(false), false
local backend = assert(uv.spawn(programs[1], {
  args = { "--log-format", "json", backend_script }, stdio = { nil, nil, said },
}, function() end))
said:read_start(function(_, bytes) is_there = is_there or (bytes or ""):find '"listening"' end)
run_until("the backend listens", function() return is_there end)

local events, failures, port, ended = {}, {}, nil, nil
local err = uv.new_pipe(false)
local process, pid = uv.spawn(link, { args = { "--log-format", "json", script }, stdio = { nil, nil, err } },
  function(code) ended = code end)
assert(process, pid)
do
  local rest = ""
  err:read_start(function(_, bytes)
    rest = rest .. (bytes or "")
    for line in rest:gmatch "([^\n]*)\n" do
      local event = line:match '"event":"([%w_]+)"' or line
      events[event] = events[event] or {}
      table.insert(events[event], line)
      if line:match '"level":"error"' or line:match '"level":"warn"' then failures[#failures + 1] = line end
      port = port or event == "listening" and tonumber(line:match '"address":"127.0.0.1:(%d+)"')
    end
    rest = rest:match "[^\n]*$"
  end)
end
run_until("lb listens", function() return port or ended end)
assert(port, "lb did not start")

local function children()
  local list = {}
  local file = assert(io.open(("/proc/%d/task/%d/children"):format(pid, pid)))
  for child in file:read("*a"):gmatch "%d+" do list[#list + 1] = child end
  file:close()
  return list
end

local function descriptors()
  local count = 0
  for _ in uv.fs_scandir_next, assert(uv.fs_scandir(("/proc/%d/fd"):format(pid))) do count = count + 1 end
  return count
end

-- --- clients ---

local sent, answered, lost, going, connecting, closed = 0, 0, {}, true, 0, 0

local function lose(text, ...) lost[#lost + 1] = text:format(...) end

-- on_answer gets the body; ask sends another request.
local function client(kind, on_ready, on_answer)
  local self, stream, rest, write = {}, uv.new_tcp(), "", nil
  function self.ask(target)
    self.busy = true
    sent = sent + 1
    write(("GET %s HTTP/1.1\r\nHost: u\r\n%s\r\n"):format(target or "/",
      kind == "fresh" and "Connection: close\r\n" or ""))
  end
  function self.close()
    self.is_over = true
    if not stream:is_closing() then stream:close() end
  end
  connecting = connecting + 1
  stream:connect("127.0.0.1", port, function(refused)
    local is_ready = false
    local function be_ready()
      connecting, is_ready = connecting - 1, true
      on_ready(self)
    end
    local function on_bytes(wrong, bytes)
      if self.is_over then return end
      if not bytes and not is_ready then
        connecting = connecting - 1
        lose("no handshake of a %s client: %s", kind, wrong or "closed")
        return self.close()
      end
      if not bytes then
        if self.busy then lose("the connection of a %s client ended: %s", kind, wrong or "closed") end
        if kind ~= "fresh" and not self.is_over then closed = closed + 1 end
        return self.close()
      end
      rest = rest .. bytes
      local head_end = select(2, rest:find("\r\n\r\n", 1, true))
      if not head_end or #rest < head_end + tonumber(rest:match "[Cc]ontent%-[Ll]ength: (%d+)") then return end
      if not rest:find "^HTTP/1.1 200" then lose("an answer: %s", rest:match "^[^\r]*") end
      if kind ~= "fresh" and rest:lower():find "connection: close" then lose "an answer says that it is the last" end
      local body = rest:sub(head_end + 1)
      rest, self.busy = "", false
      answered = answered + 1
      on_answer(self, body)
    end
    if refused then
      on_bytes(refused)
    elseif secured then
      write = secured(stream, be_ready, on_bytes)
    else
      write = function(text) stream:write(text) end
      be_ready()
      stream:read_start(on_bytes)
    end
  end)
  return self
end

local function once(target)
  local body
  client("fresh", function(self) self.ask(target) end, function(_, bytes) body = bytes end)
  run_until(target, function() return body end)
  return body
end

local busy, idle = {}, {}
once "/begin"
local function load_begins()
  for i = 1, BUSY do
    busy[i] = client("busy", function(self) self.ask() end, function(self) if going then self.ask() end end)
  end
  for i = 1, IDLE do -- every second one has asked before it rests
    idle[i] = client("idle", function(self) if i % 2 == 0 then self.ask() end end, function() end)
    if i % 100 == 0 then run_until("clients", function() return connecting == 0 end) end
  end
end
load_begins()
local fresh_timer = uv.new_timer()
fresh_timer:start(FRESH_MS, FRESH_MS, function()
  client("fresh", function(self) self.ask() end, function() end)
end)

-- --- the upgrades ---

local first_files, files_differ, times = nil, {}, {}
local first_count = #children()
for i = 1, TIMES do
  -- A child that is due, as the monitor is when the one before has ended, would be missed below.
  run_until("all children", function() return #children() >= first_count end)
  local before = {}
  for _, child in ipairs(children()) do before[child] = true end
  first_files = first_files or descriptors()
  put(programs[i % 2 + 1])
  uv.kill(pid, "sigusr2")
  run_until("upgrade " .. i, function() return #(events.upgrade or {}) >= i or ended end)
  if ended or #(events.upgrade or {}) < i then break end
  times[i] = tonumber(events.upgrade[i]:match '"ms":(%d+)')
  run_until("the end of the workers before", function()
    local list = children()
    for _, child in ipairs(list) do
      if before[child] then return false end
    end
    return #list <= first_count -- one that began later counts on what they have counted
  end)
  local files
  run_until("descriptors", function()
    files = descriptors()
    return files <= first_files
  end)
  if files ~= first_files then files_differ[#files_differ + 1] = files end
  for j = i, IDLE, TIMES do idle[j].ask() end -- some idle ones ask
end
run_until("idle clients", function()
  for _, each in ipairs(idle) do if each.busy then return false end end
  return true
end)
fresh_timer:close()
going = false
run_until("the last answers", function() return connecting == 0 and sent <= answered + #lost end)
local at_rest = answered
for _, each in ipairs(idle) do each.ask() end
run_until("answers to idle clients", function() return sent <= answered + #lost end)
local counted, kept, left, named = once("/end"):match "(%d+) (%d+) (%d+) (%d+)"
for _, list in ipairs { busy, idle } do
  for _, each in ipairs(list) do each.close() end
end
uv.kill(pid, "sigterm")
run_until("its end", function() return ended end)
backend:kill "sigterm"
os.remove(pair .. ".key") os.remove(pair .. ".crt")
os.remove(backend_script) os.remove(script) os.remove(link) uv.fs_rmdir(folder)

-- --- what came of it ---

table.sort(times)
print(("%d upgrades, %d workers, %d busy and %d idle clients, %d requests"):format(
  #times, WORKERS, BUSY, IDLE, answered))
print(("      from the signal to new workers: median %d ms, worst %d"):format(
  times[math.ceil(#times / 2)] or -1, times[#times] or -1))
say(#times == TIMES, "%d of %d upgrades", #times, TIMES)
say(#lost == 0 and sent == answered, "%d of %d requests failed%s", sent - answered + #lost, sent,
  lost[1] and ": " .. lost[1] or "")
say(closed == 0, "%d kept connections were closed", closed)
say(#files_differ == 0, "descriptors: %d at first%s", first_files,
  files_differ[1] and ", then " .. table.concat(files_differ, " ") or " and after each")
local expected = answered - 1 -- the last one is not counted
print(("      counted %s of %d requests (%d before the last)"):format(counted, expected, at_rest))
say(tonumber(counted) == expected, "the counter has each request")
say(kept == "42" and left == "5" and named == "7", "a value, half a bucket, a counter: %s, %s of 10, %s", kept, left,
  named)
say(#failures == 0, "no warning%s", failures[1] and ": " .. failures[1] or "")
say(ended == 0, "it ended with status %s", tostring(ended))
os.exit(failed and 1 or 0)
