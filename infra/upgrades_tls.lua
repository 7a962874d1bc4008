-- TLS for the clients of infra/upgrades.lua: OpenSSL over streams of luv.
--
--   local write = secured(stream, on_open, on_bytes)
--                         of a stream that has connected: on_open when hands are shaken;
--                         on_bytes(wrong, bytes) as of read_start; write(text)
local ffi = require "ffi"

ffi.cdef [[
const void *TLS_client_method(void); void *SSL_CTX_new(const void *); void *SSL_new(void *); void SSL_free(void *);
void SSL_set_bio(void *, void *, void *); void SSL_set_connect_state(void *); int SSL_do_handshake(void *);
int SSL_read(void *, void *, int); int SSL_write(void *, const void *, int); int SSL_get_error(const void *, int);
const void *BIO_s_mem(void); void *BIO_new(const void *); int BIO_write(void *, const void *, int);
int BIO_read(void *, void *, int); void ERR_clear_error(void);
]]
local ssl, crypto = ffi.load "libssl.so.3", ffi.load "libcrypto.so.3"
local context, room = ssl.SSL_CTX_new(ssl.TLS_client_method()), ffi.new "char[65536]"
local WANT_READ = 2

return function(stream, on_open, on_bytes)
  local self, into, out = ffi.gc(ssl.SSL_new(context), ssl.SSL_free), crypto.BIO_new(crypto.BIO_s_mem()),
    crypto.BIO_new(crypto.BIO_s_mem())
  local is_open = false
  ssl.SSL_set_bio(self, into, out)
  ssl.SSL_set_connect_state(self)

  local function flush()
    local n = crypto.BIO_read(out, room, 65536)
    while n > 0 do
      stream:write(ffi.string(room, n))
      n = crypto.BIO_read(out, room, 65536)
    end
  end

  local function shake()
    crypto.ERR_clear_error()
    is_open = ssl.SSL_do_handshake(self) == 1
    flush()
    if is_open then on_open() end
  end

  local function unseal()
    while is_open and not stream:is_closing() do
      crypto.ERR_clear_error()
      local n = ssl.SSL_read(self, room, 65536)
      if n <= 0 then
        if ssl.SSL_get_error(self, n) ~= WANT_READ then on_bytes("the records end", nil) end
        return
      end
      on_bytes(nil, ffi.string(room, n))
    end
  end

  stream:read_start(function(wrong, bytes)
    if not bytes then return on_bytes(wrong, nil) end
    crypto.BIO_write(into, bytes, #bytes)
    if not is_open then shake() end
    unseal()
  end)
  shake()
  return function(text)
    ssl.SSL_write(self, text, #text)
    flush()
  end
end
