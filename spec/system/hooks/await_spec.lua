-- Hooks that await, as clients see it: the worker serves others meanwhile, and nothing is left of a
-- wait that has ended.
local play = require "spec.support.play"

local GET = "GET %s HTTP/1.1\r\nHost: x\r\n\r\n"

-- choose does `body`; /numbers is answered with what the counters say.
local SCRIPT = [[
local begun, ended = lb.counter "begun", lb.counter "ended"
return {
  health = { interval = 0.2, timeout = 5 }, %s
  choose = function(ctx, backends)
    if ctx.path == "/numbers" then return ctx:respond { body = begun:get() .. " " .. ended:get() } end
    if ctx.path == "/at_once" then return backends[1] end
    begun:add(1)
%s
    ended:add(1)
    return backends[1], { why = "slept for " .. ctx.path }
  end,
}
]]

describe("a hook that awaits", function()
  after_each(play.curtain)

  local one

  local function start(body, settings, options)
    one = play.hello "one"
    options = options or {}
    options.script, options.backends = SCRIPT:format(settings or "", body), options.backends or { one }
    return play.balancer(options)
  end

  local function numbers(lb) return lb:fetch("/numbers").body end

  local function sending(lb, path)
    local client = play.client(lb)
    client:send(GET:format(path))
    return client
  end

  local function error_of(lb, fields)
    return lb:event("policy_error", fields)
  end

  it("continues with its own request", function()
    local lb = start "lb.sleep(0.05)"
    assert.equal("one", lb:fetch("/a").body)
    local line = lb:exchange { path = "/a" }
    assert.equal("slept for /a", line.why)
    assert.falsy(line.policy.fallback)
    assert.equal("1 1", numbers(lb))
    assert.same({}, lb:events "policy_error")
  end)

  it("lets others be served meanwhile, each with its own facts", function()
    local lb = start "lb.sleep(3) assert(ctx.headers.host == 'x')"
    local waiting = {}
    for i = 1, 50 do waiting[i] = sending(lb, "/w" .. i) end
    play.wait("all to wait", function() return numbers(lb) == "50 0" end)
    for i = 1, 20 do assert.equal("one", lb:fetch("/at_once?" .. i).body) end
    for i = 1, 50 do
      assert.equal("one", waiting[i]:response().body)
      assert.equal("slept for /w" .. i, lb:exchange({ path = "/w" .. i }).why)
    end
    assert.equal("50 50", numbers(lb))
  end)

  it("lets others be served also when many continue at once, and work", function()
    local lb = start([[
      lb.sleep(1)
      local begun = lb.now()
      while lb.now() - begun < 0.004 do end]])
    for i = 1, 150 do sending(lb, "/w" .. i) end
    local ended, most = 0, 0
    play.wait("all to end", function()
      local now = tonumber(numbers(lb):match " (%d+)$")
      ended, most = now, math.max(most, now - ended)
      return now == 150
    end)
    assert.truthy(most < 100, most .. " went on between two requests")
  end)

  it("may await many times, in a loop that gets compiled", function()
    local lb = start "for i = 1, 500 do lb.sleep(0) assert(ctx.path == '/a') end"
    assert.equal("one", lb:fetch("/a").body)
    assert.equal("1 1", numbers(lb))
    assert.same({}, lb:events "policy_error")
  end)

  it("may do so inside a pcall, and errors after it are caught", function()
    local lb = start [[
      local ok, err = pcall(function() lb.sleep(0.01) error("later", 0) end)
      assert(not ok and err == "later", tostring(err))
      local fine, value = xpcall(function() lb.sleep(0.01) return 7 end, function(e) return e end)
      assert(fine and value == 7)]]
    assert.equal("one", lb:fetch("/a").body)
    assert.equal("1 1", numbers(lb))
    assert.same({}, lb:events "policy_error")
  end)

  it("and raises an error then is answered for, and the log names the line", function()
    local lb = start "lb.sleep(0.01)\nlocal nothing\nlocal _ = nothing.field"
    assert.equal("one", lb:fetch("/a").body)
    assert.truthy(lb:exchange({ path = "/a" }).policy.fallback)
    local event = error_of(lb, { kind = "error", hook = "choose" })
    assert.equal(10, event.line)
    assert.matches("'nothing'", event.message)
  end)

  it("and never ends then is stopped by its budget", function()
    local lb = start "lb.sleep(0.01)\nwhile true do end"
    assert.equal("one", lb:fetch("/a").body)
    assert.equal(9, error_of(lb, { kind = "timeout", hook = "choose" }).line)
    assert.equal("one", lb:fetch("/at_once").body)
  end)

  it("has its budget of CPU time anew after each await", function()
    local lb = start([[
      for i = 1, 6 do
        local from = os.clock()
        while os.clock() - from < 0.02 do end
        lb.sleep(0.001)
      end]], "script = { budget_ms = 60 },")
    assert.equal("one", lb:fetch("/a").body)
    assert.equal("1 1", numbers(lb))
    assert.same({}, lb:events "policy_error")
  end)

  it("for longer than script.await is ended, and answered for", function()
    local lb = start("lb.sleep(60)", "script = { await = 0.1 },")
    assert.equal("one", lb:fetch("/a").body)
    assert.truthy(lb:exchange({ path = "/a" }).policy.fallback)
    local event = error_of(lb, { kind = "timeout", hook = "choose" })
    assert.equal(8, event.line)
    assert.matches("awaited longer than the 0.1 s of script.await", event.message, 1, true)
    assert.equal("2 0", (lb:fetch("/b") and numbers(lb)))
  end)

  it("for longer than script.await in many short awaits is ended too", function()
    local lb = start("while true do lb.sleep(0.01) end", "script = { await = 0.1 },")
    assert.equal("one", lb:fetch("/a").body)
    error_of(lb, { kind = "timeout", hook = "choose" })
  end)

  it("for something that comes late does not park its script, but for what it chose itself does", function()
    local silent = play.hello "silent" -- until it is asked for something
    local lb = start(([[
      local conn = assert(lb.tcp.connect("%s", { timeout = 60 }))
      local _ = ctx.path == "/own" and lb.sleep(60) or conn:line()]]):format(silent.address),
      "script = { await = 0.1, park = 2 },")
    for round = 1, 3 do
      local clients = {}
      for i = 1, 10 do clients[i] = sending(lb, ("/late%d.%d"):format(round, i)) end
      for i = 1, 10 do assert.equal("one", clients[i]:response().body) end
    end
    error_of(lb, { kind = "timeout", hook = "choose" })
    assert.same({}, lb:events "policy_parked")
    for _ = 1, 20 do
      local clients = {}
      for i = 1, 10 do clients[i] = sending(lb, "/own") end
      for i = 1, 10 do assert.equal("one", clients[i]:response().body) end
      if lb:events("policy_parked")[1] then break end
    end
    lb:event "policy_parked"
  end)

  it("beyond the request's deadline is ended with it: 504", function()
    local lb = start("lb.sleep(60)", "timeouts = { request = 0.1 },")
    assert.equal(504, lb:fetch("/a").status)
    assert.equal("timeouts.request", lb:exchange({ path = "/a" }).note)
    assert.same({}, lb:events "policy_error")
    assert.equal("1 0", numbers(lb))
  end)

  it("is ended when its client leaves", function()
    local lb = start "lb.sleep(2.5)"
    local clients = {}
    for i = 1, 20 do clients[i] = sending(lb, "/" .. i) end
    play.wait("all to wait", function() return numbers(lb) == "20 0" end)
    for i = 1, 20 do clients[i][i % 2 == 0 and "reset" or "close"](clients[i]) end
    for i = 1, 20 do assert.equal(499, lb:exchange({ path = "/" .. i }).status) end
    -- It sleeps as long, so it ends after the others would have.
    assert.equal("one", lb:fetch("/last").body)
    assert.equal("21 1", numbers(lb))
  end)

  it("has the request's body, whatever came of it meanwhile", function()
    local backend = play.answering(function(request) return request.body end)
    local lb = start("lb.sleep(1.5)", nil, { backends = { backend } })
    local body = ("0123456789"):rep(20000)
    local client = play.client(lb)
    client:send("POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" .. body:sub(1, 1000))
    play.wait("it to wait", function() return numbers(lb) == "1 0" end)
    client:send(body:sub(1001))
    assert.equal(body, client:response().body)
  end)

  it("ends in time when lb drains", function()
    local lb = start "lb.sleep(1.5)"
    local client = sending(lb, "/a")
    play.wait("it to wait", function() return numbers(lb) == "1 0" end)
    lb:signal "sigterm"
    assert.equal("one", client:response().body)
    lb:wait_exit()
  end)

  it("and would take longer than a drain does is cut", function()
    local lb = start("lb.sleep(60)", "script = { await = 100 },", { args = { "--drain-timeout", "0.3" } })
    local client = sending(lb, "/a")
    play.wait("it to wait", function() return numbers(lb) == "1 0" end)
    lb:signal "sigterm"
    lb:wait_exit()
    assert.equal("", client:rest())
    assert.equal(503, lb:exchange({ path = "/a" }).status)
  end)

  it("gets a clear error where it may not", function()
    for body, message in pairs {
      ["coroutine.wrap(function() lb.sleep(0.01) end)()"] =
        "lb.sleep may not be called in a coroutine of the script's own",
      ["table.sort({ 2, 1 }, function(a, b) lb.sleep(0) return a < b end)"] = "inside a callback of table.sort",
      ["lb.sleep('long')"] = "lb.sleep(s) needs a number of seconds",
      ["lb.sleep(-1)"] = "lb.sleep(s) needs a number of seconds",
      ["coroutine.yield()"] = "yielded in no coroutine of its own",
    } do
      local lb = start(body)
      assert.equal("one", lb:fetch("/a").body)
      local event = error_of(lb, { hook = "choose" })
      assert.truthy(event.message:find(message, 1, true), event.message)
      assert.equal(8, event.line)
    end
  end)

  it("is an error while the script is loaded, and in init", function()
    for _, script in ipairs {
      "\nlb.sleep(1)\nreturn {}\n", "return {\ninit = function() lb.sleep(1) end,\n}\n",
    } do
      local ended = play.lb { "check", play.file("early.lua", script), "--backend", "127.0.0.1:1" }
      assert.equal(2, ended.code, ended.err)
      assert.matches("early.lua:2: lb.sleep may be called in hooks only", ended.err, 1, true)
    end
  end)

  describe("after a failure", function()
    local function failing(on_failure, settings)
      local dead = "127.0.0.1:" .. play.unused_port()
      one = play.hello "one"
      return play.balancer { backends = { dead, one }, script = ([[
        return {
          health = { interval = 60, fall = 100 }, %s
          choose = function(ctx, backends)
            return backends.all[ctx.attempts == 1 and 1 or 2]
          end,
          on_failure = function(ctx, backend, err) %s end,
        }]]):format(settings or "", on_failure) }
    end

    it("decides later", function()
      local lb = failing [[
        lb.sleep(0.05)
        ctx.vars.kind = err.kind
        return ctx.vars.kind == 'connect' and 'next' or 'fail']]
      local response = lb:fetch("/a")
      assert.equal("one", response.body)
      assert.same({}, lb:events "policy_error")
    end)

    it("may say that it failed", function()
      local lb = failing "lb.sleep(0.05) return 'fail'"
      assert.equal(503, lb:fetch("/a").status)
    end)

    it("is answered for if it fails", function()
      local lb = failing "lb.sleep(0.05) error 'later'"
      assert.equal("one", lb:fetch("/a").body)
      lb:event("policy_error", { hook = "on_failure", kind = "error" })
    end)

    it("is ended when the client leaves", function()
      local lb = failing "lb.log.info 'it failed' lb.sleep(60)"
      local client = sending(lb, "/a")
      lb:event "script"
      client:reset()
      assert.equal(499, lb:exchange({ path = "/a" }).status)
    end)
  end)
end)
