-- What is said over TLS arrives whole, in both directions, and its end is an end and no cut.
local certificates = require "spec.support.certificates"
local play = require "spec.support.play"
local tls = require "spec.support.tls"

local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
local MIB = 1024 * 1024

describe("over TLS", function()
  after_each(function()
    tls.clear()
    play.curtain()
  end)

  local function start(backend, settings, options)
    options = options or {}
    options.backends = { backend }
    options.listen = false
    options.script = ("return { health = { interval = 0.2, timeout = 5 }, %s %s %s }"):format(
      "listen = { { '127.0.0.1:0', tls = true } },",
      certificates.settings { certificates.new { names = { "a.test" } } }, settings or "")
    return play.balancer(options)
  end

  local function patterned(bytes)
    local lines = {}
    for i = 1, bytes / 16 do lines[i] = ("%015d\n"):format(i) end
    return table.concat(lines)
  end

  for _, version in ipairs { "1.2", "1.3" } do
    describe(version, function()
      it("carries large bodies both ways, and leaves the connection for the next request", function()
        local body = patterned(3 * MIB)
        local lb = start(play.answering(function(request) return request.body end))
        local client = tls.client(lb, { version = version })
        for _ = 1, 2 do
          client:send(("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"):format(#body), body)
          local response = client:response()
          assert.is_true(response.body == body)
        end
        lb:exchange(nil, 2)
      end)

      it("carries a body in chunks both ways", function()
        local body = patterned(MIB)
        local lb = start(play.backend(function(conn)
          while true do
            local request = conn:request()
            conn:send "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            for at = 1, #request.body, 50000 do
              local piece = request.body:sub(at, at + 49999)
              conn:send(("%x\r\n"):format(#piece), piece, "\r\n")
            end
            conn:send "0\r\n\r\n"
          end
        end))
        local client = tls.client(lb, { version = version })
        client:send "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        for at = 1, #body, 70000 do
          local piece = body:sub(at, at + 69999)
          client:send(("%x\r\n"):format(#piece), piece, "\r\n")
        end
        client:send "0\r\n\r\n"
        assert.is_true(client:response().body == body)
      end)

      it("waits for a client that reads slowly, and loses nothing", function()
        local body = patterned(8 * MIB)
        local lb = start(play.hello(body))
        local client = tls.client(lb, { version = version, receive_buffer = 65536 })
        client:send(GET)
        client:sip(1)
        client:go_on()
        assert.is_true(client:response().body == body)
      end)

      it("waits for a backend that reads slowly, and loses nothing", function()
        local body, got = patterned(8 * MIB), nil
        local lb = start(play.backend(function(conn)
          conn:hold()
          play.pause(0.5)
          conn:go_on()
          got = conn:request().body
          conn:send "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        end))
        local client = tls.client(lb, { version = version })
        client:send(("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"):format(#body), body)
        assert.equal(200, client:response().status)
        assert.is_true(got == body)
      end)

      it("answers requests that come at once, in their order", function()
        local lb = start(play.answering(function(request) return request.target end))
        local client = tls.client(lb, { version = version })
        client:send(("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n") ..
          "GET /3 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert.equal("/1 /2 /3", play.bodies(client:responses(3)))
      end)

      it("says the end behind an answer that is the last", function()
        local lb = start(play.hello "x")
        local client = tls.client(lb, { version = version })
        client:send "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        assert.equal("x", client:response().body)
        assert.equal("end", client:ended_by_peer())
        assert.is_true(tls.was_told(client))
      end)

      it("ends an answer without a length by the end, which is said", function()
        local body = patterned(MIB)
        local lb = start(play.backend(function(conn)
          conn:request()
          conn:send("HTTP/1.0 200 OK\r\n\r\n", body)
        end))
        local client = tls.client(lb, { version = version })
        client:send "GET / HTTP/1.0\r\n\r\n"
        assert.is_true(client:response().body == body)
        assert.is_true(tls.was_told(client))
      end)

      it("cuts an answer that the backend has cut, by a reset where the end would say that it is whole", function()
        local lb = start(play.backend(function(conn)
          conn:request()
          conn:send "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"
          conn:drained()
          conn:reset()
        end))
        local client = tls.client(lb, { version = version })
        client:send "GET / HTTP/1.0\r\n\r\n"
        client:ended_by_peer()
        assert.is_false(tls.was_told(client))
        assert.equal("reset", client.ended)
      end)

      it("says the end when an idle connection has been idle for long", function()
        local lb = start(play.hello "x", "timeouts = { keep_alive = 0.3 },")
        local client = tls.client(lb, { version = version })
        client:send(GET)
        assert.equal("x", client:response().body)
        assert.equal("end", client:ended_by_peer())
        assert.is_true(tls.was_told(client))
      end)

      it("takes a request that the client's end stands behind", function()
        local lb = start(play.hello "x")
        local client = tls.client(lb, { version = version })
        client:send(GET)
        client:finish()
        assert.equal("x", client:response().body)
        assert.equal("end", client:ended_by_peer())
        assert.is_true(tls.was_told(client))
      end)

      it("takes a whole request of a client that does not say its end, too", function()
        local lb = start(play.hello "x")
        local client = tls.client(lb, { version = version })
        client:send(GET)
        tls.raw(client):shutdown()
        assert.equal("x", client:response().body)
      end)

      it("does not take a request for whole whose client is cut off", function()
        local requests = {}
        local lb = start(play.backend(function(conn) requests[#requests + 1] = conn:request() end))
        local client = tls.client(lb, { version = version })
        client:send "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345"
        play.pause(0.1)
        tls.raw(client):shutdown()
        assert.equal(499, lb:exchange().status)
        for _, request in ipairs(requests) do assert.is_false(request.complete) end
      end)

      it("ends a connection on which bytes were changed", function()
        local lb = start(play.hello "x")
        local client = tls.client(lb, { version = version })
        tls.raw(client):write("\23\3\3\0\40" .. ("x"):rep(40))
        client:ended_by_peer()
        assert.is_false(tls.was_told(client))
        assert.equal(0, #lb:exchanges())
      end)

      it("serves many connections at once", function()
        local lb = start(play.hello(patterned(65536)))
        local clients = {}
        for i = 1, 50 do
          clients[i] = tls.client(lb, { version = version })
        end
        for _, client in ipairs(clients) do client:send(GET) end
        for _, client in ipairs(clients) do assert.equal(65536, #client:response().body) end
      end)
    end)
  end

  it("carries a tunnel, and its ends", function()
    local lb = start(play.backend(function(conn)
      conn:request()
      conn:send "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"
      while true do
        local line = conn:line()
        if not line then break end
        conn:send(line, "\n")
      end
    end))
    local client = tls.client(lb)
    client:send "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"
    assert.equal(101, client:response().status)
    for i = 1, 20 do
      client:send(i .. "\n")
      assert.equal(tostring(i), client:line())
    end
    client:finish()
    assert.equal("end", client:ended_by_peer())
    assert.is_true(tls.was_told(client))
  end)

  it("cuts a tunnel whose client goes without a word", function()
    local how
    local lb = start(play.backend(function(conn)
      conn:request()
      conn:send "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"
      conn.stays_open = true
      how = conn:ended_by_peer()
    end))
    local client = tls.client(lb)
    client:send "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"
    assert.equal(101, client:response().status)
    tls.raw(client):shutdown()
    play.wait("the backend to see it", function() return how end)
    assert.equal("reset", how)
  end)

  it("finishes what is on its way when it drains, and says the end to all", function()
    local go = false
    local lb = start(play.backend(function(conn)
      conn:request()
      play.wait("leave to answer", function() return go end)
      conn:send "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"
    end))
    local idle, busy = tls.client(lb), tls.client(lb)
    busy:send(GET)
    play.wait("the request", function() return #lb:children() > 0 end)
    play.pause(0.1)
    lb:signal "sigterm"
    assert.equal("end", idle:ended_by_peer())
    assert.is_true(tls.was_told(idle))
    go = true
    local response = busy:response()
    assert.equal("x", response.body)
    assert.equal("close", response:field "connection")
    assert.equal("end", busy:ended_by_peer())
    assert.is_true(tls.was_told(busy))
    lb:wait_exit()
  end)
end)
