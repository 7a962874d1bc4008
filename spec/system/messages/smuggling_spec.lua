-- What two readers could understand differently is refused, never repaired.
local play = require "spec.support.play"

local HOST = "Host: x\r\n"
local NEXT = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"

local requests = {
  ["both a length and chunks"] =
    "POST / HTTP/1.1\r\n" .. HOST .. "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  ["two different lengths"] = "POST / HTTP/1.1\r\n" .. HOST .. "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
  ["a list of lengths"] = "POST / HTTP/1.1\r\n" .. HOST .. "Content-Length: 5, 6\r\n\r\nhello!",
  ["a length with a sign"] = "POST / HTTP/1.1\r\n" .. HOST .. "Content-Length: +5\r\n\r\nhello",
  ["a negative length"] = "POST / HTTP/1.1\r\n" .. HOST .. "Content-Length: -5\r\n\r\nhello",
  ["a length that is no number"] = "POST / HTTP/1.1\r\n" .. HOST .. "Content-Length: 0x5\r\n\r\nhello",
  ["a length beyond 64 bits"] = "POST / HTTP/1.1\r\n" .. HOST .. "Content-Length: 18446744073709551621\r\n\r\nhello",
  ["an empty length"] = "POST / HTTP/1.1\r\n" .. HOST .. "Content-Length:\r\n\r\n",
  ["a coding that is not chunked"] = "POST / HTTP/1.1\r\n" .. HOST .. "Transfer-Encoding: gzip\r\n\r\n",
  ["a coding that looks like chunked"] = "POST / HTTP/1.1\r\n" .. HOST ..
    "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
  ["chunked twice"] = "POST / HTTP/1.1\r\n" .. HOST ..
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  ["chunked before something else"] = "POST / HTTP/1.1\r\n" .. HOST ..
    "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
  ["chunks in HTTP/1.0"] = "POST / HTTP/1.0\r\n" .. HOST .. "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  ["a space before the colon"] = "POST / HTTP/1.1\r\n" .. HOST .. "Content-Length : 5\r\n\r\nhello",
  ["a folded field"] = "GET / HTTP/1.1\r\n" .. HOST .. "X-A: b\r\n c\r\n\r\n",
  ["a field without a colon"] = "GET / HTTP/1.1\r\n" .. HOST .. "nonsense\r\n\r\n",
  ["a bare LF after a field"] = "GET / HTTP/1.1\r\n" .. HOST .. "X-A: b\nX-B: c\r\n\r\n",
  ["a bare LF after the request line"] = "GET / HTTP/1.1\n" .. HOST .. "\r\n",
  ["a bare CR in a value"] = "GET / HTTP/1.1\r\n" .. HOST .. "X-A: b\rX-B: c\r\n\r\n",
  ["a NUL in a value"] = "GET / HTTP/1.1\r\n" .. HOST .. "X-A: b\0c\r\n\r\n",
  ["a control byte in a name"] = "GET / HTTP/1.1\r\n" .. HOST .. "X\1A: b\r\n\r\n",
  ["two Host fields"] = "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
  ["an empty Host"] = "GET / HTTP/1.1\r\nHost:\r\n\r\n",
  ["no Host in HTTP/1.1"] = "GET / HTTP/1.1\r\n\r\n",
  ["a version that does not exist"] = "GET / HTTP/1.9.1\r\n" .. HOST .. "\r\n",
  ["no HTTP at all"] = "\22\3\1\2\0\1\0\1\252\3\3 nothing of this is HTTP\r\n\r\n",
  ["a space in the target"] = "GET /a b HTTP/1.1\r\n" .. HOST .. "\r\n",
}

-- These are found after the head has gone to the backend.
local bodies = {
  ["a chunk size that is no number"] = "xyz\r\n",
  ["a chunk longer than it says"] = "3\r\nhello\r\n0\r\n\r\n",
  ["a chunk size with a sign"] = "+3\r\nabc\r\n0\r\n\r\n",
  ["a chunk size with 0x"] = "0x3\r\nabc\r\n0\r\n\r\n",
  ["a chunk size beyond 64 bits"] = "10000000000000003\r\nabc\r\n0\r\n\r\n",
  ["a bare LF after a chunk size"] = "3\nabc\r\n0\r\n\r\n",
  ["a bare LF after a chunk"] = "3\r\nabc\n0\r\n\r\n",
}

describe("a request with", function()
  after_each(play.curtain)

  for what, bytes in pairs(requests) do
    it(what .. " is refused with 400, and nothing of it reaches a backend", function()
      local backend = play.hello "x"
      local client = play.client(play.balancer { backends = { backend } })
      client:send(bytes, NEXT)
      local response = client:response()
      assert.truthy(response.status == 400 or response.status == 501 or response.status == 505, response.status)
      assert.truthy(client:ended_by_peer())
      assert.equal(0, client.size)
      assert.equal(0, backend.served)
    end)
  end

  for what, bytes in pairs(bodies) do
    it(what .. " is refused, and the backend sees no complete request", function()
      local seen = {}
      local backend = play.backend(function(conn)
        local head = conn:request_head()
        table.insert(seen, conn:body_of(head))
        conn:ended_by_peer()
      end)
      local client = play.client(play.balancer { backends = { backend } })
      client:send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", bytes, NEXT)
      assert.equal(400, client:response().status)
      assert.truthy(client:ended_by_peer())
      assert.equal(0, client.size)
      play.wait("the backend's connections to end", function() return #backend:connections() == 0 end)
      for _, request in ipairs(seen) do assert.falsy(request.complete) end
      assert.truthy(backend.served <= 1)
    end)
  end

  it("nothing odd in it is not refused: chunk extensions, trailers, an empty line before", function()
    local backend = play.answering(function(request) return request.body end)
    local lb = play.balancer { backends = { backend } }
    local client = play.client(lb)
    client:send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n",
      "5;name=\"v\"\r\nhello\r\n0\r\nX-T: 1\r\n\r\n")
    assert.equal("hello", client:response().body)
    client:send "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"
    assert.equal(200, client:response().status)
  end)
end)

local responses = {
  ["both a length and chunks"] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  ["two different lengths"] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
  ["a length that is no number"] = "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello",
  ["a coding that is not chunked"] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, foo\r\n\r\nhello",
  ["a field without a colon"] = "HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 0\r\n\r\n",
  ["a space before the colon"] = "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
  ["a NUL in a value"] = "HTTP/1.1 200 OK\r\nX-A: b\0c\r\nContent-Length: 0\r\n\r\n",
  ["nothing of HTTP"] = "+OK POP3 ready\r\n\r\n",
  ["a status that is none"] = "HTTP/1.1 99 Low\r\nContent-Length: 0\r\n\r\n",
}

local cuts = {
  ["shorter than its length"] = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
  ["in chunks without the last one"] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
  ["in chunks that end inside one"] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nshort",
  ["in chunks that turn to nonsense"] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\nxyz\r\n",
}

describe("a response with", function()
  after_each(play.curtain)

  for what, bytes in pairs(responses) do
    it(what .. " is a 502", function()
      local backend = play.backend(function(conn)
        conn:request()
        conn:send(bytes)
        conn:ended_by_peer()
      end)
      assert.equal(502, play.balancer({ backends = { backend } }):fetch("/").status)
    end)
  end

  for what, bytes in pairs(cuts) do
    it("a body " .. what .. " is visibly cut", function()
      local backend = play.backend(function(conn)
        conn:request()
        conn:send(bytes)
      end)
      local client = play.client(play.balancer { backends = { backend } })
      client:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
      local response = client:response()
      assert.equal("short", response.body)
      assert.falsy(response.complete)
      assert.truthy(client:ended_by_peer())
    end)
  end

  it("a body shorter than the connection is visibly cut for an HTTP/1.0 client too: by a reset", function()
    local backend = play.backend(function(conn)
      conn:request()
      conn:send "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n"
      play.pause(0.05)
    end)
    local client = play.client(play.balancer { backends = { backend } })
    client:send "GET / HTTP/1.0\r\n\r\n"
    local response = client:response()
    assert.falsy(response.complete)
    assert.equal("reset", client:ended_by_peer())
  end)
end)

-- Some backends read no body where there should be none, and take it for the next request.
describe("a backend that does not read the body of a", function()
  after_each(play.curtain)

  for _, method in ipairs { "GET", "HEAD", "DELETE", "OPTIONS" } do
    it(method .. " poisons no connection that another client uses", function()
      local backend = play.backend(function(conn)
        while true do
          local head = conn:request_head()
          if not head then return end
          conn:send(play.text(head.method == "HEAD" and "" or head.target))
        end
      end)
      local lb = play.balancer { backends = { backend }, settings = "health = { interval = 60, timeout = 5 }" }
      local attacker = play.client(lb)
      attacker:send(("%s /mine HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"):format(method, #NEXT, NEXT))
      assert.equal(200, attacker:response(method).status)
      for i = 1, 3 do assert.equal("/victim" .. i, lb:fetch("/victim" .. i).body) end
    end)
  end
end)
