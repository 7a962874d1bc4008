-- syscalls - the system calls of a contestant for each request, by thread, as strace counts them.
--
--   syscalls.measure(scenario, contestant)   { per_request =, calls = { { name =, count = per
--                                            request }, .. }, per_second = of the other
--                                            threads }, or nil and why not
--
-- Each thread has a strace of its own. Threads that work for requests are counted by the difference
-- of few and many requests, without what the connections cost. The other threads wake up by the
-- clock, which strace does not slow down, so they are counted by time.

local loop = require "spec.support.loop"
local process = require "spec.support.process"
local contestants = require "infra.bench.contestants"
local load = require "infra.bench.load"
local usage = require "infra.bench.usage"

local syscalls = {}

local FEW, MANY = 1000, 5000

local function attach(thread)
  local path = process.directory() .. "/strace." .. thread
  local words = { "strace", "-c", "-U", "calls,name", "-o", path, "-p", thread }
  local tracer = process.start(contestants.of_load(words))
  tracer.path, tracer.thread = path, thread
  loop.wait("strace to attach", function() return tracer.exit or #tracer.err > 0 end)
  if not tracer.exit and tracer.err[1]:find "attached" then return tracer end
  return nil, table.concat(tracer.err, " ")
end

-- Its summary; strace ends at SIGINT and leaves the thread alone.
local function detach(tracer)
  tracer:signal "sigint"
  tracer:wait_exit(10)
  local calls = {}
  for line in io.lines(tracer.path) do
    local count, name = line:match "^%s*(%d+)%s+([%w_]+)%s*$"
    if count and name ~= "total" then calls[name] = tonumber(count) end
  end
  return calls
end

-- By thread, the calls of so many requests; and how long it took.
local function traced(count, scenario, contestant)
  local tracers, by_thread, began = {}, {}, loop.now()
  local why
  for _, pid in ipairs(usage.processes(contestant.process.pid)) do
    for _, thread in ipairs(usage.threads(pid)) do
      local tracer
      tracer, why = attach(thread)
      if not tracer then break end
      table.insert(tracers, tracer)
    end
  end
  local problem = why or load.send(count, scenario, contestant.url)
  for _, tracer in ipairs(tracers) do by_thread[tracer.thread] = detach(tracer) end
  return not problem and by_thread, problem or loop.now() - began
end

local function sum(calls)
  local all = 0
  for _, count in pairs(calls) do all = all + count end
  return all
end

function syscalls.measure(scenario, contestant)
  local few, why = traced(FEW, scenario, contestant)
  if not few then return nil, why end
  local many, seconds = traced(MANY, scenario, contestant)
  if not many then return nil, seconds end
  local result = { per_request = 0, per_second = 0, calls = {} }
  local by_name = {}
  for thread, calls in pairs(many) do
    local before = few[thread] or {}
    if sum(calls) - sum(before) < (MANY - FEW) / 2 then
      result.per_second = result.per_second + sum(calls) / seconds
    else
      for name, count in pairs(calls) do
        by_name[name] = (by_name[name] or 0) + (count - (before[name] or 0)) / (MANY - FEW)
      end
    end
  end
  for name, count in pairs(by_name) do
    result.per_request = result.per_request + count
    if count >= 0.005 then table.insert(result.calls, { name = name, count = count }) end
  end
  table.sort(result.calls, function(a, b) return a.count > b.count end)
  return result
end

return syscalls
