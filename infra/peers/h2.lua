-- The cases of spec/cases/h2_*.lua against lb, HAProxy and nginx, each in front of a raw backend of
-- HTTP/1.1.
--
--   luajit infra/peers/h2.lua [LB=build/lb] [FILTER=text] [SHOW=NAME] [NAMES=lb,haproxy,nginx]
--
-- Prints how many cases of each rule each of them decides as the case says; lb to the byte, its
-- peers by what becomes of streams and connection. SHOW prints what was wrong of one of them.

package.path = "./?.lua;" .. package.path

local options = { LB = "build/lb", FILTER = "", SHOW = "", NAMES = "lb,haproxy,nginx" }
for _, word in ipairs(arg) do
  local name, value = word:match "^(%u+)=(.*)$"
  assert(name and options[name], "unknown option " .. word)
  options[name] = value
end

local balancer = require "spec.support.balancer"
local conformance = require "spec.support.conformance"
local h2_conformance = require "spec.support.h2_conformance"
local loop = require "spec.support.loop"
local process = require "spec.support.process"
local proxies = require "infra.peers.proxies"
local recorder = require "spec.support.recorder"

balancer.program = options.LB

local function title_of(case) return case.rule .. ": " .. case.name:gsub("\\\n", "\\n"):gsub("%c", "?") end

local function play_group(name, group)
  local backend = recorder.new()
  local proxy = proxies.h2(name, backend.address, group.limits)
  proxy.is_lb, proxy.is_loose = name == "lb", name ~= "lb"
  for _, case in ipairs(group) do
    if title_of(case):find(options.FILTER, 1, true) then
      local ok, seen = pcall(h2_conformance.play, case, proxy, backend, "whole")
      local wrong = ok and h2_conformance.judge(case, seen, proxy, backend) or not ok and seen
      case.right = case.right or {}
      case.right[name] = not wrong
      if wrong and options.SHOW == name then print(wrong) end
    end
  end
  backend:stop()
end

local groups, names = conformance.groups(h2_conformance.load()), {}
for name in options.NAMES:gmatch "%w+" do names[#names + 1] = name end
for _, name in ipairs(names) do
  for _, group in ipairs(groups) do
    if name == "lb" or not group.limits then play_group(name, group) end
  end
end

local order, rows = {}, {}
for _, group in ipairs(groups) do
  for _, case in ipairs(group) do
    local row = rows[case.rule]
    if not row and case.right then
      row = { cases = 0 }
      rows[case.rule] = row
      order[#order + 1] = case.rule
    end
    for _, one in ipairs { case.right and row, case.right and rows.all } do
      one.cases = one.cases + 1
      for _, name in ipairs(names) do one[name] = (one[name] or 0) + (case.right[name] and 1 or 0) end
    end
  end
end
if #order == 0 then
  print("no case of HTTP/2 has " .. options.FILTER)
  os.exit(0)
end
print(("%-24s %6s"):format("rule", "cases") .. (" %8s"):rep(#names):format(unpack(names)))
local sums = { cases = 0 }
for _, rule in ipairs(order) do
  local row, line = rows[rule], {}
  for i, name in ipairs(names) do
    line[i] = ("%8d"):format(row[name])
    sums[name] = (sums[name] or 0) + row[name]
  end
  sums.cases = sums.cases + row.cases
  print(("%-24s %6d "):format(rule, row.cases) .. table.concat(line, " "))
end
local line = {}
for i, name in ipairs(names) do line[i] = ("%8d"):format(sums[name]) end
print(("%-24s %6d "):format("all of these", sums.cases) .. table.concat(line, " "))
loop.settle()
for _, complaint in ipairs(balancer.clear()) do print(complaint) end
process.clear()
os.exit(sums.lb and sums.lb < sums.cases and 1 or 0)
