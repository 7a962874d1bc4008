-- health as a function of the script: called in the monitor, in place of probes.
local play = require "spec.support.play"

local CHOOSE = "choose = function(ctx, backends) return backends[1] end,"

local function script(health, top)
  return ("%s\nreturn {\nhealth = %s,\n%s\n}\n"):format(top or "", health, CHOOSE)
end

local function check(body, settings)
  return ("{ interval = 0.05, %s check = function(backend)\n%s\nend }"):format(settings or "", body)
end

describe("health(backend)", function()
  after_each(play.curtain)

  local function start(text, options)
    options = options or {}
    options.script, options.backends = text, options.backends or { play.hello "one", play.hello "two" }
    return play.balancer(options), options.backends
  end

  it("says which backends are up, and why not", function()
    local _, backends = nil, { play.hello "one", play.hello "two" }
    local lb = start(script(check(("if backend.address == %q then return false, 'replica lag 12 s' end return true")
      :format(backends[1].address))), { backends = backends })
    lb:up(backends[2])
    assert.equal("replica lag 12 s", lb:down(backends[1]).reason)
    for _ = 1, 3 do assert.equal("two", lb:fetch("/").body) end
  end)

  it("may be a function alone", function()
    local lb, backends = start(script "function(backend) return false, 'closed' end")
    assert.equal("closed", lb:down(backends[1]).reason)
  end)

  it("may await", function()
    local lb, backends = start(script(check "lb.sleep(0.02) return false, 'slept'"))
    assert.equal("slept", lb:down(backends[1]).reason)
  end)

  it("may ask over HTTP and TCP, and look at the answer", function()
    local lagging = play.answering(function(request) return request.target == "/lag" and "31" or "x" end)
    local fine = play.answering(function(request) return request.target == "/lag" and "2" or "x" end)
    local deaf = play.blocked()
    local lb = start(script(check([[
      local res, why = lb.http.get("http://" .. backend.address .. "/lag")
      if not res then return false, why end
      return tonumber(res.body) < 10, "lag " .. res.body]], "timeout = 3,")), { backends = { lagging, fine, deaf } })
    lb:up(fine)
    assert.equal("lag 31", lb:down(lagging).reason)
    local reason = lb:down(deaf).reason
    assert.truthy(reason:find "^timeout" or reason == "the check took longer than 3 s", reason)
  end)

  it("is asked again and again, with rise and fall", function()
    local lb, backends = start(script(check(
      "local n = lb.counter(backend.name):add(1) return n < 4 or n > 8, 'call ' .. n", "fall = 2, rise = 2,")))
    lb:up(backends[1])
    lb:event("backend_down", { backend = backends[1].address })
    assert.equal("call 5", lb:events("backend_down", { backend = backends[1].address })[1].reason)
    lb:event("backend_up", { backend = backends[1].address }, 2)
  end)

  it("that fails is a failed check, and its line is logged", function()
    local lb, backends = start(script(check "local nothing return nothing.field"))
    local reason = lb:down(backends[1]).reason
    assert.truthy(reason:find("^the check in balancer%.lua:4 failed: attempt to index"), reason)
    local event = lb:event "policy_error"
    assert.equal("health error 4", ("%s %s %d"):format(event.hook, event.kind, event.line))
  end)

  it("that returns nothing of use is a failed check", function()
    local lb, backends = start(script(check "return 5"))
    local reason = lb:down(backends[1]).reason
    assert.truthy(reason:find("health returned a number, expected true", 1, true), reason)
  end)

  it("that never ends for one backend delays no check of the others", function()
    local backends = { play.hello "one", play.hello "two" }
    local lb = start(script(check(("if backend.address == %q then while true do end end return true")
      :format(backends[1].address))), { backends = backends })
    lb:up(backends[2])
    local reason = lb:down(backends[1]).reason
    assert.truthy(reason:find("used more than its 10 ms of CPU time", 1, true), reason)
    for _ = 1, 3 do assert.equal("two", lb:fetch("/").body) end
    assert.equal(0, #lb:events "policy_parked")
  end)

  it("that eats memory for one backend is stopped", function()
    local backends = { play.hello "one", play.hello "two" }
    local eats = ("if backend.address == %q then local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end end")
      :format(backends[1].address)
    local lb = start(("return {\nscript = { memory = 16 * 2^20, budget_ms = 1000 },\nhealth = %s,\n%s\n}\n"):format(
      check(eats .. " return true"), CHOOSE), { backends = backends })
    lb:up(backends[2])
    local reason = lb:down(backends[1]).reason
    assert.truthy(reason:find("of script.memory", 1, true), reason)
  end)

  it("that sleeps for one backend is given up after health.timeout", function()
    local backends = { play.hello "one", play.hello "two" }
    local lb = start(script(check(("if backend.address == %q then lb.sleep(60) end return true")
      :format(backends[1].address), "timeout = 1,")), { backends = backends })
    lb:up(backends[2])
    assert.equal("the check took longer than 1 s", lb:down(backends[1]).reason)
  end)

  it("failing for ever parks nothing: requests go by choose", function()
    local lb = start(("local up = lb.counter 'up'\nreturn {\nhealth = %s,\nchoose = %s }"):format(
      check "up:add(1) if up:get() > 2 then error 'no' end return true" ,
      "function(ctx, backends) return ctx:respond { body = 'mine' } end"))
    lb:event("policy_error", nil, 1)
    play.wait("many failures", function() return lb:fetch("/").body == "mine" and #lb:events "backend_down" >= 2 end)
    assert.equal("mine", lb:fetch("/").body)
    assert.equal(0, #lb:events "policy_parked")
  end)

  it("keeps its reason as the backend's last_error", function()
    local lb, backends = start(([[return {
      health = %s,
      choose = function(ctx, backends)
        return ctx:respond { body = backends.all[1].last_error or "none" }
      end }]]):format(check "return false, 'tired'"))
    lb:down(backends[1])
    assert.equal("tired", lb:fetch("/").body)
  end)

  it("sees a change of the backend's own word within an interval", function()
    local text = script(check "return lb.counter('sick'):get() == 0, 'sick'"):gsub(
      "choose = .-\n", [[choose = function(ctx, backends)
        if ctx.path == "/sick" then lb.counter("sick"):add(1) return ctx:respond {} end
        if ctx.path == "/well" then lb.counter("sick"):add(-1) return ctx:respond {} end
        return backends[1]
      end,]] .. "\n")
    local lb, backends = start(text)
    lb:up(backends[1])
    lb:fetch "/sick"
    assert.equal("sick", lb:down(backends[1]).reason)
    lb:fetch "/well"
    lb:up(backends[1])
    assert.equal(200, lb:fetch("/").status)
  end)

  it("is refused in the settings next to a type, or as anything but a function", function()
    for _, given in ipairs { "{ type = 'http', check = function() end }", "{ check = 5 }", "5" } do
      local file = play.file("wrong.lua", ("return { backends = '127.0.0.1:1',\nhealth = %s }\n"):format(given))
      local done = play.lb { "check", file }
      assert.not_equal(0, done.code)
    end
  end)
end)
