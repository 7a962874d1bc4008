-- context - what a ctx has besides the plain facts: its client, cookies, random numbers, and what
-- the log gets of it.
local prelude = ...

local C = prelude.ffi.C
local complain, read_only, unknown = prelude.complain, prelude.read_only, prelude.unknown
local floor, text_of = math.floor, prelude.ffi.string
local error, setmetatable, tonumber, tostring, type = error, setmetatable, tonumber, prelude.tostring, type

prelude.ffi.cdef [[
const struct slice *context_client(const struct facts_request *);
const char *context_version(const struct facts_request *);
const struct slice *context_host(struct facts_request *);
const struct slice *context_clean_path(struct facts_request *);
const char *context_clean_path_fault(struct facts_request *);
struct tls_client_said {
    struct slice error, subject, issuer, serial, sha256, pem, dns, uri, email, field, chain_field;
    int64_t not_after;
};
struct tls_said { struct slice version, cipher, name, alpn, traits; bool resumed;
                  const struct tls_client_said *client; };
const struct tls_said *context_tls(const struct facts_request *);
bool context_fingerprint(const struct facts_request *, char out[36]);
struct grpc_call { struct slice service, method; uint64_t timeout_ms; };
const struct grpc_call *context_grpc(const struct facts_request *);
const struct slice *context_trace_id(const struct facts_request *);
struct context_cookie { struct slice name, value; uint32_t field, from_bytes; };
bool context_next_cookie(const struct facts_request *, const char *name, size_t length, struct context_cookie *);
void context_no_log(struct facts_request *);
void context_explain(struct facts_request *, const char *key, size_t key_length,
                     const char *value, size_t value_length, bool is_literal);
double random_unit(void);
]]

-- Without this all workers would draw the same numbers, and again after each reload.
math.randomseed(C.random_unit() * 2 ^ 53)

-- Of a table whose fields may be nil.
local function locked_meta(what, fields)
  return {
    __index = function(_, key) if not fields[key] then unknown(what, key, fields) end end,
    __newindex = read_only(what),
    __tostring = function() return what end,
    __metatable = false,
  }
end

local TLS_FIELDS = {
  version = true, cipher = true, name = true, alpn = true, resumed = true, client = true, fingerprint = true,
}
local tls_client_meta = locked_meta("ctx.tls.client", {
  verified = true, error = true, subject = true, issuer = true, names = true, serial = true, sha256 = true,
  not_after = true, pem = true,
})

local grpc_meta = locked_meta("ctx.grpc", { service = true, method = true, timeout = true })

local function text_or_nil(text)
  if text.length == 0 then return nil end
  return text_of(text.start, text.length)
end

local function texts_of(text)
  local list, from, bytes = {}, 0, text.start
  for at = 0, tonumber(text.length) - 1 do
    if bytes[at] == 0 then
      list[#list + 1] = text_of(bytes + from, at - from)
      from = at + 1
    end
  end
  return list
end

local function tls_client(said)
  if said == nil then return nil end
  return setmetatable({
    verified = said.error.length == 0, error = text_or_nil(said.error), subject = text_or_nil(said.subject) or "",
    issuer = text_or_nil(said.issuer) or "", serial = text_or_nil(said.serial) or "",
    sha256 = text_or_nil(said.sha256), pem = text_or_nil(said.pem), not_after = tonumber(said.not_after),
    names = { dns = texts_of(said.dns), uri = texts_of(said.uri), email = texts_of(said.email) },
  }, tls_client_meta)
end

-- Adds them to the fields and methods of ctx (core/policy/hooks.lua).
return function(fields, methods, call, check_fresh)
  function fields.client(request)
    local text = C.context_client(request)
    return text_of(text.start, text.length)
  end

  function fields.version(request) return text_of(C.context_version(request)) end

  function fields.host(request)
    local text = C.context_host(request)
    return text_of(text.start, text.length)
  end

  function fields.clean_path(request)
    local text = C.context_clean_path(request)
    if text == nil then return nil end
    return text_of(text.start, text.length)
  end

  function fields.clean_path_error(request)
    local text = C.context_clean_path_fault(request)
    if text == nil then return nil end
    return text_of(text)
  end

  local tls_meta = locked_meta("ctx.tls", TLS_FIELDS)
  local calls = setmetatable({}, { __mode = "k" }) -- by ctx.tls: the number of its call
  local fingerprint = prelude.ffi.new "char[36]"

  -- Made when it is asked for: it takes longer than all the rest.
  function tls_meta.__index(tls, key)
    if key ~= "fingerprint" then return not TLS_FIELDS[key] and unknown("ctx.tls", key, TLS_FIELDS) or nil end
    check_fresh({ calls[tls] }, "ctx.tls")
    return C.context_fingerprint(call.request, fingerprint) and text_of(fingerprint, 36) or nil
  end

  function fields.tls(request)
    local tls = C.context_tls(request)
    if tls == nil then return nil end
    local said = setmetatable({
      version = text_of(tls.version.start, tls.version.length), cipher = text_of(tls.cipher.start, tls.cipher.length),
      name = text_or_nil(tls.name), alpn = text_or_nil(tls.alpn), resumed = tls.resumed,
      client = tls_client(tls.client),
    }, tls_meta)
    calls[said] = call.number
    return said
  end

  function fields.trace_id(request)
    local id = C.context_trace_id(request)
    if id == nil then return nil end
    return text_of(id.start, id.length)
  end

  function fields.grpc(request)
    local grpc = C.context_grpc(request)
    if grpc == nil then return nil end
    return setmetatable({
      service = text_or_nil(grpc.service), method = text_or_nil(grpc.method),
      timeout = grpc.timeout_ms > 0 and tonumber(grpc.timeout_ms) / 1000 or nil,
    }, grpc_meta)
  end

  local cookie = prelude.ffi.new "struct context_cookie" -- good until another is looked for

  local function next_cookie(name, field, from_bytes)
    cookie.field, cookie.from_bytes = field, from_bytes
    return C.context_next_cookie(call.request, name, name and #name or 0, cookie)
  end

  local cookie_methods = {}

  local function check_cookies(cookies, method)
    if type(cookies) ~= "table" then error("call it on cookies, with a colon: ctx.cookies:" .. method, 3) end
    check_fresh(cookies, "ctx.cookies")
  end

  function cookie_methods.all(cookies, name)
    check_cookies(cookies, "all(name)")
    if type(name) ~= "string" then complain("a cookie's name is a text, not a %s", type(name)) end
    local list = {}
    local found = next_cookie(name, 0, 0)
    while found do
      list[#list + 1] = text_of(cookie.value.start, cookie.value.length)
      found = next_cookie(name, cookie.field, cookie.from_bytes)
    end
    return list
  end

  function cookie_methods.each(cookies)
    check_cookies(cookies, "each()")
    local field, from_bytes = 0, 0
    return function()
      check_fresh(cookies, "ctx.cookies")
      if not next_cookie(nil, field, from_bytes) then return nil end
      field, from_bytes = cookie.field, cookie.from_bytes
      return text_of(cookie.name.start, cookie.name.length), text_of(cookie.value.start, cookie.value.length)
    end
  end

  local cookies_meta = {
    [prelude.WALK] = "pairs(ctx.cookies) finds nothing: write for name, value in ctx.cookies:each() do",
    __index = function(cookies, name)
      check_fresh(cookies, "ctx.cookies")
      local method = cookie_methods[name]
      if method then return method end
      if type(name) ~= "string" then complain("a cookie's name is a text, not a %s", type(name)) end
      if not next_cookie(name, 0, 0) then return nil end
      return text_of(cookie.value.start, cookie.value.length)
    end,
    __newindex = read_only("ctx.cookies"),
    __tostring = function() return "ctx.cookies" end,
    __metatable = false,
  }

  function fields.cookies() return setmetatable({ call.number }, cookies_meta) end

  function methods.random(ctx, n)
    if type(ctx) ~= "table" then complain "call it on ctx, with a colon: ctx:random(n)" end
    if n == nil then return C.random_unit() end
    if type(n) ~= "number" or n ~= floor(n) or n < 1 or n > 2 ^ 53 then
      complain("ctx:random(n) needs a whole number from 1, got %s", tostring(n))
    end
    return floor(C.random_unit() * n) + 1
  end

  function methods.no_log(ctx)
    if type(ctx) ~= "table" then complain "call it on ctx, with a colon: ctx:no_log()" end
    check_fresh(ctx, "ctx")
    C.context_no_log(call.request)
  end

  function methods.explain(ctx, key, value)
    if type(ctx) ~= "table" then complain "call it on ctx, with a colon: ctx:explain(key, value)" end
    check_fresh(ctx, "ctx")
    if type(key) ~= "string" or key == "" then complain("ctx:explain(key, value) needs a text as key") end
    local kind = type(value)
    -- JSON has no inf and no nan.
    local is_literal = kind == "boolean" or kind == "number" and value - value == 0
    if kind == "number" or kind == "boolean" then value = tostring(value) end
    if type(value) ~= "string" then
      complain("ctx:explain(key, value): the value is a text, a number or a boolean, not a %s", kind)
    end
    C.context_explain(call.request, key, #key, value, #value, is_literal)
  end
end
