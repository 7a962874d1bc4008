-- Connections to backends that are kept, and when they are used again.
local play = require "spec.support.play"
local unread = require "spec.support.unread"

local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
local POST = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"

describe("a connection to a backend", function()
  after_each(play.curtain)

  it("is used again for the next request of any client", function()
    local backend = play.hello "x"
    local lb = play.balancer { backends = { backend } }
    local client = play.client(lb)
    for _ = 1, 3 do
      client:send(GET)
      assert.equal("x", client:response().body)
    end
    assert.equal("x", lb:fetch("/").body)
    assert.equal(4, #backend.requests)
    assert.equal(1, backend.served)
  end)

  it("carries one request at a time", function()
    local answers = 0
    local backend = play.answering(function()
      answers = answers + 1
      play.wait("both", function() return answers >= 2 end)
      return "x"
    end)
    local lb = play.balancer { backends = { backend } }
    local one, two = play.client(lb), play.client(lb)
    one:send(GET)
    two:send(GET)
    assert.equal("x", one:response().body)
    assert.equal("x", two:response().body)
    assert.equal(2, backend.served)
  end)

  for what, fields in pairs {
    ["says Connection: close"] = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
    ["speaks HTTP/1.0"] = "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
  } do
    it("is not used again if the backend " .. what, function()
      local backend = play.backend(function(conn)
        play.receive(conn)
        conn:send(fields)
        assert.equal("end", conn:ended_by_peer())
      end)
      local client = play.client(play.balancer { backends = { backend } })
      for _ = 1, 2 do
        client:send(GET)
        assert.equal("x", client:response().body)
      end
      assert.equal(2, backend.served)
    end)
  end

  -- The backend closes just when the next request is under way: nobody is to blame, nobody notices.
  it("that turns out to be closed is replaced, and GET sent again, invisibly", function()
    for _, ending in ipairs { "close", "reset" } do
      local backend = play.backend(function(conn, n)
        play.receive(conn)
        conn:send(play.text(tostring(n)))
        play.receive(conn)
        conn[ending](conn)
      end)
      local lb = play.balancer { backends = { backend }, name = "lb " .. ending }
      local client = play.client(lb)
      client:send(GET)
      assert.equal("1", client:response().body)
      client:send(GET)
      local response = client:response()
      assert.equal(200, response.status)
      assert.equal("2", response.body)
      assert.same({}, lb:events "backend_down")
      assert.equal(3, #backend.requests)
    end
  end)

  it("that turns out to be closed is no failure of the backend, and PUT takes its body along", function()
    local backend = play.backend(function(conn, n)
      play.receive(conn)
      conn:send(play.text(tostring(n)))
      play.receive(conn)
      conn:reset()
    end)
    local lb = play.balancer {
      backends = { backend, play.hello "other" },
      settings = [[
        health = { interval = 60, timeout = 5, eject_after = 1 },
        choose = function(ctx, backends) return backends[1] end,
      ]],
    }
    local client = play.client(lb)
    for i = 1, 5 do
      client:send "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"
      assert.equal(tostring(i), client:response().body)
    end
    for _, request in ipairs(backend.requests) do assert.equal("body", request.body) end
    assert.same({}, lb:events "backend_down")
    assert.same({}, lb:events "backend_ejected")
  end)

  it("that turns out to be closed when POST was sent ends it: it is not sent twice", function()
    local backend = play.backend(function(conn)
      play.receive(conn)
      conn:send(play.text "x")
      play.receive(conn)
    end)
    local client = play.client(play.balancer { backends = { backend } })
    client:send(GET)
    assert.equal("x", client:response().body)
    client:send(POST)
    assert.equal(502, client:response().status)
    assert.equal("POST", backend.requests[2].method)
    assert.equal(2, #backend.requests)
  end)

  -- The worker stands still meanwhile, so that request and surplus are there when it looks.
  it("is not used if something waits on it that nobody asked for", function()
    local conns = {}
    local backend = play.backend(function(conn)
      conns[#conns + 1] = conn
      while true do conn:send(play.text(play.receive(conn).target)) end
    end)
    local lb = play.balancer { backends = { backend }, settings = "health = { interval = 60, timeout = 5 }" }
    local first, second = play.client(lb), play.client(lb)
    local function ask(client, target) client:send(("GET %s HTTP/1.1\r\nHost: x\r\n\r\n"):format(target)) end
    for _, client in ipairs { first, second } do
      ask(client, "/before")
      assert.equal("/before", client:response().body)
    end
    for _ = 1, 3 do -- and the connection has been idle for a few turns of lb's loop
      assert.equal(200, lb:fetch("*", { method = "OPTIONS", fields = "Max-Forwards: 0\r\n" }).status)
    end
    lb:freeze()
    ask(second, "/asked")
    for _, conn in ipairs(conns) do conn:send(play.text "nobody asked for this") end
    for _, conn in ipairs { second, unpack(conns) } do
      play.wait("it to arrive", function() return (unread(conn.handle) or 0) > 0 end)
    end
    lb:thaw()
    assert.equal("/asked", second:response().body)
    ask(first, "/after")
    assert.equal("/after", first:response().body)
  end)

  it("that the backend closes while it is idle is noticed before the next request", function()
    local closed = 0
    local backend = play.backend(function(conn)
      play.receive(conn)
      conn:send(play.text "x")
      conn:finish()
      conn:ended_by_peer()
      closed = closed + 1
    end)
    local client = play.client(play.balancer { backends = { backend } })
    for i = 1, 3 do
      client:send(POST)
      assert.equal("x", client:response().body)
      play.wait("the balancer to close its side", function() return closed == i end)
    end
    assert.equal(3, #backend.requests)
  end)

  it("on which the backend speaks unasked is thrown away", function()
    local backend = play.backend(function(conn, n)
      play.receive(conn)
      conn:send(play.text "right")
      if n == 1 then
        play.pause(0.05)
        conn:send(play.text "wrong")
      end
      assert.truthy(conn:ended_by_peer())
    end)
    local client = play.client(play.balancer { backends = { backend } })
    client:send(GET)
    assert.equal("right", client:response().body)
    play.wait("the balancer to close", function() return #backend:connections() == 0 end)
    client:send(GET)
    assert.equal("right", client:response().body)
    assert.equal(2, backend.served)
  end)

  it("that carries more than the response is thrown away", function()
    local backend = play.backend(function(conn)
      play.receive(conn)
      conn:send(play.text "right" .. play.text "wrong")
      conn:ended_by_peer()
    end)
    local client = play.client(play.balancer { backends = { backend } })
    for _ = 1, 3 do
      client:send(GET)
      assert.equal("right", client:response().body)
    end
    assert.equal(3, backend.served)
  end)

  it("is closed when it has been idle for timeouts.upstream_idle", function()
    local backend = play.hello "x"
    local lb = play.balancer { backends = { backend }, settings = "timeouts = { upstream_idle = 0.3 }" }
    lb:fetch "/"
    play.wait("the balancer to close", function() return #backend:connections() == 0 end)
  end)
end)
