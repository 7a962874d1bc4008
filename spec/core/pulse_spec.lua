-- When a child counts as standing still (core/process/pulse).
local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef [[
struct pulse_child { uint64_t beat, changed_ms; };
struct pulse { struct pulse_child *list; unsigned count; uint64_t looked_ms; };
void pulse_init(struct pulse *, unsigned count, uint64_t now_ms);
void pulse_dispose(struct pulse *);
void pulse_begin(struct pulse *, unsigned which, uint64_t now_ms);
bool pulse_is_due(struct pulse *, uint64_t now_ms);
uint64_t pulse_still_ms(struct pulse *, unsigned which, uint64_t beat, uint64_t now_ms);
]]

describe("the pulse of a child", function()
  local pulse

  before_each(function()
    pulse = ffi.new "struct pulse"
    core.pulse_init(pulse, 2, 10000)
  end)
  after_each(function() core.pulse_dispose(pulse) end)

  local function still(which, beat, now_ms) return tonumber(core.pulse_still_ms(pulse, which, beat, now_ms)) end

  it("is looked at four times a second", function()
    assert.is_false(core.pulse_is_due(pulse, 10249))
    assert.is_true(core.pulse_is_due(pulse, 10250))
    assert.is_false(core.pulse_is_due(pulse, 10250))
  end)

  it("is still since its heartbeat changed last, whatever that says", function()
    for second = 11, 20 do
      assert.is_true(core.pulse_is_due(pulse, second * 1000))
      assert.equal(0, still(0, second, second * 1000))
      assert.equal((second - 11) * 1000, still(1, 5, second * 1000))
    end
  end)

  it("begins anew with a new process", function()
    still(0, 5, 11000)
    core.pulse_begin(pulse, 0, 15000)
    assert.equal(1000, still(0, 5, 16000))
  end)

  it("says nothing if the one who looks came late", function()
    still(0, 5, 11000)
    assert.is_true(core.pulse_is_due(pulse, 11000))
    assert.is_true(core.pulse_is_due(pulse, 13001))
    assert.equal(0, still(0, 5, 13001))
  end)
end)
