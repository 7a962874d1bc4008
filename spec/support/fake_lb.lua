-- fake_lb - an lb of plain Lua, so that a policy can be tried without any balancer.
--
--   local lb, world = fake_lb.new { env = {} }
--
-- `world` is what a spec sees and moves of it:
--   world:now()                  the clock of lb.now, which stands still until somebody moves it
--   world:advance(seconds)       moves it; timers of lb.after and lb.every that are due run on the
--                                way. lb.sleep does the same, but inside world:go
--   world:go(fn, ...)            runs fn until it sleeps, and resumes it when its time has come
--   world.logged                 "info: text" each; of a table its message, then the other members
--   world.is_full                true: there is no room for a new key
--   world.metrics                what lb.metric gives, by name; 0 unless set
--   world.totals                 what lb.total and lb.gauge have counted: a number by name, or by
--                                name and value of the label ("a,b" of two labels)
--   world.verify                 what lb.verify calls, with its arguments; an error unless set
--   world.files                  what lb.file gives, by path; none unless set
--   world.backends               what lb.backends gives, a pool; an error unless set
--   world.http, world.tcp, world.dns, world.requests   spec/support/fake_clients.lua

local json = require "dkjson"
local clients = require "spec.support.fake_clients"
local lists = require("spec.support.backend").lists.methods
local codes = require "spec.support.fake_codes"
local sha256 = require "spec.support.sha256"
local shared = require "spec.support.fake_shared"

local fake_lb = {}

-- As of lb itself: a field that does not exist is an error.
local function locked(what, fields, late)
  return setmetatable({}, {
    __index = function(_, key)
      local value = fields[key]
      if value == nil and late and late[key] then return late[key]() end
      if value == nil then error(("unknown field '%s' of %s"):format(tostring(key), what), 2) end
      return value
    end,
    __newindex = function(_, key) error(what .. " is read-only: " .. tostring(key), 2) end,
    fields = fields, others = late, -- for specs that list them
  })
end

-- The clock ---------------------------------------------------------------------------------------

local World = {}
World.__index = World

function World:now() return self.time end

local function next_due(self, latest)
  local first
  for timer in pairs(self.timers) do
    if timer.at <= latest and (not first or timer.at < first.at or (timer.at == first.at and timer.id < first.id)) then
      first = timer
    end
  end
  return first
end

function World:advance(seconds)
  assert(seconds >= 0, "time goes forward only")
  local ends = self.time + seconds
  for timer in function() return next_due(self, ends) end do
    self.time = math.max(self.time, timer.at)
    if timer.period then timer.at = timer.at + timer.period else self.timers[timer] = nil end
    timer.run()
  end
  self.time = ends
end

local function start_timer(self, seconds, run, period)
  assert(type(seconds) == "number" and seconds >= 0, "expected a number of seconds")
  self.timer_count = self.timer_count + 1
  local timer = { at = self.time + seconds, run = run, period = period, id = self.timer_count }
  self.timers[timer] = true
  return timer
end

function World:go(fn, ...)
  local co = coroutine.create(fn)
  local function resume(...)
    local ok, seconds = coroutine.resume(co, ...)
    assert(ok, seconds)
    if coroutine.status(co) ~= "dead" then start_timer(self, seconds, resume) end
  end
  self.running[co] = true
  resume(...)
end

local function add_clock(lb, world)
  function lb.now() return world.time end
  function lb.sleep(seconds)
    local co = coroutine.running()
    if co and world.running[co] then coroutine.yield(seconds) else world:advance(seconds) end
  end

  local function handle(timer)
    return locked("a timer", { cancel = function() world.timers[timer] = nil end })
  end
  local function check(what, given)
    for name in pairs(given or {}) do assert(name == "once", what .. " has no option '" .. tostring(name) .. "'") end
  end
  function lb.after(seconds, fn, given)
    check("lb.after", given)
    return handle(start_timer(world, seconds, function() world:go(fn) end))
  end
  function lb.every(seconds, fn, given)
    check("lb.every", given)
    assert(seconds > 0, "lb.every needs a number of seconds above 0")
    local timer
    local function run()
      if timer.is_busy then return end -- still going: this time is left out
      timer.is_busy = true
      world:go(function()
        fn()
        timer.is_busy = false
      end)
    end
    timer = start_timer(world, seconds, run, seconds)
    return handle(timer)
  end
  function lb.task(name, fn)
    assert(not world.tasks[name], "there is a task '" .. name .. "' already")
    world.tasks[name] = true
    local function run()
      world:go(function()
        fn()
        start_timer(world, 1, run)
      end)
    end
    start_timer(world, 0, run)
  end
end

-- The rest ----------------------------------------------------------------------------------------

local function text_of(given)
  if type(given) ~= "table" then return tostring(given) end
  local words = { tostring(given.message or "") }
  local names = {}
  for name in pairs(given) do
    if name ~= "message" then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do words[#words + 1] = name .. "=" .. tostring(given[name]) end
  return table.concat(words, " ")
end

local function new_log(world)
  local log = {}
  for _, level in ipairs { "info", "warn", "error" } do
    log[level] = function(given) table.insert(world.logged, level .. ": " .. text_of(given)) end
  end
  return log
end

-- Each is a choose. They ask the list and the numbers of the backends, as anybody could.
local function new_policies(counter)
  local turn = counter "lb:round_robin"
  local policy = {}
  function policy.round_robin(ctx, backends) return turn:next(ctx, backends) end
  function policy.ring_hash(ctx, backends, key) return lists.ring(backends, key or ctx.client) end

  local function good_of(one) return math.max(0.1, 1 - one.error_rate) end
  function policy.least_in_flight(_, backends)
    return lists.min(backends, function(one)
      return (math.floor((one.in_flight + 1) / good_of(one)) - 1) / one.effective_weight
    end)
  end

  function policy.random(ctx, backends)
    local left = 0
    for _, one in ipairs(backends) do left = left + one.effective_weight end
    if left == 0 then return backends[#backends > 0 and math.random(#backends) or 1] end
    left = left * math.random()
    for _, one in ipairs(backends) do
      left = left - one.effective_weight
      if left < 0 then return one end
    end
    return backends[#backends]
  end

  local function cost(one, other, more)
    local ms = math.max(one.ewma_ms, one.error_rate * other.ewma_ms) + 1
    local load = (one.in_flight + more) / one.effective_weight + 2 / (one.effective_weight + other.effective_weight)
    return ms / good_of(one) * load
  end
  function policy.p2c_ewma(ctx, backends)
    local one, other = policy.random(ctx, backends), policy.random(ctx, backends)
    if one == other then
      local two, three = lists.sample(backends, 2)
      other = two ~= one and two or three
      return other and cost(other, one, 1) * 4 < cost(one, other, 0) and other or one
    end
    local mine, others = cost(one, other, 0) ^ 2, cost(other, one, 0) ^ 2
    return math.random() * (mine + others) < mine and other or one
  end
  return policy
end

local function new_json()
  return {
    null = json.null,
    encode = function(value) return json.encode(value) end,
    array = function(list) return setmetatable(list or {}, { __jsontype = "array" }) end,
    decode = function(text)
      local value, _, err = json.decode(text, 1, json.null)
      if err then return nil, err end
      return value
    end,
  }
end

-- lb.script: core/lua/modules.lua has the real one.
local SETTINGS, GROUPS = {}, { health = true, timeouts = true, limits = true, script = true, pages = true }
for name in ([[listen backends workers fallback trusted_proxies forwarded trace via body_first reuse pages health
  timeouts limits script init choose on_response on_failure on_done
  on_health]]):gmatch "%S+" do SETTINGS[name] = true end

local function over(below, above)
  local both = {}
  for name, value in pairs(below) do both[name] = value end
  for name, value in pairs(above) do both[name] = value end
  return both
end

local function new_script(getenv)
  local count = 0
  local function made_with(make, options)
    count = count + 1
    local made = over({}, make(options, "script:" .. count))
    made.listen = made.listen or getenv "LISTEN" or "0.0.0.0:3030"
    made.backends = made.backends or getenv "BACKENDS" or "127.0.0.1:9001, 127.0.0.1:9002"
    return made
  end
  return function(defaults, make)
    for name in pairs(defaults) do
      assert(not SETTINGS[name], "an option cannot be called '" .. name .. "', which is a setting or a hook of lb")
    end
    local function customize(_, given)
      local options, settings = over(defaults, {}), {}
      for name, value in pairs(given) do
        local default = defaults[name]
        if default == nil then
          if not SETTINGS[name] then error("unknown option '" .. tostring(name) .. "'", 2) end
          settings[name] = value
        elseif default ~= false and type(value) ~= type(default) then
          error(("option '%s': expected a %s, got a %s"):format(name, type(default), type(value)), 2)
        else
          options[name] = value
        end
      end
      local made = made_with(make, options)
      for name, value in pairs(settings) do
        local is_group = GROUPS[name] and type(value) == "table" and type(made[name]) == "table"
        made[name] = is_group and over(made[name], value) or value
      end
      return made
    end
    return setmetatable(made_with(make, over(defaults, {})), { __call = customize })
  end
end

function fake_lb.new(options)
  local world = setmetatable({
    time = 1000, timers = {}, tasks = {}, files = {}, timer_count = 0, running = setmetatable({}, { __mode = "k" }),
    logged = {}, requests = {}, metrics = {}, totals = {},
  }, World)
  local variables = options and options.env or {}
  local function clock() return world.time end
  local function is_full() return world.is_full end
  local lb = {
    counter = shared.counters(), window = shared.windows(clock, is_full), bucket = shared.buckets(clock, is_full),
  }
  shared.keys(lb, clock, is_full)
  lb.total, lb.gauge = shared.metrics(world.totals)
  add_clock(lb, world)
  lb.log = locked("lb.log", new_log(world))
  lb.policy = locked("lb.policy", new_policies(lb.counter))
  lb.json = locked("lb.json", new_json())
  lb.http = locked("lb.http", clients.http(world))
  lb.tcp = locked("lb.tcp", clients.tcp(world))
  lb.dns = locked("lb.dns", clients.dns(world))
  lb.script = new_script(function(name) return variables[name] end)
  lb.hmac = sha256.hmac
  for name, value in pairs(codes.new()) do
    lb[name] = type(value) == "table" and locked("lb." .. name, value) or value
  end
  function lb.file(path)
    local text = world.files[path]
    if text then return text end
    return nil, path .. ": No such file or directory"
  end
  function lb.equal(a, b) return a == b end
  function lb.verify(...)
    return (world.verify or error("lb.verify: give world.verify a function", 2))(...)
  end
  function lb.metric(name) return world.metrics[name] or 0 end
  return locked("lb", lb, {
    backends = function() return world.backends or error("lb.backends: give world.backends a pool", 3) end,
  }), world
end

return fake_lb
