-- on_response: a script looks at the final head before any of it has gone to the client.
local play = require "spec.support.play"

local SCRIPT = [[
return {
  health = { interval = 60, timeout = 5 }, %s
  choose = function(ctx, backends) return backends[1] end,
  on_response = function(ctx, backend, res) %s end,
}
]]

describe("on_response", function()
  after_each(play.curtain)

  local first, second, connections

  -- Two backends; the first answers its requests with these, the last of them again and again.
  local function start(answers, on_response, settings)
    local n = 0
    connections = 0
    first = play.backend(function(conn)
      connections = connections + 1
      while true do
        if not pcall(conn.request, conn) then return end
        n = math.min(n + 1, #answers)
        conn:send(answers[n])
      end
    end)
    second = play.hello "second"
    return play.balancer { backends = { first, second }, script = SCRIPT:format(
      play.settled(settings, { limits = "{ retry_budget = 1 }" }), on_response) }
  end

  local function response(status, body, fields)
    return ("HTTP/1.1 %d X\r\n%sContent-Length: %d\r\n\r\n%s"):format(status, fields or "", #body, body)
  end

  local function unbothered(lb) assert.same({}, lb:events "policy_error") end

  it("sees the status and the headers, and nil lets it pass", function()
    local lb = start({ response(418, "tea", "X-Kind: green\r\n") }, [[
      assert(res.status == 418 and res.headers["x-kind"] == "green" and res.headers.none == nil)
      assert(backend.name and ctx.path == "/a" and tostring(res) == "res")]])
    local got = lb:fetch "/a"
    assert.equal(418, got.status)
    assert.equal("tea", got.body)
    unbothered(lb)
    assert.equal("ok", lb:exchange({ path = "/a" }).tries[1].outcome)
  end)

  it("sees all fields of a name", function()
    local fields = "X-A: 1\r\nSet-Cookie: a=1, 2\r\nx-a: 2\r\nSet-Cookie: b\r\nX_B: 3\r\nX-B: 4\r\n"
    local lb = start({ response(200, "tea", fields) }, [[
      local h, one, why = res.headers, res.headers:one "X-a"
      return ctx:respond { body = table.concat({ h["x-A"], h["set-cookie"], h:all("set-cookie")[2], tostring(one), why,
        h:one "x-b" }, "|") }]])
    assert.equal("1, 2|a=1, 2|b|nil|repeated|4", lb:fetch("/a").body)
    unbothered(lb)
  end)

  for name, wait in pairs { ["at once"] = "", ["after an await"] = "lb.sleep(0.02)" } do
    describe(name, function()
      it("has another backend asked", function()
        local lb = start({ response(503, "no") }, wait .. " if res.status == 503 then return 'next' end")
        local got = lb:fetch "/a"
        assert.equal(200, got.status)
        assert.equal("second", got.body)
        local line = lb:exchange { path = "/a" }
        assert.equal("discarded ok", line.tries[1].outcome .. " " .. line.tries[2].outcome)
        assert.equal(2, line.attempts)
        unbothered(lb)
      end)

      it("has the same backend asked again", function()
        local lb = start({ response(503, "no"), response(200, "yes") },
          wait .. " if res.status == 503 then return 'retry' end")
        assert.equal("yes", lb:fetch("/a").body)
        local line = lb:exchange { path = "/a" }
        assert.equal(1, line.attempts)
        assert.equal(1, line.retries)
        unbothered(lb)
      end)

      it("answers itself", function()
        local lb = start({ response(500, "secret") },
          wait .. " return ctx:respond { status = 502, body = 'sorry', headers = { ['X-Was'] = res.status } }")
        local got = lb:fetch "/a"
        assert.equal(502, got.status)
        assert.equal("sorry", got.body)
        assert.equal("500", got:field "x-was")
        unbothered(lb)
      end)

      it("lets pass a body of any length and framing", function()
        local body = ("0123456789"):rep(100000)
        local lb = start({
          response(200, body), response(200, ""), "HTTP/1.1 204 X\r\n\r\n", response(200, "small"),
          "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        }, wait)
        local client = play.client(lb)
        for _, expected in ipairs { body, "", "", "small", "hello" } do
          client:send "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
          assert.equal(expected, client:response().body)
        end
        unbothered(lb)
        assert.equal(1, connections)
      end)

      it("that raises an error lets the response pass, and is logged", function()
        local lb = start({ response(200, "fine") }, wait .. " error 'no'")
        assert.equal("fine", lb:fetch("/a").body)
        lb:event("policy_error", { hook = "on_response", kind = "error" })
        assert.truthy(lb:exchange({ path = "/a" }).policy.fallback)
      end)

      it("that returns something else lets the response pass, and is logged", function()
        local lb = start({ response(200, "fine") }, wait .. " return 'again'")
        assert.equal("fine", lb:fetch("/a").body)
        assert.matches('on_response returned "again", expected nil',
          lb:event("policy_error", { hook = "on_response", kind = "answer" }).message, 1, true)
      end)
    end)
  end

  local function post(lb)
    return lb:fetch("/a", { method = "POST", body = "b" })
  end

  it("lets pass what may not go out twice, and the log says why", function()
    local lb = start({ response(503, "no") }, "return 'next'")
    assert.equal("no", post(lb).body)
    assert.equal("the request may not go out twice", lb:exchange({ path = "/a" }).note)
  end)

  it("may allow it", function()
    local lb = start({ response(503, "no") }, "ctx:allow_replay() if res.status == 503 then return 'next' end")
    assert.equal("second", post(lb).body)
  end)

  it("lets pass the response of the last backend", function()
    local lb = start({ response(503, "no") }, "return 'next'")
    assert.equal("second", lb:fetch("/a").body)
    assert.equal("there is no other backend for on_response", lb:exchange({ path = "/a" }).note)
  end)

  it("ends after limits.attempts", function()
    local lb = start({ response(503, "no") }, "return 'next'", "limits = { attempts = 1 },")
    assert.equal("no", lb:fetch("/a").body)
    assert.equal("limits.attempts", lb:exchange({ path = "/a" }).note)
  end)

  it("cannot have a request repeated without end", function()
    local lb = start({ response(503, "no") }, "return 'retry'")
    assert.equal("no", lb:fetch("/a").body)
    local line = lb:exchange { path = "/a" }
    assert.truthy(#line.tries <= 32, #line.tries)
  end)

  it("is ended when its client leaves", function()
    local lb = start({ response(200, "fine") }, "lb.log.info 'looking' lb.sleep(60)")
    local client = play.client(lb)
    client:send "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
    lb:event "script"
    client:reset()
    assert.equal(499, lb:exchange({ path = "/a" }).status)
  end)

  it("is ended by the request's deadline", function()
    local lb = start({ response(200, "fine") }, "lb.sleep(60)", "timeouts = { request = 0.1 },")
    assert.equal(504, lb:fetch("/a").status)
    unbothered(lb)
  end)

  it("lets the rest of the request be forwarded meanwhile", function()
    first = play.backend(function(conn)
      conn:request_head()
      conn:send "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
      local body = conn:exactly(10)
      conn:send(body:sub(7))
    end)
    local lb = play.balancer { backends = { first }, script = SCRIPT:format("", "lb.log.info 'looking' lb.sleep(0.2)") }
    local client = play.client(lb)
    client:send "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n01234"
    lb:event "script"
    client:send "56789"
    assert.equal("6789", client:response().body)
  end)

  it("is a response's only: not asked for interim ones", function()
    local lb = start({ "HTTP/1.1 103 X\r\n\r\n" .. response(200, "fine") }, "assert(res.status == 200)")
    local client = play.client(lb)
    client:send "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
    assert.equal(103, client:response().status)
    assert.equal("fine", client:response().body)
    unbothered(lb)
  end)

  it("whose res was kept raises an error in another call", function()
    local lb = start({ response(200, "fine") }, "kept = kept or res return kept.status == 0 and 'next' or nil")
    assert.equal("fine", lb:fetch("/a").body)
    assert.equal("fine", lb:fetch("/b").body)
    assert.matches("this res was kept from another call", lb:event("policy_error").message, 1, true)
  end)

  -- What it overrides in the response.

  local function alone(answer)
    return play.backend(function(conn)
      while pcall(conn.request, conn) do conn:send(answer) end
    end)
  end

  local function fields_of(got, name) return table.concat(got:values(name), " | ") end

  it("may change the fields of a response that is forwarded", function()
    local fields = "Location: http://one:9001/a\r\nSet-Cookie: a=1; Path=/app\r\nSet-Cookie: b=2\r\nServer: x\r\n"
    local lb = start({ response(302, "tea", fields) }, [[
      local cookies = {}
      for i, cookie in ipairs(res.headers:all "set-cookie") do cookies[i] = cookie:gsub("Path=/app", "Path=/") end
      return nil, { response_headers = {
        Location = res.headers.location:gsub("^http://[^/]+", "https://" .. ctx.host), ["Set-Cookie"] = cookies,
        Server = false, ["X-Status"] = res.status, Vary = { "Origin", "Accept" } } }]])
    local got = lb:fetch "/a"
    assert.equal(302, got.status)
    assert.equal("tea", got.body)
    assert.equal("https://example.test/a", fields_of(got, "Location"))
    assert.equal("a=1; Path=/ | b=2", fields_of(got, "Set-Cookie"))
    assert.equal("", fields_of(got, "Server"))
    assert.equal("302", fields_of(got, "X-Status"))
    assert.equal("Origin | Accept", fields_of(got, "Vary"))
    unbothered(lb)
  end)

  it("changes more than choose does, and what it says counts", function()
    local lb = play.balancer { backends = { alone(response(200, "tea",
      "X-A: 1\r\nX-B: 1\r\nX-C: 1\r\nX-D: 1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=1\r\n")) }, script = [[return {
      choose = function(ctx, backends)
        return backends[1], { response_headers = { ["X-A"] = "2", ["X-B"] = "2", ["X-C"] = false, ["X-E"] = "2",
          ["X-D"] = "2", ["Set-Cookie"] = ctx.path ~= "/none" and { "a=2", "c=2", "d=2" } } }
      end,
      on_response = function(ctx, backend, res)
        if ctx.path == "/wait" then lb.sleep(0.02) end
        return nil, { response_headers = { ["x-b"] = "3", ["X-C"] = "3", ["x-d"] = false,
          ["Set-Cookie"] = { "c=3", "b=3" } } }
      end }]] }
    for _, path in ipairs { "/", "/wait", "/none" } do
      local got = lb:fetch(path)
      assert.equal("2 - 3 - 3 -  - 2", table.concat({ fields_of(got, "X-A"), fields_of(got, "X-B"),
        fields_of(got, "X-C"), fields_of(got, "X-D"), fields_of(got, "X-E") }, " - "))
      local cookies = got:values "Set-Cookie"
      table.sort(cookies)
      assert.equal(path == "/none" and "b=3 c=3" or "a=2 b=3 c=3 d=2", table.concat(cookies, " "))
    end
    unbothered(lb)
  end)

  it("changes a response that is forwarded because there is no other backend", function()
    local lb = play.balancer { backends = { alone(response(503, "sorry")) },
      script = SCRIPT:format("", "return 'next', { response_headers = { ['X-Last'] = 'yes' } }") }
    local got = lb:fetch "/a"
    assert.equal(503, got.status)
    assert.equal("yes", got:field "X-Last")
    unbothered(lb)
  end)

  for given, message in pairs {
    ['nil, { path = "/" }'] = "a verdict and the unknown option 'path'",
    ['nil, { response_headers = { ["Content-Length"] = 7 } }'] = "with 'Content-Length', which is set by lb itself",
    ['nil, { response_headers = { ["X-A"] = "1\\r\\nX-B: 2", ["X-C"] = "1" } }'] = "a line end or another control byte",
    ['nil, { response_headers = "X-A" }'] = 'response_headers = "X-A", expected a table',
    ["nil, 7"] = "a verdict and 7, expected options as a table",
    ["ctx:respond {}, { response_headers = {} }"] = "an answer and options: its headers are its own",
  } do
    it("has to be right about it: " .. given, function()
      local lb = start({ response(200, "tea") }, "return " .. given)
      local got = lb:fetch "/a"
      assert.equal("tea", got.body)
      assert.equal("", fields_of(got, "X-C"))
      local failed = lb:event "policy_error"
      assert.equal("answer", failed.kind)
      assert.truthy(failed.message:find("on_response returned " .. message, 1, true) or
        failed.message:find(message, 1, true), failed.message)
    end)
  end
end)
