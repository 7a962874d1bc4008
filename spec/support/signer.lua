-- signer - somebody who signs, as a login service does: for lb.verify and tokens; by openssl.
--
--   local one = signer.new("RS256" or "ES256" or "EdDSA", kid)
--   one.jwk                    the public key, as a table for JSON
--   one.public, certificate    the same as texts in PEM
--   one:sign(text)             the signature's bytes, as JWS has them
--   one:token(claims, head)    a JWT; head has alg and kid, if it is not given

local codes = require("spec.support.fake_codes").new()
local json = require "dkjson"
local process = require "spec.support.process"

local signer = {}
local Signer = {}
Signer.__index = Signer

local KINDS = {
  RS256 = { "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048" },
  ES256 = { "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1" },
  EdDSA = { "-algorithm", "ED25519" },
}

local encode = codes.base64url.encode

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "*a"
  file:close()
  return text
end

local function openssl(...)
  local result = process.run { "openssl", ... }
  assert(result.code == 0, result.err)
  return result.out
end

-- The key's last bytes in DER are the point.
local function numbers_of(algorithm, key)
  if algorithm == "RS256" then
    local hex = openssl("rsa", "-in", key, "-noout", "-modulus"):match "Modulus=(%x+)"
    return { kty = "RSA", n = encode(codes.hex.decode(hex)), e = "AQAB" }
  end
  openssl("pkey", "-in", key, "-pubout", "-outform", "DER", "-out", key .. ".der")
  local der = read(key .. ".der")
  if algorithm == "EdDSA" then return { kty = "OKP", crv = "Ed25519", x = encode(der:sub(-32)) } end
  return { kty = "EC", crv = "P-256", x = encode(der:sub(-64, -33)), y = encode(der:sub(-32)) }
end

local count = 0

function signer.new(algorithm, kid)
  count = count + 1
  local key = process.file("signer" .. count .. ".key", "")
  openssl("genpkey", "-out", key, unpack(KINDS[algorithm]))
  local jwk = numbers_of(algorithm, key)
  jwk.kid = kid
  return setmetatable({
    algorithm = algorithm, key = key, jwk = jwk, public = openssl("pkey", "-in", key, "-pubout"),
    certificate = openssl("req", "-x509", "-key", key, "-subj", "/CN=signer", "-days", "2"),
  }, Signer)
end

-- A number of DER, as 32 bytes.
local function half(der, at)
  local length = der:byte(at + 1)
  local bytes = der:sub(at + 2, at + 1 + length):gsub("^%z+", "")
  return ("\0"):rep(32 - #bytes) .. bytes, at + 2 + length
end

local function raw(der)
  local r, at = half(der, 3)
  return r .. half(der, at)
end

function Signer:sign(text)
  local path = process.file("text", text)
  local kind = self.algorithm ~= "EdDSA" and "-digest" or nil
  openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.key, "-in", path, "-out", path .. ".signature",
    kind, kind and "sha256")
  local signature = read(path .. ".signature")
  return self.algorithm == "ES256" and raw(signature) or signature
end

function Signer:token(claims, head)
  local text = encode(json.encode(head or { alg = self.algorithm, kid = self.jwk.kid })) .. "." ..
    encode(json.encode(claims))
  return text .. "." .. encode(self:sign(text))
end

return signer
