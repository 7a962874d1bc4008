-- upgrading - lb at a path where another program may be put in its place.
--
--   local lb, put = upgrading.start(options)    options as of play.balancer
--   put(program)              the path leads to that one from now on: a file, or text of a script
--   put.upgrade()             SIGUSR2, and waits until the program there has taken over and the
--                             workers before have ended; the event
--   put.asked()               SIGUSR2, and waits for what becomes of it: the event
--   upgrading.program         this build;  upgrading.other: one with another layout of memory
--   upgrading.descriptors(lb) how many its supervisor has open

local balancer = require "spec.support.balancer"
local play = require "spec.support.play"
local uv = require "luv"

local upgrading = {}

local function absolute(path) return path:sub(1, 1) == "/" and path or uv.cwd() .. "/" .. path end

upgrading.program = absolute(balancer.program)
upgrading.other = absolute(os.getenv "LB_OTHER" or "build/layout/lb")

local NAMES = { upgrade = true, upgrade_refused = true, upgrade_failed = true }

local function answers(lb)
  local found = {}
  for _, event in ipairs(lb.all_events) do
    if NAMES[event.event] then found[#found + 1] = event end
  end
  return found
end

function upgrading.descriptors(lb)
  local count = 0
  for _ in uv.fs_scandir_next, assert(uv.fs_scandir(("/proc/%d/fd"):format(lb.pid))) do count = count + 1 end
  return count
end

function upgrading.start(options)
  local path = play.file("lb", "")
  local put = setmetatable({}, { __call = function(_, program)
    if not program:find "^/" then
      program = play.file("instead", program)
      assert(uv.fs_chmod(program, 493))
    end
    assert(uv.fs_symlink(program, path .. ".new"))
    assert(os.rename(path .. ".new", path))
  end })
  put(upgrading.program)
  options.program = path
  local lb = play.balancer(options)

  function put.asked()
    local before = #answers(lb)
    lb:signal "sigusr2"
    return play.wait("what becomes of the upgrade", function() return answers(lb)[before + 1] end)
  end

  -- A child that is due, as the monitor is when the one before has ended, would be missed below,
  -- and be there still at the next upgrade.
  local count = #lb:children()
  local function wait_for_all()
    play.wait("all children", function() return #lb:children() >= count end)
  end

  function put.upgrade()
    wait_for_all()
    local before = {}
    for _, pid in ipairs(lb:children()) do before[pid] = true end
    local event = put.asked()
    assert(event.event == "upgrade", event.message)
    play.wait("the end of the processes before", function()
      local children = lb:children()
      local left = #children - count -- one that began later counts on what they have counted
      for _, pid in ipairs(children) do left = left + (before[pid] and 1 or 0) end
      return left <= 0
    end)
    return event
  end

  return lb, put
end

return upgrading
