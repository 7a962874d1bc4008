-- compiled - C of spec/support as a library for FFI, made anew in each process.
--
--   compiled.load(path)   with all of lb's C behind it (spec.support.core); symbols of its own come
--                         first, also if it includes a file of lb to change something in it

local ffi = require "ffi"
require "spec.support.core"

local compiled = {}

function compiled.load(path)
  local file = os.tmpname()
  local command = ("%s -std=c11 -D_GNU_SOURCE -O1 -Wall -Wextra -Werror -Icore " ..
    "$(pkg-config --cflags libuv openssl libcares) -shared -fPIC -Wl,-Bsymbolic -o %s %s")
    :format(os.getenv "CC" or "gcc", file, path)
  local status = os.execute(command)
  assert(status == 0 or status == true, command)
  local library = ffi.load(file)
  os.remove(file)
  return library
end

return compiled
