-- lb.verify: the vectors of RFC 7515 (A.2, A.3) and RFC 8037 (A.4), keys in PEM as openssl makes
-- them, and what is refused.
local codes = require("spec.support.fake_codes").new()
local core = require "spec.support.core"
local loaded = require "spec.support.loaded"
local process = require "spec.support.process"
local signer = require "spec.support.signer"

local VECTORS = [[
local d = lb.base64url.decode
local JOE = ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
local rsa = { kty = "RSA", e = "AQAB", n =
  "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR" ..
  "T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXB" ..
  "dQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9ia" ..
  "GNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ" }
local p256 = { kty = "EC", crv = "P-256", x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
  y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" }
local ed = { kty = "OKP", crv = "Ed25519", x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }
local A2 = { "RS256", rsa, "eyJhbGciOiJSUzI1NiJ9" .. JOE, d(
  "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9" ..
  "uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB" ..
  "_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rq" ..
  "Vt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw") }
local A3 = { "ES256", p256, "eyJhbGciOiJFUzI1NiJ9" .. JOE,
  d "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q" }
local A4 = { "EdDSA", ed, "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
  d "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg" }

local function same(is, why, wanted, wanted_why)
  if is ~= wanted or why ~= wanted_why then
    error(("<%s, %s>, not <%s, %s>"):format(tostring(is), tostring(why), tostring(wanted), tostring(wanted_why)), 2)
  end
end
local function answers(vector, wanted, why)
  local is, said = lb.verify(unpack(vector))
  same(is, said, wanted, why)
end
local function changed(key, with)
  local copy = {}
  for name, value in pairs(key) do copy[name] = value end
  for name, value in pairs(with) do
    copy[name] = value
    if value == 0 then copy[name] = nil end
  end
  return copy
end
local function with_key(vector, with) return { vector[1], changed(vector[2], with), vector[3], vector[4] } end
]]

local HOLDS = {
  ["the vectors of RFC 7515 and RFC 8037, again and again"] = [[
    for _ = 1, 3 do
      for _, vector in ipairs { A2, A3, A4 } do answers(vector, true) end
    end]],
  ["each byte of a signature, and of a text"] = [[
    for _, vector in ipairs { A2, A3, A4 } do
      local name, key, text, signature = unpack(vector)
      for i = 1, #signature do
        local wrong = signature:sub(1, i - 1) .. string.char(bit.bxor(signature:byte(i), 1)) .. signature:sub(i + 1)
        answers({ name, key, text, wrong }, false)
      end
      for i = 1, #text do
        local wrong = text:sub(1, i - 1) .. string.char(bit.bxor(text:byte(i), 1)) .. text:sub(i + 1)
        answers({ name, key, wrong, signature }, false)
      end
    end]],
  ["signatures of any length, and empty texts"] = [[
    for _, vector in ipairs { A2, A3, A4 } do
      local name, key, text, signature = unpack(vector)
      for _, wrong in ipairs { "", signature:sub(1, -2), signature .. "\0", "\0" .. signature, signature .. signature,
        ("\0"):rep(#signature), ("\255"):rep(#signature), ("x"):rep(2 ^ 18) } do
        answers({ name, key, text, wrong }, false)
      end
      answers({ name, key, "", signature }, false)
    end]],
  ["that a signature of P-256 is no DER, as in JWS"] = [[
    local r, s = A3[4]:sub(1, 32), A3[4]:sub(33)
    answers({ "ES256", p256, A3[3], "\48\69\2\32" .. r .. "\2\33\0" .. s }, false)]],
  ["another key than the signer's"] = [[
    answers(with_key(A4, { x = "d1WQcCnH_n3a93xmwNFlVGpy9bD2PCYI2KfbCPZPWzI" }), false)
    answers(with_key(A2, { n = "sfgW" .. rsa.n:sub(5) }), false)]],
  ["which keys fit which algorithm"] = [[
    answers({ "RS256", p256, "", "" }, nil, 'RS256 needs a key with kty = "RSA"')
    answers({ "RS256", ed, "", "" }, nil, 'RS256 needs a key with kty = "RSA"')
    answers({ "ES256", rsa, "", "" }, nil, 'ES256 needs a key with kty = "EC"')
    answers({ "EdDSA", rsa, "", "" }, nil, 'EdDSA needs a key with kty = "OKP"')
    answers(with_key(A3, { crv = "P-384" }), nil, 'ES256 needs a key with crv = "P-256"')
    answers(with_key(A4, { crv = "X25519" }), nil, 'EdDSA needs a key with crv = "Ed25519"')
    answers({ "RS256", {}, "", "" }, nil, 'RS256 needs a key with kty = "RSA"')]],
  ["what a key is for"] = [[
    answers(with_key(A2, { alg = "RS256", use = "sig", kid = "1" }), true)
    answers(with_key(A2, { alg = lb.json.null, use = lb.json.null }), true)
    answers(with_key(A2, { alg = "RS512" }), nil, "the key's alg is another than RS256")
    answers(with_key(A2, { alg = "none" }), nil, "the key's alg is another than RS256")
    answers(with_key(A2, { use = "enc" }), nil, 'the key\'s use is another than "sig"')]],
  ["keys that are none"] = [[
    local CANNOT = "the key cannot be used: "
    answers(with_key(A2, { n = 0 }), nil, "the key's n is no text")
    answers(with_key(A2, { e = 7 }), nil, "the key's e is no text")
    answers(with_key(A2, { n = ("A"):rep(3000) }), nil, "the key's n is no text")
    answers(with_key(A2, { n = "+/" }), nil, "the key's n is no base64url")
    answers(with_key(A2, { e = "A" }), nil, "the key's e is no base64url")
    answers(with_key(A2, { n = "AQAB" }), nil, CANNOT .. "RS256 needs a key of 2048 to 8192 bits")
    answers(with_key(A2, { n = "gA" .. ("A"):rep(1400) }), nil, CANNOT .. "n has more than 8192 bits")
    for _, e in ipairs { "", "AA", "AQ", "Ag", "AQAC", "gAAAAAAAAAAB" } do
      answers(with_key(A2, { e = e }), nil, CANNOT .. "its exponent is not one of RSA")
    end
    answers(with_key(A3, { y = p256.x }), nil, CANNOT .. "x and y are no point of P-256")
    answers(with_key(A3, { x = "AA" }), nil, CANNOT .. "x and y have 32 bytes each")
    answers(with_key(A3, { y = 0 }), nil, "the key's y is no text")
    answers(with_key(A4, { x = "AA" }), nil, CANNOT .. "x has 32 bytes")
    for text, why in pairs {
      [""] = "it is no PEM", ["\0"] = "it is no PEM", ["-----BEGIN PUBLIC KEY-----\nAAAA\n"] = "it is no PEM",
      ["-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"] = "its PEM cannot be read",
      ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] = "its PEM cannot be read",
      ["-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] =
        "its PEM is neither a PUBLIC KEY nor a CERTIFICATE",
    } do
      answers({ "RS256", text, "", "" }, nil, CANNOT .. why)
    end
    answers({ "RS256", ("x"):rep(65537), "", "" }, nil, "a key has 64 KiB at most")]],
  ["more keys than are kept"] = [[
    for _ = 1, 2 do
      for i = 1, 70 do
        local n = "ofg" .. string.char(65 + i % 26) .. string.char(65 + i / 26) .. rsa.n:sub(6)
        answers(with_key(A2, { n = n }), false)
      end
      for _, vector in ipairs { A2, A3, A4 } do answers(vector, true) end
    end]],
}

local REFUSED = {
  ["lb.verify()"] = "lb.verify(algorithm, key, text, signature): the algorithm is a text, got nil",
  ["lb.verify('none', {}, '', '')"] = "lb.verify knows RS256, ES256 and EdDSA, not 'none'",
  ["lb.verify('HS256', 'secret', '', '')"] = "lb.verify knows RS256, ES256 and EdDSA, not 'HS256'",
  ["lb.verify('RS256', nil, '', '')"] = "lb.verify: a key is a text (PEM) or a table (JWK), got nil",
  ["lb.verify('RS256', {}, 7, '')"] = "lb.verify: text and signature are texts, got number and string",
  ["lb.verify('RS256', {}, '', nil)"] = "lb.verify: text and signature are texts, got string and nil",
  ["lb.verify('RS256', {}, ('x'):rep(2^18 + 1), '')"] = "lb.verify: a text has 256 KiB at most, not 262145 bytes",
}

describe("lb.verify", function()
  local segment

  setup(function() segment = core.segment_new() end)
  teardown(function() core.segment_free(segment) end)
  after_each(process.stop_all)

  for what, text in pairs(HOLDS) do
    it("knows " .. what, function() assert.is_nil(loaded.run(segment, VECTORS .. text)) end)
  end

  for text, wanted in pairs(REFUSED) do
    it("refuses " .. text, function()
      local said = loaded.run(segment, "\nlocal _ = " .. text)
      assert.equal("t.lua:2: " .. wanted, tostring(said):sub(1, #wanted + 9))
    end)
  end

  for _, algorithm in ipairs { "RS256", "ES256", "EdDSA" } do
    it("takes a key and a certificate for " .. algorithm .. " in PEM", function()
      local one = signer.new(algorithm)
      local text = [[
        local algorithm, certificate, key, signature = %q, %q, %q, lb.base64.decode %q
        local other = algorithm == "RS256" and "ES256" or "RS256"
        for _ = 1, 2 do
          for _, pem in ipairs { certificate, key, "# a comment\n" .. certificate } do
            assert(lb.verify(algorithm, pem, "a text", signature) == true)
            assert(lb.verify(algorithm, pem, "another", signature) == false)
            local is, why = lb.verify(other, pem, "a text", signature)
            assert(is == nil and why:find("the key cannot be used: " .. other .. " needs a key of", 1, true), why)
          end
        end]]
      assert.is_nil(loaded.run(segment, text:format(algorithm, one.certificate, one.public,
        codes.base64.encode(one:sign "a text"))))
    end)
  end
end)
