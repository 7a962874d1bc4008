-- When a child counts as standing still (core/os/pulse).
local ffi = require "ffi"
local core = require "spec.support.core"
local uv = require "luv"
local wait = require "spec.support.loop"

ffi.cdef [[
struct pulse_child { uint64_t events, changed_ms, waited_ms; };
struct pulse { struct pulse_child *list; unsigned count; uint64_t looked_ms; };
void pulse_init(struct pulse *, unsigned count, uint64_t now_ms);
void pulse_dispose(struct pulse *);
void pulse_begin(struct pulse *, unsigned which, uint64_t now_ms);
bool pulse_is_due(struct pulse *, uint64_t now_ms);
uint64_t pulse_still_ms(struct pulse *, unsigned which, uint64_t events, uint64_t now_ms);
uint64_t pulse_own_still_ms(struct pulse *, unsigned which, uint64_t still_ms, uint64_t waited_ms);
uint64_t waited_ms(int pid);
]]

describe("the pulse of a child", function()
  local pulse

  before_each(function()
    pulse = ffi.new "struct pulse"
    core.pulse_init(pulse, 2, 10000)
  end)
  after_each(function() core.pulse_dispose(pulse) end)

  local function still(which, events, now_ms) return tonumber(core.pulse_still_ms(pulse, which, events, now_ms)) end

  it("is looked at four times a second", function()
    assert.is_false(core.pulse_is_due(pulse, 10249))
    assert.is_true(core.pulse_is_due(pulse, 10250))
    assert.is_false(core.pulse_is_due(pulse, 10250))
  end)

  it("is still since its pulse changed last, whatever that says", function()
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

  it("is not blamed for what it waits for a CPU", function()
    local function own(still_ms, waited_ms) return tonumber(core.pulse_own_still_ms(pulse, 0, still_ms, waited_ms)) end
    still(0, 5, 11000)
    assert.equal(1000, own(1000, 70000))
    assert.equal(1050, own(2000, 70950))
    assert.equal(0, own(2100, 75000))
    still(0, 6, 14000)
    assert.equal(1000, own(1000, 75500))
    assert.equal(1900, own(1900, 0)) -- the system did not say
  end)
end)

describe("the time for which a process waits for a CPU", function()
  it("grows while the system runs others", function()
    local pids = {}
    for i = 1, 2 do -- two that want the same CPU
      local loop = io.popen("taskset -c 0 sh -c 'echo $$; exec >&-; while :; do :; done' & ")
      pids[i] = tonumber(loop:read "*l")
      loop:close()
    end
    wait.wait("both to have waited", function()
      return core.waited_ms(pids[1]) > 100 and core.waited_ms(pids[2]) > 100
    end)
    for _, pid in ipairs(pids) do uv.kill(pid, "sigkill") end
  end)

  it("is none of a process that is not there", function()
    assert.equal(0, tonumber(core.waited_ms(2 ^ 30)))
  end)
end)
