-- names - a resolver that says what the spec wants: spec/support/resolver.c replaces that of the C
-- library in lb.
--
--   setup(names.build); teardown(names.remove)
--   names.are("web 127.0.0.1", "db hanging")     from now on; resolver.c says what a line may be
--   names.environment()                          for balancer.start { env = }

local uv = require "luv"
local process = require "spec.support.process"

local names = {}

local library

function names.build()
  library = os.tmpname()
  local command = ("%s -std=c11 -D_GNU_SOURCE -O1 -Wall -Wextra -Werror -fPIC -shared -o %s " ..
    "spec/support/resolver.c -ldl"):format(os.getenv "CC" or "gcc", library)
  local status = os.execute(command)
  assert(status == 0 or status == true, command)
end

function names.remove() os.remove(library) end

-- A process that reads the file meanwhile finds the old text or the new one.
function names.are(...)
  local path = process.directory() .. "/names"
  process.file("names.new", table.concat({ ... }, "\n") .. "\n")
  assert(uv.fs_rename(path .. ".new", path))
  return path
end

-- The sanitizers' library wants to be the first of all, but works without that.
function names.environment()
  return {
    RESOLVER = process.directory() .. "/names", LD_PRELOAD = library,
    ASAN_OPTIONS = (os.getenv "ASAN_OPTIONS" or "") .. ":verify_asan_link_order=0",
  }
end

return names
