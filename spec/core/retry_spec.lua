-- Whether a request may be sent again after its attempt has failed.
local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef [[
struct retry_facts_given { bool was_sent, idempotent, has_key, allowed, body_whole; };
bool retry_is_safe(const struct retry_facts_given *);
]]

describe("a request goes out again", function()
  local function is_safe(given) return core.retry_is_safe(ffi.new("struct retry_facts_given", given)) end

  it("if nothing of it was sent", function()
    assert.is_true(is_safe { body_whole = true })
  end)

  it("if its method, its key or the policy makes that harmless", function()
    assert.is_true(is_safe { was_sent = true, body_whole = true, idempotent = true })
    assert.is_true(is_safe { was_sent = true, body_whole = true, has_key = true })
    assert.is_true(is_safe { was_sent = true, body_whole = true, allowed = true })
  end)

  it("never if it may have reached a backend and nothing makes that harmless", function()
    assert.is_false(is_safe { was_sent = true, body_whole = true })
  end)

  it("never if its body is not whole any more", function()
    assert.is_false(is_safe { was_sent = true, idempotent = true })
    assert.is_false(is_safe { was_sent = true, idempotent = true, has_key = true, allowed = true })
  end)

  it("for no other reason", function()
    local names = { "was_sent", "idempotent", "has_key", "allowed", "body_whole" }
    for number = 0, 31 do
      local given = {}
      for i, name in ipairs(names) do given[name] = bit.band(number, bit.lshift(1, i - 1)) ~= 0 end
      local harmless = not given.was_sent or given.idempotent or given.has_key or given.allowed
      given.expected, given.seen = given.body_whole and harmless, is_safe(given)
      assert.same({ given, given.expected }, { given, given.seen })
    end
  end)
end)
