-- A request's body that is read before a backend is chosen: a client that sends slowly
-- takes no backend's place.
local play = require "spec.support.play"

local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
local POST = "POST / HTTP/1.1\r\nHost: x\r\n"
local EXPECT = "Expect: 100-continue\r\n"

local function balancer(backend, settings, place)
  return play.balancer {
    settings = ([[
      health = { interval = 60, timeout = 5 },
      backends = { { address = %q, max_in_flight = %d } },
      %s
    ]]):format(backend.address, place or 1, settings or ""),
  }
end

local function echo()
  return play.answering(function(request) return request.method .. " " .. (request.body or "") end)
end

describe("a request's body", function()
  after_each(play.curtain)

  for what, body in pairs {
    ["with a length"] = { "Content-Length: 5\r\n\r\nh", "ello" },
    ["in chunks"] = { "Transfer-Encoding: chunked\r\n\r\n1\r\nh\r\n4\r\n", "ello\r\n0\r\n\r\n" },
    ["of which nothing has come"] = { "Content-Length: 5\r\n\r\n", "hello" },
  } do
    it(what .. " is waited for while others have the backend's place", function()
      local backend = echo()
      local lb = balancer(backend)
      local slow = {}
      for i = 1, 3 do
        slow[i] = play.client(lb)
        slow[i]:send(POST, body[1])
      end
      for _ = 1, 5 do assert.equal("GET ", lb:fetch("/").body) end
      for i = 1, 3 do
        slow[i]:send(body[2])
        assert.equal("POST hello", slow[i]:response().body)
      end
      for _, exchange in ipairs(lb:exchanges()) do assert.equal(200, exchange.status) end
    end)
  end

  it("is asked for by lb if the client waits for that, and the backend hears nothing of it", function()
    local backend = echo()
    local lb = balancer(backend)
    local client = play.client(lb)
    client:send(POST, EXPECT, "Content-Length: 5\r\n\r\n")
    assert.equal(100, client:response().status)
    assert.equal("GET ", lb:fetch("/").body)
    client:send "hello"
    assert.equal("POST hello", client:response().body)
    assert.is_nil(backend.requests[2]:field "expect")
  end)

  it("is not asked for if it comes by itself", function()
    local backend = echo()
    local client = play.client(balancer(backend))
    client:send(POST, EXPECT, "Content-Length: 5\r\n\r\nhello", GET)
    assert.equal("POST hello", client:response().body)
    assert.equal("GET ", client:response().body)
  end)

  it("larger than limits.replay is forwarded when so much of it is there", function()
    local begun
    local backend = play.backend(function(conn)
      local head = conn:request_head()
      begun = true
      conn:send(play.text(tostring(#conn:body_of(head).body)))
    end)
    local client = play.client(balancer(backend, "limits = { replay = 1000 },"))
    client:send(POST, "Content-Length: 3000\r\n\r\n", ("a"):rep(999))
    play.pause(0.1)
    assert.is_nil(begun)
    client:send "b"
    play.wait("the backend", function() return begun end)
    client:send(("c"):rep(2000))
    assert.equal("3000", client:response().body)
  end)

  it("of megabytes arrives as it was sent, trailers and all", function()
    local body, trailer = ("0123456789abcde\n"):rep(200000)
    local backend = play.backend(function(conn)
      local request = conn:request()
      trailer = request.trailers[1]
      conn:send(play.text(request.body == body and "same" or "other"))
    end)
    local client = play.client(balancer(backend))
    client:send(POST, "Transfer-Encoding: chunked\r\n\r\n")
    for from = 1, #body, 99999 do
      local piece = body:sub(from, from + 99998)
      client:send(("%x\r\n%s\r\n"):format(#piece, piece))
    end
    client:send "0\r\nX-Sum: 7f\r\n\r\n"
    assert.equal("same", client:response().body)
    assert.same({ "X-Sum", "7f" }, trailer)
  end)

  it("larger than limits.body is refused, and no backend was asked", function()
    local backend = echo()
    local lb = balancer(backend, "limits = { body = 10 },")
    local client = play.client(lb)
    client:send(POST, "Transfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n8\r\n12345678\r\n")
    assert.equal(413, client:response().status)
    assert.equal(0, #backend.requests)
  end)

  it("whose client leaves was nobody's request", function()
    local backend = echo()
    local lb = balancer(backend)
    local client = play.client(lb)
    client:send(POST, "Content-Length: 5\r\n\r\nhel")
    play.pause(0.1)
    client:close()
    local exchange = lb:exchange { status = 499 }
    assert.same({}, exchange.tries)
    assert.equal(0, backend.served)
  end)

  it("has its timeout", function()
    local backend = echo()
    local lb = balancer(backend, "timeouts = { request_body = 0.3 },")
    local client = play.client(lb)
    client:send(POST, "Content-Length: 5\r\n\r\nhel")
    assert.equal(408, client:response().status)
    assert.same({}, lb:exchange({ status = 408 }).tries)
  end)

  for what, case in pairs {
    ["with body_first = 'never'"] = { "body_first = 'never',", 1 },
    ["where no backend has max_in_flight"] = { "", 0 },
    ["with limits.replay = 0"] = { "limits = { replay = 0 },", 1 },
  } do
    it("is forwarded as it comes " .. what, function()
      local backend = echo()
      local lb = balancer(backend, case[1], case[2])
      local client = play.client(lb)
      client:send(POST, "Content-Length: 5\r\n\r\nhel")
      play.wait("the backend", function() return backend.served == 1 end)
      client:send "lo"
      assert.equal("POST hello", client:response().body)
    end)
  end

  it("comes first everywhere with body_first = 'always'", function()
    local backend = echo()
    local lb = balancer(backend, "body_first = 'always',", 0)
    local client = play.client(lb)
    client:send(POST, "Content-Length: 5\r\n\r\nhel")
    assert.equal("GET ", lb:fetch("/").body)
    client:send "lo"
    assert.equal("POST hello", client:response().body)
    assert.equal("GET", backend.requests[1].method)
  end)
end)
