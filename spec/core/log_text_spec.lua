-- Text and numbers of a line of the log are put together in steps of several bytes; here they are
-- compared with what takes one byte after the other.
local ffi = require "ffi"
local core = require "spec.support.core"
local shown_slowly = require "spec.support.shown"

ffi.cdef [[
char *log_put_escaped(char *out, struct slice text, size_t limit, int format);
char *log_put_foreign(char *out, struct slice text, size_t limit, int format);
char *log_put_time(char *out, uint64_t wall_us, int format);
void buffer_append_number(struct buffer *, uint64_t number);
uint64_t clock_wall_at(uint64_t steady_us);
struct time_seen { long s, ns; };
int clock_gettime(int id, struct time_seen *);
]]

local TEXT, JSON = 0, 1
local REALTIME, MONOTONIC = 0, 1

local function taken(append, ...)
  local buffer = ffi.new "struct buffer"
  append(buffer, ...)
  local text = buffer.bytes == nil and "" or ffi.string(buffer.bytes, buffer["end"])
  core.buffer_dispose(buffer)
  return text
end

local room = ffi.new "char[65536]"

local function put(write, ...) return ffi.string(room, write(room, ...) - room) end

local function shown(text, limit, format, is_foreign)
  local write = is_foreign and core.log_put_foreign or core.log_put_escaped
  return put(write, ffi.new("struct slice", text, #text), limit, format)
end

local function reference(text, limit, format) return shown_slowly(text, limit, format == JSON) end

local function seconds_of(us, format)
  return os.date(format == JSON and "!%Y-%m-%dT%H:%M:%S" or "%Y-%m-%d %H:%M:%S", us)
end

describe("text in a line", function()
  it("is escaped alike wherever each byte stands", function()
    for length = 1, 26 do
      for at = 1, length do
        for code = 0, 255, length % 8 == 0 and 1 or 7 do
          local text = ("abcdefghijklmnopqrstuvwxyz"):sub(1, length)
          text = text:sub(1, at - 1) .. string.char(code) .. text:sub(at + 1)
          for format = TEXT, JSON do
            local seen, expected = shown(text, 1000, format, true), reference(text, 1000, format)
            if seen ~= expected then assert.equal(expected, seen) end
          end
        end
      end
    end
  end)

  it("is escaped alike next to others that are", function()
    local odd = { "\0", "\31", " ", "!", '"', "#", "[", "\\", "]", "~", "\127", "\128", "\160", "\255", "\n" }
    math.randomseed(5)
    for _ = 1, 20000 do
      local bytes = {}
      for i = 1, math.random(0, 40) do
        bytes[i] = math.random(3) == 1 and odd[math.random(#odd)] or string.char(math.random(32, 126))
      end
      local text, format, limit = table.concat(bytes), math.random(0, 1), math.random(0, 60)
      local seen, expected = shown(text, limit, format, true), reference(text, limit, format)
      if seen ~= expected then assert.equal(expected, seen, ("%q, %d bytes"):format(text, limit)) end
    end
  end)

  it("is cut alike at every limit", function()
    local text = 'plain text of some length "and" \\ more\tof it, to the end'
    for limit = 0, 80 do
      for format = TEXT, JSON do
        assert.equal(reference(text, limit, format), shown(text, limit, format, true))
        assert.equal(reference(text, limit, format), shown(text, limit, format, false))
      end
    end
  end)

  it("keeps characters whole wherever they stand", function()
    for before = 0, 17 do
      for _, character in ipairs { "\195\188", "\226\130\172", "\240\159\152\128" } do
        local text = ("x"):rep(before) .. character .. "y"
        assert.equal(text, shown(text, 100, JSON))
        for less = 1, #character do
          assert.equal(("x"):rep(before) .. "...", shown(text, before + #character - less, JSON))
        end
      end
    end
  end)
end)

describe("a time in a line", function()
  -- JSON is UTC, text the time here, and how far that is from UTC.
  local function zone_of(second, format)
    return format == JSON and "Z" or os.date("%z", second):gsub("^(...)(..)$", "%1:%2")
  end

  local function check(second, us)
    for format = TEXT, JSON do
      local expected = seconds_of(second, format) .. (".%03d"):format(us / 1000) .. zone_of(second, format)
      assert.equal(expected, put(core.log_put_time, second * 1000000ULL + us, format))
    end
  end

  it("is right on both sides of a second, a day, a year and a leap day", function()
    for _, second in ipairs { 0, 1, 59, 86399, 1582934399, 1583020799, 1609459199, 1795348800, 4102444799 } do
      check(second, 0)
      check(second, 999)
      check(second, 1000)
      check(second, 999999)
      check(second + 1, 0)
      check(second, 999999)
    end
  end)

  it("has each of its milliseconds", function()
    for ms = 0, 999 do check(1795348801, ms * 1000 + 7) end
  end)

  it("is the wall clock's of when the steady clock was looked at", function()
    local function now_us(id)
      local t = ffi.new "struct time_seen"
      ffi.C.clock_gettime(id, t)
      return t.s * 1000000ULL + t.ns / 1000
    end
    for _ = 1, 1000 do
      local earliest = now_us(REALTIME)
      local seen = core.clock_wall_at(now_us(MONOTONIC))
      local latest = now_us(REALTIME)
      assert.is_true(seen + 1000000 >= earliest and seen <= latest + 1000000)
    end
  end)
end)

describe("a number in a line", function()
  it("has its digits at every length", function()
    local number = 1ULL
    for length = 1, 19 do
      for _, digit in ipairs { "1", "9" } do
        assert.equal(digit .. ("0"):rep(length - 1), taken(core.buffer_append_number, number * tonumber(digit)))
      end
      number = number * 10
      assert.equal(("9"):rep(length), taken(core.buffer_append_number, number - 1))
    end
    assert.equal("18446744073709551615", taken(core.buffer_append_number, -1ULL))
    for n = 0, 12345 do
      if taken(core.buffer_append_number, n) ~= tostring(n) then assert.equal(n, "another") end
    end
  end)
end)
