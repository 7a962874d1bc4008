-- Timers with once = true run in the monitor, once for all workers.
local play = require "spec.support.play"

describe("a timer with once = true", function()
  after_each(play.curtain)

  local function start(top, options)
    options = options or {}
    options.script = ([[
local runs = lb.counter "runs"
%s
return {
  health = { interval = 0.2, timeout = 5 },
  choose = function(ctx, backends) return ctx:respond { body = tostring(runs:get()) } end,
}]]):format(top)
    options.backends = { play.hello "one" }
    return play.balancer(options)
  end

  it("runs once, however many workers there are", function()
    local lb = start("lb.after(0.05, function() runs:add(1) end, { once = true })\n" ..
      "lb.after(0.05, function() runs:add(1000) end)", { workers = 3 })
    play.wait("all runs", function() return lb:fetch("/").body == "3001" end)
  end)

  it("runs again and again, and may await", function()
    local lb = start "lb.every(0.02, function() lb.sleep(0.01) runs:add(1) end, { once = true })"
    play.wait("three runs", function() return tonumber(lb:fetch("/").body) >= 3 end)
  end)

  it("that never ends is stopped, and checks continue", function()
    local lb = start "lb.every(0.02, function() runs:add(1) while true do end end, { once = true })"
    play.wait("three runs", function() return tonumber(lb:fetch("/").body) >= 3 end)
    assert.equal("timeout", lb:event("policy_error").kind)
    assert.equal(0, #lb:events "policy_parked")
  end)

  it("is refused with options that are none", function()
    local file = play.file("wrong.lua", "lb.after(1, print, { onse = true })\nreturn { backends = '127.0.0.1:1' }\n")
    local done = play.lb { "check", file }
    assert.not_equal(0, done.code)
  end)
end)
