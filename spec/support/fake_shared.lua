-- fake_shared - what lb's workers share (counters, windows, keys, buckets), in plain tables.
--
-- Called by spec/support/fake_lb.lua; `clock()` gives the seconds of its clock,
-- `is_full()` says whether there is no room for a new key. Names and values are checked as lb
-- checks them, as far as a policy can get them wrong.

local lists = require("spec.support.backend").lists

local fake_shared = {}

local function methods_of(what, methods)
  return {
    __index = function(_, key)
      return methods[key] or error(("unknown field '%s' of %s"):format(tostring(key), what), 2)
    end,
    fields = methods, -- for specs that list them
  }
end

local function check_name(what, name, most)
  if type(name) ~= "string" or #name < 1 or #name > most then
    error(("%s needs a name of 1 to %d bytes, got %s"):format(what, most, tostring(name)), 3)
  end
end

-- A key is a text, of any length, or a number, which is its text.
local function key_of(key)
  if type(key) == "number" then key = tostring(key) end
  if type(key) ~= "string" then error("a key is a text, got " .. tostring(key), 4) end
  return key
end

function fake_shared.counters()
  local values, made = {}, {}
  local names = setmetatable({}, { __mode = "k" })
  local methods = {}
  local function step(name)
    values[name] = (values[name] or 0) + 1
    return values[name] - 1
  end

  -- Of a list: one count for each source, and the neighbour without one for a try after the first.
  local function next_backend(name, ctx, list, order)
    assert(type(ctx) == "table" and type(list) == "table", "counter:next(ctx, backends) needs both")
    local neighbour = ctx.attempts > 1 and lists.neighbour(list)
    if neighbour then return neighbour end
    local source, count = lists.source_of(list), order and #order or #list
    if count == 0 then return nil end
    if source ~= "" then name = name .. "\0" .. (source or "made") end
    local taken = step(name)
    local place = source and taken % count + 1 or math.floor(taken * lists.GOLDEN % 1 * count) + 1
    return list[order and order[place] or place]
  end

  function methods.next(self, n, list, order)
    if type(n) ~= "number" then return next_backend(names[self], n, list, order) end
    if n == 0 then return 0 end
    return step(names[self]) % n + 1
  end
  function methods.add(self, amount)
    values[names[self]] = values[names[self]] + amount
    return values[names[self]]
  end
  function methods.get(self) return values[names[self]] end

  local meta = methods_of("a counter", methods)
  return function(name)
    check_name("lb.counter", name, 63)
    if not made[name] then
      made[name] = setmetatable({}, meta)
      names[made[name]], values[name] = name, 0
    end
    return made[name]
  end
end

-- lb.total and lb.gauge. kept[name] is the value, or one for each value of the label: by the value,
-- or by several with commas between them.
function fake_shared.metrics(kept)
  local by_object = setmetatable({}, { __mode = "k" })
  local function place(metric, ...)
    assert(select("#", ...) == #metric.labels, metric.name .. " has " .. #metric.labels .. " labels")
    if #metric.labels == 0 then return kept, metric.name end
    local values = {}
    for i = 1, #metric.labels do values[i] = tostring((select(i, ...))) end
    local text = table.concat(values, ",")
    if kept[metric.name][text] == nil and metric.count == metric.max then text = "(other)" end
    if kept[metric.name][text] == nil and text ~= "(other)" then metric.count = metric.count + 1 end
    return kept[metric.name], text
  end
  local function add(self, n, ...)
    n = n or 1
    assert(type(n) == "number" and n >= 0, "total:add(n) needs a number of at least 0")
    local values, text = place(by_object[self], ...)
    values[text] = (values[text] or 0) + n
  end
  local function set(self, n, ...)
    assert(type(n) == "number", "gauge:set(n) needs a number")
    local values, text = place(by_object[self], ...)
    values[text] = n
  end
  local metrics = {} -- by name
  local function maker(what, methods)
    local meta = methods_of(what, methods)
    return function(name, options)
      assert(type(name) == "string" and name:find "^[a-z][a-z0-9_]*$", what .. " needs a name of a-z, 0-9 and _")
      local metric = metrics[name] or { name = name, labels = options or {}, count = 0, what = what }
      assert(metric.what == what, name .. " is " .. metric.what)
      metric.max = options and options.max or 100
      if kept[name] == nil then kept[name] = options and {} or 0 end
      metrics[name] = metric
      local object = setmetatable({}, meta)
      by_object[object] = metric
      return object
    end
  end
  return maker("a total", { add = add }), maker("a gauge", { set = set })
end

function fake_shared.windows(clock, is_full)
  local made, events = {}, {}
  local methods = {}
  function methods.get(self)
    local kept = events[self]
    local sum, from = 0, clock() - kept.seconds
    for i = #kept, 1, -1 do
      if kept[i].at <= from then table.remove(kept, i) else sum = sum + kept[i].amount end
    end
    return sum
  end
  function methods.add(self, amount)
    if is_full() and #events[self] == 0 then return nil, "full" end
    table.insert(events[self], { at = clock(), amount = amount or 1 })
    return methods.get(self)
  end

  local meta = methods_of("a window", methods)
  return function(name, seconds)
    name = key_of(name)
    assert(type(seconds) == "number" and seconds > 0, "lb.window needs a number of seconds")
    local id = name .. "\0" .. seconds
    if not made[id] then
      made[id] = setmetatable({}, meta)
      events[made[id]] = { seconds = seconds }
    end
    return made[id]
  end
end

function fake_shared.keys(lb, clock, is_full)
  local kept = {}
  local function entry(key)
    key = key_of(key)
    local found = kept[key]
    if found and found.ends and found.ends <= clock() then kept[key], found = nil, nil end
    return found, key
  end
  local function keep(key, value, ttl)
    local kind = type(value)
    if kind ~= "string" and kind ~= "number" and kind ~= "boolean" and value ~= nil then
      error("a value is a text, a number or a boolean, not a " .. kind, 3)
    end
    if type(ttl) == "table" then ttl = ttl.ttl end
    kept[key] = value ~= nil and { value = value, ends = ttl and clock() + ttl } or nil
  end

  function lb.get(key)
    local found = entry(key)
    if found then return found.value end
  end
  function lb.set(key, value, ttl)
    if is_full() and not entry(key) then return nil, "full" end
    keep(select(2, entry(key)), value, ttl)
    return true
  end
  function lb.add(key, value, ttl)
    local found, text = entry(key)
    if found then return false end
    if is_full() then return nil, "full" end
    keep(text, value, ttl)
    return true
  end
  function lb.incr(key, amount, ttl)
    local found, text = entry(key)
    if not found and is_full() then return nil, "full" end
    if not found then
      keep(text, amount or 1, ttl)
      return amount or 1
    end
    if type(found.value) ~= "number" then error("the value of '" .. text .. "' is no number", 2) end
    found.value = found.value + (amount or 1)
    return found.value
  end
end

local BUCKET_OPTIONS = { rate = true, burst = true, full = true }

function fake_shared.buckets(clock, is_full)
  local made, of = {}, {}
  local methods = {}
  function methods.take(self, key, wanted)
    local bucket, now = of[self], clock()
    wanted, key = wanted or 1, key_of(key)
    if wanted > bucket.burst then error("bucket:take: more than the burst, which no waiting could fill", 2) end
    if is_full() and not bucket.levels[key] then
      if bucket.full == "open" then return true, nil, "full" end
      return false, 1, "full"
    end
    local level = bucket.levels[key] or { tokens = bucket.burst, at = now }
    bucket.levels[key] = level
    level.tokens = math.min(bucket.burst, level.tokens + (now - level.at) * bucket.rate)
    level.at = now
    if level.tokens + 1e-9 < wanted then return false, (wanted - level.tokens) / bucket.rate end
    level.tokens = level.tokens - wanted
    return true
  end

  local meta = methods_of("a bucket", methods)
  return function(name, given)
    check_name("lb.bucket", name, 48)
    for key in pairs(given) do assert(BUCKET_OPTIONS[key], "lb.bucket has no option '" .. key .. "'") end
    if not made[name] then
      made[name] = setmetatable({}, meta)
      of[made[name]] = { levels = {} }
    end
    local bucket = of[made[name]]
    bucket.rate, bucket.burst, bucket.full = given.rate, given.burst or math.max(1, given.rate), given.full
    return made[name]
  end
end

return fake_shared
