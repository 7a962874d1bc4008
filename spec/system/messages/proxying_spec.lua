-- A request, its response and their bodies on their way through lb.
local play = require "spec.support.play"

local GET = "GET %s HTTP/1.1\r\nHost: x\r\n\r\n"

describe("the way of a request", function()
  after_each(play.curtain)

  describe("on the client's connection", function()
    it("serves one request after another", function()
      local backend = play.answering(function(request) return request.target end)
      local client = play.client(play.balancer { backends = { backend } })
      for i = 1, 5 do
        client:send(GET:format("/" .. i))
        assert.equal("/" .. i, client:response().body)
      end
    end)

    it("answers pipelined requests in order", function()
      local function answer(request)
        if request.target == "/slow" then play.pause(0.1) end
        return request.target .. request.body
      end
      local client = play.client(play.balancer { backends = { play.answering(answer), play.answering(answer) } })
      client:send(GET:format "/slow", GET:format "/2", "POST /3 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
        GET:format "/4")
      assert.equal("/slow /2 /3abc /4", play.bodies(client:responses(4)))
    end)

    it("reads a request that comes byte by byte", function()
      local backend = play.answering(function(request) return request.body end)
      local client = play.client(play.balancer { backends = { backend } })
      for byte in ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"):gmatch "." do
        client:send(byte)
        client:drained()
      end
      assert.equal("hello", client:response().body)
    end)

    it("closes after the answer if the client asks for it", function()
      local client = play.client(play.balancer { backends = { play.hello "x" } })
      client:send "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
      assert.equal("close", client:response():field "connection")
      assert.equal("end", client:ended_by_peer())
    end)

    it("answers a client that has already half closed", function()
      local client = play.client(play.balancer { backends = { play.hello "x" } })
      client:send "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
      client:finish()
      assert.equal("x", client:responses(1)[1].body)
    end)

    it("closes after an HTTP/1.0 request, unless that asked for keep-alive", function()
      local lb = play.balancer { backends = { play.hello "x" } }
      local client = play.client(lb)
      client:send "GET / HTTP/1.0\r\n\r\n"
      assert.equal("x", client:response().body)
      assert.equal("end", client:ended_by_peer())

      client = play.client(lb)
      client:send "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
      assert.equal("keep-alive", (client:response():field "connection" or ""):lower())
      client:send "GET / HTTP/1.0\r\n\r\n"
      assert.equal("x", client:response().body)
      assert.equal("end", client:ended_by_peer())
    end)
  end)

  describe("with a response", function()
    local function through(bytes, request, method)
      local backend = play.backend(function(conn)
        conn:request()
        conn:send(bytes)
      end)
      local client = play.client(play.balancer { backends = { backend } })
      client:send(request or GET:format "/")
      return client:response(method), client
    end

    it("to HEAD passes the length on, and no body", function()
      local backend = play.backend(function(conn)
        conn:request()
        conn:send "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
        conn:request()
        conn:send(play.text "next")
      end)
      local client = play.client(play.balancer { backends = { backend } })
      client:send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", GET:format "/")
      assert.equal("5", client:response("HEAD"):field "content-length")
      assert.equal("next", client:response().body)
    end)

    it("of 204 and 304 knows that no body follows", function()
      local backend = play.backend(function(conn)
        conn:request()
        conn:send "HTTP/1.1 204 No Content\r\n\r\n"
        conn:request()
        conn:send "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: \"a\"\r\n\r\n"
        conn:request()
        conn:send(play.text "next")
      end)
      local client = play.client(play.balancer { backends = { backend } })
      client:send(GET:format "/")
      local response = client:response()
      assert.equal(204, response.status)
      assert.is_nil(response:field "content-length")
      assert.is_nil(response:field "transfer-encoding")
      client:send(GET:format "/")
      response = client:response()
      assert.equal(304, response.status)
      assert.equal('"a"', response:field "etag")
      client:send(GET:format "/")
      assert.equal("next", client:response().body)
      assert.equal(1, backend.served)
    end)

    it("relays 1xx to an HTTP/1.1 client", function()
      local response, client = through("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" .. play.text "x")
      assert.equal(103, response.status)
      assert.equal("</a>", response:field "link")
      assert.equal("x", client:response().body)
    end)

    it("keeps 1xx from an HTTP/1.0 client", function()
      local response = through("HTTP/1.1 103 Early Hints\r\n\r\n" .. play.text "x", "GET / HTTP/1.0\r\n\r\n")
      assert.equal(200, response.status)
      assert.equal("x", response.body)
    end)

    it("preceded by 1xx without end does not fill the memory", function()
      local sender
      local backend = play.backend(function(conn)
        conn:request()
        sender = conn
        conn:send(("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"):rep(200000), play.text "x")
        conn:ended_by_peer()
      end)
      local lb = play.balancer { backends = { backend } }
      local client = play.client(lb)
      client:hold()
      local before = play.memory(lb)
      client:send(GET:format "/")
      play.wait("the backend to send", function() return sender end)
      play.until_still(function() return sender.handle:get_write_queue_size() end)
      assert.truthy(play.memory(lb) - before < 4096 * play.slow, ("grew by %d KiB"):format(play.memory(lb) - before))
    end)

    it("keeps chunks chunked", function()
      local response = through(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;a=b\r\n!\r\n0\r\n\r\n")
      assert.equal("chunked", response.framing)
      assert.equal("hello!", response.body)
      assert.truthy(response.complete)
    end)

    it("takes the chunks apart for an HTTP/1.0 client", function()
      local response = through("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n")
      assert.equal("close", response.framing)
      assert.is_nil(response:field "transfer-encoding")
      assert.equal("hello", response.body)
    end)

    it("that ends with the connection becomes chunked for HTTP/1.1", function()
      local response, client = through "HTTP/1.1 200 OK\r\n\r\nhello"
      assert.equal("chunked", response.framing)
      assert.equal("hello", response.body)
      assert.truthy(response.complete)
      assert.is_nil(client.ended)
    end)

    it("that ends with the connection does so for HTTP/1.0", function()
      local response = through("HTTP/1.0 200 OK\r\n\r\nhello", "GET / HTTP/1.0\r\n\r\n")
      assert.equal("close", response.framing)
      assert.equal("hello", response.body)
    end)

    it("passes the first bytes on while the rest is not there yet", function()
      local goes_on = false
      local backend = play.backend(function(conn)
        conn:request()
        conn:send "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        conn:send "9\r\ndata: 1\n\n\r\n"
        play.wait("the client", function() return goes_on end)
        conn:send "0\r\n\r\n"
      end)
      local client = play.client(play.balancer { backends = { backend } })
      client:send(GET:format "/events")
      assert.equal(200, client:response_head().status)
      assert.equal("9", client:line())
      assert.equal("data: 1\n\n\r\n", client:exactly(11))
      goes_on = true
      assert.equal("0\r\n\r\n", client:exactly(5))
    end)

    it("that answers before the request's body is whole reaches the client", function()
      local backend = play.backend(function(conn)
        conn:request_head()
        conn:send(play.text("no", "403 Forbidden", "Connection: close\r\n"))
        conn:ended_by_peer()
      end)
      local client = play.client(play.balancer { backends = { backend } })
      client:send "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nsome"
      assert.equal(403, client:response().status)
    end)
  end)

  describe("with a request's body", function()
    it("keeps a length and keeps chunks", function()
      local backend = play.answering(function(request) return request.framing .. " " .. request.body end)
      local client = play.client(play.balancer { backends = { backend } })
      client:send "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
      assert.equal("length hello", client:response().body)
      client:send "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
      assert.equal("chunked hello", client:response().body)
    end)

    it("passes on a hundred thousand chunks of one byte each", function()
      local backend = play.answering(function(request) return tostring(request.body == ("a"):rep(100000)) end)
      local client = play.client(play.balancer { backends = { backend } })
      client:send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", ("1\r\na\r\n"):rep(100000),
        "0\r\n\r\n")
      assert.equal("true", client:response().body)
    end)

    it("waits for 100 Continue where the client does", function()
      local backend = play.backend(function(conn)
        local request = conn:request_head()
        assert.equal("100-continue", request:field "expect")
        conn:send "HTTP/1.1 100 Continue\r\n\r\n"
        conn:send(play.text(conn:body_of(request).body))
      end)
      local client = play.client(play.balancer { backends = { backend } })
      client:send "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
      assert.equal(100, client:response().status)
      client:send "hello"
      assert.equal("hello", client:response().body)
    end)
  end)

  -- The backend's end reaches the balancer while it is still writing to it.
  it("relays an early answer though the backend reads no more of a large body", function()
    local backend = play.backend(function(conn)
      conn:request_head()
      conn:send(play.text("too much", "413 Content Too Large", "Connection: close\r\n"))
      conn:drained()
    end)
    local lb = play.balancer { backends = { backend } }
    for _ = 1, 5 do
      local client = play.client(lb)
      local body = ("x"):rep(4 * 1024 * 1024)
      client:send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ", #body, "\r\n\r\n", body)
      local response = client:response()
      assert.equal(413, response.status)
      assert.equal("too much", response.body)
      client:close()
    end
  end)

  it("does not switch protocols where the backend does not: the request was a plain one", function()
    for asked, offered in pairs { ["websocket, h2c"] = "websocket", h2c = false } do
      local backend = play.hello "plain"
      local client = play.client(play.balancer { backends = { backend } })
      client:send("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: ", asked, "\r\n\r\n")
      assert.equal("plain", client:response().body)
      assert.same({ offered or nil }, backend.requests[1]:values "upgrade")
      assert.same({ offered and "upgrade" or nil }, backend.requests[1]:values "connection")
      client:send(GET:format "/")
      assert.equal("plain", client:response().body)
    end
  end)

  it("refuses a 101 that nobody asked for", function()
    local backend = play.backend(function(conn)
      conn:request()
      conn:send "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nraw"
      conn:ended_by_peer()
    end)
    assert.equal(502, play.balancer({ backends = { backend } }):fetch("/").status)
  end)

  it("answers a thousand requests that were sent at once", function()
    local backend = play.answering(function(request) return request.target end)
    local client = play.client(play.balancer { backends = { backend } })
    local all = {}
    for i = 1, 1000 do all[i] = GET:format("/" .. i) end
    client:send(table.concat(all))
    for i = 1, 1000 do assert.equal("/" .. i, client:response().body) end
  end)

  it("keeps in step after a final answer in place of 100 Continue", function()
    local backend = play.backend(function(conn)
      conn:request_head()
      conn:send(play.text("no", "417 Expectation Failed", "Connection: close\r\n"))
      conn:ended_by_peer()
    end)
    local lb = play.balancer { backends = { backend } }
    local client = play.client(lb)
    local smuggled = GET:format "/smuggled"
    client:send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: ", #smuggled, "\r\n\r\n")
    assert.equal(417, client:response().status)
    -- either the connection has ended, or these bytes are the body; never a request of their own
    client:send(smuggled)
    client:finish()
    client:ended_by_peer()
    lb:exchange()
    for _, line in ipairs(lb:exchanges()) do assert.not_equal("/smuggled", line.path) end
  end)

  describe("with header fields", function()
    local function exchange(request_fields, response_fields, options)
      local backend = play.answering(function() return "x", "200 OK", response_fields end)
      local lb = play.balancer { backends = { backend } }
      local client = play.client(lb, options)
      client:send("GET / HTTP/1.1\r\nHost: www.example.test:8080\r\n", request_fields or "", "\r\n")
      local response = client:response()
      return backend.requests[1], response
    end

    it("keeps Host", function()
      assert.same({ "www.example.test:8080" }, exchange():values "host")
    end)

    it("adds X-Forwarded-For, -Proto, -Host and Via", function()
      local request = exchange(nil, nil, { from = "127.0.0.7" })
      assert.same({ "127.0.0.7" }, request:values "x-forwarded-for")
      assert.same({ "http" }, request:values "x-forwarded-proto")
      assert.same({ "www.example.test:8080" }, request:values "x-forwarded-host")
      assert.truthy(request:field "via":find "^1%.1 ", request:field "via")
    end)

    it("says itself who the client is, whatever the client says", function()
      local request = exchange("X-Forwarded-For: 10.9.8.7\r\nX_Forwarded_For: 10.9.8.7\r\n" ..
        "Forwarded: for=10.9.8.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a\r\n", nil, { from = "127.0.0.7" })
      assert.same({ "127.0.0.7" }, request:values "x-forwarded-for")
      assert.same({ "http" }, request:values "x-forwarded-proto")
      assert.same({ "www.example.test:8080" }, request:values "x-forwarded-host")
      assert.is_nil(request:field "x_forwarded_for")
      assert.is_nil(request:field "forwarded")
    end)

    it("drops fields of one hop, and fields that Connection names, on the way in", function()
      local request = exchange "Connection: keep-alive, X-Private\r\nX-Private: 1\r\nKeep-Alive: timeout=5\r\n"
      assert.is_nil(request:field "x-private")
      assert.is_nil(request:field "keep-alive")
      local request2 = exchange "Proxy-Connection: keep-alive\r\nTE: deflate\r\nConnection: TE\r\nX-Public: 1\r\n"
      assert.is_nil(request2:field "proxy-connection")
      assert.is_nil(request2:field "te")
      assert.is_nil(request2:field "connection")
      assert.equal("1", request2:field "x-public")
    end)

    it("says of the next hop, too, that trailers are welcome", function()
      local request = exchange "TE: deflate, trailers\r\nConnection: TE\r\n"
      assert.same({ "trailers" }, request:values "te")
      assert.same({ "TE" }, request:values "connection")
    end)

    it("drops them on the way out", function()
      local _, response = exchange(nil,
        "Connection: X-Private\r\nX-Private: 1\r\nKeep-Alive: timeout=5\r\nX-Public: 1\r\n")
      assert.is_nil(response:field "x-private")
      assert.is_nil(response:field "keep-alive")
      assert.equal("1", response:field "x-public")
    end)

    local function named(message, pattern)
      local found = {}
      for _, field in ipairs(message.fields) do
        if field[1]:lower():find(pattern) then found[#found + 1] = field end
      end
      return found
    end

    it("keeps doubles, their order and their case", function()
      local sent = "X-b: 1\r\nx-A: 2\r\nX-B: 3\r\nX-b: 1\r\n"
      local kept = { { "X-b", "1" }, { "x-A", "2" }, { "X-B", "3" }, { "X-b", "1" } }
      local request, response = exchange(sent, sent .. "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n")
      assert.same(kept, named(request, "^x%-[ab]$"))
      assert.same(kept, named(response, "^x%-[ab]$"))
      assert.same({ "a=1", "b=2" }, response:values "set-cookie")
    end)

    it("dates an answer that has no date", function()
      local dated = false
      local lb = play.balancer { backends = { play.answering(function()
        return "x", "200 OK", dated and "Date: then\r\n" or ""
      end) } }
      assert.truthy(lb:fetch("/"):field "Date":find "^%u%l%l, %d%d %u%l%l %d%d%d%d %d%d:%d%d:%d%d GMT$")
      dated = true
      assert.same({ "then" }, lb:fetch("/"):values "Date")
    end)

    it("passes status and reason on as they are", function()
      local backend = play.answering(function() return "x", "418 I'm a teapot" end)
      local response = play.balancer({ backends = { backend } }):fetch "/"
      assert.equal("HTTP/1.1 418 I'm a teapot", response.first)
    end)

    it("passes the target on as it is", function()
      local backend = play.hello "x"
      local lb = play.balancer { backends = { backend } }
      local target = "/a%2Fb/../c//d?e=f&g=%20h;i"
      lb:fetch(target)
      assert.equal(target, backend.requests[1].target)
    end)
  end)

  describe("to and from any kind of address", function()
    it("a unix socket", function()
      local backend = play.hello("unix", { path = play.directory() .. "/backend.socket" })
      assert.equal("unix", play.balancer({ backends = { backend } }):fetch("/").body)
    end)

    it("a unix socket, whose path is never a Host", function()
      local backend = play.hello("unix", { path = play.directory() .. "/backend.socket" })
      local lb = play.balancer { backends = { backend } }
      local client = play.client(lb)
      client:send "GET / HTTP/1.1\r\nHost: shop.example:81\r\n\r\n"
      assert.equal(200, client:response().status)
      client:send "GET / HTTP/1.0\r\n\r\n"
      assert.equal(200, client:response().status)
      assert.equal("shop.example:81", backend.requests[1]:field "host")
      assert.equal("localhost", backend.requests[2]:field "host")
      assert.is_nil(backend.requests[2]:field "x-forwarded-host")
    end)

    it("an IPv6 backend", function()
      local backend = play.hello("six", { host = "::1" })
      assert.equal("six", play.balancer({ backends = { backend } }):fetch("/").body)
    end)

    it("a name", function()
      local backend = play.hello "named"
      assert.equal("named", play.balancer({ backends = { "localhost:" .. backend.port } }):fetch("/").body)
    end)

    it("with http:// in front", function()
      local backend = play.hello "prefixed"
      assert.equal("prefixed", play.balancer({ backends = { "http://" .. backend.address } }):fetch("/").body)
    end)

    it("listens on several addresses, IPv6 too", function()
      local backend = play.hello "x"
      local lb = play.balancer { backends = { backend }, listen = { "127.0.0.1:0", "[::1]:0" } }
      assert.equal("x", play.fetch(lb.addresses[1]).body)
      assert.equal("x", play.fetch(lb.addresses[2]).body)
      assert.equal("127.0.0.1", backend.requests[1]:field "x-forwarded-for")
      assert.equal("::1", (backend.requests[2]:field "x-forwarded-for":gsub("[%[%]\"]", "")))
    end)

    it("listens on both stacks with [::]", function()
      local backend = play.hello "x"
      local lb = play.balancer { backends = { backend }, listen = "[::]:0" }
      assert.equal("x", play.fetch("127.0.0.1:" .. lb.port).body)
      assert.equal("x", play.fetch("[::1]:" .. lb.port).body)
      assert.equal("127.0.0.1", backend.requests[1]:field "x-forwarded-for")
    end)
  end)
end)
