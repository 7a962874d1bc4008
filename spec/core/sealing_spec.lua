-- Into how many records bytes go: short ones first, of which a client can make use sooner.
local ffi = require "ffi"
local compiled = require "spec.support.compiled"
local core = require "spec.support.core"

ffi.cdef [[
bool tls_own_prepare(void);
void play_sealing_begin(uint16_t suite, const char *secret);
unsigned play_sealing(const unsigned *lengths, unsigned count, uint64_t now_ms, unsigned *records);
void play_sealing_end(void);
]]

local AES_128, SHORT, LONG, KIB = 0x1301, 4096, 16384, 1024

describe("bytes over TLS", function()
  local sealing
  local records = ffi.new "unsigned[1000]"

  setup(function()
    assert(core.tls_own_prepare())
    sealing = compiled.load "spec/support/sealing.c"
  end)

  before_each(function() sealing.play_sealing_begin(AES_128, ("s"):rep(32)) end)
  after_each(function() sealing.play_sealing_end() end)

  local function sealed(now_ms, ...)
    local list = {}
    for i = 0, sealing.play_sealing(ffi.new("unsigned[16]", { ... }), select("#", ...), now_ms, records) - 1 do
      list[i + 1] = records[i]
    end
    return list
  end

  local function times(count, length, ...)
    local list = {}
    for i = 1, count do list[i] = length end
    for _, more in ipairs { ... } do list[#list + 1] = more end
    return list
  end

  it("begin with 64 KiB in short records, and go on in long ones", function()
    assert.same(times(16, SHORT, LONG, LONG, 1), sealed(5000, 96 * KIB + 1))
    assert.same({ LONG, 100 }, sealed(5999, LONG + 100))
  end)

  it("begin so again after a rest of a second, and not before", function()
    sealed(5000, 64 * KIB)
    assert.same({ LONG }, sealed(5999, LONG))
    assert.same({ LONG }, sealed(6998, LONG))
    assert.same(times(4, SHORT), sealed(7998, LONG))
  end)

  it("are joined from their parts, and count in small pieces, too", function()
    assert.same({ SHORT, SHORT, 10 }, sealed(5000, 100, 0, SHORT, SHORT - 90))
    for _ = 1, 560 do assert.same({ 100 }, sealed(5001, 40, 60)) end
    assert.same({ SHORT, LONG, 3 }, sealed(5002, SHORT + LONG, 3))
  end)
end)
