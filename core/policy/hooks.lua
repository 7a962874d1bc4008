-- hooks - what a script's hooks are shown, and what becomes of their answers.
--
-- C fills `call` (policy/bindings.h) and calls one of the functions that `bind` returns, in a
-- coroutine. Each makes a ctx of its own: the compiler removes that table where the script does not
-- keep it, and a ctx that was kept is told from a fresh one by its number. Facts are read through
-- the FFI when a field is asked for. Scripts see tables only, never a pointer.
--
-- A table can refuse a new field but not a change of one that it has. So what is handed out is empty,
-- but for the number in a ctx, which a script can spoil for itself only, and for the list of backends,
-- which is mended before the next call. C checks on top whatever comes back.
local prelude, answers, segment_address, call_address, facts_of_backends = ...

local ffi = prelude.ffi
local C = ffi.C
local complain, read_only, unknown = prelude.complain, prelude.read_only, prelude.unknown
local error, pairs, rawget, setmetatable = error, pairs, rawget, setmetatable
local tostring, type = tostring, type
local format, huge = string.format, math.huge
local text_of = ffi.string

ffi.cdef [[
struct facts_request {
    struct slice id, method, target, path, query, host, scheme, client_ip;
    uint32_t client_port, attempts, retries, tries, idempotent, replayable;
    double deadline_ms;
    const void *head;
    void *arena;
    uint32_t allow_replay;
    int32_t vars;
};
struct facts_failure { uint32_t kind, phase; struct slice message; };
struct binding_call {
    struct facts_request *request;
    double number;
    const uint32_t *backends;
    uint32_t count, list, backend;
    const struct facts_failure *failure;
};
const struct slice *policy_header(const struct facts_request *, const char *name, size_t length);
double policy_remaining(const struct facts_request *);
uint32_t policy_backend_state(const void *segment, uint32_t slot);
uint32_t policy_backend_in_flight(const void *segment, uint32_t slot);
double policy_backend_requests(const void *segment, uint32_t slot);
double policy_backend_failures(const void *segment, uint32_t slot);
uint32_t policy_backend_failures_in_row(const void *segment, uint32_t slot);
void policy_answer_why(struct binding_call *, const char *text, size_t length);
void policy_answer_wrong(struct binding_call *, const char *text, size_t length);
bool policy_answer_respond(struct binding_call *, uint32_t status, uint32_t fields, const char *body, size_t length);
bool policy_answer_field(struct binding_call *, const char *name, size_t name_length,
                         const char *value, size_t value_length);
]]

local call = ffi.cast("struct binding_call *", call_address)
local segment = ffi.cast("const void *", segment_address) -- compiled code takes no light userdata

local LIST_SAME, LIST_ONCE = 0, 2                     -- enum binding_list
local REFUSED, RESPONDED, WRONG = -1, -2, -3          -- enum binding_answer
local VERDICTS = { retry = 0, next = 1, fail = 2 }    -- enum facts_verdict
local DEFAULT_VERDICT = 3                             -- the default rule decides
local KINDS = { [0] = "connect", "timeout", "reset", "protocol", "resolve" }
local PHASES = { [0] = "connect", "request", "head", "body" }
local STATES = { [0] = "up", "down", "ejected" }

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

local function check_fresh(object, what)
  if rawget(object, 1) ~= call.number then
    error("this " .. what .. " was kept from another call; it is good only until the hook returns", 3)
  end
end

local headers_meta = {
  __index = function(headers, name)
    check_fresh(headers, "ctx.headers")
    if type(name) ~= "string" then complain("a header's name is a text, not a %s", type(name)) end
    local value = C.policy_header(call.request, name, #name)
    if value == nil then return nil end
    return text_of(value.start, value.length)
  end,
  __newindex = read_only("ctx.headers"),
  __tostring = function() return "ctx.headers" end,
  __metatable = false,
}

local ctx_fields = {
  headers = function() return setmetatable({ call.number }, headers_meta) end,
  vars = vars_of,
  idempotent = function(request) return request.idempotent ~= 0 end,
  replayable = function(request) return request.replayable ~= 0 end,
}

for _, name in ipairs { "id", "method", "path", "query", "host", "scheme", "client_ip" } do
  ctx_fields[name] = function(request)
    local text = request[name]
    return text_of(text.start, text.length)
  end
end

for _, name in ipairs { "client_port", "attempts", "retries", "tries" } do
  ctx_fields[name] = function(request) return request[name] end
end

local ctx_methods = answers.methods -- and two of its own

function ctx_methods.remaining(ctx)
  check_fresh(ctx, "ctx")
  local seconds = C.policy_remaining(call.request)
  return seconds >= 0 and seconds or nil
end

function ctx_methods.allow_replay(ctx)
  check_fresh(ctx, "ctx")
  call.request.allow_replay = 1
end

local ctx_meta = {
  __index = function(ctx, key)
    check_fresh(ctx, "ctx")
    local field = ctx_fields[key]
    if field then return field(call.request) end
    return ctx_methods[key] or unknown("ctx", key, ctx_fields, ctx_methods)
  end,
  __newindex = function(_, key)
    complain("ctx is read-only; ctx.vars.%s would be the script's own", tostring(key))
  end,
  __tostring = function() return "ctx" end,
  __metatable = false,
}

-- Backends -----------------------------------------------------------------------------------------

local slot_of = {} -- by the backend's number: where it is on the board
local live = { -- by the backend's number, from 1
  state = function(number) return STATES[C.policy_backend_state(segment, slot_of[number])] end,
  in_flight = function(number) return C.policy_backend_in_flight(segment, slot_of[number]) end,
  requests = function(number) return C.policy_backend_requests(segment, slot_of[number]) end,
  failures = function(number) return C.policy_backend_failures(segment, slot_of[number]) end,
  consecutive_failures = function(number) return C.policy_backend_failures_in_row(segment, slot_of[number]) end,
}
local number_of = {} -- by the backend's object
local fixed = { name = {}, address = {}, host = {}, port = {}, weight = {}, tags = {} } -- field, then number

local backend_meta = {
  __index = function(backend, key)
    local number = number_of[backend]
    local values = fixed[key]
    if values then return values[number] end
    local read = live[key]
    if read then return read(number) end
    unknown("a backend", key, fixed, live)
  end,
  __newindex = read_only("a backend"),
  __tostring = function(backend) return fixed.name[number_of[backend]] end,
  __metatable = false,
}

local tags_meta_newindex = read_only("a backend's tags")
local members = {} -- every backend's object, by number

for number, facts in ipairs(facts_of_backends) do
  for field, values in pairs(fixed) do values[number] = facts[field] end
  fixed.tags[number] = setmetatable({}, {
    __index = facts.tags, __newindex = tags_meta_newindex, __metatable = false,
  })
  slot_of[number] = facts.slot
  members[number] = setmetatable({}, backend_meta)
  number_of[members[number]] = number
end

local list_methods = {}
local tie_turn = prelude.tie_turn
local spare_scores = {} -- one table for all calls of :min, unless one is called inside another

function list_methods.min(backends, score)
  if type(score) ~= "function" then complain("backends:min(f) needs a function, got %s", type(score)) end
  local count, least, ties = #backends, huge, 0
  local scores = spare_scores or {}
  spare_scores = nil
  for i = 1, count do
    local value = score(backends[i])
    scores[i] = value
    if value < least then
      least, ties = value, 1
    elseif value == least then
      ties = ties + 1
    end
  end
  spare_scores = scores
  if ties == 0 then return backends[C.counters_next(tie_turn, count)] end -- empty, or no score was a number
  local wanted = ties == 1 and 1 or C.counters_next(tie_turn, ties)
  for i = 1, count do
    if scores[i] == least then
      wanted = wanted - 1
      if wanted == 0 then return backends[i] end
    end
  end
end

function list_methods.by_name(backends, name)
  local names = fixed.name
  for i = 1, #backends do
    if names[number_of[backends[i]]] == name then return backends[i] end
  end
  return nil
end

local list_extras = { all = true }
local all_of_call -- the list of all backends, as it should be

local list_meta = {
  __index = function(_, key)
    if type(key) == "number" then return nil end -- beyond the last one
    if key == "all" then return all_of_call() end
    return list_methods[key] or unknown("backends", key, list_methods, list_extras)
  end,
  __newindex = read_only("backends"),
  __tostring = function() return "backends" end,
  __metatable = false,
}

local function new_list(from)
  local list = {}
  for i = 1, #from do list[i] = from[i] end
  return setmetatable(list, list_meta)
end

-- Is it still as it was made? A script may have changed its elements in place.
local function is_whole(list, original)
  if #list ~= #original then return false end
  for i = 1, #original do
    if list[i] ~= original[i] then return false end
  end
  return true
end

local all, all_number = new_list(members), 0

function all_of_call()
  if all_number ~= call.number then -- once in each call
    all_number = call.number
    if not is_whole(all, members) then all = new_list(members) end
  end
  return all
end

local kept_list, kept_original = new_list {}, {}
local check_at = 1 -- where the next check of a longer list begins

-- is_whole in few steps and without a loop, which would cost a call more than all the rest: each call
-- sees a whole short list; a change in a longer one is found after so many calls as it has fours.
local function seems_whole(list, original, count)
  if count == 2 then return list[1] == original[1] and list[2] == original[2] end
  local i = check_at
  check_at = i + 4 <= count and i + 4 or 1
  return rawget(list, i) == original[i] and rawget(list, i + 1) == original[i + 1]
    and rawget(list, i + 2) == original[i + 2] and rawget(list, i + 3) == original[i + 3]
end

local function changed_list()
  local original = {}
  for i = 1, call.count do original[i] = members[call.backends[i - 1] + 1] end
  local list = new_list(original)
  if call.list ~= LIST_ONCE then kept_list, kept_original, check_at = list, original, 1 end
  return list
end

-- Answers of choose --------------------------------------------------------------------------------

local function wrong(text, ...)
  text = format(text, ...)
  C.policy_answer_wrong(call, text, #text)
  return WRONG
end

local function why(text) C.policy_answer_why(call, text, #text) end

local function respond(given)
  local fields, body = given.fields, given.body
  if not C.policy_answer_respond(call, given.status, #fields / 2, body, #body) then
    return wrong("choose returned an answer that lb does not give")
  end
  for i = 1, #fields, 2 do
    local name, value = fields[i], fields[i + 1]
    if not C.policy_answer_field(call, name, #name, value, #value) then
      return wrong("choose returned an answer with a header that lb does not send: '%s'", name)
    end
  end
  if given.why then why(given.why) end
  return RESPONDED
end

local function with_options(number, options)
  if type(options) ~= "table" then
    return wrong("choose returned a backend and a %s, expected { why = \"...\" }", type(options))
  end
  for name, value in pairs(options) do
    if name ~= "why" then return wrong("choose returned a backend and an unknown option '%s'", tostring(name)) end
    if type(value) ~= "string" then return wrong("choose returned a 'why' that is a %s, not a text", type(value)) end
    why(value)
  end
  return number
end

local function decode(given, detail)
  if type(given) == "table" then
    local number = number_of[given]
    if number then return with_options(number, detail) end
    local answer = answers.contents_of(given)
    if answer then return respond(answer) end
    return wrong("choose returned a table that is none of the backends")
  elseif given ~= nil then
    return wrong("choose returned a %s, expected a backend", type(given))
  elseif type(detail) == "string" then
    why(detail)
    return REFUSED
  elseif detail ~= nil then
    return wrong("choose returned nil and a %s, expected a reason", type(detail))
  elseif call.count == 0 then
    why("no backend is available")
    return REFUSED
  end
  return wrong("choose returned nothing, and there are backends")
end

-- The hooks ----------------------------------------------------------------------------------------

local err_fields = { kind = true, phase = true, message = true }
local err_meta = {
  __index = function(_, key) unknown("err", key, err_fields) end,
  __newindex = read_only("err"),
  __metatable = false,
}

local function bind_choose(choose)
  return function()
    local backends, call_number = kept_list, call.number
    if call.list ~= LIST_SAME or not seems_whole(backends, kept_original, call.count) then backends = changed_list() end
    local given, detail = choose(setmetatable({ call_number }, ctx_meta), backends)
    if detail == nil then
      local number = number_of[given]
      if number then return number end
    end
    if call.number ~= call_number then error("this call of choose is over") end -- and another one runs
    return decode(given, detail)
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
    local verdict = on_failure(setmetatable({ call.number }, ctx_meta), members[call.backend + 1], err)
    if verdict == nil then return DEFAULT_VERDICT end
    return VERDICTS[verdict] or wrong("on_failure returned %s, expected \"retry\", \"next\" or \"fail\"",
      type(verdict) == "string" and format("%q", verdict) or "a " .. type(verdict))
  end
end

local function bind_init(init)
  return function()
    init()
    return 0
  end
end

return {
  kept = kept,
  forget_nesting = prelude.forget_nesting,
  -- The functions for one script; a hook that it does not have is absent.
  bind = function(script)
    if type(script) ~= "table" then error("expected the script to return a table, got " .. type(script), 0) end
    local bound = {}
    for name, bind in pairs { choose = bind_choose, on_failure = bind_on_failure, init = bind_init } do
      local hook = rawget(script, name)
      if hook ~= nil then bound[name] = bind(hook) end
    end
    return bound
  end,
}
