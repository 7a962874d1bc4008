-- Builds what a policy is shown of the backends: pool and backend, as plain tables.
--
--   pool { "a", "b" }                                  by name, in this order
--   pool { { name = "a", in_flight = 2 }, "b" }        with facts that differ from the defaults
--   pool { small = { weight = 1 }, large = {} }        named by key, in the order of their names
--   backends:up_only()                                 the list that choose gets: those that are up
--
-- Like the real ones they refuse a field that does not exist, and `:min` rotates ties.

local FACTS = {
  name = "", address = "", host = "127.0.0.1", port = 0, weight = 1, tags = {}, state = "up",
  in_flight = 0, requests = 0, failures = 0, consecutive_failures = 0,
}

local backend_meta = {
  __index = function(_, key) error("unknown field '" .. tostring(key) .. "' of a backend", 2) end,
  __tostring = function(self) return rawget(self, "name") end,
}

local function backend(facts)
  local built = {}
  for field, default in pairs(FACTS) do built[field] = default end
  for field, value in pairs(facts) do
    assert(FACTS[field] ~= nil, "a backend has no field '" .. tostring(field) .. "'")
    built[field] = value
  end
  return setmetatable(built, backend_meta)
end

local methods = {}
local turns = 0

function methods.min(backends, score)
  local least, ties = math.huge, {}
  for _, one in ipairs(backends) do
    local value = score(one)
    if value < least then least, ties = value, {} end
    if value == least then ties[#ties + 1] = one end
  end
  if #ties == 0 then ties = backends end
  turns = turns + 1
  return ties[(turns - 1) % math.max(#ties, 1) + 1]
end

function methods.by_name(backends, name)
  for _, one in ipairs(backends) do
    if one.name == name then return one end
  end
end

local function list(backends, all)
  return setmetatable(backends, {
    __index = function(_, key)
      if type(key) == "number" then return nil end
      if key == "all" then return all or backends end
      return methods[key] or error("unknown field '" .. tostring(key) .. "' of backends", 2)
    end,
  })
end

function methods.up_only(backends)
  local up = {}
  for _, one in ipairs(backends) do
    if one.state == "up" then up[#up + 1] = one end
  end
  return list(up, backends)
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
    built[#built + 1] = backend(facts)
  end
  for _, name in ipairs(names) do
    local facts = { name = name }
    for field, value in pairs(described[name]) do facts[field] = value end
    built[#built + 1] = backend(facts)
  end
  return list(built)
end

return { backend = backend, pool = pool }
