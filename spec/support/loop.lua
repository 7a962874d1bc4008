-- loop - one event loop for a whole spec, driven by the function that waits.
--
-- A spec is plain code from top to bottom; what it waits for happens meanwhile.
-- Scripted backends run next to it, each connection in a coroutine of its own.
--
--   loop.wait("the answer", function() return answer end)    waits for that, within a bound
--   loop.go(fn, ...)          runs fn next to the spec; what it raises fails the spec
--   loop.pause(seconds)       lets time pass, as a slow peer does; never in the hope of an event
--   loop.quit()               ends the coroutine that calls, silently: its peer is gone
--   loop.note(who, text)      one more line of the story that a failure shows
--   loop.callback(fn)         for luv: an error inside fails the spec instead of ending the process
--   loop.clear()              closes whatever is still open
--
-- Bounds end a wait for what never comes, however busy the machine is; what comes costs no more. A
-- bound is 60 s, or more where a spec says so; three times that for a program with "asan" in its
-- path (LB), and ten times with LB_UNDER; LB_SLOW says another factor.

local ffi = require "ffi"
local uv = require "luv"

-- Writing to a connection that its peer has closed is an error to see, not the end of the specs.
ffi.cdef "void *signal(int number, void *handler);"
ffi.C.signal(13, ffi.cast("void *", 1)) -- SIGPIPE, SIG_IGN

local loop = {}

local function factor()
  local slow = os.getenv "LB_SLOW"
  if slow and slow ~= "" then return tonumber(slow) or 10 end
  if (os.getenv "LB_UNDER" or "") ~= "" then return 10 end
  return (os.getenv "LB" or ""):find("asan", 1, true) and 3 or 1
end

loop.slow = factor()

local BOUND = 180

local waiting = {}   -- of the coroutines: { co, ready, deadline }
local running = {}   -- coroutines that this file started
local failures = {}  -- what callbacks and coroutines raised
local story = {}
local began = uv.hrtime()
local quitting = {}  -- what a coroutine raises to end in silence

function loop.now() return uv.hrtime() / 1e9 end

local function shown(text)
  return (text:gsub("\r\n", "\\n"):gsub("[^\32-\126]", function(c) return ("\\x%02x"):format(c:byte()) end))
end

function loop.note(who, text)
  if #text > 200 then text = text:sub(1, 200) .. "..." end
  story[#story + 1] = ("%8.3f  %-12s %s"):format((uv.hrtime() - began) / 1e9, who, shown(text))
end

-- The last lines of what has happened, for a failure's message.
function loop.story(lines)
  local from = math.max(1, #story - (lines or 60) + 1)
  return table.concat(story, "\n", from)
end

function loop.callback(fn)
  return function(...)
    local ok, err = xpcall(fn, function(e) return type(e) == "string" and debug.traceback(e, 2) or e end, ...)
    if not ok then failures[#failures + 1] = err end
  end
end

local function raise_failures()
  local failure = table.remove(failures, 1)
  if failure then error(failure, 0) end
end

local function resume(co, ...)
  local ok, err = coroutine.resume(co, ...)
  if coroutine.status(co) == "dead" then running[co] = nil end
  if not ok and err ~= quitting then
    if type(err) == "string" then err = debug.traceback(co, err) end
    failures[#failures + 1] = err
  end
end

function loop.go(fn, ...)
  local co = coroutine.create(fn)
  running[co] = true
  resume(co, ...)
end

function loop.quit() error(quitting, 0) end

-- Inside a coroutine of ours? The spec itself may be quit by nobody.
function loop.is_beside() return running[coroutine.running() or 0] or false end

local function resume_ready()
  local again = true
  while again do
    again = false
    for _, one in ipairs({ unpack(waiting) }) do
      local value = not one.done and (one.ready() or (one.deadline and loop.now() >= one.deadline and one))
      if value then
        one.done, again = true, true
        resume(one.co, value)
      end
    end
    for i = #waiting, 1, -1 do
      if waiting[i].done then table.remove(waiting, i) end
    end
  end
end

local ticker

local function turn()
  if not ticker then
    ticker = uv.new_timer()
    ticker:start(20, 20, function() end)
  end
  uv.run "once"
  resume_ready()
  raise_failures()
end

-- Waits until ready() gives something true, and gives that. In a spec it fails
-- after the bound and shows the story; next to the spec, it waits as long as the spec does.
function loop.wait(what, ready, seconds)
  if loop.is_beside() then
    return ready() or coroutine.yield(table.insert(waiting, { co = coroutine.running(), ready = ready }))
  end
  local bound = math.max(seconds or 0, BOUND) * loop.slow
  local deadline = loop.now() + bound
  resume_ready()
  raise_failures()
  while true do
    local value = ready()
    if value then return value end
    if loop.now() >= deadline then
      error(("waited %g s for %s; this has happened:\n%s"):format(bound, what, loop.story()), 0)
    end
    turn()
  end
end

function loop.pause(seconds)
  local deadline = loop.now() + seconds
  local over = function() return loop.now() >= deadline end
  if loop.is_beside() then
    coroutine.yield(table.insert(waiting, { co = coroutine.running(), ready = over }))
  else
    while not over() do turn() end
  end
end

-- Lets everything that is ready now happen.
function loop.settle()
  uv.run "nowait"
  resume_ready()
end

-- Forgets coroutines, closes every handle but running processes. Gives what went
-- wrong next to the spec since it last waited, or nil.
function loop.clear()
  waiting, running, story = {}, {}, {}
  ticker = nil
  uv.walk(function(handle)
    if not handle:is_closing() then handle:close() end
  end)
  for _ = 1, 5 do uv.run "nowait" end
  local failure = failures[1]
  failures = {}
  began = uv.hrtime()
  return failure
end

return loop
