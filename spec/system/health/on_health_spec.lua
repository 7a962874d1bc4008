-- on_health: the monitor calls it for every change, whichever process made the change.
local play = require "spec.support.play"

describe("on_health(backend, up, reason)", function()
  after_each(play.curtain)

  local function start(body, backends, more)
    return play.balancer { backends = backends, script = ([[
local told = lb.counter "told"
return {
  health = { interval = 0.05, timeout = 5 },
  on_health = function(backend, up, reason)
    %s
  end,
  choose = function(ctx, backends)
    if ctx.path == "/told" then return ctx:respond { body = tostring(told:get()) } end
    return backends[1]
  end,
  %s
}]]):format(body, more or "") }
  end

  local function said(lb)
    local texts = {}
    for _, event in ipairs(lb.all_events) do
      local text = event.message and event.message:match "says: (.*)"
      if text then texts[#texts + 1] = text end
    end
    return texts
  end

  local SAY = [[lb.log.info("says: " .. backend.name .. " " .. tostring(up) .. " " .. reason)]]

  it("tells what checks find, in order", function()
    local backend = play.hello "one"
    local lb = start(SAY, { backend })
    lb:up(backend)
    backend:stop()
    lb:down(backend)
    backend:start()
    play.wait("three changes", function() return #said(lb) >= 3 end)
    assert.same({ backend.address .. " true accepts connections", backend.address .. " false connection refused",
      backend.address .. " true accepts connections" }, said(lb))
  end)

  it("tells what a worker's connect has found", function()
    local backend = play.hello "one"
    local lb = start(SAY, { backend }, "")
    lb:up(backend)
    play.wait("the first", function() return #said(lb) == 1 end)
    backend:stop()
    lb:fetch "/"
    play.wait("the second", function() return #said(lb) == 2 end)
    assert.truthy(said(lb)[2]:find " false ")
  end)

  it("may await, and checks continue meanwhile", function()
    local one, two = play.hello "one", play.hello "two"
    local lb = start("lb.sleep(60)", { one, two })
    lb:up(one)
    two:stop()
    lb:down(two)
    two:start()
    lb:up(two)
  end)

  it("that never ends or fails harms only itself", function()
    local backend = play.hello "one"
    local lb = start("told:add(1) if up then while true do end end error 'no'", { backend })
    lb:up(backend)
    backend:stop()
    lb:down(backend)
    play.wait("both calls", function() return lb:fetch("/told").body == "2" end)
    assert.equal(0, #lb:events "policy_parked")
    backend:start()
    lb:up(backend)
    local kinds = {}
    for _, event in ipairs(lb:events "policy_error") do kinds[event.kind] = event.hook end
    assert.same({ timeout = "on_health", error = "on_health" }, kinds)
  end)

  it("is not called for what was so before the monitor was replaced", function()
    local backend = play.hello "one"
    local lb = start("told:add(1)", { backend })
    lb.may_lose_workers = true
    play.wait("the first", function() return lb:fetch("/told").body == "1" end)
    local before = lb:children()
    for _, pid in ipairs(before) do require("luv").kill(pid, "sigkill") end
    play.wait("both to be replaced", function()
      local now = lb:children()
      return #now == 2 and now[1] ~= before[1] and now[2] ~= before[2] and now[1] ~= before[2] and now[2] ~= before[1]
    end)
    backend:stop()
    lb:down(backend)
    play.wait("the second", function() return lb:fetch("/told").body == "2" end)
  end)
end)
