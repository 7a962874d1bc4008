-- Max-Forwards (RFC 9110, 7.6.2): counted down for TRACE and OPTIONS; lb
-- answers when it is used up.
local play = require "spec.support.play"

local GET = "GET /canary HTTP/1.1\r\nHost: x\r\n\r\n"

-- Says what it was asked; the policy leaves its mark on what it has decided.
local function balancer(settings)
  local backend = play.answering(function(request)
    return ("%s %s %s"):format(request.method, request.target, request:field "max-forwards" or "none")
  end)
  return play.balancer { backends = { backend }, settings = (settings or "trace = true,") .. [[
    health = { interval = 60, timeout = 5 },
    choose = function(ctx, backends)
      if ctx.path == "/secret" then return ctx:reject(403, { why = "asked" }) end
      return backends[1], { why = "asked" }
    end,
  ]] }, backend
end

describe("a request with Max-Forwards", function()
  after_each(play.curtain)

  for _, method in ipairs { "TRACE", "OPTIONS" } do
    it("0 is answered by lb if it is " .. method .. " and the policy lets it pass, and no backend is asked", function()
      local lb, backend = balancer()
      local client = play.client(lb)
      client:send(method, " /a?b HTTP/1.1\r\nHost: x\r\nMax-Forwards: 0\r\nAuthorization: Basic secret\r\n",
        "Cookie: a=secret\r\nX-Seen: yes\r\n\r\n", GET)
      local response = client:response()
      assert.equal(200, response.status)
      assert.equal("lb", response:field "server")
      assert.truthy(response:field "date")
      assert.falsy(response.body:find "secret")
      if method == "TRACE" then
        assert.equal("message/http", response:field "content-type")
        assert.truthy(response.body:find("TRACE /a?b HTTP/1.1\r\n", 1, true), response.body)
        assert.falsy(response.body:find("X-Seen", 1, true), response.body)
      end
      assert.equal("GET /canary none", client:response().body)
      assert.equal(1, #backend.requests)
      local line = lb:exchange { method = method }
      assert.equal(200, line.status)
      assert.equal(#response.body, line.bytes_out)
      assert.is_nil(line.backend)
      assert.equal("asked", line.why)
    end)

    it("0 is refused by the policy if it is " .. method, function()
      local lb, backend = balancer()
      local client = play.client(lb)
      client:send(method, " /secret HTTP/1.1\r\nHost: x\r\nMax-Forwards: 0\r\n\r\n", GET)
      assert.equal(403, client:response().status)
      assert.equal("GET /canary none", client:response().body)
      assert.equal(1, #backend.requests)
    end)

    it("is forwarded with one less if it is " .. method, function()
      local lb = balancer()
      local client = play.client(lb)
      for from, to in pairs {
        ["1"] = "0", ["10"] = "9", ["007"] = "6", ["18446744073709551615"] = "18446744073709551614",
      } do
        client:send(method, " /a HTTP/1.1\r\nHost: x\r\nMax-Forwards: ", from, "\r\n\r\n")
        assert.equal(method .. " /a " .. to, client:response().body)
      end
      client:send(method, " /a HTTP/1.1\r\nHost: x\r\n\r\n", GET)
      assert.equal(method .. " /a none GET /canary none", play.bodies(client:responses(2)))
    end)

    for what, field in pairs {
      ["is no number"] = "Max-Forwards: many\r\n",
      ["is negative"] = "Max-Forwards: -1\r\n",
      ["is empty"] = "Max-Forwards:\r\n",
      ["is larger than can be counted"] = "Max-Forwards: 18446744073709551616\r\n",
      ["comes twice"] = "Max-Forwards: 1\r\nMax-Forwards: 0\r\n",
    } do
      it("that " .. what .. " is refused if it is " .. method, function()
        local lb, backend = balancer()
        local client = play.client(lb)
        client:send(method, " /a HTTP/1.1\r\nHost: x\r\n", field, "\r\n", GET)
        local response = client:response()
        assert.equal(400, response.status)
        assert.equal("close", response:field "connection")
        assert.equal("end", client:ended_by_peer())
        assert.equal(0, client.size)
        assert.equal(0, #backend.requests)
      end)
    end
  end

  it("0 is answered for the server as a whole, too", function()
    local lb, backend = balancer()
    local client = play.client(lb)
    client:send("OPTIONS * HTTP/1.1\r\nHost: x\r\nMax-Forwards: 0\r\n\r\n", GET)
    assert.equal(200, client:response().status)
    assert.equal("GET /canary none", client:response().body)
    assert.equal(1, #backend.requests)
  end)

  it("or without one is refused if it is TRACE, unless a setting allows it", function()
    local lb, backend = balancer ""
    local client = play.client(lb)
    for path, status in pairs { ["/a"] = 405, ["/secret"] = 403 } do
      for _, field in ipairs { "", "Max-Forwards: 0\r\n", "Max-Forwards: 5\r\n" } do
        client:send("TRACE ", path, " HTTP/1.1\r\nHost: x\r\n", field, "\r\n")
        local response = client:response()
        assert.equal(status, response.status)
        assert.equal(status == 405 and "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS" or nil, response:field "allow")
      end
    end
    assert.equal(0, #backend.requests)
  end)

  it("0 ends the connection of a 1.0 client, as it must", function()
    local client = play.client((balancer()))
    client:send "TRACE / HTTP/1.0\r\nHost: x\r\nMax-Forwards: 0\r\n\r\n"
    local response = client:response()
    assert.equal(200, response.status)
    assert.equal("close", response:field "connection")
    assert.equal("end", client:ended_by_peer())
  end)

  it("is forwarded as it is if it is of another method", function()
    local client = play.client((balancer()))
    client:send "GET /a HTTP/1.1\r\nHost: x\r\nMax-Forwards: 0\r\n\r\n"
    assert.equal("GET /a 0", client:response().body)
  end)

  it("and a body is refused if it is TRACE", function()
    local lb, backend = balancer()
    local client = play.client(lb)
    client:send("TRACE /a HTTP/1.1\r\nHost: x\r\nMax-Forwards: 0\r\nContent-Length: 1\r\n\r\na", GET)
    assert.equal(400, client:response().status)
    assert.truthy(client:ended_by_peer())
    assert.equal(0, #backend.requests)
  end)
end)
