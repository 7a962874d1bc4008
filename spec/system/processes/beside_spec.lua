-- A start: connections wait for the first round of checks, and another lb may be there.

local uv = require "luv"
local play = require "spec.support.play"

local GET = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

-- An address that is free, unless somebody else takes it meanwhile.
local function free_address()
  local socket = uv.new_tcp()
  socket:bind("127.0.0.1", 0)
  local port = socket:getsockname().port
  socket:close()
  play.wait("it to be free", function() return socket:is_closing() end)
  return "127.0.0.1:" .. port
end

-- Clients, eight at a time, until they are told to stop; gives how many bodies of each kind came.
local function visits(address)
  local seen, over, left = {}, false, 0
  for _ = 1, 8 do
    play.beside(function()
      while not over do
        local body = play.fetch(address).body
        seen[body] = (seen[body] or 0) + 1
      end
      left = left + 1
    end)
  end
  return seen, function()
    over = true
    play.wait("the last visit", function() return left == 8 end)
  end
end

describe("a start", function()
  after_each(play.curtain)

  it("listens at once, and its first requests wait for the first round of checks", function()
    local checks, serve = 0, false
    local backend = play.backend { serve = function(conn)
      local request = conn:request()
      if request:field "user-agent" == "lb-health" then
        checks = checks + 1
        play.wait("the spec to let the check pass", function() return serve or conn.ended end)
      end
      conn:send(play.text "it")
    end }
    local address = free_address()
    local lb = play.start(play.command { play.file("some.lua",
      ("return { backends = %q, health = { type = 'http', path = '/', timeout = 20 } }"):format(backend.address)),
      "--listen", address, "--log-format", "text" })
    play.wait("the first check", function() return checks > 0 end)
    local client = play.client(address)
    client:send(GET)
    assert.falsy(table.concat(lb.err, "\n"):find "listening")
    serve = true
    assert.equal("it", client:response().body)
    assert.equal(1, checks)
    lb:signal "sigterm"
    assert.same({ code = 0, signal = 0 }, lb:wait_exit())
  end)

  it("may be beside another lb, which is named, and whose end no client notices", function()
    local address = free_address()
    local function start(word)
      return play.balancer { listen = address, workers = 2,
        script = ("return { choose = function(ctx) return ctx:respond { body = %q } end }"):format(word) }
    end
    local before = start "0"
    local seen, stop = visits(address)
    for round = 1, 5 do
      local after = start(tostring(round))
      local beside = after:event "beside"
      assert.equal(before.pid, beside.other)
      assert.truthy(beside.message:find(("replace it: kill %d, once"):format(before.pid), 1, true), beside.message)
      play.wait("it to serve", function() return seen[tostring(round)] end)
      before:stop()
      before = after
    end
    stop()
    assert.equal("5", before:fetch("/").body)
  end)

  it("is refused where another program listens, though that would share the port", function()
    local other = play.start { "/usr/bin/python3", "-c", [[
import signal, socket
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
s.bind(("127.0.0.1", 0)); s.listen(); print(s.getsockname()[1], flush=True); signal.pause()
]] }
    local address = "127.0.0.1:" .. play.wait("it to listen", function() return other.out[1] end)
    local result = play.lb { play.file("some.lua", "return { backends = '127.0.0.1:9' }"), "--listen", address }
    assert.equal(1, result.code)
    assert.truthy(result.err:find("cannot listen on " .. address .. ": address already in use", 1, true), result.err)
    other:signal "sigkill"
    other:wait_exit()
  end)
end)
