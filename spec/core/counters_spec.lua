-- Named counters in the segment (core/shared/counters.c), called without processes.
local ffi = require "ffi"
local core = require "spec.support.core"

if not pcall(ffi.new, "struct counter_slot") then
  -- struct segment_counter, in a cache line's multiple
  ffi.cdef "struct counter_slot { uint64_t value; uint32_t state; char name[64]; char rest[52]; };"
end
ffi.cdef [[
void *counters_find(struct segment *, struct slice name);
uint32_t counters_next(void *, uint32_t n);
double counters_add(void *, double amount);
double counters_get(void *);
]]

local BEING_NAMED, NAMED, ABANDONED = 1, 2, 3
local MAX = 1024

describe("counters", function()
  local segment

  before_each(function() segment = core.segment_new() end)
  after_each(function() core.segment_free(segment) end)

  local function find(name)
    local found = core.counters_find(segment, ffi.new("struct slice", name, #name))
    return found ~= nil and ffi.cast("struct counter_slot *", found) or nil
  end

  it("are one for each name", function()
    local a, b = find "a", find "b"
    assert.truthy(a ~= b)
    assert.truthy(a == find "a")
    assert.equal("b", ffi.string(b.name))
  end)

  it("go round from 1", function()
    local turn, seen = find "turn", {}
    for i = 1, 5 do seen[i] = core.counters_next(turn, 3) end
    assert.same({ 1, 2, 3, 1, 2 }, seen)
    assert.equal(0, core.counters_next(turn, 0))
  end)

  it("add up and down", function()
    local sum = find "sum"
    assert.equal(5, core.counters_add(sum, 5))
    assert.equal(-2, core.counters_add(sum, -7))
    assert.equal(-2, core.counters_get(sum))
  end)

  it("refuse a name that is empty, too long or has a NUL", function()
    assert.is_nil(find "")
    assert.is_nil(find(("x"):rep(64)))
    assert.is_nil(find "a\0b")
    assert.truthy(find(("x"):rep(63)))
  end)

  it("are no more when all are taken, and those that are stay found", function()
    for i = 1, MAX do assert(find("c" .. i)) end
    assert.is_nil(find "one more")
    assert.equal("c" .. MAX, ffi.string(find("c" .. MAX).name))
  end)

  it("give a slot up whose process died while it named it, and wait for it once only", function()
    local first = find "first"
    local dead = first + 1
    dead.state = BEING_NAMED
    local next_one = find "second"
    assert.truthy(next_one == first + 2)
    assert.equal(NAMED, next_one.state)
    assert.equal(ABANDONED, dead.state)
    local began = os.clock()
    assert.truthy(find "third" == first + 3)
    assert.truthy(find "second" == next_one)
    assert.truthy(os.clock() - began < 0.5)
  end)
end)
