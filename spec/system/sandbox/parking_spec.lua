-- A script that fails too often is asked no more for a while, and everybody hears of it.
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

  local function fetch_all(lb, path, times, from)
    for _ = 1, times do assert.equal(200, lb:fetch(path, { from = from }).status) end
  end

  -- The built-in rule asks a backend.
  local function is_parked(lb) return lb:fetch("/asked").body:match "^%a+$" ~= nil end

  -- Five in a second are enough, which a busy machine may not have time for.
  local function fail_until_parked(lb, path, status)
    for _ = 1, 100 do
      assert.equal(status or 200, lb:fetch(path or "/bad").status)
      if lb:events("policy_parked")[1] then return lb:events("policy_parked")[1] end
    end
    return lb:event "policy_parked"
  end

  local function ask_until_resumed(lb)
    play.wait("the script to be asked again", function()
      lb:fetch "/good"
      return lb:events("policy_resumed")[1]
    end, 30)
  end

  it("that fails five times in a second is parked, and that is said once, with its hook and line", function()
    local lb = start(script(RAISE))
    fetch_all(lb, "/bad", 4)
    assert.is_false(is_parked(lb))
    local event = fail_until_parked(lb)
    assert.equal("error", event.level)
    assert.same({ "balancer.lua", "choose", "error", 9 }, { event.script, event.hook, event.kind, event.line })
    assert.is_true(is_parked(lb))
    assert.equal(1, #lb:events "policy_parked")
    assert.is_true(lb:exchange({ path = "/bad" }).policy.fallback)
  end)

  it("that is well again is asked again, by itself", function()
    local lb = start(script(RAISE), 2)
    fail_until_parked(lb)
    ask_until_resumed(lb)
    assert.is_false(is_parked(lb))
    assert.equal(0, #lb:events "policy_still_parked")
    assert.equal("balancer.lua", lb:event("policy_resumed").script)
  end)

  it("that is well again is asked again, though a call on trial awaits something for long", function()
    local slow = " if ctx.path == '/slow' then lb.log.info 'awaits' lb.sleep(60) end"
    local lb = start(script(RAISE .. slow, "script = { await = 90 },"))
    fail_until_parked(lb)
    play.wait("a call on trial that awaits", function()
      play.client(lb):send "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"
      return lb:events("script")[1]
    end, 30)
    ask_until_resumed(lb)
  end)

  it("that keeps failing is tried now and then only, one call at a time", function()
    local lb = start(script(RAISE), 2)
    local parked = fail_until_parked(lb)
    local told = #lb:events "policy_error"
    play.wait("two trials", function()
      lb:fetch "/bad"
      return #lb:events "policy_error" >= told + 2
    end, 30)
    assert.same({ parked }, lb:events "policy_parked")
    assert.same({}, lb:events "policy_resumed")
    local served = #lb:exchanges()
    play.wait("the script to be asked again", function()
      return lb:fetch("/metric/policy_breaches").body:match "^%d+$"
    end, 30)
    assert.truthy(tonumber(lb:fetch("/metric/policy_breaches").body) < served / 2)
  end)

  it("is not asked again for a check that goes well while a timer of the monitor is on trial", function()
    local lb = start([[
lb.every(0.05, function() lb.log.info "begins" lb.sleep(0.5) error "no" end, { once = true })
return {
  health = { interval = 0.05, check = function() return true end },
  choose = function() error "no" end,
}]])
    fail_until_parked(lb)
    local begun = #lb:events "script"
    play.wait("two trials", function() return #lb:events "script" >= begun + 2 end, 30)
    assert.same({}, lb:events "policy_resumed")
  end)

  it("that fails for one client of several is not parked, though that one fails all the time", function()
    local lb = start(script(RAISE))
    for _ = 1, 20 do
      fetch_all(lb, "/bad", 2)
      fetch_all(lb, "/good", 1, "127.0.0.2")
    end
    assert.same({}, lb:events "policy_parked")
    assert.is_false(is_parked(lb))
  end)

  it("that fails for two clients is parked", function()
    local lb = start(script(RAISE))
    for _ = 1, 100 do
      fetch_all(lb, "/bad", 3)
      fetch_all(lb, "/good", 1, "127.0.0.2")
      fetch_all(lb, "/bad", 1, "127.0.0.3")
      if lb:events("policy_parked")[1] then break end
    end
    lb:event "policy_parked"
  end)

  it("is not parked by one client's budgets, and that client is answered 503 for a while", function()
    local lb = start(script(LOOP))
    local asking, refused = {}, nil
    for i = 1, 100 do
      asking[i] = play.client(lb)
      asking[i]:send "GET /bad HTTP/1.0\r\n\r\n"
      play.client(lb, { from = "127.0.0.2" }):send "GET /good HTTP/1.0\r\n\r\n"
    end
    for _, client in ipairs(asking) do
      local answer = client:response()
      if answer.status == 503 then refused = answer end
    end
    assert.is_truthy(refused)
    assert.equal("1", refused:field "retry-after")
    assert.matches("^script.budget_ms", lb:exchange({ status = 503 }).note)
    fetch_all(lb, "/good", 5, "127.0.0.2")
    play.wait("it to be served again", function() return lb:fetch("/good").status == 200 end)
    assert.same({}, lb:events "policy_parked")
  end)

  it("that was parked by one worker is parked in all", function()
    local lb = start(script(RAISE), 4)
    fail_until_parked(lb)
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

  it("is never parked with park = 0", function()
    local lb = start(script(RAISE, "script = { park = 0 },"))
    fetch_all(lb, "/bad", 40)
    assert.is_false(is_parked(lb))
  end)

  it("is parked after as many as it says", function()
    local lb = start(script(RAISE, "script = { park = 12 },"))
    fetch_all(lb, "/bad", 11)
    assert.same({}, lb:events "policy_parked")
    fail_until_parked(lb)
  end)

  it("with fallback = \"fail\" answers 500 when it is parked", function()
    local lb = start(script(RAISE, "fallback = 'fail',"))
    fail_until_parked(lb, "/bad", 500)
    assert.equal(500, lb:fetch("/good").status)
    ask_until_resumed(lb)
    assert.equal(200, lb:fetch("/good").status)
  end)

  it("is asked no more about failures either", function()
    local dead = "127.0.0.1:" .. play.unused_port()
    local lb = play.balancer { backends = { dead }, script = [[return {
      health = { interval = 60, fall = 100, eject_after = 0 }, script = { park = 3 },
      choose = function(ctx, backends) return backends.all[1] end,
      on_failure = function() error "no" end,
    }]] }
    assert.equal("on_failure", fail_until_parked(lb, "/", 503).hook)
  end)

  it("stays parked when a worker is replaced", function()
    local lb = start(script(RAISE))
    fail_until_parked(lb)
    lb.may_lose_workers = true
    require("luv").kill(lb:children()[2], "sigkill")
    lb:event "worker_died"
    fetch_all(lb, "/bad", 1)
    assert.same({}, lb:events "policy_resumed")
    ask_until_resumed(lb)
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

  it("that misspells a metric gets the nearest name", function()
    local lb = start(script "")
    fetch_all(lb, "/metric/policy_breaches.chose.timeout", 1)
    assert.matches("no metric 'policy_breaches.chose.timeout', did you mean 'policy_breaches.choose.timeout'%?",
      lb:event("policy_error").message)
  end)
end)
