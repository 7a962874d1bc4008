-- Keys of session tickets: new ones every hour, and the third is the last.
local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef [[
bool tickets_open(struct segment *);
void tickets_keep_up(struct segment *, uint64_t now_ms);
bool tickets_read(const struct segment *, char out[96]);
]]

local HOUR = 3600 * 1000

describe("keys of tickets", function()
  local segment

  before_each(function() segment = ffi.gc(core.segment_new(), core.segment_free) end)

  local function keys()
    local out = ffi.new "char[96]"
    if not core.tickets_read(segment, out) then return nil end
    return { ffi.string(out, 32), ffi.string(out + 32, 32), ffi.string(out + 64, 32) }
  end

  it("are not there before somebody has made them", function() assert.is_nil(keys()) end)

  it("are three, and random", function()
    assert.is_true(core.tickets_open(segment))
    local seen = {}
    for _, key in ipairs(keys()) do
      assert.is_nil(seen[key])
      assert.not_equal(("\0"):rep(32), key)
      seen[key] = true
    end
  end)

  it("stay when another program opens them", function()
    assert.is_true(core.tickets_open(segment))
    local first = keys()
    assert.is_true(core.tickets_open(segment))
    assert.same(first, keys())
  end)

  it("move down by one every hour, and the last is forgotten", function()
    assert.is_true(core.tickets_open(segment))
    core.tickets_keep_up(segment, 1000)
    local before = keys()
    core.tickets_keep_up(segment, 1000 + HOUR - 1)
    assert.same(before, keys())
    core.tickets_keep_up(segment, 1000 + HOUR)
    local after = keys()
    assert.same({ before[1], before[2] }, { after[2], after[3] })
    assert.not_equal(before[1], after[1])
    core.tickets_keep_up(segment, 1000 + HOUR + 1)
    assert.same(after, keys())
  end)
end)
