-- lists - the backends that may be chosen, and the methods of a list.
--
-- A list is a table whose elements a script could change in place, so it is mended before the next
-- call. Its methods take any list of backends, also a list that the script has made.
local prelude, backends_module, call = ...

local ffi = prelude.ffi
local C = ffi.C
local complain, read_only, unknown = prelude.complain, prelude.read_only, prelude.unknown
local floor, format, huge = math.floor, string.format, math.huge
local error, ipairs, pairs, rawget, setmetatable = error, ipairs, pairs, rawget, setmetatable
local tostring, type, unpack = prelude.tostring, type, unpack
local assert, concat, loadstring = assert, table.concat, loadstring

ffi.cdef [[
uint32_t random_below(uint32_t n);
uint32_t lists_least(const double *scores, uint32_t count);
uint32_t lists_least_two(const double *scores, uint32_t count);
struct lists_member { uint32_t slot, in_script; };
struct lists_scored {
  const double *scores; double ramp_s; uint32_t count; struct lists_member members[?];
};
uint32_t lists_tied(void *segment, uint32_t turn, const struct lists_scored *, bool is_mixed);
uint32_t lists_key(const char *text, size_t length);
double lists_ring_score(uint32_t key, uint32_t member, double weight);
]]

local LIST_SAME, LIST_ONCE = 0, 2 -- enum binding_list

local members, number_of, name_of = backends_module.members, backends_module.number_of, backends_module.name_of
local order = backends_module.order
local tags_of, weight_of = backends_module.tags_of, backends_module.weight_of
local slot_of, weight_in_script = backends_module.slot_of, backends_module.weight_in_script
local slow_start = backends_module.slow_start
local segment, turns = ffi.cast("void *", prelude.segment), prelude.turns
local source_of = turns.source_of
local methods = prelude.list_methods

-- Raises an error about an argument; or about a dot in place of a colon, which moved all arguments.
local function wrong_argument(backends, what, needs, given)
  if type(backends) ~= "table" then error(format("write backends:%s, with a colon", what), 3) end
  error(format("backends:%s needs %s, got %s", what, needs, type(given)), 3)
end

-- :min -------------------------------------------------------------------------------------------

local SCORES = backends_module.capacity      -- as many as there can be
local spare_scores = ffi.new("double[?]", SCORES) -- for all calls, unless one runs inside another

-- scores[i - 1] = score(list[i]) for each, without a loop for the usual counts: LuaJIT compiles a
-- loop apart from its caller, which costs more than all else; written out, it is one piece with
-- choose.
local WRITTEN_OUT = 16
local score_all = {} -- by count

for count = 0, WRITTEN_OUT do
  local text = {}
  for i = 1, count do text[i] = format("scores[%d] = score(list[%d])", i - 1, i) end
  score_all[count] = assert(loadstring(
    "return function(scores, list, score) " .. concat(text, " ") .. " end", "=lb lists"))()
end

local function score_many(scores, list, score)
  for i = 1, #list do scores[i - 1] = score(list[i]) end
end

local STRANGER = 2 ^ 32 - 1
local scored_of = setmetatable({}, { __mode = "k" }) -- by list: where C finds weights and scores

local function scored_for(list, count)
  local scored = ffi.new("struct lists_scored", count)
  scored.ramp_s, scored.count = slow_start, count
  for i = 1, count do
    local one, member = list[i], scored.members[i - 1]
    member.slot, member.in_script = slot_of[one] or STRANGER, weight_in_script[one] or 1
  end
  if source_of[list] then scored_of[list] = scored end -- not if a script made it
  return scored
end

-- The next backend behind that one, by number, in the list, or in the script's order if it is not
-- there. With `is_wanted(i)`: the next one for which that is true.
local function neighbour(list, last, is_wanted)
  local count, from = #list, nil
  for i = 1, count do
    local number = number_of[list[i]] or 0
    if number == last then
      from = i
      break
    end
    if number > last and not from then from = i - 1 end
  end
  from = from or 0
  for step = 0, count - 1 do
    local i = (from + step) % count + 1
    if not is_wanted or is_wanted(i) then return list[i] end
  end
  return nil
end

turns.neighbour = neighbour

local origins = {} -- of lists by tag, by source: { parent's source, key, value }

-- Could that backend be in such a list? Yes, if the script has made the list.
function turns.is_of(list, last)
  local origin = origins[source_of[list] or turns.ALL]
  if not members[last] then return false end
  while origin do
    if tags_of(members[last])[origin[2]] ~= origin[3] then return false end
    origin = origins[origin[1]]
  end
  return true
end

local function tied_neighbour(list, scores, count, last)
  local least = huge
  for i = 0, count - 1 do least = scores[i] < least and scores[i] or least end
  return neighbour(list, last, function(i) return scores[i - 1] == least end) or neighbour(list, last)
end

-- Several, or those for which no score is a number, take turns; but for a try after the first.
local function tied(list, scores, count)
  local last = turns.last()
  if last ~= 0 and turns.is_of(list, last) then return (tied_neighbour(list, scores, count, last)) end
  local scored = scored_of[list]
  if not scored or scored.count ~= count then scored = scored_for(list, count) end
  scored.scores = scores
  local turn, is_mixed = turns.of(turns.ties, list)
  return list[C.lists_tied(segment, turn, scored, is_mixed)]
end

-- The one that was taken, and the best of the others.
local function note_least(list, scores, count, one)
  local two = C.lists_least_two(scores, count)
  local first, second = two % 65536, floor(two / 65536)
  if first == 0 then return turns.chosen_by(turns.MIN) end
  local other = list[first] == one and second or first -- it may be any one of several ties
  local others = other > 0 and scores[other - 1] or nil
  turns.compared(turns.MIN, one, scores[first - 1], list[other], others)
end

-- Looking for the smallest one is C's, for which it does not matter how the scores lie.
function methods.min(list, score)
  if type(score) ~= "function" then wrong_argument(list, "min(f)", "a function", score) end
  local count, scores = #list, spare_scores or ffi.new("double[?]", SCORES)
  if count > SCORES then complain("backends:min(f): there are %d in the list, and %d backends", count, SCORES) end
  local all = score_all[count] or score_many
  spare_scores = nil
  all(scores, list, score)
  spare_scores = scores
  local place = C.lists_least(scores, count)
  local one = list[place]
  if place == 0 then one = tied(list, scores, count) end
  local request = call.request
  if request ~= nil and request.compared ~= nil then note_least(list, scores, count, one) end
  return one
end

-- :sample ----------------------------------------------------------------------------------------

local function sample_many(backends, count, n)
  local drawn = {}
  for i = 1, count do drawn[i] = backends[i] end
  for i = 1, n do
    local j = i - 1 + C.random_below(count - i + 1) + 1
    drawn[i], drawn[j] = drawn[j], drawn[i]
  end
  return unpack(drawn, 1, n)
end

function methods.sample(backends, n)
  if type(backends) ~= "table" then wrong_argument(backends, "sample(n)") end
  local count = #backends
  if n == 2 and count > 1 then
    local i = C.random_below(count) + 1
    local j = C.random_below(count - 1) + 1
    if j >= i then j = j + 1 end
    return backends[i], backends[j]
  end
  if n == nil then n = 1 end
  if type(n) ~= "number" or n < 1 or n ~= floor(n) then complain("backends:sample(n) needs a whole number from 1") end
  if count == 0 then return nil end
  if n == 1 or count == 1 then return backends[C.random_below(count) + 1] end
  return sample_many(backends, count, n < count and n or count)
end

-- :ring -------------------------------------------------------------------------------------------

-- Of each backend on the ring: from its name, so it does not depend on the others.
local key_of = setmetatable({}, { __mode = "k" })
for _, backend in ipairs(order) do key_of[backend] = C.lists_key(name_of[backend], #name_of[backend]) end

-- Rendezvous hashing: each member has a score for the key, and the scores are the order of the ring
-- for that key. So a member that leaves moves only its own keys, however it came to leave.
function methods.ring(backends, key, accept)
  if type(key) == "number" then key = tostring(key) end
  if type(key) ~= "string" then wrong_argument(backends, "ring(key)", "a text", key) end
  if accept ~= nil and type(accept) ~= "function" then
    complain("backends:ring(key, accept): accept is a function, not a %s", type(accept))
  end
  local hash = C.lists_key(key, #key)
  local first, first_score, accepted, accepted_score = nil, -huge, nil, -huge
  for i = 1, #backends do
    local backend = backends[i]
    local name_key = key_of[backend]
    if not name_key then complain("backends:ring(key): number %d of the list is no backend", i) end
    local score = C.lists_ring_score(hash, name_key, weight_of(backend))
    if score > first_score then first, first_score = backend, score end
    if accept and score > accepted_score and accept(backend) then accepted, accepted_score = backend, score end
  end
  turns.chosen_by(turns.RING)
  return accepted or first
end

-- :by_name, :tagged -------------------------------------------------------------------------------

function methods.by_name(backends, name)
  if type(backends) ~= "table" then wrong_argument(backends, "by_name(name)") end
  for i = 1, #backends do
    if name_of[backends[i]] == name then return backends[i] end
  end
  return nil
end

-- Is it still as it was made?
local function is_whole(list, original)
  if #list ~= #original then return false end
  for i = 1, #original do
    if list[i] ~= original[i] then return false end
  end
  return true
end

local new_list
local tagged_of = setmetatable({}, { __mode = "k" }) -- by list, key and value: { list, original }
local NOTHING = {}
local tag_names = {}
local function note_tags(backend)
  for name in pairs(tags_of(backend)) do tag_names[name] = true end
end
for _, backend in ipairs(order) do note_tags(backend) end

local function source_by_tag(parent, key, value)
  if not parent then return nil end
  local source = concat({ parent, key, value }, "\0")
  origins[source] = { parent, key, value }
  return source
end

-- No more values are remembered than there are among the backends.
local function make_tagged(backends, by_value, key, value)
  local chosen = {}
  for i = 1, #backends do
    local backend = backends[i]
    if number_of[backend] and tags_of(backend)[key] == value then chosen[#chosen + 1] = backend end
  end
  if #chosen == 0 then return new_list(NOTHING) end
  local made = { list = new_list(chosen, source_by_tag(source_of[backends], key, value)), original = chosen }
  by_value[value] = made
  return made.list
end

function methods.tagged(backends, key, value)
  if type(key) ~= "string" then wrong_argument(backends, "tagged(key, value)", "a tag's name", key) end
  if type(value) == "number" then value = tostring(value) end
  if type(value) ~= "string" then wrong_argument(backends, "tagged(key, value)", "a text", value) end
  local by_key = tagged_of[backends]
  if not by_key then
    by_key = {}
    tagged_of[backends] = by_key
  end
  local by_value = by_key[key]
  if not by_value then
    by_value = {}
    if tag_names[key] then by_key[key] = by_value end
  end
  local made = by_value[value]
  if made and is_whole(made.list, made.original) then return made.list end
  return make_tagged(backends, by_value, key, value)
end

-- The lists themselves ----------------------------------------------------------------------------

local extras = { all = true, panic = true }
local all_of_call -- the list of all backends, as it should be
local panic_in = setmetatable({}, { __mode = "k" }) -- by list

local list_meta = {
  __index = function(list, key)
    if type(key) == "number" then return nil end -- beyond the last one
    if key == "all" then return all_of_call() end
    if key == "panic" then return panic_in[list] or false end
    return methods[key] or unknown("backends", key, methods, extras)
  end,
  __newindex = read_only("backends"),
  __tostring = function() return "backends" end,
  __metatable = false,
}

function new_list(from, source)
  local list = {}
  for i = 1, #from do list[i] = from[i] end
  source_of[list] = source
  return setmetatable(list, list_meta)
end

local all, all_number = new_list(order, turns.ALL), 0

function all_of_call()
  if all_number ~= call.number then -- once in each call
    all_number = call.number
    if not is_whole(all, order) then all = new_list(order, turns.ALL) end
  end
  return all
end

function prelude.late.backends()
  if not prelude.is_loaded then
    error("lb.backends is there in hooks and timers, not while the script is loaded", 3)
  end
  return all_of_call()
end

local kept_list, kept_original -- the list that most calls get, and its proper state

local function changed_list()
  local original = {}
  for i = 1, call.count do original[i] = members[call.backends[i - 1] + 1] end
  local list = new_list(original, turns.ALL)
  if call.panic ~= 0 then panic_in[list] = true end
  if call.list == LIST_ONCE then return list end
  kept_list, kept_original = list, original
  return list
end

-- Sources have found others. changes: a number, and what is known of it, or false; numbers: of all
-- that there are, or nil, if these are the same.
local function follow(changes, numbers)
  for i = 1, #changes, 2 do
    local number, facts = changes[i], changes[i + 1]
    if facts then
      local backend = backends_module.put(number, facts)
      key_of[backend] = C.lists_key(name_of[backend], #name_of[backend])
      note_tags(backend)
    else
      backends_module.take_away(number)
    end
  end
  if not numbers then return end
  backends_module.set_order(numbers)
  tagged_of, scored_of = setmetatable({}, { __mode = "k" }), setmetatable({}, { __mode = "k" })
end

-- The list that a call of choose is given, as C says in the struct. Is it still as it was made?
-- Each call looks at two of its elements, the next call at others (C says which), as a loop would
-- cost more than all the rest of a call. So a change is found after as many calls as the list has
-- pairs.
local function list_for()
  if call.list == LIST_SAME then
    local list, original, i = kept_list, kept_original, call.check
    if rawget(list, i) == original[i] and rawget(list, i + 1) == original[i + 1] then return list end
  end
  return changed_list()
end

return { list_for = list_for, follow = follow }
