-- Each timeout: what it waits for, and what a client gets when it is over.
local play = require "spec.support.play"

-- The timeout under test is short; every other way to an end is 10 s away.
local function balancer(name, seconds, backend)
  return play.balancer {
    backends = { backend or play.hello "x" },
    settings = ("health = { interval = 60, timeout = 5 }, timeouts = { %s = %g }"):format(name, seconds),
  }
end

-- The README promises the timeout, so its effect is awaited for less than those 10 s.
local function in_time(what, fn)
  local took = play.timed(fn)
  assert.truthy(took < 9, ("%s took %.2f s"):format(what, took))
end

describe("the timeout", function()
  after_each(play.curtain)

  it("request_head answers 408 to a head that does not end", function()
    local client = play.client(balancer("request_head", 0.3))
    client:send "GET / HTTP/1.1\r\nHost:"
    in_time("408", function() assert.equal(408, client:response().status) end)
    assert.equal("end", client:ended_by_peer())
  end)

  it("request_head counts from the first byte, however steadily the rest drips", function()
    local client = play.client(balancer("request_head", 0.5))
    client:send "GET / HTTP/1.1\r\nX-Slow: "
    in_time("408", function()
      while client.size == 0 and not client.ended do
        client:send "a"
        play.pause(0.05)
      end
      assert.equal(408, client:response().status)
    end)
  end)

  it("request_head counts anew for each request", function()
    local client = play.client(balancer("request_head", 3))
    for _ = 1, 3 do -- 3.3 s in all
      client:send "GET / HTTP/1.1\r\n"
      play.pause(1.1)
      client:send "Host: x\r\n\r\n"
      assert.equal(200, client:response().status)
    end
  end)

  it("request_body answers 408 when the body stops coming", function()
    local backend = play.backend(function(conn)
      conn:request_head()
      conn:ended_by_peer()
    end)
    local lb = balancer("request_body", 0.3, backend)
    local client = play.client(lb)
    client:send "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nsome"
    in_time("408", function() assert.equal(408, client:response().status) end)
    assert.equal("end", client:ended_by_peer())
    assert.same({}, lb:events "backend_down")
  end)

  it("request_body counts between bytes: a slow body arrives", function()
    local backend = play.answering(function(request) return request.body end)
    local client = play.client(balancer("request_body", 2, backend))
    client:send "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n"
    for byte in ("slowly"):gmatch "." do
      client:send(byte)
      play.pause(0.4)
    end
    assert.equal("slowly", client:response().body)
  end)

  it("response_head answers 504 when no head comes", function()
    local client = play.client(balancer("response_head", 0.3, play.blocked()))
    client:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    in_time("504", function() assert.equal(504, client:response().status) end)
  end)

  it("response_head counts from the end of the request: a long upload does not use it up", function()
    local backend = play.answering(function(request) return request.body end)
    local client = play.client(balancer("response_head", 2, backend))
    client:send "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n"
    for byte in ("slowly"):gmatch "." do
      client:send(byte)
      play.pause(0.4)
    end
    assert.equal("slowly", client:response().body)
  end)

  for what, head in pairs {
    ["a length"] = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nsome",
    ["chunks"] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n",
    ["neither"] = "HTTP/1.1 200 OK\r\n\r\nsome",
  } do
    it("response_body cuts a response with " .. what .. " that stops coming: it cannot look complete", function()
      local backend = play.backend(function(conn)
        conn:request()
        conn:send(head)
        conn:ended_by_peer()
      end)
      local client = play.client(balancer("response_body", 0.3, backend))
      client:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
      in_time("the cut", function()
        local response = client:response()
        assert.equal("some", response.body)
        assert.falsy(response.complete)
      end)
    end)
  end

  it("response_body counts between bytes: a slow body arrives", function()
    local backend = play.backend(function(conn)
      conn:request()
      conn:send "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"
      for byte in ("slowly"):gmatch "." do
        conn:send(byte)
        play.pause(0.4)
      end
    end)
    assert.equal("slowly", balancer("response_body", 2, backend):fetch("/").body)
  end)

  it("response_body does not blame a backend for a client that reads slowly", function()
    local big = ("x"):rep(16 * 1024 * 1024)
    local lb = balancer("response_body", 0.4, play.hello(big))
    local client = play.client(lb)
    client:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    client:has(1000)
    client:hold()
    play.pause(1)
    client:go_on()
    local response = client:response()
    assert.truthy(response.complete and response.body == big or not response.complete)
    assert.same({}, lb:events "backend_down")
  end)

  local function asked_and_silent(lb)
    local asked, silent = play.client(lb), play.client(lb)
    asked:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    assert.equal("x", asked:response().body)
    return asked, silent
  end

  it("keep_alive closes a connection that is idle after a request, and not a connection that never asked", function()
    local lb = balancer("keep_alive", 0.3)
    local asked, silent = asked_and_silent(lb)
    in_time("the end", function() assert.equal("end", asked:ended_by_peer()) end)
    assert.equal(0, asked.size)
    assert.is_nil(silent.ended)
  end)

  it("request_head closes a connection that never asked, and not a connection that is idle after a request", function()
    local lb = balancer("request_head", 0.3)
    local asked, silent = asked_and_silent(lb)
    in_time("the end", function() assert.equal("end", silent:ended_by_peer()) end)
    assert.equal(0, silent.size)
    assert.is_nil(asked.ended)
    assert.equal(1, #lb:exchanges())
  end)

  it("keep_alive does not end a request that waits for its backend", function()
    local backend = play.answering(function()
      play.pause(0.6)
      return "late"
    end)
    assert.equal("late", balancer("keep_alive", 0.2, backend):fetch("/").body)
  end)

  it("connect ends a connect that hangs", function()
    local hole = play.blackhole()
    local lb = balancer("connect", 0.3, hole)
    lb:up(hole)
    hole:fill()
    in_time("the answer", function()
      local status = lb:fetch("/").status
      assert.truthy(status == 503 or status == 504, status)
    end)
    assert.equal("connect_timeout", lb:exchange().tries[1].outcome)
  end)
end)
