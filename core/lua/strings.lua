-- strings - the functions of scripts' `string` that nothing could stop inside the library: those
-- that match patterns, and format, which calls __tostring. And how a number becomes text.
--
-- They take, give and complain about the same as the library's. The matcher is core/lua/patterns.c.
-- Whatever calls back is Lua, so it uses none of the C stack. For a plain text the library's find
-- does the work, as the compiler knows it.
local ffi, STOPPED = ...

local C = ffi.C
local error, select, tonumber, tostring, type, unpack = error, select, tonumber, tostring, type, unpack
local byte, format, sub, plain_find, concat = string.byte, string.format, string.sub, string.find, table.concat
local floor, ceil, huge, max, min = math.floor, math.ceil, math.huge, math.max, math.min

ffi.cdef [[
struct patterns_match {
    int32_t first, last, captures;
    int32_t starts[32], lengths[32];
    const char *error;
};
struct patterns_search {
    const char *text; size_t length; const char *pattern; size_t pattern_length, from; uint32_t flags;
};
int32_t patterns_find(const struct patterns_search *, struct patterns_match *out);
bool patterns_is_plain(const char *pattern, size_t length);
size_t decimal_of_double(double number, char out[32]);
]]

local FOUND, WAS_STOPPED = 1, -1                      -- enum patterns_outcome
local ANCHORED, PLAIN = 1, 2                          -- enum patterns_flags
local POSITION = -1
local CARET = 94
-- Bytes of the text times bytes of the pattern: the library may take that many steps.
local QUICK = 1e6

-- Of the last search: they are read before anything else runs.
local search = ffi.new "struct patterns_search"
local found = ffi.new "struct patterns_match"

-- The library's own text of a number has 14 digits: two users may have the same one.
local digits = ffi.new "char[32]"
local function number_text(number) return ffi.string(digits, C.decimal_of_double(number, digits)) end

-- All of these are called by the functions that scripts call, so that errors are the script's line.

local function bad_argument(position, name, expected, got)
  error(format("bad argument #%d to '%s' (%s expected, got %s)", position, name, expected, type(got)), 4)
end

local function text_of(value, position, name)
  if type(value) == "string" then return value end
  if type(value) ~= "number" then bad_argument(position, name, "string", value) end
  return number_text(value)
end

local function number_of(value, position, name)
  local number = tonumber(value)
  if not number then bad_argument(position, name, "number", value) end
  return number < 0 and ceil(number) or floor(number)
end

-- The byte to begin at: from 1 to one behind the last.
local function start_of(text, init)
  return max(1, min(init < 0 and #text + init + 1 or init, #text + 1))
end

local function fail(outcome)
  if outcome ~= WAS_STOPPED then error(ffi.string(found.error), 4) end
  for _ = 1, 1e5 do end -- the hook that stops the call raises its error here, at the script's line
  error(STOPPED, 0)
end

local function seek(text, pattern, at, flags)
  search.text, search.length, search.pattern, search.pattern_length = text, #text, pattern, #pattern
  search.from, search.flags = at - 1, flags
  local outcome = C.patterns_find(search, found)
  if outcome < 0 then fail(outcome) end
  return outcome == FOUND
end

local function capture(text, index) -- from 0
  local start, length = found.starts[index], found.lengths[index]
  if length == POSITION then return start end
  return sub(text, start, start + length - 1)
end

-- All of them; the whole match if the pattern has none.
local function captures(text)
  local count = found.captures
  if count == 0 then return sub(text, found.first, found.last) end
  if count == 1 then return capture(text, 0) end
  if count == 2 then return capture(text, 0), capture(text, 1) end
  local all = {}
  for i = 1, count do all[i] = capture(text, i - 1) end
  return unpack(all, 1, count)
end

local strings = {}

function strings.find(text, pattern, init, plain)
  text, pattern = text_of(text, 1, "find"), text_of(pattern, 2, "find")
  local at = init == nil and 1 or start_of(text, number_of(init, 3, "find"))
  local flags = ANCHORED
  if plain or C.patterns_is_plain(pattern, #pattern) then
    if #text * #pattern <= QUICK then return plain_find(text, pattern, at, true) end
    flags = PLAIN
  end
  if not seek(text, pattern, at, flags) then return nil end
  local first, last = found.first, found.last
  if found.captures == 0 then return first, last end
  return first, last, captures(text)
end

function strings.match(text, pattern, init)
  text, pattern = text_of(text, 1, "match"), text_of(pattern, 2, "match")
  local at = init == nil and 1 or start_of(text, number_of(init, 3, "match"))
  if not seek(text, pattern, at, ANCHORED) then return nil end
  return captures(text)
end

function strings.gmatch(text, pattern)
  text, pattern = text_of(text, 1, "gmatch"), text_of(pattern, 2, "gmatch")
  local at = 1
  return function()
    if at > #text + 1 or not seek(text, pattern, at, 0) then
      at = huge
      return nil
    end
    at = max(found.first, found.last) + 1
    return captures(text)
  end
end

-- What a replacement text like "<%1>" comes to for the match in `found`.
local function expand(template, text)
  local pieces, at = {}, 1
  while true do
    local mark = plain_find(template, "%", at, true)
    if not mark then break end
    local code = byte(template, mark + 1)
    pieces[#pieces + 1] = sub(template, at, mark - 1)
    if not code then
      pieces[#pieces + 1] = "\0" -- as the library has it
    elseif code < 48 or code > 57 then
      pieces[#pieces + 1] = sub(template, mark + 1, mark + 1)
    elseif code == 48 or code == 49 and found.captures == 0 then
      pieces[#pieces + 1] = sub(text, found.first, found.last)
    elseif code - 48 > found.captures then
      error("invalid capture index", 3)
    else
      pieces[#pieces + 1] = capture(text, code - 49)
    end
    at = mark + 2
  end
  pieces[#pieces + 1] = sub(template, at)
  return concat(pieces)
end

local function replacement_of(text, replacement, kind)
  local whole = sub(text, found.first, found.last)
  local value
  if kind == "string" then return expand(replacement, text) end
  if kind == "table" then
    value = replacement[(captures(text))]
  else
    value = replacement(captures(text))
  end
  if not value then return whole end
  if type(value) ~= "string" and type(value) ~= "number" then
    error("invalid replacement value (a " .. type(value) .. ")", 3)
  end
  return type(value) == "number" and number_text(value) or value
end

function strings.gsub(text, pattern, replacement, limit)
  text, pattern = text_of(text, 1, "gsub"), text_of(pattern, 2, "gsub")
  local kind = type(replacement)
  if kind == "number" then replacement, kind = number_text(replacement), "string" end
  if kind ~= "string" and kind ~= "table" and kind ~= "function" then
    error("bad argument #3 to 'gsub' (string/function/table expected)", 2)
  end
  limit = limit == nil and huge or number_of(limit, 4, "gsub")
  if byte(pattern) == CARET then limit = min(limit, 1) end
  local is_literal = kind == "string" and not plain_find(replacement, "%", 1, true)
  local pieces, count, copied, at = {}, 0, 0, 1       -- text[1 .. copied] is in pieces
  while count < limit and at <= #text + 1 and seek(text, pattern, at, ANCHORED) do
    local first, last = found.first, found.last
    count = count + 1
    if first > copied + 1 then pieces[#pieces + 1] = sub(text, copied + 1, first - 1) end
    pieces[#pieces + 1] = is_literal and replacement or replacement_of(text, replacement, kind)
    copied, at = last, max(first, last) + 1
  end
  if count == 0 then return text, 0 end
  pieces[#pieces + 1] = sub(text, copied + 1)
  return concat(pieces), count
end

-- The library's would call __tostring from within C, and has 14 digits for the "%s" of a number. A
-- text with all digits is the same number to "%d" and "%g".
local function plain_value(value)
  local kind = type(value)
  if kind == "table" then return tostring(value) end
  if kind ~= "number" then return value end
  if value == 0 then return 0 end -- and never -0
  if value == floor(value) and value < 1e14 and value > -1e14 then return value end
  return number_text(value)
end

function strings.format(text, ...)
  local count = select("#", ...)
  if count == 1 then return format(text, plain_value((...))) end
  if count == 2 then
    local a, b = ...
    return format(text, plain_value(a), plain_value(b))
  end
  local values = { ... }
  for i = 1, count do values[i] = plain_value(values[i]) end
  return format(text, unpack(values, 1, count))
end

return strings, number_text
