-- tls - clients and servers that speak TLS, by OpenSSL over the connections of spec.support.wire.
--
--   tls.client(lb or address, options)   a connection as play.client gives it, whose bytes are
--                                        plain; it has shaken hands, or raises an error
--     version      "1.2" or "1.3": that one only
--     name         which it asks for (SNI);  alpn: a list of names
--     shows        a file with certificate and key of the client
--     session      of another connection: tls.session(conn), when that has got some bytes
--     drip         true: its hello goes byte by byte
--     may_fail     gives nil and why, if there is no handshake
--     before       bytes that go out first, as they are
--   tls.accept(conn, options)            the server's side, of what a backend of play has accepted:
--                                        true when hands are shaken, or nil and why not
--     both         a file with certificate and key;  version: as above
--     ca           a file: clients have to show a certificate that it has signed
--     greeting     is sent with what completes the handshake
--   tls.backend(options, serve)          such a backend; serve(conn, n) plays each connection whose
--                                        handshake has succeeded, and that has a byte then;
--                                        b.handshakes: { resumed, version, name } of each, or
--                                        { why }; b.opened: how many, with checks of health
--   tls.hello(options)    the bytes of such a client's hello
--   tls.raw(conn)         the raw handle below it
--   tls.said(conn)        { version, cipher, alpn, resumed, certificate = "subject" }
--   tls.was_told(conn)    has the peer's close_notify come?
--   tls.session(conn)     what resumes it elsewhere
--   tls.update(conn, count)   KeyUpdates that ask for one (1), in front of what is sent next
--   tls.renegotiate(conn)     asks for a new handshake (TLS 1.2)
--   tls.clear()           after each spec: what was made is freed

local ffi = require "ffi"
local uv = require "luv"
local loop = require "spec.support.loop"
local origin = require "spec.support.origin"
local wire = require "spec.support.wire"

ffi.cdef [[
typedef struct ssl_st SSL; typedef struct ssl_ctx_st SSL_CTX; typedef struct bio_st BIO;
typedef struct ssl_session_st SSL_SESSION; typedef struct ssl_cipher_st SSL_CIPHER;
const void *TLS_client_method(void); const void *TLS_server_method(void);
int SSL_CTX_use_certificate_chain_file(SSL_CTX *, const char *);
int SSL_CTX_use_PrivateKey_file(SSL_CTX *, const char *, int);
int SSL_CTX_load_verify_locations(SSL_CTX *, const char *, const char *);
void SSL_CTX_set_verify(SSL_CTX *, int, void *); void SSL_set_accept_state(SSL *);
int SSL_CTX_set_session_id_context(SSL_CTX *, const char *, unsigned);
const char *SSL_get_servername(const SSL *, int);
SSL_CTX *SSL_CTX_new(const void *); void SSL_CTX_free(SSL_CTX *);
long SSL_CTX_ctrl(SSL_CTX *, int, long, void *);
SSL *SSL_new(SSL_CTX *); void SSL_free(SSL *);
long SSL_ctrl(SSL *, int, long, void *);
int SSL_set_alpn_protos(SSL *, const char *, unsigned);
void SSL_set_bio(SSL *, BIO *, BIO *); void SSL_set_connect_state(SSL *);
int SSL_do_handshake(SSL *); int SSL_read(SSL *, void *, int); int SSL_write(SSL *, const void *, int);
int SSL_get_error(const SSL *, int); int SSL_shutdown(SSL *); int SSL_get_shutdown(const SSL *);
const char *SSL_get_version(const SSL *); const SSL_CIPHER *SSL_get_current_cipher(const SSL *);
const char *SSL_CIPHER_standard_name(const SSL_CIPHER *);
void SSL_get0_alpn_selected(const SSL *, const unsigned char **, unsigned *);
int SSL_session_reused(const SSL *);
SSL_SESSION *SSL_get1_session(SSL *); int SSL_set_session(SSL *, SSL_SESSION *);
void SSL_SESSION_free(SSL_SESSION *); int SSL_SESSION_has_ticket(const SSL_SESSION *);
int SSL_key_update(SSL *, int); int SSL_renegotiate(SSL *);
void *SSL_get1_peer_certificate(const SSL *); void X509_free(void *);
void *X509_get_subject_name(const void *); char *X509_NAME_oneline(const void *, char *, int);
const void *BIO_s_mem(void); BIO *BIO_new(const void *);
int BIO_write(BIO *, const void *, int); int BIO_read(BIO *, void *, int);
unsigned long ERR_get_error(void); void ERR_clear_error(void);
const char *ERR_reason_error_string(unsigned long);
]]

local function load_either(...)
  for _, name in ipairs { ... } do
    local ok, library = pcall(ffi.load, name)
    if ok then return library end
  end
  error "no OpenSSL"
end
local ssl, crypto = load_either("libssl.so.3", "ssl"), load_either("libcrypto.so.3", "crypto")

local VERSIONS = { ["1.2"] = 0x303, ["1.3"] = 0x304 }
local WANT_READ, ZERO_RETURN = 2, 6

local tls = {}
local buffer = ffi.new("char[65536]")
local sessions = {}

-- A handle as luv has them.
local Handle = {}
Handle.__index = Handle

local function reason()
  local code = crypto.ERR_get_error()
  crypto.ERR_clear_error()
  local text = code ~= 0 and crypto.ERR_reason_error_string(code)
  return text and text ~= nil and ffi.string(text) or "no reason"
end

-- What the library has sealed goes out.
function Handle:flush(done)
  local parts = {}
  while true do
    local n = crypto.BIO_read(self.out, buffer, 65536)
    if n <= 0 then break end
    parts[#parts + 1] = ffi.string(buffer, n)
  end
  local bytes = table.concat(parts)
  if self.drip and not self.seen then -- pauses are for the spec, not for what the loop calls
    self.tcp:nodelay(true)
    for at = 1, #bytes do
      self.tcp:write(bytes:sub(at, at))
      uv.sleep(1) -- loop.pause takes 20 ms: 30 s for a hello of OpenSSL 3.5, which has 1500 bytes
    end
  elseif #bytes > 0 then
    self.tcp:write(bytes, done)
  elseif done then
    done()
  end
end

local function shake(self)
  crypto.ERR_clear_error()
  local status = ssl.SSL_do_handshake(self.ssl)
  self.is_open = status == 1
  if self.is_open and self.greeting then ssl.SSL_write(self.ssl, self.greeting, #self.greeting) end
  if status ~= 1 and ssl.SSL_get_error(self.ssl, status) ~= WANT_READ then self.failed = reason() end
  self:flush()
end

local function unseal(self)
  while self.is_open and not self.failed do
    crypto.ERR_clear_error()
    local n = ssl.SSL_read(self.ssl, buffer, 65536)
    if n > 0 then
      self.on_bytes(nil, ffi.string(buffer, n))
    else
      local code = ssl.SSL_get_error(self.ssl, n)
      if code == ZERO_RETURN then self.was_told = true end
      if code ~= WANT_READ and code ~= ZERO_RETURN then self.failed = reason() end
      break
    end
  end
  self:flush()
end

function Handle:read_start(on_bytes)
  self.on_bytes = on_bytes
  self.tcp:read_start(loop.callback(function(err, bytes)
    if self.tcp:is_closing() then return end
    if not bytes then
      self.has_ended = true
      return self.on_bytes(err, nil)
    end
    self.seen = true
    crypto.BIO_write(self.into, bytes, #bytes)
    if not self.is_open and not self.failed then shake(self) end
    unseal(self)
  end))
end

function Handle:read_stop() return self.tcp:read_stop() end
function Handle:is_closing() return self.tcp:is_closing() end
function Handle:fileno() return self.tcp:fileno() end

function Handle:write(bytes, done)
  local at = 0
  while at < #bytes do -- 2 GiB at most in one go, and the library wants an int
    local n = math.min(#bytes - at, 1048576)
    if ssl.SSL_write(self.ssl, ffi.cast("const char *", bytes) + at, n) <= 0 then return done(reason()) end
    at = at + n
  end
  self:flush(done)
end

-- With close_notify; tls.raw(conn):shutdown() is without.
function Handle:shutdown(done)
  ssl.SSL_shutdown(self.ssl)
  self:flush()
  self.tcp:shutdown(done)
end

function Handle:close()
  if not self.has_ended and self.is_open and not self.failed then
    ssl.SSL_shutdown(self.ssl)
    pcall(self.flush, self)
  end
  self.tcp:close()
end

function Handle:close_reset()
  if self.tcp.close_reset then self.tcp:close_reset() else self.tcp:close() end
end

local function alpn_of(list)
  local out = {}
  for i, name in ipairs(list) do out[i] = string.char(#name) .. name end
  return table.concat(out)
end

local function set_version(context, options)
  local version = options.version and VERSIONS[options.version]
  if not version then return end
  ssl.SSL_CTX_ctrl(context, 123, version, nil) -- the least
  ssl.SSL_CTX_ctrl(context, 124, version, nil) -- and the greatest
end

local function new_ssl(options)
  local context = ssl.SSL_CTX_new(ssl.TLS_client_method())
  set_version(context, options)
  if options.shows then
    assert(ssl.SSL_CTX_use_certificate_chain_file(context, options.shows) == 1, "certificate")
    assert(ssl.SSL_CTX_use_PrivateKey_file(context, options.shows, 1) == 1, "key")
  end
  local self = ssl.SSL_new(context)
  ssl.SSL_CTX_free(context)
  if options.name then ssl.SSL_ctrl(self, 55, 0, ffi.cast("char *", options.name)) end
  if options.alpn then
    local list = alpn_of(options.alpn)
    ssl.SSL_set_alpn_protos(self, list, #list)
  end
  if options.session then ssl.SSL_set_session(self, options.session) end
  ssl.SSL_set_connect_state(self)
  return ffi.gc(self, ssl.SSL_free)
end

local servers = {} -- contexts, by their options

local function server_context(options)
  local id = table.concat({ options.both, options.version or "", options.ca or "" }, "|")
  if servers[id] then return servers[id] end
  local context = ffi.gc(ssl.SSL_CTX_new(ssl.TLS_server_method()), ssl.SSL_CTX_free)
  set_version(context, options)
  assert(ssl.SSL_CTX_use_certificate_chain_file(context, options.both) == 1, "no certificate")
  assert(ssl.SSL_CTX_use_PrivateKey_file(context, options.both, 1) == 1, "no key")
  ssl.SSL_CTX_set_session_id_context(context, "spec", 4)
  if options.ca then
    assert(ssl.SSL_CTX_load_verify_locations(context, options.ca, nil) == 1, "no ca")
    ssl.SSL_CTX_set_verify(context, 3, nil)
  end
  servers[id] = context
  return context
end

local function new_server_ssl(options)
  local self = ssl.SSL_new(server_context(options))
  ssl.SSL_set_accept_state(self)
  return ffi.gc(self, ssl.SSL_free)
end

-- The handle of a raw connection becomes the handle of a TLS connection.
local function begin(conn, options, is_server)
  local self = setmetatable({ tcp = conn.handle, drip = options.drip, greeting = options.greeting }, Handle)
  self.ssl = (is_server and new_server_ssl or new_ssl)(options)
  self.into, self.out = crypto.BIO_new(crypto.BIO_s_mem()), crypto.BIO_new(crypto.BIO_s_mem())
  ssl.SSL_set_bio(self.ssl, self.into, self.out)
  conn.handle:read_stop()
  local early = conn:exactly(#conn:peek()) -- the spec has looked at them
  crypto.BIO_write(self.into, early, #early)
  conn.handle = self
  conn:go_on()
  shake(self)
  return self
end

function tls.client(target, options)
  options = options or {}
  local conn, err = wire.connect(type(target) == "table" and target.address or target, options)
  if not conn then error("no connection: " .. err, 2) end
  if options.before then conn:send(options.before) end
  local self = begin(conn, options)
  loop.wait("a handshake", function() return self.is_open or self.failed or conn.ended end)
  if self.is_open then return conn end
  local why = self.failed or conn.ended
  if not options.may_fail then error("no handshake: " .. why .. "\n" .. loop.story(), 2) end
  return nil, why, conn
end

function tls.accept(conn, options)
  local self = begin(conn, options, true)
  loop.wait("a client's handshake", function() return self.is_open or self.failed or conn.ended end)
  if self.is_open then return true end
  return nil, self.failed or conn.ended
end

function tls.backend(options, serve)
  local handshakes, backend = {}, nil
  backend = origin.new { accept = function(conn, n)
    if options.before then options.before(conn, n) end
    local is_open, why = tls.accept(conn, options)
    if is_open then
      backend.opened = backend.opened + 1
      if not conn:has(1) then return end -- a check of health
    end
    local name = is_open and ssl.SSL_get_servername(conn.handle.ssl, 0)
    handshakes[#handshakes + 1] = {
      resumed = is_open and ssl.SSL_session_reused(conn.handle.ssl) == 1, why = why,
      version = is_open and ffi.string(ssl.SSL_get_version(conn.handle.ssl)),
      name = name and name ~= nil and ffi.string(name) or nil,
    }
    if is_open then serve(conn, n) end
  end }
  backend.handshakes, backend.opened = handshakes, 0
  return backend
end

function tls.hello(options)
  local self = new_ssl(options or {})
  local into, out = crypto.BIO_new(crypto.BIO_s_mem()), crypto.BIO_new(crypto.BIO_s_mem())
  ssl.SSL_set_bio(self, into, out)
  ssl.SSL_do_handshake(self)
  crypto.ERR_clear_error()
  return ffi.string(buffer, crypto.BIO_read(out, buffer, 65536))
end

function tls.raw(conn) return conn.handle.tcp end

function tls.said(conn)
  local self = conn.handle.ssl
  local alpn, length = ffi.new "const unsigned char *[1]", ffi.new "unsigned[1]"
  ssl.SSL_get0_alpn_selected(self, alpn, length)
  local certificate = ssl.SSL_get1_peer_certificate(self)
  local subject = certificate ~= nil and
    ffi.string(crypto.X509_NAME_oneline(crypto.X509_get_subject_name(certificate), buffer, 65536))
  crypto.X509_free(certificate)
  return {
    version = ffi.string(ssl.SSL_get_version(self)),
    cipher = ffi.string(ssl.SSL_CIPHER_standard_name(ssl.SSL_get_current_cipher(self))),
    alpn = length[0] > 0 and ffi.string(alpn[0], length[0]) or nil,
    resumed = ssl.SSL_session_reused(self) == 1,
    certificate = subject,
  }
end

function tls.was_told(conn) return conn.handle.was_told or false end

function tls.session(conn)
  local session = ssl.SSL_get1_session(conn.handle.ssl)
  sessions[#sessions + 1] = session
  return session, ssl.SSL_SESSION_has_ticket(session) == 1
end

function tls.update(conn, count)
  local self = conn.handle.ssl
  for _ = 1, count or 1 do
    assert(ssl.SSL_key_update(self, 1) == 1)
    assert(ssl.SSL_do_handshake(self) == 1)
  end
end

function tls.renegotiate(conn)
  local self = conn.handle
  crypto.ERR_clear_error()
  assert(ssl.SSL_renegotiate(self.ssl) == 1)
  ssl.SSL_do_handshake(self.ssl)
  self:flush()
end

function tls.clear()
  for _, session in ipairs(sessions) do ssl.SSL_SESSION_free(session) end
  sessions, servers = {}, {}
end

return tls
