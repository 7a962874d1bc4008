-- A client that leaves: its request is cancelled upstream, and never ends there as if it were
-- whole; a client that has only shut its sending side gets its answer.
local ffi = require "ffi"
local play = require "spec.support.play"

ffi.cdef "int setsockopt(int fd, int level, int option, const void *value, unsigned length);"

local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
local CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
local RARE = "health = { interval = 60, timeout = 5, eject_after = 1 }, timeouts = { %s },"
local LONG = "response_head = 600, response_body = 600"

local function balancer(backend, timeouts, options)
  options = options or {}
  options.backends, options.settings = { backend }, RARE:format(timeouts or LONG)
  return play.balancer(options)
end

-- A backend that sends the bytes for a request, and no more: what it saw, and how it was left.
local function silent(bytes)
  local seen = {}
  local backend = play.backend(function(conn)
    conn:request_head()
    conn:send(bytes or "")
    seen.rest = conn:rest()
    seen.how = conn.ended
  end)
  return backend, seen
end

local function assert_left(seen, lb)
  play.wait("the end at the backend", function() return seen.how end, 60)
  local line = lb:exchange()
  assert.equal(499, line.status)
  assert.equal("the client went away", line.note)
  assert.equal("cancelled", line.tries[1].outcome)
  assert.same({}, lb:events "backend_ejected")
  assert.same({}, lb:events "backend_down")
end

describe("a client that leaves", function()
  after_each(play.curtain)

  for how, leave in pairs { ["resets"] = "reset", ["closes"] = "close" } do
    for what, bytes in pairs {
      ["before there is an answer"] = "",
      ["behind an interim response"] = "HTTP/1.1 103 Early Hints\r\n\r\n",
      ["in the middle of a chunked answer"] = CHUNKED .. "5\r\nhello\r\n",
      ["in the middle of an answer that its backend ends by closing"] = "HTTP/1.1 200 OK\r\n\r\nhello",
    } do
      it("and " .. how .. " " .. what .. " cancels the request at once, though its backend is silent", function()
        local backend, seen = silent(bytes)
        local lb = balancer(backend)
        local client = play.client(lb)
        client:send(GET)
        play.wait("the backend", function() return backend.served == 1 end)
        if bytes ~= "" then client:has(10) end
        play.pause(0.05)
        client[leave](client)
        assert_left(seen, lb)
      end)
    end
  end

  it("and resets in the middle of a counted answer cancels the request at once", function()
    local backend, seen = silent "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello"
    local lb = balancer(backend)
    local client = play.client(lb)
    client:send(GET)
    client:has(10)
    client:reset()
    assert_left(seen, lb)
  end)

  -- No byte may be sent that would find out, so its kernel is asked. A kernel forgets a closed
  -- socket after a minute, or, as here, after a second (TCP_LINGER2).
  it("and closes in the middle of a counted answer is found out by keep-alive packets", function()
    local backend, seen = silent "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello"
    local lb = balancer(backend, LONG)
    local client = play.client(lb)
    client:send(GET)
    client:has(10)
    assert.equal(0, ffi.C.setsockopt(client.handle:fileno(), 6, 8, ffi.new("int[1]", 1), 4))
    client:close()
    assert_left(seen, lb)
  end)

  it("while a slow backend does not take its body is noticed by its reset", function()
    local how
    local backend = play.backend(function(conn)
      conn:request_head()
      conn:hold()
      play.wait("the word", function() return how end)
      conn:go_on()
      assert.truthy(#conn:rest() < 9000000)
      how = conn.ended
    end)
    local lb = balancer(backend, "response_head = 600, request_body = 600")
    local client = play.client(lb)
    client:send("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n", ("u"):rep(8000000))
    play.pause(0.3)
    client:reset()
    assert.equal(499, lb:exchange().status)
    how = "go on"
    play.wait("the end at the backend", function() return how ~= "go on" end)
    assert.same({}, lb:events "backend_down")
  end)

  it("while enough of its next requests wait for their turn is noticed by its reset", function()
    local backend, seen = silent()
    local lb = balancer(backend)
    local client = play.client(lb)
    client:send(GET:rep(100000))
    play.wait("the backend", function() return backend.served == 1 end)
    play.pause(0.2)
    client:reset()
    assert_left(seen, lb)
  end)

  it("while it is asked for its body is noticed", function()
    local backend, seen = silent "HTTP/1.1 100 Continue\r\n\r\n"
    local lb = balancer(backend)
    local client = play.client(lb)
    client:send "PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
    assert.equal(100, client:response().status)
    client:close()
    assert_left(seen, lb)
  end)

  for what, body in pairs {
    ["a counted body"] = "Content-Length: 10\r\n\r\nabcde",
    ["a chunk"] = "Transfer-Encoding: chunked\r\n\r\na\r\nabcde",
    ["a chunked body between two chunks"] = "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n",
    ["the last chunk"] = "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n",
    ["trailers"] = "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\nX-Sum: 7f\r\n",
  } do
    for how, leave in pairs { ["shuts its sending side"] = "finish", ["closes"] = "close", ["resets"] = "reset" } do
      it("and " .. how .. " in the middle of " .. what .. " leaves the request unfinished upstream", function()
        local request
        local backend = play.backend(function(conn)
          local head = conn:request_head()
          request = conn:body_of(head)
          request.how = conn:ended_by_peer()
        end)
        local lb = balancer(backend)
        local client = play.client(lb)
        client:send("POST / HTTP/1.1\r\nHost: x\r\n", body)
        play.wait("the backend", function() return backend.served == 1 end)
        play.pause(0.05)
        client[leave](client)
        play.wait("the end at the backend", function() return request and request.how end)
        assert.falsy(request.complete)
        assert.equal(499, lb:exchange().status)
        assert.same({}, lb:events "backend_down")
      end)
    end
  end
end)

-- Nobody knows any more whose request it was: not the policy, not the backend, not the log.
describe("a client that is gone before it is accepted", function()
  after_each(play.curtain)

  it("is not served", function()
    local backend = play.hello "x"
    local lb = balancer(backend)
    lb:freeze()
    local client = play.client(lb)
    client:send "GET /gone HTTP/1.1\r\nHost: x\r\n\r\n"
    client:drained()
    client:reset()
    play.pause(0.1) -- nobody can be asked whether the reset has arrived
    lb:thaw()
    assert.equal("x", lb:fetch("/next").body)
    lb:exchange { path = "/next" }
    assert.equal(1, #lb:exchanges())
    assert.equal(1, #backend.requests)
  end)
end)

describe("a client that shuts its sending side in the middle of a chunked answer", function()
  after_each(play.curtain)

  -- RFC 9112, 7.1: a chunk's size may have leading zeros. One is sent ahead, to see who resets.
  it("gets the rest, however often it is asked whether it is there", function()
    local goes
    local backend = play.backend(function(conn)
      conn:request()
      conn:send(CHUNKED, "5\r\nhello\r\n")
      play.wait("the word", function() return goes end)
      conn:send "6\r\n world\r\n"
      play.pause(0.7)
      conn:send "1\r\n!\r\n0\r\nX-Sum: 7f\r\n\r\n"
    end)
    local lb = balancer(backend)
    local client = play.client(lb)
    client:send(GET)
    client:has(10)
    client:finish()
    play.pause(1.2)
    goes = true
    local raw = client:rest()
    assert.equal("5\r\nhello\r\n06\r\n world\r\n1\r\n!\r\n0\r\nX-Sum: 7f\r\n\r\n", raw:match "\r\n\r\n(.*)$")
    assert.equal("end", client.ended)
    assert.equal(200, lb:exchange().status)
  end)

  it("gets the end of it as one", function()
    local goes
    local backend = play.backend(function(conn)
      conn:request()
      conn:send(CHUNKED, "5\r\nhello\r\n")
      play.wait("the word", function() return goes end)
      conn:send "0\r\n\r\n"
    end)
    local client = play.client(balancer(backend))
    client:send(GET)
    client:has(10)
    client:finish()
    play.pause(0.1)
    goes = true
    local response = client:response()
    assert.equal("hello", response.body)
    assert.truthy(response.complete)
    assert.equal("end", client:ended_by_peer())
  end)

  it("sees a reset if the rest does not come, and nothing that looks like an end", function()
    local goes
    local backend = play.backend(function(conn)
      conn:request()
      conn:send(CHUNKED, "5\r\nhello\r\n")
      play.wait("the word", function() return goes end)
    end)
    local client = play.client(balancer(backend))
    client:send(GET)
    client:has(10)
    client:finish()
    play.pause(0.1)
    goes = true
    assert.equal("reset", client:ended_by_peer())
    assert.falsy(client:peek():find("0\r\n\r\n$"))
  end)
end)

describe("an answer that the end of the connection ends", function()
  after_each(play.curtain)

  local OLD = "GET / HTTP/1.0\r\nHost: x\r\n\r\n"

  -- Both are there when lb looks.
  for what, bytes in pairs {
    ["without a length"] = "HTTP/1.1 200 OK\r\n\r\nhello",
    ["with a length"] = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
    ["in chunks"] = CHUNKED .. "5\r\nhello\r\n",
  } do
    for version, request in pairs { ["1.0"] = OLD, ["1.1"] = GET } do
      it("is unfinished for a " .. version .. " client if its last bytes, " .. what .. ", come with a reset", function()
        local goes
        local backend = play.backend(function(conn)
          conn:request()
          conn:send(bytes:sub(1, -2))
          play.wait("the word", function() return goes end)
          conn:send(bytes:sub(-1))
          conn:drained()
          conn:reset()
        end)
        local lb = balancer(backend)
        local client = play.client(lb)
        client:send(request)
        client:has(10)
        lb:freeze()
        goes = true
        play.wait("the reset", function() return #backend:connections() == 0 end)
        lb:thaw()
        local response = client:response()
        assert.falsy(response.complete)
        assert.equal("reset", lb:exchange().tries[1].outcome)
      end)
    end
  end

  it("is unfinished if the end of the drain cuts it", function()
    local backend = silent "HTTP/1.1 200 OK\r\n\r\nhello"
    local lb = balancer(backend, "", { args = { "--drain-timeout", "0.5" } })
    local client = play.client(lb)
    client:send(OLD)
    client:has(10)
    lb:stop()
    local response = client:response()
    assert.equal("hello", response.body)
    assert.falsy(response.complete)
    assert.equal("reset", client.ended)
  end)
end)
