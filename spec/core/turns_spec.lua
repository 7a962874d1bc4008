-- Turns by source, over a segment of the spec's own (core/shared/turns.h).
local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef [[
uint32_t turns_find(struct segment *, uint32_t counter, struct slice source) __asm__("turns_find");
uint32_t turns_next(struct segment *, uint32_t turn, uint32_t n) __asm__("turns_next");
double turns_part(struct segment *, uint32_t turn) __asm__("turns_part");
]]

local COUNTERS, TURNS = 1024, 1024 -- SEGMENT_COUNTERS_MAX, SEGMENT_TURNS_MAX

describe("turns", function()
  local segment
  before_each(function() segment = ffi.gc(core.segment_new(), core.segment_free) end)

  local function find(counter, source)
    return core.turns_find(segment, counter, ffi.new("struct slice", source, #source))
  end

  it("are the same for a counter and a source, and no others are", function()
    local seen = {}
    for counter = 0, 9 do
      for i = 1, 50 do
        local turn = find(counter, "pool\0" .. i)
        assert(turn >= COUNTERS and turn < COUNTERS + TURNS and not seen[turn])
        seen[turn] = true
        assert.equal(turn, find(counter, "pool\0" .. i))
      end
    end
  end)

  it("go round, by their number, also the turns of counters", function()
    local turn, order = find(0, "x"), {}
    for i = 1, 5 do order[i] = core.turns_next(segment, turn, 3) end
    assert.same({ 1, 2, 3, 1, 2 }, order)
    assert.equal(1, core.turns_next(segment, 7, 3))
    assert.equal(2, core.turns_next(segment, 7, 3))
    assert.equal(0, core.turns_next(segment, turn, 0))
    assert.equal(3, core.turns_next(segment, turn, 3))
  end)

  it("that do not exist give nothing", function()
    for _, number in ipairs { COUNTERS + TURNS, 2 ^ 31, 2 ^ 32 - 1 } do
      assert.equal(0, core.turns_next(segment, number, 3))
      assert.equal(0, core.turns_part(segment, number))
    end
  end)

  it("make place for today's when there is none left", function()
    for i = 1, 5000 do core.turns_next(segment, find(1, "version\0" .. i), 2) end
    local x, y = find(1, "pool\0x"), find(1, "pool\0y")
    assert(x ~= y)
    for i = 1, 5000 do
      for _, turn in ipairs { x, y } do core.turns_next(segment, turn, 2) end
      core.turns_next(segment, find(1, "release\0" .. i), 2)
    end
    assert.equal(x, find(1, "pool\0x"))
    assert.equal(y, find(1, "pool\0y"))
  end)

  it("are shared if all of them are in use", function()
    for _ = 1, 3 do
      for i = 1, 3 * TURNS do
        local turn = find(1, tostring(i))
        assert(turn >= COUNTERS and turn < COUNTERS + TURNS)
        core.turns_next(segment, turn, 2)
      end
    end
  end)

  -- A bound for the steps of the golden section: each part gets its share, give or take 2.
  for every = 1, 4 do
    it("give parts that are even for each " .. every .. ". call", function()
      local turn, seen = find(1, "x"), {}
      for i = 1, 1000 * every do
        local part = core.turns_part(segment, turn)
        assert(part >= 0 and part < 1)
        local tenth = math.floor(part * 10)
        if i % every == 0 then seen[tenth] = (seen[tenth] or 0) + 1 end
      end
      for tenth = 0, 9 do assert(math.abs(seen[tenth] - 100) <= 4, tenth .. ": " .. seen[tenth]) end
    end)
  end
end)
