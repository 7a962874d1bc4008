-- play - a system spec as a play: backends, the balancer and clients on one screen.
--
--   local play = require "spec.support.play"
--   describe("a balancer", function()
--     after_each(play.curtain)
--     it("passes a request on", function()
--       local backend = play.backend(function(conn)
--         assert.equal("/a", conn:request().target)
--         conn:send "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"
--       end)
--       local lb = play.balancer { backends = { backend } }
--       local client = play.client(lb)
--       client:send "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
--       assert.equal("a", client:response().body)
--     end)
--   end)
--
--   play.backend, answering, hello, text, receive,
--   play.blackhole, blocked, unused_port                   spec.support.origin
--   play.balancer, command                                 spec.support.balancer
--   play.client(lb or address, options), fetch             spec.support.wire
--   play.start, run, file, directory, children             spec.support.process
--   play.wait, pause, now, beside (loop.go)                                  spec.support.loop
--   play.settled(settings, defaults)  the settings, a text, with the defaults { name = "value" }
--                                     that it lacks
--   play.bodies(list)         the bodies of responses, as one text: "1 2 1 2"
--   play.timed(fn, ...)       how many seconds it took, and what it gave
--   play.memory(lb)           KiB that its processes hold
--   play.until_still(fn)      a value, when it has come to rest
--   play.slow_choice         settings: a policy that is slow for one path
--   play.curtain()            ends every spec: nothing may be left over, lb must have ended well

local balancer = require "spec.support.balancer"
local loop = require "spec.support.loop"
local origin = require "spec.support.origin"
local process = require "spec.support.process"
local wire = require "spec.support.wire"

local play = {
  backend = origin.new, answering = origin.answering, hello = origin.hello, text = origin.text,
  receive = origin.receive, blackhole = origin.blackhole, blocked = origin.blocked,
  unused_port = origin.unused_port,
  balancer = balancer.start, command = balancer.command, fetch = wire.fetch, connect = wire.connect,
  start = process.start, run = process.run, file = process.file, directory = process.directory,
  children = process.children, exists = process.exists,
  beside = loop.go, wait = loop.wait, pause = loop.pause, now = loop.now, slow = loop.slow, note = loop.note,
}

-- Settings of a policy that takes 0.4 s of its worker's time for "/slow", and none for others.
play.slow_choice = [[
  script = { budget_ms = 5000 },
  choose = function(ctx, backends)
    local over = os.clock() + (ctx.path == "/slow" and 0.4 or 0)
    while os.clock() < over do end
    return backends[1]
  end,
]]

function play.client(target, options)
  local address = type(target) == "table" and target.address or target
  local conn, err = wire.connect(address, options)
  if not conn then error(("no connection to %s: %s\n%s"):format(address, err, loop.story()), 2) end
  return conn
end

-- Runs lb with a command line to its end.
function play.lb(arguments, options)
  local command = balancer.command(arguments)
  for name, value in pairs(options or {}) do command[name] = value end
  return process.run(command)
end

function play.settled(settings, defaults)
  local text = settings or ""
  for name, value in pairs(defaults) do
    if not text:find("%f[%w_]" .. name .. "%s*=") then text = ("%s = %s, %s"):format(name, value, text) end
  end
  return text
end

function play.bodies(list)
  local bodies = {}
  for i, response in ipairs(list) do bodies[i] = response.body end
  return table.concat(bodies, " ")
end

-- How long fn took, in seconds, and what it gave.
function play.timed(fn, ...)
  local began = loop.now()
  local value = fn(...)
  return loop.now() - began, value
end

-- KiB of private memory that the workers of lb hold now.
function play.memory(lb)
  local sum = 0
  for _, pid in ipairs(lb:children()) do
    local file = io.open(("/proc/%d/status"):format(pid))
    if file then
      sum = sum + tonumber(file:read "*a":match "RssAnon:%s*(%d+)" or 0)
      file:close()
    end
  end
  return sum
end

-- Waits until fn's value has stayed the same for a while, and gives it.
function play.until_still(fn)
  local value, since = fn(), loop.now()
  loop.wait("something to come to rest", function()
    local now = fn()
    if now ~= value then value, since = now, loop.now() end
    return loop.now() - since > 0.2 * loop.slow
  end)
  return value
end

function play.curtain()
  local story = loop.story()
  wire.clear()
  local complaints = balancer.clear()
  if #complaints > 0 then story = loop.story() end
  for _, complaint in ipairs(process.clear()) do complaints[#complaints + 1] = complaint end
  origin.clear()
  local failure = loop.clear()
  if #complaints > 0 then
    error(table.concat(complaints, "\n") .. "\nthis has happened:\n" .. story, 0)
  end
  if failure then error(failure, 0) end
end

return play
