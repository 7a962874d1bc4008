-- make bench: what a proxied request costs, of lb and of its peers, in short rounds that take turns.
--
--   luajit infra/bench/bench.lua TOOLS=folder LB=build/lb [LB2=other/lb] [ROUNDS=n] [SCENARIOS=small,1m]
--                                [PEERS=haproxy,relay] [STRICT=1]
--
-- Everything is on loopback and ends by itself. infra/bench/README.md says how the figures are made. The exit status
-- is 1 if anything was wrong: an answer that is not 2xx or has another length, a contestant that died.

local uv = require "luv"
local loop = require "spec.support.loop"
local process = require "spec.support.process"
local contestants = require "infra.bench.contestants"
local load = require "infra.bench.load"
local report = require "infra.bench.report"
local scenarios = require "infra.bench.scenarios"
local usage = require "infra.bench.usage"

local ROUNDS = 11
local CONNECTIONS = 10000 -- at most, of clients

local options = { LB = "build/lb", TOOLS = "build/bench", ROUNDS = ROUNDS }
for _, argument in ipairs(arg) do
  local name, value = argument:match "^(%u+%d?)=(.*)$"
  if not name then error("not NAME=value: " .. argument, 0) end
  options[name] = value
end

local failures = {}

local function say(text, ...)
  print(select("#", ...) > 0 and text:format(...) or text)
  io.flush()
end

local function fail(text, ...)
  table.insert(failures, text:format(...))
  io.stderr:write("bench: " .. failures[#failures] .. "\n")
end

local function progress(text, ...) io.stderr:write("bench: " .. text:format(...) .. "\n") end

local function listed(text)
  local set = {}
  for word in text:gmatch "[^, ]+" do set[word] = true end
  return set
end

-- --- who, what, where ---

local function chosen_scenarios()
  local wanted, chosen = options.SCENARIOS and listed(options.SCENARIOS), {}
  for _, scenario in ipairs(scenarios) do
    if not wanted or wanted[scenario.name] then table.insert(chosen, scenario) end
    if wanted then wanted[scenario.name] = nil end
  end
  if wanted and next(wanted) then error("no such scenario: " .. next(wanted), 0) end
  return chosen
end

-- Always lb; PEERS says which of the others.
local function chosen_contestants()
  local wanted, chosen = options.PEERS and listed(options.PEERS), {}
  for _, name in ipairs(contestants.order) do
    local own = name == "lb" or name == "lb2"
    local takes_part = own or not wanted or wanted[name]
    if takes_part and (name ~= "lb2" or options.LB2) then table.insert(chosen, name) end
    if wanted then wanted[name] = nil end
  end
  if wanted and next(wanted) then error("no such contestant: " .. next(wanted), 0) end
  return chosen
end

-- The last core that this may use is the contestant's, the others are the load's.
local function cores()
  local list, all = nil, {}
  for line in io.lines "/proc/self/status" do list = list or line:match "^Cpus_allowed_list:%s+(%S+)" end
  for first, last in list:gmatch "(%d+)%-?(%d*)" do
    for core = tonumber(first), tonumber(last) or tonumber(first) do table.insert(all, core) end
  end
  if #all == 1 then return {}, 1 end
  local own = table.remove(all)
  return { contestant = tostring(own), load = table.concat(all, ",") }, #all + 1
end

local function run_here(...) return process.run { ... } end

local function first_line(...)
  local said = run_here(...)
  return (said.out .. said.err):match "[^\n]+"
end

local function versions(names)
  local list = { "lb " .. (first_line(options.LB, "version") or "?"):gsub("^lb ", "") }
  local programs = {
    haproxy = function() return "HAProxy " .. (first_line("haproxy", "-v") or ""):match "version (%S+)" end,
    ["nginx-lua"] = function() return "nginx " .. (first_line("nginx", "-v") or ""):match "nginx/(%S+)" end,
  }
  for _, name in ipairs(names) do
    if programs[name] then table.insert(list, programs[name]()) end
  end
  table.insert(list, (first_line("wrk", "-v") or "wrk"):match "^(wrk %S+)")
  return table.concat(list, ", ")
end

local function machine(count)
  local model
  for line in io.lines "/proc/cpuinfo" do model = model or line:match "^model name%s*:%s*(.*)" end
  local name
  for line in io.lines "/etc/os-release" do name = name or line:match '^PRETTY_NAME="(.*)"' end
  return ("%s, %d cores, Linux %s, %s"):format(model or "?", count, uv.os_uname().release, name or "?")
end

-- --- the rounds ---

local function shuffled(list)
  local copy = { unpack(list) }
  for i = #copy, 2, -1 do
    local j = math.random(i)
    copy[i], copy[j] = copy[j], copy[i]
  end
  return copy
end

local results = {} -- [scenario.name][contestant's name] = { cost = { by round }, .. }

local function result_of(scenario, contestant)
  local of = results[scenario.name]
  of[contestant.name] = of[contestant.name] or {
    cost = {}, rate = {}, p50 = {}, p99 = {}, busy = {}, user = 0, system = 0, errors = 0,
  }
  return of[contestant.name]
end

local function is_alive(contestant)
  if not contestant.dead and contestant.process.exit then
    contestant.dead = true
    fail("%s has ended:\n%s", contestant.name, table.concat(contestant.process.err, "\n"))
  end
  return not contestant.dead
end

local function measure(scenario, contestant, round, where)
  if not is_alive(contestant) then return end
  local pids = usage.processes(contestant.process.pid)
  local before, began = usage.cpu(pids), loop.now()
  local came = load.run(scenario, contestant.address, where.load, contestant.bytes[scenario.name])
  local after, took = usage.cpu(pids), loop.now() - began
  local result = result_of(scenario, contestant)
  for _, problem in ipairs(came.problems) do
    result.errors = result.errors + 1
    fail("%s, %s: %s", scenario.name, contestant.name, problem)
  end
  if not (before and after) then
    fail("%s: a process of %s is gone", scenario.name, contestant.name)
    contestant.dead = true
    return
  end
  local seconds = after.seconds - before.seconds
  result.cost[round] = seconds / came.requests
  result.rate[round] = came.requests / came.seconds
  result.p50[round], result.p99[round] = came.p50, came.p99
  result.busy[round] = seconds / took
  result.user = result.user + after.user - before.user
  result.system = result.system + after.system - before.system
end

local function takes_part(scenario, contestant)
  if not scenario.who then return true end
  for _, name in ipairs(scenario.who) do
    if name == contestant.name then return true end
  end
  return false
end

-- One response of each kind, looked at; also the warming up.
local function check(contestant, chosen)
  contestant.bytes = {}
  for _, scenario in ipairs(chosen) do
    local bytes, wrong = load.check(scenario, contestant.address)
    if not bytes then fail("%s, %s: %s", scenario.name, contestant.name, wrong) end
    contestant.bytes[scenario.name] = bytes or 0
  end
end

-- --- the tables ---

local function values_of(by_round)
  local list = {}
  for _, value in pairs(by_round) do table.insert(list, value) end
  return list
end

local function median_of(by_round) return (report.quartiles(values_of(by_round))) or 0 end

local function row_of(scenario, contestant)
  local result = results[scenario.name][contestant.name]
  if not result then return nil end
  local reference = results[scenario.name].haproxy
  -- us a request; of a MiB it is ms a GiB.
  local cost = median_of(result.cost) * (scenario.per_gib and 1024 * 1e3 or 1e6)
  local user = result.user / math.max(result.user + result.system, 1e-9)
  local figure = scenario.per_gib and "%.0f" or "%.1f"
  local rate = median_of(result.rate)
  return {
    contestants.titles[contestant.name],
    figure:format(cost), figure:format(cost * user), figure:format(cost * (1 - user)),
    reference and report.ratio(report.ratios(result.cost, reference.cost)) or "",
    ("%.0f"):format(rate), ("%.0f %%"):format(median_of(result.busy) * 100),
    ("%.2f"):format(median_of(result.p50)), ("%.2f"):format(median_of(result.p99)), tostring(result.errors),
  }
end

local function print_scenario(scenario, running)
  local rows = {}
  for _, contestant in ipairs(running) do table.insert(rows, row_of(scenario, contestant)) end
  say("\n### %s\n", scenario.title)
  local unit = scenario.per_gib and "CPU, ms per GiB" or "CPU, us per request"
  for _, line in ipairs(report.table(
    { "", unit, "user", "system", "of HAProxy (middle half)", "requests/s", "core busy", "p50 ms", "p99 ms", "errors" },
    rows)) do say("%s", line) end
end

-- --- all of it ---

local function main()
  local chosen, names = chosen_scenarios(), chosen_contestants()
  local where, core_count = cores()
  contestants.prepare {
    lb = options.LB, lb2 = options.LB2, tools = options.TOOLS, cores = where, connections = CONNECTIONS,
  }
  if where.load then run_here("taskset", "-pc", where.load, tostring(uv.os_getpid())) end
  say("`make bench`: %s rounds of 1 s; %s; %s.", options.ROUNDS, machine(core_count), versions(names))
  contestants.backends()
  local running = {}
  for i, name in ipairs(names) do
    running[i] = contestants.start(name)
    check(running[i], chosen)
  end
  for _, scenario in ipairs(chosen) do results[scenario.name] = {} end
  for round = 1, tonumber(options.ROUNDS) do
    progress("round %d of %s", round, options.ROUNDS)
    for _, scenario in ipairs(chosen) do
      for _, contestant in ipairs(shuffled(running)) do
        if takes_part(scenario, contestant) then measure(scenario, contestant, round, where) end
      end
    end
  end
  for _, scenario in ipairs(chosen) do print_scenario(scenario, running) end
end

math.randomseed(os.time())
for _, name in ipairs { "sigint", "sigterm" } do
  uv.new_signal():start(name, loop.callback(function() error("ended by " .. name, 0) end))
end
local ok, err = xpcall(main, function(e) return e end)
if not ok then fail("%s", tostring(err)) end
for _, complaint in ipairs(process.clear()) do fail("%s", complaint) end
if #failures > 0 then say("\n%d errors; the first: %s", #failures, failures[1]) end
os.exit(#failures > 0 and 1 or 0)
