-- A client of HTTP/2: what its requests become at a backend of HTTP/1.1, and their answers.
local frames = require "spec.support.h2_frames"
local h2 = require "spec.support.h2"
local h2_lb = require "spec.support.h2_lb"
local play = require "spec.support.play"

local function body_of(stream) return { stream.status or stream.reset, stream.body } end

-- Answers with what it got: line, fields but Via and X-Forwarded-*, body, trailers.
local function echo()
  return play.answering(function(request)
    local lines = { request.first }
    for _, field in ipairs(request.fields) do
      local is_ours = field[1]:find "^X%-Forwarded" or field[1] == "Via"
      if not is_ours then lines[#lines + 1] = field[1] .. ": " .. field[2] end
    end
    lines[#lines + 1] = request.body
    for _, field in ipairs(request.trailers or {}) do lines[#lines + 1] = field[1] .. "=" .. field[2] end
    return table.concat(lines, "|")
  end)
end

for _, over in ipairs { "TLS", "no TLS" } do
  describe("a client of HTTP/2 over " .. over, function()
    after_each(h2_lb.clear)

    local function start(options)
      options = options or {}
      options.tls = over == "TLS"
      return h2_lb.start(options)
    end

    it("is answered", function()
      local lb = start { backends = { echo() } }
      local client = h2_lb.client(lb)
      assert.same({ 200, "GET /a?b HTTP/1.1|Host: example.test|a: b|" },
        body_of(client:fetch("/a?b", { fields = { { "a", "b" } } })))
      assert.same({ version = "2.0", stream = 1, status = 200, path = "/a?b" }, (function()
        local line = lb:exchange { stream = 1 }
        return { version = line.version, stream = line.stream, status = line.status, path = line.path }
      end)())
    end)

    it("sends bodies of a length, of none that is known, and trailers", function()
      local client = h2_lb.client(start { backends = { echo() } })
      assert.same({ 200, "POST / HTTP/1.1|Host: example.test|Content-Length: 3|abc" }, body_of(client:fetch("/", {
        body = "abc", fields = { { "content-length", "3" } },
      })))
      assert.same({ 200, "POST / HTTP/1.1|Host: example.test|Transfer-Encoding: chunked|abc" },
        body_of(client:fetch("/", { body = "abc" })))
      local id = client:get("/", { open = true })
      client:write(id, "ab", false)
      client:send(frames.headers(id, { { "x-t", "1" } }, { last = true }))
      assert.same({ 200, "POST / HTTP/1.1|Host: example.test|Transfer-Encoding: chunked|ab|x-t=1" },
        body_of(client:response(id)))
    end)

    it("gets trailers, and no body where there is none", function()
      local backend = play.backend(function(conn)
        while true do
          local request = conn:request()
          if request.target == "/t" then
            conn:send "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n1\r\na\r\n0\r\nx: y\r\n\r\n"
          elseif request.method == "HEAD" then
            conn:send "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
          else
            conn:send("HTTP/1.1 " .. request.target:sub(2) .. " X\r\n\r\n")
          end
        end
      end)
      local client = h2_lb.client(start { backends = { backend } })
      local stream = client:fetch "/t"
      assert.equal("a", stream.body)
      assert.same({ { "x", "y" } }, stream.trailers)
      assert.equal("x", h2.field(stream.fields, "trailer"))
      stream = client:fetch("/", { method = "HEAD" })
      assert.equal("5", h2.field(stream.fields, "content-length"))
      assert.equal("", stream.body)
      assert.equal("", client:fetch("/204").body)
      assert.equal("", client:fetch("/304").body)
    end)

    it("has many requests at once, and a slow one holds up none", function()
      local goes_on = false
      local backend = play.answering(function(request)
        if request.target == "/slow" then play.wait("the word", function() return goes_on end) end
        return request.target
      end)
      local client = h2_lb.client(start { backends = { backend } })
      local slow = client:get "/slow"
      local ids = {}
      for i = 1, 20 do ids[i] = client:get("/" .. i) end
      for i, id in ipairs(ids) do assert.equal("/" .. i, client:response(id).body) end
      goes_on = true
      assert.equal("/slow", client:response(slow).body)
    end)

    it("gets the end with the last bytes of a body whose length is known, and behind others", function()
      local backend = play.backend(function(conn)
        while true do
          local is_counted = conn:request().target == "/counted"
          conn:send(is_counted and "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"
            or "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n")
        end
      end)
      local ends
      local client = h2_lb.client(start { backends = { backend } }, { on_frame = function(frame)
        if frame.type == "DATA" then table.insert(ends, frame:has "END_STREAM") end
      end })
      for path, expected in pairs { ["/counted"] = { true }, ["/chunked"] = { false, true } } do
        ends = {}
        assert.equal("ab", client:fetch(path).body)
        assert.same(expected, ends)
      end
    end)

    it("sends and gets large bodies, beside small ones", function()
      local large = ("0123456789abcdef"):rep(2 ^ 16)
      local backend = play.answering(function(request) return request.method == "POST" and request.body or "small" end)
      local client = h2_lb.client(start { backends = { backend } })
      local id = client:get("/", { open = true })
      play.beside(function() client:write(id, large, true) end)
      for _ = 1, 5 do assert.equal("small", client:fetch("/").body) end
      assert.is_true(large == client:response(id, 30).body)
    end)
  end)
end

describe("a request of HTTP/2", function()
  after_each(h2_lb.clear)

  it("is refused by rules of HTTP/1.1 and limits, and the next one is served", function()
    local lb = h2_lb.start {
      backends = { play.hello "a" },
      settings = "limits = { head = 2000, request_line = 1000, fields = 20, body = 10 },",
    }
    local client = h2_lb.client(lb)
    local many = {}
    for i = 1, 21 do many[i] = { "a" .. i, "" } end
    local cases = {
      { 431, { fields = { { "a", ("b"):rep(3000) } } } }, { 431, { fields = many } },
      { 413, { body = ("b"):rep(11) } }, { 400, { host = "a b" } }, { 501, { method = "CONNECT" } },
    }
    for _, case in ipairs(cases) do
      if case[2].method ~= "CONNECT" then
        assert.equal(case[1], client:fetch("/", case[2]).status)
        assert.equal("a", client:fetch("/").body)
      end
    end
    assert.equal(414, client:fetch("/" .. ("a"):rep(1100)).status)
    assert.equal(501, client:response(client:ask { { ":method", "CONNECT" }, { ":authority", "a:1" } }).status)
    assert.equal("a", client:fetch("/").body)
  end)

  it("that expects 100 gets it, from the backend or before it", function()
    local backend = play.backend(function(conn)
      local head = conn:head()
      assert.equal("100-continue", head:field "expect")
      conn:send "HTTP/1.1 100 Continue\r\n\r\n"
      assert.equal("abc", conn:body_of(head).body)
      conn:send "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"
    end)
    local client = h2_lb.client(h2_lb.start { backends = { backend } })
    local id = client:get("/", { open = true, fields = { { "expect", "100-continue" }, { "content-length", "3" } } })
    client:wait("the 100", function() return #client:stream(id).heads == 1 end)
    client:write(id, "abc", true)
    local stream = client:response(id)
    assert.equal("a", stream.body)
    assert.equal("103", h2.field(stream.heads[2], ":status"))
    assert.equal(3, #stream.heads)
  end)

  it("is answered before its end, and its connection stays", function()
    local backend = play.backend(function(conn)
      conn:head()
      conn:send "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\na"
    end)
    local client = h2_lb.client(h2_lb.start { backends = { backend } })
    local id = client:get("/", { open = true })
    client:wait("the reset behind the answer", function() return client:stream(id).reset end)
    assert.equal("a", client:response(id).body)
    assert.is_true(client:stream(id).ended)
    assert.equal("NO_ERROR", client:stream(id).reset)
    assert.equal("a", client:fetch("/").body)
  end)

  it("whose answer breaks off sees RST_STREAM, and no end", function()
    local backend = play.backend(function(conn)
      conn:request()
      conn:send "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"
      play.pause(0.05)
    end)
    local client = h2_lb.client(h2_lb.start { backends = { backend } })
    local stream = client:fetch "/"
    assert.equal("INTERNAL_ERROR", stream.reset)
    assert.is_falsy(stream.ended)
    assert.equal("INTERNAL_ERROR", client:fetch("/").reset)
  end)

  it("that its client cancels ends at the backend at once", function()
    local gone
    local backend = play.backend(function(conn)
      conn:request()
      gone = conn:ended_by_peer()
    end)
    local lb = h2_lb.start { backends = { backend } }
    local client = h2_lb.client(lb)
    local id = client:get "/"
    play.wait("the backend", function() return backend.served == 1 end)
    client:send(frames.rst(id, "CANCEL"))
    play.wait("the backend to see it", function() return gone end)
    assert.equal(499, lb:exchange { stream = id }.status)
  end)

  it("has its trouble alone if its body is not as long as it says", function()
    local backend = play.backend(function(conn) conn:rest() end)
    local lb = h2_lb.start { backends = { backend } }
    local client = h2_lb.client(lb)
    local id = client:get("/", { open = true, fields = { { "content-length", "3" } } })
    client:write(id, "ab", true)
    assert.equal("PROTOCOL_ERROR", client:response(id).reset)
    assert.equal(499, lb:exchange { stream = id }.status)
  end)

  it("that breaks the rules of HTTP/2 has a line in the log, though its client gets a reset", function()
    local lb = h2_lb.start { backends = { play.hello "a" } }
    local client = h2_lb.client(lb)
    for why, fields in pairs {
      ["no valid field name"] = { { "X-A", "1" } }, ["a field of the connection"] = { { "connection", "close" } },
      ["less DATA than content-length says"] = { { "content-length", "1" } },
    } do
      local id = client:get("/", { fields = fields })
      assert.equal("PROTOCOL_ERROR", client:response(id).reset)
      local line = lb:exchange { stream = id }
      assert.same({ 400, why, 0 }, { line.status, line.note, line.bytes_out })
      assert.equal("a", client:fetch("/").body)
    end
    assert.equal(0, #lb:events "h2_refused")
  end)

  it("is seen by scripts as any other", function()
    local lb = h2_lb.start {
      tls = true, settings = [[choose = function(ctx)
        return ctx:respond { body = table.concat({ ctx.version, ctx.tls.alpn, ctx.scheme, ctx.host, ctx.method,
          ctx.path, tostring(ctx.headers["transfer-encoding"]), ctx.headers.cookie }, " ") }
      end,]],
    }
    local client = h2_lb.client(lb)
    assert.equal("2 h2 https example.test POST /a nil a=1; b=2", client:fetch("/a", {
      body = "x", scheme = "https", fields = { { "cookie", "a=1" }, { "cookie", "b=2" } },
    }).body)
    local line = lb:exchange { stream = 1 }
    assert.equal("h2", line.tls.alpn)
  end)

  it("is one more than limits.per_client_requests", function()
    local goes_on = false
    local backend = play.answering(function()
      play.wait("the word", function() return goes_on end)
      return "a"
    end)
    local lb = h2_lb.start { backends = { backend }, settings = "limits = { per_client_requests = 2 }," }
    local client, other = h2_lb.client(lb), h2_lb.client(lb)
    local one, two = client:get "/", other:get "/"
    play.wait("the backend", function() return #backend.requests == 2 end)
    assert.equal(429, client:fetch("/").status)
    assert.equal(429, play.fetch(lb.address, "/").status)
    goes_on = true
    assert.equal("a", client:response(one).body)
    assert.equal("a", other:response(two).body)
    lb:exchange { stream = two, status = 200 }
    assert.equal("a", client:fetch("/").body)
  end)
end)

describe("a listener", function()
  after_each(h2_lb.clear)

  it("with h2c = true takes HTTP/1 as well, and a preface in pieces", function()
    local lb = h2_lb.start { backends = { play.hello "a" } }
    assert.equal("a", play.fetch(lb.address, "/").body)
    local slow = play.client(lb)
    slow:send "P"
    play.pause(0.02)
    slow:send "OST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    assert.equal("a", slow:response().body)
    local wrong = play.client(lb)
    wrong:send "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"
    assert.equal(505, wrong:response().status)
    local client = h2_lb.client(lb, { preface = false, acks = false })
    for i = 1, #frames.PREFACE do
      client.conn:send(frames.PREFACE:sub(i, i))
      play.pause(0.001)
    end
    client:send(frames.settings(), frames.settings_ack())
    assert.equal("a", client:fetch("/").body)
  end)

  it("without it does not speak HTTP/2", function()
    local lb = play.balancer { backends = { play.hello "a" } }
    local client = play.client(lb)
    client:send(frames.PREFACE)
    assert.equal(505, client:response().status)
  end)
end)
