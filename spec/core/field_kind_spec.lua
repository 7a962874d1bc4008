-- Which header fields lb knows by name.
local ffi = require "ffi"
local core = require "spec.support.forward"
local forwarded = require "spec.support.forwarded_heads"
local http = require "spec.support.http"

ffi.cdef "int field_kind_of(struct slice);"

local HOP_BY_HOP, CREDENTIALS = forwarded.HOP_BY_HOP, forwarded.CREDENTIALS

describe("a field's name", function()
  local function kind(name) return core.field_kind_of(http.slice(name)) end

  it("is known in any letter case, and only as a whole", function()
    for _, names in ipairs { HOP_BY_HOP, CREDENTIALS,
      { "Host", "Expect", "Max-Forwards", "Content-Length", "Trailer", "Forwarded", "X-Forwarded-For" } } do
      for _, name in ipairs(names) do
        assert.not_equal(0, kind(name), name)
        assert.equal(kind(name), kind(name:upper()))
        assert.equal(kind(name), kind(name:lower()))
        assert.not_equal(kind(name), kind(name .. "x"), name)
        if name ~= "Cookie2" then assert.not_equal(kind(name), kind(name:sub(1, -2)), name) end
        assert.not_equal(kind(name), kind("x" .. name), name)
      end
    end
  end)

  it("ends where it ends", function()
    for _, name in ipairs { "X-Forwarded-For", "Content-Length", "Proxy-Authentication-Info" } do
      for length = 0, #name - 1 do
        local known = name:sub(1, length):find "^X%-Forwarded%-"
        assert.equal(known and kind "X-Forwarded-Other" or 0, core.field_kind_of(ffi.new("struct slice", name, length)))
      end
    end
  end)

  it("of any length is looked up", function()
    for length = 0, 300 do assert.equal(0, kind(("n"):rep(length))) end
  end)
end)
