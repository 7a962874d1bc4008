-- Trailer fields (RFC 9110, 6.5; RFC 9112, 7.1.2) are forwarded with a chunked body, both ways.
local play = require "spec.support.play"

local GET = "GET /canary HTTP/1.1\r\nHost: x\r\n\r\n"
local POST = "POST /up HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
local CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
local RARE = "health = { interval = 60, timeout = 5 },"

local function balancer(...)
  return play.balancer { backends = { ... }, settings = RARE }
end

-- Keeps what it gets as bytes, and answers behind an empty line that is not that of the head.
local function noting()
  local seen = {}
  local backend = play.backend(function(conn)
    while true do
      play.wait("a request", function() return conn.ended or conn:peek():find "\r\n\r\n.*\r\n\r\n$" end)
      if conn.ended then return end
      seen[#seen + 1] = conn:exactly(conn.size)
      conn:send(play.text "ok")
    end
  end)
  return backend, seen
end

local function answering(bytes)
  return play.backend(function(conn)
    while true do
      local request = play.receive(conn)
      conn:send(request.target == "/canary" and play.text "canary" or bytes)
    end
  end)
end

describe("trailers of a request", function()
  after_each(play.curtain)

  it("reach the backend, between the last chunk and the end, byte for byte", function()
    local backend, seen = noting()
    local client = play.client(balancer(backend))
    local trailers = "X-Sum: 7f\r\nx-empty: \r\nX-Sum: again, \"quoted\"\r\n"
    client:send(POST, "Trailer: X-Sum\r\n\r\n", "4\r\nbody\r\n0\r\n", trailers, "\r\n")
    assert.equal("ok", client:response().body)
    assert.equal("4\r\nbody\r\n0\r\n" .. trailers .. "\r\n", seen[1]:match "\r\n\r\n(.*)$")
    assert.truthy(seen[1]:find("\r\nTrailer: X-Sum\r\n", 1, true))
  end)

  it("are the same when every byte comes alone", function()
    local backend, seen = noting()
    local client = play.client(balancer(backend))
    for byte in (POST .. "\r\n1\r\na\r\n0\r\nA: b\r\nC: d\r\n\r\n"):gmatch "." do
      client:send(byte)
      client:drained()
    end
    assert.equal("ok", client:response().body)
    assert.equal("1\r\na\r\n0\r\nA: b\r\nC: d\r\n\r\n", seen[1]:match "\r\n\r\n(.*)$")
  end)

  it("follow an empty body, too, and the next request is its own", function()
    local backend, seen = noting()
    local client = play.client(balancer(backend))
    for i = 1, 3 do
      client:send(POST, "\r\n0\r\nX-Number: ", tostring(i), "\r\n\r\n")
      assert.equal("ok", client:response().body)
      assert.equal("0\r\nX-Number: " .. i .. "\r\n\r\n", seen[i]:match "\r\n\r\n(.*)$")
    end
    assert.equal(1, backend.served)
  end)

  it("that say how to read, route or trust the message are not forwarded", function()
    local backend, seen = noting()
    local client = play.client(balancer(backend))
    client:send(POST, "Connection: X-Hop\r\n\r\n",
      "0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nHost: y\r\n",
      "Authorization: Basic x\r\nX-Hop: 1\r\nConnection: close\r\nX-Forwarded-For: 1.2.3.4\r\nX-Kept: 1\r\n\r\n")
    assert.equal("ok", client:response().body)
    assert.equal("0\r\nX-Kept: 1\r\n\r\n", seen[1]:match "\r\n\r\n(.*)$")
  end)

  it("go out again with the body, if that does", function()
    local first = play.backend(function(conn)
      conn:request()
      conn:reset()
    end)
    local second, seen = noting()
    local lb = play.balancer {
      backends = { first, second },
      settings = RARE .. "choose = function(ctx, backends) return backends[1] end,",
    }
    local client = play.client(lb)
    client:send((POST:gsub("POST", "PUT")), "\r\n", "4\r\nbody\r\n0\r\nX-Sum: 7f\r\n\r\n")
    assert.equal("ok", client:response().body)
    assert.equal(2, #lb:exchange().tries)
    assert.equal("4\r\nbody\r\n0\r\nX-Sum: 7f\r\n\r\n", seen[1]:match "\r\n\r\n(.*)$")
  end)

  for what, trailers in pairs {
    ["a space before the colon"] = "X-Sum : 7f\r\n\r\n",
    ["no colon"] = "X-Sum\r\n\r\n",
    ["an empty name"] = ": 7f\r\n\r\n",
    ["a folded line"] = "X-Sum: 7f\r\n more\r\n\r\n",
    ["a bare line feed"] = "X-Sum: 7f\n\r\n",
    ["a NUL"] = "X-Sum: 7\0f\r\n\r\n",
    ["a request behind a bare CR"] = "X-Sum: 7f\rGET / HTTP/1.1\r\n\r\n",
  } do
    it("with " .. what .. " end the request at the client, and never at the backend", function()
      local got, how
      local backend = play.backend(function(conn)
        got = conn:rest()
        how = conn.ended
      end)
      local lb = balancer(backend)
      local client = play.client(lb)
      client:send(POST, "\r\n4\r\nbody\r\n")
      play.wait("the body at the backend", function() return backend.served == 1 end)
      client:send("0\r\n", trailers, GET)
      local response = client:response()
      assert.equal(400, response.status)
      assert.equal("close", response:field "connection")
      assert.truthy(client:ended_by_peer())
      assert.equal(0, client.size)
      play.wait("the end at the backend", function() return how end)
      assert.falsy(got:find("0\r\n", got:find "\r\n\r\n" + 4, true), got)
      assert.same({}, lb:events "backend_down")
    end)
  end
end)

describe("trailers of a response", function()
  after_each(play.curtain)

  it("reach a client that gets chunks, and the connections stay open", function()
    local backend = answering(CHUNKED .. "Trailer: X-Sum\r\n\r\n4\r\nbody\r\n0\r\nX-Sum: 7f\r\nX-More: \r\n\r\n")
    local client = play.client(balancer(backend))
    for _ = 1, 2 do
      client:send("GET / HTTP/1.1\r\nHost: x\r\n\r\n", GET)
      local response = client:response()
      assert.equal("body", response.body)
      assert.same({ { "X-Sum", "7f" }, { "X-More", "" } }, response.trailers)
      assert.equal("X-Sum", response:field "trailer")
      assert.equal("canary", client:response().body)
    end
    assert.equal(1, backend.served)
  end)

  it("do not reach a client of 1.0, which knows no chunks", function()
    local backend = answering(CHUNKED .. "Trailer: X-Sum\r\n\r\n4\r\nbody\r\n0\r\nX-Sum: 7f\r\n\r\n")
    local client = play.client(balancer(backend))
    client:send "GET / HTTP/1.0\r\nHost: x\r\n\r\n"
    local response = client:response()
    assert.equal("body", response.body)
    assert.equal("end", response.complete and client.ended)
    assert.is_nil(response:field "trailer")
  end)

  it("that say how to read the message are not forwarded, nor those that its Connection names", function()
    local client = play.client(balancer(answering(CHUNKED .. "Connection: X-Hop\r\n\r\n"
      .. "0\r\nContent-Length: 5\r\nX-Hop: 1\r\nTransfer-Encoding: chunked\r\nX-Kept: 1\r\n\r\n")))
    client:send("GET / HTTP/1.1\r\nHost: x\r\n\r\n", GET)
    assert.same({ { "X-Kept", "1" } }, client:response().trailers)
    assert.equal("canary", client:response().body)
  end)

  for what, trailers in pairs {
    ["a space before the colon"] = "X-Sum : 7f\r\n\r\n",
    ["no colon"] = "X-Sum\r\n\r\n",
    ["a folded line"] = "X-Sum: 7f\r\n more\r\n\r\n",
    ["a bare line feed"] = "X-Sum: 7f\n\r\n",
    ["a NUL"] = "X-Sum: 7\0f\r\n\r\n",
    ["more fields than limits.fields"] = ("X-A: b\r\n"):rep(200) .. "\r\n",
    ["no end"] = false,
  } do
    it("with " .. what .. " leave the response unfinished", function()
      local backend = play.backend(function(conn)
        conn:request()
        conn:send(CHUNKED, "\r\n4\r\nbody\r\n0\r\n", trailers or "X-Sum: 7f\r\n")
        if trailers then conn:ended_by_peer() end
      end)
      local lb = balancer(backend)
      local client = play.client(lb)
      client:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
      local response = client:response()
      assert.equal(200, response.status)
      assert.equal("body", response.body)
      assert.falsy(response.complete)
      assert.truthy(client:ended_by_peer())
      assert.equal(0, client.size)
      assert.truthy(lb:exchange().note)
    end)
  end
end)
