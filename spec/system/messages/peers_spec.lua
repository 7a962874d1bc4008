-- What others make of it: varnishtest, curl, h2load and Python at one end, or at both.

local peers = require "spec.support.peers"
local play = require "spec.support.play"

local MEGABYTE = ("0123456789abcde\n"):rep(65536)

describe("varnishtest, at both ends,", function()
  after_each(play.curtain)

  it("has its plays", function() assert.truthy(#peers.plays() >= 14, #peers.plays()) end)

  for _, name in ipairs(peers.plays()) do
    it("plays " .. name, function() assert.truthy(peers.varnishtest(name).out:find("passed", 1, true)) end)
  end
end)

describe("curl", function()
  after_each(play.curtain)

  -- Answers with what it was asked.
  local function mirror()
    return play.answering(function(request)
      return ("%s %s %d"):format(request.method, request.target, #request.body)
    end)
  end

  it("gets an answer with HTTP/1.0 and 1.1", function()
    local backend = mirror()
    local lb = play.balancer { backends = { backend } }
    for _, version in ipairs { "--http1.0", "--http1.1" } do
      assert.equal("GET /a?b=c 0", peers.curl(lb, { version, "http://%s/a?b=c" }).out)
    end
    assert.same({ "1.0 lb", "1.1 lb" }, { backend.requests[1]:field "via", backend.requests[2]:field "via" })
  end)

  it("gets only a head for HEAD", function()
    local lb = play.balancer { backends = { play.backend(function(conn)
      assert.equal("HEAD", play.receive(conn).method)
      conn:send "HTTP/1.1 200 OK\r\nContent-Length: 1234567\r\nX-Mixed-Case: Kept\r\n\r\n"
      play.receive(conn)
    end) } }
    local head = peers.curl(lb, { "-I", "http://%s/" }).out
    assert.truthy(head:find "^HTTP/1.1 200 OK\r\n" and head:find "\r\nContent%-Length: 1234567\r\n")
    assert.truthy(head:find "\r\nX%-Mixed%-Case: Kept\r\n" and head:find "\r\n\r\n$")
  end)

  it("keeps one connection for several addresses", function()
    local backend = mirror()
    local lb = play.balancer { backends = { backend } }
    local said = peers.curl(lb, { "-w", " %{num_connects}\n", "http://%s/1", "http://%s/2", "http://%s/3" }).out
    assert.equal("GET /1 0 1\nGET /2 0 0\nGET /3 0 0\n", said)
    assert.equal(1, backend.served)
  end)

  it("sends a megabyte after it was asked to, by 100 Continue", function()
    local request
    local lb = play.balancer { backends = { play.backend(function(conn)
      request = conn:request_head()
      conn:send "HTTP/1.1 100 Continue\r\n\r\n"
      conn:body_of(request)
      conn:send(play.text "taken")
    end) } }
    local result = peers.curl(lb, {
      "-v", "-H", "Expect: 100-continue", "--data-binary", "@" .. play.file("upload", MEGABYTE), "http://%s/",
    })
    assert.equal("taken", result.out)
    assert.equal("100-continue", request:field "expect")
    assert.truthy(request.body == MEGABYTE)
    assert.truthy(result.err:find("< HTTP/1.1 100 Continue", 1, true))
  end)

  it("does not send a body that is refused before", function()
    local seen = "nothing"
    local lb = play.balancer { backends = { play.backend(function(conn)
      conn:request_head()
      conn:send(play.text("no", "413 Content Too Large"))
      seen = conn:rest()
    end) } }
    local said = peers.curl(lb, {
      "-w", " %{http_code} %{size_upload}", "-H", "Expect: 100-continue", "--expect100-timeout", "20",
      "--data-binary", "@" .. play.file("upload", MEGABYTE), "http://%s/",
    }).out
    assert.equal("no 413 0", said)
    play.wait("the end of the connection", function() return seen == "" end)
  end)

  it("uploads in chunks", function()
    local backend = mirror()
    local lb = play.balancer { backends = { backend } }
    local path = play.file("upload", MEGABYTE)
    assert.equal("PUT /up 1048576",
      peers.curl(lb, { "-T", path, "-H", "Transfer-Encoding: chunked", "-H", "Expect:", "http://%s/up" }).out)
    local request = backend.requests[1]
    assert.equal("chunked", request.framing)
    assert.truthy(request.body == MEGABYTE and request.complete)
  end)

  it("sees chunks as the backend sent them", function()
    local lb = play.balancer { backends = { play.backend(function(conn)
      for _, end_of_body in ipairs { "0\r\n\r\n", "0\r\n\r\n" } do
        play.receive(conn)
        conn:send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", end_of_body)
      end
      play.receive(conn)
    end) } }
    assert.equal("5\r\nhello\r\n0\r\n\r\n", peers.curl(lb, { "--raw", "http://%s/" }).out)
    assert.equal("hello", peers.curl(lb, { "--http1.0", "--raw", "http://%s/" }).out)
  end)

  it("gets the trailer behind a chunked body", function()
    local lb = play.balancer { backends = { play.backend(function(conn)
      play.receive(conn)
      conn:send "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
      conn:send "5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n"
      play.receive(conn)
    end) } }
    local out = peers.curl(lb, { "-D", "-", "-H", "Connection: TE", "-H", "TE: trailers", "http://%s/" }).out
    assert.truthy(out:find("hello", 1, true) and out:find("X-Sum: 42\r\n", 1, true), out)
  end)

  it("gets a part", function()
    local backend = play.answering(function(request)
      assert.equal("bytes=2-4", request:field "range")
      return "234", "206 Partial Content", "Content-Range: bytes 2-4/10\r\n"
    end)
    local lb = play.balancer { backends = { backend } }
    local said = peers.curl(lb, { "-i", "-r", "2-4", "http://%s/" }).out
    assert.truthy(said:find "^HTTP/1.1 206 Partial Content\r\n" and said:find "\r\n\r\n234$")
    assert.truthy(said:find("\r\nContent-Range: bytes 2-4/10\r\n", 1, true))
  end)

  it("follows a redirect", function()
    local lb = play.balancer { backends = { play.answering(function(request)
      if request.target == "/new" then return "here" end
      return "", "307 Temporary Redirect", "Location: /new\r\n"
    end) } }
    assert.equal("here 1", peers.curl(lb, { "-L", "-w", " %{num_redirects}", "http://%s/old" }).out)
  end)

  it("opens many connections at once", function()
    local backend = mirror()
    local lb = play.balancer { backends = { backend } }
    local said = peers.curl(lb, { "-Z", "--parallel-immediate", "http://%s/[1-50]" }).out
    local seen = {}
    for target in said:gmatch "GET (/%d+) 0" do seen[target] = true end
    for i = 1, 50 do assert.truthy(seen["/" .. i], "/" .. i) end
  end)

  -- 18: a transfer that is shorter than it should be; 56: a reset.
  for what, bytes in pairs {
    ["a counted body"] = "Content-Length: 10\r\n\r\nhalf",
    ["a chunked body"] = "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
  } do
    for _, version in ipairs { "--http1.0", "--http1.1" } do
      it("with " .. version .. " reports that " .. what .. " was cut", function()
        local lb = play.balancer { backends = { play.backend(function(conn)
          play.receive(conn)
          conn:send("HTTP/1.1 200 OK\r\n", bytes)
          conn:drained()
        end) } }
        local result = peers.curl(lb, { version, "http://%s/", ends = { 18, 56 } })
        assert.truthy(result.out == "half" or result.out == "")
      end)
    end
  end
end)

describe("h2load", function()
  after_each(play.curtain)

  it("counts a success for each of thousands of requests over many connections", function()
    local one, two = play.hello "one", play.hello "two"
    local lb = play.balancer { backends = { one, two }, workers = 2 }
    local sum, said = peers.h2load(lb, { "-n", 3000, "-c", 60, "http://%s/" })
    for _, what in ipairs { "total", "started", "done", "succeeded" } do assert.equal(3000, sum[what], said) end
    for _, what in ipairs { "failed", "errored", "timeout" } do assert.equal(0, sum[what], said) end
    assert.same({ 3000, 0, 0, 0 }, { sum["2xx"], sum["3xx"], sum["4xx"], sum["5xx"] })
    assert.same({ 1500, 1500 }, { #one.requests, #two.requests })
    play.wait("a line for each", function() return #lb:exchanges { status = 200 } == 3000 end)
  end)

  it("uploads as well", function()
    local backend = play.answering(function(request) return #request.body .. "" end)
    local lb = play.balancer { backends = { backend } }
    local path = play.file("upload", MEGABYTE:sub(1, 20000))
    local sum = peers.h2load(lb, { "-n", 300, "-c", 20, "-d", path, "http://%s/" })
    assert.same({ 300, 0, 300 }, { sum.succeeded, sum.failed, sum["2xx"] })
    for _, request in ipairs(backend.requests) do assert.equal(20000, #request.body) end
  end)
end)

describe("Python's", function()
  after_each(play.curtain)

  it("http.server, which speaks 1.0, is well, and serves what it has", function()
    play.file("large", MEGABYTE)
    local address = peers.server {
      name = "http.server", "-m", "http.server", "--bind", "127.0.0.1", "--directory", play.directory(), "0",
    }
    local lb = play.balancer { backends = { address }, settings = 'health = { type = "http", timeout = 2 }' }
    assert.equal("status 200", lb:up(address).reason)
    local result = peers.curl(lb, { "-w", " %{num_connects}", "http://%s/large", "http://%s/large" })
    assert.truthy(result.out == MEGABYTE .. " 1" .. MEGABYTE .. " 0")
    assert.equal("404", peers.curl(lb, { "-o", "/dev/null", "-w", "%{http_code}", "http://%s/nothing" }).out)
  end)

  it("http.client reads every answer that it has asked for before its end", function()
    local lb = play.balancer { backends = { play.hello "x" } }
    for _, count in ipairs { 1, 5 } do
      assert.equal(("200 x\n"):rep(count), peers.python("half_close.py", lb.address, count).out)
    end
  end)

  it("WebSockets work through it: text, binary, a megabyte, pings and closes of both sides", function()
    local address, server = peers.server { name = "websockets", peers.folder .. "websocket.py", "serve" }
    local lb = play.balancer { backends = { address } }
    assert.equal("well\n", peers.python("websocket.py", "try", lb.address).out)
    local closes = {}
    play.wait("every connection to be closed", function() return #server.out == 1 + 22 end)
    for _, line in ipairs(server.out) do closes[line] = (closes[line] or 0) + 1 end
    assert.equal(1, closes["closed 4000 that was all"])
    assert.equal(1, closes["closed 4001 as you wish"])
    assert.equal(20, closes["closed 1000 "])
  end)
end)
