-- The policy as a client and an operator see it; its rules one by one are in spec/policy.
local json = require "dkjson"
local play = require "spec.support.play"

local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

local function choosing(body, more)
  return ("local turn = lb.counter 'turn'\nreturn {\n%s\nchoose = function(ctx, backends)\n%s\nend,\n}\n"):format(
    more or "health = { interval = 0.2, timeout = 5 },", body)
end

describe("the policy", function()
  after_each(play.curtain)

  local one, two

  local function start(script, options)
    one, two = play.hello("one", options), play.hello("two", options)
    return play.balancer { script = script, backends = { one, two } }
  end

  describe("when it fails", function()
    local function falls_back(body, pattern, more)
      local lb = start(choosing(body, more))
      local seen = {}
      for i = 1, 4 do seen[lb:fetch("/" .. i).body] = true end
      assert.same({ one = true, two = true }, seen)
      local event = json.encode(lb:event "policy_error")
      assert.truthy(event:find(pattern), event)
      local line = lb:exchange()
      assert.truthy(line.policy.fallback)
    end

    it("with an error is replaced by round robin, and the log names the line", function()
      falls_back("local nothing\nreturn nothing.field", "balancer%.lua:6")
    end)

    it("with an error that is no text is replaced too", function()
      falls_back("error { 1 }", "balancer%.lua")
    end)

    it("because it never ends is stopped and replaced, and the log names the line", function()
      falls_back("\nwhile true do end", "balancer%.lua:6")
    end)

    it("because a pattern matches without end is stopped and replaced, its worker continues", function()
      falls_back("(('a'):rep(20000)):find '.-.-.-.-b$'\nreturn backends[1]", "balancer%.lua:5")
    end)

    it("because it eats memory without end is stopped too", function()
      falls_back("local t = {}\nfor i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end", "balancer%.lua",
        "script = { budget_ms = 2000, memory = 16 * 2^20 }, health = { interval = 0.2 },")
    end)

    it("by returning what is no backend is replaced", function()
      falls_back("return 'one'", "balancer%.lua")
    end)

    it("by returning a table that only looks like a backend is replaced", function()
      falls_back("return { name = 'one', address = '127.0.0.1:1' }", "balancer%.lua")
    end)

    it("by returning nothing at all without a reason is answered", function()
      local lb = start(choosing "return")
      local status = lb:fetch("/").status
      assert.truthy(status == 200 or status == 503, status)
    end)

    it("answers 500 if it says fallback = \"fail\"", function()
      local lb = start(choosing("error 'no'", "fallback = 'fail',"))
      assert.equal(500, lb:fetch("/").status)
      assert.equal(0, #one.requests + #two.requests)
      lb:event "policy_error"
    end)

    it("answers 500 if it refuses requests anywhere, though it says nothing of fallback", function()
      local lb = start(choosing "if ctx.path == '/x' then return ctx:reject(403) end\nerror 'no'")
      assert.equal(500, lb:fetch("/").status)
      assert.equal(403, lb:fetch("/x").status)
      assert.equal(0, #one.requests + #two.requests)
      local start_event = lb:event "start"
      assert.equal("fail", start_event.fallback)
      assert.truthy(start_event.message:find("balancer.lua:%d+ calls ctx:reject"), start_event.message)
    end)

    it("for some requests only serves the others as it should", function()
      local lb = start(choosing "if ctx.path == '/bad' then error 'bad' end\nreturn backends[1]")
      lb:fetch "/bad"
      for _ = 1, 4 do assert.equal("one", lb:fetch("/good").body) end
      assert.falsy(lb:exchange({ path = "/good" }).policy.fallback)
    end)
  end)

  it("without choose is round robin", function()
    local lb = start "return { health = { interval = 0.2 } }"
    local seen = {}
    for i = 1, 4 do seen[i] = lb:fetch("/").body end
    assert.equal("one two one two", table.concat(seen, " "))
  end)

  it("that returns nil and a reason makes it a 503, and the reason is in the log", function()
    local lb = start(choosing "return nil, 'closed for today'")
    assert.equal(503, lb:fetch("/").status)
    assert.equal("closed for today", lb:exchange().why)
  end)

  it("answers by itself with ctx:respond", function()
    local lb = start(choosing [[
      return ctx:respond { status = 418, headers = { ["X-Pot"] = "tea", ["Content-Type"] = "text/x" }, body = "short" }
    ]])
    local client = play.client(lb)
    for _ = 1, 2 do
      client:send(GET)
      local response = client:response()
      assert.equal(418, response.status)
      assert.equal("tea", response:field "x-pot")
      assert.equal("short", response.body)
    end
    assert.equal(0, #one.requests + #two.requests)
  end)

  it("answers HEAD with ctx:respond without a body", function()
    local lb = start(choosing "return ctx:respond { status = 200, body = 'short' }")
    local client = play.client(lb)
    client:send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", GET)
    assert.equal("5", client:response("HEAD"):field "content-length")
    assert.equal("short", client:response().body)
  end)

  it("cannot split a response with ctx:respond", function()
    local lb = start(choosing [[
      return ctx:respond { status = 200, headers = { ["X-A"] = "b\r\nX-Forged: 1" }, body = "x" }
    ]])
    assert.is_nil(lb:fetch("/"):field "x-forged")
  end)

  it("answers a request with a body by itself and keeps the connection in step", function()
    local lb = start(choosing "return ctx:respond { status = 200, body = ctx.path }")
    local client = play.client(lb)
    client:send("POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
    assert.equal("/1", client:response().body)
    client:send "GET /2 HTTP/1.1\r\nHost: x\r\n\r\n"
    assert.equal("/2", client:response().body)
  end)

  it("refuses with ctx:reject", function()
    local lb = start(choosing "return ctx:reject(429, { retry_after = 7, why = 'too many' })")
    local response = lb:fetch "/"
    assert.equal(429, response.status)
    assert.equal("7", response:field "retry-after")
    assert.equal("too many", lb:exchange().why)
  end)

  it("sends elsewhere with ctx:redirect", function()
    local lb = start(choosing "return ctx:redirect('https://example.test' .. ctx.path, 308)")
    local response = lb:fetch "/a"
    assert.equal(308, response.status)
    assert.equal("https://example.test/a", response:field "location")
  end)

  it("says why in the log", function()
    local lb = start(choosing "return backends[2], { why = 'even path' }")
    assert.equal("two", lb:fetch("/").body)
    assert.equal("even path", lb:exchange().why)
  end)

  it("sees the request", function()
    local lb = start(choosing [[
      local seen = { ctx.method, ctx.path, ctx.query, ctx.host, ctx.scheme, ctx.client_ip,
        tostring(ctx.client_port > 0), ctx.attempts, ctx.retries, #backends, tostring(ctx.idempotent),
        #ctx.id > 0 and "id" or "" }
      return ctx:respond { status = 200, body = table.concat(seen, " ") }
    ]])
    local client = play.client(lb, { from = "127.0.0.9" })
    client:send "DELETE /a/b?c=d&e HTTP/1.1\r\nHost: www.example.test:81\r\n\r\n"
    assert.equal("DELETE /a/b c=d&e www.example.test http 127.0.0.9 true 1 0 2 true id", client:response().body)
  end)

  it("reads header fields whatever their case", function()
    local lb = start(choosing [[
      return ctx:respond { status = 200, body = table.concat({ ctx.headers["x-some"], ctx.headers["X-SOME"],
        ctx.headers.host, tostring(ctx.headers["x-none"]) }, " ") }
    ]])
    local response = lb:fetch("/", { fields = "x-SoMe: value\r\n", host = "h" })
    assert.equal("value value h nil", response.body)
  end)

  it("sees only backends that are up and not yet tried", function()
    local lb = start(choosing "return backends[#backends], { why = tostring(#backends) }")
    lb:up(one)
    lb:up(two)
    assert.equal("two", lb:fetch("/").body)
    two:stop()
    lb:down(two)
    assert.equal("one", lb:fetch("/down").body)
    assert.equal("1", lb:exchange({ path = "/down" }).why)
  end)

  it("counts exactly, whatever it does in between", function()
    local lb = start(choosing "return ctx:respond { status = 200, body = tostring(turn:add(1)) }")
    for i = 1, 5 do assert.equal(tostring(i), lb:fetch("/").body) end
  end)

  it("cannot reach files, processes or the debug library", function()
    local lb = start(choosing [[
      local found = {}
      for _, name in ipairs { "io", "debug", "ffi", "package", "loadstring", "dofile", "rawset", "setfenv" } do
        if _G and rawget and _G[name] ~= nil then found[#found + 1] = name end
      end
      if os.execute or os.remove or os.exit then found[#found + 1] = "os" end
      return ctx:respond { status = 200, body = "found: " .. table.concat(found, " ") }
    ]])
    local response = lb:fetch "/"
    assert.truthy(response.body == "found: " or #lb:events "policy_error" > 0, response.body)
  end)
end)
