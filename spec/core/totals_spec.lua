-- What a process counts for the metrics (core/shared/totals), and what becomes of it.
local ffi = require "ffi"
local core = require "spec.support.core"
local pages = require "spec.support.pages"

ffi.cdef [[
struct totals { uint64_t counts[256]; };
struct totals *totals_own;
struct totals_request { unsigned status; uint64_t us, bytes_in, bytes_out; };
void totals_add_request(const struct totals_request *);
void totals_add_call(unsigned hook, uint64_t us);
void totals_end(void);
const uint64_t totals_bounds_us[14];
]]

-- The numbers of the enums, as they stand in the header.
local function numbers()
  local known = {}
  for list in pages.read("core/shared/totals.h"):gsub("/%*.-%*/", ""):gmatch "enum [%l_ ]*{(.-)\n?}" do
    local at = 0
    for line in list:gmatch "[^,]+" do
      local name, sum = line:match "(TOTALS_[%w_]+)%s*=?%s*(.*)$"
      if name and sum:find "%S" then
        local lua = sum:gsub("TOTALS_[%w_]+", function(other) return tostring(assert(known[other], other)) end)
        at = assert(loadstring("return " .. lua))()
      end
      if name then known[name], at = at, at + 1 end
    end
  end
  return known
end

describe("the totals of a process", function()
  local AT, totals = numbers(), nil
  before_each(function()
    totals = ffi.new "struct totals"
    core.totals_own = totals
  end)
  after_each(function() core.totals_end() end)

  local function ends(status, us, bytes_in, bytes_out)
    core.totals_add_request(ffi.new("struct totals_request", status, us or 1, bytes_in or 0, bytes_out or 0))
  end

  local function count(name, behind) return tonumber(totals.counts[AT[name] + (behind or 0)]) end

  it("have room in what the spec declares", function()
    assert(AT.TOTALS_COUNTS > 40 and AT.TOTALS_COUNTS <= 256, AT.TOTALS_COUNTS)
  end)

  it("have answers by class, and clients that left apart", function()
    for _, status in ipairs { 101, 200, 204, 301, 404, 499, 498, 503, 599, 0, 600 } do ends(status) end
    assert.same({ 1, 2, 1, 2, 2, 1, 2 }, { count "TOTALS_1XX", count "TOTALS_2XX", count "TOTALS_3XX",
      count "TOTALS_4XX", count "TOTALS_5XX", count "TOTALS_499", count "TOTALS_OTHER" })
  end)

  it("have bytes of bodies", function()
    ends(200, 1, 5, 70000000000)
    ends(499, 1, 6, 0)
    assert.same({ 11, 70000000000 }, { count "TOTALS_BYTES_IN", count "TOTALS_BYTES_OUT" })
  end)

  it("have a request in the bucket of the least bound that it does not exceed", function()
    for bound = 0, 13 do
      local us = tonumber(core.totals_bounds_us[bound])
      ends(200, us)
      ends(200, us + 1)
    end
    assert.equal(1, count("TOTALS_WITHIN", 0))
    for bound = 1, 13 do assert.equal(2, count("TOTALS_WITHIN", bound), bound) end
    assert.equal(1, count("TOTALS_WITHIN", 14))
  end)

  it("leave out how long a tunnel lasted", function()
    ends(101, 3600e6)
    ends(200, 250)
    assert.equal(250, count "TOTALS_DURATION_US")
    assert.equal(0, count("TOTALS_WITHIN", 14))
  end)

  it("have one call of a hook in 64, by hook", function()
    for hook = 0, 2 do
      for i = 1, hook + 1 do core.totals_add_call(hook, 49 + i) end
    end
    local function calls(hook, behind) return count("TOTALS_CALLS", hook * AT.TOTALS_CALL_EACH + behind) end
    assert.same({ 1, 1, 1, 0, 1, 2 }, { calls(0, 1), calls(1, 1), calls(2, 1), calls(0, 2), calls(1, 2), calls(2, 2) })
    assert.same({ 50, 101, 153 }, { calls(0, 10), calls(1, 10), calls(2, 10) })
  end)

  it("go nowhere once they have ended", function()
    core.totals_end()
    ends(200)
    assert.equal(0, count "TOTALS_2XX")
  end)
end)
