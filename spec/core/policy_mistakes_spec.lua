-- Scripts that are wrong: the built-in rule answers in their place, and the next call is as if
-- nothing had been. A script here is the body of choose.
local ffi = require "ffi"
local core = require "spec.support.core"
local host = require "spec.support.policy_host"

local load, load_choose, choose = host.load, host.load_choose, host.choose

local BACKEND = 0 -- enum facts_decision_kind

describe("a policy", function()
  after_each(host.unload)

  describe("is answered for by the built-in rule when choose", function()
    for what, body in pairs {
      ["misspells a field of ctx"] = "return ctx.clientip",
      ["misspells a field of a backend"] = "return backends[1].inflight",
      ["misspells a method of backends"] = "return backends:mim(print)",
      ["raises an error"] = "error 'x'",
      ["raises an error that is a table"] = "error {}",
      ["raises an error that is nil"] = "error()",
      ["returns nothing although there are backends"] = "return",
      ["returns a number"] = "return 1",
      ["returns a table of its own"] = "return { 1 }",
      ["returns what it made of a backend"] = "return { name = backends[1].name }",
      ["sets a number in a backend"] = "backends[1][1] = 5000 return backends[1].in_flight > 0 and backends[1]",
      ["sets a number in a tag"] = "backends[1].tags[1] = 'x'",
      ["changes the status of an answer"] = "local a = ctx:respond {} a[2] = 42 return a",
      ["changes the headers of an answer"] = "local a = ctx:respond {} a[3] = { 'A', 'b\\r\\nc: d' } return a",
      ["returns an answer of its own making"] = "return { mark = {}, status = 200, fields = {}, body = '' }",
      ["returns an answer that it changed with a metatable"] = "return setmetatable(ctx:respond {}, {})",
      ["resumes its own coroutine"] = "return coroutine.resume(coroutine.running())",
      ["responds with a control byte in a header"] = "return ctx:respond { headers = { a = 'b\\1c' } }",
      ["responds with more headers than anybody reads"] = [[local headers = {}
        for i = 1, 2000 do headers['a' .. i] = 'b' end return ctx:respond { headers = headers }]],
      ["sets what belongs to the connection"] = "return ctx:respond { headers = { TE = 'x' } }",
      ["returns an unknown option"] = "return backends[1], { wy = 'x' }",
      ["splits a header of the request"] = "return backends[1], { request_headers = { a = 'b\\r\\nc: d' } }",
      ["gives as many options as there is no room for"] = [[local headers = {}
        for i = 1, 2000 do headers['a' .. i] = 'b' end return backends[1], { request_headers = headers }]],
      ["gives options that are no end"] = [[
        return backends[1], { request_headers = { a = setmetatable({ 1 }, { __index = function() end }) }, host = 1 }]],
      ["returns a reason that is no text"] = "return nil, {}",
      ["yields"] = "coroutine.yield()",
      ["sets a field of ctx"] = "ctx.path = '/'",
      ["sets a field of a backend"] = "backends[1].weight = 2",
      ["adds to the list"] = "backends[4] = backends[1]",
      ["sorts the list"] = "table.sort(backends)",
      ["responds with a status that is none"] = "return ctx:respond { status = 99 }",
      ["responds with a field that does not exist"] = "return ctx:respond { boby = 'x' }",
      ["splits a header"] = "return ctx:respond { headers = { a = 'b\\r\\nc: d' } }",
      ["names a header with a line end"] = "return ctx:respond { headers = { ['a\\n'] = 'b' } }",
      ["sets a length"] = "return ctx:respond { headers = { ['content-LENGTH'] = 1 } }",
      ["sets a coding"] = "return ctx:respond { headers = { ['Transfer-Encoding'] = 'chunked' } }",
      ["splits a redirect"] = "return ctx:redirect 'http://a/\\r\\nb: c'",
      ["gives a 204 a body"] = "return ctx:respond { status = 204, body = 'x' }",
      ["looks for what the sandbox has not"] = "return io.open('/etc/passwd')",
      ["asks for more memory than there is"] = "return ('x'):rep(1e9)",
      ["nests gsub"] = "local function g() return (('a'):gsub('a', g)) end g()",
      ["nests coroutines"] = "local function f() return coroutine.wrap(f)() end f()",
      ["nests sort"] = "local function s() table.sort({ 2, 1 }, function(a, b) s() return a < b end) end s()",
      ["recurses"] = "local function f() return 1 + f() end f()",
    } do
      it(what, function()
        load_choose("if ctx.attempts == 2 then return backends[3] end " .. body)
        for _ = 1, 3 do
          host.request.attempts = 1
          local decision = choose()
          assert.is_true(decision.by_fallback)
          assert.equal(BACKEND, decision.kind)
          assert.equal(0, decision.fields_count)
          host.request.attempts = 2 -- and the next call is as if nothing had been
          decision = choose()
          assert.is_false(decision.by_fallback)
          assert.equal(2, decision.backend)
        end
      end)
    end

    it("keeps a ctx", function()
      load_choose("kept = kept or ctx return backends[1], { why = kept.path }", { before = "local kept" })
      assert.is_false(choose().by_fallback)
      assert.is_true(choose().by_fallback)
    end)
  end)

  -- What hooks.lua calls, called with what it never would.
  describe("is not taken at its word about", function()
    local call, decision

    before_each(function()
      load "return {}"
      decision = ffi.new "struct facts_decision"
      call = ffi.new("struct binding_call", { request = host.request, decision = decision })
    end)

    local function field(name, value) return core.policy_answer_field(call, name, #name, value, #value) end

    it("a status", function()
      for _, status in ipairs { 0, 42, 100, 199, 600, 2 ^ 32 - 1 } do
        assert.is_false(core.policy_answer_respond(call, status, 0, "", 0))
      end
      assert.is_true(core.policy_answer_respond(call, 599, 0, "x", 1))
      for _, status in ipairs { 204, 205, 304 } do
        assert.is_false(core.policy_answer_respond(call, status, 0, "x", 1))
        assert.is_true(core.policy_answer_respond(call, status, 0, "", 0))
      end
    end)

    it("how many fields there are", function()
      assert.is_false(core.policy_answer_respond(call, 200, 2 ^ 31, "", 0))
      assert.is_false(field("A", "b"))
      assert.is_true(core.policy_answer_respond(call, 200, 1, "", 0))
      assert.is_true(field("A", "b"))
      assert.is_false(field("C", "d"))
      assert.equal(1, decision.fields_count)
    end)

    it("a field", function()
      assert.is_true(core.policy_answer_respond(call, 200, 100, "", 0))
      for _, name in ipairs { "", "a b", "a:", "a\n", "a\0", "\255", "Connection", "content-length",
        "TRANSFER-ENCODING", "upgrade", "te", "trailer", "keep-alive", "proxy-connection" } do
        assert.is_false(field(name, "x"), name)
      end
      for _, value in ipairs { "a\r\nb: c", "a\n", "\r", "a\0b", "\1", "\127" } do
        assert.is_false(field("A", value), value)
      end
      assert.is_true(field("X-~!#$%&'*+-.^_`|0", "a\tb \255"))
    end)

    it("a call that is over", function()
      call.decision = nil
      assert.is_false(core.policy_answer_respond(call, 200, 0, "", 0))
      assert.is_false(field("A", "b"))
      core.policy_answer_why(call, "x", 1)
      call.request = nil
      core.policy_answer_wrong(call, "x", 1)
    end)

    it("a backend", function()
      for _, backend in ipairs { 3, 4095, 4096, 5000, 2 ^ 32 - 1 } do
        assert.equal(1, core.policy_backend_state(host.segment, backend))
        assert.equal(0, core.policy_backend_in_flight(host.segment, backend))
        assert.equal(0, core.policy_backend_requests(host.segment, backend))
        assert.equal(0, core.policy_backend_failures(host.segment, backend))
        assert.equal(0, core.policy_backend_failures_in_row(host.segment, backend))
      end
      assert.equal(0, core.policy_backend_state(host.segment, 2))
    end)
  end)
end)
