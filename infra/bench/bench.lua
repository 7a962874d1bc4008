-- make bench: what a proxied request costs lb and its peers, in short rounds that take turns.
--
--   luajit infra/bench/bench.lua TOOLS=folder LB=build/lb [LB2=other/lb] [ROUNDS=n]
--                                [SCENARIOS=small,1m] [PEERS=haproxy,relay] [STRICT=1]
--
-- Everything is on loopback and ends by itself. infra/bench/README.md says how the figures are
-- made. The exit status is 1 if anything was wrong: an answer that is not 2xx or has another
-- length, a contestant that died. With STRICT also if a goal was missed.

local uv = require "luv"
local loop = require "spec.support.loop"
local process = require "spec.support.process"
local contestants = require "infra.bench.contestants"
local idle = require "infra.bench.idle"
local load = require "infra.bench.load"
local machine = require "infra.bench.machine"
local report = require "infra.bench.report"
local rounds = require "infra.bench.rounds"
local scenarios = require "infra.bench.scenarios"
local syscalls = require "infra.bench.syscalls"

local ROUNDS = 11
-- Fewer rounds if they take longer than that, as on a busy machine.
local ROUNDS_MAX_S = 420
-- From the start: what is measured once is left out if it has not begun by then.
local ONCE_MAX_S = 540
local MIB = 2 ^ 20

local options = { LB = "build/lb", TOOLS = "build/bench", ROUNDS = ROUNDS }
local failures = {}
local figures = {} -- of the goals that are not ratios

local function say(text, ...)
  print(select("#", ...) > 0 and text:format(...) or text)
  io.flush()
end

local function progress(text, ...) io.stderr:write("bench: " .. text:format(...) .. "\n") end

local function fail(text, ...)
  table.insert(failures, text:format(...))
  progress("%s", failures[#failures])
end

local function fail_all(scenario, name, problems)
  local counts, first = {}, {}
  for _, problem in ipairs(problems) do
    if not counts[problem] then table.insert(first, problem) end
    counts[problem] = (counts[problem] or 0) + 1
  end
  for _, problem in ipairs(first) do fail("%s, %s: %s (%d times)", scenario.name, name, problem, counts[problem]) end
end

local function must_live(contestant)
  if not contestant.process.exit then return end
  error(("%s has ended:\n%s"):format(contestant.name, table.concat(contestant.process.err, "\n")), 0)
end

local function say_table(title, lines, ...)
  say("\n### %s\n", title)
  for _, line in ipairs(lines) do say("%s", line) end
  for _, note in ipairs { ... } do say("\n%s", note) end
end

-- --- who takes part in what ---

local function listed(text)
  local set = {}
  for word in text:gmatch "[^, ]+" do set[word] = true end
  return set
end

-- The entries of the list that are wanted, or all; takes them off what is wanted.
local function chosen(list, wanted)
  local some = {}
  for _, scenario in ipairs(list) do
    if not wanted or wanted[scenario.name] then table.insert(some, scenario) end
    if wanted then wanted[scenario.name] = nil end
  end
  return some
end

local function takes_part(scenario, name)
  for _, other in ipairs(scenario.who) do
    if other == name then return true end
  end
  return false
end

local function is_needed(name, ...)
  for _, list in ipairs { ... } do
    for _, scenario in ipairs(list) do
      if takes_part(scenario, name) then return true end
    end
  end
  return false
end

-- Those that these scenarios need. Always lb; PEERS says which of the others.
local function chosen_contestants(...)
  local wanted, names = options.PEERS and listed(options.PEERS), {}
  for _, name in ipairs(contestants.order) do
    local program = name:match "^[^-]+"
    local is_main = program == "lb" and name ~= "lb-c" and name ~= "lb-log" and name ~= "lb-traced"
    local is_wanted = is_main or not wanted or wanted[name] or program == "lb2"
    if program == "lb2" and not options.LB2 then is_wanted = false end
    if is_wanted and is_needed(name, ...) then table.insert(names, name) end
    if wanted then wanted[name] = nil end
  end
  if wanted and next(wanted) then error("no such contestant: " .. next(wanted), 0) end
  return names
end

local function shuffled(list)
  local copy = { unpack(list) }
  for i = #copy, 2, -1 do
    local j = math.random(i)
    copy[i], copy[j] = copy[j], copy[i]
  end
  return copy
end

-- --- the rounds ---

-- One response of each kind, looked at; the first requests, too, so that nothing starts cold.
local function check(contestant, list)
  contestant.bytes = {}
  for _, scenario in ipairs(list) do
    if takes_part(scenario, contestant.name) then
      local bytes, wrong = load.check(scenario, contestant.url)
      if not bytes then error(("%s, %s: %s"):format(scenario.name, contestant.name, wrong), 0) end
      contestant.bytes[scenario.name] = bytes
    end
  end
end

local function measure(scenario, contestant, round)
  fail_all(scenario, contestant.name, rounds.measure(scenario, contestant, round))
  must_live(contestant)
end

local function run_rounds(list, running, count)
  if #list == 0 then return 0 end
  local from = loop.now()
  for round = 1, count do
    local spent = loop.now() - from
    if spent / math.max(round - 1, 1) * round > ROUNDS_MAX_S then return round - 1 end
    progress("round %d of %d", round, count)
    for _, scenario in ipairs(list) do
      for _, contestant in ipairs(shuffled(running)) do
        if takes_part(scenario, contestant.name) then measure(scenario, contestant, round) end
      end
    end
  end
  return count
end

-- --- what is measured once ---

local began = loop.now()

local function has_time() return loop.now() - began < ONCE_MAX_S end

local function run_syscalls(scenario, running)
  local rows, notes = {}, {}
  for _, contestant in ipairs(running) do
    local result, why
    local named = takes_part(scenario, contestant.name)
    if named and has_time() then
      progress("system calls of %s", contestant.name)
      result, why = syscalls.measure(scenario, contestant)
    elseif named then
      why = "no time left"
    end
    if result then
      local rate = rounds.rate("small", contestant.name)
      local others = rate and result.per_second / rate or 0
      local list = {}
      for i, call in ipairs(result.calls) do list[i] = ("%s %.2f"):format(call.name, call.count) end
      table.insert(rows, {
        contestants.titles[contestant.name], ("%.2f"):format(result.per_request + others),
        ("%.0f"):format(result.per_second), table.concat(list, ", "),
      })
      if contestant.name == "lb" then figures.syscalls = result.per_request + others end
    elseif why then
      table.insert(notes, ("%s: not measured, %s"):format(contestant.name, why))
    end
  end
  say_table(scenario.title,
    report.table({ "", "calls per request", "by the clock, per second", "those for requests" }, rows), unpack(notes))
end

-- A proxy may want to have two descriptors for each client, before it takes one.
local function idle_count(scenario, descriptors)
  return math.min(scenario.connections, math.floor((descriptors - 500) / 2 / 100) * 100)
end

local function run_idle(scenario, names, count)
  local rows = {}
  for _, name in ipairs(names) do
    if takes_part(scenario, name) and has_time() then
      progress("idle connections of %s", name)
      local contestant = contestants.start(name)
      local result = idle.measure(scenario, contestant, count)
      fail_all(scenario, name, result.problems)
      contestants.stop(contestant)
      table.insert(rows, {
        contestants.titles[name], ("%.0f"):format(result.bytes), ("%.1f"):format(result.before / MIB),
        ("%.1f"):format(result.pss / MIB),
      })
      if name == "lb" or name == "lb-tls" then
        figures[scenario.name .. "_bytes"] = result.bytes
        local below = scenario.above and figures[scenario.above .. "_bytes"]
        figures[scenario.name .. "_above"] = below and result.bytes - below
        figures[scenario.name .. "_pss"] = (result.before + result.bytes * scenario.connections) / MIB
      end
    end
  end
  say_table(("%s: %d"):format(scenario.title, count),
    report.table({ "", "bytes per connection", "PSS without them, MiB", "PSS with them, MiB" }, rows))
end

-- --- all of it ---

local function print_head(names, count)
  local words = { "make bench" }
  for _, name in ipairs { "ROUNDS", "SCENARIOS", "PEERS" } do
    if options[name] and options[name] ~= ROUNDS then table.insert(words, name .. "=" .. options[name]) end
  end
  say("`%s` on %s, %d cores, Linux %s, %s: %s.", table.concat(words, " "), machine.processor(), count, machine.kernel(),
    machine.system(), machine.versions(options.LB, names))
end

-- Said before anything starts.
local function check_options()
  local count = tonumber(options.ROUNDS)
  if not count or count < 1 or count % 1 ~= 0 then
    error("ROUNDS is not a whole number from 1: " .. options.ROUNDS, 0)
  end
  for _, name in ipairs { "LB", "LB2" } do
    if options[name] and not uv.fs_access(options[name], "X") then
      error(("%s cannot be run: %s"):format(name, options[name]), 0)
    end
  end
end

local function main()
  check_options()
  local wanted = options.SCENARIOS and listed(options.SCENARIOS)
  local in_rounds, others = chosen(scenarios.rounds, wanted), chosen(scenarios.others, wanted)
  if wanted and next(wanted) then error("no such scenario: " .. next(wanted), 0) end
  local names = chosen_contestants(in_rounds, others)
  local cores, core_count = machine.cores()
  local descriptors = machine.raise_descriptors()
  contestants.prepare { lb = options.LB, lb2 = options.LB2, tools = options.TOOLS, cores = cores, connections = 10000 }
  if cores.load then process.run { "taskset", "-pc", cores.load, tostring(uv.os_getpid()) } end
  print_head(names, core_count)
  contestants.backends()
  local running = {}
  for i, name in ipairs(names) do
    running[i] = contestants.start(name)
    check(running[i], in_rounds)
  end
  local done = run_rounds(in_rounds, running, tonumber(options.ROUNDS))
  for _, scenario in ipairs(in_rounds) do
    say_table(("%s (%d rounds)"):format(scenario.title, done), rounds.table(scenario, running))
  end
  for _, scenario in ipairs(others) do
    if scenario.name == "syscalls" then run_syscalls(scenario, running) end
  end
  for _, contestant in ipairs(running) do contestants.stop(contestant) end
  for _, scenario in ipairs(others) do
    if scenario.name ~= "syscalls" then run_idle(scenario, names, idle_count(scenario, descriptors)) end
  end
  local lines, missed, unknown = report.goals(scenarios.goals, rounds.costs, figures)
  local notes = { "Allocations per small request: `make instructions` counts them." }
  if #unknown > 0 then table.insert(notes, 1, "Not measured here: " .. table.concat(unknown, "; ") .. ".") end
  say_table("Goals: CPU per request, of lb over HAProxy unless it says of what", lines, unpack(notes))
  if missed > 0 and options.STRICT then fail("%d goals were missed", missed) end
end

for _, argument in ipairs(arg) do
  local name, value = argument:match "^(%u+%d?)=(.*)$"
  if not name then error("not NAME=value: " .. argument, 0) end
  options[name] = value
end
math.randomseed(os.time())
for _, name in ipairs { "sigint", "sigterm" } do
  uv.new_signal():start(name, loop.callback(function() error("ended by " .. name, 0) end))
end
local ok, err = xpcall(main, function(e) return e end)
if not ok then fail("%s", tostring(err)) end
for _, complaint in ipairs(process.clear()) do fail("%s", complaint) end
if #failures > 0 then say("\n%d errors; the first: %s", #failures, failures[1]:match "^[^\n]*") end
os.exit(#failures > 0 and 1 or 0)
