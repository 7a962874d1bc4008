-- reloading - a balancer whose script changes while it runs.
--
--   local lb, say = reloading.start(text, options)    options as of play.balancer, without a script
--   say(text)           the script's file has another text, by rename, and SIGHUP is sent; waits
--                       for the event that answers it, and gives that: reload or reload_refused
--   say.write(text)     only the file;  say.path: its path
--   reloading.answering(text, more)   a script that answers every request itself, with that body

local balancer = require "spec.support.balancer"
local play = require "spec.support.play"

local reloading = {}

local HEALTH = "health = { interval = 0.2, timeout = 5 }, "

function reloading.answering(body, more)
  return ("return { %s %s choose = function(ctx) return ctx:respond { status = 200, body = %q } end }"):format(
    HEALTH, more or "", body)
end

-- Backends in turn, exactly.
function reloading.in_turn(backends, more)
  local addresses = {}
  for i, backend in ipairs(backends) do
    addresses[i] = type(backend) == "string" and backend or ("%q"):format(backend.address)
  end
  return ([[local turn = lb.counter "turn"
return { %s %s backends = { %s },
  choose = function(ctx, backends) return backends[turn:next(#backends)] end }]]):format(
    HEALTH, more or "", table.concat(addresses, ", "))
end

function reloading.start(text, options)
  options = options or {}
  local path = play.file("balancer.lua", balancer.script(text))
  options.file = path
  local lb = play.balancer(options)
  local say = { path = path, lb = lb }

  function say.write(new)
    local file = assert(io.open(path .. ".new", "w"))
    file:write(balancer.script(new))
    file:close()
    assert(os.rename(path .. ".new", path))
  end

  local function answers() return #lb:events "reload" + #lb:events "reload_refused" end

  local function last()
    for i = #lb.all_events, 1, -1 do
      local event = lb.all_events[i]
      if event.event == "reload" or event.event == "reload_refused" then return event end
    end
  end

  setmetatable(say, { __call = function(_, new)
    local before = answers()
    if new then say.write(new) end
    lb:signal "sighup"
    return play.wait("an answer to SIGHUP", function() return answers() > before and last() end, 60)
  end })
  say.answers, say.last = answers, last
  return lb, say
end

return reloading
