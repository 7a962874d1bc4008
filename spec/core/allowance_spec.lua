-- Retries for requests, further connections for the first ones: both are counted like this.
local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef [[
struct allowance_seen {
  double fraction, least;
  uint64_t second;
  uint32_t usual[10], extra[10];
  uint64_t usual_sum, extra_sum;
};
void allowance_init(struct allowance_seen *, double fraction, double least);
void allowance_note(struct allowance_seen *, uint64_t now_ms);
bool allowance_has(struct allowance_seen *, uint64_t now_ms);
bool allowance_take(struct allowance_seen *, uint64_t now_ms);
]]

describe("an allowance", function()
  local function allowance(fraction, least)
    local made = ffi.new "struct allowance_seen"
    core.allowance_init(made, fraction, least or 30)
    return made
  end

  local function take_all(from, at)
    local count = 0
    while core.allowance_take(from, at) do
      count = count + 1
      assert(count < 100000, "endless")
    end
    return count
  end

  local function usual(to, count, at)
    for _ = 1, count do core.allowance_note(to, at) end
  end

  for _, start in ipairs { 0, 999, 12345, 1700000000000 } do
    it("is the least of it without a usual one, from " .. start .. " ms", function()
      local b = allowance(0.2)
      assert.equal(30, take_all(b, start))
      assert.equal(0, take_all(b, start))
    end)
  end

  it("is a fraction of the usual ones more", function()
    local b = allowance(0.2)
    usual(b, 100, 5000)
    assert.equal(50, take_all(b, 5000))
    usual(b, 4, 5000)
    assert.equal(0, take_all(b, 5000))
    usual(b, 1, 5000)
    assert.equal(1, take_all(b, 5000))
  end)

  it("is there until it is taken", function()
    local one = allowance(0, 1)
    for _ = 1, 3 do assert.is_true(core.allowance_has(one, 5000)) end
    assert.equal(1, take_all(one, 5000))
    assert.is_false(core.allowance_has(one, 5000))
  end)

  it("may be no fraction, or all", function()
    local none, all = allowance(0), allowance(1)
    usual(none, 1000, 0)
    usual(all, 1000, 0)
    assert.same({ 30, 1030 }, { take_all(none, 0), take_all(all, 0) })
  end)

  it("comes back when its second is ten seconds ago, not before", function()
    local b = allowance(0.2)
    assert.equal(30, take_all(b, 20999))
    for at = 21000, 29999, 333 do assert.equal(0, take_all(b, at)) end
    assert.equal(0, take_all(b, 29999))
    assert.equal(30, take_all(b, 30000))
  end)

  it("goes when the usual ones that gave it are ten seconds ago", function()
    local b = allowance(0.5)
    usual(b, 100, 1000)
    for _ = 1, 40 do assert.is_true(core.allowance_take(b, 5000)) end
    assert.is_true(core.allowance_take(b, 10999))
    assert.is_false(core.allowance_take(b, 11000))
    assert.equal(29, take_all(b, 15000)) -- and one is of second 10
  end)

  it("does not mind a long silence, or a clock that stands", function()
    local b = allowance(0.2)
    usual(b, 1000, 0)
    take_all(b, 0)
    assert.equal(30, take_all(b, 10000000000))
    assert.equal(0, take_all(b, 10000000000))
    usual(b, 5, 10000000000)
    assert.equal(1, take_all(b, 10000000000))
  end)

  it("is the same as counting every event of the last ten seconds", function()
    math.randomseed(11)
    local b, now, events, refused = allowance(0.25), 0, {}, 0
    for step = 1, 20000 do
      local jump = math.random()
      if jump < 0.001 then
        now = now + math.random(0, 30000)
      elseif jump < 0.3 then
        now = now + math.random(0, 150)
      end
      local second = math.floor(now / 1000)
      local asked, taken = 0, 0
      local kept = {}
      for _, event in ipairs(events) do
        if event.second > second - 10 then
          table.insert(kept, event)
          if event.retry then taken = taken + 1 else asked = asked + 1 end
        end
      end
      events = kept
      if math.random() < 0.4 then
        core.allowance_note(b, now)
        table.insert(events, { second = second })
      else
        local expected = taken + 1 <= asked * 0.25 + 30
        assert.same({ step, expected }, { step, core.allowance_take(b, now) })
        if expected then table.insert(events, { second = second, retry = true }) else refused = refused + 1 end
      end
    end
    assert.is_true(refused > 100 and refused < 12000, refused)
  end)
end)
