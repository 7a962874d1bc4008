-- hooks - what a script's hooks are shown, and what becomes of their answers.
--
-- C fills `call` (policy/bindings.h) and calls one of the functions that `bind` returns, in a
-- coroutine. Each makes a ctx of its own: the compiler removes that table where the script does not
-- keep it, and the number in a ctx that was kept is not that of the call. Facts are read through
-- the FFI when a field is asked for. Scripts see tables only, never a pointer.
--
-- A table can refuse a new field but not a change of a field that it has. So these tables are
-- empty, except for the number in a ctx, which a script can spoil for itself only, and for the list
-- of backends, which is mended before the next call. C checks whatever comes back.
local prelude, parts, segment_address, facts_of_backends, call_address = ...

local ffi = prelude.ffi
local C = ffi.C
local complain, read_only, unknown = prelude.complain, prelude.read_only, prelude.unknown
local WALK = prelude.WALK
local error, pairs, rawget, setmetatable = error, pairs, rawget, setmetatable
local tostring, type, unpack = prelude.tostring, type, unpack
local format = string.format
local text_of = ffi.string

ffi.cdef [[
struct facts_compared { uint32_t rule, count, backends[4]; double values[3]; };
struct facts_request {
    struct slice id, method, target, path, query, host, scheme, client_ip, listener;
    uint32_t client_port, attempts, retries, tries, idempotent, replayable;
    double deadline_ms;
    const void *head;
    void *arena;
    uint32_t allow_replay;
    int32_t vars;
    uint32_t finals;
    uint32_t last;
    struct facts_compared *compared;
};
struct facts_failure { uint32_t kind, phase; struct slice message; };
struct facts_result {
    double ms, bytes_in, bytes_out;
    uint32_t status, attempts, retries;
    int32_t backend, grpc_status;
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
    const struct facts_result *result;
    uint32_t final, has_ctx;
};
struct binding_field { struct slice value; uint32_t next; struct slice name; };
const struct binding_field *policy_header(const struct facts_request *, const char *name, size_t length, uint32_t from);
bool policy_header_is_only(const struct facts_request *, const char *name, size_t length);
const struct binding_field *policy_response_header(const void *response, const char *name, size_t length,
                                                   uint32_t from);
const struct binding_field *policy_field_at(const struct facts_request *, uint32_t from);
const struct binding_field *policy_response_field_at(const void *response, uint32_t from);
double policy_remaining(const struct facts_request *);
bool policy_value_dropped(struct binding_call *, const char *hook, const char *file, uint32_t line, const char *what);
void policy_answer_why(struct binding_call *, const char *text, size_t length);
void policy_answer_wrong(struct binding_call *, const char *text, size_t length);
bool policy_answer_respond(struct binding_call *, uint32_t status, uint32_t fields, const char *body, size_t length);
bool policy_answer_field(struct binding_call *, const char *name, size_t name_length,
                         const char *value, size_t value_length);
]]

local call = ffi.cast("struct binding_call *", call_address)
local answers, bind_headers = parts.answers(prelude), parts.headers(prelude)
local backends_module = parts.backends(prelude, segment_address, facts_of_backends)
local members, number_of = backends_module.members, backends_module.number_of
local lists, gone = parts.lists(prelude, backends_module, call), backends_module.gone
local list_for = lists.list_for
local read_overrides = parts.overrides(prelude)
local turns = prelude.turns -- core/lua/turns.lua

local REFUSED, RESPONDED, WRONG, GONE = -1, -2, -3, -4 -- enum binding_answer
local VERDICTS = { retry = 0, next = 1, fail = 2 }    -- enum facts_verdict
local PASS, REVIEWS = 0, { retry = 1, next = 2 }      -- enum facts_review
local DEFAULT_VERDICT = 3                             -- the default rule decides
local KINDS = { [0] = "connect", "timeout", "reset", "protocol", "resolve", "tls" }
local PHASES = { [0] = "connect", "request", "head", "body" }

-- ctx.vars ---------------------------------------------------------------------------------------

-- By the number in request.vars; policy_forget gives numbers back: kept[0] is the last one it gave,
-- kept[that] the one before, and so on to 0.
local kept = { [0] = 0 }

local function vars_of(request)
  local number = request.vars
  if number ~= 0 then return kept[number] end
  number = kept[0]
  if number == 0 then number = #kept + 1 else kept[0] = kept[number] end
  local vars = {}
  kept[number] = vars
  request.vars = number
  return vars
end

-- ctx --------------------------------------------------------------------------------------------

-- The number is in the object, so a script can give it that of a call which has no request.
local function check_fresh(object, what)
  if rawget(object, 1) ~= call.number or call.has_ctx == 0 then
    error("this " .. what .. " was kept from another call; it is good only until the hook returns", 3)
  end
end

local headers_of = bind_headers("ctx.headers", call, check_fresh,
  function(name, from) return C.policy_header(call.request, name, #name, from) end,
  function(name) return C.policy_header_is_only(call.request, name, #name) end,
  function(from) return C.policy_field_at(call.request, from) end,
  "backend, { request_headers = { .. } }, in choose")

local RESULT_FIELDS = {
  status = true, backend = true, ms = true, bytes_in = true, bytes_out = true, attempts = true, retries = true,
  grpc_status = true,
}
local MAY_LACK = { backend = true, grpc_status = true } -- where there was none
local result_meta = {
  __index = function(_, key)
    if not MAY_LACK[key] then unknown("ctx.result", key, RESULT_FIELDS) end
  end,
  __newindex = read_only("ctx.result"),
  __tostring = function() return "ctx.result" end,
  __metatable = false,
}

local function result_of()
  local result = call.result
  if result == nil then return nil end -- not in on_done
  return setmetatable({
    status = result.status, ms = result.ms, bytes_in = result.bytes_in, bytes_out = result.bytes_out,
    attempts = result.attempts, retries = result.retries,
    backend = result.backend >= 0 and members[result.backend + 1] and members[result.backend + 1].name or nil,
    grpc_status = result.grpc_status >= 0 and result.grpc_status or nil,
  }, result_meta)
end

local ctx_fields = {
  result = result_of,
  headers = headers_of,
  vars = vars_of,
  idempotent = function(request) return request.idempotent ~= 0 end,
  replayable = function(request) return request.replayable ~= 0 end,
}

for _, name in ipairs { "id", "method", "path", "query", "scheme", "client_ip", "listener" } do
  ctx_fields[name] = function(request)
    local text = request[name]
    return text_of(text.start, text.length)
  end
end

for _, name in ipairs { "client_port", "attempts", "retries", "tries" } do
  ctx_fields[name] = function(request) return request[name] end
end

local ctx_methods = answers.methods -- and some of its own

function ctx_methods.remaining(ctx)
  if type(ctx) ~= "table" then complain "call it on ctx, with a colon: ctx:remaining()" end
  check_fresh(ctx, "ctx")
  local seconds = C.policy_remaining(call.request)
  return seconds >= 0 and seconds or nil
end

function ctx_methods.allow_replay(ctx)
  if type(ctx) ~= "table" then complain "call it on ctx, with a colon: ctx:allow_replay()" end
  check_fresh(ctx, "ctx")
  call.request.allow_replay = 1
end

local FINALS_MAX, FINALS_CALLED = 16, 255 -- facts.h has the second, too
-- By the number of the request's vars: { function, the ctx that it was given to } each.
local finals = {}

function ctx_methods.finally(ctx, fn)
  if type(ctx) ~= "table" then complain "call it on ctx, with a colon: ctx:finally(f)" end
  check_fresh(ctx, "ctx")
  if type(fn) ~= "function" then complain("ctx:finally(f) needs a function, got %s", type(fn)) end
  local request = call.request
  local count = request.finals
  if count == FINALS_CALLED then complain "ctx:finally(f): the request is over, and nothing is called after it" end
  if count == FINALS_MAX then complain("ctx:finally(f): a request has %d of them at most", FINALS_MAX) end
  vars_of(request)
  if count == 0 then finals[request.vars] = {} end
  finals[request.vars][count + 1] = { fn, ctx }
  request.finals = count + 1
end

-- The ctx that it was given to is good once more.
local function run_final()
  local number, i = call.request.vars, call.final
  local fn, ctx = unpack(finals[number][i])
  finals[number][i] = nil
  if i == 1 then finals[number] = nil end
  call.number = rawget(ctx, 1)
  fn(ctx)
  return 0
end

parts.context(prelude)(ctx_fields, ctx_methods, call, check_fresh)

function turns.last()
  local request = call.request -- NULL where there is none, as in timers
  if request ~= nil then return request.last end
  return 0
end

function turns.check_ctx(ctx)
  if rawget(ctx, 1) ~= call.number then
    error("counter:next(ctx, backends) needs the ctx of this call", 4)
  end
end

function turns.compared(rule, one, value, other, others)
  local request = call.request
  if request == nil then return end
  local compared = request.compared
  if compared == nil then return end -- as nobody keeps it, or no choose runs
  compared.rule, compared.count = rule, other and 2 or 1
  compared.backends[0], compared.values[0] = number_of[one] or 0, value
  if other then compared.backends[1], compared.values[1] = number_of[other] or 0, others end
end

function turns.chosen_by(rule)
  local request = call.request
  if request == nil then return end
  local compared = request.compared
  if compared ~= nil then compared.rule, compared.count = rule, 0 end
end

function turns.named(rule)
  local request = call.request
  if request == nil then return end
  local compared = request.compared
  if compared ~= nil then compared.rule = rule end
end

local SCRIPTS = 8 -- enum facts_rule

function ctx_methods.compared(ctx, one, value, other, others)
  if type(ctx) ~= "table" then complain "call it on ctx, with a colon: ctx:compared(one, 3.1, other, 9.8)" end
  check_fresh(ctx, "ctx")
  if not number_of[one] or type(value) ~= "number"
    or other ~= nil and (not number_of[other] or type(others) ~= "number") then
    complain "ctx:compared(one, 3.1, other, 9.8) needs backends, each with a number"
  end
  turns.compared(SCRIPTS, one, value, other, others)
end

local FOR_BACKEND = { host = true, path = true } -- overrides of choose

local ctx_meta = {
  [WALK] = "pairs(ctx) finds nothing: its fields are read by name, and those of the head by ctx.headers:each()",
  __index = function(ctx, key)
    check_fresh(ctx, "ctx")
    local field = ctx_fields[key]
    if field then return field(call.request) end
    return ctx_methods[key] or unknown("ctx", key, ctx_fields, ctx_methods)
  end,
  __newindex = function(_, key)
    complain("ctx is read-only; ctx.vars.%s would be the script's own%s", tostring(key), FOR_BACKEND[key]
      and format("; what the backend sees is return backend, { %s = .. }, in choose", key) or "")
  end,
  __tostring = function() return "ctx" end,
  __metatable = false,
}

-- Answers of choose -------------------------------------------------------------------------------

local function wrong(text, ...)
  text = format(text, ...)
  C.policy_answer_wrong(call, text, #text)
  return WRONG
end

local function why(text) C.policy_answer_why(call, text, #text) end

-- Results of a hook that lb does not read are lost: lb check refuses that, and at run time it is
-- logged once.
local logged = {} -- by hook

local function drop(hook, fn, what)
  if logged[hook] then return nil end
  local place = prelude.getinfo(fn, "S")
  if C.policy_value_dropped(call, hook, place.short_src, place.linedefined, what) then
    return wrong("%s returned %s, which is lost", hook, what)
  end
  logged[hook] = true
end

local function respond(given, hook)
  local fields, body = given.fields, given.body
  if not C.policy_answer_respond(call, given.status, #fields / 2, body, #body) then
    return wrong("%s returned an answer that lb does not give", hook)
  end
  for i = 1, #fields, 2 do
    local name, value = fields[i], fields[i + 1]
    if not C.policy_answer_field(call, name, #name, value, #value) then
      return wrong("%s returned an answer with a header that lb does not send: '%s'", hook, name)
    end
  end
  if given.why then why(given.why) end
  return RESPONDED
end

-- What was probably meant, behind "expected a backend".
local function such_as(given)
  if type(given) == "string" then return format(", such as backends:by_name(%q)", given) end
  if type(given) ~= "number" or given % 1 ~= 0 then return "" end
  if given >= 400 and given <= 599 then return format("; an answer is ctx:reject(%d)", given) end
  return given >= 1 and given <= #members and format(", such as backends[%d]", given) or ""
end

local function decode(given, detail, more, choose)
  if more ~= nil and drop("choose", choose, "a third value") then return WRONG end
  if type(given) == "table" then
    local number = number_of[given]
    if number then
      local text = read_overrides(call, detail)
      return text and wrong("choose returned %s", text) or number
    end
    if gone[given] then return GONE end
    local answer = answers.contents_of(given)
    if answer and detail ~= nil and drop("choose", choose, "an answer and a " .. type(detail)) then return WRONG end
    if answer then return respond(answer, "choose") end
    return wrong("choose returned a table that is none of the backends%s",
      number_of[rawget(given, 1)] and ": return one of the list, and options behind it" or "")
  elseif given ~= nil then
    return wrong("choose returned a %s, expected a backend%s", type(given), such_as(given))
  elseif type(detail) == "string" then
    why(detail)
    return REFUSED
  elseif detail ~= nil then
    return wrong("choose returned nil and a %s, expected a reason", type(detail))
  elseif call.count == 0 then
    why("no backend is available")
    return REFUSED
  end
  return wrong("choose returned nothing, and there are backends: return one, an answer (return ctx:reject(503)), "
    .. "or nil and a reason")
end

-- The hooks ---------------------------------------------------------------------------------------

local err_fields = { kind = true, phase = true, message = true }
local err_meta = {
  __index = function(_, key) unknown("err", key, err_fields) end,
  __newindex = read_only("err"),
  __metatable = false,
}

local function bind_choose(choose)
  return function()
    local call_number = call.number
    local given, detail, more = choose(setmetatable({ call_number }, ctx_meta), list_for())
    if detail == nil then
      local number = number_of[given]
      if number then return number end
    end
    -- Another call runs now.
    if call.number ~= call_number then error("this call of choose is over") end
    return decode(given, detail, more, choose)
  end
end

local function bind_on_failure(on_failure)
  return function()
    local failure = call.failure
    local err = setmetatable({
      kind = KINDS[failure.kind],
      phase = PHASES[failure.phase],
      message = text_of(failure.message.start, failure.message.length),
    }, err_meta)
    local verdict, more = on_failure(setmetatable({ call.number }, ctx_meta), members[call.backend + 1], err)
    if more ~= nil and drop("on_failure", on_failure, "a second value") then return WRONG end
    if verdict == nil then return DEFAULT_VERDICT end
    return VERDICTS[verdict] or wrong("on_failure returned %s, expected \"retry\", \"next\" or \"fail\"",
      type(verdict) == "string" and format("%q", verdict) or "a " .. type(verdict))
  end
end

local res_headers_of = bind_headers("res.headers", call, check_fresh,
  function(name, from) return C.policy_response_header(call.response, name, #name, from) end,
  function() return true end,
  function(from) return C.policy_response_field_at(call.response, from) end,
  "nil, { response_headers = { .. } }")

local GRPC_STATUS, GRPC_UNKNOWN = "grpc-status", 2

local res_fields = {
  status = function() return call.status end,
  -- Of an answer that has nothing but its head; behind a body it comes too late for on_response.
  grpc_status = function()
    local field = C.policy_response_header(call.response, GRPC_STATUS, #GRPC_STATUS, 0)
    if field == nil then return nil end
    return tonumber(text_of(field.value.start, field.value.length)) or GRPC_UNKNOWN
  end,
  headers = res_headers_of,
}
local res_meta = {
  [WALK] = "pairs(res) finds nothing: it has res.status and res.headers, which has res.headers:each()",
  __index = function(res, key)
    check_fresh(res, "res")
    if call.response == nil then error("this res is over; ctx:finally is called after it", 2) end
    local field = res_fields[key] or unknown("res", key, res_fields)
    return field()
  end,
  __newindex = read_only("res"),
  __tostring = function() return "res" end,
  __metatable = false,
}

local function bind_on_response(on_response)
  return function()
    local number = call.number
    local review, overrides, more = on_response(setmetatable({ number }, ctx_meta), members[call.backend + 1],
      setmetatable({ number }, res_meta))
    if more ~= nil and drop("on_response", on_response, "a third value") then return WRONG end
    if review == nil and overrides == nil then return PASS end
    local answer = type(review) == "table" and answers.contents_of(review)
    if overrides ~= nil then
      local text = answer and "an answer and options: its headers are its own" or read_overrides(call, overrides, true)
      if text then return wrong("on_response returned %s", text) end
      if review == nil then return PASS end
    end
    if answer then return respond(answer, "on_response") end
    return REVIEWS[review] or wrong("on_response returned %s, expected nil, \"retry\", \"next\" or an answer%s",
      type(review) == "string" and format("%q", review) or "a " .. type(review),
      type(review) == "table" and "; options are the second value: return nil, { .. }" or "")
  end
end

-- `health`, called in the monitor: a function, or the check in the table of settings.
local function bind_health(health)
  local check = type(health) == "table" and rawget(health, "check") or health
  if type(check) ~= "function" then return nil end
  return function()
    local up, reason = check(members[call.backend + 1])
    if up == true then return 1 end
    if up ~= false then
      return wrong("health returned %s, expected true, or false and a reason",
        up == nil and "nothing" or "a " .. type(up))
    end
    if reason ~= nil and type(reason) ~= "string" then
      return wrong("health returned false and a %s, expected a reason", type(reason))
    end
    if reason then C.policy_answer_wrong(call, reason, #reason) end
    return 0
  end
end

local function bind_on_health(on_health)
  return function()
    local news = call.failure
    on_health(members[call.backend + 1], news.kind ~= 0, text_of(news.message.start, news.message.length))
    return 0
  end
end

local function bind_on_done(on_done)
  return function()
    on_done(setmetatable({ call.number }, ctx_meta))
    return 0
  end
end

local function bind_init(init)
  return function()
    init()
    return 0
  end
end

local binders = {
  choose = bind_choose, on_failure = bind_on_failure, on_response = bind_on_response, on_done = bind_on_done,
  init = bind_init, health = bind_health, on_health = bind_on_health,
}

return {
  kept = kept, forget_nesting = prelude.forget_nesting, follow = lists.follow,
  -- The functions for one script; a hook that it does not have is absent.
  bind = function(script)
    if type(script) ~= "table" then error("expected the script to return a table, got " .. type(script), 0) end
    local bound = {}
    prelude.is_loaded = true
    for name, bind in pairs(binders) do
      local hook = rawget(script, name)
      if hook ~= nil then bound[name] = bind(hook) end
    end
    bound.finally = run_final
    bound.timer = function() return prelude.run_timer(call.timer) end -- core/lua/await.lua
    return bound
  end,
}
