-- The host of policies: what a script is shown, what it may answer, and what it keeps.
local ffi = require "ffi"
local asked = require "spec.support.request"
local core = require "spec.support.core"
local host = require "spec.support.policy_host"

local load, load_choose = host.load, host.load_choose
local choose, why = host.choose, host.why
local text, slice = host.text, host.slice

local DONE = 0                           -- enum policy_progress
local BACKEND, REFUSE, RESPOND = 0, 1, 2 -- enum facts_decision_kind
local RETRY, NEXT, FAIL = 0, 1, 2        -- enum facts_verdict
local CONNECT, TIMEOUT = 0, 1            -- enum facts_failure_kind
local SIGUSR2 = 12

describe("a policy", function()
  after_each(host.unload)

  describe("is shown", function()
    for field, value in pairs {
      id = "r1", method = "GET", path = "/api", query = "q=1", host = "example.org", scheme = "http",
      client = "192.0.2.7", client_ip = "192.0.2.7", client_port = "50000", attempts = "1", retries = "0", tries = "1",
      idempotent = "true", replayable = "true", version = "1.1",
    } do
      it("ctx." .. field, function() assert.equal(value, why("ctx." .. field)) end)
    end

    it("ctx.tls, which is nil without TLS", function()
      assert.equal("nil", why "ctx.tls")
      local said = ffi.new("struct host_tls", {
        version = slice "1.3", cipher = slice "TLS_X", name = slice "shop.example", resumed = true,
      })
      load_choose [[local tls = ctx.tls
        return backends[1], { why = table.concat({ tls.version, tls.cipher, tls.name, tostring(tls.alpn),
          tostring(tls.resumed), tostring(tls.client), tostring(tls) }, " ") }]]
      host.request.tls = said
      assert.equal("1.3 TLS_X shop.example nil true nil ctx.tls", text(choose().why))
      load_choose "return backends[1], { why = select(2, pcall(function() return ctx.tls.sni end)) }"
      host.request.tls = said
      assert.matches("unknown field 'sni' of ctx.tls", text(choose().why), 1, true)
      load_choose "return backends[1], { why = tostring(pcall(function() ctx.tls.sni = 1 end)) }"
      host.request.tls = said
      assert.equal("false", text(choose().why))
      assert.truthy(said)
    end)

    for ip, client in pairs {
      ["192.0.2.7"] = "192.0.2.7", ["unknown"] = "unknown", ["fe80::1:2"] = "fe80::1:2", ["::1"] = "::/64",
      ["2001:db8:1:2:3:4:5:6"] = "2001:db8:1:2::/64", ["2001:db8::9"] = "2001:db8::/64",
      ["1::3:4:5:6:7"] = "1:0:0:3::/64",
    } do
      it("ctx.client of " .. ip, function()
        load_choose "return backends[1], { why = ctx.client }"
        host.request.client_ip = slice(ip)
        assert.equal(client, text(choose().why))
        assert.equal(client, asked { client_ip = ip }.client)
      end)
    end

    it("headers in any letter case", function()
      assert.equal("anna", why "ctx.headers['x-USER']")
      host.unload()
      assert.equal("nil", why "ctx.headers.cookie")
    end)

    it("the time that is left, if there is a deadline", function()
      assert.equal("nil", why "ctx:remaining()")
      host.request.deadline_ms = 1 -- long ago
      assert.equal("0", text(choose().why))
    end)

    it("backends with their facts", function()
      assert.equal("127.0.0.1:9002 127.0.0.1 9002 1 up 0 0", why [[table.concat({ backends[2].address, backends[2].host,
        backends[2].port, backends[2].weight, backends[2].state, backends[2].in_flight,
        backends[2].consecutive_failures }, " ")]])
    end)

    it("the same backend object always", function()
      assert.equal("true", why [[rawequal(backends[2], backends.all[2])
        and rawequal(backends[2], backends:by_name "127.0.0.1:9002")]])
    end)

    it("only those backends that may be chosen", function()
      load_choose "return backends[#backends], { why = #backends .. '/' .. #backends.all }"
      assert.equal("3/3", text(choose().why))
      host.choice.count, host.choice.generation = 2, 0 -- for one call
      assert.equal("2/3", text(choose().why))
      host.choice.count, host.choice.generation = 3, 1
      assert.equal("3/3", text(choose().why))
      host.choice.count, host.choice.generation = 1, 2
      local decision = choose()
      assert.equal("1/3", text(decision.why))
      assert.equal(0, decision.backend)
    end)

    it("its own vars as long as the request lives", function()
      load_choose "ctx.vars.n = (ctx.vars.n or 0) + 1 return backends[1], { why = '' .. ctx.vars.n }"
      assert.equal("1", text(choose().why))
      assert.equal("2", text(choose().why))
      core.policy_forget(host.policy, host.request)
      assert.equal("1", text(choose().why))
    end)
  end)

  describe("may answer", function()
    it("a backend, and why", function()
      load_choose "return backends[3], { why = 'third' }"
      local decision = choose()
      assert.equal(BACKEND, decision.kind)
      assert.equal(2, decision.backend)
      assert.equal("third", text(decision.why))
    end)

    it("nobody, and why", function()
      load_choose "return nil, 'too busy'"
      local decision = choose()
      assert.equal(REFUSE, decision.kind)
      assert.equal("too busy", text(decision.why))
    end)

    it("nothing if there is no backend", function()
      load_choose "return backends[1]"
      host.choice.count, host.choice.generation = 0, 2
      local decision = choose()
      assert.equal(REFUSE, decision.kind)
      assert.equal("no backend is available", text(decision.why))
      assert.is_false(decision.by_fallback)
    end)

    it("with a response of its own", function()
      load_choose "return ctx:respond { status = 201, headers = { ['Set-Cookie'] = { 'a=1', 'b=2' } }, body = 'hi' }"
      local decision = choose()
      assert.equal(RESPOND, decision.kind)
      assert.equal(201, decision.status)
      assert.equal("hi", text(decision.body))
      assert.equal(2, decision.fields_count)
      assert.equal("Set-Cookie", text(decision.fields[0].name))
      assert.equal("b=2", text(decision.fields[1].value))
    end)

    it("by rejecting", function()
      load_choose "return ctx:reject(429, { retry_after = 1.5, why = 'limit' })"
      local decision = choose()
      assert.equal(429, decision.status)
      assert.equal("limit", text(decision.why))
      local seen = {}
      for i = 0, decision.fields_count - 1 do
        seen[text(decision.fields[i].name)] = text(decision.fields[i].value)
      end
      assert.equal("2", seen["Retry-After"])
    end)

    it("by redirecting", function()
      load_choose "return ctx:redirect('https://example.net/', 308)"
      local decision = choose()
      assert.equal(308, decision.status)
      assert.equal("https://example.net/", text(decision.fields[0].value))
    end)
  end)

  it("without choose sends requests round, and that is no failure", function()
    assert.is_false(load "return {}")
    local first = choose()
    local second = choose()
    assert.is_false(first.by_fallback)
    assert.equal((first.backend + 1) % 3, second.backend)
  end)

  it("counts in one turn with every other worker", function()
    load_choose("return backends[turn:next(#backends)]", { before = "local turn = lb.counter 'policy spec'" })
    local seen = {}
    for i = 1, 4 do seen[i] = choose().backend end
    assert.same({ 0, 1, 2, 0 }, seen)
    host.unload() -- another VM continues where this one was
    load_choose("return backends[turn:next(#backends)]", { before = "local turn = lb.counter 'policy spec'" })
    assert.equal(1, choose().backend)
  end)

  it("sees ties rotate", function()
    load_choose "return backends:min(function(b) return b.in_flight end)"
    local seen = {}
    for _ = 1, 9 do
      local backend = choose().backend
      seen[backend] = (seen[backend] or 0) + 1
    end
    assert.same({ [0] = 3, 3, 3 }, seen)
  end)

  it("that has set fallback to fail fails the request", function()
    load_choose("error 'x'", { settings = "fallback = 'fail'," })
    local decision = choose()
    assert.is_true(decision.failed)
  end)

  describe("keeps from one call to the next", function()
    local function spoiled_by(body)
      load_choose("if ctx.attempts == 2 then " .. body .. " end return backends[1], { why = backends[2].name }")
      host.request.attempts = 2
      choose()
      host.request.attempts = 1
      local decision = choose()
      assert.is_false(decision.by_fallback)
      assert.equal(0, decision.backend)
      assert.equal("127.0.0.1:9002", text(decision.why))
    end

    it("its backends, if one is replaced in the list", function() spoiled_by "backends[1] = backends[2]" end)
    it("its backends, if one is taken from the list", function() spoiled_by "backends[2] = nil" end)
    it("its backends, if the last one is", function() spoiled_by "backends[3] = nil" end)
    it("its backends, if two change places", function()
      spoiled_by "backends[1], backends[2] = backends[2], backends[1]"
    end)

    it("the list of all backends", function()
      load_choose [[if ctx.attempts == 2 then backends.all[1] = backends.all[2] end
        return backends[1], { why = backends.all[1].name }]]
      host.request.attempts = 2
      assert.equal("127.0.0.1:9002", text(choose().why))
      host.request.attempts = 1
      assert.equal("127.0.0.1:9001", text(choose().why))
    end)

    it("an answer that it made once", function()
      load_choose("denied = denied or ctx:reject(403) return denied", { before = "local denied" })
      for _ = 1, 3 do assert.equal(403, choose().status) end
    end)

    it("that it failed once for this request", function()
      load_choose "if ctx.attempts == 1 then error 'x' end return backends[3]"
      local decision = choose()
      assert.is_true(decision.by_fallback)
      host.request.attempts = 2
      core.policy_choose(host.policy, host.asking, host.request, host.choice, decision)
      assert.equal(2, decision.backend)
      assert.is_true(decision.by_fallback)
    end)
  end)

  it("hears nothing of the coroutine it runs in, but of its own", function()
    load_choose [[local inside = coroutine.wrap(function() return type(coroutine.running()) end)()
      return backends[1], { why = tostring(coroutine.running()) .. " " .. inside }]]
    assert.equal("nil thread", text(choose().why))
  end)

  it("gets the same counter for the same name", function()
    assert.equal("true", why "rawequal(lb.counter 'policy spec', lb.counter 'policy spec')")
  end)

  it("makes a counter in each call without using up memory", function()
    load_choose([[for _ = 1, 20000 do turn = lb.counter "policy spec" end return backends[1] ]],
      { settings = "script = { memory = 2^20, budget_ms = 1000 },", before = "local turn" })
    for _ = 1, 20 do assert.is_false(choose().by_fallback) end
  end)

  it("sees ties rotate after it has taken every counter there is", function()
    local common = host.segment
    host.segment = core.segment_new()
    load_choose("return backends:min(function() return 0 end)",
      { before = "for i = 1, 2000 do if not pcall(lb.counter, 'c' .. i) then break end end" })
    local seen = {}
    for i = 1, 3 do seen[i] = choose().backend end
    table.sort(seen)
    assert.same({ 0, 1, 2 }, seen)
    host.unload()
    core.segment_free(host.segment)
    host.segment = common
  end)

  it("is not stopped by a signal that comes before its first call", function()
    load_choose "return backends[1]"
    core.raise(SIGUSR2)
    assert.is_false(choose().by_fallback)
  end)

  describe("after a failure", function()
    local function verdict(kind, facts)
      for field, value in pairs(facts or {}) do host.request[field] = value end
      local decided = ffi.new "int[1]"
      assert.equal(DONE, core.policy_on_failure(host.policy, host.asking, host.request,
        ffi.new("struct facts_failure", kind, 0, slice "refused", 1), decided))
      return decided[0]
    end

    it("has the last word", function()
      load "return { on_failure = function(ctx) return ctx.path == '/api' and 'fail' or 'next' end }"
      assert.equal(FAIL, verdict(CONNECT))
    end)

    it("is shown what happened", function()
      load [[return { on_failure = function(ctx, backend, err)
        if backend.port == 9002 and err.kind == "timeout" and err.phase == "connect" and err.message == "refused" then
          return "next"
        end
        return "fail"
      end }]]
      assert.equal(NEXT, verdict(TIMEOUT))
      assert.equal(FAIL, verdict(CONNECT))
    end)

    for what, source in pairs {
      ["has no on_failure"] = "return {}",
      ["returns nil"] = "return { on_failure = function() end }",
      ["returns what it may not"] = "return { on_failure = function() return 'again' end }",
      ["raises an error"] = "return { on_failure = function(ctx, backend, err) return err.kinds end }",
      ["runs on"] = "return { on_failure = function() while true do end end }",
    } do
      it("leaves it to the default rule if it " .. what, function()
        load(source)
        assert.equal(RETRY, verdict(CONNECT, { retries = 2 }))
        assert.equal(NEXT, verdict(CONNECT, { retries = 3 }))
        assert.equal(NEXT, verdict(TIMEOUT, { retries = 0 }))
        assert.equal(FAIL, verdict(TIMEOUT, { attempts = 3 }))
      end)
    end
  end)

  describe("is not taken if its init", function()
    it("raises an error", function()
      assert.equal("t.lua:1: not today (in init)", load "return { init = function() error 'not today' end }")
    end)

    it("matches a pattern without end", function()
      assert.matches("^t.lua:1: used more than",
        load "return { init = function() (('a'):rep(20000)):find '.-.-.-.-b$' end }")
    end)

    it("does not end", function()
      assert.matches("^t.lua:1: used more than", load "return { init = function() while true do end end }")
    end)
  end)
end)
