-- Who the backends are, in shared memory (core/shared/roster.h).
local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef [[
struct roster_entry {
  char name[256], address[280], tags[480];
  uint32_t weight, max_in_flight, ramp_ms, priority, source, drains;
};
void roster_put(struct segment *, unsigned slot, const struct roster_entry *);
bool roster_read(const struct segment *, unsigned slot, struct roster_entry *out);
]]

local NAME = "a name that is nowhere else"

-- The version of the slot that has the name: the only word before it that is not zero.
local function version_of(segment)
  local bytes, wanted = ffi.cast("const char *", segment), ffi.new("char[?]", #NAME + 1, NAME)
  local at = 0
  ffi.cdef "int memcmp(const void *, const void *, size_t);"
  while ffi.C.memcmp(bytes + at, wanted, #NAME + 1) ~= 0 do at = at + 8 end
  return ffi.cast("uint32_t *", bytes + at - 8)
end

describe("the roster", function()
  local segment, entry, seen

  before_each(function()
    segment = ffi.gc(core.segment_new(), core.segment_free)
    entry, seen = ffi.new "struct roster_entry", ffi.new "struct roster_entry"
    entry.name, entry.weight = NAME, 7
  end)

  it("says who has a slot", function()
    assert.is_false(core.roster_read(segment, 0, seen))
    core.roster_put(segment, 0, entry)
    assert.is_true(core.roster_read(segment, 0, seen))
    assert.same({ NAME, 7 }, { ffi.string(seen.name), seen.weight })
  end)

  it("is not written if nothing has changed", function()
    core.roster_put(segment, 0, entry)
    local version = version_of(segment)
    local before = version[0]
    core.roster_put(segment, 0, entry)
    assert.equal(before, version[0])
  end)

  it("can be read again after a process died that had written all but the version", function()
    core.roster_put(segment, 0, entry)
    local version = version_of(segment)
    version[0] = version[0] + 1
    assert.is_false(core.roster_read(segment, 0, seen))
    core.roster_put(segment, 0, entry)
    assert.is_true(core.roster_read(segment, 0, seen))
  end)
end)
