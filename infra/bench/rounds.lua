-- rounds - what the contestants use, in rounds that take turns, and the tables of it.
--
--   rounds.measure(scenario, contestant, round)   one round, of about a second; a list of problems
--   rounds.costs(scenario_name, name)             CPU seconds for each request, by round, or nil
--   rounds.rate(scenario_name, name)              requests per second, the median, or nil
--   rounds.table(scenario, running)               lines of markdown

local loop = require "spec.support.loop"
local contestants = require "infra.bench.contestants"
local load = require "infra.bench.load"
local report = require "infra.bench.report"
local usage = require "infra.bench.usage"

local rounds = {}

local results = {} -- [scenario's name][contestant's name] = { cost = { by round }, .. }

local function result_of(scenario, contestant)
  results[scenario.name] = results[scenario.name] or {}
  local of = results[scenario.name]
  of[contestant.name] = of[contestant.name] or {
    cost = {}, rate = {}, p50 = {}, p99 = {}, busy = {}, user = 0, system = 0, errors = 0,
  }
  return of[contestant.name]
end

function rounds.measure(scenario, contestant, round)
  local pids = usage.processes(contestant.process.pid)
  local before, began = usage.cpu(pids), loop.now()
  local came = load.run(scenario, contestant.url, contestant.bytes[scenario.name])
  local after, took = usage.cpu(pids), loop.now() - began
  local result, problems = result_of(scenario, contestant), came.problems
  if not (before and after) then table.insert(problems, "a process has ended") end
  result.errors = result.errors + #problems
  if #problems > 0 then return problems end
  local seconds = after.seconds - before.seconds
  result.cost[round] = seconds / came.requests
  result.rate[round] = came.requests / came.seconds
  result.p50[round], result.p99[round] = came.p50, came.p99
  result.busy[round] = seconds / took
  result.user = result.user + after.user - before.user
  result.system = result.system + after.system - before.system
  return problems
end

local function find(scenario_name, name) return results[scenario_name] and results[scenario_name][name] end

function rounds.costs(scenario_name, name)
  local result = find(scenario_name, name)
  return result and result.cost
end

function rounds.rate(scenario_name, name)
  local result = find(scenario_name, name)
  return result and report.median(result.rate)
end

local function shown(times) return next(times) and ("%.2f"):format(report.median(times)) or "" end

local function row_of(scenario, name)
  local result, reference = find(scenario.name, name), find(scenario.name, scenario.of or "haproxy")
  if not result then return nil end
  -- In us a request, or in ms a GiB. The user's part is that of all rounds:
  -- ticks are too coarse for one.
  local cost = (report.median(result.cost) or 0) * (scenario.per_gib and 1024 * 1e3 or 1e6)
  local user = result.user / math.max(result.user + result.system, 1e-9)
  local figure = scenario.per_gib and "%.0f" or "%.1f"
  return {
    contestants.titles[name], figure:format(cost), figure:format(cost * user), figure:format(cost * (1 - user)),
    reference and report.spread(report.ratios(result.cost, reference.cost)) or "",
    ("%.0f"):format(report.median(result.rate) or 0), ("%.0f %%"):format((report.median(result.busy) or 0) * 100),
    shown(result.p50), shown(result.p99),
    tostring(result.errors),
  }
end

function rounds.table(scenario, running)
  local rows = {}
  for _, contestant in ipairs(running) do table.insert(rows, row_of(scenario, contestant.name)) end
  return report.table({
    "", scenario.per_gib and "CPU, ms per GiB" or "CPU, us per request", "user", "system", "of HAProxy (middle half)",
    "requests/s", "core busy", "p50 ms", "p99 ms", "errors",
  }, rows)
end

return rounds
