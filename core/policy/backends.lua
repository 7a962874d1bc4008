-- backends - what a script sees of a backend: one table for as long as the script is loaded.
--
-- Its fields are read through the FFI when they are asked for, and those that change come from the
-- board. The table has only its slot there, at 0, as looking the slot up would cost half of a read;
-- a script that changes it spoils only what it reads itself.
-- core/policy/lists.lua has the lists.
local prelude, segment_address, facts_of_backends = ...

local ffi = prelude.ffi
local C = ffi.C
local complain, read_only, unknown = prelude.complain, prelude.read_only, prelude.unknown
local error, ipairs, pairs, rawset, setmetatable = error, ipairs, pairs, rawset, setmetatable
local tostring, type = prelude.tostring, type
local floor, format, text_of = math.floor, string.format, ffi.string

ffi.cdef [[
uint32_t steering_state(const void *segment, uint32_t slot);
double steering_since(const void *segment, uint32_t slot);
uint32_t steering_weight(const void *segment, uint32_t slot, uint32_t in_script);
double weight_now(const void *segment, uint32_t slot, uint32_t in_script, double ramp_s);
bool steering_eject(void *segment, uint32_t slot, const char *name, double seconds, const char *why, size_t why_length);
bool steering_drain(void *segment, uint32_t slot, const char *name, bool draining);
void steering_set_weight(void *segment, uint32_t slot, const char *name, uint32_t in_script, uint32_t weight);
uint32_t policy_backend_in_flight(const void *segment, uint32_t slot);
double policy_backend_requests(const void *segment, uint32_t slot);
double policy_backend_failures(const void *segment, uint32_t slot);
uint32_t policy_backend_failures_in_row(const void *segment, uint32_t slot);
uint32_t policy_backend_pending(const void *segment, uint32_t slot);
double policy_backend_ewma_ms(void *segment, uint32_t slot);
double policy_backend_error_rate(const void *segment, uint32_t slot);
const char *policy_backend_last_error(const void *segment, uint32_t slot);
]]

local segment = ffi.cast("void *", segment_address) -- compiled code takes no light userdata

local STATES = { [0] = "up", "down", "ejected", "draining" } -- enum backend_standing

local NO_SLOT = 2 ^ 32 - 1 -- of a backend that is no more
local slot_of = {}    -- by the backend's object: where it is on the board
local weight_in_script = {} -- and its weight before anybody set another one
local slow_start = facts_of_backends.slow_start or 0 -- seconds

-- In parentheses below, as LuaJIT takes calls in tail position for a loop, and gives up after 15.
local live = {
  state = function(backend) return STATES[C.steering_state(segment, backend[0])] end,
  since = function(backend) return (C.steering_since(segment, backend[0])) end,
  weight = function(backend) return (C.steering_weight(segment, backend[0], weight_in_script[backend] or 0)) end,
  effective_weight = function(backend)
    return (C.weight_now(segment, backend[0], weight_in_script[backend] or 0, slow_start))
  end,
  in_flight = function(backend) return (C.policy_backend_in_flight(segment, backend[0])) end,
  requests = function(backend) return (C.policy_backend_requests(segment, backend[0])) end,
  failures = function(backend) return (C.policy_backend_failures(segment, backend[0])) end,
  consecutive_failures = function(backend) return (C.policy_backend_failures_in_row(segment, backend[0])) end,
  pending = function(backend) return (C.policy_backend_pending(segment, backend[0])) end,
  ewma_ms = function(backend) return (C.policy_backend_ewma_ms(segment, backend[0])) end,
  error_rate = function(backend) return (C.policy_backend_error_rate(segment, backend[0])) end,
  last_error = function(backend)
    local text = C.policy_backend_last_error(segment, backend[0])
    return text ~= nil and text_of(text) or nil
  end,
}
local fixed = { -- field, then object
  name = {}, address = {}, protocol = {}, host = {}, port = {}, tags = {},
}

local methods = {}
local gone -- see below

local function check_backend(backend, what)
  return slot_of[backend] or gone[backend] and NO_SLOT
    or error(format("call it on a backend, with a colon: backend:%s", what), 3)
end

function methods.eject(backend, seconds, why)
  local slot = check_backend(backend, "eject(seconds, why)")
  if type(seconds) ~= "number" or not (seconds > 0 and seconds <= 86400) then
    complain("backend:eject(seconds, why) needs more than 0 and at most 86400 s, got %s", tostring(seconds))
  end
  if why == nil then why = "no reason given" end
  if type(why) ~= "string" then complain("backend:eject(seconds, why): why is a text, not a %s", type(why)) end
  return C.steering_eject(segment, slot, backend.name, seconds, why, #why)
end

function methods.drain(backend)
  return C.steering_drain(segment, check_backend(backend, "drain()"), backend.name, true)
end

function methods.undrain(backend)
  return C.steering_drain(segment, check_backend(backend, "undrain()"), backend.name, false)
end

function methods.set_weight(backend, weight)
  local slot = check_backend(backend, "set_weight(n)")
  if type(weight) ~= "number" or weight ~= floor(weight) or weight < 0 or weight > 65535 then
    complain("backend:set_weight(n) needs a whole number from 0 to 65535, got %s", tostring(weight))
  end
  C.steering_set_weight(segment, slot, backend.name, weight_in_script[backend] or 0, weight)
end

local backend_meta = {
  [prelude.WALK] = "pairs(backend) finds nothing: its fields are read by name; for each of a list "
    .. "write for _, one in ipairs(backends) do",
  __index = function(backend, key)
    local read = live[key] if read then return (read(backend)) end
    local values = fixed[key]
    if values then
      local value = values[backend]
      if value == nil and gone[backend] then return gone[backend][key] end
      return value
    end
    return methods[key] or unknown("a backend", key, fixed, live, methods)
  end,
  __newindex = read_only("a backend"),
  __tostring = function(backend) return backend.name end,
  __metatable = false,
}

local members = {}   -- every backend's object, by number
local number_of = {} -- and back
local order = {}     -- the objects of those that there are, in the script's order
local tags_of = {}   -- plain tables, by object
-- Names and addresses of backends that are no more, by object.
gone = setmetatable({}, { __mode = "k" })
local tags_meta_newindex = read_only("a backend's tags")

local function describe(backend, facts)
  slot_of[backend], weight_in_script[backend] = facts.slot, facts.weight
  for field, values in pairs(fixed) do values[backend] = facts[field] end
  tags_of[backend] = facts.tags
  fixed.tags[backend] = setmetatable({}, {
    [prelude.WALK] = facts.tags, __index = facts.tags, __newindex = tags_meta_newindex, __metatable = false,
  })
end

local function put(number, facts)
  local backend = members[number]
  if not backend then
    backend = setmetatable({ [0] = facts.slot }, backend_meta)
    members[number], number_of[backend] = backend, number
  end
  describe(backend, facts)
  return backend
end

-- A script that has kept the object still reads its name, and no number of another backend.
local function take_away(number)
  local backend = members[number]
  if not backend then return end
  rawset(backend, 0, NO_SLOT)
  gone[backend] = { name = fixed.name[backend], address = fixed.address[backend] }
  members[number], number_of[backend], slot_of[backend], weight_in_script[backend] = nil, nil, nil, nil
  tags_of[backend] = nil
  for _, values in pairs(fixed) do values[backend] = nil end
end

local function set_order(numbers)
  for i = 1, #numbers do order[i] = members[numbers[i]] end
  for i = #order, #numbers + 1, -1 do order[i] = nil end
end

for number, facts in ipairs(facts_of_backends) do order[number] = put(number, facts) end

return {
  members = members,
  order = order,
  capacity = facts_of_backends.capacity or #members,
  number_of = number_of,
  gone = gone,
  put = put,
  take_away = take_away,
  set_order = set_order,
  name_of = fixed.name,
  tags_of = function(backend) return tags_of[backend] end,
  weight_of = live.weight,
  slot_of = slot_of,
  weight_in_script = weight_in_script,
  slow_start = slow_start,
}
