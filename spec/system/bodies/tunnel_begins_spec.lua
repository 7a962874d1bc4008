-- Upgrades (RFC 9110, 7.8; RFC 6455): what a tunnel begins with, and when none begins.
local play = require "spec.support.play"
local tunnels = require "spec.support.tunnels"

local switching, balancer, upgraded, noise = tunnels.switching, tunnels.balancer, tunnels.upgraded, tunnels.noise
local HEAD, UPGRADE, GET, RARE = tunnels.HEAD, tunnels.UPGRADE, tunnels.GET, tunnels.RARE
local SWITCH, SWITCHED = tunnels.SWITCH, tunnels.SWITCHED

describe("an upgrade", function()
  after_each(play.curtain)

  it("is asked of the backend and agreed to the client, and echoes both ways", function()
    local backend = switching()
    local lb = balancer(backend)
    local client = play.client(lb)
    client:send(UPGRADE)
    assert.equal(SWITCHED, client:exactly(#SWITCHED))
    local request = backend.requests[1]
    assert.equal("websocket", request:field "upgrade")
    assert.equal("upgrade", request:field "connection")
    for i = 1, 50 do
      local text = ("message %d \0\r\n\r\nGET / HTTP/1.1\r\n\r\n"):format(i)
      client:send(text)
      assert.equal(text, client:exactly(#text))
    end
    client:finish()
    assert.equal("end", client:ended_by_peer())
    local line = lb:exchange()
    assert.equal(101, line.status)
    assert.equal("ok", line.tries[1].outcome)
    assert.is_nil(line.note)
    assert.truthy(line.bytes_in > 1500 and line.bytes_in == line.bytes_out, line.bytes_in)
  end)

  it("passes what the client has sent early behind the 101, and not before", function()
    local before, after
    local backend = play.backend(function(conn)
      conn:request()
      play.pause(0.2)
      before = conn:peek()
      conn:send(SWITCH)
      after = conn:exactly(14)
      conn:send "late"
      conn:ended_by_peer()
    end)
    local client = play.client(balancer(backend))
    client:send(UPGRADE, "early, ")
    play.pause(0.05)
    client:send "so early"
    assert.equal(101, client:response().status)
    assert.equal("late", client:exactly(4))
    assert.equal("", before)
    assert.equal("early, so earl", after)
  end)

  it("passes much that was sent early, and an end behind it", function()
    local early, received = noise(1024 * 1024)
    local backend = play.backend(function(conn)
      conn:request()
      play.pause(0.3)
      assert.equal(0, conn.size)
      conn:send(SWITCH)
      received = conn:rest()
      conn:send "all of it"
    end)
    local lb = balancer(backend)
    local client = play.client(lb)
    client:send(UPGRADE, early)
    client:finish()
    assert.equal(101, client:response().status)
    assert.equal("all of it", client:rest())
    assert.truthy(received == early)
    assert.equal(#early, lb:exchange().bytes_in)
  end)

  it("that the backend does not make is a request like others, and what follows is the next one", function()
    local backend = play.answering(function(request) return request.target end)
    local client = play.client(balancer(backend))
    client:send(UPGRADE, GET)
    assert.equal("/chat /plain", play.bodies(client:responses(2)))
    assert.is_nil(backend.requests[2]:field "upgrade")
    assert.equal(1, backend.served)
  end)

  it("passes what the backend has sent together with its 101", function()
    local backend = play.backend(function(conn)
      conn:request()
      conn:send(SWITCH, "HTTP/1.1 200 OK\r\n\r\n")
      conn:ended_by_peer()
    end)
    local client = play.client(balancer(backend))
    client:send(UPGRADE)
    local wanted = SWITCHED .. "HTTP/1.1 200 OK\r\n\r\n"
    assert.equal(wanted, client:exactly(#wanted))
  end)

  it("is the same if its 101 comes a byte at a time", function()
    local backend = play.backend(function(conn)
      conn:request()
      for i = 1, #SWITCH do
        conn:send(SWITCH:sub(i, i))
        play.pause(0.001)
      end
      conn:send "a"
      conn:ended_by_peer()
    end)
    local client = play.client(balancer(backend))
    client:send(UPGRADE)
    assert.equal(SWITCHED .. "a", client:exactly(#SWITCHED + 1))
  end)

  it("may come after interim responses", function()
    local backend = play.backend(function(conn)
      conn:request()
      conn:send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", SWITCH, "then")
      conn:ended_by_peer()
    end)
    local client = play.client(balancer(backend))
    client:send(UPGRADE)
    assert.equal(103, client:response().status)
    assert.equal(101, client:response().status)
    assert.equal("then", client:exactly(4))
  end)

  it("works over a pooled connection that the backend has closed meanwhile", function()
    local backend = play.backend(function(conn, n)
      local request = play.receive(conn)
      if request.target == "/plain" then
        conn:send(play.text "x")
        conn:request_head()
        return
      end
      conn:send(SWITCH)
      conn:send("connection " .. n)
      conn:ended_by_peer()
    end)
    local client = play.client(balancer(backend))
    client:send(GET)
    assert.equal("x", client:response().body)
    client:send(UPGRADE)
    assert.equal(101, client:response().status)
    assert.equal("connection 2", client:exactly(12))
  end)

  it("is made by the next backend, if the first one agrees to something else", function()
    local wrong = play.backend(function(conn)
      conn:request()
      conn:send((SWITCH:gsub("websocket", "irc")))
      conn:ended_by_peer()
    end)
    local right = switching()
    local lb = play.balancer {
      backends = { wrong, right },
      settings = RARE .. "choose = function(ctx, backends) return backends[1] end,",
    }
    local client = upgraded(lb)
    client:send "hello"
    assert.equal("hello", client:exactly(5))
    client:finish()
    local tries = lb:exchange({ status = 101 }).tries
    assert.equal("protocol ok", tries[1].outcome .. " " .. tries[2].outcome)
  end)

  it("works through a unix socket", function()
    local backend = play.backend { path = play.directory() .. "/upgrade.sock", serve = function(conn)
      conn:request()
      conn:send(SWITCH)
      conn:send(conn:rest())
      conn:drained()
    end }
    local lb = balancer(backend)
    local client = upgraded(lb)
    client:send(("hello "):rep(50000))
    client:finish()
    assert.equal(300000, #client:rest())
    assert.equal("ok", lb:exchange().tries[1].outcome)
  end)

  it("ends with its connections: neither is used again", function()
    local backend = play.backend(function(conn, n)
      conn:request()
      if n == 2 then return conn:send(play.text "two") end
      conn:send(SWITCH)
      conn:rest()
    end)
    local lb = balancer(backend)
    local client = upgraded(lb)
    client:send(GET)
    client:finish()
    assert.equal("", client:rest())
    assert.equal("two", lb:fetch("/").body)
    assert.equal(2, backend.served)
  end)
end)

describe("no tunnel begins", function()
  after_each(play.curtain)

  -- Answers 101 to whatever it is asked.
  local function forward_backend(switch)
    local how
    local backend = play.backend(function(conn)
      play.receive(conn)
      conn:send(switch or SWITCH, "secret")
      how = conn:ended_by_peer()
    end)
    return backend, function() return play.wait("the end at the backend", function() return how end) end
  end

  for what, request in pairs {
    ["for a request that does not ask for one"] = GET,
    ["for an upgrade that Connection does not name"] = HEAD .. "Upgrade: websocket\r\n\r\n",
    ["for a 1.0 client"] = "GET / HTTP/1.0\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ["for h2c"] = HEAD .. "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
  } do
    it(what .. ", whatever the backend says", function()
      local backend, ended = forward_backend()
      local lb = balancer(backend)
      local client = play.client(lb)
      client:send(request)
      assert.equal(502, client:response().status)
      assert.truthy(ended())
      assert.is_nil(backend.requests[1]:field "upgrade")
      assert.is_nil(backend.requests[1]:field "connection")
      assert.is_nil(backend.requests[1]:field "http2-settings")
      assert.equal("protocol", lb:exchange().tries[1].outcome)
    end)
  end

  for what, switch in pairs {
    ["to another protocol than was offered"] = SWITCH:gsub("websocket", "irc"),
    ["to no protocol"] = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\n",
    ["to h2c"] = SWITCH:gsub("websocket", "h2c"),
  } do
    it("for a 101 " .. what, function()
      local backend, ended = forward_backend(switch)
      local client = play.client(balancer(backend))
      client:send(HEAD, "Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n\r\n")
      assert.equal(502, client:response().status)
      assert.truthy(ended())
      assert.equal("websocket", backend.requests[1]:field "upgrade")
    end)
  end

  it("without harm to a backend: any client can ask for what it does not speak", function()
    local one, two = forward_backend(), forward_backend()
    local lb = balancer(nil, { backends = { one, two } })
    for i = 1, 12 do
      local client = play.client(lb)
      client:send(HEAD, "Connection: Upgrade\r\nUpgrade: x\r\n\r\n")
      assert.equal(502, client:response().status)
      lb:exchange(nil, i)
    end
    assert.equal("up", lb:up(one) and lb:up(two) and "up")
    assert.same({}, lb:events "backend_ejected")
  end)

  it("for h2c, and the request is forwarded without it", function()
    local backend = play.answering(function() return "answer" end)
    local client = play.client(balancer(backend))
    client:send(HEAD, "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n")
    assert.equal("answer", client:response().body)
    assert.is_nil(backend.requests[1]:field "upgrade")
    assert.is_nil(backend.requests[1]:field "connection")
  end)
end)
