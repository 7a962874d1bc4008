-- lb.http: a script's requests, and answers of every kind.
local play = require "spec.support.play"
local asking = require "spec.support.asking"

local answer, no_errors = asking.answer, asking.no_errors

local GET = "GET %s HTTP/1.1\r\nHost: x\r\n\r\n"

-- Answers everybody who asks with these bytes; after_end: and closes then.
local function saying(bytes, stays)
  return play.backend(function(conn)
    play.receive(conn)
    conn:send(bytes)
    if stays then conn:ended_by_peer(60) end
  end)
end

describe("lb.http", function()
  after_each(play.curtain)

  local function getting(options)
    return asking.start([[
      local res, why = lb.http.get("http://$PEER" .. ctx.path, { timeout = 5 })
      if not res then return res, why end
      return res.status, res.body]], options)
  end

  describe("sends", function()
    it("one request, and no more than that", function()
      local peer
      peer = play.backend(function(conn)
        play.receive(conn).raw = conn
        conn:send "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\nx-a: 2\r\nX-B:\r\n\r\nhi"
        conn:ended_by_peer(60)
      end)
      local lb = asking.start([[
        local res = assert(lb.http.get("http://$PEER/a/b?c=d", { headers = { ["X-One"] = "1", ["x-two"] = 2 } }))
        local h = res.headers
        return res.status, res.body, h["x-a"], h["X-A"], #h["X-b"], h.none, h["content-LENGTH"] ]],
        { peers = { PEER = peer } })
      assert.equal("200 hi 1, 2 1, 2 0 nil 2", answer(lb))
      local request = peer.requests[1]
      assert.equal("GET /a/b?c=d HTTP/1.1", request.first)
      assert.equal(peer.address, request:field "host")
      assert.equal("1", request:field "x-one")
      assert.equal("2", request:field "x-two")
      assert.is_nil(request:field "connection")
      assert.equal("lb", request:field "user-agent")
      assert.equal(4, #request.fields)
      assert.equal("", request.body)
      no_errors(lb)
    end)

    it("and gets all fields of a name, whatever they are called", function()
      local peer = play.backend(function(conn)
        play.receive(conn)
        conn:send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-A: 1\r\nx-a: 2\r\nX-B: 3\r\nSet-Cookie: a=1, 2\r\n",
          "Set-Cookie: b\r\nOne: 4\r\nALL: 5\r\nEach: 6\r\n\r\n")
        conn:ended_by_peer(60)
      end)
      local lb = asking.start([[
        local h = assert(lb.http.get("http://$PEER/")).headers
        local one, why = h:one "X-a"
        local names = 0
        for name, value in pairs(h) do names = names + (type(name .. value) == "string" and 1 or 0) end
        local each = 0
        for name, value in h:each() do each = each + (type(name .. value) == "string" and 1 or 0) end
        return one, why, h:one "x-b", #h:all "none", table.concat(h:all "SET-cookie", ";"), h["set-cookie"],
          h:one "one", h:all("all")[1], h:one "each", names, each]], { peers = { PEER = peer } })
      assert.equal("nil repeated 3 0 a=1, 2;b a=1, 2 4 5 6 4 9", answer(lb))
      no_errors(lb)
    end)

    it("a body, and its length", function()
      local peer = play.answering(function(request) return request.method .. " " .. #request.body end)
      local lb = asking.start([[
        local a = assert(lb.http.post("http://$PEER/", { body = ("x"):rep(300000) }))
        local b = assert(lb.http.post "http://$PEER")
        local c = assert(lb.http.request { method = "PUT", url = "http://$PEER?q", body = "a\0b" })
        local d = assert(lb.http.request { url = "HTTP://$PEER/" })
        local e = assert(lb.http.request { method = "HEAD", url = "http://$PEER/" })
        return a.body, b.body, c.body, d.body, e.body == "" and e.headers["content-length"] ]],
        { peers = { PEER = peer } })
      assert.equal("POST 300000 POST 0 PUT 3 GET 0 6", answer(lb))
      assert.equal("0", peer.requests[2]:field "content-length")
      assert.equal("a\0b", peer.requests[3].body)
      assert.equal("PUT /?q HTTP/1.1", peer.requests[3].first)
      assert.is_nil(peer.requests[4]:field "content-length")
      no_errors(lb)
    end)

    it("the Host and User-Agent that the script gives", function()
      local peer = play.answering(function(request)
        return request:field "host" .. " " .. request:field "user-agent"
      end)
      local lb = asking.start([[return lb.http.get("http://$PEER/",
        { headers = { Host = "a.test:81", ["user-agent"] = "me" } }).body]], { peers = { PEER = peer } })
      assert.equal("a.test:81 me", answer(lb))
      assert.equal(1, #peer.requests[1]:values "host")
    end)

    it("nothing that would be another field or another request", function()
      local peer = play.hello "hello"
      local lb = asking.start([[
        local function try(url, headers, method)
          local res, why = lb.http.request { url = url, headers = headers, method = method }
          return tostring(res and res.status) .. " " .. tostring(why)
        end
        local peer = "http://$PEER"
        return table.concat({
          try(peer .. "/ HTTP/1.1\r\nX: y"),
          try(peer .. "/a b"),
          try(peer .. "/#part"),
          try(peer .. "/\195\164"),
          try(peer .. "/", { ["X\r\nY"] = "z" }),
          try(peer .. "/", { ["X: y"] = "z" }),
          try(peer .. "/", { [""] = "z" }),
          try(peer .. "/", { X = "y\r\nZ: z" }),
          try(peer .. "/", { X = "y\nZ: z" }),
          try(peer .. "/", { X = "y\0" }),
          try(peer .. "/", { Host = "a\r\nX: y" }),
          try(peer .. "/", { Host = "a, b" }),
          try(peer .. "/", { ["Content-length"] = 5 }),
          try(peer .. "/", { ["transfer-Encoding"] = "chunked" }),
          try(peer .. "/", { Connection = "keep-alive" }),
          try(peer .. "/", nil, "GET /x HTTP/1.1\r\n\r\nGET"),
          try(peer .. "/", nil, ""),
          try(peer .. "/", nil, "CONNECT"),
          try("https://user@$PEER/"),
          try("/path"),
          try(""),
          try("http://user@$PEER/"),
          try("http:///path"),
          try("http://$PEER:1/"),
          try("ftp://$PEER/"),
        }, "\n")]], { peers = { PEER = peer } })
      assert.equal(([[
nil url: a URL has no spaces, control bytes or bytes above 0x7e: write them as %20
nil url: a URL has no spaces, control bytes or bytes above 0x7e: write them as %20
nil url: a URL to fetch has no '#': write it as %23
nil url: a URL has no spaces, control bytes or bytes above 0x7e: write them as %20
nil header: 'X
Y': a header's name has letters, digits and some signs only
nil header: 'X: y': a header's name has letters, digits and some signs only
nil header: '': a header's name has letters, digits and some signs only
nil header: 'X': a header's value has no line ends and no other control bytes
nil header: 'X': a header's value has no line ends and no other control bytes
nil header: 'X': a header's value has no line ends and no other control bytes
nil header: 'Host': a header's value has no line ends and no other control bytes
nil header: 'Host': a Host is one host, with a port behind it at most
nil header: 'Content-length': lb sets this header itself
nil header: 'transfer-Encoding': lb sets this header itself
nil header: 'Connection': lb sets this header itself
nil method: it is none that can be sent
nil method: it is none that can be sent
nil method: it is none that can be sent
nil url: expected a URL such as http://host:80/path
nil url: expected a URL such as http://host:80/path
nil url: expected a URL such as http://host:80/path
nil url: expected a URL such as http://host:80/path
nil url: expected a URL such as http://host:80/path
nil url: expected a URL such as http://host:80/path
nil url: expected a URL such as http://host:80/path]]), (answer(lb):gsub("\r", "")))
      assert.equal(0, #peer.requests)
      no_errors(lb)
    end)
  end)

  describe("reads", function()
    local function body_of(bytes, stays)
      local lb = getting { peers = { PEER = saying(bytes, stays) } }
      local text = answer(lb)
      no_errors(lb)
      lb:stop()
      return text
    end

    it("chunks, and their trailers are no headers", function()
      assert.equal("200 hello world", body_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" ..
        "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nX-T: 1\r\n\r\n", true))
    end)

    it("until the connection ends, of 1.0 and 1.1", function()
      assert.equal("200 all of it", body_of "HTTP/1.0 200 OK\r\n\r\nall of it")
      assert.equal("404 all of it", body_of "HTTP/1.1 404 Not Found\r\n\r\nall of it")
    end)

    it("answers without a body at once", function()
      assert.equal("204 ", body_of("HTTP/1.1 204 No Content\r\n\r\n", true))
      assert.equal("304 ", body_of("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", true))
      assert.equal("200 ", body_of("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true))
    end)

    it("past interim responses", function()
      assert.equal("200 ok", body_of("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" ..
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", true))
    end)

    it("no redirect, and gives it to the script", function()
      assert.equal("302 ", body_of("HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n", true))
    end)

    it("byte by byte", function()
      local peer = play.backend(function(conn)
        play.receive(conn)
        for byte in ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow"):gmatch "." do
          conn:send(byte)
          play.pause(0.002)
        end
      end)
      assert.equal("200 slow", answer(getting { peers = { PEER = peer } }))
    end)

    it("an answer that comes before the request was read", function()
      local peer = play.backend(function(conn)
        conn:request_head()
        conn:hold()
        conn:send "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno!"
        conn:finish()
        play.wait("the end", function() return conn.stop end, 60)
      end)
      local lb = asking.start([[
        local res, why = lb.http.post("http://$PEER/", { body = ("x"):rep(8000000) })
        return res and res.status or why]], { peers = { PEER = peer }, settings = "script = { budget_ms = 1000 }," })
      assert.equal("413", answer(lb))
      for conn in pairs(peer.conns) do conn.stop = true end
    end)
  end)

  describe("gives nil and a text", function()
    local function why_of(bytes, options, stays)
      local lb = asking.start([[
        local res, why = lb.http.get("http://$PEER/", { ]] .. (options or "") .. [[ })
        return res and res.status or why]], { peers = { PEER = saying(bytes, stays) } })
      local text = answer(lb)
      no_errors(lb)
      lb:stop()
      return text
    end

    it("for an answer that is none, or that two could read differently", function()
      assert.matches("^protocol: ", why_of "SSH-2.0-OpenSSH_9.2\r\n")
      assert.matches("^protocol: ", why_of "HTTP/1.1 200 OK\nContent-Length: 0\n\n")
      assert.matches("^protocol: ", why_of "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")
      assert.matches("^protocol: ",
        why_of "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
      assert.matches("^protocol: ", why_of "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n")
      assert.equal("protocol: an upgrade that nobody asked for", why_of "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n")
    end)

    it("for a head without end", function()
      assert.matches("^protocol: ", why_of("HTTP/1.1 200 OK\r\nX: " .. ("x"):rep(70000), nil, true))
      assert.matches("^protocol: ", why_of("HTTP/1.1 200 OK\r\n" .. ("X: y\r\n"):rep(200) .. "\r\n", nil, true))
      assert.equal("protocol: interim responses without end",
        why_of(("HTTP/1.1 103 Early Hints\r\nX: %s\r\n\r\n"):format(("x"):rep(1000)):rep(100), nil, true))
    end)

    it("for an answer that ends too early", function()
      assert.equal("closed: before a response", why_of "")
      assert.equal("closed: in the middle of the response", why_of "HTTP/1.1 200 OK\r\nConte")
      assert.equal("closed: in the middle of the response", why_of "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
      assert.equal("closed: in the middle of the response",
        why_of "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab")
    end)

    it("for a body larger than max_body, however it is framed", function()
      local text = "limit: the body is larger than max_body, 10 bytes"
      assert.equal(text, why_of("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", "max_body = 10", true))
      assert.equal(text, why_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n6\r\nabcdef\r\n",
        "max_body = 10", true))
      assert.equal(text, why_of("HTTP/1.1 200 OK\r\n\r\nabcdefghijk", "max_body = 10", true))
      assert.equal("200", why_of("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabcdefghij", "max_body = 10"))
      assert.equal("limit: the body is larger than max_body, 1048576 bytes",
        why_of("HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n", nil, true))
    end)

    it("if it all takes too long: connecting, the head, the body", function()
      local hole = play.blackhole():fill()
      local lb = asking.start("return lb.http.get('http://$PEER/', { timeout = 0.1 })",
        { peers = { PEER = hole.address } })
      assert.equal(("nil timeout: %s: connecting took more than 0.1 s"):format(hole.address), answer(lb))
      local text = "timeout: the answer took more than 2 s"
      assert.equal(text, why_of("", "timeout = 2", true))
      assert.equal(text, why_of("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", "timeout = 2", true))
    end)

    it("if nobody is there", function()
      local port = play.unused_port()
      local lb = getting { peers = { PEER = "127.0.0.1:" .. port } }
      assert.equal(("nil connect: 127.0.0.1:%d: connection refused"):format(port), answer(lb))
    end)
  end)

  describe("raises an error at the script's line", function()
    it("for what is no URL, no option, no text", function()
      local lb = asking.start [[
        local function try(f, ...) return select(2, pcall(f, ...)):match "^lb %S+ (.*)" or select(2, pcall(f, ...)) end
        local function get(...) return lb.http.get(...) end
        local texts = {}
        for i, arguments in ipairs {
          { 5 }, { "http://a/", 5 }, { "http://a/", { timout = 1 } }, { "http://a/", { timeout = "x" } },
          { "http://a/", { headers = { 1 } } }, { "http://a/", { headers = { X = {} } } },
          { "http://a/", { max_body = 2 ^ 30 } }, { "http://a/", { body = "x" } },
        } do texts[i] = select(2, pcall(function() local r = get(unpack(arguments)) return r end)):match "%d+: (.*)" end
        return table.concat(texts, "\n")]]
      assert.equal([[
lb.http.get: url is a text, not a number
lb.http.get: options are a table, not a number
lb.http.get: unknown option 'timout', did you mean 'timeout'?
lb.http.get: timeout is a number of seconds from 0.001 to 3600, not x
lb.http.get: a header's name is a text, not a number
lb.http.get: header 'X' is a text, not a table
lb.http.get: max_body is a whole number of bytes from 0 to 16777216, not 1073741824
lb.http.get: unknown option 'body']], answer(lb))
      no_errors(lb)
    end)

    it("at the top of a script", function()
      local run = play.lb { "check", play.file("top.lua", "lb.http.get 'http://a/'\nreturn { backends = 'a:1' }\n") }
      assert.equal(2, run.code)
      assert.matches("top.lua:1: lb.http.get may be called in hooks only", run.err)
    end)
  end)

  it("sends bodies of any size, and holds few of the largest ones at a time", function()
    local goes_on = false
    local peer = play.backend { accept = function(conn)
      conn:hold()
      play.wait("the go", function() return goes_on end, 60)
      conn:go_on()
      conn:send "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
      conn:rest()
    end }
    local lb = asking.start([[
      local body = ctx.path == "/large" and large or "small"
      local res, why = lb.http.post("http://$PEER/", { timeout = 60, body = body })
      return res and res.body, why]], {
      peers = { PEER = peer }, top = 'local large = ("x"):rep(16777216)',
      settings = "script = { await = 60, budget_ms = 2000 },",
    })
    local clients = {}
    for i = 1, 8 do
      clients[i] = play.client(lb)
      clients[i]:send(GET:format "/large")
    end
    play.wait("most to be refused", function() return #lb:exchanges() == 5 end)
    goes_on = true
    local bodies = {}
    for i = 1, 8 do bodies[i] = clients[i]:response().body end
    table.sort(bodies)
    assert.same({ "nil limit: the connections of scripts hold too many bytes", "ok nil" }, { bodies[5], bodies[6] })
    for _ = 1, 2 do assert.equal("ok nil", answer(lb, "/large")) end
    assert.equal("ok nil", answer(lb, "/small"))
    no_errors(lb)
  end)

  describe("leaves nothing behind", function()
    it("of clients that leave, and of 200 at once", function()
      local answers = false
      local peer = play.backend(function(conn)
        local request = play.receive(conn)
        if request.target ~= "/warm" then play.wait("the go", function() return answers or conn.ended end, 60) end
        if not conn.ended then conn:send(play.text(request.target)) end
      end)
      local lb = asking.start([[return (lb.http.get("http://$PEER" .. ctx.path, { timeout = 60 }) or {}).body]],
        { peers = { PEER = peer }, settings = "script = { await = 60 }," })
      assert.equal("/warm", answer(lb, "/warm"))
      local pid = asking.worker(lb)
      local before = asking.descriptors_at_rest(pid)
      local clients = {}
      for i = 1, 200 do
        clients[i] = play.client(lb)
        clients[i]:send(GET:format("/" .. i))
      end
      play.wait("all to await", function() return #peer.requests == 201 end)
      for i = 1, 100 do clients[i]:reset() end
      for i = 1, 100 do assert.equal(499, lb:exchange({ path = "/" .. i }).status) end
      play.wait("the peer to see the ends", function() return #peer:connections() == 100 end)
      answers = true
      for i = 101, 200 do
        assert.equal("/" .. i, clients[i]:response().body)
        clients[i]:close()
      end
      play.wait("the descriptors to be as before", function() return asking.descriptors(pid) == before end)
      no_errors(lb)
    end)
  end)
end)
