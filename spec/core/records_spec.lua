-- Facts that one program writes down and another reads.
local ffi = require "ffi"
local core = require "spec.support.core"
require "spec.support.http" -- slices and buffers

ffi.cdef [[
struct record { struct slice kind, facts; };
size_t records_begin(struct buffer *, const char *kind);
void records_end(struct buffer *, size_t begun);
void records_add(struct buffer *, const char *name, struct slice bytes);
void records_add_number(struct buffer *, const char *name, uint64_t number);
bool records_next(struct slice *rest, struct record *);
struct slice record_bytes(const struct record *, const char *name);
uint64_t record_number(const struct record *, const char *name, uint64_t otherwise);
]]

local function text(slice) return ffi.string(slice.start, slice.length) end

describe("records", function()
  local out, rest, record

  before_each(function()
    out, rest, record = ffi.new "struct buffer", ffi.new "struct slice", ffi.new "struct record"
    for i = 1, 2 do
      local begun = core.records_begin(out, "kind" .. i)
      core.records_add_number(out, "number", 0xffffffffffffff0aULL)
      core.records_add(out, "bytes", ffi.new("struct slice", "a\0b", 3))
      core.records_add(out, "", ffi.new("struct slice", "", 0))
      core.records_end(out, begun)
    end
    rest.start, rest.length = out.bytes, out["end"]
  end)

  after_each(function() core.buffer_dispose(out) end)

  it("are read in their order, each fact by its name", function()
    for i = 1, 2 do
      assert.is_true(core.records_next(rest, record))
      assert.equal("kind" .. i, text(record.kind))
      assert.equal("a\0b", text(core.record_bytes(record, "bytes")))
      assert.is_true(core.record_number(record, "number", 1) == 0xffffffffffffff0aULL)
    end
    assert.is_false(core.records_next(rest, record))
  end)

  it("have what the reader says where a fact is missing, or is no number", function()
    assert.is_true(core.records_next(rest, record))
    assert.is_true(core.record_number(record, "none", 7) == 7ULL)
    assert.is_true(core.record_number(record, "bytes", 8) == 8ULL)
    assert.equal("", text(core.record_bytes(record, "none")))
  end)

  it("end where they are cut, wherever that is", function()
    local whole = tonumber(rest.length)
    for length = 0, whole - 1 do
      rest.start, rest.length = out.bytes, length
      local count = 0
      while core.records_next(rest, record) do count = count + 1 end
      assert.equal(length >= whole / 2 and 1 or 0, count)
    end
  end)
end)
