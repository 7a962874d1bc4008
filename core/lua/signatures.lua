-- signatures - lb.verify: signatures by others, checked with their public keys.
--
-- C does the work (core/net/tls_signature.c).
local inside, lb = ...

local ffi = inside.ffi
local C = ffi.C
local error, format, type = error, string.format, type
local decode = lb.base64url.decode

ffi.cdef [[
struct tls_signature {
  uint32_t algorithm; bool is_pem;
  uint32_t key, key_rest, text, signature;
};
const char *tls_signature_check(const struct tls_signature *, const char *bytes, bool *is_right);
]]

local KEY_MAX = 65536 -- with the certificates behind it
local MEMBER_MAX = 2048
local TEXT_MAX = 2 ^ 18 -- nothing can stop it meanwhile: a millisecond

-- The number that C has for it, and what a JWK for it has (RFC 7518, 6; RFC 8037, 2).
local ALGORITHMS = {
  RS256 = { number = 0, kty = "RSA", first = "n", second = "e" },
  ES256 = { number = 1, kty = "EC", crv = "P-256", first = "x", second = "y" },
  EdDSA = { number = 2, kty = "OKP", crv = "Ed25519", first = "x" },
}

local lengths, is_right = ffi.new "struct tls_signature", ffi.new "bool[1]"

-- At the line of the script that called the function which calls the caller.
local function fail(text, ...) error(format(text, ...), 4) end

local function member(key, name)
  if name == nil then return "" end
  local value = key[name]
  if type(value) ~= "string" or #value > MEMBER_MAX then return nil, format("the key's %s is no text", name) end
  local bytes = decode(value)
  if not bytes then return nil, format("the key's %s is no base64url", name) end
  return bytes
end

-- A member that may be missing; what JSON has as null is missing.
local function differs(value, wanted) return type(value) == "string" and value ~= wanted end

local function read_jwk(wanted, name, key)
  if key.kty ~= wanted.kty then return nil, format("%s needs a key with kty = \"%s\"", name, wanted.kty) end
  if key.crv ~= wanted.crv and wanted.crv then
    return nil, format("%s needs a key with crv = \"%s\"", name, wanted.crv)
  end
  if differs(key.alg, name) then return nil, format("the key's alg is another than %s", name) end
  if differs(key.use, "sig") then return nil, "the key's use is another than \"sig\"" end
  local first, why = member(key, wanted.first)
  if not first then return nil, why end
  local second
  second, why = member(key, wanted.second)
  return second and first, second or why
end

local function check_given(wanted, name, key, text, signature)
  if type(name) ~= "string" then
    fail("lb.verify(algorithm, key, text, signature): the algorithm is a text, got %s", type(name))
  end
  if not wanted then fail("lb.verify knows RS256, ES256 and EdDSA, not '%s'", name) end
  if type(key) ~= "string" and type(key) ~= "table" then
    fail("lb.verify: a key is a text (PEM) or a table (JWK), got %s", type(key))
  end
  if type(text) ~= "string" or type(signature) ~= "string" then
    fail("lb.verify: text and signature are texts, got %s and %s", type(text), type(signature))
  end
  if #text > TEXT_MAX or #signature > TEXT_MAX then
    fail("lb.verify: a text has 256 KiB at most, not %d bytes", #text > TEXT_MAX and #text or #signature)
  end
end

function lb.verify(name, key, text, signature)
  local wanted, is_pem = ALGORITHMS[name or 0], type(key) == "string"
  local first, second = key, ""
  check_given(wanted, name, key, text, signature)
  if not is_pem then
    first, second = read_jwk(wanted, name, key)
    if not first then return nil, second end
  elseif #key > KEY_MAX then
    return nil, "a key has 64 KiB at most"
  end
  lengths.algorithm, lengths.is_pem = wanted.number, is_pem
  lengths.key, lengths.key_rest, lengths.text, lengths.signature = #first, #second, #text, #signature
  local why = C.tls_signature_check(lengths, first .. second .. text .. signature, is_right)
  if why ~= nil then return nil, "the key cannot be used: " .. ffi.string(why) end
  return is_right[0]
end
