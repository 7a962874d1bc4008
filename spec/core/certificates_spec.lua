-- The files of certificates: what lb check says of them, which are refused, and who gets which.
local authority = require "spec.support.authority"
local ffi = require "ffi"
local core = require "spec.support.core"
local process = require "spec.support.process"
local read = require("spec.support.files").read

ffi.cdef [[
struct certificates_names { void *slots; uint32_t size, count; bool strict; };
struct certificates_pem { struct slice chain, key; };
struct certificates_facts { int key; unsigned bits; int64_t not_before, not_after; };
bool certificates_check(const struct certificates_pem *, struct certificates_facts *, struct buffer *names,
                        struct buffer *wrong, int *fault) __asm__("tls_certificate_check");
bool tls_certificate_check_list(struct slice pem, bool is_crl, struct buffer *wrong);
]]

local RSA, ECDSA, ED25519 = 0, 1, 2
local FAULTS = { [0] = "certificate", "key", "both" }

local function slice(text) return ffi.new("struct slice", text, #text) end

local function taken(buffer)
  local text = ffi.string(buffer.bytes + buffer.start, tonumber(buffer["end"] - buffer.start))
  core.buffer_dispose(buffer)
  return text
end

-- { key, bits, days } and the names; or nil, what is wrong, and whose fault it is
local function check(cert, key)
  local chain, key_text = read(cert), read(key or cert)
  local facts, names, wrong = ffi.new "struct certificates_facts", ffi.new "struct buffer", ffi.new "struct buffer"
  local pem = ffi.new("struct certificates_pem", slice(chain), slice(key_text))
  local fault = ffi.new "int[1]"
  if not core.certificates_check(pem, facts, names, wrong, fault) then return nil, taken(wrong), FAULTS[fault[0]] end
  local list = {}
  for name in (names.bytes ~= nil and taken(names) or ""):gmatch "%Z+" do list[#list + 1] = name end
  local days = tonumber(facts.not_after - facts.not_before) / 86400
  return { key = facts.key, bits = facts.bits, days = days }, list
end

describe("a certificate", function()
  teardown(process.clear)

  local ca, other, shop

  setup(function()
    ca = authority.make { ca = true, names = {}, common_name = "ca" }
    other = authority.make { names = { "other.example" } }
    shop = authority.make { names = { "Shop.example", "*.shop.example", "IP:192.0.2.1", "bad_*.x" }, by = ca,
      days = 30 }
  end)

  it("says its names, its key and its days", function()
    local facts, names = check(shop.cert, shop.key)
    assert.same({ key = ECDSA, bits = 256, days = 30 }, facts)
    assert.same({ "Shop.example", "*.shop.example" }, names)
    assert.same(facts, (check(shop.both)))
    assert.equal(RSA, check(authority.make({ names = { "a" }, key = "rsa" }).both).key)
    assert.equal(ED25519, check(authority.make({ names = { "a" }, key = "ed25519" }).both).key)
  end)

  it("has its common name if it has no other", function()
    local _, names = check(authority.make({ common_name = "old.example" }).both)
    assert.same({ "old.example" }, names)
    _, names = check(authority.make({ common_name = "A person" }).both)
    assert.same({}, names)
    _, names = check(authority.make({ common_name = "old.example", names = { "new.example" } }).both)
    assert.same({ "new.example" }, names)
  end)

  it("may have expired", function()
    assert.equal(0, check(authority.make({ names = { "a" }, days = 0 }).both).days)
  end)

  local function wrong(cert, key)
    local facts, why, fault = check(cert, key)
    assert.is_nil(facts)
    return why, fault
  end

  local function file(...)
    return process.file("made.pem", table.concat({ ... }))
  end

  it("is refused if its key is another's, or none", function()
    assert.same({ "the key is not that of the certificate", "both" }, { wrong(shop.cert, other.key) })
    assert.same({ "there is no private key in it", "key" }, { wrong(shop.cert, ca.cert) })
    assert.equal('there is no private key in it: with the key in another file write { cert = "fullchain.pem", ' ..
      'key = "privkey.pem" }', wrong(shop.cert))
    assert.same({ "there is no certificate in it", "certificate" }, { wrong(shop.key) })
    assert.equal("there is no certificate in it", wrong(process.file("empty", "")))
    os.execute(("openssl pkey -in '%s' -aes128 -passout pass:x -out '%s.locked'"):format(shop.key, shop.key))
    local why = wrong(shop.cert, shop.key .. ".locked")
    assert.matches("^the private key is encrypted: lb has no passphrase for it", why)
  end)

  it("fits its key in whatever form both are", function()
    local function converted(command, path)
      assert.equal(0, os.execute(("openssl %s -in '%s' -out '%s.other' 2>/dev/null"):format(command, path, path)))
      return path .. ".other"
    end
    local rsa, ed25519 = authority.make { key = "rsa" }, authority.make { key = "ed25519" }
    local rsa2, ed25519_2 = authority.make { key = "rsa" }, authority.make { key = "ed25519" }
    local pressed = authority.make { key = "ec -pkeyopt ec_paramgen_curve:P-384" }
    assert.equal(0, os.execute(("openssl req -x509 -key '%s' -subj /CN=a -out '%s'"):format(
      converted("ec -conv_form compressed", pressed.key), pressed.cert)))
    assert.truthy(check(shop.cert, converted("ec", shop.key)))
    assert.truthy(check(rsa.cert, converted("rsa -traditional", rsa.key)))
    assert.truthy(check(shop.cert, converted("ec -conv_form compressed", shop.key)))
    assert.equal(384, check(pressed.cert, pressed.key).bits)
    for _, case in ipairs { { rsa, rsa2 }, { ed25519, ed25519_2 }, { shop, rsa }, { rsa, shop }, { pressed, shop },
      { shop, ed25519 }, { ed25519, rsa } } do
      assert.equal("the key is not that of the certificate", wrong(case[1].cert, case[2].key))
    end
  end)

  it("is refused if it is broken", function()
    local text = read(shop.cert)
    for _, broken in ipairs { text:sub(1, 300), (text:gsub("\n.", "\n*", 3)) } do
      local why, fault = wrong(file(broken), shop.key)
      assert.matches("^certificate 1 in it cannot be read %(is it damaged%?%): ", why)
      assert.equal("certificate", fault)
    end
    assert.same({ "the private key in it cannot be read (is it damaged?)", "key" },
      { wrong(shop.cert, file((read(shop.key):gsub("\nM", "\nA", 1)))) })
  end)

  it("is refused with the command that makes PEM of it if it is none", function()
    local count = 0
    local function converted(command, ...)
      count = count + 1
      local path = process.file("converted" .. count, "")
      assert.equal(0, os.execute(("openssl %s -out '%s' 2>/dev/null"):format(command:format(...), path)))
      return path
    end
    local der = converted("x509 -in '%s' -outform DER", shop.cert)
    local key = converted("pkcs8 -topk8 -nocrypt -in '%s' -outform DER", shop.key)
    local old_key = converted("ec -in '%s' -outform DER", shop.key)
    local pkcs12 = converted("pkcs12 -export -in '%s' -inkey '%s' -passout pass:x", shop.cert, shop.key)
    local pkcs7 = converted("crl2pkcs7 -nocrl -certfile '%s' -outform DER", shop.cert)
    assert.equal("it is DER, and lb reads PEM: openssl x509 -inform DER -in old.crt -out new.crt", wrong(der, shop.key))
    for _, one in ipairs { key, old_key } do
      assert.same({ "it is DER, and lb reads PEM: openssl pkey -inform DER -in old.key -out new.key", "key" },
        { wrong(shop.cert, one) })
    end
    assert.equal("it is PKCS#12, and lb reads PEM: openssl pkcs12 -nodes -in old.p12 -out new.pem", wrong(pkcs12))
    assert.equal("it is PKCS#7, and lb reads PEM: openssl pkcs7 -inform DER -print_certs -in old.p7b -out new.pem",
      wrong(pkcs7))
    local locked = converted("pkcs8 -topk8 -passout pass:x -in '%s' -outform DER", shop.key)
    -- Nobody is asked for a passphrase.
    assert.equal("there is no private key in it", wrong(shop.cert, locked))
  end)

  it("is refused if its chain is not in its order", function()
    assert.matches("^the chain is not in its order: certificate 2 did not sign certificate 1", wrong(
      file(read(shop.cert):match "^(.-END CERTIFICATE%-+\n)", read(other.cert)), shop.key))
    assert.same({ "the certificates are in the wrong order: the key is that of certificate 2; the site's own comes " ..
      "first, then the one that signed it", "certificate" }, { wrong(file(read(ca.cert), read(shop.cert)), shop.key) })
  end)

  it("is judged by its own chain, however many chains were read before it", function()
    local own = read(shop.cert):match "^.-END CERTIFICATE%-+\n"
    for i = 1, 20 do -- more than are kept
      local signer = authority.make { ca = true, names = {}, common_name = "ca" }
      local leaf = authority.make { names = { "a" .. i }, by = signer }
      for _ = 1, 2 do
        assert.truthy(check(leaf.both))
        assert.truthy(check(shop.both))
        assert.matches("^the chain is not in its order", wrong(file(own, read(signer.cert)), shop.key))
      end
    end
    local broken = read(ca.cert):gsub("\n.", "\n*", 3)
    assert.matches("^certificate 2 in it cannot be read", wrong(file(own, broken), shop.key))
    assert.matches("^certificate 3 in it cannot be read", wrong(file(own, read(ca.cert), broken), shop.key))
    assert.matches("^more than 10 certificates", wrong(file(own, read(ca.cert):rep(10)), shop.key))
  end)

  it("may have a weak signature only if it signs itself", function()
    local weak = authority.make { names = { "a" } }
    local function signed(format, ...)
      assert.equal(0, os.execute(("openssl x509 -req -sha1 -in '%s' -out '%s' %s 2>/dev/null"):format(weak.request,
        weak.cert, format:format(...))))
    end
    signed("-signkey '%s'", weak.key)
    assert.truthy(check(weak.cert, weak.key))
    signed("-CA '%s' -CAkey '%s' -CAcreateserial", ca.cert, ca.key)
    assert.equal("certificate 1 of the chain is signed with SHA1, which clients do not believe",
      wrong(weak.cert, weak.key))
  end)

  it("is refused if clients do not take its key", function()
    assert.matches("^an RSA key of 1024 bits is too short", wrong(authority.make({ key = "rsa:1024" }).both))
    assert.matches("^clients do not know the curve 'secp256k1'",
      wrong(authority.make({ key = "ec -pkeyopt ec_paramgen_curve:secp256k1" }).both))
    assert.equal("the key is neither RSA, ECDSA nor Ed25519", wrong(authority.make({ key = "ed448" }).both))
  end)

  it("is refused if it must have a stapled answer", function()
    assert.matches("^the certificate wants a stapled OCSP answer",
      wrong(authority.make({ names = { "a" }, extensions = { "tlsfeature=status_request" } }).both))
  end)

  it("may be one of a list, for clients", function()
    local words = ffi.new "struct buffer"
    assert.is_true(core.tls_certificate_check_list(slice(read(ca.cert) .. read(other.cert)), false, words))
    for _, case in ipairs {
      { "", false, "there is no certificate in it" }, { read(ca.cert), true, "there is no revocation list in it" },
      { read(ca.cert) .. read(other.cert):sub(1, 200), false,
        "certificate 2 in it cannot be read (is it damaged?): bad end line" },
      { read(ca.cert):sub(1, 200), false, "certificate 1 in it cannot be read (is it damaged?): bad end line" },
      { (read(ca.cert):gsub("CERTIFICATE", "X509 CRL")), true, "revocation list 1 in it cannot be read" },
    } do
      assert.is_false(core.tls_certificate_check_list(slice(case[1]), case[2], words))
      assert.equal(case[3], taken(words):sub(1, #case[3]))
    end
  end)
end)
