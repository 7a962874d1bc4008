-- The C of lb as a library, for specs that call it without sockets. What several specs need is
-- declared here; ask ffi for the rest in the spec that calls it.
local ffi = require "ffi"

-- Each spec file loads this anew, and a struct can be declared once only.
local function declare(struct, text)
  if not pcall(ffi.new, "struct " .. struct) then ffi.cdef(text) end
end

declare("slice", "struct slice { const char *start; size_t length; };")
declare("buffer", "struct buffer { char *bytes; size_t start, end, capacity; };")
ffi.cdef [[
void buffer_dispose(struct buffer *);
struct segment *segment_new(void);
void segment_free(struct segment *);
]]

-- Global, as scripts inside lb reach exported functions by their names.
return ffi.load(os.getenv "LB_CORE" or "build/lb_core.so", true)
