-- A process of lb that is killed is replaced, and the others continue.
local play = require "spec.support.play"

local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
local uv = require "luv"

local function has(list, value)
  for _, one in ipairs(list) do
    if one == value then return true end
  end
  return false
end

describe("when a process of the balancer is killed", function()
  after_each(play.curtain)

  -- Kills each in turn; connections of the others stay open, and the killed one is replaced.
  it("it is replaced, and the others do not notice", function()
    local backend = play.hello "x"
    local lb = play.balancer { backends = { backend }, workers = 2, may_lose_workers = true }
    local monitors, workers = 0, 0
    local children = lb:children()
    assert.equal(3, #children)
    for _, pid in ipairs(children) do
      local clients, cut = {}, 0
      for i = 1, 24 do clients[i] = play.client(lb) end
      for _, client in ipairs(clients) do client:send(GET) end
      for _, client in ipairs(clients) do assert.equal(200, client:response().status) end

      uv.kill(pid, "sigkill")
      play.wait("it to be replaced", function()
        local now = lb:children()
        return #now == 3 and not has(now, pid)
      end)
      for _ = 1, 6 do assert.equal(200, lb:fetch("/").status) end

      for _, client in ipairs(clients) do
        if client.ended then
          cut = cut + 1
        else
          client:send(GET)
          assert.equal(200, client:response().status)
        end
        client:close()
      end
      if cut == 0 then monitors = monitors + 1 else workers = workers + 1 end
      assert.truthy(cut < 24, cut)
    end
    assert.equal(1, monitors)
    assert.equal(2, workers)
  end)

  it("and cannot be replaced, the others get its new connections", function()
    local lb = play.balancer {
      workers = 2, may_lose_workers = true,
      script = [[return {
        init = function() if lb.counter("starts"):next(9) > 2 then error "no more" end end,
        choose = function(ctx) return ctx:respond { body = "x" } end,
      }]],
    }
    uv.kill(lb:children()[1], "sigkill")
    lb:event "worker_still"
    for _ = 1, 24 do assert.equal(200, lb:fetch("/").status) end
  end)

  it("connections that come at that moment are served", function()
    local lb = play.balancer { backends = { play.hello "x" }, workers = 1, may_lose_workers = true }
    lb:fetch "/"
    for _, pid in ipairs(lb:children()) do
      uv.kill(pid, "sigkill")
      for _ = 1, 5 do assert.equal(200, lb:fetch("/").status) end
      play.wait("it to be replaced", function() return #lb:children() == 2 and not has(lb:children(), pid) end)
    end
    lb:event "worker_died"
  end)

  it("the count that all share continues where it was", function()
    local one, two = play.hello "1", play.hello "2"
    local lb = play.balancer { backends = { one, two }, workers = 1, may_lose_workers = true }
    assert.equal("1", lb:fetch("/").body)
    for _, pid in ipairs(lb:children()) do uv.kill(pid, "sigkill") end
    play.wait("both to be replaced", function() return lb:events("worker_died")[1] and #lb:children() == 2 end)
    assert.equal("2", lb:fetch("/").body)
  end)

  it("what it had in flight counts no more", function()
    local backend
    backend = play.answering(function(_, conn)
      conn:ended_by_peer()
      return ""
    end)
    local lb = play.balancer {
      backends = { backend }, workers = 1, may_lose_workers = true,
      script = [[
        return {
          health = { interval = 0.2, timeout = 5 },
          choose = function(ctx, backends)
            if ctx.path == "/count" then
              return ctx:respond { status = 200, body = tostring(backends[1].in_flight) }
            end
            return backends[1]
          end,
        }
      ]],
    }
    for i = 1, 3 do
      play.client(lb):send(GET)
      play.wait("the backend", function() return #backend.requests == i end)
    end
    assert.equal("3", lb:fetch("/count").body)
    for _, pid in ipairs(lb:children()) do uv.kill(pid, "sigkill") end
    play.wait("both to be replaced", function() return lb:events("worker_died")[1] and #lb:children() == 2 end)
    assert.equal("0", lb:fetch("/count").body)
  end)

  it("the monitor that took its place still finds backends down and up", function()
    local backend = play.hello "x"
    local lb = play.balancer { backends = { backend }, workers = 1, may_lose_workers = true }
    lb:up(backend)
    local before = lb:children()
    for _, pid in ipairs(before) do uv.kill(pid, "sigkill") end
    play.wait("both to be replaced", function()
      local now = lb:children()
      return #now == 2 and not has(now, before[1]) and not has(now, before[2])
    end)
    backend:stop()
    lb:down(backend)
    backend:start()
    lb:up(backend)
    assert.equal("x", lb:fetch("/").body)
  end)

  it("and it is the first of all, the others end too", function()
    local lb = play.balancer { backends = { play.hello "x" }, workers = 2, may_fail = true }
    local children = lb:children()
    lb:signal "sigkill"
    lb:wait_exit()
    play.wait("the others to end", function()
      for _, pid in ipairs(children) do
        if play.exists(pid) then return false end
      end
      return true
    end)
    assert.same({ nil, "ECONNREFUSED" }, { play.connect(lb.address) })
  end)
end)

describe("all workers", function()
  after_each(play.curtain)

  it("serve", function()
    local backend = play.hello "x"
    local lb = play.balancer { backends = { backend }, workers = 4 }
    local ids, clients = {}, {}
    for i = 1, 64 do
      clients[i] = play.client(lb)
      clients[i]:send(GET)
    end
    for _, client in ipairs(clients) do assert.equal(200, client:response().status) end
    -- each has a connection of its own to the backend
    assert.truthy(backend.served >= 4, backend.served)
    for _, line in ipairs { lb:exchange({}, 64) and lb:exchanges() } do
      for _, one in ipairs(line) do ids[one.id] = true end
    end
    local count = 0
    for _ in pairs(ids) do count = count + 1 end
    assert.equal(64, count)
  end)
end)
