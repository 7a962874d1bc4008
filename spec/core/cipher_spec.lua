-- The cipher that makes ids of a counter.
local bit = require "bit"
local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef [[
struct cipher_seen { uint32_t keys[27][4]; } __attribute__((aligned(16)));
void cipher_init(struct cipher_seen *, const uint32_t *key);
void cipher_permute(const struct cipher_seen *, uint64_t *blocks);
]]

local function cipher(...)
  local made = ffi.new "struct cipher_seen"
  core.cipher_init(made, ffi.new("uint32_t[4]", ...))
  return made
end

local function permuted(made, ...)
  local blocks, values = ffi.new("uint64_t[4]", ...), {}
  core.cipher_permute(made, blocks)
  for i = 0, 3 do values[i + 1] = bit.tohex(blocks[i]) end
  return values
end

describe("the cipher", function()
  it("is Speck64/128, by its authors' test vector", function()
    local made = cipher { 0x03020100, 0x0b0a0908, 0x13121110, 0x1b1a1918 }
    local values = permuted(made, { 0x3b7265747475432dULL, 1, 0x3b7265747475432dULL, 0x3b7265747475432dULL })
    for _, i in ipairs { 1, 3, 4 } do assert.equal("8c6fa548454e028b", values[i]) end
    assert.not_equal("8c6fa548454e028b", values[2])
  end)

  it("gives different values for different ones, by another key others", function()
    local a, b, seen = cipher { 1, 2, 3, 4 }, cipher { 1, 2, 3, 5 }, {}
    for i = 1, 40000, 4 do
      for _, made in ipairs { a, b } do
        for _, value in ipairs(permuted(made, { i, i + 1, i + 2, i + 3 })) do
          assert.is_nil(seen[value])
          seen[value] = true
        end
      end
    end
  end)
end)
