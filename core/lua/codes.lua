-- codes - functions for scripts that read and write texts of others: networks, base64, hex, URLs,
-- queries, dates.
--
-- C does the work (core/lua/codes.c), which nothing can stop, so each has a bound on what it is
-- given.
local inside, lb, env = ...

local ffi, complain, locked = inside.ffi, inside.complain, inside.locked
local C = ffi.C
local error, ipairs, rawget, select, setmetatable = error, ipairs, rawget, select, setmetatable
local tonumber, tostring, type = tonumber, inside.tostring, type
local byte, find, floor, format, sub = string.byte, string.find, math.floor, string.format, string.sub
local text_of = ffi.string

ffi.cdef [[
int32_t codes_to_base64(const char *bytes, size_t length, bool is_url, char *out);
int32_t codes_from_base64(const char *text, size_t length, bool is_url, char *out);
int32_t codes_to_hex(const char *bytes, size_t length, char *out);
int32_t codes_from_hex(const char *text, size_t length, char *out);
int32_t codes_to_percent(const char *bytes, size_t length, char *out);
int32_t codes_from_percent(const char *text, size_t length, bool is_form, char *out);
void codes_sha256(const char *text, size_t length, char out[64]);
size_t codes_date(const char *format, double seconds, char out[8192]);
bool codes_date_fields(double seconds, int32_t out[8]);
double codes_time(const int32_t fields[6]);
struct network { uint8_t address[16]; uint8_t prefix; };
const char *network_parse(struct network *out, struct slice text);
bool network_list_has(const struct network *, uint32_t count, const char *text, size_t length);
]]

local TEXT_MAX = 2 ^ 20 -- some milliseconds
local HASHED_MAX = 2 ^ 18

-- Raises errors at the line that called the function which calls this.
local function check_text(what, text, most)
  if type(text) ~= "string" then error(format("%s needs a text, got %s", what, type(text)), 3) end
  if #text > most then error(format("%s: a text has %d bytes at most, not %d", what, most, #text), 3) end
end

-- base64, hex, percent ----------------------------------------------------------------------------

local room, room_bytes = nil, 0

-- For the result; not kept if it is large.
local function room_for(bytes)
  if bytes > 65536 then return ffi.new("char[?]", bytes) end
  if bytes > room_bytes then room, room_bytes = ffi.new("char[?]", bytes), bytes end
  return room
end

-- room_of: how many bytes are made of so many, at most. decode gives a length; if the text is wrong
-- it gives minus the place of the first wrong byte.
local function coder(name, kind, text_max, room_of, encode, decode)
  local encode_name, decode_name = "lb." .. name .. ".encode", "lb." .. name .. ".decode"
  return locked("lb." .. name, {
    encode = function(bytes)
      check_text(encode_name, bytes, TEXT_MAX)
      local out = room_for(room_of(#bytes))
      local length = encode(bytes, #bytes, out)
      return text_of(out, length)
    end,
    decode = function(text)
      check_text(decode_name, text, text_max)
      local out = room_for(#text + 1)
      local length = decode(text, #text, out)
      if length >= 0 then return text_of(out, length) end
      return nil, format("no %s at byte %d", kind, -length)
    end,
  })
end

local function base64(name, is_url)
  return coder(name, name, 2 * TEXT_MAX, function(bytes) return floor(bytes / 3) * 4 + 4 end,
    function(bytes, length, out) return C.codes_to_base64(bytes, length, is_url, out) end,
    function(text, length, out) return C.codes_from_base64(text, length, is_url, out) end)
end

lb.base64, lb.base64url = base64("base64", false), base64("base64url", true)
lb.hex = coder("hex", "hex", 2 * TEXT_MAX, function(bytes) return 2 * bytes + 1 end, C.codes_to_hex, C.codes_from_hex)
lb.url = coder("url", "percent-encoding", TEXT_MAX, function(bytes) return 3 * bytes + 1 end, C.codes_to_percent,
  function(text, length, out) return C.codes_from_percent(text, length, false, out) end)

local hex = ffi.new "char[64]"

function lb.sha256(text)
  check_text("lb.sha256", text, HASHED_MAX)
  C.codes_sha256(text, #text, hex)
  return text_of(hex, 64)
end

-- lb.query ----------------------------------------------------------------------------------------

local PAIRS_MAX = 100
local values_of = setmetatable({}, { __mode = "k" }) -- by query: lists by name
local pairs_of = setmetatable({}, { __mode = "k" }) -- by query: name, value, name, ..

local query_methods = {}
local query_meta = {
  __index = function(query, name)
    local method = query_methods[name]
    if method then return method end
    local values = values_of[query][name]
    return values and values[1] or nil
  end,
  __newindex = inside.read_only("a query"),
  __tostring = function() return "query" end,
  __metatable = false,
  [inside.WALK] = "pairs(query) finds nothing: write for name, value in query:each() do",
}

function query_methods.all(query, name)
  local values = values_of[query]
  if not values then complain "call it on a query, with a colon: query:all(name)" end
  if type(name) ~= "string" then complain("query:all(name) needs a name, got %s", type(name)) end
  local list = {}
  for i, value in ipairs(values[name] or list) do list[i] = value end
  return list
end

function query_methods.each(query)
  local list, i = pairs_of[query], -1
  if not list then complain "call it on a query, with a colon: query:each()" end
  return function()
    i = i + 2
    return list[i], list[i + 1]
  end
end

local function form_text(text, from, to)
  local part = sub(text, from, to)
  if not find(part, "[%%+]") then return part end
  local out = room_for(#part + 1)
  local length = C.codes_from_percent(part, #part, true, out)
  return text_of(out, length)
end

local function add_pair(values, all, text, from, to)
  local equals = find(text, "=", from, true)
  if not equals or equals > to then equals = to + 1 end
  local name = form_text(text, from, equals - 1)
  local list = values[name]
  if not list then
    list = {}
    values[name] = list
  end
  local value = form_text(text, equals + 1, to)
  list[#list + 1] = value
  all[#all + 1], all[#all + 2] = name, value
end

function lb.query(text)
  check_text("lb.query", text, TEXT_MAX)
  local values, all, from = {}, {}, 1
  local query = setmetatable({}, query_meta)
  values_of[query], pairs_of[query] = values, all
  while from <= #text do
    local to = (find(text, "&", from, true) or #text + 1) - 1
    if to >= from then
      if #all == 2 * PAIRS_MAX then return query, "more than 100 pairs" end
      add_pair(values, all, text, from, to)
    end
    from = to + 2
  end
  return query
end

-- lb.net ------------------------------------------------------------------------------------------

local NETWORKS_MAX = 10000
local networks_of = setmetatable({}, { __mode = "k" }) -- by net: { networks, count }

local net_methods = {}
local net_meta = inside.object_meta("a net", net_methods, "net")

function net_methods.has(net, address)
  local networks = networks_of[net]
  if not networks then complain "call it on a net, with a colon: net:has(address)" end
  if type(address) ~= "string" then return false end
  return C.network_list_has(networks.list, networks.count, address, #address)
end

function lb.net(...)
  local texts, count = { ... }, select("#", ...)
  if count == 1 and type(texts[1]) == "table" then
    texts = texts[1]
    count = #texts
  end
  if count < 1 or count > NETWORKS_MAX then
    complain("lb.net needs 1 to %d networks, as in lb.net(\"10.0.0.0/8\", \"::1\"), got %d", NETWORKS_MAX, count)
  end
  local list = ffi.new("struct network[?]", count)
  for i = 1, count do
    local text = rawget(texts, i)
    if type(text) ~= "string" then complain("lb.net: network %d is a text, not a %s", i, type(text)) end
    local wrong = C.network_parse(list + (i - 1), ffi.new("struct slice", text, #text))
    if wrong ~= nil then complain("lb.net: '%s': %s", text, text_of(wrong)) end
  end
  local net = setmetatable({}, net_meta)
  networks_of[net] = { list = list, count = count }
  return net
end

-- os.date and os.time -----------------------------------------------------------------------------

-- The conversions of C99 that need no time zone: strftime does as it likes with others.
local CONVERSIONS = "^[aAbBcCdDeFgGhHIjmMnprRStTuUVwWxXyYzZ%%]$"
local FORMAT_MAX, FIRST, LAST = 256, -62135596800, 253402300799 -- bytes; the years 1 to 9999
local date_room, date_fields = ffi.new "char[8192]", ffi.new "int32_t[8]"
local FIELDS = { "year", "month", "day", "hour", "min", "sec" }
local time_now = os.time

local function check_format(given)
  if type(given) ~= "string" then error("os.date needs a format, got " .. type(given), 3) end
  if #given > FORMAT_MAX or find(given, "%z") then
    error(format("os.date: a format has %d bytes at most, and no NUL", FORMAT_MAX), 3)
  end
  local at = find(given, "%", 1, true)
  while at do
    local letter = sub(given, at + 1, at + 1)
    if not find(letter, CONVERSIONS) then
      error(format("os.date: there is no '%%%s'; '%%%%' is a percent sign", letter), 3)
    end
    at = find(given, "%", at + 2, true)
  end
end

local function date_table(when)
  if not C.codes_date_fields(when, date_fields) then return nil end
  local date = { wday = date_fields[6], yday = date_fields[7], isdst = false }
  for i, name in ipairs(FIELDS) do date[name] = date_fields[i - 1] end
  return date
end

-- Without a "!" it would be in a time zone, as in Lua: that of a container, which is seldom meant.
function env.os.date(given, when)
  if given == nil then given = "%c" end
  if type(given) == "string" and byte(given) ~= 33 then
    error(format("os.date gives UTC only, for which a '!' stands in front: os.date \"!%s\"; "
      .. "os.time() gives the seconds", find(given, "^[%g ]*$") and #given < 40 and given or "%F %T"), 2)
  end
  if type(given) == "string" then given = sub(given, 2) end
  if when == nil then when = time_now() end
  if type(when) ~= "number" or not (when >= FIRST and when <= LAST) then
    complain("os.date: a time is a number of seconds in the years 1 to 9999, got %s", tostring(when))
  end
  if given == "*t" then return date_table(floor(when)) end
  check_format(given)
  return text_of(date_room, C.codes_date(given, floor(when), date_room))
end

local TIME_DEFAULTS = { hour = 12, min = 0, sec = 0 }
local time_fields = ffi.new "int32_t[6]"

-- Of a table the way back from os.date, so in UTC, too.
function env.os.time(when)
  if when == nil then return time_now() end
  if type(when) ~= "table" then complain("os.time needs a table, got %s", type(when)) end
  for i, name in ipairs(FIELDS) do
    local value = when[name]
    if value == nil then value = TIME_DEFAULTS[name] end
    value = tonumber(value)
    if not value then complain("os.time: the field '%s' is missing", name) end
    if not (value >= -1e9 and value <= 1e9) then complain("os.time: the field '%s' is out of bounds", name) end
    time_fields[i - 1] = floor(value)
  end
  return C.codes_time(time_fields)
end
