-- Blocks of fields as lb writes them (RFC 7541): of the static table, without one of its own.
local ffi = require "ffi"
local core = require "spec.support.core"
local hpack = require "spec.support.hpack"

ffi.cdef [[
struct hpack_writer_seen { bool must_resize; };
struct hpack_field_seen { struct slice name, value; bool is_secret; };
void hpack_writer_resize(struct hpack_writer_seen *, uint32_t bytes);
size_t hpack_room(const struct hpack_field_seen *, unsigned count);
size_t hpack_write(struct hpack_writer_seen *, const struct hpack_field_seen *, unsigned count, char *out);
]]

local function writer() return ffi.new "struct hpack_writer_seen" end

-- fields: { name, value, is_secret }, ..
local function block(fields, by)
  local list = ffi.new("struct hpack_field_seen[?]", #fields)
  for i, field in ipairs(fields) do
    local to = list[i - 1]
    to.name.start, to.name.length = field[1], #field[1]
    to.value.start, to.value.length = field[2], #field[2]
    to.is_secret = field[3] or false
  end
  local room = tonumber(core.hpack_room(list, #fields))
  local out = ffi.new("char[?]", room)
  local length = tonumber(core.hpack_write(by or writer(), list, #fields, out))
  assert.is_true(length <= room)
  return ffi.string(out, length)
end

describe("a block of fields that is written", function()
  it("has the numbers of pairs that are in the static table", function()
    for index, pair in ipairs(hpack.static) do
      if pair[2] ~= "" and pair[1]:byte() == (":"):byte() then
        assert.equal(hpack.indexed(index), block { { pair[1], pair[2] } })
      end
    end
  end)

  it("has the numbers of names that are there, the first of each", function()
    local first = {}
    for index, pair in ipairs(hpack.static) do
      first[pair[1]] = first[pair[1]] or index
      assert.equal(hpack.literal(first[pair[1]], "another"), block { { pair[1], "another" } })
    end
  end)

  it("has other names as they are, also those that look alike", function()
    for _, name in ipairs { "x-forwarded-for", "dats", "hosu", ":statut", "x", ("n"):rep(27), ("n"):rep(28), "" } do
      assert.equal(hpack.literal(name, "v"), block { { name, "v" } })
    end
  end)

  it("lets nobody on the way put a secret into a table", function()
    assert.equal(hpack.literal(32, "id=1", { how = "never" }), block { { "cookie", "id=1", true } })
    assert.equal(hpack.literal("x-key", "1", { how = "never" }), block { { "x-key", "1", true } })
  end)

  it("has lengths of any size", function()
    for _, length in ipairs { 0, 1, 126, 127, 128, 254, 255, 256, 16510, 16511, 70000 } do
      local text = ("v"):rep(length)
      assert.equal(hpack.literal("x-a", text), block { { "x-a", text } })
      assert.equal(hpack.literal(text, "v"), block { { text, "v" } })
    end
  end)

  it("says once, in front, that the table is empty, if the peer allows a smaller one", function()
    local by = writer()
    core.hpack_writer_resize(by, 4096)
    assert.equal(hpack.indexed(8), block({ { ":status", "200" } }, by))
    core.hpack_writer_resize(by, 4095)
    core.hpack_writer_resize(by, 65536)
    assert.equal(hpack.resize(0) .. hpack.indexed(8), block({ { ":status", "200" } }, by))
    assert.equal(hpack.indexed(8), block({ { ":status", "200" } }, by))
  end)
end)
