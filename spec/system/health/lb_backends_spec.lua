-- lb.backends: timers and the hooks of the monitor see the backends, and steer them.
local asking = require "spec.support.asking"
local play = require "spec.support.play"

local QUICK = "health = { interval = 60, timeout = 5 },"

describe("lb.backends", function()
  after_each(play.curtain)

  local function start(top, members)
    local backends = { play.hello "one", play.hello "two", play.hello "three" }
    return play.balancer {
      script = ("%s\nreturn { %s choose = function(ctx, backends) return lb.policy.round_robin(ctx, backends) end }")
        :format(top, members or QUICK), backends = backends,
    }, backends
  end

  local function bodies(lb, count)
    local seen, list = {}, {}
    for _ = 1, count do seen[lb:fetch("/").body] = true end
    for body in pairs(seen) do list[#list + 1] = body end
    table.sort(list)
    return table.concat(list, " ")
  end

  for where, options in pairs { ["in each worker"] = "", ["in the monitor"] = ", { once = true }" } do
    it("has all of them in a timer, which drains one, " .. where, function()
      local lb = start([[
        lb.after(0.05, function()
          lb.sleep(0.01)
          assert(#lb.backends == 3 and lb.backends[1] == lb.backends.all[1] and #lb.backends:tagged("no", "no") == 0)
          lb.backends:by_name(lb.backends[2].name):drain()
          lb.backends[3]:set_weight(7)
          lb.log.info(lb.backends[2].state .. lb.backends[3].weight .. tostring(lb.backends))
        end]] .. options .. ")")
      assert.equal("draining7backends", lb:event("script").message)
      assert.equal("one three", bodies(lb, 6))
      asking.no_errors(lb)
    end)
  end

  it("has the objects that choose and health get", function()
    local lb = start("local known, same = {}, lb.counter 'same'", [[
      init = function() for i, one in ipairs(lb.backends) do known[one] = i end end,
      on_done = function(ctx) if lb.backends[1]:eject(60, "enough") then lb.log.info "ejected" end end,
      on_response = function(ctx, backend) if not known[backend] then lb.log.info "unknown" end end,
      health = { interval = 0.05, timeout = 5, check = function(backend)
        for _, one in ipairs(lb.backends) do if one == backend then same:add(1) end end
        if same:get() == 30 then lb.log.info "thirty" end
        return true
      end },]])
    assert.equal("thirty", lb:event("script", { message = "thirty" }).message)
    lb:fetch "/"
    lb:event("script", { message = "ejected" })
    assert.equal("three two", bodies(lb, 6))
    assert.same({}, lb:events("script", { message = "unknown" }))
    asking.no_errors(lb)
  end)

  it("can be changed by no script", function()
    local lb = start([[
      lb.after(0, function() lb.backends[1] = lb.backends[2] end)
      lb.every(0.02, function()
        if lb.backends[1] ~= lb.backends[2] then lb.log.info "whole" end
      end)]])
    lb:event("script", { message = "whole" })
    asking.no_errors(lb)
  end)

  it("is not there while the script is loaded", function()
    local file = play.file("early.lua", "local all = lb.backends\nreturn { backends = '127.0.0.1:9001' }")
    local said = play.lb { "check", file }
    assert.equal(2, said.code)
    assert.truthy(said.err:find("early.lua:1: lb.backends is there in hooks and timers, not while", 1, true), said.err)
  end)
end)
