-- Lists of backends as a source makes them: core/discover/found.h and guard.h for Lua.
local ffi = require "ffi"
local core = require "spec.support.core"

if not pcall(ffi.typeof, "struct found_list") then
  ffi.cdef [[
    struct found_tag { struct slice name, value; };
    struct found {
      struct slice name, address; const struct found_tag *tags;
      uint32_t tags_count, weight, priority, max_in_flight; bool draining, is_held, is_fresh;
      uint32_t missed; uint64_t identity;
    };
    struct found_list { char *next, *end; void *blocks; struct found *list; unsigned count; };
    struct guard_rules { double max_drop; uint32_t min, confirm, confirm_ms; };
    struct guard { uint32_t held, replaced; uint64_t since_ms; };
    struct guard_result { int fate; uint32_t added, removed, held, began; };
  ]]
end
ffi.cdef [[
void found_init(struct found_list *);
void found_dispose(struct found_list *);
bool found_add(struct found_list *, const struct found *, struct buffer *wrong);
bool found_check(const struct found_list *, struct buffer *wrong);
struct guard_result guard_hear(struct guard *, const struct guard_rules *, const struct found_list *,
  const uint8_t *standing, struct found_list *next, uint64_t now_ms);
struct guard_result guard_look(struct guard *, const struct guard_rules *, const struct found_list *,
  const uint8_t *standing, struct found_list *next, uint64_t now_ms);
]]

local found = { core = core }

local function slice(text) return { text, #text } end

-- "10.0.0.1:80", or a table with the members of struct found; anchors keeps what it points to.
local function entry_of(given, anchors)
  if type(given) == "string" then given = { address = given } end
  local tags = given.tags or {}
  local list = ffi.new("struct found_tag[?]", #tags + 1)
  for i, tag in ipairs(tags) do list[i - 1] = { slice(tag[1]), slice(tag[2]) } end
  anchors[#anchors + 1] = list
  return ffi.new("struct found", {
    name = slice(given.name or ""), address = slice(given.address), tags = list, tags_count = #tags,
    weight = given.weight or 1, priority = given.priority or 0, draining = given.draining or false,
  })
end

function found.new()
  local list = ffi.new "struct found_list"
  core.found_init(list)
  return ffi.gc(list, core.found_dispose)
end

-- The list; or nil and what is wrong with it.
function found.list(entries)
  local list, wrong, anchors = found.new(), ffi.gc(ffi.new "struct buffer", core.buffer_dispose), {}
  local is_good = true
  for _, given in ipairs(entries) do
    is_good = is_good and core.found_add(list, entry_of(given, anchors), wrong)
  end
  is_good = is_good and core.found_check(list, wrong)
  if is_good then return list end
  return nil, ffi.string(wrong.bytes + wrong.start, wrong["end"] - wrong.start)
end

return found
