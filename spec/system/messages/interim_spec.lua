-- Interim responses (RFC 9110, 15.2; RFC 8297) and time; spec/cases has their bytes.
local play = require "spec.support.play"

local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
local HINTS = "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"

local function balancer(backend, settings)
  return play.balancer {
    backends = { backend },
    settings = "health = { interval = 60, timeout = 5, eject_after = 1 }," .. (settings or ""),
  }
end

-- Plays fn after each request's head.
local function backend_that(fn)
  return play.backend(function(conn)
    while true do fn(conn, conn:request()) end
  end)
end

describe("an interim response", function()
  after_each(play.curtain)

  it("reaches the client at once, long before the final one", function()
    local goes
    local backend = backend_that(function(conn)
      conn:send(HINTS)
      play.wait("the word", function() return goes end)
      conn:send(play.text "final")
    end)
    local client = play.client(balancer(backend))
    client:send(GET)
    local hints = client:response()
    assert.equal(103, hints.status)
    assert.equal("</a>; rel=preload", hints:field "link")
    goes = true
    assert.equal("final", client:response().body)
  end)

  it("belongs to its request, however many others wait behind it", function()
    local backend = backend_that(function(conn, request)
      conn:send((HINTS:gsub("</a>", "<" .. request.target .. ">")))
      conn:send(play.text(request.target))
    end)
    local client = play.client(balancer(backend))
    for i = 1, 5 do client:send("GET /" .. i .. " HTTP/1.1\r\nHost: x\r\n\r\n") end
    for i = 1, 5 do
      assert.equal("</" .. i .. ">; rel=preload", client:response():field "link")
      assert.equal("/" .. i, client:response().body)
    end
    assert.equal(1, backend.served)
  end)

  it("is kept from a 1.0 client, who gets the final one", function()
    local backend = backend_that(function(conn)
      conn:send(HINTS)
      play.pause(0.1)
      conn:send(play.text "final")
    end)
    local client = play.client(balancer(backend))
    client:send "GET / HTTP/1.0\r\nHost: x\r\n\r\n"
    local response = client:response()
    assert.equal(200, response.status)
    assert.equal("final", response.body)
  end)

  it("does not count as the response, if none follows in time", function()
    local backend = backend_that(function(conn)
      conn:send(HINTS)
      conn:ended_by_peer()
    end)
    local lb = balancer(backend, "timeouts = { response_head = 0.5 }")
    local client = play.client(lb)
    client:send(GET)
    assert.equal(103, client:response().status)
    assert.equal(504, client:response().status)
    assert.equal("timeout", lb:exchange().tries[1].outcome)
  end)

  it("does not count as the response, if the backend closes behind it", function()
    local backend = play.backend(function(conn)
      conn:request()
      conn:send(HINTS)
    end)
    local client = play.client(balancer(backend))
    client:send(GET)
    assert.equal(103, client:response().status)
    assert.equal(502, client:response().status)
  end)

  it("follows another as often as limits.head allows for all of them, and then is an error", function()
    local backend = play.backend(function(conn)
      conn:request()
      for _ = 1, 1000 do
        if not conn:send(HINTS) or conn.ended then break end
        play.pause(0.0005)
      end
      conn:ended_by_peer()
    end)
    local lb = balancer(backend, "limits = { head = 4096 },")
    local client = play.client(lb)
    client:send(GET)
    local count, response = 0, client:response()
    while response.status == 103 do count, response = count + 1, client:response() end
    assert.equal(502, response.status)
    assert.equal(math.floor(4096 / #HINTS), count)
    assert.equal("protocol", lb:exchange().tries[1].outcome)
  end)

  -- RFC 8297, 2: it may come before a 100, or without one.
  it("that is not 100 does not make the client send the body that is awaited", function()
    local backend = play.backend(function(conn)
      local head = conn:request_head()
      conn:send(HINTS)
      play.pause(0.6)
      conn:send "HTTP/1.1 100 Continue\r\n\r\n"
      conn:send(play.text(conn:body_of(head).body))
    end)
    local client = play.client(balancer(backend, "timeouts = { request_body = 0.3, response_head = 20 }"))
    client:send "PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
    assert.equal(103, client:response().status)
    assert.equal(100, client:response().status)
    client:send "body"
    assert.equal("body", client:response().body)
  end)

  it("of lb's own is never sent to a client that has not shut its sending side", function()
    local backend = backend_that(function(conn)
      play.pause(1.2)
      conn:send(play.text "late")
    end)
    local client = play.client(balancer(backend))
    client:send(GET)
    assert.equal("late", client:response().body)
  end)

  it("is sent behind what the client has not read yet, and nothing is lost", function()
    local body = ("0123456789abcde\n"):rep(65536)
    local backend = backend_that(function(conn)
      conn:send(HINTS)
      conn:send(play.text(body))
    end)
    local client = play.client(balancer(backend), { receive_buffer = 32768 })
    client:hold()
    client:send(GET:rep(10))
    play.pause(0.3)
    client:go_on()
    for _ = 1, 10 do
      assert.equal(103, client:response().status)
      assert.truthy(client:response().body == body)
    end
  end)
end)
