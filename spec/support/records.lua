-- records - TLS 1.3 records for specs: lb's own, and the same made by OpenSSL's ciphers alone.
--
--   records.keys(suite, secret)       lb's keys of one direction
--   records.seal(keys, type, content) a record, by lb
--   records.open(keys, record)        type, content; or nil, why, alert
--   records.measure(bytes)            the length of the record that begins there, 0: not known yet;
--                                     or nil, why, alert
--   records.forge(keys, inner, head)  a record with that inside (content, type, zeros), sealed
--                                     without lb; head: other bytes than a right head has
--   records.hex(text)                 bytes

local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef [[
struct tls_keys { uint64_t sequence, id; uint8_t suite, secret[48], key[32], iv[12]; };
struct tls_flaw { uint8_t alert; const char *why; };
struct tls_content { uint8_t type; struct slice bytes; };
bool tls_record_prepare(void);
unsigned tls_record_secret_bytes(uint16_t suite);
bool tls_keys_set(struct tls_keys *, uint16_t suite, const char *secret);
bool tls_keys_update(struct tls_keys *);
void tls_keys_wipe(struct tls_keys *);
size_t tls_record_seal(struct tls_keys *, int type, struct slice content, char *out);
size_t tls_record_measure(struct slice, const struct tls_flaw **flaw);
const struct tls_flaw *tls_record_open(struct tls_keys *, struct slice record, char *out, struct tls_content *);

void *EVP_CIPHER_CTX_new(void); void EVP_CIPHER_CTX_free(void *);
const void *EVP_aes_128_gcm(void), *EVP_aes_256_gcm(void), *EVP_chacha20_poly1305(void);
int EVP_EncryptInit_ex(void *, const void *, void *, const char *, const char *);
int EVP_EncryptUpdate(void *, char *, int *, const char *, int);
int EVP_EncryptFinal_ex(void *, char *, int *);
int EVP_CIPHER_CTX_ctrl(void *, int, int, void *);
]]

local GET_TAG = 0x10
local records = {}
local room = ffi.new "char[40000]"
local crypto = ffi.load "libcrypto.so.3"

assert(core.tls_record_prepare())

local function slice(text) return ffi.new("struct slice", text, #text) end

function records.hex(text)
  return (text:gsub("%s", ""):gsub("%x%x", function(digits) return string.char(tonumber(digits, 16)) end))
end

function records.keys(suite, secret)
  local keys = ffi.new "struct tls_keys"
  assert(core.tls_keys_set(keys, suite, secret))
  return ffi.gc(keys, core.tls_keys_wipe)
end

function records.seal(keys, kind, content)
  return ffi.string(room, core.tls_record_seal(keys, kind, slice(content), room))
end

function records.open(keys, record)
  local content = ffi.new "struct tls_content"
  local flaw = core.tls_record_open(keys, slice(record), room, content)
  if flaw ~= nil then return nil, ffi.string(flaw.why), flaw.alert end
  return content.type, ffi.string(content.bytes.start, content.bytes.length)
end

function records.measure(bytes)
  local flaw = ffi.new "const struct tls_flaw *[1]"
  local length = core.tls_record_measure(slice(bytes), flaw)
  if flaw[0] ~= nil then return nil, ffi.string(flaw[0].why), flaw[0].alert end
  return tonumber(length)
end

local ciphers = { [0] = crypto.EVP_aes_128_gcm, crypto.EVP_aes_256_gcm, crypto.EVP_chacha20_poly1305 }

local function nonce_of(keys)
  local nonce = ffi.new("char[12]", ffi.string(keys.iv, 12))
  local sequence = tonumber(keys.sequence)
  for i = 11, 4, -1 do
    nonce[i] = bit.bxor(nonce[i], sequence % 256)
    sequence = math.floor(sequence / 256)
  end
  return nonce
end

function records.forge(keys, inner, head)
  local sealed = #inner + 16
  head = head or "\23\3\3" .. string.char(bit.rshift(sealed, 8), sealed % 256)
  local context = ffi.gc(crypto.EVP_CIPHER_CTX_new(), crypto.EVP_CIPHER_CTX_free)
  local length, tag = ffi.new "int[1]", ffi.new "char[16]"
  crypto.EVP_EncryptInit_ex(context, ciphers[keys.suite](), nil, ffi.cast("const char *", keys.key), nonce_of(keys))
  crypto.EVP_EncryptUpdate(context, nil, length, head, #head)
  crypto.EVP_EncryptUpdate(context, room, length, inner, #inner)
  crypto.EVP_EncryptFinal_ex(context, room + #inner, length)
  crypto.EVP_CIPHER_CTX_ctrl(context, GET_TAG, 16, tag)
  keys.sequence = keys.sequence + 1
  return head .. ffi.string(room, #inner) .. ffi.string(tag, 16)
end

return records
