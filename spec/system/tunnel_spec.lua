-- An upgraded connection (RFC 9110, 7.8; RFC 6455): after the 101, bytes both ways, as they are.
local play = require "spec.support.play"

local HEAD = "GET /chat HTTP/1.1\r\nHost: x\r\n"
local UPGRADE = HEAD .. "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
local SWITCH = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
local SWITCHED = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nVia: 1.1 lb\r\nConnection: upgrade\r\n\r\n"
local GET = "GET /plain HTTP/1.1\r\nHost: x\r\n\r\n"
local RARE = "health = { interval = 60, timeout = 5, eject_after = 1 },"

-- A backend that switches, and then does what fn says; without it, it sends back what it gets.
local function switching(fn)
  return play.backend(function(conn)
    play.receive(conn)
    conn:send(SWITCH)
    if fn then return fn(conn) end
    while not conn.ended do
      play.wait("bytes", function() return conn.size > 0 or conn.ended end)
      conn:send(conn:exactly(conn.size))
    end
  end)
end

local function balancer(backend, options)
  options = options or {}
  options.backends = options.backends or { backend }
  options.settings = RARE .. (options.settings or "")
  return play.balancer(options)
end

-- A client whose 101 has come.
local function upgraded(lb, options)
  local client = play.client(lb, options)
  client:send(UPGRADE)
  assert.equal(101, client:response().status)
  return client
end

local function assert_backend_well(lb)
  assert.same({}, lb:events "backend_ejected")
  assert.same({}, lb:events "backend_down")
end

local function noise(bytes)
  local parts, seed = {}, 7
  for i = 1, bytes / 4096 do
    seed = (seed * 1103515245 + 12345) % 2147483648
    parts[i] = ("%08x\0\r\n%c%05d"):format(seed, i % 256, i % 100000):rep(256):sub(1, 4096)
  end
  return table.concat(parts)
end

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

  it("for h2c, and the request goes on without it", function()
    local backend = play.answering(function() return "answer" end)
    local client = play.client(balancer(backend))
    client:send(HEAD, "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n")
    assert.equal("answer", client:response().body)
    assert.is_nil(backend.requests[1]:field "upgrade")
    assert.is_nil(backend.requests[1]:field "connection")
  end)
end)

describe("a tunnel", function()
  after_each(play.curtain)

  it("passes a client's end on, and what the backend sends after it", function()
    local backend = switching(function(conn)
      assert.equal("last words", conn:rest())
      assert.equal("end", conn.ended)
      play.pause(0.2)
      conn:send "the answer"
    end)
    local lb = balancer(backend)
    local client = upgraded(lb)
    client:send "last words"
    client:finish()
    assert.equal("the answer", client:rest())
    assert.equal("end", client.ended)
    assert.equal("ok", lb:exchange({ status = 101 }).tries[1].outcome)
  end)

  it("passes a backend's end on, and what the client sends after it", function()
    local received
    local backend = switching(function(conn)
      conn:send "last words"
      conn:finish()
      received = conn:rest()
      assert.equal("end", conn.ended)
    end)
    local lb = balancer(backend)
    local client = upgraded(lb)
    assert.equal("last words", client:rest())
    assert.equal("end", client.ended)
    client:send "the answer"
    play.pause(0.2)
    client:send " in two"
    client:finish()
    assert.equal("ok", lb:exchange({ status = 101 }).tries[1].outcome)
    assert.equal("the answer in two", play.wait("the backend", function() return received end))
  end)

  local MIB = 1024 * 1024
  local bytes = noise(8 * MIB)

  it("waits for a slow client, byte for byte, with bounded memory", function()
    local backend = switching(function(conn)
      conn:send(bytes)
      conn:ended_by_peer()
    end)
    local lb = balancer(backend, { settings = "timeouts = { response_body = 0.3, request_body = 0.3 }," })
    local before = play.memory(lb)
    local client = upgraded(lb, { receive_buffer = 32768 })
    client:hold()
    play.pause(0.5)
    local during = play.memory(lb) - before
    client:sip(0.5)
    client:go_on()
    assert.truthy(client:exactly(#bytes) == bytes)
    assert.truthy(during < 1024 * play.slow, during)
    client:send "x"
    client:finish()
    assert.equal("ok", lb:exchange({ status = 101 }).tries[1].outcome)
  end)

  it("waits for a slow backend, byte for byte, with bounded memory", function()
    local received
    local backend = switching(function(conn)
      conn:hold()
      play.pause(0.7)
      conn:sip(0.5)
      conn:go_on()
      received = conn:rest()
    end)
    local lb = balancer(backend, { settings = "timeouts = { response_head = 0.3, request_body = 0.3 }," })
    local before = play.memory(lb)
    local client = upgraded(lb)
    client:send(bytes)
    play.pause(0.5)
    local during = play.memory(lb) - before
    client:finish()
    assert.equal("ok", lb:exchange({ status = 101 }).tries[1].outcome)
    assert.truthy(play.wait("the backend", function() return received end) == bytes)
    assert.truthy(during < 1024 * play.slow, during)
  end)

  it("carries much both ways at once", function()
    local received
    local backend = switching(function(conn)
      conn:send(bytes)
      conn:finish()
      received = conn:rest()
    end)
    local lb = balancer(backend)
    local client = upgraded(lb)
    client:send(bytes)
    client:finish()
    assert.truthy(client:rest() == bytes)
    local line = lb:exchange { status = 101 }
    assert.equal(#bytes, line.bytes_in)
    assert.equal(#bytes, line.bytes_out)
    assert.truthy(play.wait("the backend", function() return received end) == bytes)
  end)

  -- Both sides have ended, and lb still has much of what one of them sent: no peace is a reset.
  it("brings a late reader all that a backend sent before both had ended", function()
    local sent = bytes:sub(1, 4000000)
    local gone
    local backend = switching(function(conn)
      conn:rest()
      conn:send(sent)
      conn:finish()
      conn:drained()
      gone = true
    end)
    local lb = balancer(backend)
    local client = upgraded(lb, { receive_buffer = 32768 })
    client:hold()
    client:send "hello"
    client:finish()
    play.pause(1.2) -- lb asks twice a second whether they are there
    client:go_on()
    assert.truthy(client:rest() == sent)
    assert.equal("end", client.ended)
    assert.truthy(gone)
    assert.is_nil(lb:exchange({ status = 101 }).note)
  end)

  it("brings a late backend all that a client sent before both had ended", function()
    local sent = bytes:sub(1, 4000000)
    local received, how
    local backend = switching(function(conn)
      conn:finish()
      conn:hold()
      play.pause(1.2)
      conn:go_on()
      received, how = conn:rest(), conn.ended
    end)
    local lb = balancer(backend)
    local client = upgraded(lb)
    client:send(sent)
    client:finish()
    play.wait("the backend", function() return received end)
    assert.truthy(received == sent)
    assert.equal("end", how)
    assert.is_nil(lb:exchange({ status = 101 }).note)
  end)

  it("has no other timeout than timeouts.tunnel, which a byte either way begins anew", function()
    local got
    local backend = switching(function(conn)
      assert.equal("a", conn:exactly(1))
      play.pause(0.5)
      conn:send "b"
      got = conn:ended_by_peer()
    end)
    local lb = balancer(backend, {
      settings = [[timeouts = { request = 0.2, request_head = 0.2, request_body = 0.2, response_head = 0.2,
        response_body = 0.2, keep_alive = 0.2, upstream_idle = 0.2, tunnel = 0.8 }]],
    })
    local client = upgraded(lb)
    play.pause(0.5)
    client:send "a"
    assert.equal("b", client:exactly(1))
    client:ended_by_peer()
    local line = lb:exchange { status = 101 }
    assert.equal("timeouts.tunnel", line.note)
    assert.truthy(line.ms.total > 1700, line.ms.total)
    play.wait("the end at the backend", function() return got end)
    assert_backend_well(lb)
  end)

  it("does not count bytes that nobody takes as movement", function()
    local backend = switching(function(conn)
      conn:hold()
      conn:ended_by_peer()
    end)
    local lb = balancer(backend, { settings = "timeouts = { tunnel = 0.5 }," })
    local client = upgraded(lb)
    client:send(bytes)
    assert.equal("reset", client:ended_by_peer())
    assert.equal("timeouts.tunnel", lb:exchange({ status = 101 }).note)
  end)

  it("is seen as a reset by the backend if the client resets", function()
    local how
    local backend = switching(function(conn) how = conn:ended_by_peer() end)
    local lb = balancer(backend)
    upgraded(lb):reset()
    local line = lb:exchange { status = 101 }
    assert.equal("cancelled", line.tries[1].outcome)
    assert.equal("the client went away", line.note)
    play.wait("the end at the backend", function() return how end)
    assert.equal("reset", how)
    assert_backend_well(lb)
  end)

  it("is seen as a reset by the client if the backend resets", function()
    local goes
    local backend = switching(function(conn)
      play.wait("the word", function() return goes end)
      conn:reset()
    end)
    local lb = balancer(backend)
    local client = upgraded(lb)
    goes = true
    assert.equal("reset", client:ended_by_peer())
    assert.equal("reset", lb:exchange({ status = 101 }).tries[1].outcome)
    assert_backend_well(lb) -- what it speaks in there is its own affair
  end)

  it("is seen as a reset by a backend that was shut already, if the client resets then", function()
    local how
    local backend = switching(function(conn)
      assert.equal("", conn:rest())
      conn.ended = nil
      conn:send "x"
      while conn:drained() and not conn.ended do
        conn:send "x"
        play.pause(0.02)
      end
      how = conn.broken or conn.ended
    end)
    local lb = balancer(backend)
    local client = upgraded(lb)
    client:finish()
    client:has(1)
    client:reset()
    assert.equal("the client went away", lb:exchange({ status = 101 }).note)
    assert.truthy(play.wait("the reset at the backend", function() return how end))
    assert.truthy(how == "ECONNRESET" or how == "EPIPE" or how == "reset", how)
  end)

  for what, slow in pairs {
    ["client that resets while its backend takes nothing"] = "backend",
    ["backend that resets while its client takes nothing"] = "client",
  } do
    it("notices a " .. what, function()
      local goes, how
      local backend = switching(function(conn)
        if slow == "backend" then conn:hold() else conn:send(bytes) end
        play.wait("the word", function() return goes end)
        if slow == "client" then return conn:reset() end
        conn:go_on()
        how = conn:ended_by_peer()
      end)
      local lb = balancer(backend)
      local client = upgraded(lb)
      if slow == "client" then client:hold() else client:send(bytes) end
      play.pause(0.3)
      if slow == "backend" then client:reset() else goes = true end
      local line = lb:exchange { status = 101 }
      assert.equal(slow == "backend" and "cancelled" or "reset", line.tries[1].outcome)
      goes = true
      if slow == "client" then client:go_on() end
      assert.equal("reset", slow == "client" and client:ended_by_peer() or play.wait("it", function() return how end))
    end)
  end

  it("counts as in flight until it is over", function()
    local backend = play.backend(function(conn)
      local request = conn:request()
      if request.target == "/plain" then return conn:send(play.text "free") end
      conn:send(SWITCH)
      conn:rest()
    end)
    local lb = balancer(nil, {
      backends = {},
      settings = ("backends = { { address = %q, max_in_flight = 1 } },"):format(backend.address),
    })
    local client = upgraded(lb)
    assert.equal(503, lb:fetch("/plain").status)
    client:finish()
    assert.equal("end", client:ended_by_peer())
    assert.equal("free", lb:fetch("/plain").body)
  end)

  it("is left to end by itself while lb drains", function()
    local lb = balancer(switching())
    local client = upgraded(lb)
    lb:signal "sigterm"
    lb:event "drain"
    play.pause(0.5)
    client:send "still there?"
    assert.equal("still there?", client:exactly(12))
    client:finish()
    assert.equal("end", client:ended_by_peer())
    assert.same({ code = 0, signal = 0 }, lb:wait_exit())
    assert.equal(101, lb:exchange().status)
    assert.is_nil(lb:exchange().note)
  end)

  it("is cut at the end of --drain-timeout, and both see that it did not end by itself", function()
    local how
    local backend = switching(function(conn) how = conn:ended_by_peer() end)
    local lb = balancer(backend, { args = { "--drain-timeout", "0.5" } })
    local client = upgraded(lb)
    lb:stop()
    assert.equal("reset", client:ended_by_peer())
    assert.equal("reset", play.wait("the end at the backend", function() return how end))
    assert.equal(101, lb:exchange().status)
    assert.equal("cut at the end of the drain", lb:exchange().note)
  end)

  it("leaves other requests alone, many at a time", function()
    local backend = switching()
    local other = play.hello "other"
    local lb = balancer(nil, {
      backends = { backend, other },
      settings = [[choose = function(ctx, backends) return backends[ctx.path == "/chat" and 1 or 2] end,]],
    })
    local clients = {}
    for i = 1, 20 do clients[i] = upgraded(lb) end
    for round = 1, 5 do
      for i, client in ipairs(clients) do client:send(("%d of %d"):format(round, i)) end
      assert.equal("other", lb:fetch("/").body)
      for i, client in ipairs(clients) do
        local text = ("%d of %d"):format(round, i)
        assert.equal(text, client:exactly(#text))
      end
    end
    for _, client in ipairs(clients) do client:finish() end
    for _, client in ipairs(clients) do assert.equal("end", client:ended_by_peer()) end
  end)
end)
