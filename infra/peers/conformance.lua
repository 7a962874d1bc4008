-- The cases of spec/cases against lb and its peers, each in front of the same raw backends.
--
--   luajit infra/peers/conformance.lua [LB=build/lb] [FILTER=text] [SHOW=NAME] [LANES=8]
--
-- Prints how many cases of each rule each of them decides as lb does, and every difference with its
-- reason. FILTER plays the cases whose "rule: name" has that text; SHOW prints what
-- was seen of them. Exits 1 if lb is not right to the byte, if a peer is right where it is not, or
-- if a difference has no reason.

package.path = "./?.lua;" .. package.path

local options = { LB = "build/lb", FILTER = "", LANES = "8", SHOW = "" }
for _, word in ipairs(arg) do
  local name, value = word:match "^(%u+)=(.*)$"
  assert(name and options[name], "unknown option " .. word)
  options[name] = value
end

local balancer = require "spec.support.balancer"
local conformance = require "spec.support.conformance"
local loop = require "spec.support.loop"
local process = require "spec.support.process"
local recorder = require "spec.support.recorder"
local differences = require "infra.peers.differences"
local player = require "infra.peers.player"
local proxies = require "infra.peers.proxies"
local verdict = require "infra.peers.verdict"

balancer.program = options.LB

local function say(...) io.write(string.format(...), "\n") end

-- On one line.
local function title_of(case) return (case.rule .. ": " .. case.name:gsub("\\\n", "\\n"):gsub("%c", "?")) end

local function wanted_cases()
  local plain, with_settings = {}, {}
  for _, case in ipairs(conformance.load "") do
    if title_of(case):find(options.FILTER, 1, true) then
      case.verdicts = {}
      table.insert(case.limits and with_settings or plain, case)
    end
  end
  return plain, with_settings
end

local function show(case, name, seen)
  if options.SHOW ~= name then return end
  say("%s\n  verdict %s\n  client  %q %s\n  backend %q", title_of(case), case.verdicts[name], seen.client,
    tostring(seen.client_end), seen.backend)
  for _, one in ipairs(seen.canaries) do say("  canary  %q", one.client) end
end

-- To the byte, and by the same properties as its peers.
local function play_lb(case, proxy, backend)
  local wanted = conformance.wanted(case, proxy, backend)
  local seen = conformance.play(case, proxy, backend, "whole", wanted)
  seen.proxy = "lb"
  case.wrong = conformance.judge(case, seen, wanted)
  case.verdicts.lb = verdict.of(case, seen, wanted)
  show(case, "lb", seen)
end

local function is_as_lb(case, name)
  return verdict.family(case.verdicts[name]) == verdict.family(case.verdicts.lb)
end

-- A difference must come twice: a late byte of the case before may have come between.
local function play_peer(case, proxy, backend)
  local wanted = conformance.wanted(case, proxy, backend)
  for _ = 1, 3 do
    local before = case.verdicts[proxy.name]
    local seen = player.play(case, proxy, backend, wanted)
    case.verdicts[proxy.name] = verdict.of(case, seen, wanted)
    show(case, proxy.name, seen)
    if is_as_lb(case, proxy.name) or before == case.verdicts[proxy.name] then return end
  end
end

-- Lanes play side by side, each with a listener and a backend of its own.
local function play_all(name, cases, lanes)
  local backends, addresses = {}, {}
  for i = 1, lanes do
    backends[i] = recorder.new()
    addresses[i] = backends[i].address
  end
  local started = proxies.start(name, addresses)
  local play, next_case, running = name == "lb" and play_lb or play_peer, 0, lanes
  for i = 1, lanes do
    local proxy = { name = name, address = started.addresses[i] }
    loop.go(function()
      while next_case < #cases do
        next_case = next_case + 1
        play(cases[next_case], proxy, backends[i])
      end
      running = running - 1
    end)
  end
  loop.wait(name .. " to play all cases", function() return running == 0 end, 3600)
  for _, backend in ipairs(backends) do backend:stop() end
  return started.version
end

-- Cases about settings are lb's alone: a balancer for each of them.
local function play_settings(cases)
  for _, group in ipairs(conformance.groups(cases)) do
    local backend = recorder.new()
    local proxy = { name = "lb", address = proxies.lb(group.limits, backend.address) }
    for _, case in ipairs(group) do play_lb(case, proxy, backend) end
    backend:stop()
  end
end

-- By rule, in the order of the cases.
local function print_table(plain, with_settings)
  local order, rows = {}, {}
  local function row_of(rule)
    if not rows[rule] then
      rows[rule] = { cases = 0, lb = 0, haproxy = 0, nginx = 0 }
      order[#order + 1] = rule
    end
    return rows[rule]
  end
  for _, case in ipairs(plain) do
    local row, sum = row_of(case.rule), row_of "all of these"
    for _, one in ipairs { row, sum } do
      one.cases = one.cases + 1
      for _, name in ipairs(proxies.names) do
        if name == "lb" and not case.wrong or name ~= "lb" and is_as_lb(case, name) then one[name] = one[name] + 1 end
      end
    end
  end
  table.sort(order, function(a, b) return a ~= b and (b == "all of these" or a ~= "all of these" and a < b) end)
  say("%-24s %6s %10s %10s %10s", "rule", "cases", "lb right", "haproxy so", "nginx so")
  for _, rule in ipairs(order) do
    local row = rows[rule]
    say("%-24s %6d %10d %10d %10d", rule, row.cases, row.lb, row.haproxy, row.nginx)
  end
  local right = 0
  for _, case in ipairs(with_settings) do right = right + (case.wrong and 0 or 1) end
  say("%-24s %6d %10d %10s %10s", "settings of lb's own", #with_settings, right, "-", "-")
end

local function print_verdicts(plain)
  local counts, order = {}, {}
  for _, case in ipairs(plain) do
    for _, name in ipairs(proxies.names) do
      local family = verdict.family(case.verdicts[name])
      if not counts[family] then
        counts[family] = { lb = 0, haproxy = 0, nginx = 0 }
        order[#order + 1] = family
      end
      counts[family][name] = counts[family][name] + 1
    end
  end
  table.sort(order)
  say("\n%-34s %8s %8s %8s", "verdict", "lb", "haproxy", "nginx")
  for _, family in ipairs(order) do
    local count = counts[family]
    say("%-34s %8d %8d %8d", family, count.lb, count.haproxy, count.nginx)
  end
end

-- Every difference with its reason; gives how many have none.
local function print_differences(plain)
  local groups, unexplained = {}, {}
  for _, case in ipairs(plain) do
    for _, name in ipairs { "haproxy", "nginx" } do
      if not is_as_lb(case, name) then
        local reason = differences.of(case, name)
        if reason then
          groups[reason] = groups[reason] or {}
          table.insert(groups[reason], { case = case, name = name })
        else
          unexplained[#unexplained + 1] = { case = case, name = name }
        end
      end
    end
  end
  local function print_group(group)
    for _, one in ipairs(group) do
      say("    %s; lb %s, %s %s", title_of(one.case), one.case.verdicts.lb, one.name, one.case.verdicts[one.name])
    end
  end
  local sums = { lb = 0, choice = 0 }
  for _, reason in ipairs(differences) do
    local group, count = groups[reason], { haproxy = 0, nginx = 0 }
    for _, one in ipairs(group or {}) do count[one.name] = count[one.name] + 1 end
    if group then
      sums[reason.favour] = sums[reason.favour] + #group
      say("\n%s; haproxy %d, nginx %d: %s", reason.favour == "lb" and "in lb's favour" or "a choice", count.haproxy,
        count.nginx, reason.why)
      print_group(group)
    end
  end
  if #unexplained > 0 then
    say("\nwithout a reason (%d):", #unexplained)
    print_group(unexplained)
  end
  say("\n%d differences in lb's favour, %d where the standards leave a choice, %d without a reason",
    sums.lb, sums.choice, #unexplained)
  return #unexplained
end

-- What is wrong with lb; gives how many cases.
local function print_wrong(cases)
  local wrong = 0
  for _, case in ipairs(cases) do
    if case.wrong then
      wrong = wrong + 1
      say("\nlb is wrong; haproxy %s, nginx %s\n%s", case.verdicts.haproxy or "-", case.verdicts.nginx or "-",
        case.wrong)
    end
  end
  return wrong
end

local plain, with_settings = wanted_cases()
if #plain + #with_settings == 0 then
  say("no case of HTTP/1 has %s", options.FILTER)
  os.exit(0)
end
local versions = {}
for _, name in ipairs(proxies.names) do
  versions[#versions + 1] = name .. " " .. play_all(name, plain, tonumber(options.LANES))
end
play_settings(with_settings)
say("%s; %d cases\n", table.concat(versions, ", "), #plain + #with_settings)
print_table(plain, with_settings)
print_verdicts(plain)
local failures = print_differences(plain) + print_wrong(plain) + print_wrong(with_settings)
for _, complaint in ipairs(balancer.clear()) do
  say("%s", complaint)
  failures = failures + 1
end
process.clear()
os.exit(failures == 0 and 0 or 1)
