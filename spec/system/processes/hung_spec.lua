-- A worker or a monitor that stands still is replaced, and only what it held is lost.
local play = require "spec.support.play"
local uv = require "luv"

local SLOW = "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"
local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
local REPLACED_WITHIN = 30 -- seconds; 5 and a little on an idle machine

describe("a process of the balancer that stands still", function()
  after_each(play.curtain)

  local function title_of(pid)
    local file = assert(io.open(("/proc/%d/comm"):format(pid)))
    local title = file:read "*l"
    file:close()
    return title
  end

  local function child(lb, title)
    for _, pid in ipairs(lb:children()) do
      if title_of(pid) == title then return pid end
    end
    error("no child " .. title)
  end

  it("gets no new connections if it is a worker, until it moves again", function()
    local lb = play.balancer {
      workers = 2, may_lose_workers = true,
      script = [[
        local name = tostring(lb.counter("workers"):next(9))
        return { choose = function(ctx) return ctx:respond { body = name } end }]],
    }
    local victim = child(lb, "lb worker 1")
    uv.kill(victim, "sigstop")
    lb:event("worker_still", { child = "worker 1" })
    for _ = 1, 24 do assert.equal(200, lb:fetch("/").status) end
    uv.kill(victim, "sigcont")
    local answers, names = {}, 0
    play.wait("answers of both", function()
      local name = lb:fetch("/").body
      if not answers[name] then answers[name], names = true, names + 1 end
      return names == 2
    end, REPLACED_WITHIN)
  end)

  it("is replaced if it is a worker, and no connection of another one is lost", function()
    local held = {}
    local backend = play.backend(function(conn)
      while true do
        local request = conn:request()
        if not request then return end
        if request.target == "/slow" then
          held[#held + 1] = conn
          play.wait("the end of the slow answer", function() return held.over end, 60)
        end
        conn:send "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
      end
    end)
    local lb = play.balancer {
      backends = { backend }, workers = 2, may_lose_workers = true,
      script = [[return {
        health = { interval = 0.2, timeout = 5, fall = 100 },
        choose = function(ctx, backends)
          if ctx.path == "/in_flight" then return ctx:respond { body = "" .. backends[1].in_flight } end
          return backends[1]
        end,
      }]],
    }
    local clients = {}
    for i = 1, 24 do clients[i] = play.client(lb) end
    for _, client in ipairs(clients) do client:send(SLOW) end
    play.wait("all to be in flight", function() return #held == 24 end)
    assert.equal("24", lb:fetch("/in_flight").body)

    local victim = child(lb, "lb worker 1")
    uv.kill(victim, "sigstop")
    play.wait("it to be hung", function() return #lb:events "worker_hung" > 0 end, REPLACED_WITHIN)
    local event = lb:events("worker_hung")[1]
    assert.same({ "worker 1", victim, "error" }, { event.child, event.pid, event.level })
    play.wait("another", function() return #lb:children() == 3 and not play.exists(victim) end, REPLACED_WITHIN)
    lb:event "worker_died"

    local lost = 0
    play.wait("its connections to end", function()
      lost = 0
      for _, client in ipairs(clients) do lost = lost + (client.ended and 1 or 0) end
      return tonumber(lb:fetch("/in_flight").body) == 24 - lost
    end)
    held.over = true
    for _, client in ipairs(clients) do
      if not client.ended then
        assert.equal(200, client:response().status)
        client:send(GET)
        assert.equal(200, client:response().status)
      end
    end
    assert.truthy(lost < 24, lost)
    play.wait("nothing to be in flight", function() return lb:fetch("/in_flight").body == "0" end)
    assert.equal(1, #lb:events "worker_hung")
  end)

  it("is replaced if it is the monitor, and traffic does not notice", function()
    local lb = play.balancer { backends = { play.hello "x" }, workers = 1 }
    local client = play.client(lb)
    local victim = child(lb, "lb monitor")
    uv.kill(victim, "sigstop")
    play.wait("it to be hung", function()
      client:send(GET)
      assert.equal(200, client:response().status)
      play.pause(0.1)
      return #lb:events "monitor_hung" > 0
    end, REPLACED_WITHIN)
    lb:event "monitor_died"
    play.wait("another", function() return #lb:children() == 2 and not play.exists(victim) end)
    assert.equal(200, lb:fetch("/").status)
  end)

  -- Within one turn of its loop.
  it("is not a process that is busy with many requests for long, each within its budget", function()
    local lb = play.balancer {
      backends = { play.hello "x" }, workers = 1,
      script = [[return {
        health = { interval = 0.2, timeout = 5, fall = 100 }, script = { budget_ms = 400 },
        choose = function(ctx, backends)
          local begun = lb.now()
          while ctx.path == "/slow" and lb.now() - begun < 0.25 do end
          return ctx:respond { body = "x" }
        end,
      }]],
    }
    local clients = {}
    for i = 1, 40 do clients[i] = play.client(lb) end
    assert.equal("x", lb:fetch("/").body)
    for _, client in ipairs(clients) do client:send(SLOW) end
    for _, client in ipairs(clients) do assert.equal("x", client:response(60).body) end
    assert.same({}, lb:events "worker_hung")
  end)

  it("is not to blame if all stood still", function()
    local lb = play.balancer { backends = { play.hello "x" }, workers = 1 }
    local children = lb:children()
    lb:freeze()
    play.pause(6)
    lb:thaw()
    for _ = 1, 10 do
      assert.equal(200, lb:fetch("/").status)
      play.pause(0.2)
    end
    assert.same(children, lb:children())
    assert.same({}, lb:events "worker_hung")
  end)
end)
