-- own_records - a handshake in memory between OpenSSL and OpenSSL, and lb's records in the place
-- of the server's, while the server's SSL stays to compare with.
--
--   own_records.begin(options)   suite = 0x1301.., tickets = 1, version = "1.2",
--                                session = of another, early = bytes behind the client's Finished,
--                                retry = true: the client is asked for another key;
--                                short = true: the client asks for records of 512 bytes
--   pair.own, pair.keys          what lb took over (nil: it did not); keys to forge the client's
--   pair:sent()                  what the client's SSL has written
--   pair:send(bytes), pair:update(asks)   the client's SSL writes
--   pair:tell(bytes)             to the client's SSL: what it opened, and "more", "end" or "broken"
--   pair:open(bytes)             by lb: what was opened, the same word, and why
--   pair:compare(bytes)          by the server's SSL: the same
--   pair:seal(content), pair:seal_end()   by lb
--   pair.sealed()                what was sealed, and empties that
--   pair:session()               of the client

local ffi = require "ffi"
local certificates = require "spec.support.certificates"
local core = require "spec.support.core"
local records = require "spec.support.records"

ffi.cdef [[
struct tls_messages { uint64_t since_us; uint8_t count; };
struct tls_own {
    struct tls_keys in, out;
    struct buffer part;
    struct tls_messages messages;
    uint8_t in_bytes, out_bytes, barren;
    bool has_said_end;
};
struct tls_wire { struct slice in; struct buffer out; };
extern struct tls_wire tls_wire;
bool tls_own_prepare(void);
struct tls_own *tls_own_new(void *);
void tls_own_begin(const struct tls_own *, void *);
void tls_own_end(const struct tls_own *, void *);
void tls_own_free(struct tls_own *);
bool tls_own_take(struct tls_own *, void *, struct slice wrote);
int tls_own_open(struct tls_own *, struct slice *in, char *out, struct slice *plain, const char **why);
bool tls_own_seal(struct tls_own *, struct slice);
void tls_own_seal_end(struct tls_own *);

const void *TLS_method(void); void *SSL_CTX_new(const void *); void SSL_CTX_free(void *);
void *SSL_new(void *); void SSL_free(void *);
int SSL_CTX_use_certificate_file(void *, const char *, int); int SSL_CTX_use_PrivateKey_file(void *, const char *, int);
int SSL_CTX_set_num_tickets(void *, size_t); int SSL_set_ciphersuites(void *, const char *);
long SSL_ctrl(void *, int, long, void *); int SSL_set_tlsext_max_fragment_length(void *, uint8_t);
void SSL_set_accept_state(void *); void SSL_set_connect_state(void *);
void SSL_set_bio(void *, void *, void *); int SSL_do_handshake(void *);
int SSL_read(void *, char *, int); int SSL_write(void *, const char *, int); int SSL_key_update(void *, int);
int SSL_get_error(const void *, int); int SSL_session_reused(const void *);
void *SSL_get1_session(void *); int SSL_set_session(void *, void *); void SSL_SESSION_free(void *);
void *BIO_new(const void *); const void *BIO_s_mem(void);
int BIO_read(void *, char *, int); int BIO_write(void *, const char *, int);
void ERR_clear_error(void);
]]

local PEM, SET_MAX_VERSION, SET_GROUPS, WANT_READ, ZERO_RETURN = 1, 124, 92, 2, 6
local NAMES = {
  [0x1301] = "TLS_AES_128_GCM_SHA256", [0x1302] = "TLS_AES_256_GCM_SHA384", [0x1303] = "TLS_CHACHA20_POLY1305_SHA256",
}
local OUTCOMES = { [0] = "data", "more", "end", "broken" }

local own_records = {}
local Pair = {}
Pair.__index = Pair
local room, opened = ffi.new "char[70000]", ffi.new "char[20000]"
local ssl, crypto = ffi.load "libssl.so.3", ffi.load "libcrypto.so.3"
local contexts

assert(core.tls_own_prepare())

local function slice(text) return ffi.new("struct slice", text, #text) end

local function contexts_of(tickets)
  if not contexts then
    local pair = certificates.new { names = { "own.test" } }
    contexts = { client = ffi.gc(ssl.SSL_CTX_new(ssl.TLS_method()), ssl.SSL_CTX_free) }
    for count = 0, 4 do
      local context = ffi.gc(ssl.SSL_CTX_new(ssl.TLS_method()), ssl.SSL_CTX_free)
      assert(ssl.SSL_CTX_use_certificate_file(context, pair.cert, PEM) == 1)
      assert(ssl.SSL_CTX_use_PrivateKey_file(context, pair.key, PEM) == 1)
      ssl.SSL_CTX_set_num_tickets(context, count)
      contexts[count] = context
    end
  end
  return contexts[tickets], contexts.client
end

local function new_ssl(context)
  local one = { ssl = ffi.gc(ssl.SSL_new(context), ssl.SSL_free),
                from = crypto.BIO_new(crypto.BIO_s_mem()), to = crypto.BIO_new(crypto.BIO_s_mem()) }
  ssl.SSL_set_bio(one.ssl, one.from, one.to)
  return one
end

local function take_all(bio)
  local parts = {}
  while true do
    local got = crypto.BIO_read(bio, room, 70000)
    if got <= 0 then break end
    parts[#parts + 1] = ffi.string(room, got)
  end
  return table.concat(parts)
end

local function put(bio, bytes)
  if #bytes > 0 then assert(crypto.BIO_write(bio, bytes, #bytes) == #bytes) end
end

local function read_all(one)
  local parts = {}
  while true do
    crypto.ERR_clear_error()
    local got = ssl.SSL_read(one.ssl, room, 70000)
    if got <= 0 then
      local error = ssl.SSL_get_error(one.ssl, got)
      return table.concat(parts), error == WANT_READ and "more" or error == ZERO_RETURN and "end" or "broken"
    end
    parts[#parts + 1] = ffi.string(room, got)
  end
end

-- The server reads the client's Finished; wrote: what it writes in that call.
local function finish(pair, early)
  core.tls_own_begin(pair.own, pair.server.ssl)
  if #early > 0 then assert(ssl.SSL_write(pair.client.ssl, early, #early) == #early) end
  put(pair.server.from, take_all(pair.client.to))
  local status = ssl.SSL_do_handshake(pair.server.ssl)
  core.tls_own_end(pair.own, pair.server.ssl)
  assert(status == 1)
  return take_all(pair.server.to)
end

function own_records.begin(options)
  options = options or {}
  local server_context, client_context = contexts_of(options.tickets or 1)
  local pair = setmetatable({ server = new_ssl(server_context), client = new_ssl(client_context) }, Pair)
  ssl.SSL_set_accept_state(pair.server.ssl)
  ssl.SSL_set_connect_state(pair.client.ssl)
  if options.version == "1.2" then ssl.SSL_ctrl(pair.client.ssl, SET_MAX_VERSION, 0x303, nil) end
  if options.suite then assert(ssl.SSL_set_ciphersuites(pair.client.ssl, NAMES[options.suite]) == 1) end
  if options.retry then
    ssl.SSL_ctrl(pair.server.ssl, SET_GROUPS, 0, ffi.cast("void *", "X25519"))
    ssl.SSL_ctrl(pair.client.ssl, SET_GROUPS, 0, ffi.cast("void *", "P-256:X25519"))
  end
  if options.short then assert(ssl.SSL_set_tlsext_max_fragment_length(pair.client.ssl, 1) == 1) end
  if options.session then assert(ssl.SSL_set_session(pair.client.ssl, options.session) == 1) end
  pair.own = ffi.gc(core.tls_own_new(pair.server.ssl), core.tls_own_free)
  pair.flights = 0
  while true do
    local client_is_done = ssl.SSL_do_handshake(pair.client.ssl) == 1
    if client_is_done or options.version == "1.2" and ssl.SSL_do_handshake(pair.server.ssl) == 1 then break end
    put(pair.server.from, take_all(pair.client.to))
    core.tls_own_begin(pair.own, pair.server.ssl)
    ssl.SSL_do_handshake(pair.server.ssl)
    core.tls_own_end(pair.own, pair.server.ssl)
    put(pair.client.from, take_all(pair.server.to))
    pair.flights = pair.flights + 1
  end
  local wrote = options.version == "1.2" and take_all(pair.server.to) or finish(pair, options.early or "")
  pair.wrote = wrote
  pair.was_resumed = ssl.SSL_session_reused(pair.server.ssl) == 1
  if not core.tls_own_take(pair.own, pair.server.ssl, slice(wrote)) then
    core.tls_own_free(ffi.gc(pair.own, nil))
    pair.own = nil
    return pair
  end
  pair.keys = records.keys(options.suite or 0x1302, ffi.string(pair.own["in"].secret, 48))
  put(pair.client.from, wrote)
  return pair
end

-- Bytes behind Finished that OpenSSL has not read.
function Pair:left() return take_all(self.server.from) end

function Pair:sent() return take_all(self.client.to) end

function Pair:send(bytes) assert(ssl.SSL_write(self.client.ssl, bytes, #bytes) == #bytes) end

function Pair:update(asks) assert(ssl.SSL_key_update(self.client.ssl, asks and 1 or 0) == 1) end

function Pair:tell(bytes)
  put(self.client.from, bytes)
  return read_all(self.client)
end

function Pair:compare(bytes)
  put(self.server.from, bytes)
  return read_all(self.server)
end

function Pair:open(bytes)
  local input, plain, why = slice(bytes), ffi.new "struct slice", ffi.new "const char *[1]"
  local parts = {}
  while true do
    local outcome = OUTCOMES[core.tls_own_open(self.own, input, opened, plain, why)]
    parts[#parts + 1] = ffi.string(plain.start, plain.length)
    if outcome ~= "data" then
      return table.concat(parts), outcome, outcome == "broken" and ffi.string(why[0]) or nil
    end
  end
end

function Pair:seal(content) return core.tls_own_seal(self.own, slice(content)) end

function Pair:seal_end() core.tls_own_seal_end(self.own) end

function Pair.sealed()
  local out = core.tls_wire.out
  local bytes = ffi.string(out.bytes + out.start, out["end"] - out.start)
  out.start, out["end"] = 0, 0
  return bytes
end

function Pair:session() return ffi.gc(ssl.SSL_get1_session(self.client.ssl), ssl.SSL_SESSION_free) end

return own_records
