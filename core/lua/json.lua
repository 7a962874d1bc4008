-- json - lb.json: RFC 8259 to the letter, in Lua, so that work on a large text can be stopped.
local inside, lb = ...

local ffi, complain, locked = inside.ffi, inside.complain, inside.locked
local number_text, raw_metatable = inside.number_text, inside.raw_metatable
local C = ffi.C
local error, next, setmetatable, tonumber, type = error, next, setmetatable, tonumber, type
local byte, char, find, format = string.byte, string.char, string.find, string.format
local gsub, sub = string.gsub, string.sub
local concat, floor, huge, rawget, sort = table.concat, math.floor, math.huge, rawget, table.sort

ffi.cdef "size_t texts_utf8(const char *text, size_t length);"

local DEPTH_MAX, BYTES_MAX = 100, 2 ^ 20
local TOO_LONG = "that would be more than 1 MiB"

local null = locked("lb.json.null", {})
raw_metatable(null).__tostring = function() return "null" end
local array_meta = { __metatable = "a JSON array" } -- an empty table would be an object

-- Encode ------------------------------------------------------------------------------------------

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r",
  ["\t"] = "\\t" }

local function escape(c) return ESCAPES[c] or format("\\u%04x", byte(c)) end

-- What is not UTF-8 becomes U+FFFD, byte by byte: JSON has nothing else for it.
local function as_utf8(text)
  local start, from = ffi.cast("const char *", text), 0
  local good = tonumber(C.texts_utf8(start, #text))
  if good == #text then return text end
  local pieces = {}
  while from < #text do
    good = tonumber(C.texts_utf8(start + from, #text - from))
    pieces[#pieces + 1] = sub(text, from + 1, from + good)
    from = from + good
    if from < #text then pieces[#pieces + 1] = "\239\191\189" end
    from = from + 1
  end
  return concat(pieces)
end

local function quoted(text)
  if find(text, '[%z\1-\31"\\\128-\255]') then -- rarely
    text = gsub(as_utf8(text), '[%z\1-\31"\\]', escape)
  end
  return '"' .. text .. '"'
end

-- The writers add to out; they return nothing, or what is wrong. out.place becomes where that is.
local write

local function add(out, text)
  out.bytes = out.bytes + #text
  out[#out + 1] = text
  if out.bytes > BYTES_MAX then return TOO_LONG end
end

local function at_place(out, wrong, step)
  out.place = step .. (out.place or "")
  return wrong
end

local function write_array(out, list, count, depth)
  local wrong = add(out, "[")
  for i = 1, count do
    if not wrong and i > 1 then wrong = add(out, ",") end
    local value = rawget(list, i)
    if value == nil and not wrong then return format("an array with a gap at %d", i) end
    wrong = wrong or write(out, value, depth + 1)
    if wrong then return at_place(out, wrong, "[" .. i .. "]") end
  end
  return add(out, "]")
end

local function write_object(out, object, depth)
  local keys = {}
  for key in next, object do
    if type(key) ~= "string" then return format("a table with a %s among its keys, and no array", type(key)) end
    if #key > BYTES_MAX then return TOO_LONG end
    keys[#keys + 1] = key
  end
  sort(keys)
  local wrong = add(out, "{")
  for i = 1, #keys do
    wrong = wrong or add(out, (i > 1 and "," or "") .. quoted(keys[i]) .. ":") or write(out, object[keys[i]], depth + 1)
    if wrong then return at_place(out, wrong, "." .. keys[i]) end
  end
  return add(out, "}")
end

-- How many elements, or nil: it is an object.
local function array_length(value, meta)
  if meta ~= array_meta and rawget(value, 1) == nil then return nil end
  local count = 0
  for key in next, value do
    if type(key) ~= "number" or key < 1 or floor(key) ~= key then return nil, "an array that has other keys, too" end
    if key > count then count = key end
  end
  if count > 2 * #value + 10 then return nil, "an array with gaps" end
  return count
end

local function write_table(out, value, depth)
  local meta = raw_metatable(value)
  if depth > DEPTH_MAX then return "nested more than 100 deep, or in a circle" end
  if meta and meta ~= array_meta and meta.__metatable == false then return "an object of lb, which is no data" end
  local count, wrong = array_length(value, meta)
  if wrong then return wrong end
  if count then return write_array(out, value, count, depth) end
  return write_object(out, value, depth)
end

function write(out, value, depth)
  local kind = type(value)
  if value == nil or value == null then return add(out, "null") end
  if kind == "string" then
    -- This comes before the search, which nothing can stop.
    if #value > BYTES_MAX then return TOO_LONG end
    return add(out, quoted(value))
  end
  if kind == "boolean" then return add(out, value and "true" or "false") end
  if kind == "table" then return write_table(out, value, depth) end
  if kind ~= "number" then return "a " .. kind .. ", for which JSON has nothing" end
  if value ~= value or value == huge or value == -huge then return "a number that JSON cannot have (nan, inf)" end
  return add(out, number_text(value))
end

local function encode(value)
  local out = { bytes = 0 }
  local wrong = write(out, value, 1)
  if wrong then
    complain("lb.json.encode: %s%s", wrong, out.place and " (at " .. sub(out.place, 1, 100) .. ")" or "")
  end
  return concat(out)
end

-- Decode ------------------------------------------------------------------------------------------

-- Each parse_ function gives the value and where the text continues; or nil, what is wrong, and
-- where.
local parse_value

local function skip(text, at)
  local c = byte(text, at)
  if c and c <= 32 then return find(text, "[^ \t\r\n]", at) or #text + 1 end
  return at
end

local PLAIN = { -- what stands behind a backslash
  [34] = '"', [92] = "\\", [47] = "/", [98] = "\b", [102] = "\f", [110] = "\n", [114] = "\r", [116] = "\t",
}

local function utf8_of(code)
  if code < 0x80 then return char(code) end
  if code < 0x800 then return char(0xc0 + floor(code / 64), 0x80 + code % 64) end
  if code < 0x10000 then
    return char(0xe0 + floor(code / 4096), 0x80 + floor(code / 64) % 64, 0x80 + code % 64)
  end
  return char(0xf0 + floor(code / 262144), 0x80 + floor(code / 4096) % 64, 0x80 + floor(code / 64) % 64,
    0x80 + code % 64)
end

local function hex_at(text, at)
  return find(text, "^%x%x%x%x", at) and tonumber(sub(text, at, at + 3), 16)
end

-- at: behind the "\u"
local function parse_unicode(text, at)
  local code = hex_at(text, at)
  if not code then return nil, "four hexadecimal digits expected", at end
  at = at + 4
  if code >= 0xdc00 and code <= 0xdfff then return nil, "half of a surrogate pair", at - 6 end
  if code < 0xd800 or code > 0xdbff then return utf8_of(code), at end
  local low = sub(text, at, at + 1) == "\\u" and hex_at(text, at + 2)
  if not low or low < 0xdc00 or low > 0xdfff then return nil, "half of a surrogate pair", at - 6 end
  return utf8_of(0x10000 + (code - 0xd800) * 1024 + low - 0xdc00), at + 6
end

-- at: behind the quote
local function parse_string(text, at)
  local pieces
  while true do
    local stop = find(text, '[%z\1-\31"\\]', at)
    local c = stop and byte(text, stop)
    if c == 34 and not pieces then return sub(text, at, stop - 1), stop + 1 end
    if not stop then return nil, "a text without an end", at end
    if c < 32 then return nil, "a control character in a text", stop end
    pieces = pieces or {}
    pieces[#pieces + 1] = sub(text, at, stop - 1)
    if c == 34 then return concat(pieces), stop + 1 end
    local escaped = byte(text, stop + 1)
    local piece, behind, where = PLAIN[escaped], stop + 2, nil
    if escaped == 117 then
      piece, behind, where = parse_unicode(text, stop + 2)
    elseif not piece then
      behind, where = "an unknown escape", stop
    end
    if not piece then return nil, behind, where end
    pieces[#pieces + 1], at = piece, behind
  end
end

local function parse_number(text, at)
  local _, stop = find(text, "^-?%d+", at)
  if not stop then return nil, "a value expected", at end
  if find(text, "^-?0%d", at) then return nil, "a number that begins with 0", at end
  if byte(text, stop + 1) == 46 then
    _, stop = find(text, "^%d+", stop + 2)
    if not stop then return nil, "a digit expected behind the point", at end
  end
  if find(text, "^[eE]", stop + 1) then
    _, stop = find(text, "^[eE][+-]?%d+", stop + 1)
    if not stop then return nil, "an exponent without digits", at end
  end
  local number = tonumber(sub(text, at, stop))
  if number == huge or number == -huge then return nil, "a number too large", at end
  return number, stop + 1
end

local function parse_array(text, at, depth)
  local list, count = {}, 0
  at = skip(text, at)
  if byte(text, at) == 93 then return setmetatable(list, array_meta), at + 1 end
  while true do
    local value, behind, where = parse_value(text, at, depth)
    if value == nil then return nil, behind, where end
    count = count + 1
    list[count] = value
    at = skip(text, behind)
    local c = byte(text, at)
    if c == 93 then return list, at + 1 end
    if c ~= 44 then return nil, "',' or ']' expected", at end
    at = at + 1
  end
end

local function parse_object(text, at, depth)
  local object = {}
  at = skip(text, at)
  if byte(text, at) == 125 then return object, at + 1 end
  while true do
    at = skip(text, at)
    if byte(text, at) ~= 34 then return nil, "a name in quotes expected", at end
    local key, behind, where = parse_string(text, at + 1)
    if not key then return nil, behind, where end
    at = skip(text, behind)
    if byte(text, at) ~= 58 then return nil, "':' expected", at end
    local value
    value, behind, where = parse_value(text, at + 1, depth)
    if value == nil then return nil, behind, where end
    object[key] = value
    at = skip(text, behind)
    local c = byte(text, at)
    if c == 125 then return object, at + 1 end
    if c ~= 44 then return nil, "',' or '}' expected", at end
    at = at + 1
  end
end

local WORDS = { [116] = { "true", true }, [102] = { "false", false }, [110] = { "null", null } }

function parse_value(text, at, depth)
  at = skip(text, at)
  local c = byte(text, at)
  if c == 34 then return parse_string(text, at + 1) end
  if c == 123 or c == 91 then
    if depth > DEPTH_MAX then return nil, "nested more than 100 deep", at end
    if c == 123 then return parse_object(text, at + 1, depth + 1) end
    return parse_array(text, at + 1, depth + 1)
  end
  local word = WORDS[c]
  if word and sub(text, at, at + #word[1] - 1) == word[1] then return word[2], at + #word[1] end
  return parse_number(text, at)
end

local function decode(text)
  if type(text) ~= "string" then complain("lb.json.decode needs a text, got %s", type(text)) end
  if #text > BYTES_MAX then return nil, "more than 1 MiB" end
  local good = tonumber(C.texts_utf8(text, #text))
  if good < #text then return nil, format("byte %d: not UTF-8", good + 1) end
  local value, at, where = parse_value(text, 1, 1)
  if value == nil then return nil, format("byte %d: %s", where, at) end
  at = skip(text, at)
  if at <= #text then return nil, format("byte %d: the end expected", at) end
  return value
end

local function array(list)
  if list == nil then list = {} end
  if type(list) ~= "table" then complain("lb.json.array needs a table, got %s", type(list)) end
  if raw_metatable(list) ~= nil and raw_metatable(list) ~= array_meta then
    error("lb.json.array: this table has a metatable already", 2)
  end
  return setmetatable(list, array_meta)
end

lb.json = locked("lb.json", { null = null, encode = encode, decode = decode, array = array })
