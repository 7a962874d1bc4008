-- A script that fails too often is asked no more, and everybody hears of it.
local play = require "spec.support.play"

-- Goes by the request's path: "/count" answers with a number that lb keeps.
local function script(body, settings)
  return ([[
local asked = lb.counter "asked"
return {
  health = { interval = 0.2 }, %s
  choose = function(ctx, backends)
    local metric = ctx.path:match "^/metric/(.*)"
    if metric then return ctx:respond { body = tostring(lb.metric(metric)) } end
    asked:add(1)
    if ctx.path == "/asked" then return ctx:respond { body = tostring(asked:get()) } end
    %s
    return backends[1]
  end,
}]]):format(settings or "", body)
end

local LOOP = "if ctx.path == '/bad' then while true do end end"
local RAISE = "if ctx.path == '/bad' then error 'no' end"

describe("a script", function()
  after_each(play.curtain)

  local function start(text, workers)
    return play.balancer { script = text, workers = workers, backends = { play.hello "one", play.hello "two" } }
  end

  local function fetch_all(lb, path, times)
    for _ = 1, times do assert.equal(200, lb:fetch(path).status) end
  end

  local function is_parked(lb)
    fetch_all(lb, "/asked", 2) -- the built-in rule asks a backend
    local bodies = {}
    for i = 1, 4 do bodies[i] = lb:fetch "/asked" end
    local text = play.bodies(bodies)
    return text == "one two one two" or text == "two one two one"
  end

  it("that runs on five times is parked, and that is said once, with its hook and line", function()
    local lb = start(script(LOOP))
    fetch_all(lb, "/bad", 4)
    assert.is_false(is_parked(lb))
    fetch_all(lb, "/bad", 1)
    local event = lb:event "policy_parked"
    assert.equal("error", event.level)
    assert.same({ "balancer.lua", "choose", "timeout", 9 }, { event.script, event.hook, event.kind, event.line })
    assert.is_true(is_parked(lb))
    fetch_all(lb, "/bad", 5)
    assert.equal(1, #lb:events "policy_parked")
    assert.is_true(lb:exchange({ path = "/bad" }).policy.fallback)
  end)

  it("that was parked by one worker is parked in all", function()
    local lb = start(script(LOOP), 4)
    fetch_all(lb, "/bad", 5)
    lb:event "policy_parked"
    for _ = 1, 4 do assert.is_true(is_parked(lb)) end
    assert.equal(1, #lb:events "policy_parked")
  end)

  it("that fails for one request in many is not parked", function()
    local lb = start(script(RAISE))
    for _ = 1, 8 do
      fetch_all(lb, "/bad", 1)
      fetch_all(lb, "/good", 2)
    end
    assert.same({}, lb:events "policy_parked")
    assert.is_false(is_parked(lb))
  end)

  it("that fails for each is parked, though it only raises errors", function()
    local lb = start(script(RAISE))
    fetch_all(lb, "/bad", 5)
    assert.equal("error", lb:event("policy_parked").kind)
    assert.is_true(is_parked(lb))
  end)

  it("is never parked with park = 0", function()
    local lb = start(script(LOOP, "script = { park = 0 },"))
    fetch_all(lb, "/bad", 12)
    assert.is_false(is_parked(lb))
  end)

  it("is parked after as many as it says", function()
    local lb = start(script(LOOP, "script = { park = 2 },"))
    fetch_all(lb, "/bad", 2)
    assert.is_true(is_parked(lb))
  end)

  it("with fallback = \"fail\" answers 500 when it is parked", function()
    local lb = start(script(LOOP, "fallback = 'fail',"))
    for _ = 1, 5 do assert.equal(500, lb:fetch("/bad").status) end
    lb:event "policy_parked"
    assert.equal(500, lb:fetch("/good").status)
  end)

  it("is asked no more about failures either", function()
    local dead = "127.0.0.1:" .. play.unused_port()
    local lb = play.balancer { backends = { dead }, script = [[return {
      health = { interval = 60, fall = 100, eject_after = 0 }, script = { park = 3 },
      choose = function(ctx, backends) return backends.all[1] end,
      on_failure = function() while true do end end,
    }]] }
    for _ = 1, 4 do assert.equal(503, lb:fetch("/").status) end
    assert.equal("on_failure", lb:event("policy_parked").hook)
  end)

  it("stays parked when a worker is replaced", function()
    local lb = start(script(LOOP))
    fetch_all(lb, "/bad", 5)
    lb:event "policy_parked"
    lb.may_lose_workers = true
    local worker = lb:children()[2]
    require("luv").kill(worker, "sigkill")
    lb:event "worker_died"
    assert.is_true(is_parked(lb))
  end)

  it("can read how often hooks failed, by hook and kind, and the longest stop for garbage", function()
    local lb = start(script(LOOP .. " if ctx.path == '/worse' then error 'x' end"), 2)
    fetch_all(lb, "/bad", 3)
    fetch_all(lb, "/worse", 1)
    for name, value in pairs {
      policy_breaches = "4", ["policy_breaches.choose.timeout"] = "3", ["policy_breaches.choose.error"] = "1",
      ["policy_breaches.on_failure.timeout"] = "0", policy_parked = "0", workers_ready = "2",
    } do
      assert.equal(value, lb:fetch("/metric/" .. name).body, name)
    end
    assert.truthy(tonumber(lb:fetch("/metric/policy_gc_pause_ms").body))
    assert.truthy(tonumber(lb:fetch("/metric/requests").body) >= 4)
  end)

  it("that misspells a metric is told the nearest", function()
    local lb = start(script "")
    fetch_all(lb, "/metric/policy_breaches.chose.timeout", 1)
    assert.matches("no metric 'policy_breaches.chose.timeout', did you mean 'policy_breaches.choose.timeout'%?",
      lb:event("policy_error").message)
  end)
end)
