-- backends - what a script sees of the backends: objects with live numbers, and lists of them.
--
-- A backend is one empty table for as long as the script is loaded; its fields are read through the FFI
-- when they are asked for, those that change from the board, by the backend's slot. A list is a table
-- that a script could change in place, so it is mended before the next call (core/policy/hooks.lua).
local prelude, segment_address, facts_of_backends = ...

local ffi = prelude.ffi
local C = ffi.C
local complain, read_only, unknown = prelude.complain, prelude.read_only, prelude.unknown
local ipairs, pairs, rawget, setmetatable, type = ipairs, pairs, rawget, setmetatable, type
local huge, text_of = math.huge, ffi.string

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

local LIST_SAME, LIST_ONCE = 0, 2 -- enum binding_list
local STATES = { [0] = "up", "down", "ejected" }

-- Backends -----------------------------------------------------------------------------------------

local slot_of = {} -- by the backend's number: where it is on the board
local live = { -- by the backend's number, from 1
  state = function(number) return STATES[C.policy_backend_state(segment, slot_of[number])] end,
  in_flight = function(number) return C.policy_backend_in_flight(segment, slot_of[number]) end,
  requests = function(number) return C.policy_backend_requests(segment, slot_of[number]) end,
  failures = function(number) return C.policy_backend_failures(segment, slot_of[number]) end,
  consecutive_failures = function(number) return C.policy_backend_failures_in_row(segment, slot_of[number]) end,
  pending = function(number) return C.policy_backend_pending(segment, slot_of[number]) end,
  ewma_ms = function(number) return C.policy_backend_ewma_ms(segment, slot_of[number]) end,
  error_rate = function(number) return C.policy_backend_error_rate(segment, slot_of[number]) end,
  last_error = function(number)
    local text = C.policy_backend_last_error(segment, slot_of[number])
    return text ~= nil and text_of(text) or nil
  end,
}
local number_of = {} -- by the backend's object
local fixed = { name = {}, address = {}, host = {}, port = {}, weight = {}, tags = {} } -- field, then number

local backend_meta = {
  __index = function(backend, key)
    local number = number_of[backend]
    local values = fixed[key]
    if values then return values[number] end
    local read = live[key]
    if read then return read(number) end
    unknown("a backend", key, fixed, live)
  end,
  __newindex = read_only("a backend"),
  __tostring = function(backend) return fixed.name[number_of[backend]] end,
  __metatable = false,
}

local tags_meta_newindex = read_only("a backend's tags")
local members = {} -- every backend's object, by number

for number, facts in ipairs(facts_of_backends) do
  for field, values in pairs(fixed) do values[number] = facts[field] end
  fixed.tags[number] = setmetatable({}, {
    __index = facts.tags, __newindex = tags_meta_newindex, __metatable = false,
  })
  slot_of[number] = facts.slot
  members[number] = setmetatable({}, backend_meta)
  number_of[members[number]] = number
end

-- Lists --------------------------------------------------------------------------------------------

local list_methods = {}
local tie_turn = prelude.tie_turn
local spare_scores = {} -- one table for all calls of :min, unless one is called inside another

function list_methods.min(backends, score)
  if type(score) ~= "function" then complain("backends:min(f) needs a function, got %s", type(score)) end
  local count, least, ties = #backends, huge, 0
  local scores = spare_scores or {}
  spare_scores = nil
  for i = 1, count do
    local value = score(backends[i])
    scores[i] = value
    if value < least then
      least, ties = value, 1
    elseif value == least then
      ties = ties + 1
    end
  end
  spare_scores = scores
  if ties == 0 then return backends[C.counters_next(tie_turn, count)] end -- empty, or no score was a number
  local wanted = ties == 1 and 1 or C.counters_next(tie_turn, ties)
  for i = 1, count do
    if scores[i] == least then
      wanted = wanted - 1
      if wanted == 0 then return backends[i] end
    end
  end
end

function list_methods.by_name(backends, name)
  local names = fixed.name
  for i = 1, #backends do
    if names[number_of[backends[i]]] == name then return backends[i] end
  end
  return nil
end

local list_extras = { all = true }
local all_of_call -- the list of all backends, as it should be

local list_meta = {
  __index = function(_, key)
    if type(key) == "number" then return nil end -- beyond the last one
    if key == "all" then return all_of_call() end
    return list_methods[key] or unknown("backends", key, list_methods, list_extras)
  end,
  __newindex = read_only("backends"),
  __tostring = function() return "backends" end,
  __metatable = false,
}

local function new_list(from)
  local list = {}
  for i = 1, #from do list[i] = from[i] end
  return setmetatable(list, list_meta)
end

-- Is it still as it was made? A script may have changed its elements in place.
local function is_whole(list, original)
  if #list ~= #original then return false end
  for i = 1, #original do
    if list[i] ~= original[i] then return false end
  end
  return true
end

local all, all_number, call_number = new_list(members), 0, 0

function all_of_call()
  if all_number ~= call_number then -- once in each call
    all_number = call_number
    if not is_whole(all, members) then all = new_list(members) end
  end
  return all
end

local kept_list, kept_original = new_list {}, {}
local check_at = 1 -- where the next check of a longer list begins

-- is_whole in few steps and without a loop, which would cost a call more than all the rest: each call
-- sees a whole short list; a change in a longer one is found after so many calls as it has fours.
local function seems_whole(list, original, count)
  if count == 2 then return list[1] == original[1] and list[2] == original[2] end
  local i = check_at
  check_at = i + 4 <= count and i + 4 or 1
  return rawget(list, i) == original[i] and rawget(list, i + 1) == original[i + 1]
    and rawget(list, i + 2) == original[i + 2] and rawget(list, i + 3) == original[i + 3]
end

local function changed_list(call)
  local original = {}
  for i = 1, call.count do original[i] = members[call.backends[i - 1] + 1] end
  local list = new_list(original)
  if call.list ~= LIST_ONCE then kept_list, kept_original, check_at = list, original, 1 end
  return list
end

-- The list that a call of choose is given, as C says in the struct.
local function list_for(call)
  call_number = call.number
  if call.list == LIST_SAME and seems_whole(kept_list, kept_original, call.count) then return kept_list end
  return changed_list(call)
end

return { members = members, number_of = number_of, list_for = list_for }
