-- Loads a script as lb does when it starts, and returns its settings or what is wrong with them.
--
--   settings.of "return { backends = 'a:1' }"   the settings in effect, as a table
--   settings.printed(source, given, name)   the script that lb prints of them; or nil, why not
local ffi = require "ffi"
local luassert = require "luassert"
local core = require "spec.support.core"

-- Each spec file loads this anew, and a struct can be declared once only.
if not pcall(ffi.new, "struct given_seen") then
  ffi.cdef [[
struct given_seen {
  struct { const char **list; unsigned count; const char *source; } listen, backends;
  struct { const char *text, *source; } workers, log_format;
};
]]
end
ffi.cdef [[
struct config *config_load_text(const char *name, struct slice source, const struct given_seen *,
                                struct segment *, struct buffer *error);
struct config *config_load_file(const char *path, const struct given_seen *, struct segment *,
                                struct buffer *error);
void config_print(const struct config *, struct buffer *);
void config_free(struct config *);
unsigned config_cpus(void);
]]

local settings = {}
local segment = ffi.gc(core.segment_new(), core.segment_free)

local function taken(buffer)
  local text = buffer.bytes ~= nil
    and ffi.string(buffer.bytes + buffer.start, tonumber(buffer["end"] - buffer.start)) or ""
  core.buffer_dispose(buffer)
  return text
end

-- What was loaded, printed, which is a script itself.
local function outcome(config, err)
  if config == nil then return nil, taken(err) end
  luassert.equal("", taken(err))
  local out = ffi.new "struct buffer"
  core.config_print(config, out)
  core.config_free(config)
  return taken(out)
end

function settings.printed(source, given, name)
  local err = ffi.new "struct buffer"
  return outcome(core.config_load_text(name or "balancer.lua", ffi.new("struct slice", source, #source), given,
    segment, err), err)
end

function settings.of(source, given)
  local printed = assert(settings.printed(source, given))
  return assert(loadstring(printed))()
end

function settings.printed_file(path)
  local err = ffi.new "struct buffer"
  return outcome(core.config_load_file(path, nil, segment, err), err)
end

-- given: listen, backends (lists), workers, and where they come from
function settings.overridden(given)
  local seen = ffi.new "struct given_seen"
  local lists = { seen }
  for _, name in ipairs { "listen", "backends" } do
    if given[name] then
      local list = ffi.new("const char *[?]", #given[name], given[name])
      lists[#lists + 1] = list
      seen[name] = { list, #given[name], given[name .. "_source"] }
    end
  end
  seen.workers = { given.workers, given.workers_source }
  return seen, lists -- held, as C borrows them
end

-- "health.interval" in the tables of settings
function settings.at(tables, path)
  for name in path:gmatch "[^.]+" do tables = tables[tonumber(name) or name] end
  return tables
end

return settings
