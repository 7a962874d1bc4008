-- turns - whose turn it is: lb.counter, lb.policy.round_robin, and the ties of backends:min.
--
-- A list of backends has a source: all backends, or those with some tag. A counter has a turn for
-- each source (shared/turns.h says why), and its own value is the turn of all backends. The turn
-- stays when backends come and go. Lists that a script has made share one turn.
local inside, lb = ...

local ffi, segment, complain = inside.ffi, inside.segment, inside.complain
local C = ffi.C
local assert, error, rawget = assert, error, rawget
local setmetatable, tostring, type = setmetatable, tostring, type
local floor, sub = math.floor, string.sub

ffi.cdef [[
struct segment_counter;
struct segment_counter *counters_find(void *segment, struct slice name);
uint32_t counters_number(const void *segment, const struct segment_counter *);
double counters_add(struct segment_counter *, double amount);
double counters_get(const struct segment_counter *);
int32_t turns_find(void *segment, int32_t counter, struct slice source); // uint32_t in C, which costs more here
int32_t turns_next(void *segment, int32_t turn, int32_t n);
double turns_part(void *segment, int32_t turn);
]]

segment = ffi.cast("void *", segment) -- compiled code takes no light userdata

-- Turns of sources --------------------------------------------------------------------------------

local ALL, MADE = "", "made"
local turns = {
  ALL = ALL,
  -- By list: ALL, or the name of its source.
  source_of = setmetatable({}, { __mode = "k" }),
}
local source_of = turns.source_of
local found = {} -- by counter's number: by source

-- core/policy/hooks.lua has better ones, where there are requests.

-- The number of the backend that this request has had last; 0: none yet.
function turns.last() return 0 end
function turns.check_ctx() error("counter:next(ctx, backends) is for hooks that have a ctx", 4) end
-- Is that one of the list's source? And who comes behind it in the list.
function turns.is_of(list, last) return false end
function turns.neighbour(list, last) return list[1] end

-- For whoever asks why a backend was chosen (facts_compared in core/policy/facts.h): by that rule,
-- and by these numbers of the one that it took and of another one.
local TURN = 7 -- enum facts_rule
turns.MIN, turns.LEAST, turns.P2C_EWMA, turns.RING, turns.RANDOM = 2, 3, 4, 5, 6
function turns.compared(rule, one, value, other, others) end
function turns.chosen_by(rule) end -- which has compared no numbers,
function turns.named(rule) end     -- or those that are there

-- The counter's turn for lists of that source.
local function turn_for(counter, source)
  if source == ALL then return counter end
  local by_source = found[counter]
  if not by_source then
    by_source = {}
    found[counter] = by_source
  end
  local turn = by_source[source]
  if not turn then
    turn = C.turns_find(segment, counter, ffi.new("struct slice", source, #source))
    by_source[source] = turn
  end
  return turn
end

-- The turn, and whether it is also of lists that have little in common.
function turns.of(counter, list)
  local source = source_of[list]
  return turn_for(counter, source or MADE), source == nil
end

local function next_in(counter, list, count)
  local source = source_of[list]
  if source == ALL then return C.turns_next(segment, counter, count) end
  if source then return C.turns_next(segment, turn_for(counter, source), count) end
  return count > 0 and floor(C.turns_part(segment, turn_for(counter, MADE)) * count) + 1 or 0
end

local function next_backend(counter, list, order)
  local last = turns.last()
  if last ~= 0 and turns.is_of(list, last) then return (turns.neighbour(list, last)) end
  if order then return list[order[next_in(counter, list, #order)]] end
  return list[next_in(counter, list, #list)]
end

-- Counters ----------------------------------------------------------------------------------------

-- A script holds a table with the counter's number, at 0, never the handle, which is a pointer.
-- A script that changes the number counts elsewhere, or nowhere.
local counters, handles = {}, {} -- by name; by counter
local methods = {}
local counter_meta = inside.object_meta("a counter", methods)

local function handle_of(counter)
  local handle = handles[counter]
  if not handle then error("call it on a counter, with a colon: counter:next(n)", 3) end
  return handle
end

local function check_next(ctx, list, order)
  if type(ctx) ~= "table" then error("counter:next(n) needs a number, got " .. type(ctx), 3) end
  if type(list) ~= "table" then
    error("counter:next(ctx, backends) needs the list of backends, got " .. type(list), 3)
  end
  if order ~= nil and type(order) ~= "table" then
    error("counter:next(ctx, backends, order): order is a list of places, not a " .. type(order), 3)
  end
  turns.check_ctx(ctx)
end

function methods.next(counter, n, list, order)
  local number = type(counter) == "table" and rawget(counter, 0)
  if not number then handle_of(counter) end
  if type(n) ~= "number" then
    check_next(n, list, order)
    turns.chosen_by(TURN)
    return (next_backend(number, list, order))
  end
  if list ~= nil then complain("counter:next(n) takes a number alone; of backends write next(ctx, backends)") end
  if not (n >= 0 and n < 2 ^ 31) then complain("counter:next(n) needs 0 to 2^31 - 1, got %s", tostring(n)) end
  return C.turns_next(segment, number, n)
end

function methods.add(counter, amount)
  if type(amount) ~= "number" or floor(amount) ~= amount or amount < -2 ^ 53 or amount > 2 ^ 53 then
    complain("counter:add(amount) needs a whole number, got %s", tostring(amount))
  end
  return C.counters_add(handle_of(counter), amount)
end

function methods.get(counter) return C.counters_get(handle_of(counter)) end

local function find_counter(name)
  local handle = C.counters_find(segment, ffi.new("struct slice", name, #name))
  return handle ~= nil and handle or nil
end

function lb.counter(name)
  if counters[name] then return counters[name] end
  if type(name) ~= "string" then complain("lb.counter needs a name, got %s", type(name)) end
  if sub(name, 1, 3) == "lb:" then complain("names that begin with 'lb:' are taken") end
  local handle = find_counter(name)
  if not handle then
    complain("no counter '%s': a name has 1 to 63 bytes, and there is room for 1024 names", name)
  end
  local made = setmetatable({ [0] = C.counters_number(segment, handle) }, counter_meta)
  counters[name], handles[made] = made, handle
  return made
end

-- One for everybody who goes round without a counter of its own, C's fallback included; and one for
-- ties. The first names of all in the segment, taken before a script could use up the room.
local function own_counter(name)
  local handle = assert(find_counter(name), "no room for the counter " .. name)
  return C.counters_number(segment, handle)
end

local common = own_counter "lb:round_robin"
turns.ties = own_counter "lb:ties"

function inside.policies.round_robin(_, backends)
  return (next_backend(common, backends))
end

inside.turns = turns
