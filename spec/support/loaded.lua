-- Runs a text as the top of a script, with lb as it is there.
--
--   loaded.run(segment, text)     the message of what went wrong, or nil
local ffi = require "ffi"
local core = require "spec.support.core"
require "spec.support.http" -- slices and buffers

ffi.cdef [[
struct config *loaded_config_load(const char *name, struct slice source, const void *overrides, struct segment *,
                                  struct buffer *error) __asm__("config_load_text");
void config_free(struct config *);
]]

local loaded = {}

function loaded.run(segment, text)
  local source = text .. "\nreturn { choose = function() end }"
  local err = ffi.new "struct buffer"
  local config = core.loaded_config_load("t.lua", ffi.new("struct slice", source, #source), nil, segment, err)
  if config ~= nil then
    core.config_free(config)
    return nil
  end
  local said = ffi.string(err.bytes, err["end"])
  core.buffer_dispose(err)
  return said
end

return loaded
