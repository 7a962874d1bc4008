-- The real host of policies (core/policy), called without sockets: what it makes of scripts that are
-- wrong in any way. A script here is the body of choose, unless it says more.
local ffi = require "ffi"
local asked = require "spec.support.request"
local core = require "spec.support.core"
local loop = require "spec.support.loop"

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
  const unsigned char *kinds;
  uint32_t seen;
};
struct facts_request {
  struct slice id, method, target, path, query, host, scheme, client_ip, listener;
  uint32_t client_port, attempts, retries, tries, idempotent, replayable;
  double deadline_ms;
  const struct policy_head *head;
  struct arena *arena;
  uint32_t allow_replay;
  int32_t vars;
  uint32_t finals;
  uint32_t by_fallback, is_trusted;
  void *explained;
  struct slice authority;
  uint64_t client;
  struct slice clean_path;
  const char *clean_path_fault;
  bool has_clean_path, has_compared_host, no_log;
};
struct facts_failure { uint32_t kind, phase; struct slice message; };
struct facts_choice { const uint32_t *backends; uint32_t count; uint64_t generation; bool panic; };
struct facts_decision {
  int kind;
  uint32_t backend;
  bool by_fallback, failed;
  struct slice why;
  uint32_t status;
  struct slice body;
  struct policy_field *fields;
  uint32_t fields_count;
  void *options;
  bool is_costly;
};
struct binding_call {
  struct facts_request *request;
  double number;
  const uint32_t *backends;
  int32_t check;
  uint32_t count, list, backend, timer, panic;
  const struct facts_failure *failure;
  const void *response;
  uint32_t status;
  const void *result;
  uint32_t final, has_ctx;
  struct facts_decision *decision;
  uint32_t fields_room;
  struct slice wrong;
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
bool board_set_up(struct segment *, unsigned backend, int reason, int code, uint64_t now_ms);
struct config;
/* config_spec declares it, too, and a function has one declaration in this process. */
struct config *policy_config_load(const char *name, struct slice source, const struct config_overrides *,
                                  struct segment *, struct buffer *error) __asm__("config_load_text");
void config_free(struct config *);
struct policy;
struct loop;
struct policy_call { void *own[64]; };
struct policy *policy_new(const struct config *, struct segment *, struct loop *, unsigned worker,
                          struct buffer *error);
void policy_free(struct policy *);
int policy_choose(struct policy *, struct policy_call *, struct facts_request *, const struct facts_choice *,
                  struct facts_decision *);
int policy_on_failure(struct policy *, struct policy_call *, struct facts_request *, uint32_t backend,
                      const struct facts_failure *, int *verdict);
void policy_forget(struct policy *, struct facts_request *);
bool policy_answer_respond(struct binding_call *, uint32_t status, uint32_t fields, const char *body, size_t length);
bool policy_answer_field(struct binding_call *, const char *name, size_t name_length,
                         const char *value, size_t value_length);
void policy_answer_why(struct binding_call *, const char *text, size_t length);
void policy_answer_wrong(struct binding_call *, const char *text, size_t length);
uint32_t policy_backend_state(const struct segment *, uint32_t backend) __asm__("steering_state");
uint32_t policy_backend_in_flight(const struct segment *, uint32_t backend);
double policy_backend_requests(const struct segment *, uint32_t backend);
double policy_backend_failures(const struct segment *, uint32_t backend);
uint32_t policy_backend_failures_in_row(const struct segment *, uint32_t backend);
void parking_forget(struct segment *);
int raise(int signal);
void log_open(int events, int lines, int least, const char *process);
]]

local DONE = 0                                      -- enum policy_progress
local BACKEND, REFUSE, RESPOND = 0, 1, 2            -- enum facts_decision_kind
local RETRY, NEXT, FAIL = 0, 1, 2                   -- enum facts_verdict
local CONNECT, TIMEOUT = 0, 1                       -- enum facts_failure_kind
local SIGUSR2 = 12
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
    for i = 0, 2 do core.board_set_up(segment, i, 1, 0, 1) end
    core.parking_forget(segment) -- what other scripts did
    policy = core.policy_new(config, segment, nil, 0, message)
    local said = policy == nil and ffi.string(message.bytes, message["end"])
    core.buffer_dispose(message)
    held = nil
    new_request()
    choice = ffi.new("struct facts_choice")
    choice.backends, choice.count, choice.generation = ffi.new("uint32_t[3]", 0, 1, 2), 3, 1
    return said
  end

  local indices = ffi.new("uint32_t[3]", 0, 1, 2)
  local asking = ffi.new "struct policy_call"

  local function choose()
    local decision = ffi.new "struct facts_decision"
    choice.backends = indices
    core.policy_choose(policy, asking, request, choice, decision)
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
      client = "192.0.2.7", client_ip = "192.0.2.7", client_port = "50000", attempts = "1", retries = "0", tries = "1",
      idempotent = "true", replayable = "true",
    } do
      it("ctx." .. field, function() assert.equal(value, why("ctx." .. field)) end)
    end

    for ip, client in pairs {
      ["192.0.2.7"] = "192.0.2.7", ["unknown"] = "unknown", ["fe80::1:2"] = "fe80::1:2", ["::1"] = "::/64",
      ["2001:db8:1:2:3:4:5:6"] = "2001:db8:1:2::/64", ["2001:db8::9"] = "2001:db8::/64",
      ["1::3:4:5:6:7"] = "1:0:0:3::/64",
    } do
      it("ctx.client of " .. ip, function()
        load_choose "return backends[1], { why = ctx.client }"
        request.client_ip = slice(ip)
        assert.equal(client, text(choose().why))
        assert.equal(client, asked { client_ip = ip }.client)
      end)
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

  describe("keeps from one call to the next", function()
    local function spoiled_by(body)
      load_choose("if ctx.attempts == 2 then " .. body .. " end return backends[1], { why = backends[2].name }")
      request.attempts = 2
      choose()
      request.attempts = 1
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
      request.attempts = 2
      assert.equal("127.0.0.1:9002", text(choose().why))
      request.attempts = 1
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
      request.attempts = 2
      core.policy_choose(policy, asking, request, choice, decision)
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
    local common = segment
    segment = core.segment_new()
    load_choose("return backends:min(function() return 0 end)",
      { before = "for i = 1, 2000 do if not pcall(lb.counter, 'c' .. i) then break end end" })
    local seen = {}
    for i = 1, 3 do seen[i] = choose().backend end
    table.sort(seen)
    assert.same({ 0, 1, 2 }, seen)
    core.policy_free(policy)
    policy = nil
    core.segment_free(segment)
    segment = common
  end)

  it("is not stopped by a signal that comes before its first call", function()
    load_choose "return backends[1]"
    core.raise(SIGUSR2)
    assert.is_false(choose().by_fallback)
  end)

  it("whose memory is full spends little time on collections", function()
    load_choose("local more = {} for i = 1, 1e6 do more[i] = {} end return backends[#live > 0 and 1 or 2]", {
      settings = "script = { memory = 32 * 2^20, budget_ms = 1000, park = 0 },",
      before = "local live = {} for i = 1, 200000 do live[i] = { i } end",
    })
    -- A twentieth of the time that passes is theirs, and after each a call fills the memory anew.
    local began, clock = os.clock(), loop.now()
    for _ = 1, 200 do assert.is_true(choose().by_fallback) end
    local took, passed = os.clock() - began, loop.now() - clock
    assert.truthy(took < 2 + passed / 5, took .. " s of CPU in " .. passed)
  end)

  for what, body in pairs {
    ["a table that formats itself"] = [[
      local t = setmetatable({}, { __tostring = function(t) return ('%s'):format(t) end })
      return ('%s'):format(t)]],
    ["a time that asks for the time"] = "local meta = {} meta.__index = os.time os.time(setmetatable({}, meta))",
    ["a call of pcall by itself"] = "local meta = {} meta.__call = pcall return (setmetatable({}, meta)())",
    ["pcall with itself, over and over"] = "local t = {} for i = 1, 5000 do t[i] = pcall end return pcall(unpack(t))",
  } do
    it("is not held up by " .. what, function()
      load_choose(body)
      local began = os.clock()
      for _ = 1, 3 do assert.is_true(choose().by_fallback) end
      assert.truthy(os.clock() - began < 5)
    end)
  end

  -- What hooks.lua calls, called with what it never would.
  describe("is not taken at its word about", function()
    local call, decision

    before_each(function()
      load "return {}"
      decision = ffi.new "struct facts_decision"
      call = ffi.new("struct binding_call", { request = request, decision = decision })
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
        assert.equal(1, core.policy_backend_state(segment, backend))
        assert.equal(0, core.policy_backend_in_flight(segment, backend))
        assert.equal(0, core.policy_backend_requests(segment, backend))
        assert.equal(0, core.policy_backend_failures(segment, backend))
        assert.equal(0, core.policy_backend_failures_in_row(segment, backend))
      end
      assert.equal(0, core.policy_backend_state(segment, 2))
    end)
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
      "(('a'):rep(20000)):find '.-.-.-.-b$'",
      "(('a'):rep(20000)):match '.*.*.*.*b'",
      "(('a'):rep(20000)):gsub('.-.-.-.-b', '')",
      "for _ in (('a'):rep(20000)):gmatch '.-.-.-.-b' do end",
      "while true do pcall(string.find, ('a'):rep(3000), '.-.-.-b') end",
      "xpcall(string.find, function() while true do end end, ('a'):rep(20000), '.-.-.-.-b')",
      "local meta = {} meta.__tostring = tostring while true do tostring(setmetatable({}, meta)) end",
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

  it("is stopped as well when it runs on beside a newer one, and so is that", function()
    local body = [[local n = 0
      for i = 1, 1e4 do n = n + i % 3 end -- compiled before the other one comes
      if ctx.attempts == 2 then return backends[3], { why = tostring(n) } end
      while true do n = n + 1 end]]
    local function runs_on_and_recovers()
      request.attempts = 1
      assert.is_true(choose().by_fallback)
      request.attempts = 2
      local decision = choose()
      assert.is_false(decision.by_fallback)
      assert.equal("10000", text(decision.why))
    end
    load_choose(body)
    runs_on_and_recovers()
    local old_policy, old_config = policy, config
    core.arena_dispose(arena)
    load_choose(body)
    local new_policy = policy
    for _ = 1, 3 do
      for _, each in ipairs { old_policy, new_policy } do
        policy = each
        runs_on_and_recovers()
      end
    end
    core.policy_free(old_policy) core.config_free(old_config)
    policy = new_policy
    runs_on_and_recovers()
  end)

  describe("after a failure", function()
    local function verdict(kind, facts)
      for field, value in pairs(facts or {}) do request[field] = value end
      local decided = ffi.new "int[1]"
      assert.equal(DONE, core.policy_on_failure(policy, asking, request, 1,
        ffi.new("struct facts_failure", kind, 0, slice "refused"), decided))
      return decided[0]
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

    it("matches a pattern without end", function()
      assert.matches("^t.lua:1: used more than",
        load "return { init = function() (('a'):rep(20000)):find '.-.-.-.-b$' end }")
    end)

    it("does not end", function()
      assert.matches("^t.lua:1: used more than", load "return { init = function() while true do end end }")
    end)
  end)
end)
