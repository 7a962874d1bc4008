-- idle - the memory of connections that wait: that have been served, or are not open yet.
--
--   idle.measure(scenario, contestant, count)   { connections =, bytes = for each, pss = of all
--                                               processes, before =, problems = {} }
--
-- The contestant should be fresh, and no other of its program should run: pages that
-- they share would count half.

local uv = require "luv"
local loop = require "spec.support.loop"
local load = require "infra.bench.load"
local usage = require "infra.bench.usage"

local idle = {}

local AT_ONCE = 64
local WARM_UP = 20000
local SETTLE_S = 1

-- Opens that many connections, a few at a time. Each asks once. Returns them, and problems.
local function open_all(count, host, port, request)
  local open, problems, asked, answered = {}, {}, 0, 0
  local ask
  local function done(problem)
    answered = answered + 1
    if problem then table.insert(problems, problem) end
    if asked < count then ask() end
  end
  function ask()
    local stream, text = uv.new_tcp(), ""
    asked = asked + 1
    table.insert(open, stream)
    stream:connect(host, port, loop.callback(function(err)
      if err then return done(err) end
      stream:write(request)
      stream:read_start(loop.callback(function(_, bytes)
        if not text then
          table.insert(problems, "an idle connection was closed, or more came over it")
          stream:read_stop()
        else
          text = text .. (bytes or "")
          local head, body = text:match "^(.-\r\n\r\n)(.*)$"
          local whole = head and #body == 100
          if not whole and bytes then return end
          text = nil
          done(not (whole and head:match "^HTTP/1.1 200") and "not a whole answer with 200" or nil)
        end
      end))
    end))
  end
  for _ = 1, math.min(AT_ONCE, count) do ask() end
  loop.wait("answers over all connections", function() return answered == count end, 60)
  return open, problems
end

-- So many connections stand: a function that closes them, and problems.
local function stand(scenario, contestant, count)
  if scenario.holds then
    local holds, why = load.hold(count, scenario, contestant.url)
    return function()
      if not holds then return nil end
      holds:signal "sigterm"
      local status = holds:wait_exit(20).code
      return status ~= 0 and ("shake: %s"):format(holds.err[1]) or nil
    end, { why }
  end
  local host, port = contestant.address:match "^(.*):(%d+)$"
  local request = ("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n"):format(scenario.path, contestant.address)
  local open, problems = open_all(count, host, tonumber(port), request)
  return function()
    for _, stream in ipairs(open) do stream:close() end
    loop.settle()
  end, problems
end

function idle.measure(scenario, contestant, count)
  -- What is held for many handshakes at once, and given back later, would hide the rest.
  local at_once = scenario.holds and 4 or AT_ONCE
  local problem = load.send(WARM_UP, { connections = at_once, path = scenario.path }, contestant.url)
  loop.pause(SETTLE_S)
  local pids = usage.processes(contestant.process.pid)
  local before = usage.memory(pids)
  local close, problems = stand(scenario, contestant, count)
  loop.pause(SETTLE_S)
  local after = usage.memory(pids)
  local closed = close()
  table.insert(problems, problem)
  table.insert(problems, closed)
  return {
    connections = count, bytes = (after.pss - before.pss) / count, pss = after.pss, before = before.pss,
    problems = problems,
  }
end

return idle
