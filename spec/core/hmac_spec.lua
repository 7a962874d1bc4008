-- lb.hmac and lb.equal: HMAC-SHA-256 by the vectors of RFC 4231, the hash by FIPS 180's.
local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef [[
struct sha256 { uint32_t state[8]; uint64_t length; uint8_t block[64]; };
void sha256_init(struct sha256 *);
void sha256_add(struct sha256 *, struct slice);
void sha256_end(struct sha256 *, uint8_t digest[32]);
void codes_hmac(const char *key, size_t key_length, const char *text, size_t length, char hex[64]);
bool texts_equal(const char *a, const char *b, size_t length);
]]

local function from_hex(text) return (text:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end)) end

local function sha256(...)
  local hash, digest = ffi.new "struct sha256", ffi.new "uint8_t[32]"
  core.sha256_init(hash)
  for _, piece in ipairs { ... } do core.sha256_add(hash, ffi.new("struct slice", piece, #piece)) end
  core.sha256_end(hash, digest)
  return (ffi.string(digest, 32):gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

describe("SHA-256", function()
  it("is what FIPS 180 says", function()
    assert.equal("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", sha256 "")
    assert.equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", sha256 "abc")
    assert.equal("248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
      sha256 "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")
    assert.equal("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0", sha256(("a"):rep(1000000)))
  end)

  it("is the same in any pieces", function()
    local text = ("0123456789"):rep(20)
    local whole = sha256(text)
    for at = 0, #text do assert.equal(whole, sha256(text:sub(1, at), text:sub(at + 1))) end
    for step = 1, 70 do
      local pieces = {}
      for at = 1, #text, step do pieces[#pieces + 1] = text:sub(at, at + step - 1) end
      assert.equal(whole, sha256(unpack(pieces)))
    end
  end)
end)

describe("HMAC-SHA-256", function()
  local function hmac(key, text)
    local hex = ffi.new "char[64]"
    core.codes_hmac(key, #key, text, #text, hex)
    return ffi.string(hex, 64)
  end

  -- RFC 4231, 4.2 to 4.8
  local cases = {
    { ("\11"):rep(20), "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
    { "Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
    { ("\170"):rep(20), ("\221"):rep(50), "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe" },
    { from_hex "0102030405060708090a0b0c0d0e0f10111213141516171819", ("\205"):rep(50),
      "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b" },
    { ("\170"):rep(131), "Test Using Larger Than Block-Size Key - Hash Key First",
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
    { ("\170"):rep(131), "This is a test using a larger than block-size key and a larger than block-size data. "
      .. "The key needs to be hashed before being used by the HMAC algorithm.",
      "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2" },
  }

  for i, case in ipairs(cases) do
    it("gives vector " .. i .. " of RFC 4231", function() assert.equal(case[3], hmac(case[1], case[2])) end)
  end

  it("takes empty texts", function()
    assert.equal("b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad", hmac("", ""))
  end)
end)

describe("lb.equal", function()
  it("is true of the same bytes only", function()
    assert.is_true(core.texts_equal("abc", "abc", 3))
    assert.is_false(core.texts_equal("abc", "abd", 3))
    assert.is_false(core.texts_equal("\0bc", "\1bc", 3))
    assert.is_true(core.texts_equal("", "", 0))
  end)
end)
