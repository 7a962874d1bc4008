-- Builds what a policy is shown of the backends: pool and backend, as plain tables.
--
--   pool { "a", "b" }                                  by name, in this order
--   pool { { name = "a", in_flight = 2 }, "b" }        with facts that differ from the defaults
--   pool { small = { weight = 1 }, large = {} }        named by key, in the order of their names
--   backends:up_only()                                 as choose gets them: up, of some weight
--   backends:without("a")                              the same after "a" was tried
--
-- A spec may change a fact at any time: backends[1].in_flight = 3. Like the real ones, backends
-- refuse a field that does not exist, and `:min` rotates ties. For a request { attempts = 2 },
-- policies that go round take the neighbour of the backend that :without left out last. :eject,
-- :drain, :undrain and :set_weight change the fact; ejected_for and ejected_why show why.

local FACTS = {
  name = "", address = "", protocol = "http", host = "127.0.0.1", port = 0, weight = 1, effective_weight = 1,
  tags = {}, state = "up",
  since = 0, in_flight = 0, pending = 0, requests = 0, failures = 0, consecutive_failures = 0, error_rate = 0,
  ewma_ms = 0,
}
local OTHERS = { last_error = true }                     -- nil unless given
local FOR_SPECS = { ejected_for = true, ejected_why = true }

local backend_methods = {}

function backend_methods.eject(one, seconds, why)
  assert(type(seconds) == "number", "backend:eject(seconds, why) needs a number of seconds")
  one.state, one.ejected_for, one.ejected_why = "ejected", seconds, why
end

function backend_methods.drain(one) one.state = "draining" end
function backend_methods.undrain(one) one.state = "up" end

function backend_methods.set_weight(one, weight)
  assert(type(weight) == "number", "backend:set_weight(n) needs a number")
  one.weight, one.effective_weight = weight, weight
end

local backend_meta = {
  __index = function(_, key)
    if OTHERS[key] or FOR_SPECS[key] then return nil end
    return backend_methods[key] or error("unknown field '" .. tostring(key) .. "' of a backend", 2)
  end,
  __newindex = function(one, key, value)
    assert(OTHERS[key] or FOR_SPECS[key], "a backend has no field '" .. tostring(key) .. "'")
    rawset(one, key, value)
  end,
  __tostring = function(self) return rawget(self, "name") end,
  facts = FACTS, others = OTHERS, methods = backend_methods, -- for specs that list them
}

local function backend(facts)
  local built = {}
  for field, default in pairs(FACTS) do built[field] = default end
  for field, value in pairs(facts) do
    assert(FACTS[field] ~= nil or OTHERS[field], "a backend has no field '" .. tostring(field) .. "'")
    built[field] = value
  end
  for tag, value in pairs(built.tags) do assert(type(value) == "string", "the tag '" .. tag .. "' is no text") end
  if facts.effective_weight == nil then built.effective_weight = built.weight end
  return setmetatable(built, backend_meta)
end

-- Lists -------------------------------------------------------------------------------------------

local methods = {}
local list

-- What lb knows of a list besides its backends, for spec/support/fake_shared.lua as well.
local lists = { GOLDEN = (5 ^ 0.5 - 1) / 2 }
-- By list: source, last (the backend that was tried last), tags.
local known = setmetatable({}, { __mode = "k" })

function lists.source_of(backends) return known[backends] and known[backends].source end

-- The one behind who was tried last; nil if that is of another group.
function lists.neighbour(backends)
  local last, place = known[backends] and known[backends].last, {}
  for tag, value in pairs(known[backends] and known[backends].tags or {}) do
    if last and last.tags[tag] ~= value then return nil end
  end
  for i, one in ipairs(known[backends] and backends.all or {}) do place[one] = i end
  for _, one in ipairs(backends) do
    if last and place[one] > place[last] then return one end
  end
  return backends[1]
end

local turns = setmetatable({}, { __mode = "k" }) -- of ties, by the list of all: by source

local function take_turn(backends)
  local source, all = lists.source_of(backends) or "made", known[backends] and backends.all or lists
  turns[all] = turns[all] or {}
  turns[all][source] = (turns[all][source] or 0) + 1
  return turns[all][source] - 1
end

-- In order if they are all of the list and of the same weight, else mixed, each as often as its
-- weight says.
local function next_of(ties, backends)
  local sum, are_alike = 0, true
  for _, one in ipairs(ties) do
    sum, are_alike = sum + one.effective_weight, are_alike and one.effective_weight == ties[1].effective_weight
  end
  local taken = take_turn(backends)
  if are_alike and #ties == #backends and lists.source_of(backends) then return ties[taken % math.max(#ties, 1) + 1] end
  local left = taken * lists.GOLDEN % 1 * (are_alike and #ties or sum)
  for _, one in ipairs(ties) do
    left = left - (are_alike and 1 or one.effective_weight)
    if left < 0 then return one end
  end
  return ties[#ties]
end

function methods.min(backends, score)
  local least, ties = math.huge, {}
  for _, one in ipairs(backends) do
    local value = score(one)
    if value < least then least, ties = value, {} end
    if value == least then ties[#ties + 1] = one end
  end
  if #ties == 0 then ties = backends end
  return next_of(ties, backends)
end

function methods.by_name(backends, name)
  for _, one in ipairs(backends) do
    if one.name == name then return one end
  end
end

-- n different ones (1 unless given), each set of them as likely as any other.
function methods.sample(backends, n)
  local rest, taken = {}, {}
  for i = 1, #backends do rest[i] = backends[i] end
  for i = 1, math.min(n or 1, #rest) do
    local at = math.random(i, #rest)
    rest[i], rest[at] = rest[at], rest[i]
    taken[i] = rest[i]
  end
  return unpack(taken)
end

function methods.tagged(backends, tag, value)
  local found = {}
  for _, one in ipairs(backends) do
    if one.tags[tag] == value then found[#found + 1] = one end
  end
  local source, tags = lists.source_of(backends), { [tag] = value }
  for key, text in pairs(known[backends].tags or {}) do tags[key] = text end
  return list(found, backends.all, source and table.concat({ source, tag, value }, "\0"), known[backends].last, tags)
end

local bit = require "bit"

-- A number in (0, 1) for this key at that backend.
local function drawn(key, name)
  local hash = 0
  for i, text in ipairs { key, "\0", name } do
    for at = 1, #text do hash = bit.tobit(bit.bxor(hash, text:byte(at)) * 0x9e3779b1 % 2 ^ 32 + i) end
  end
  hash = bit.bxor(hash, bit.rshift(hash, 15))
  hash = bit.tobit(hash * 0x2c1b3c6d % 2 ^ 32)
  hash = bit.bxor(hash, bit.rshift(hash, 12))
  hash = bit.tobit(hash * 0x297a2d39 % 2 ^ 32)
  hash = bit.bxor(hash, bit.rshift(hash, 15))
  return (hash % 2 ^ 32 + 1) / (2 ^ 32 + 1)
end

-- Weighted rendezvous: each backend draws a number for the key, and the least one wins.
function methods.ring(backends, key, accept)
  local order = {}
  for _, one in ipairs(backends) do
    order[#order + 1] = { one, -math.log(drawn(tostring(key), one.name)) / one.weight }
  end
  table.sort(order, function(a, b) return a[2] < b[2] end)
  for _, place in ipairs(order) do
    if not accept or accept(place[1]) then return place[1] end
  end
  return order[1] and order[1][1]
end

lists.methods = methods

-- What a spec does with a list, and a policy does not.
local for_specs = {}

function for_specs.up_only(backends)
  local up = {}
  for _, one in ipairs(backends.all) do
    if one.state == "up" and one.weight > 0 then up[#up + 1] = one end
  end
  return list(up, backends.all, "")
end

function for_specs.without(backends, name)
  local rest, last = {}, nil
  for _, one in ipairs(backends) do
    if one.name ~= name then rest[#rest + 1] = one else last = one end
  end
  return list(rest, backends.all, lists.source_of(backends), last, known[backends].tags)
end

function list(backends, all, source, last, tags)
  known[backends] = { source = source, last = last, tags = tags }
  return setmetatable(backends, {
    __index = function(_, key)
      if type(key) == "number" then return nil end
      if key == "all" then return all or backends end
      if key == "panic" then return false end
      return methods[key] or for_specs[key] or error("unknown field '" .. tostring(key) .. "' of backends", 2)
    end,
    fields = { all = true, panic = true }, methods = methods, -- for specs that list them
  })
end

local function pool(described)
  local built, names = {}, {}
  for key, facts in pairs(described) do
    if type(key) == "string" then names[#names + 1] = key end
    assert(type(facts) == "table" or type(key) == "number")
  end
  table.sort(names)
  for position, facts in ipairs(described) do
    if type(facts) == "string" then facts = { name = facts } end
    facts.port = facts.port or 9000 + position
    facts.address = facts.address or "127.0.0.1:" .. facts.port
    facts.name = facts.name or facts.address
    built[#built + 1] = backend(facts)
  end
  for _, name in ipairs(names) do
    local facts = { name = name }
    for field, value in pairs(described[name]) do facts[field] = value end
    built[#built + 1] = backend(facts)
  end
  return list(built, nil, "")
end

return { backend = backend, pool = pool, lists = lists }
