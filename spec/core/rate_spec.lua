-- Bytes by the clock, and whether they are enough.
local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef [[
struct rate { uint64_t ms, bytes, since_ms, since; };
void rate_run(struct rate *, uint64_t now_ms, uint64_t moved);
void rate_rest(struct rate *, uint64_t now_ms, uint64_t moved);
bool rate_is_too_low(struct rate *, uint64_t now_ms, uint64_t moved, uint64_t least);
]]

describe("a least rate of 100 bytes a second", function()
  local rate

  local function begin(moved)
    rate = ffi.new "struct rate"
    core.rate_run(rate, 5000, moved or 700)
  end

  before_each(function() begin() end)

  local function is_too_low(now_ms, moved, least) return core.rate_is_too_low(rate, now_ms, moved, least or 100) end

  it("asks for nothing before 10 s are over", function() assert.falsy(is_too_low(14999, 701)) end)

  it("wants 1000 bytes then", function()
    assert.truthy(is_too_low(15000, 1699))
    begin()
    assert.falsy(is_too_low(15000, 1700))
  end)

  it("looks at the next 10 s by themselves", function()
    assert.falsy(is_too_low(15000, 1000000))
    assert.falsy(is_too_low(24999, 1000001))
    assert.truthy(is_too_low(25000, 1000002))
  end)

  it("takes what comes after a long silence as it takes any", function()
    assert.falsy(is_too_low(40000, 1700))
    assert.truthy(is_too_low(90000, 2699))
  end)

  it("leaves out the time in which it stood still, and what moved in it", function()
    core.rate_rest(rate, 11000, 1000) -- 6 s, 300 bytes
    core.rate_rest(rate, 50000, 9000)
    assert.falsy(is_too_low(90000, 9999))
    core.rate_run(rate, 90000, 10000)
    core.rate_run(rate, 91000, 10500)
    assert.falsy(is_too_low(93999, 10000))
    assert.truthy(is_too_low(94000, 10699))
  end)

  it("and has enough if both parts are", function()
    core.rate_rest(rate, 11000, 1000)
    core.rate_run(rate, 90000, 10000)
    assert.falsy(is_too_low(94000, 10700))
  end)

  it("bears a count that wraps", function()
    begin(-500ULL)
    assert.falsy(is_too_low(15000, 500))
    begin(-500ULL)
    assert.truthy(is_too_low(15000, 499))
  end)

  it("of 0 is none", function() assert.falsy(is_too_low(15000, 700, 0)) end)
end)
