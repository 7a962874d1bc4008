-- traceparent and tracestate: the cases of W3C's own test suite, and more, by a table.
local ffi = require "ffi"
local core = require "spec.support.core"
local http = require "spec.support.http"

ffi.cdef [[
struct trace_context_seen { char text[55]; bool is_sampled, is_random, drops_state; uint64_t parent; };
bool trace_context_continue(struct trace_context_seen *, const struct head_seen *);
void trace_context_begin(struct trace_context_seen *, uint64_t random, struct slice id, bool is_sampled);
void trace_context_set_span(struct trace_context_seen *, uint64_t span, bool is_sampled);
]]

local TRACE, SPAN = "12345678901234567890123456789012", "1234567890123456"
local GOOD = "00-" .. TRACE .. "-" .. SPAN .. "-01"

local function read(fields)
  local trace = ffi.new "struct trace_context_seen"
  local head, kept = http.head(fields)
  if not core.trace_context_continue(trace, head) then return nil, kept end
  core.trace_context_set_span(trace, 0xabcULL, trace.is_sampled)
  return ffi.string(trace.text, 55), trace
end

local function goes_on(flags) return "00-" .. TRACE .. "-0000000000000abc-" .. flags end

describe("a traceparent", function()
  it("is continued with another span", function()
    local text, trace = read { "traceparent: " .. GOOD }
    assert.equal(goes_on "01", text)
    assert.is_true(trace.parent == 0x1234567890123456ULL)
    assert.is_false(trace.drops_state)
  end)

  it("is known in any letter case of its name", function()
    for _, name in ipairs { "TraceParent", "TrAcEpArEnT", "TRACEPARENT" } do
      assert.equal(goes_on "01", (read { name .. ": " .. GOOD }))
    end
  end)

  local FLAGS = { ["00"] = "00", ["01"] = "01", ["02"] = "02", ["03"] = "03", ff = "03", fc = "00", ["fd"] = "01" }
  for came, left in pairs(FLAGS) do
    it(("with flags %s goes on with %s"):format(came, left), function()
      assert.equal(goes_on(left), (read { "traceparent: " .. GOOD:gsub("01$", came) }))
    end)
  end

  local LATER = { -- of a version that is not known
    ["as long as now"] = "cc-" .. TRACE .. "-" .. SPAN .. "-01",
    ["with more behind it"] = "cc-" .. TRACE .. "-" .. SPAN .. "-01-what-the-future-will-be-like",
    ["with a dash behind it"] = "fe-" .. TRACE .. "-" .. SPAN .. "-03-",
  }
  for what, value in pairs(LATER) do
    it("of a later version is continued by this one: " .. what, function()
      assert.equal(goes_on "01", (read { "traceparent: " .. value }))
    end)
  end

  local BAD = {
    ["nothing"] = "",
    ["version ff"] = "ff-" .. TRACE .. "-" .. SPAN .. "-01",
    ["a version that is no number"] = ".0-" .. TRACE .. "-" .. SPAN .. "-01",
    ["a version in capitals"] = "0A-" .. TRACE .. "-" .. SPAN .. "-01",
    ["a version of one digit"] = "0-" .. TRACE .. "-" .. SPAN .. "-01",
    ["a version of three digits"] = "000-" .. TRACE .. "-" .. SPAN .. "-01",
    ["version 00 with more behind it"] = GOOD .. ".",
    ["version 00 with a dash behind it"] = GOOD .. "-",
    ["version 00 with a part behind it"] = GOOD .. "-what-the-future-will-be-like",
    ["a later version with a dot behind it"] = "cc-" .. TRACE .. "-" .. SPAN .. "-01.what-the-future-will-be-like",
    ["a trace of zeros"] = "00-" .. ("0"):rep(32) .. "-" .. SPAN .. "-01",
    ["a trace with a sign"] = "00-.2345678901234567890123456789012-" .. SPAN .. "-01",
    ["a trace in capitals"] = "00-1234567890123456789012345678901A-" .. SPAN .. "-01",
    ["a trace that is too long"] = "00-" .. TRACE .. "3-" .. SPAN .. "-01",
    ["a trace that is too short"] = "00-" .. TRACE:sub(2) .. "-" .. SPAN .. "-01",
    ["a span of zeros"] = "00-" .. TRACE .. "-" .. ("0"):rep(16) .. "-01",
    ["a span with a sign"] = "00-" .. TRACE .. "-.234567890123456-01",
    ["a span in capitals"] = "00-" .. TRACE .. "-123456789012345F-01",
    ["a span that is too long"] = "00-" .. TRACE .. "-" .. SPAN .. "7-01",
    ["a span that is too short"] = "00-" .. TRACE .. "-" .. SPAN:sub(2) .. "-01",
    ["flags with a sign"] = "00-" .. TRACE .. "-" .. SPAN .. "-.0",
    ["flags in capitals"] = "00-" .. TRACE .. "-" .. SPAN .. "-0A",
    ["flags that are too long"] = "00-" .. TRACE .. "-" .. SPAN .. "-001",
    ["flags that are too short"] = "00-" .. TRACE .. "-" .. SPAN .. "-1",
    ["spaces in the place of dashes"] = GOOD:gsub("-", " "),
    ["two in one field"] = GOOD .. "," .. GOOD,
  }
  for what, value in pairs(BAD) do
    it("is dropped: " .. what, function() assert.is_nil((read { "traceparent: " .. value })) end)
  end

  it("is dropped if it is there twice, even if both are the same", function()
    assert.is_nil((read { "traceparent: " .. GOOD, "traceparent: " .. GOOD }))
    assert.is_nil((read {}))
    for _, name in ipairs { "trace-parent", "trace_parent", "trace.parent" } do
      assert.is_nil((read { name .. ": " .. GOOD }), name)
    end
  end)

  it("is whole or not, wherever it is cut", function()
    for length = 0, #GOOD - 1 do assert.is_nil((read { "traceparent: " .. GOOD:sub(1, length) }), length) end
  end)

  it("begins with a number and the request's id", function()
    local trace, id = ffi.new "struct trace_context_seen", "0123456789abcdef"
    core.trace_context_begin(trace, 0xfedcba9876543211ULL, ffi.new("struct slice", id, #id), true)
    core.trace_context_set_span(trace, 0x00000000000000ffULL, true)
    assert.equal("00-fedcba9876543211" .. id .. "-00000000000000ff-03", ffi.string(trace.text, 55))
    assert.is_true(trace.drops_state)
    core.trace_context_set_span(trace, 1, false)
    assert.equal("02", ffi.string(trace.text, 55):sub(-2))
  end)
end)

describe("a tracestate", function()
  local function drops(...)
    local fields = { "traceparent: " .. GOOD }
    for _, value in ipairs { ... } do fields[#fields + 1] = "tracestate: " .. value end
    local _, trace = read(fields)
    return trace.drops_state
  end

  it("goes on with 512 bytes at most, all its lines together", function()
    assert.is_false(drops(("a"):rep(512)))
    assert.is_true(drops(("a"):rep(513)))
    assert.is_false(drops(("a"):rep(300), ("b"):rep(211)))
    assert.is_true(drops(("a"):rep(300), ("b"):rep(212)))
    assert.is_false(drops "")
  end)
end)
