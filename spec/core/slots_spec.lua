-- Slots of backends in shared memory: who keeps one over reloads, and who gets a free one.
local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef [[
struct slots { uint64_t identity[4096]; bool is_left[4096]; };
uint64_t slots_identity(const char *name, const char *address);
bool slots_find(const struct slots *, const uint64_t *identities, unsigned count, uint16_t *out);
void slots_follow(struct slots *, const uint64_t *identities, const uint16_t *places, unsigned count);
bool slots_is_left(const struct slots *, unsigned slot);
void slots_give_back(struct slots *, unsigned slot);
bool slots_has(const struct slots *, unsigned slot);
]]

describe("slots", function()
  local slots

  before_each(function() slots = ffi.new "struct slots" end)

  local function identities(names)
    local list = ffi.new("uint64_t[?]", #names + 1)
    for i, name in ipairs(names) do list[i - 1] = core.slots_identity(name, name) end
    return list
  end

  -- The places of the script's backends, and it is the current one from now on.
  local function follow(...)
    local names = { ... }
    local list, out = identities(names), ffi.new("uint16_t[?]", #names + 1)
    assert.is_true(core.slots_find(slots, list, #names, out))
    core.slots_follow(slots, list, out, #names)
    local places = {}
    for i = 1, #names do places[i] = out[i - 1] end
    return table.concat(places, " ")
  end

  it("are given in order", function() assert.equal("0 1 2", follow("a", "b", "c")) end)

  it("stay with a backend, wherever it stands in the list", function()
    follow("a", "b", "c")
    assert.equal("2 3 0", follow("c", "d", "a"))
  end)

  it("are not given to another while somebody may go by a script that has the backend", function()
    follow("a", "b")
    assert.equal("1", follow "b")
    assert.is_false(core.slots_has(slots, 0))
    assert.equal("1 2", follow("b", "c"))
    assert.is_true(core.slots_is_left(slots, 0))
    assert.is_false(core.slots_is_left(slots, 1))
    assert.equal("1 3", follow("b", "d"))
    core.slots_give_back(slots, 2) -- which c had, while a is in use still
    assert.equal("1 2", follow("b", "e"))
    core.slots_give_back(slots, 0)
    assert.equal("1 0", follow("b", "f"))
  end)

  it("are found again by a backend that comes back before that", function()
    follow("a", "b")
    follow "b"
    assert.equal("1 0", follow("b", "a"))
  end)

  it("run out, and nothing is changed then", function()
    local names = {}
    for i = 1, 4096 do names[i] = "n" .. i end
    follow(unpack(names))
    assert.is_false(core.slots_find(slots, identities { "n1", "new" }, 2, ffi.new "uint16_t[2]"))
    assert.equal("4095", follow "n4096")
    core.slots_give_back(slots, 0)
    assert.equal("4095 0", follow("n4096", "new"))
  end)

  it("tell names and addresses apart", function()
    assert.are_not.equal(core.slots_identity("ab", "c"), core.slots_identity("a", "bc"))
    assert.are_not.equal(core.slots_identity("a", "b"), core.slots_identity("b", "a"))
  end)
end)
