-- The real host of policies (core/policy), called without sockets: what it makes of scripts that are
-- wrong in any way. A script here is the body of choose, unless it says more.
local ffi = require "ffi"
local core = require "spec.support.core"

if not pcall(ffi.new, "struct facts_request") then
  ffi.cdef [[
struct arena { char *next, *end; void *blocks; };
struct policy_field { struct slice name, value; };
struct policy_head {
  int version;
  struct slice method, target;
  unsigned status;
  struct slice reason;
  struct policy_field *fields;
  unsigned fields_count;
};
struct facts_request {
  struct slice id, method, target, path, query, host, scheme, client_ip;
  uint32_t client_port, attempts, retries, tries, idempotent, replayable;
  double deadline_ms;
  const struct policy_head *head;
  struct arena *arena;
  uint32_t allow_replay;
  int32_t vars;
};
struct facts_failure { uint32_t kind, phase; struct slice message; };
struct facts_choice { const uint32_t *backends; uint32_t count; uint64_t generation; };
struct facts_decision {
  int kind;
  uint32_t backend;
  bool by_fallback, failed;
  struct slice why;
  uint32_t status;
  struct slice body;
  struct policy_field *fields;
  uint32_t fields_count;
};
struct config_overrides {
  const char **listen; unsigned listen_count;
  const char **backends; unsigned backends_count;
  const char *workers, *listen_source, *backends_source, *workers_source;
};
]]
end
ffi.cdef [[
void arena_init(struct arena *, void *first, size_t bytes);
void arena_dispose(struct arena *);
void board_init(struct segment *, unsigned backends);
bool board_set_up(struct segment *, unsigned backend, int reason, uint64_t now_ms);
struct config;
/* config_spec declares it, too, and a function has one declaration in this process. */
struct config *policy_config_load(const char *name, struct slice source, const struct config_overrides *,
                                  struct segment *, struct buffer *error) __asm__("config_load_text");
void config_free(struct config *);
struct policy;
struct policy *policy_new(const struct config *, struct segment *, unsigned worker, struct buffer *error);
void policy_free(struct policy *);
void policy_choose(struct policy *, struct facts_request *, const struct facts_choice *, struct facts_decision *);
int policy_on_failure(struct policy *, struct facts_request *, uint32_t backend, const struct facts_failure *);
void policy_forget(struct policy *, struct facts_request *);
void log_open(int events, int lines, int least, const char *process);
]]

local BACKEND, REFUSE, RESPOND = 0, 1, 2            -- enum facts_decision_kind
local RETRY, NEXT, FAIL = 0, 1, 2                   -- enum facts_verdict
local CONNECT, TIMEOUT = 0, 1                       -- enum facts_failure_kind
local SILENT = 4                                    -- above LOG_ERROR

local function text(slice) return ffi.string(slice.start, slice.length) end

local function slice(bytes) return ffi.new("struct slice", bytes, #bytes) end

local HEADERS = { "Host", "example.org", "User-Agent", "curl/8", "X-User", "anna" }
local request_texts = {
  id = "r1", method = "GET", target = "/api?q=1", path = "/api", query = "q=1", host = "example.org", scheme = "http",
  client_ip = "192.0.2.7",
}

describe("a policy", function()
  local segment, config, policy, request, arena, choice, held

  setup(function()
    core.log_open(0, 0, SILENT, "spec")
    segment = core.segment_new()
  end)
  teardown(function() core.segment_free(segment) end)

  local function new_request()
    held = { room = ffi.new "char[4096]", fields = ffi.new("struct policy_field[?]", #HEADERS / 2) }
    for i = 1, #HEADERS, 2 do
      held.fields[(i - 1) / 2].name = slice(HEADERS[i])
      held.fields[(i - 1) / 2].value = slice(HEADERS[i + 1])
    end
    arena = ffi.new "struct arena"
    core.arena_init(arena, held.room, 4096)
    held.head = ffi.new("struct policy_head", { fields = held.fields, fields_count = #HEADERS / 2 })
    request = ffi.new("struct facts_request", {
      client_port = 50000, attempts = 1, tries = 1, idempotent = 1, replayable = 1, head = held.head, arena = arena,
    })
    for field, bytes in pairs(request_texts) do request[field] = slice(bytes) end
  end

  local function load(source)
    local backends = ffi.new("const char *[3]", { "127.0.0.1:9001", "127.0.0.1:9002", "127.0.0.1:9003" })
    local listen = ffi.new("const char *[1]", { "127.0.0.1:3030" })
    local overrides = ffi.new("struct config_overrides", listen, 1, backends, 3, nil, "--listen", "--backend", nil)
    local message = ffi.new "struct buffer"
    config = core.policy_config_load("t.lua", slice(source), overrides, segment, message)
    assert(config ~= nil, config == nil and ffi.string(message.bytes, message["end"]))
    core.board_init(segment, 3)
    for i = 0, 2 do core.board_set_up(segment, i, 1, 1) end
    policy = core.policy_new(config, segment, 0, message)
    local said = policy == nil and ffi.string(message.bytes, message["end"])
    core.buffer_dispose(message)
    held = nil
    new_request()
    choice = ffi.new("struct facts_choice")
    choice.backends, choice.count, choice.generation = ffi.new("uint32_t[3]", 0, 1, 2), 3, 1
    return said
  end

  local indices = ffi.new("uint32_t[3]", 0, 1, 2)

  local function choose()
    local decision = ffi.new "struct facts_decision"
    choice.backends = indices
    core.policy_choose(policy, request, choice, decision)
    return decision
  end

  local function load_choose(body, more)
    local said = load(("%s return { %s choose = function(ctx, backends) %s end }"):format(
      more and more.before or "", more and more.settings or "", body))
    assert(not said, said)
  end

  after_each(function()
    if policy ~= nil then core.policy_free(policy) end
    if config ~= nil then core.config_free(config) end
    core.arena_dispose(arena)
    policy, config = nil, nil
  end)

  local function why(body)
    load_choose("return backends[1], { why = tostring(" .. body .. ") }")
    local decision = choose()
    assert.is_false(decision.by_fallback)
    return text(decision.why)
  end

  describe("is shown", function()
    for field, value in pairs {
      id = "r1", method = "GET", path = "/api", query = "q=1", host = "example.org", scheme = "http",
      client_ip = "192.0.2.7", client_port = "50000", attempts = "1", retries = "0", tries = "1", idempotent = "true",
      replayable = "true",
    } do
      it("ctx." .. field, function() assert.equal(value, why("ctx." .. field)) end)
    end

    it("headers in any letter case", function()
      assert.equal("anna", why "ctx.headers['x-USER']")
      core.policy_free(policy) core.config_free(config)
      assert.equal("nil", why "ctx.headers.cookie")
    end)

    it("the time that is left, if there is a deadline", function()
      assert.equal("nil", why "ctx:remaining()")
      request.deadline_ms = 1 -- long ago
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
      choice.count, choice.generation = 2, 0 -- for one call
      assert.equal("2/3", text(choose().why))
      choice.count, choice.generation = 3, 1
      assert.equal("3/3", text(choose().why))
      choice.count, choice.generation = 1, 2
      local decision = choose()
      assert.equal("1/3", text(decision.why))
      assert.equal(0, decision.backend)
    end)

    it("its own vars as long as the request lives", function()
      load_choose "ctx.vars.n = (ctx.vars.n or 0) + 1 return backends[1], { why = '' .. ctx.vars.n }"
      assert.equal("1", text(choose().why))
      assert.equal("2", text(choose().why))
      core.policy_forget(policy, request)
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
      choice.count, choice.generation = 0, 2
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
    core.policy_free(policy) core.config_free(config) -- another VM goes on where this one was
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
      ["returns a copy of a backend"] = "return { backends[1][1] }",
      ["returns an unknown option"] = "return backends[1], { wy = 'x' }",
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
          request.attempts = 1
          local decision = choose()
          assert.is_true(decision.by_fallback)
          assert.equal(BACKEND, decision.kind)
          assert.equal(0, decision.fields_count)
          request.attempts = 2 -- and the next call is as if nothing had been
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

  it("that has set fallback to fail fails the request", function()
    load_choose("error 'x'", { settings = "fallback = 'fail'," })
    local decision = choose()
    assert.is_true(decision.failed)
  end)

  describe("is stopped when it runs on in", function()
    for _, body in ipairs {
      "while true do end",
      "for i = 1, math.huge do end",
      "repeat until false",
      "local function f() return f() end f()",
      "local n = 0 while true do n = n + 1 if n % 2 == 0 then n = n + 1 else n = n + 3 end end",
      "while true do for k, v in pairs(string) do end end",
      "local t = setmetatable({}, { __index = function() while true do end end }) return t.x",
      "local t = setmetatable({}, { __lt = function() while true do end end }) return t < t",
      "while true do pcall(function() while true do end end) end",
      "local function f(n) if n > 0 then pcall(f, n - 1) end while true do end end f(50)",
      "xpcall(function() while true do end end, function() while true do end end)",
      "xpcall(function() error 'x' end, function() while true do end end)",
      "local co = coroutine.create(function() while true do end end) while true do coroutine.resume(co) end",
      "local co = coroutine.wrap(function() while true do coroutine.yield() end end) while true do co() end",
      "('aaa'):gsub('a', function() while true do end end)",
      "table.sort({ 3, 2, 1 }, function() while true do end end)",
      "backends:min(function() while true do end end)",
      "while true do local x = ctx.headers.host end",
      "while true do pcall(function() return ctx.nope end) end",
      "while true do local s = 'a' .. math.random() end",
      "local t = {} while true do t[#t + 1] = {} end",
      "local s = 'x' while true do s = s .. s end",
      "local t = {} while true do pcall(function() while true do t[#t + 1] = ('x'):rep(1e5) .. #t end end) end",
    } do
      it(body, function()
        load_choose("if ctx.attempts == 2 then return backends[3] end if true then " .. body .. " end",
          { settings = "script = { memory = 8 * 2^20, budget_ms = 5 }," })
        for _ = 1, 3 do
          request.attempts = 1
          assert.is_true(choose().by_fallback)
          request.attempts = 2
          assert.is_false(choose().by_fallback)
        end
      end)
    end
  end)

  describe("after a failure", function()
    local function verdict(kind, facts)
      for field, value in pairs(facts or {}) do request[field] = value end
      return core.policy_on_failure(policy, request, 1, ffi.new("struct facts_failure", kind, 0, slice "refused"))
    end

    it("has the last word", function()
      load "return { on_failure = function(ctx) return ctx.path == '/api' and 'fail' or 'next' end }"
      assert.equal(FAIL, verdict(CONNECT))
    end)

    it("is told what happened", function()
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

    it("does not end", function()
      assert.matches("^t.lua:1: used more than", load "return { init = function() while true do end end }")
    end)
  end)
end)
