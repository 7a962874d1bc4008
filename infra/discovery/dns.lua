-- A list of 4,000 backends by SRV over TCP: how long it takes, and what the monitor holds then.
--
--   luajit infra/discovery/dns.lua [LB] [ROUNDS]    build/lb 5; part of make bench-discovery
--
-- SRV records cannot be that many in one answer: each has 19 bytes and more, an answer 65,535 at
-- most. So there are 2,000 targets of two addresses each: one answer over TCP, and then 4,000
-- questions. The server is this process, and answers from a table of finished bytes. The time is
-- from the first question to the event discovery_list, of which the log has milliseconds. All
-- addresses are loopback's, and one listener has them all, so that checks pass. The memory is
-- compared with that of a script that lists the same backends: most of it belongs to their checks.
package.path = "./?.lua;" .. package.path
local json = require "dkjson"
local loop = require "spec.support.loop"
local process = require "spec.support.process"
local uv = require "luv"
local wire = require "spec.support.dns_wire"

local lb_path, ROUNDS = arg[1] or "build/lb", tonumber(arg[2]) or 5
local TARGETS, MS_MAX, MIB_MAX = 2000, 500, 4
local SETTLE_S = 3
local failed = false

local function say(ok, text, ...)
  print((ok and "PASS  " or "FAIL  ") .. text:format(...))
  failed = failed or not ok
end

-- --- who answers ---

local backend = uv.new_tcp()
assert(backend:bind("0.0.0.0", 0))
assert(backend:listen(4096, function()
  local stream = uv.new_tcp()
  backend:accept(stream)
  stream:read_start(function(_, bytes)
    if not bytes and not stream:is_closing() then stream:close() end
  end)
end))
local port = backend:getsockname().port

local answers, asked_ms = {}, nil

local function wall_ms()
  local seconds, micros = uv.gettimeofday()
  return seconds * 1000 + micros / 1000
end

local function fill()
  local srv = {}
  for i = 1, TARGETS do
    local name = ("t%d.x"):format(i)
    srv[i] = wire.srv("@", 0, 1, port, name, 300)
    answers[name .. " A"] = wire.message { name = name, type = "A", answer = {
      wire.a("@", ("127.1.%d.%d"):format(math.floor(i / 200), i % 200 + 1), 300),
      wire.a("@", ("127.2.%d.%d"):format(math.floor(i / 200), i % 200 + 1), 300) } }
    answers[name .. " AAAA"] = wire.message { name = name, type = "AAAA", authority = { wire.soa("x", 300) } }
  end
  answers["s.x SRV"] = wire.message { name = "s.x", type = "SRV", answer = srv }
  answers["one.x A"] = wire.message { name = "one.x", type = "A", answer = { wire.a("@", "127.0.0.1", 300) } }
  answers["one.x AAAA"] = wire.message { name = "one.x", type = "AAAA", authority = { wire.soa("x", 300) } }
end

local server = wire.server(function(question)
  asked_ms = asked_ms or wall_ms()
  local bytes = answers[question.name .. " " .. question.type]
  if question.over == "udp" and #bytes > 512 then
    bytes = wire.message { name = question.name, type = question.type, tc = true }
  end
  return wire.u16(question.id) .. bytes:sub(3)
end)

-- --- lb ---

local function read(path)
  local file = io.open(path)
  local text = file and file:read "*a" or ""
  if file then file:close() end
  return text
end

local function monitor_of(pid)
  for child in read(("/proc/%d/task/%d/children"):format(pid, pid)):gmatch "%d+" do
    if read("/proc/" .. child .. "/comm") == "lb monitor\n" then return child end
  end
end

-- Its own memory, not what it shares with the others: there the board has places for all anyway.
local function anonymous_mib(pid)
  return tonumber(read("/proc/" .. pid .. "/smaps_rollup"):match "Private_Dirty:%s*(%d+)") / 1024
end

local function time_of(text)
  local year, month, day, hour, minute, second, ms = text:match "^(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)%.(%d+)Z$"
  local zone = os.time(os.date("!*t", 86400)) - 86400
  return (os.time { year = year, month = month, day = day, hour = hour, min = minute, sec = second, isdst = false }
    - zone) * 1000 + ms
end

-- How many ms it took, nil without a source, and how many MiB its monitor has some time after all
-- checks have begun.
local function measure(backends, has_source)
  local script = process.file("balancer.lua", ([[
    return { listen = "127.0.0.1:0", backends = %s, workers = 1, health = { interval = 3600 },
      discovery = { servers = %q, ttl = { min = 300, max = 300 } } }]]):format(backends, server.address))
  asked_ms = nil
  local lb = process.start { lb_path, script, "--log-format", "json", name = "lb" }
  local event
  lb:on_line(function(_, line)
    local found = json.decode(line)
    if found and found.event == (has_source and "discovery_list" or "listening") then event = found end
  end)
  loop.wait("the list", function() return event or lb.exit end)
  assert(event, table.concat(lb.err, "\n"))
  local ms = has_source and time_of(event.time) - asked_ms
  loop.pause(SETTLE_S)
  local mib = anonymous_mib(monitor_of(lb.pid))
  lb:signal "sigterm"
  lb:wait_exit(60)
  return ms, mib
end

-- The same backends, as they stand in a script.
local function written()
  local list = {}
  for i = 1, TARGETS do
    for network = 1, 2 do
      list[#list + 1] = ('"127.%d.%d.%d:%d"'):format(network, math.floor(i / 200), i % 200 + 1, port)
    end
  end
  return "{ " .. table.concat(list, ", ") .. " }"
end

fill()
local times, many = {}, {}
local _, one = measure(('"dns:one.x:%d"'):format(port), true)
local _, static = measure(written(), false)
for i = 1, ROUNDS do times[i], many[i] = measure('"srv:s.x"', true) end
table.sort(times)
table.sort(many)
local middle = math.floor(ROUNDS / 2) + 1
say(times[middle] <= MS_MAX, "4,000 backends by SRV over TCP: %d ms (median of %d: %d to %d), wanted %d",
  times[middle], ROUNDS, times[1], times[ROUNDS], MS_MAX)
say(many[middle] - static <= MIB_MAX,
  "memory of the monitor: %.1f MiB more than with the same 4,000 in the script, wanted %d",
  many[middle] - static, MIB_MAX)
print(("      %.1f MiB with one backend from DNS, %.1f with 4,000 in the script, %.1f with 4,000 from DNS"):format(one,
  static, many[middle]))
process.clear()
os.exit(failed and 1 or 0)
