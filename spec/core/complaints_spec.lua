-- Which of a script's failures are logged (core/script/complaints).
local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef [[
struct complaint { uint32_t hook, kind, line; uint64_t logged_ms, unlogged; };
struct complaints { struct complaint list[32]; uint64_t unlogged_others; };
bool complaints_may_log(struct complaints *, uint32_t hook, uint32_t kind, uint32_t line,
                        uint64_t now_ms, uint64_t *suppressed);
]]

describe("of failures that are alike", function()
  local complaints
  local suppressed = ffi.new "uint64_t[1]"

  before_each(function() complaints = ffi.new "struct complaints" end)

  -- The number of those that were not logged, or nil if this one is not either.
  local function say(hook, kind, line, now_ms)
    return core.complaints_may_log(complaints, hook, kind, line, now_ms, suppressed) and tonumber(suppressed[0]) or nil
  end

  it("one in a second is logged, and how many were not", function()
    assert.equal(0, say(0, 1, 7, 5000))
    for ms = 5001, 5999 do assert.is_nil(say(0, 1, 7, ms)) end
    assert.equal(999, say(0, 1, 7, 6000))
    assert.equal(0, say(0, 1, 7, 9000))
  end)

  it("a frequent one hides no other hook, kind or line", function()
    for i = 0, 100 do
      say(0, 1, 7, 5000)
      assert.equal(i == 0 and 0 or nil, say(0, 1, 8, 5000))
      assert.equal(i == 0 and 0 or nil, say(0, 2, 7, 5000))
      assert.equal(i == 0 and 0 or nil, say(1, 1, 7, 5000))
    end
  end)

  it("there are so many kinds in a second, and the others are counted, too", function()
    for line = 1, 32 do assert.equal(0, say(0, 1, line, 5000)) end
    for line = 33, 40 do assert.is_nil(say(0, 1, line, 5999)) end
    assert.equal(8, say(0, 1, 41, 6000))
    assert.equal(0, say(0, 1, 42, 6000))
  end)
end)
