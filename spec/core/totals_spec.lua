-- What is counted has a name, by which a program with another layout of memory counts it on.
local ffi = require "ffi"
local core = require "spec.support.core"
local read = require("spec.support.files").read

ffi.cdef [[
const char *totals_name(unsigned count, char room[48]);
int totals_find(struct slice name);
]]

describe("what is counted", function()
  it("has a name", function()
    local names, found = read("core/shared/totals.c"):match "%-%-%- names %-%-%-.*", 0
    for name in read("core/shared/totals.h"):match("enum totals_count (%b{})"):gmatch "\n    (TOTALS_[%u%d_]+)" do
      found = found + 1
      assert.truthy(name == "TOTALS_COUNTS" or names:find(name .. "%W"), name)
    end
    assert.truthy(found > 30)
  end)

  it("is found by it", function()
    local room, i, seen = ffi.new "char[48]", 0, {}
    repeat
      local name = ffi.string(core.totals_name(i, room))
      local number = core.totals_find(ffi.new("struct slice", name, #name))
      assert.equal(i, number, name)
      assert.is_nil(seen[name])
      assert.falsy(name:find "unnamed", i)
      seen[name], i = true, i + 1
    until name == "spans_refused"
    assert.truthy(seen["within.1000"] and seen["choose.more"] and seen["on_response.us"] and seen["tls_refused.7"])
    assert.equal(-1, core.totals_find(ffi.new("struct slice", "nothing", 7)))
  end)
end)
