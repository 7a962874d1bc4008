-- hooks - what a script's hooks are shown, and what becomes of their answers.
--
-- C fills `call` (policy/bindings.h) and calls one of the functions that `bind` returns, in a
-- coroutine. Each makes a ctx of its own: the compiler removes that table where the script does not
-- keep it, and a ctx that was kept is told from a fresh one by its number. Facts are read through
-- the FFI when a field is asked for. Scripts see tables only, never a pointer.
local prelude, segment_address, call_address, facts_of_backends = ...

local ffi = prelude.ffi
local C = ffi.C
local complain, read_only, unknown = prelude.complain, prelude.read_only, prelude.unknown
local error, pairs, rawget, setmetatable, tostring, type = error, pairs, rawget, setmetatable, tostring, type
local find, floor, format, huge, lower = string.find, math.floor, string.format, math.huge, string.lower
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
uint32_t policy_backend_state(const void *segment, uint32_t backend);
uint32_t policy_backend_in_flight(const void *segment, uint32_t backend);
double policy_backend_requests(const void *segment, uint32_t backend);
double policy_backend_failures(const void *segment, uint32_t backend);
uint32_t policy_backend_failures_in_row(const void *segment, uint32_t backend);
void policy_answer_why(struct binding_call *, const char *text, size_t length);
void policy_answer_wrong(struct binding_call *, const char *text, size_t length);
void policy_answer_respond(struct binding_call *, uint32_t status, uint32_t fields, const char *body, size_t length);
void policy_answer_field(struct binding_call *, const char *name, size_t name_length,
                         const char *value, size_t value_length);
]]

local call = ffi.cast("struct binding_call *", call_address)
local segment = ffi.cast("const void *", segment_address) -- compiled code takes no light userdata

local LIST_SAME, LIST_KEEP = 0, 1                     -- enum binding_list
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

local ctx_methods = {}

function ctx_methods.remaining(ctx)
  check_fresh(ctx, "ctx")
  local seconds = C.policy_remaining(call.request)
  return seconds >= 0 and seconds or nil
end

function ctx_methods.allow_replay(ctx)
  check_fresh(ctx, "ctx")
  call.request.allow_replay = 1
end

-- Answers of the script's own ----------------------------------------------------------------------

local ANSWER = {} -- an answer's [1]
local answer_meta = {
  __index = function() complain("an answer can only be returned") end,
  __newindex = read_only("an answer"),
  __metatable = false,
}

-- Those that say where a message ends or what happens to the connection, which lb decides.
local FRAMING = {
  ["connection"] = true, ["content-length"] = true, ["keep-alive"] = true, ["trailer"] = true,
  ["transfer-encoding"] = true, ["upgrade"] = true,
}

local REASONS = {
  [400] = "Bad Request", [401] = "Unauthorized", [403] = "Forbidden", [404] = "Not Found",
  [405] = "Method Not Allowed", [408] = "Request Timeout", [409] = "Conflict", [410] = "Gone",
  [413] = "Content Too Large", [415] = "Unsupported Media Type", [418] = "I'm a teapot",
  [421] = "Misdirected Request", [425] = "Too Early", [426] = "Upgrade Required",
  [428] = "Precondition Required", [429] = "Too Many Requests", [431] = "Request Header Fields Too Large",
  [451] = "Unavailable For Legal Reasons", [500] = "Internal Server Error", [501] = "Not Implemented",
  [502] = "Bad Gateway", [503] = "Service Unavailable", [504] = "Gateway Timeout",
}

-- The checks raise errors at the line that called the ctx's method: level 4 from here.
local function refuse(text, ...) error(format(text, ...), 4) end

local function check_names(what, given, known)
  if type(given) ~= "table" then refuse("%s needs a table, got %s", what, type(given)) end
  for name in pairs(given) do
    if not known[name] then
      refuse("%s: unknown field '%s'%s", what, tostring(name),
        type(name) == "string" and prelude.did_you_mean(name, prelude.names_of(known)) or "")
    end
  end
end

local function check_status(what, status, least, most)
  if type(status) ~= "number" or floor(status) ~= status or status < least or status > most then
    refuse("%s: a status is a whole number from %d to %d, got %s", what, least, most, tostring(status))
  end
end

local function check_text(what, name, text)
  if type(text) == "number" then return tostring(text) end
  if type(text) ~= "string" then refuse("%s: %s is a text, not a %s", what, name, type(text)) end
  return text
end

local function add_field(what, fields, name, value)
  if type(name) ~= "string" or not find(name, "^[%w!#$%%&'*+.^_`|~-]+$") then
    refuse("%s: '%s' is no header's name", what, tostring(name))
  end
  if FRAMING[lower(name)] then refuse("%s: the header '%s' is set by lb itself", what, name) end
  if type(value) == "number" then value = tostring(value) end
  if type(value) ~= "string" then refuse("%s: the header '%s' is a %s, not a text", what, name, type(value)) end
  if find(value, "[%z\r\n]") then refuse("%s: the header '%s' has a line end or a NUL in it", what, name) end
  fields[#fields + 1] = name
  fields[#fields + 1] = value
end

local function answer(status, fields, body, why)
  return setmetatable({ ANSWER, status, fields, body, why }, answer_meta)
end

local RESPOND_FIELDS = { status = true, headers = true, body = true }

function ctx_methods.respond(_, given)
  local what = "ctx:respond"
  check_names(what, given, RESPOND_FIELDS)
  local status = given.status == nil and 200 or given.status
  check_status(what, status, 200, 599)
  local body = check_text(what, "body", given.body == nil and "" or given.body)
  if body ~= "" and (status == 204 or status == 205 or status == 304) then
    complain("%s: an answer with status %d has no body", what, status)
  end
  local headers, fields = given.headers == nil and {} or given.headers, {}
  if type(headers) ~= "table" then complain("%s: headers is a table, not a %s", what, type(headers)) end
  for name, value in pairs(headers) do
    if type(value) ~= "table" then value = { value } end -- a list is a header that comes more than once
    for i = 1, #value do add_field(what, fields, name, value[i]) end
  end
  return answer(status, fields, body)
end

local REJECT_FIELDS = { retry_after = true, why = true }

function ctx_methods.reject(_, status, given)
  local what = "ctx:reject"
  check_status(what, status, 400, 599)
  given = given or {}
  check_names(what, given, REJECT_FIELDS)
  local fields = { "Content-Type", "text/plain" }
  if given.retry_after ~= nil then
    local seconds = given.retry_after
    if type(seconds) ~= "number" or not (seconds >= 0 and seconds < 2 ^ 31) then
      complain("%s: retry_after is a number of seconds, got %s", what, tostring(seconds))
    end
    add_field(what, fields, "Retry-After", format("%d", math.ceil(seconds)))
  end
  local why = given.why ~= nil and check_text(what, "why", given.why) or nil
  return answer(status, fields, format("%d %s\n", status, REASONS[status] or "Error"), why)
end

local REDIRECTS = { [301] = true, [302] = true, [303] = true, [307] = true, [308] = true }

function ctx_methods.redirect(_, url, status)
  local what = "ctx:redirect"
  if status == nil then status = 302 end
  if not REDIRECTS[status] then
    complain("%s: a status is 301, 302, 303, 307 or 308, got %s", what, tostring(status))
  end
  local fields = {}
  if type(url) ~= "string" or not find(url, "^[\33-\126]+$") then
    complain("%s: expected a URL, got %s", what, format("%q", tostring(url)))
  end
  add_field(what, fields, "Location", url)
  return answer(status, fields, "")
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

local live = { -- by the backend's number, from 1
  state = function(number) return STATES[C.policy_backend_state(segment, number - 1)] end,
  in_flight = function(number) return C.policy_backend_in_flight(segment, number - 1) end,
  requests = function(number) return C.policy_backend_requests(segment, number - 1) end,
  failures = function(number) return C.policy_backend_failures(segment, number - 1) end,
  consecutive_failures = function(number) return C.policy_backend_failures_in_row(segment, number - 1) end,
}
local fixed = { name = {}, address = {}, host = {}, port = {}, weight = {}, tags = {} } -- field, then number

local backend_meta = {
  __index = function(backend, key)
    local number = rawget(backend, 1)
    local values = fixed[key]
    if values then return values[number] end
    local read = live[key]
    if read then return read(number) end
    unknown("a backend", key, fixed, live)
  end,
  __newindex = read_only("a backend"),
  __tostring = function(backend) return fixed.name[rawget(backend, 1)] end,
  __metatable = false,
}

local tags_meta_newindex = read_only("a backend's tags")
local members = {} -- every backend's object, by number

for number, facts in ipairs(facts_of_backends) do
  for field, values in pairs(fixed) do values[number] = facts[field] end
  fixed.tags[number] = setmetatable({}, {
    __index = facts.tags, __newindex = tags_meta_newindex, __metatable = false,
  })
  members[number] = setmetatable({ number }, backend_meta)
end

local list_methods = {}
local tie_turn = prelude.find_counter("lb:ties")
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
    if names[rawget(backends[i], 1)] == name then return backends[i] end
  end
  return nil
end

local list_extras = { all = true }
local all = {}

local list_meta = {
  __index = function(_, key)
    if type(key) == "number" then return nil end -- beyond the last one
    if key == "all" then return all end
    return list_methods[key] or unknown("backends", key, list_methods, list_extras)
  end,
  __newindex = read_only("backends"),
  __tostring = function() return "backends" end,
  __metatable = false,
}

local function new_list(count, member_of)
  local list = {}
  for i = 1, count do list[i] = members[member_of(i)] end
  return setmetatable(list, list_meta)
end

all = new_list(#members, function(i) return i end)

local kept_list = new_list(0)

local function changed_list()
  local list = new_list(call.count, function(i) return call.backends[i - 1] + 1 end)
  -- Same, but not as long: the script changed it in place. It has a fresh one from now on.
  if call.list == LIST_KEEP or call.list == LIST_SAME then kept_list = list end
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
  local fields, body, reason = given[3], given[4], rawget(given, 5)
  C.policy_answer_respond(call, given[2], #fields / 2, body, #body)
  for i = 1, #fields, 2 do
    local name, value = fields[i], fields[i + 1]
    C.policy_answer_field(call, name, #name, value, #value)
  end
  if reason then why(reason) end
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
    local first = rawget(given, 1)
    if members[first] == given then return with_options(first, detail) end
    if first == ANSWER then return respond(given) end
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
    local backends = kept_list
    if call.list ~= LIST_SAME or #backends ~= call.count then backends = changed_list() end
    local given, detail = choose(setmetatable({ call.number }, ctx_meta), backends)
    if detail == nil and type(given) == "table" then
      local number = rawget(given, 1)
      if members[number] == given then return number end
    end
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
