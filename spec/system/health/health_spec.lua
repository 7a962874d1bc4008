-- Checks by TCP: when they begin, what they find, and whom they hold up.
local play = require "spec.support.play"

describe("a health check", function()
  after_each(play.curtain)

  it("takes a backend out after `fall` failures and back after `rise` successes", function()
    local one, two = play.hello "1", play.hello "2"
    local lb = play.balancer {
      backends = { one, two }, settings = "health = { interval = 0.1, timeout = 5, rise = 3, fall = 6 }",
    }
    lb:up(one)
    lb:up(two)
    one:stop()
    local seconds, event = play.timed(lb.down, lb, one)
    assert.truthy(event.reason:lower():find "refused")
    assert.truthy(seconds >= 0.4, seconds) -- six checks take five intervals, one would take none
    for _ = 1, 4 do assert.equal("2", lb:fetch("/").body) end

    local before = one.accepted
    one:start()
    lb:up(one)
    assert.truthy(one.accepted - before >= 3, one.accepted - before)
    local seen = {}
    for i = 1, 4 do seen[i] = lb:fetch("/").body end
    assert.truthy(table.concat(seen) == "1212" or table.concat(seen) == "2121", table.concat(seen))
  end)

  it("sends nothing", function()
    local backend = play.hello "x"
    local lb = play.balancer { backends = { backend }, settings = "health = { interval = 0.1 }" }
    play.wait("some checks", function() return backend.accepted >= 5 end)
    assert.equal(0, backend.served)
    lb:up(backend)
  end)

  it("is done before the first request: a backend that is down from the start gets none", function()
    local dead, alive = "127.0.0.1:" .. play.unused_port(), play.hello "alive"
    local lb = play.balancer { backends = { dead, alive }, settings = "health = { interval = 60, timeout = 5 }" }
    for _ = 1, 6 do assert.equal("alive", lb:fetch("/").body) end
    lb:exchange({}, 6)
    for _, line in ipairs(lb:exchanges()) do
      assert.equal(1, #line.tries)
      assert.equal(alive.address, line.backend)
    end
  end)

  it("that hangs at the start delays the first request by no more than its timeout", function()
    local hole, alive = play.blackhole():fill(), play.hello "alive"
    local lb = play.balancer { backends = { hole, alive }, settings = "health = { interval = 60, timeout = 2 }" }
    assert.equal("alive", lb:fetch("/").body)
    assert.truthy(lb:down(hole).reason)
  end)

  it("finds a backend that hangs down, and does not delay the checks of the others", function()
    local hole, other = play.blackhole(), play.hello "x"
    local lb = play.balancer { backends = { hole, other }, settings = "health = { interval = 0.1, timeout = 1 }" }
    lb:up(other)
    hole:fill()
    local before = other.accepted
    lb:down(hole)
    assert.truthy(other.accepted - before >= 5, other.accepted - before)
  end)

  it("finds a name that leads nowhere down, which ends nothing and holds up nobody", function()
    local alive = play.hello "alive"
    local lb = play.balancer { backends = { "name.invalid:80", alive } }
    for _ = 1, 4 do
      assert.equal("alive", lb:fetch("/").body)
    end
    assert.truthy(lb:down("name.invalid:80").reason)
    for _, line in ipairs(lb:exchanges()) do assert.equal(alive.address, line.backend) end
  end)

  it("finds nothing up if there is only a name that leads nowhere: 503", function()
    local lb = play.balancer { backends = { "name.invalid:80" } }
    assert.equal(503, lb:fetch("/").status)
  end)
end)

describe("a backend that is down", function()
  after_each(play.curtain)

  it("serves again as soon as it is back, by its name too", function()
    local backend = play.hello "x"
    local name = "localhost:" .. backend.port
    local lb = play.balancer { backends = { name } }
    assert.equal(200, lb:fetch("/").status)
    backend:stop()
    lb:down(name)
    assert.equal(503, lb:fetch("/").status)
    backend:start()
    lb:up(name)
    assert.equal(200, lb:fetch("/").status)
  end)

  it("serves again as soon as it is back", function()
    local backend = play.hello "x"
    local lb = play.balancer { backends = { backend } }
    assert.equal(200, lb:fetch("/").status)
    for _ = 1, 2 do
      backend:stop()
      lb:down(backend)
      assert.equal(503, lb:fetch("/").status)
      backend:start()
      lb:up(backend)
      assert.equal(200, lb:fetch("/").status)
    end
  end)
end)

-- It accepts and never answers, as a paused container does: every check of its port succeeds.
describe("a backend that is paused", function()
  after_each(play.curtain)

  local settings = [[
    health = { interval = 0.2, timeout = 5, eject_after = 3, eject_for = 0.6 },
    timeouts = { response_head = 0.2 },
    choose = function(ctx, backends) return backends[1] end,
  ]]

  local function pausing()
    local paused = false
    local backend = play.answering(function()
      if paused then play.wait("the end of the pause", function() return not paused end) end
      return "first"
    end)
    return backend, function(value) paused = value end
  end

  it("is ejected after failures in a row, while every request is answered, and readmitted later", function()
    local backend, pause = pausing()
    local other = play.hello "other"
    local lb = play.balancer { backends = { backend, other }, settings = settings }
    assert.equal("first", lb:fetch("/").body)

    pause(true)
    for _ = 1, 3 do assert.equal("other", lb:fetch("/").body) end
    local event = lb:event "backend_ejected"
    assert.truthy(event.backend == backend.address or event.address == backend.address)
    lb:fetch "/after"
    assert.equal(1, #lb:exchange({ path = "/after" }).tries)
    assert.same({}, lb:events "backend_down")

    pause(false)
    play.wait("it to serve again", function() return lb:fetch("/").body == "first" end)
    lb:event "backend_readmitted"
  end)

  it("is tried by one request at a time when its time is over", function()
    local backend, pause = pausing()
    local lb = play.balancer { backends = { backend, play.hello "other" }, settings = settings }
    pause(true)
    for _ = 1, 3 do lb:fetch "/" end
    lb:event "backend_ejected"
    local before = #backend.requests
    local clients = {}
    for i = 1, 10 do clients[i] = play.client(lb) end
    play.wait("a trial", function()
      for _, client in ipairs(clients) do client:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n" end
      for _, client in ipairs(clients) do assert.equal("other", client:response().body) end
      return #backend.requests > before
    end)
    lb:event("backend_ejected", nil, 2)
    assert.equal(before + 1, #backend.requests)
    pause(false)
  end)

  it("never takes more than half of the backends out", function()
    local list = { play.blocked(), play.blocked(), play.blocked() }
    local lb = play.balancer {
      backends = list,
      settings = "health = { interval = 0.2, eject_after = 1, eject_for = 60 }, timeouts = { response_head = 0.1 }",
    }
    for _ = 1, 4 do assert.equal(504, lb:fetch("/").status) end
    lb:event "backend_ejected"
    assert.equal(1, #lb:events "backend_ejected")
  end)
end)
