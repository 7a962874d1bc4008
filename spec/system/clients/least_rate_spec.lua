-- A client that sends or reads a byte now and then loses its place; a client that is slow
-- because of somebody else does not. The rate is an average over 10 s, so cases of a kind happen
-- at once.
local frames = require "spec.support.h2_frames"
local play = require "spec.support.play"

local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
local POST = "POST / HTTP/1.1\r\nHost: x\r\n"
local LARGE = ("0123456789abcde\n"):rep(1024 * 1024)
local BOUND = 60

local function balancer(backend, limits)
  return play.balancer {
    backends = { backend },
    settings = ("health = { interval = 60, timeout = 5 }, %s"):format(limits or ""),
  }
end

-- Sends a piece every so often, until it is answered or has sent so many.
local function trickle(client, piece, seconds, most)
  play.beside(function()
    for _ = 1, most or 1000 do
      if client.size > 0 or client.ended then return end
      client:send(piece)
      play.pause(seconds)
    end
  end)
  return client
end

describe("limits.least_rate", function()
  after_each(play.curtain)

  it("answers 408 to a body of which a byte comes now and then, and bears a body that is just fast enough", function()
    local backend = play.answering(function(request) return #request.body .. " bytes" end)
    local lb = balancer(backend)
    local counted, chunked, early, fast = play.client(lb), play.client(lb), play.client(lb), play.client(lb)
    counted:send(POST, "Content-Length: 1000\r\n\r\n")
    chunked:send(POST, "Transfer-Encoding: chunked\r\n\r\n")
    -- It has sent more than is kept before a backend is chosen.
    early:send(POST, "Content-Length: 100000\r\n\r\n", ("e"):rep(70000))
    fast:send(POST, "Content-Length: 2400\r\n\r\n")
    trickle(counted, "x", 0.5)
    trickle(chunked, "1;a=b\r\nx\r\n", 0.2) -- more than 100 bytes in 10 s, but not of the body
    trickle(early, "x", 0.5)
    trickle(fast, ("f"):rep(100), 0.5, 24)
    for _, client in ipairs { counted, chunked, early } do
      local head = client:exactly(12, BOUND)
      assert.equal("HTTP/1.1 408", head)
      assert.equal("end", client:ended_by_peer(BOUND))
      assert.equal("less of the body came than limits.least_rate", lb:exchange({ status = 408 }).note)
    end
    play.wait("the fast one", function() return fast.size > 0 end, BOUND)
    assert.equal("2400 bytes", fast:response().body)
    assert.same({}, lb:events "backend_down")
  end)

  it("cuts a client that takes too little of an answer, and lets an answer come as slowly as it likes", function()
    local backend = play.backend(function(conn)
      if conn:request().target == "/large" then
        conn:send(play.text(LARGE))
      else
        conn:send "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        for _ = 1, 6 do
          conn:send "5\r\ndata\n\r\n"
          play.pause(2)
        end
        conn:send "0\r\n\r\n"
      end
      conn:ended_by_peer()
    end)
    local lb = balancer(backend, "limits = { least_rate = 1024 ^ 3 }")
    local slow, events = play.client(lb, { receive_buffer = 32768 }), play.client(lb)
    slow:send((GET:gsub("/", "/large", 1)))
    events:send(GET)
    play.beside(function() slow:sip(BOUND) end)
    play.wait("the slow reader to be cut", function() return slow.ended end, BOUND)
    assert.equal("reset", slow.ended)
    assert.equal("the client took less of the answer than limits.least_rate", lb:exchange({ status = 499 }).note)
    play.wait("all events", function() return events.size >= 6 * 10 + 5 end, BOUND)
    assert.equal(("data\n"):rep(6), events:response().body)
  end)

  it("ends a connection of HTTP/2, too, that has said its end and waits for a client that takes too little", function()
    local lb = play.balancer {
      script = [[return { listen = { { "127.0.0.1:0", h2c = true } }, timeouts = { keep_alive = 0.3 },
        limits = { least_rate = 1024 ^ 3, per_client = 1 },
        choose = function(ctx) return ctx:respond { body = ("x"):rep(200000) } end }]],
      listen = false,
    }
    local slow = play.client(lb, { receive_buffer = 2304 })
    slow:hold()
    slow:send(frames.PREFACE, frames.settings { { "INITIAL_WINDOW_SIZE", 200000 } }, frames.window(0, 200000))
    slow:send(frames.headers(1, {
      { ":method", "GET" }, { ":scheme", "http" }, { ":path", "/slow" }, { ":authority", "a.test" },
    }, { last = true }))
    assert.equal(200, lb:exchange({ path = "/slow" }).status)
    play.beside(function()
      for _ = 1, BOUND do
        slow:sip(0.1)
        play.pause(1)
      end
    end)
    play.wait("its place", function()
      local client = play.client(lb)
      client:send(GET)
      local status = client:response().status
      client:close()
      play.pause(0.5)
      return status == 200
    end, BOUND)
    assert.is_true(slow.size < 200000)
    assert.is_nil(slow.ended)
  end)

  it("does not run while the backend is slow", function()
    local received
    local backend = play.backend(function(conn)
      local head = conn:request_head()
      conn:sip(13)
      conn:go_on()
      received = #conn:body_of(head).body
      conn:send(play.text "taken")
    end)
    local lb = balancer(backend, "limits = { least_rate = 64 * 1024 ^ 2 }")
    local client = play.client(lb)
    client:send(POST, "Content-Length: ", #LARGE, "\r\n\r\n", LARGE)
    play.wait("the answer", function() return client.size > 0 end, BOUND)
    assert.equal("taken", client:response().body)
    assert.equal(#LARGE, received)
  end)

  it("is nothing that a tunnel has to keep", function()
    local backend = play.backend(function(conn)
      conn:request_head()
      conn:send "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
      for _ = 1, 25 do conn:send(conn:exactly(1)) end
      conn:finish()
    end)
    local lb = balancer(backend, "limits = { least_rate = 1024 ^ 3 }")
    local client = play.client(lb)
    client:send "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
    assert.equal(101, client:response_head().status)
    play.beside(function()
      for _ = 1, 25 do
        client:send "t"
        play.pause(0.5)
      end
    end)
    assert.equal(("t"):rep(25), client:exactly(25, BOUND))
  end)

  it("of 0 is none", function()
    local backend = play.answering(function(request) return request.body end)
    local client = play.client(balancer(backend, "limits = { least_rate = 0 }"))
    client:send(POST, "Content-Length: 25\r\n\r\n")
    trickle(client, "x", 0.5, 25)
    play.wait("the answer", function() return client.size > 0 end, BOUND)
    assert.equal(("x"):rep(25), client:response().body)
  end)
end)

describe("an answer that the client does not take", function()
  after_each(play.curtain)

  it("is cut by timeouts.response_body, whatever the client sends meanwhile", function()
    local backend = play.backend(function(conn)
      conn:request_head()
      conn:send(play.text(LARGE))
      conn:ended_by_peer()
    end)
    local lb = balancer(backend, "timeouts = { response_body = 0.5 }")
    local client = play.client(lb, { receive_buffer = 32768 })
    client:hold()
    client:send(POST, "Content-Length: 1000000\r\n\r\n")
    play.beside(function()
      while not client.ended do
        client:send "x"
        play.pause(0.1)
      end
    end)
    assert.equal("the client took nothing of the answer within timeouts.response_body", lb:exchange().note)
  end)
end)
