-- texts - lb.hmac, lb.equal and lb.log.
local inside, lb = ...

local ffi, complain, locked = inside.ffi, inside.complain, inside.locked
local C = ffi.C
local error, next, tostring, type = error, next, inside.tostring, type
local find, format, gsub, huge, sort, sub = string.find, string.format, string.gsub, math.huge, table.sort, string.sub

ffi.cdef [[
void codes_hmac(const char *key, size_t key_length, const char *text, size_t length, char hex[64]);
bool texts_equal(const char *a, const char *b, size_t length);
void texts_log(uint32_t level, const char *message, const char *const *members, uint32_t count);
]]

local TEXT_MAX = 2 ^ 18 -- nothing can stop it meanwhile: a millisecond or two
local hex = ffi.new "char[64]"

function lb.hmac(key, text)
  if type(key) ~= "string" or type(text) ~= "string" then
    complain("lb.hmac(key, text) needs two texts, got %s and %s", type(key), type(text))
  end
  if #key > TEXT_MAX or #text > TEXT_MAX then
    complain("lb.hmac: a text has 256 KiB at most, not %d bytes", #key > TEXT_MAX and #key or #text)
  end
  C.codes_hmac(key, #key, text, #text, hex)
  return ffi.string(hex, 64)
end

function lb.equal(a, b)
  if type(a) ~= "string" or type(b) ~= "string" then
    complain("lb.equal(a, b) needs two texts, got %s and %s", type(a), type(b))
  end
  return #a == #b and C.texts_equal(a, b, #a)
end

-- lb.log ------------------------------------------------------------------------------------------

local LEVELS = { info = 1, warn = 2, error = 3 } -- enum log_level
local MEMBERS_MAX, NAME_MAX, VALUE_MAX, MESSAGE_MAX = 20, 64, 1024, 8192
local RESERVED = { time = true, level = true, event = true, process = true } -- every event has them

local function plain(text, most) return (gsub(sub(text, 1, most), "%z", "\\0")) end

-- As a member of JSON: a name with "#" in front has a value that stands there without quotes.
local function member_of(name, value)
  local kind = type(value)
  if kind == "string" then return name, plain(value, VALUE_MAX) end
  if kind == "number" and value == value and value > -huge and value < huge then
    return "#" .. name, tostring(value)
  end
  if kind == "boolean" then return "#" .. name, tostring(value) end
  return name, kind == "number" and tostring(value) or nil
end

local function check_name(name)
  if type(name) ~= "string" or #name > NAME_MAX or not find(name, "^[%a_][%w_]*$") then
    error(format("a member of an event is called by letters, digits and '_', not '%s'", tostring(name)), 4)
  elseif RESERVED[name] then
    error(format("an event has a '%s' of its own; give it another name", name), 4)
  end
end

local function members_of(given)
  local names = {}
  for name in next, given do
    if name ~= "message" then
      check_name(name)
      names[#names + 1] = name
      if #names > MEMBERS_MAX then error("an event has 20 members at most, besides its message", 3) end
    end
  end
  sort(names)
  local texts = {}
  for i = 1, #names do
    local name, value = member_of(names[i], given[names[i]])
    if value == nil then
      local kind = type(given[name])
      error(format("'%s' is a %s; a member of an event is a text, a number or a boolean", names[i], kind), 3)
    end
    texts[2 * i - 1], texts[2 * i] = name, value
  end
  return texts
end

local function log_at(level)
  return function(given)
    local message, texts = given, {}
    if type(given) == "table" then
      message, texts = given.message, members_of(given)
      if message == nil then complain("an event needs a message: { message = \"...\" }") end
    end
    if type(message) == "number" then message = tostring(message) end
    if type(message) ~= "string" then complain("expected a text to log, got %s", type(message)) end
    C.texts_log(level, plain(message, MESSAGE_MAX), ffi.new("const char *[?]", #texts, texts), #texts / 2)
  end
end

lb.log = locked("lb.log", { info = log_at(LEVELS.info), warn = log_at(LEVELS.warn), error = log_at(LEVELS.error) })
inside.log_info = log_at(LEVELS.info)
