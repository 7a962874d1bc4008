-- What a backend in HTTP/2 without TLS (h2c://) gets of a request, and a client of its answer.
local h2 = require "spec.support.h2"
local h2_backends = require "spec.support.h2_backends"
local play = require "spec.support.play"

local balancer, echo, outcomes = h2_backends.balancer, h2_backends.echo, h2_backends.outcomes


describe("a request to a backend in HTTP/2", function()
  after_each(play.curtain)

  it("has its method, target, host and fields, and the answer a reason", function()
    local seen
    local backend = h2.backend(function(s)
      seen = s:whole().of
      s:answer("hello", { { "x-fine", "yes" } })
    end)
    local lb = balancer { backend }
    local client = play.client(lb)
    client:send("GET /a?b=c HTTP/1.1\r\nHost: shop.test\r\nX-Own: 1\r\nTE: trailers\r\n"
      .. "Connection: TE, x-hop\r\nX-Hop: 1\r\n\r\n")
    local response = client:response()
    assert.equal("hello", response.body)
    assert.equal("OK", response.reason)
    assert.equal("yes", response:field "x-fine")
    assert.equal("GET /a?b=c", seen.method .. " " .. seen.path)
    assert.equal("http shop.test", seen.scheme .. " " .. seen.authority)
    assert.equal("1", h2.field(seen.fields, "x-own"))
    assert.equal("trailers", h2.field(seen.fields, "te"))
    assert.equal("127.0.0.1", h2.field(seen.fields, "x-forwarded-for"))
    assert.is_nil(h2.field(seen.fields, "x-hop"))
    assert.is_nil(h2.field(seen.fields, "host"))
    assert.is_nil(h2.field(seen.fields, "content-length"))
  end)

  for what, body in pairs { ["a length"] = "Content-Length: 5\r\n\r\nabcde", ["chunks"] =
    "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n" } do
    it("has a body that came with " .. what, function()
      local lb = balancer { echo() }
      local client = play.client(lb)
      for _ = 1, 2 do
        client:send("POST /b HTTP/1.1\r\nHost: x\r\n" .. body)
        assert.equal("POST /b abcde", client:response().body)
      end
    end)
  end

  it("has trailers, and so has the answer", function()
    local seen
    local backend = h2.backend(function(s)
      seen = s:whole().of
      s:answer("x", nil, { { "x-sum", "9" }, { "content-length", "7" } })
    end)
    local client = play.client(balancer { backend })
    client:send("POST / HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nConnection: TE\r\nTransfer-Encoding: chunked\r\n\r\n"
      .. "1\r\na\r\n0\r\nX-End: 1\r\n\r\n")
    local response = client:response()
    assert.same({ { "x-sum", "9" } }, response.trailers)
    assert.same({ { "x-end", "1" } }, seen.trailers)
  end)

  it("gets interim heads, and large bodies both ways", function()
    local backend = h2.backend(function(s)
      s:say { { ":status", "103" }, { "link", "</a>" } }
      s:whole()
      s:answer(s.body)
    end)
    local client = play.client(balancer { backend })
    local body = ("0123456789abcdef"):rep(100000)
    client:send(("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"):format(#body), body)
    assert.equal(103, client:response().status)
    local response = client:response()
    assert.equal(200, response.status)
    assert.is_true(response.body == body)
  end)

  it("may be HEAD, and its answer 204 or 304, without a body", function()
    local backend = h2.backend(function(s)
      s:whole()
      if s.path == "/204" then return s:say({ { ":status", "204" } }, { last = true }) end
      if s.path == "/304" then return s:say({ { ":status", "304" }, { "content-length", "9" } }, { last = true }) end
      s:say({ { ":status", "200" }, { "content-length", "9" } }, { last = true })
    end)
    local client = play.client(balancer { backend })
    for path, status in pairs { ["/204"] = 204, ["/304"] = 304 } do
      client:send(("GET %s HTTP/1.1\r\nHost: x\r\n\r\n"):format(path))
      assert.equal(status, client:response().status)
    end
    client:send "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"
    assert.equal("9", client:response("HEAD"):field "content-length")
    client:send "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"
    assert.equal(200, client:response("HEAD").status)
    assert.equal(1, backend.served)
  end)

  it("is seen by scripts with its backend's protocol", function()
    local backend = echo()
    local lb = balancer({ backend }, [[
      choose = function(ctx, backends)
        if ctx.path == "/say" then return ctx:respond { body = backends[1].protocol .. " " .. backends[1].address } end
        return backends[1]
      end,
    ]])
    assert.equal("h2c " .. backend.address, lb:fetch("/say").body)
    assert.equal("GET /x ", lb:fetch("/x").body)
  end)
end)

describe("on_response", function()
  after_each(play.curtain)

  it("repeats no request whose body has not ended", function()
    local backend = h2.backend(function(s)
      s:say({ { ":status", "503" } }, { last = true })
    end)
    local lb = balancer({ backend }, "on_response = function() return 'retry' end, body_first = 'never',")
    local client = play.client(lb)
    client:send "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12"
    assert.equal(503, client:response().status)
    assert.equal("ok", outcomes(lb:exchange {}))
  end)
end)
