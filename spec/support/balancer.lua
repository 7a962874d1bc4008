-- balancer - the real lb, started by a spec and judged at its end.
--
--   balancer.start { script =, settings =, backends =, workers =, ... }
--     script      the policy as text; or settings: what is in the table that it returns; or file:
--                 its path. Without any: a script that only checks health often
--     backends    a list of origins, balancers and addresses, as --backend options
--     workers     how many (1)
--     listen      an address, or a list (127.0.0.1:0); false: what the script says
--     env, args   more environment, more options;  name: in the story;  format: "text" (json)
--     descriptors how many it and each of its processes may open
--     program     another program than LB names
--     through     the words of another program that starts it
--     stdout      "unread": nobody empties the pipe until lb:read_stdout()
--     may_fail    any exit status will do;  may_lose_workers: worker_died is expected
--   It waits until lb listens.
--
--   lb.address, lb.addresses, lb.port, lb.pid
--   lb:fetch(target, options)         one request on a connection of its own (wire.fetch)
--   lb:connect(options)               a raw connection (wire.connect)
--   lb:events(name), lb:exchanges()   what the log said so far, decoded
--   lb:event(name, match, n)          waits for the (n-th) event that has these fields
--   lb:exchange(match)                waits for the access line that has these fields
--   lb:up(backend), lb:down(backend)  waits for the last word on it; the event
--   lb:children()                     the processes of this lb
--   lb:freeze(), lb:thaw()            its processes stop, and continue
--   lb:stop()                         SIGTERM, and its end; lb:signal, lb:wait_exit as of a process
--   lb:judge()                        a list of complaints: a wrong end, processes left over, a
--                                     socket left over
--
-- LB names the program (build/lb), LB_UNDER what runs it ("valgrind --quiet"). With LB_RECORDS,
-- "own" or "openssl", each script that has certificates first in tls says who makes the records.

local json = require "dkjson"
local loop = require "spec.support.loop"
local process = require "spec.support.process"
local wire = require "spec.support.wire"

local balancer = {}

local Balancer = {}
Balancer.__index = Balancer

local all = {}
local QUICK = "health = { interval = 0.2, timeout = 5 },"

balancer.program = os.getenv "LB" or "build/lb"

local function list_of(value) return type(value) == "table" and not value.address and value or { value } end

-- Any command line of lb, for process.run and process.start. It ends with the
-- specs, even if those end in a way that lets them tidy up nothing.
function balancer.command(arguments, program)
  local command = { "setpriv", "--pdeathsig", "KILL" }
  for word in (os.getenv "LB_UNDER" or ""):gmatch "%S+" do command[#command + 1] = word end
  program = program or balancer.program
  if not program:find "^/" then program = require("luv").cwd() .. "/" .. program end
  command[#command + 1] = program
  for _, argument in ipairs(arguments) do command[#command + 1] = tostring(argument) end
  return command
end

function balancer.script(text)
  local records = os.getenv "LB_RECORDS"
  if not records or text:find "records =" then return text end
  return (text:gsub("%f[%w]tls = {(%s*certificates)", ("tls = { records = '%s', %%1"):format(records)))
end

local function script_path(options)
  if options.file then return options.file end
  local text = options.script or ("return {\n%s\n}\n"):format(options.settings or QUICK)
  if options.settings and not options.settings:find "health" then
    text = ("return {\n%s\n%s\n}\n"):format(QUICK, options.settings)
  end
  return process.file((options.name or "balancer") .. ".lua", balancer.script(text))
end

local function arguments_of(options)
  local arguments = { script_path(options), "--log-format", options.format or "json" }
  local function add(...)
    for _, word in ipairs { ... } do arguments[#arguments + 1] = word end
  end
  if options.listen ~= false then
    for _, address in ipairs(list_of(options.listen or "127.0.0.1:0")) do add("--listen", address) end
  end
  for _, backend in ipairs(options.backends or {}) do
    add("--backend", type(backend) == "table" and backend.address or backend)
  end
  if options.workers ~= false then add("--workers", options.workers or 1) end
  add(unpack(options.args or {}))
  return arguments
end

local function take_line(self, stream, line)
  local value = self.format == "json" and json.decode(line)
  if type(value) ~= "table" then
    self.odd[#self.odd + 1] = line
  elseif stream == "err" then
    self.all_events[#self.all_events + 1] = value
  else
    self.all_exchanges[#self.all_exchanges + 1] = value
  end
end

local function listening(self)
  if self.format == "text" then
    local addresses = {}
    for _, line in ipairs(self.process.err) do
      addresses[#addresses + 1] = line:match "listening on (%S+)"
    end
    return addresses
  end
  local addresses = {}
  for _, event in ipairs(self:events "listening") do addresses[#addresses + 1] = event.address end
  return addresses
end

local function await_listening(self, wanted)
  loop.wait(self.name .. " to listen", function()
    if self.process.exit then error(self.name .. " ended instead of listening:\n" .. loop.story(), 0) end
    return #listening(self) >= wanted
  end)
  self.addresses = listening(self)
  self.address = self.addresses[1]
  self.port = tonumber(self.address:match ":(%d+)$")
end

function balancer.start(options)
  local command = balancer.command(arguments_of(options), options.program)
  if options.descriptors then -- behind setpriv and its options
    table.insert(command, 4, "--nofile=" .. options.descriptors)
    table.insert(command, 4, "prlimit")
  end
  for i, word in ipairs(options.through or {}) do table.insert(command, 3 + i, word) end
  command.env, command.cwd, command.stdout = options.env, options.cwd, options.stdout
  command.name = options.name or "lb"
  local self = setmetatable({
    name = command.name, format = options.format or "json", odd = {}, all_events = {}, all_exchanges = {},
    may_fail = options.may_fail, may_lose_workers = options.may_lose_workers,
  }, Balancer)
  self.process = process.start(command)
  self.pid = self.process.pid
  self.process:on_line(function(stream, line) take_line(self, stream, line) end)
  all[#all + 1] = self
  await_listening(self, #list_of(options.listen or "x"))
  return self
end

function Balancer:fetch(target, options) return wire.fetch(self.address, target, options) end

function Balancer:connect(options)
  local conn, err = wire.connect(self.address, options)
  if not conn then error(("no connection to %s: %s\n%s"):format(self.name, err, loop.story()), 2) end
  return conn
end

local function matches(value, match)
  for name, wanted in pairs(match or {}) do
    if value[name] ~= wanted then return false end
  end
  return true
end

function Balancer:events(name, match)
  local found = {}
  for _, event in ipairs(self.all_events) do
    if event.event == name and matches(event, match) then found[#found + 1] = event end
  end
  return found
end

function Balancer:exchanges(match)
  local found = {}
  for _, exchange in ipairs(self.all_exchanges) do
    if matches(exchange, match) then found[#found + 1] = exchange end
  end
  return found
end

function Balancer:event(name, match, n, seconds)
  return loop.wait("event " .. name, function() return self:events(name, match)[n or 1] end, seconds)
end

function Balancer:exchange(match, n)
  return loop.wait("an access line", function() return self:exchanges(match)[n or 1] end)
end

local function last_word(self, backend, name)
  local address = type(backend) == "table" and backend.address or backend
  return loop.wait(name .. " of " .. address, function()
    for i = #self.all_events, 1, -1 do
      local event = self.all_events[i]
      if event.backend == address or event.address == address then
        if event.event == name then return event end
        if event.event:find "^backend_[ud]" then return nil end
      end
    end
  end)
end

function Balancer:up(backend) return last_word(self, backend, "backend_up") end
function Balancer:down(backend) return last_word(self, backend, "backend_down") end
function Balancer:children() return process.children(self.pid) end
function Balancer:signal(name) self.process:signal(name) end
function Balancer:wait_exit(seconds) return self.process:wait_exit(seconds) end
function Balancer:read_stdout() self.process:read_stdout() end

-- The supervisor stops first and continues last: it would replace children that stop for long.
function Balancer:freeze()
  self.frozen = self:children()
  table.insert(self.frozen, 1, self.pid)
  for _, pid in ipairs(self.frozen) do
    require("luv").kill(pid, "sigstop")
    loop.wait("a process to stand still", function() return process.is_stopped(pid) end)
  end
end

function Balancer:thaw()
  for i = #self.frozen, 1, -1 do require("luv").kill(self.frozen[i], "sigcont") end
end

function Balancer:stop()
  self:signal "sigterm"
  return self:wait_exit()
end

-- Ends it as a careful user would, and says what was not as it must be.
function Balancer:judge()
  local complaints = {}
  local function complain(...) complaints[#complaints + 1] = self.name .. ": " .. string.format(...) end
  local children = self.process.exit and {} or self:children()
  if not self.process.exit then self:signal "sigterm" end
  self:read_stdout()
  if not pcall(self.wait_exit, self) then
    complain "did not end by SIGTERM"
    self:signal "sigkill"
    pcall(self.wait_exit, self)
  end
  local exit = self.process.exit
  if exit and not self.may_fail and (exit.code ~= 0 or exit.signal ~= 0) then
    complain("ended with status %d, signal %d", exit.code, exit.signal)
  end
  if not self.may_lose_workers then
    for _, event in ipairs(self:events "worker_died") do complain("a worker died: %s", json.encode(event)) end
  end
  for _, pid in ipairs(children) do
    if not pcall(loop.wait, "its end", function() return not process.exists(pid) end) then
      complain("left process %d behind", pid)
      require("luv").kill(pid, "sigkill")
    end
  end
  if self.format == "json" and self.odd[1] then complain("wrote a line that is not JSON: %s", self.odd[1]) end
  return complaints
end

-- The balancers of this spec, judged; sockets that still accept are complaints too.
function balancer.clear()
  local complaints = {}
  for i = #all, 1, -1 do
    for _, complaint in ipairs(all[i]:judge()) do complaints[#complaints + 1] = complaint end
  end
  for _, lb in ipairs(all) do
    for _, address in ipairs(lb.addresses or {}) do
      local reachable = address:gsub("0%.0%.0%.0", "127.0.0.1"):gsub("%[::%]", "[::1]")
      local ok, conn = pcall(wire.connect, reachable)
      if ok and conn then complaints[#complaints + 1] = lb.name .. " left " .. address .. " listening" end
    end
  end
  all = {}
  return complaints
end

return balancer
