-- What watches over a script's calls costs nothing while there is nothing to watch.
local asking = require "spec.support.asking"
local files = require "spec.support.files"
local play = require "spec.support.play"
local uv = require "luv"

local read = files.read

-- How often all threads but the serving thread have gone to sleep, and its CPU time in ms.
local function figures(pid)
  local naps, tasks = 0, assert(uv.fs_scandir(("/proc/%d/task"):format(pid)))
  for task in uv.fs_scandir_next, tasks do
    local status = read(("/proc/%d/task/%s/status"):format(pid, task))
    if tonumber(task) ~= pid then naps = naps + tonumber(status:match "\nvoluntary_ctxt_switches:%s*(%d+)") end
  end
  return naps, tonumber(read(("/proc/%d/task/%d/schedstat"):format(pid, pid)):match "%d+") / 1e6
end

describe("the watchdog of a script", function()
  after_each(play.curtain)

  it("is woken by the time that the worker uses, and not by the time that passes", function()
    local lb = play.balancer { backends = { play.hello "x" },
      settings = "choose = function(ctx, backends) return backends[1] end" }
    local worker = asking.worker(lb)
    asking.answer(lb)
    local naps, used_ms = figures(worker)
    for _ = 1, 40 do
      play.pause(0.025) -- the load: a call now and then
      asking.answer(lb)
    end
    local naps_after, used_after_ms = figures(worker)
    assert.truthy(naps_after - naps <= (used_after_ms - used_ms) / 2.5 + 2,
      ("%d naps in %.1f ms of CPU time"):format(naps_after - naps, used_after_ms - used_ms))
  end)
end)
