-- RFC 9110, 10.1.1: the client sends its body after a 100, or when it is tired of waiting.
local play = require "spec.support.play"

local HEAD = "PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
local CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n"

local function balancer(timeouts, ...)
  return play.balancer {
    backends = { ... },
    settings = ("health = { interval = 60, timeout = 5 }, timeouts = { %s }"):format(timeouts),
  }
end

-- Lets time pass, then asks for the body.
local function slow_to_ask(seconds)
  return play.backend(function(conn)
    local head = conn:request_head()
    assert.equal("100-continue", head:field "expect")
    play.pause(seconds)
    conn:send(CONTINUE)
    local request = conn:body_of(head)
    if request.complete then conn:send(play.text(request.body)) end
    conn:ended_by_peer()
  end)
end

describe("a request that expects 100-continue", function()
  after_each(play.curtain)

  it("fails by its backend's timeout if that is silent, not by the client's", function()
    local silent = play.backend(function(conn)
      conn:request_head()
      conn:ended_by_peer()
    end)
    local lb = balancer("request_body = 0.3, response_head = 1", silent)
    local client = play.client(lb)
    client:send(HEAD)
    assert.equal(504, client:response().status)
    assert.equal("timeout", lb:exchange({ status = 504 }).tries[1].outcome)
  end)

  it("goes to the next backend if the first is silent", function()
    local silent = play.backend(function(conn)
      conn:request_head()
      conn:ended_by_peer()
    end)
    local asks = slow_to_ask(0)
    local lb = play.balancer {
      backends = { silent, asks },
      settings = [[
        health = { interval = 60, timeout = 5 }, timeouts = { request_body = 0.3, response_head = 0.6 },
        choose = function(ctx, backends) return backends[1] end,
      ]],
    }
    local client = play.client(lb)
    client:send(HEAD)
    assert.equal(100, client:response().status)
    client:send "body"
    assert.equal("body", client:response().body)
  end)

  it("gets a 100 when its backend wants the body, however late, and then sends it", function()
    local client = play.client(balancer("request_body = 0.3, response_head = 600", slow_to_ask(0.8)))
    client:send(HEAD)
    assert.equal(100, client:response().status)
    client:send "body"
    local response = client:response()
    assert.equal(200, response.status)
    assert.equal("body", response.body)
  end)

  it("has timeouts.request_body from then on", function()
    local client = play.client(balancer("request_body = 0.3, response_head = 600", slow_to_ask(0)))
    client:send(HEAD)
    assert.equal(100, client:response().status)
    client:send "bo"
    assert.equal(408, client:response().status)
  end)

  -- RFC 9110, 10.1.1: of a 1.0 client the field means nothing.
  it("does not wait for it if it is a 1.0 client, nor is it waited for", function()
    local backend = play.backend(function(conn)
      assert.is_nil(conn:request_head():field "expect")
      conn:ended_by_peer()
    end)
    local lb = balancer("request_body = 0.3, response_head = 600", backend)
    local client = play.client(lb)
    client:send((HEAD:gsub("1%.1", "1.0")))
    assert.equal(408, client:response().status)
    assert.equal("cancelled", lb:exchange().tries[1].outcome)
  end)

  it("may send its body without a 100", function()
    local backend = play.answering(function(request) return request.body end)
    local client = play.client(balancer("request_body = 20", backend))
    client:send(HEAD)
    play.wait("the backend", function() return backend.served == 1 end)
    client:send "body"
    assert.equal("body", client:response().body)
  end)

  it("is refused by a final answer, after which nothing is taken for a request", function()
    local backend = play.backend(function(conn)
      conn:request_head()
      conn:send(play.text("no", "403 Forbidden"))
      conn:ended_by_peer()
    end)
    local client = play.client(balancer("request_body = 20", backend))
    client:send(HEAD)
    local response = client:response()
    assert.equal(403, response.status)
    assert.equal("close", response:field "connection")
    client:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    assert.truthy(client:ended_by_peer())
    assert.equal(0, client.size)
    assert.equal(1, backend.served)
  end)
end)
