-- await - the functions of lb that take a while.
--
-- C does the work (core/script/await.h), where there is a loop: `host` has its functions then.
-- Where a script is only loaded, by the supervisor and `lb check`, there is none. A function here
-- ends with a tail call of the one in C, so that an error names the script's line.
local inside, lb = ...

local host = inside.host
local error, pairs, setmetatable, tostring, type = error, pairs, setmetatable, inside.tostring, type
local complain, find, format = inside.complain, string.find, string.format

local function hosted(name)
  return host[name] or error(format("lb.%s may be called in hooks only, and in lb.after(0, f)", name), 3)
end

function lb.sleep(...) return hosted "sleep"(...) end

-- Timers ------------------------------------------------------------------------------------------

local SECONDS_MAX = 366 * 86400
local functions = {} -- by the timer's number, those that may run still
local number_of = setmetatable({}, { __mode = "k" }) -- by timer

local timer_methods = {}
local timer_meta = inside.object_meta("a timer", timer_methods, "timer")

function timer_methods.cancel(timer)
  local number = number_of[timer]
  if number and functions[number] then
    functions[number] = nil
    host.timer_cancel(number)
  end
end

-- The checks raise errors at the line that called lb.after or lb.every: level 3 from here.
local function start(what, seconds, fn, is_every, is_once)
  if type(seconds) ~= "number" or not (seconds >= (is_every and 0.001 or 0) and seconds <= SECONDS_MAX) then
    error(format("%s(s, f) needs a number of seconds from %s to %d, got %s", what, is_every and "0.001" or "0",
      SECONDS_MAX, tostring(seconds)), 3)
  end
  if type(fn) ~= "function" then error(format("%s(s, f) needs a function, got %s", what, type(fn)), 3) end
  local timer = setmetatable({}, timer_meta)
  local number = host.timer_start and host.timer_start(seconds, is_every, is_once, nil)
  if number == false then error(what .. ": there are 1000 timers already", 3) end
  if number then
    -- A timer that runs once is forgotten as it begins.
    functions[number] = is_every and fn or function()
      functions[number] = nil
      fn()
    end
    number_of[timer] = number
  end
  return timer
end

-- Does it run in the monitor, once for all workers?
local function once_of(what, options)
  local once = false
  if options == nil then return once end
  if type(options) ~= "table" then error(format("%s: options are a table, not a %s", what, type(options)), 3) end
  for name, value in pairs(options) do
    if name ~= "once" then error(format("%s: unknown option '%s', it has 'once'", what, tostring(name)), 3) end
    if type(value) ~= "boolean" then
      error(format("%s: once is true or false, not a %s", what, type(value)), 3)
    end
    once = value
  end
  -- So the monitor needs the script: core/config/load.c.
  if once then inside.has_once_timers = true end
  return once
end

function lb.after(seconds, fn, options)
  return (start("lb.after", seconds, fn, false, once_of("lb.after", options)))
end

function lb.every(seconds, fn, options)
  return (start("lb.every", seconds, fn, true, once_of("lb.every", options)))
end

-- Tasks -------------------------------------------------------------------------------------------

local NAME_MAX = 64 -- TIMER_NAME_BYTES
local task_names = {}

-- A timer of the monitor whose function is called again when it is over (core/script/timers.c).
function lb.task(name, fn)
  if type(name) ~= "string" or not find(name, "^[%w_%-%.:/]+$") or #name > NAME_MAX then
    complain("lb.task needs a name of at most %d letters, digits and '_-.:/', got '%s'", NAME_MAX, tostring(name))
  elseif type(fn) ~= "function" then
    complain("lb.task(name, f) needs a function, got %s", type(fn))
  elseif task_names[name] then
    complain("there is a task '%s' already", name)
  end
  inside.has_once_timers = true
  local number = host.timer_start and host.timer_start(0, false, true, name)
  if number == false then complain "lb.task: there are 1000 timers already" end
  if number then functions[number] = fn end
  task_names[name] = true
end

function inside.run_timer(number)
  local fn = functions[number]
  if fn then fn() end
  return 0
end
