-- backends - what a script sees of a backend: one table for as long as the script is loaded.
--
-- Its fields are read through the FFI when they are asked for, those that change from the board. All that
-- is in the table is its slot there, at 0, as looking it up costs half of a read; a script that changes that
-- spoils what it reads itself and nothing else. core/policy/lists.lua has the lists.
local prelude, segment_address, facts_of_backends = ...

local ffi = prelude.ffi
local C = ffi.C
local read_only, unknown = prelude.read_only, prelude.unknown
local ipairs, pairs, setmetatable = ipairs, pairs, setmetatable
local text_of = ffi.string

ffi.cdef [[
uint32_t policy_backend_state(const void *segment, uint32_t slot);
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

local STATES = { [0] = "up", "down", "ejected" }

local live = {
  state = function(backend) return STATES[C.policy_backend_state(segment, backend[0])] end,
  in_flight = function(backend) return C.policy_backend_in_flight(segment, backend[0]) end,
  requests = function(backend) return C.policy_backend_requests(segment, backend[0]) end,
  failures = function(backend) return C.policy_backend_failures(segment, backend[0]) end,
  consecutive_failures = function(backend) return C.policy_backend_failures_in_row(segment, backend[0]) end,
  pending = function(backend) return C.policy_backend_pending(segment, backend[0]) end,
  ewma_ms = function(backend) return C.policy_backend_ewma_ms(segment, backend[0]) end,
  error_rate = function(backend) return C.policy_backend_error_rate(segment, backend[0]) end,
  last_error = function(backend)
    local text = C.policy_backend_last_error(segment, backend[0])
    return text ~= nil and text_of(text) or nil
  end,
}
local fixed = { name = {}, address = {}, host = {}, port = {}, weight = {}, tags = {} } -- field, then object

local backend_meta = {
  __index = function(backend, key)
    local read = live[key] if read then return read(backend) end
    local values = fixed[key]
    if values then return values[backend] end
    unknown("a backend", key, fixed, live)
  end,
  __newindex = read_only("a backend"),
  __tostring = function(backend) return fixed.name[backend] end,
  __metatable = false,
}

local members = {}   -- every backend's object, by number
local number_of = {} -- and back
local tags_meta_newindex = read_only("a backend's tags")

for number, facts in ipairs(facts_of_backends) do
  local backend = setmetatable({ [0] = facts.slot }, backend_meta)
  members[number], number_of[backend] = backend, number
  for field, values in pairs(fixed) do values[backend] = facts[field] end
  fixed.tags[backend] = setmetatable({}, {
    __index = facts.tags, __newindex = tags_meta_newindex, __metatable = false,
  })
end

return {
  members = members,
  number_of = number_of,
  name_of = fixed.name,
  tags_of = function(backend) return facts_of_backends[number_of[backend]].tags end,
  weight_of = function(backend) return fixed.weight[backend] end,
}
