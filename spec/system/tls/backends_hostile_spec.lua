-- Backends over TLS that break off, are slow, send what nobody asked for, or change under way.
local authority = require "spec.support.authority"
local hello = require "spec.support.hello"
local play = require "spec.support.play"
local tls = require "spec.support.tls"

local function answer(body) return ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body) end

describe("a backend over TLS", function()
  after_each(function()
    play.curtain()
    tls.clear()
  end)

  local ca, both

  before_each(function()
    ca = authority.make { ca = true, common_name = "spec ca" }
    both = authority.make({ by = ca, names = { "IP:127.0.0.1" } }).both
  end)

  local function start(backend, more)
    return play.balancer { settings = ([[health = function() return true end,
      backends = { { address = %q, tls = { ca = %q } } },
      %s]]):format("https://" .. backend.address, ca.cert, more or "") }
  end

  local function outcomes(exchange)
    local list = {}
    for i, try in ipairs(exchange.tries) do list[i] = try.outcome end
    return table.concat(list, " ")
  end

  it("that accepts and is silent has timeouts.connect for its handshake", function()
    local lb = start(play.blocked(), "timeouts = { connect = 0.3 },")
    local seconds, response = play.timed(lb.fetch, lb, "/")
    assert.equal(503, response.status)
    assert.truthy(seconds < 5)
    assert.equal("connect_timeout", lb:exchange({ path = "/" }).tries[1].outcome)
  end)

  it("that accepts and is silent is asked for one connection only", function()
    local accepted = 0
    local backend = play.backend { accept = function(conn)
      accepted = accepted + 1
      conn:rest()
    end }
    local lb = start(backend, "timeouts = { connect = 1.2 },")
    lb:fetch "/"
    assert.equal(1, accepted)
  end)

  it("that closes in its handshake is refused", function()
    local backend = play.backend(function(conn) conn:peek() end)
    local lb = start(backend)
    assert.equal(502, lb:fetch("/").status)
    assert.equal("closed in the handshake", lb:exchange({ path = "/" }).note)
  end)

  it("that answers a hello with noise is refused", function()
    for _, noise in ipairs { ("\0"):rep(100), ("x"):rep(300000), "\22\3\3\64\0" .. ("a"):rep(16384),
      "\21\3\3\0\2\2\40", "\23\3\3\0\1a" } do
      local backend = play.backend(function(conn)
        conn:send(noise)
        conn:rest()
      end)
      local lb = start(backend)
      assert.equal(502, lb:fetch("/").status)
      assert.equal("tls", outcomes(lb:exchange { path = "/" }))
    end
  end)

  it("may take its time for the handshake, byte by byte", function()
    local backend = tls.backend({ both = both, before = function(conn)
      conn:hold()
      play.pause(0.1)
    end }, function(conn)
      conn:request()
      conn:send(answer "slow")
    end)
    assert.equal("slow", start(backend):fetch("/").body)
  end)

  -- A backend that does so to clients that offer a session; and whether each client did.
  local function averse(refuse)
    local offers = {}
    return tls.backend({ both = both, version = "1.3", before = function(conn)
      local said = play.wait("a hello", function()
        local step, read = hello.read(conn:peek())
        return step ~= "more" and read
      end)
      offers[#offers + 1] = said.psk
      if said.psk then refuse(conn) end
    end }, function(conn)
      conn:request()
      conn:send "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"
    end), offers
  end

  for what, refuse in pairs {
    ["an alert"] = function(conn)
      conn:send "\21\3\3\0\2\2\40"
      conn:rest()
    end,
    ["an end"] = function(conn)
      conn:finish()
      conn:rest()
    end,
    ["noise"] = function(conn)
      conn:send(("\0"):rep(100))
      conn:rest()
    end,
    ["a reset"] = function(conn) conn:reset() end,
  } do
    it("that meets each session with " .. what .. " is asked without one after that", function()
      local backend, offers = averse(refuse)
      local lb, seen = start(backend), {}
      for i = 1, 5 do seen[i] = lb:fetch("/").status end
      assert.same({ 200, 502, 200, 502, 200 }, seen)
      assert.same({ false, true, false, true, false }, offers)
    end)
  end

  it("that meets a session with silence is offered none for a while", function()
    local backend, offers = averse(function(conn) conn:rest() end)
    local lb, seen = start(backend, "timeouts = { connect = 0.5 },"), {}
    for i = 1, 5 do seen[i] = lb:fetch("/").status end
    assert.same({ 200, 503, 200, 200, 200 }, seen)
    assert.same({ false, true, false, false, false }, offers)
  end)

  it("that breaks its records in an answer has failed", function()
    local backend = tls.backend({ both = both }, function(conn)
      conn:request()
      tls.raw(conn):write("\23\3\3\0\48" .. ("x"):rep(48))
      conn:rest()
    end)
    local lb = start(backend)
    assert.equal(502, lb:fetch("/").status)
    local exchange = lb:exchange { path = "/" }
    assert.equal("tls", outcomes(exchange))
    assert.matches("bad record mac", exchange.note)
  end)

  it("that is cut in the middle of a length is cut for the client, too", function()
    local backend = tls.backend({ both = both }, function(conn)
      conn:request()
      conn:send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
      conn:drained()
      tls.raw(conn):shutdown()
      conn.stays_open = true
    end)
    local lb = start(backend)
    local client = lb:connect()
    client:send "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    client:response_head()
    client:rest()
    assert.matches("middle of the response", lb:exchange({ path = "/" }).note)
  end)

  it("may change its keys between answers, and in one", function()
    local backend = tls.backend({ both = both, version = "1.3" }, function(conn)
      for i = 1, 5 do
        if not conn:request() then return end
        tls.update(conn)
        conn:send "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"
        tls.update(conn)
        conn:send("hello" .. i)
        tls.update(conn)
        conn.handle:flush()
      end
    end)
    local lb = start(backend)
    for i = 1, 5 do assert.equal("hello" .. i, lb:fetch("/").body) end
    assert.equal(1, #backend.handshakes)
  end)

  it("whose message waits on an idle connection is asked there all the same", function()
    local backend = tls.backend({ both = both, version = "1.3" }, function(conn)
      for i = 1, 3 do
        if not conn:request() then return end
        conn:send(answer("hello" .. i))
        conn:drained()
        tls.update(conn)
        conn.handle:flush()
      end
    end)
    local lb = start(backend)
    local client = lb:connect()
    for i = 1, 3 do -- a POST is looked at before it goes out
      client:send "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"
      assert.equal("hello" .. i, client:response().body)
    end
    assert.equal(1, #backend.handshakes)
  end)

  it("that speaks when nobody has asked is asked on another connection", function()
    local spoke = 0
    local backend = tls.backend({ both = both }, function(conn)
      if not conn:request() then return end
      conn:send(answer "right")
      conn:drained()
      conn:send(answer "wrong")
      spoke = spoke + 1
      conn:rest()
    end)
    local lb = start(backend)
    for i = 1, 5 do
      assert.equal("right", lb:fetch("/", { method = "POST", body = "x" }).body)
      play.wait("it to speak", function() return spoke == i end)
    end
    assert.equal(5, #backend.handshakes)
  end)

  it("that sends KeyUpdates without end is cut off", function()
    local backend = tls.backend({ both = both, version = "1.3" }, function(conn)
      conn:request()
      tls.update(conn, 200)
      conn.handle:flush()
      conn:rest()
    end)
    local lb = start(backend)
    assert.equal(502, lb:fetch("/").status)
    assert.equal("too many messages that are no data", lb:exchange({ path = "/" }).note)
  end)

  it("that closes an idle connection in peace is asked on a new one", function()
    local backend = tls.backend({ both = both }, function(conn)
      conn:request()
      conn:send(answer "one")
    end)
    local lb = start(backend)
    for _ = 1, 5 do assert.equal("one", lb:fetch("/", { method = "POST", body = "x" }).body) end
    assert.equal(5, #backend.handshakes)
  end)

  it("gets and gives big bodies whole", function()
    local size = 20 * 1024 * 1024
    local backend = tls.backend({ both = both }, function(conn)
      local request = conn:request()
      conn:send(answer(request.body))
      conn:drained()
    end)
    local lb = start(backend, "limits = { body = 0 },")
    local body = ("0123456789abcdef"):rep(size / 16)
    local response = lb:fetch("/", { method = "POST", body = body })
    assert.equal(200, response.status)
    assert.truthy(response.body == body)
  end)

  it("is asked by many clients at once", function()
    local backend = tls.backend({ both = both }, function(conn)
      while conn:request() do conn:send(answer "hello") end
    end)
    local lb = start(backend, "timeouts = { connect = 60 },")
    local clients, got = {}, 0
    for i = 1, 50 do
      clients[i] = lb:connect()
      clients[i]:send "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    end
    for i = 1, 50 do got = got + (clients[i]:response().body == "hello" and 1 or 0) end
    assert.equal(50, got)
  end)

  it("may be a tunnel", function()
    local backend = tls.backend({ both = both }, function(conn)
      conn:request()
      conn:send "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nfirst"
      conn:send(conn:exactly(4))
    end)
    local lb = start(backend)
    local client = lb:connect()
    client:send "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"
    assert.equal(101, client:response_head().status)
    client:send "ping"
    assert.equal("firstping", client:rest())
  end)
end)
