-- When OpenSSL fails while keys change, nothing is sealed with what was used before.
local ffi = require "ffi"
local compiled = require "spec.support.compiled"
require "spec.support.records" -- declares the functions

ffi.cdef "void play_keys_fail(int call);"

local AES_128, DATA, SECRET = 0x1301, 23, ("s"):rep(32)
local CALLS = 3 -- of a change: the next secret, its key, its iv

describe("keys of TLS 1.3", function()
  local weak, room

  setup(function()
    weak, room = compiled.load "spec/support/weak_keys.c", ffi.new "char[1000]"
    assert(weak.tls_record_prepare())
  end)

  after_each(function() weak.play_keys_fail(-1) end)

  local function new() return ffi.gc(ffi.new "struct tls_keys", weak.tls_keys_wipe) end

  -- Seals a byte; what it was sealed with.
  local function used(keys)
    local text = ("%s %s %d"):format(ffi.string(keys.key, 16), ffi.string(keys.iv, 12), tonumber(keys.sequence))
    assert.equal(5 + 2 + 16, tonumber(weak.tls_record_seal(keys, DATA, ffi.new("struct slice", "x", 1), room)))
    return text
  end

  it("are none if OpenSSL fails while they are made", function()
    for call = 0, CALLS - 2 do
      weak.play_keys_fail(call)
      assert.is_false(weak.tls_keys_set(new(), AES_128, SECRET))
    end
  end)

  it("serve no number twice if OpenSSL fails while they change", function()
    for call = 0, CALLS - 1 do
      local keys, seen = new(), {}
      assert.is_true(weak.tls_keys_set(keys, AES_128, SECRET))
      for _ = 1, 3 do seen[used(keys)] = true end
      weak.play_keys_fail(call)
      assert.is_false(weak.tls_keys_update(keys))
      for _ = 1, 3 do
        local with = used(keys)
        assert.is_nil(seen[with])
        seen[with] = true
      end
      assert.is_true(weak.tls_keys_update(keys))
      assert.is_nil(seen[used(keys)])
    end
  end)
end)
