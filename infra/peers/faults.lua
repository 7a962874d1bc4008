-- lb, HAProxy and nginx side by side, each in front of two backends of its own, in trouble.
--
--   luajit infra/peers/faults.lua [LB=build/lb] [SECONDS=n] [ROWS=loss500,silent]
--
-- Prints a table: a row for each trouble (infra/peers/troubles.lua), and of each proxy the answers
-- other than 200 of those that 8 clients asked for, the 99th percentile and the longest. It runs in
-- a network of its own, whose packets it drops (infra/apart.sh --admin). Exits 1 if lb lost an
-- answer in a row where it must not.

package.path = "./?.lua;" .. package.path

local options = { LB = "build/lb", SECONDS = "", ROWS = "" }
for _, word in ipairs(arg) do
  local name, value = word:match "^(%u+)=(.*)$"
  assert(name and options[name], "unknown option " .. word)
  options[name] = value
end

local uv = require "luv"
local balancer = require "spec.support.balancer"
local loop = require "spec.support.loop"
local process = require "spec.support.process"
local clients = require "infra.peers.clients"
local proxies = require "infra.peers.proxies"
local report = require "infra.bench.report"
local troubles = require "infra.peers.troubles"

local TITLES = { lb = "lb", haproxy = "HAProxy", nginx = "nginx" }

balancer.program = uv.fs_realpath(options.LB) or error("no program " .. options.LB)

local function say(...)
  print(string.format(...))
  io.flush()
end

-- Of the network that all of this runs in.
local function iptables(words)
  local command = { "iptables", "-w", "-t", "filter" }
  for word in words:gmatch "%S+" do table.insert(command, word) end
  local result = process.run(command)
  if result.code ~= 0 then error("iptables " .. words .. ": " .. result.err, 0) end
end

-- --- a backend, and what may happen to it ---

local Backend = {}
Backend.__index = Backend

function Backend:start()
  local command = { "setpriv", "--pdeathsig", "KILL", "luajit", "infra/peers/backend.lua", tostring(self.port or 0),
    name = "backend" }
  for word in self.words:gmatch "%S+" do table.insert(command, word) end
  self.process = process.start(command)
  local line = loop.wait("a backend to listen", function() return self.process.out[1] or self.process.exit end)
  self.port = tonumber(type(line) == "string" and line:match "%d+$") or error("a backend did not start", 0)
end

function Backend:kill()
  self.process:signal "sigkill"
  loop.wait("its end", function() return self.process.exit end)
end

function Backend:pause() self.process:signal "sigstop" end
function Backend:go_on() self.process:signal "sigcont" end

local function drop(self, how)
  for _, side in ipairs { "--dport", "--sport" } do
    iptables(("%s INPUT -p tcp %s %d -j DROP"):format(how, side, self.port))
  end
end

function Backend:vanish() drop(self, "-I") end
function Backend:appear() drop(self, "-D") end

local function backend(words)
  local self = setmetatable({ words = words }, Backend)
  self:start()
  return self
end

-- --- one trouble ---

local function scene_of(name, row)
  local backends, addresses = {}, {}
  for i = 1, 2 do
    backends[i] = backend(row.backends and row.backends[i] or "")
    addresses[i] = "127.0.0.1:" .. backends[i].port
  end
  local proxy = proxies.start_pair(name, addresses, row.descriptors)
  if row.loses then
    local each = ("-m statistic --mode nth --every %d --packet %d"):format(row.loses, row.loses - 1)
    local ports = ("--dports %d,%d"):format(backends[1].port, backends[2].port)
    iptables(("-A INPUT -p tcp --syn -m multiport %s %s -j DROP"):format(ports, each))
  end
  return { name = name, version = proxy.version, address = proxy.address, backends = backends }
end

-- All three at the same time: what this machine does to one it does to all.
local function play(row, seconds)
  local scenes = {}
  for i, name in ipairs(proxies.names) do scenes[i] = scene_of(name, row) end
  for _, scene in ipairs(scenes) do
    scene.good = clients.good(scene.address)
    if row.act then loop.go(row.act, scene, seconds) end
  end
  loop.pause(seconds)
  for _, scene in ipairs(scenes) do scene.good.stop() end
  iptables "-F"
  local complaints = process.clear()
  loop.clear()
  assert(#complaints == 0, complaints[1])
  return scenes
end

-- "3/8000", p99 and the longest, in ms.
local function cells_of(good)
  table.sort(good.times)
  local function at(share) return ("%.0f"):format(good.times[math.ceil(#good.times * share)] or 0) end
  return ("%d/%d"):format(good.lost, good.asked), at(0.99), at(1)
end

local function kinds_of(good)
  local list = {}
  for kind, count in pairs(good.kinds) do list[#list + 1] = ("%d x %s"):format(count, kind) end
  table.sort(list)
  return table.concat(list, ", ")
end

local function is_wanted(row)
  return options.ROWS == "" or ("," .. options.ROWS .. ","):find("," .. row.name .. ",", 1, true)
end

local rows, failed, versions = {}, {}, nil
for _, row in ipairs(troubles) do
  if is_wanted(row) then
    local scenes, cells = play(row, tonumber(options.SECONDS) or row.minute and 60 or 20), { row.what }
    versions = {}
    for _, scene in ipairs(scenes) do
      local lost, p99, longest = cells_of(scene.good)
      for _, cell in ipairs { lost, p99, longest } do table.insert(cells, cell) end
      versions[#versions + 1] = TITLES[scene.name] .. " " .. scene.version
      if scene.good.lost > 0 then say("%-12s %-8s %s", row.name, TITLES[scene.name], kinds_of(scene.good)) end
      if scene.name == "lb" and row.strict and scene.good.lost > 0 then failed[#failed + 1] = row.name end
    end
    rows[#rows + 1] = cells
  end
end
assert(#rows > 0, "no row has a name of " .. options.ROWS)

say("%s; answers other than 200 of all, p99 and the longest in ms", table.concat(versions, ", "))
local head = { "trouble" }
for _, name in ipairs(proxies.names) do
  for _, cell in ipairs { TITLES[name], "p99", "longest" } do table.insert(head, cell) end
end
for _, line in ipairs(report.table(head, rows)) do say("%s", line) end
for _, name in ipairs(failed) do say("lb lost answers, and must lose none: %s", name) end
os.exit(#failed == 0 and 0 or 1)
