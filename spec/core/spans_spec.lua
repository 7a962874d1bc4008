-- A worker's ring of spans: what is put there is taken once, in order, and what is lost is counted.
local ffi = require "ffi"
local core = require "spec.support.core"

local KEPT, TEXTS = 2048, 6

ffi.cdef [[
struct span_seen {
  char trace[32];
  uint64_t span, parent, start_us, end_us;
  uint16_t status, bytes, lengths[6];
  uint8_t kind, version, resends, is_error, is_secure, padding[3];
  char texts[408];
};
void spans_put(struct segment *, unsigned slot, const struct span_seen *);
bool spans_take(struct segment *, unsigned slot, struct span_seen *, uint64_t *lost);
bool spans_are_there(const struct segment *, unsigned slot);
size_t utf8_cut(struct slice text, size_t most);
]]

describe("a ring of spans", function()
  local segment

  before_each(function() segment = ffi.gc(core.segment_new(), core.segment_free) end)

  local function put(number, text, slot)
    local span = ffi.new "struct span_seen"
    span.span, span.bytes, span.lengths[0] = number, #text, #text
    ffi.copy(span.texts, text, #text)
    core.spans_put(segment, slot or 0, span)
  end

  local function take(slot)
    local span, lost = ffi.new "struct span_seen", ffi.new "uint64_t[1]"
    if not core.spans_take(segment, slot or 0, span, lost) then return nil, nil, tonumber(lost[0]) end
    return tonumber(span.span), ffi.string(span.texts, span.bytes), tonumber(lost[0])
  end

  it("is as large as C has it", function() assert.equal(496, ffi.sizeof "struct span_seen") end)

  it("gives each one once, in order, whole, and of its worker only", function()
    assert.is_false(core.spans_are_there(segment, 0))
    assert.is_nil((take()))
    for i = 1, 500 do put(i, ("x"):rep(i % 409)) end
    put(7, "other", 255)
    assert.is_true(core.spans_are_there(segment, 0))
    for i = 1, 500 do assert.same({ i, ("x"):rep(i % 409), 0 }, { take() }) end
    assert.is_nil((take()))
    assert.same({ 7, "other", 0 }, { take(255) })
    assert.is_false(core.spans_are_there(segment, 255))
  end)

  it("goes round for ever", function()
    for i = 1, 5 * KEPT do
      put(i, "a")
      assert.equal(i, (take()))
    end
  end)

  it("is written over where nobody takes them, and says how many are lost", function()
    for i = 1, KEPT + 100 do put(i, "a") end
    assert.same({ 101, "a", 100 }, { take() })
    for i = 102, KEPT + 100 do assert.same({ i, "a", 0 }, { take() }) end
    assert.is_nil((take()))
  end)

  it("cuts texts between two characters", function()
    local text = "ab\195\188\228\184\173"
    local expected = { [0] = 0, 1, 2, 2, 4, 4, 4 }
    for most = 0, 6 do
      assert.equal(expected[most], tonumber(core.utf8_cut(ffi.new("struct slice", text, #text), most)), most)
    end
    assert.equal(TEXTS, ffi.sizeof(ffi.new("struct span_seen").lengths) / 2)
  end)
end)
