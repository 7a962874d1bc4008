-- prelude - builds what scripts may use, and keeps the rest to itself.
--
-- Returns the environment of scripts, and a table for C and for core/policy/hooks.lua. Everything
-- used later is a local here, so nothing that a script does to its own tables reaches this code;
-- for the same reason no string method is called with a colon.
local ffi, segment, STOPPED, strings, number_text, parts = ...

local C = ffi.C
local getinfo, raw_metatable = debug.getinfo, debug.getmetatable
local assert, error, getmetatable, pcall, select = assert, error, getmetatable, pcall, select
local next, pairs, rawget, rawset, setmetatable = next, pairs, rawget, rawset, setmetatable
local tonumber, library_tostring, type = tonumber, tostring, type
local floor, format, sort, concat = math.floor, string.format, table.sort, table.concat

ffi.cdef [[
struct slice { const char *start; size_t length; };
const char *nearest_name(struct slice wrong, const char *const *candidates, size_t count);
double sandbox_now(void);
int32_t sandbox_nested;
bool metrics_read(const void *segment, struct slice name, double *value);
const char *metrics_near(struct slice name);
]]

-- The one way from a number to its text: with all digits (core/lua/strings.lua). It is a
-- function of Lua for another reason, too: the library's, as __tostring of itself, calls itself
-- for ever, and no hook stops it.
local function tostring(value)
  if type(value) == "number" then return number_text(value) end
  return library_tostring(value)
end

-- Raises an error at the line of the script, two calls up.
local function complain(text, ...) error(format(text, ...), 3) end

-- The end of a message: ", did you mean 'path'?", or nothing if no name is near.
local function did_you_mean(wrong, names)
  local candidates = ffi.new("const char *[?]", #names, names)
  local name = C.nearest_name(ffi.new("struct slice", wrong, #wrong), candidates, #names)
  return name ~= nil and format(", did you mean '%s'?", ffi.string(name)) or ""
end

local function names_of(...)
  local names = {}
  for i = 1, select("#", ...) do
    for name in pairs((select(i, ...))) do names[#names + 1] = name end
  end
  sort(names)
  return names
end

-- What it is called elsewhere, where no letters tell.
local ELSEWHERE = {
  ip = "client_ip", remote_addr = "client_ip", src = "client_ip", remote_port = "client_port", uri = "path",
  local_addr = "listener", local_address = "listener", local_port = "listener",
  url = "path",
  args = "query", code = "status", server = "backend", addr = "address", reply = "respond", warning = "warn",
  timer = "every", at = "after", time = "ms", value = "message",
}
local FEW = 6

-- The end of a message about a wrong name: what was probably meant, or all names if they are few.
local function which_there_are(wrong, names)
  for i = 1, #names do
    if names[i] == ELSEWHERE[wrong] then return format(", did you mean '%s'?", names[i]) end
  end
  local near = did_you_mean(wrong, names)
  if near ~= "" or #names > FEW or #names == 0 then return near end
  return ": there is " .. concat(names, ", ")
end

-- Raises an error about a field that `what` does not have.
local function unknown(what, key, ...)
  if type(key) ~= "string" then error(format("%s has no field %s", what, tostring(key)), 3) end
  error(format("unknown field '%s' of %s%s", key, what, which_there_are(key, names_of(...))), 3)
end

local function read_only(what)
  return function(_, key) complain("%s is read-only, so '%s' cannot be set", what, tostring(key)) end
end

-- A table with these fields, to read only. late: functions that give the fields that change.
local function locked(what, fields, late)
  return setmetatable({}, {
    __index = function(_, key)
      local value = fields[key]
      if value == nil then
        local give = late and late[key] or unknown(what, key, fields)
        return (give())
      end
      return value
    end,
    __newindex = read_only(what),
    __metatable = false,
  })
end

-- The metatable of objects that are empty tables, whose facts are known to the file that makes them
-- only. A method is found without a call, as only a name that there is not makes one.
local function object_meta(what, methods, text)
  return {
    __index = setmetatable(methods, { __index = function(_, key) unknown(what, key, methods) end }),
    __newindex = read_only(what),
    __tostring = text and function() return text end,
    __metatable = false,
  }
end

local inside -- what the other files of core/lua get, and core/policy/hooks.lua

local function copy(from, ...)
  local to = {}
  for i = 1, select("#", ...) do
    local name = select(i, ...)
    to[name] = assert(from[name], name)
  end
  return to
end

local env = copy(_G, "assert", "error", "getmetatable", "ipairs", "next", "rawequal", "rawget", "select",
  "setmetatable", "tonumber", "type", "unpack", "_VERSION")
env._G = env
env.bit = copy(bit, "arshift", "band", "bnot", "bor", "bswap", "bxor", "lshift", "rol", "ror", "rshift", "tobit",
  "tohex")
env.os = copy(os, "clock", "getenv")
env.math = {}
for name, value in pairs(math) do env.math[name] = value end
env.string = {}
for name, value in pairs(string) do env.string[name] = value end
for name, value in pairs(strings) do env.string[name] = value end -- core/lua/strings.lua
env.string.dump = nil
env.table = {}
for name, value in pairs(table) do env.table[name] = value end

-- ("x"):find is the script's own string.find, and the string metatable is out of its reach.
local string_meta = getmetatable("")
string_meta.__index = env.string
string_meta.__metatable = false

env.tostring = tostring

-- The objects of scripts are empty (core/policy/hooks.lua), so pairs would find nothing in them.
-- Under this key the metatable has what pairs walks through, or an error that says what to write.
local WALK = {}

-- The order of pairs differs between VMs. While a script is loaded it is that of the keys, so that
-- all workers make what such a loop makes in the same order: lb.script needs that.
local SORTED_MAX = 10000

local function comes_first(a, b)
  if type(a) ~= type(b) then return type(a) == "number" end
  return a < b
end

local function in_order(list)
  local keys, others = {}, {}
  for key in next, list do
    local has_order = type(key) == "number" or type(key) == "string"
    local to = has_order and keys or others
    to[#to + 1] = key
  end
  if #keys > SORTED_MAX then return next, list, nil end
  sort(keys, comes_first)
  for i = 1, #others do keys[#keys + 1] = others[i] end
  local at = 0
  return function()
    repeat at = at + 1 until keys[at] == nil or rawget(list, keys[at]) ~= nil
    if keys[at] ~= nil then return keys[at], rawget(list, keys[at]) end
  end, list, nil
end

function env.pairs(list)
  if type(list) ~= "table" then
    error(format("bad argument #1 to 'pairs' (table expected, got %s)", list == nil and "nil" or type(list)), 2)
  end
  if getmetatable(list) == false then
    local walk = rawget(raw_metatable(list), WALK)
    if type(walk) == "string" then error(walk, 2) end
    if walk then
      list = {}
      for name, value in pairs(walk) do list[name] = value end
    end
  end
  if not inside.is_loaded then return in_order(list) end
  return next, list, nil
end

-- As tostring does; the library's has 14 digits.
do
  local function with_texts(list, from, to)
    local copied = {}
    for i = from, to do
      local value = rawget(list, i)
      local kind = type(value)
      copied[i] = kind == "number" and number_text(value) or value
      if kind ~= "number" and kind ~= "string" then break end -- an error of the library's
    end
    return copied
  end

  function env.table.concat(list, separator, from, to)
    local first, last = from or 1, to or type(list) == "table" and #list
    if type(first) ~= "number" or type(last) ~= "number" then return concat(list, separator, from, to) end
    for i = first, last do
      local kind = type(rawget(list, i))
      if kind == "number" then return concat(with_texts(list, first, last), separator, first, last) end
      if kind ~= "string" then break end -- an error of the library's
    end
    return concat(list, separator, from, to)
  end
end

-- As __call of itself the library's pcall writes over the end of the stack, so scripts have
-- functions of Lua. The error that stops a call is caught and raised again at each protected call
-- that it is in: 30,000 of them, one in the other, took half a second. So they may nest as deep as
-- in Lua 5.1. sandbox_nested counts them (lua/sandbox.h). Its old value is put back, as the calls
-- between may have ended in any way.
local PROTECTED_MAX = 200

local function enter_protected(what)
  local before = C.sandbox_nested
  if before >= PROTECTED_MAX then error(what .. " is nested too deeply", 3) end
  C.sandbox_nested = before + 1
  return before
end

local function leave_protected(before, ...)
  C.sandbox_nested = before
  return ...
end

function env.pcall(f, ...) return leave_protected(enter_protected "pcall", pcall(f, ...)) end

-- A handler must not run for the error that stops a call: nothing could stop the handler.
do
  local xpcall = xpcall
  function env.xpcall(f, handler, ...)
    return leave_protected(enter_protected "xpcall", xpcall(f, function(err)
      if err == STOPPED then return err end
      return handler(err)
    end, ...))
  end
end

-- What calls back from C into Lua uses up the C stack, which nothing else bounds.
local NESTING_MAX = 100
local nesting = 0

local function enter(what)
  if nesting >= NESTING_MAX then error(what .. " is nested too deeply", 3) end
  nesting = nesting + 1
end

local function leave(...)
  nesting = nesting - 1
  return ...
end

local function leave_or_raise(ok, ...)
  nesting = nesting - 1
  if not ok then error((...), 0) end
  return ...
end

local depth = 0 -- of the script's own coroutines, one in the other

local function back(before, ...)
  depth = depth - 1
  return leave(leave_protected(before, ...))
end

local function back_or_raise(before, ...)
  depth = depth - 1
  return leave_or_raise(leave_protected(before, ...))
end

do
  local create, resume, running = coroutine.create, coroutine.resume, coroutine.running
  env.coroutine = copy(coroutine, "create", "status", "yield")

  function env.coroutine.resume(co, ...)
    enter("coroutine.resume")
    depth = depth + 1
    return back(C.sandbox_nested, resume(co, ...))
  end

  function env.coroutine.wrap(f)
    local co = create(f)
    return function(...)
      enter("coroutine.wrap")
      depth = depth + 1
      return back_or_raise(C.sandbox_nested, resume(co, ...))
    end
  end

  -- A hook runs in a coroutine of lb's, which nobody else may resume.
  function env.coroutine.running()
    if depth > 0 then return running() end
  end
end

-- Lists of backends and the like are shared by all requests; these would change them in place.
local function check_own(list, what)
  if getmetatable(list) == false then error(format("this list is read-only, %s needs a copy", what), 3) end
end

local LIBRARY_QUICK = 1000 -- elements that the library may move, or sort with a function of its own

do
  local insert, remove = table.insert, table.remove

  -- Elements behind the place move up, one by one: from -1e9 on, or in a table whose length is a
  -- guess of Lua's, that takes seconds, and nothing stops it within the library.
  local function insert_far(list, at, value)
    for i = #list, at, -1 do rawset(list, i + 1, rawget(list, i)) end
    rawset(list, at, value)
  end

  function env.table.insert(list, ...)
    check_own(list, "table.insert")
    if select("#", ...) ~= 2 or type(list) ~= "table" then return insert(list, ...) end
    local at, value = ...
    local number = tonumber(at)
    if number and #list - number > LIBRARY_QUICK then return insert_far(list, floor(number), value) end
    return insert(list, at, value)
  end

  function env.table.remove(list, ...)
    check_own(list, "table.remove")
    return remove(list, ...)
  end
end

-- A comparison by a function of Lua can be stopped; the library's own cannot, and may be quadratic.
local function is_less(a, b) return a < b end

local function stoppable(before)
  if before == nil then return is_less end
  if type(before) ~= "function" or getinfo(before, "S").what ~= "C" then return before end
  return function(a, b)
    local is_before = before(a, b)
    return is_before
  end
end

function env.table.sort(list, before)
  check_own(list, "table.sort")
  if type(list) == "table" and #list > LIBRARY_QUICK then before = stoppable(before) end
  enter("table.sort")
  return leave_or_raise(pcall(sort, list, before))
end

local function text_of(...)
  local words = {}
  for i = 1, select("#", ...) do words[i] = tostring((select(i, ...))) end
  return concat(words, "\t")
end

function env.print(...)
  inside.log_info(text_of(...)) -- core/lua/texts.lua
end

local metric_value = ffi.new "double[1]"

local function metric(name)
  if type(name) ~= "string" then complain("lb.metric needs a name, got %s", type(name)) end
  local wanted = ffi.new("struct slice", name, #name)
  if not C.metrics_read(segment, wanted, metric_value) then
    local near = C.metrics_near(wanted)
    complain("no metric '%s'%s", name, near ~= nil and format(", did you mean '%s'?", ffi.string(near)) or "")
  end
  return metric_value[0]
end

local policies = {}

local lb = {
  metric = metric,
  now = function() return C.sandbox_now() end,
  policy = locked("lb.policy", policies),
}

-- core/policy/lists.lua has the backends, for hooks.
local late = {
  backends = function() error("lb.backends is there in hooks and timers, not while the script is loaded", 3) end,
}

inside = {
  ffi = ffi,
  late = late,
  segment = segment,
  getinfo = getinfo,
  is_loaded = false, -- the script, whose hooks are called from now on (core/policy/hooks.lua)
  host = {}, -- what C offers where there is a loop (core/script/await.h)
  complain = complain,
  did_you_mean = did_you_mean,
  policies = policies, -- what lb.policy has; core/lua/policies.lua adds to it
  number_text = number_text,
  list_methods = {},   -- what a list of backends has; core/policy/lists.lua fills it
  raw_metatable = raw_metatable,
  tostring = tostring,
  WALK = WALK,
  locked = locked,
  names_of = names_of,
  object_meta = object_meta,
  read_only = read_only,
  unknown = unknown,
  -- After a call that was cut short, so that what it had nested does not stay counted.
  forget_nesting = function() nesting, depth = 0, 0 end,
}

for i = 1, #parts do parts[i](inside, lb, env, parts) end -- core/lua/modules.lua and others
env.lb = locked("lb", lb, late)

return env, inside
