-- What stands in JSON (core/base/json_read), also in JSON that is damaged.
local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef [[
struct slice json_member(struct slice object, const char *name);
bool json_next(struct slice *rest, struct slice *value);
bool json_next_member(struct slice *rest, struct slice *name, struct slice *value);
void json_append_characters(struct buffer *, struct slice value);
]]

local function slice(text) return ffi.new("struct slice", text, #text) end
local function text_of(found) return ffi.string(found.start, found.length) end

-- Borrows the text until it is read.
local function member(text, name) return text_of(core.json_member(slice(text), name)) end

local function characters(value)
  local buffer = ffi.new "struct buffer"
  core.json_append_characters(buffer, slice(value))
  local text = buffer.bytes ~= nil and ffi.string(buffer.bytes + buffer.start, buffer["end"] - buffer.start) or ""
  core.buffer_dispose(buffer)
  return text
end

describe("JSON", function()
  local TEXT = '{ "a" : 1.5, "b":"x,\\"y}", "c":{"d":[1,{"a":2}],"e":null} ,"f":[ ], "g":true}'

  it("has members, where they stand", function()
    assert.same({ "1.5", '"x,\\"y}"', '{"d":[1,{"a":2}],"e":null}', "[ ]", "true", "" }, {
      member(TEXT, "a"), member(TEXT, "b"), member(TEXT, "c"), member(TEXT, "f"), member(TEXT, "g"), member(TEXT, "d"),
    })
    assert.equal('[1,{"a":2}]', member(member(TEXT, "c"), "d"))
  end)

  it("has elements of lists", function()
    local text = '[1, "a]" ,{"b":[2]},[]]'
    local rest, value, found = slice(text), ffi.new "struct slice", {}
    while core.json_next(rest, value) do found[#found + 1] = text_of(value) end
    assert.same({ "1", '"a]"', '{"b":[2]}', "[]" }, found)
  end)

  it("has texts with their escapes undone", function()
    assert.equal('a"\\/\n\tb', characters '"a\\"\\\\\\/\\n\\tb"')
    assert.equal("\27é€", characters '"\\u001b\\u00e9\\u20ac"')
    assert.equal("12", characters "12")
    assert.equal("", characters '"\\u12')
    assert.equal("a", characters '"a\\')
    assert.equal('"', characters '"')
  end)

  it("is read to its end at most, however it is damaged", function()
    math.randomseed(11)
    local SIGNS = '{}[],:"\\u01ax \0'
    for _ = 1, 5000 do
      local bytes = {}
      for i = 1, math.random(0, 30) do
        local at = math.random(#SIGNS)
        bytes[i] = SIGNS:sub(at, at)
      end
      local text = "{" .. table.concat(bytes)
      local rest, name, value = slice(text), ffi.new "struct slice", ffi.new "struct slice"
      local start, count = ffi.cast("uintptr_t", rest.start), 0
      while core.json_next_member(rest, name, value) do
        count = count + 1
        assert(ffi.cast("uintptr_t", value.start) + value.length <= start + #text)
        characters(text_of(value))
      end
      assert(count <= #text)
    end
  end)
end)
