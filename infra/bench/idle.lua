-- idle - the memory of connections that have been served and now wait.
--
--   idle.measure(scenario, contestant)   { connections =, bytes = for each, pss = of all processes,
--                                        before =, problems = {} }
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

function idle.measure(scenario, contestant, count)
  local problem = load.send(WARM_UP, { connections = AT_ONCE, path = scenario.path }, contestant.address)
  loop.pause(SETTLE_S)
  local pids = usage.processes(contestant.process.pid)
  local before = usage.memory(pids)
  local host, port = contestant.address:match "^(.*):(%d+)$"
  local request = ("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n"):format(scenario.path, contestant.address)
  local open, problems = open_all(count, host, tonumber(port), request)
  loop.pause(SETTLE_S)
  local after = usage.memory(pids)
  for _, stream in ipairs(open) do stream:close() end
  loop.settle()
  table.insert(problems, problem)
  return {
    connections = count, bytes = (after.pss - before.pss) / count, pss = after.pss, before = before.pss,
    problems = problems,
  }
end

return idle
