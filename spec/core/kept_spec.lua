-- A look at a stream over TLS reads it: what it finds is kept, and reported in its order.
local ffi = require "ffi"
local compiled = require "spec.support.compiled"
local core = require "spec.support.core"
local records = require "spec.support.records"

ffi.cdef [[
bool tls_own_prepare(void);
void play_kept_begin(uint16_t suite, const char *secret, bool looks, bool pauses);
void play_kept_record(unsigned at, const char *bytes, size_t length);
const char *play_kept(void);
const char *play_kept_go_on(void);
void play_kept_end(void);
]]

local kept = compiled.load "spec/support/kept.c"
local AES_128, SECRET = 0x1301, ("s"):rep(32)
local DATA, CLOSE_NOTIFY = "\23", "\1\0\21"

describe("what a look at a stream over TLS keeps", function()
  local sealed

  setup(function() assert(core.tls_own_prepare()) end)

  local function begin(looks, pauses, ...)
    local keys = records.keys(AES_128, SECRET)
    sealed = {}
    kept.play_kept_begin(AES_128, SECRET, looks, pauses)
    for i, inner in ipairs { ... } do
      sealed[i] = inner == "broken" and ("\23\3\3\0\32" .. ("x"):rep(32)) or records.forge(keys, inner)
      kept.play_kept_record(i - 1, sealed[i], #sealed[i])
    end
    return ffi.string(kept.play_kept())
  end

  after_each(function() kept.play_kept_end() end)

  it("comes before what was read behind it, and that before what the next look finds", function()
    assert.equal("bytes:12 bytes:3 ", begin(true, false, "1" .. DATA, "2" .. DATA, "3" .. DATA))
  end)

  it("comes before the end, which waits for an owner that pauses", function()
    assert.equal("bytes:1 ", begin(false, true, "1" .. DATA, CLOSE_NOTIFY))
    assert.equal("bytes:1 end ", ffi.string(kept.play_kept_go_on()))
  end)

  it("comes before what broke behind it, whether its owner pauses or not", function()
    for _, pauses in ipairs { false, true } do
      assert.equal("bytes:1 EPROTO ", begin(false, pauses, "1" .. DATA, "broken"))
      if not pauses then kept.play_kept_end() end
    end
  end)
end)
