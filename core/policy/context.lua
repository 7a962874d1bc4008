-- context - what a ctx has beside the plain facts: whose it is, cookies, chance, and what it tells the log.
local prelude = ...

local C = prelude.ffi.C
local complain, read_only = prelude.complain, prelude.read_only
local floor, text_of = math.floor, prelude.ffi.string
local setmetatable, tostring, type = setmetatable, prelude.tostring, type

prelude.ffi.cdef [[
const struct slice *context_client(const struct facts_request *);
const struct slice *context_cookie(const struct facts_request *, const char *name, size_t length);
void context_no_log(struct facts_request *);
void context_explain(struct facts_request *, const char *key, size_t key_length,
                     const char *value, size_t value_length, bool is_literal);
double random_unit(void);
]]

math.randomseed(C.random_unit() * 2 ^ 53) -- or all workers would draw the same, and again after each reload

-- Adds them to the fields and methods of ctx (core/policy/hooks.lua).
return function(fields, methods, call, check_fresh)
  function fields.client(request)
    local text = C.context_client(request)
    return text_of(text.start, text.length)
  end

  local cookies_meta = {
    __index = function(cookies, name)
      check_fresh(cookies, "ctx.cookies")
      if type(name) ~= "string" then complain("a cookie's name is a text, not a %s", type(name)) end
      local value = C.context_cookie(call.request, name, #name)
      if value == nil then return nil end
      return text_of(value.start, value.length)
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
    check_fresh(ctx, "ctx")
    C.context_no_log(call.request)
  end

  function methods.explain(ctx, key, value)
    check_fresh(ctx, "ctx")
    if type(key) ~= "string" or key == "" then complain("ctx:explain(key, value) needs a text as key") end
    local kind = type(value)
    local is_literal = kind == "boolean" or kind == "number" and value - value == 0 -- JSON has no inf and no nan
    if kind == "number" or kind == "boolean" then value = tostring(value) end
    if type(value) ~= "string" then
      complain("ctx:explain(key, value): the value is a text, a number or a boolean, not a %s", kind)
    end
    C.context_explain(call.request, key, #key, value, #value, is_literal)
  end
end
