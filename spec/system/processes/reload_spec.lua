-- SIGHUP loads the script again: in every worker, or nowhere if it is wrong.
local play = require "spec.support.play"
local reloading = require "spec.support.reloading"
local uv = require "luv"

local answering, in_turn = reloading.answering, reloading.in_turn
local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

local function bodies(lb, count)
  local seen = {}
  for i = 1, count do seen[i] = lb:fetch("/").body end
  return table.concat(seen, " ")
end

-- The pid of the first child whose title is that: "lb worker 1".
local function child(lb, title)
  for _, pid in ipairs(lb:children()) do
    local file = io.open(("/proc/%d/comm"):format(pid))
    local comm = file and file:read "*l"
    if file then file:close() end
    if comm == title then return pid end
  end
end

describe("a reload", function()
  after_each(play.curtain)

  it("takes the new script in every worker", function()
    local lb, say = reloading.start(answering "old", { workers = 4 })
    assert.equal("old old old old", bodies(lb, 4))
    local event = say(answering "new")
    assert.equal("reload", event.event)
    assert.equal("text", event.changed)
    assert.equal(("new "):rep(16), bodies(lb, 16) .. " ")
  end)

  it("is loaded by one worker after the other, and says how long one of them served nobody", function()
    local _, say = reloading.start(answering "old", { workers = 4 })
    local event = say [[
      return {
        init = function()
          if lb.incr("loading", 1) > 1 then lb.set("at once", true) end
          local over = os.clock() + 0.1
          while os.clock() < over do end
          lb.incr("loading", -1)
          lb.incr("loaded", 1)
        end,
        choose = function(ctx)
          return ctx:respond { status = 200, body = lb.get "loaded" .. (lb.get "at once" and " at once" or "") }
        end }]]
    assert.equal("reload", event.event, event.error)
    assert.equal("4", bodies(say.lb, 1))
    assert.truthy(event.init_ms >= 100)
    assert.truthy(event.ms >= 4 * 100)
  end)

  it("lets no new connection wait for a worker that loads the script", function()
    local function text(more)
      return ([[return { %s
        choose = function(ctx)
          lb.incr("served", 1)
          return ctx:respond { status = 200, body = lb.get "stalled" and "stalled" or "fine" }
        end }]]):format(more)
    end
    local lb, say = reloading.start(text "", { workers = 2 })
    local is_over
    play.beside(function()
      while not is_over do lb:fetch "/" end
    end)
    local event = say(text [[init = function()
      local served, over = lb.get "served", os.clock() + 0.9
      if not served then return end -- it is tried
      repeat until lb.get "served" >= served + 20 or os.clock() > over
      if os.clock() > over then lb.set("stalled", true) end
    end,]])
    is_over = true
    assert.equal("reload", event.event, event.error)
    assert.equal("fine", bodies(lb, 1))
  end)

  it("is refused if the process that tries it crashes", function()
    local lb, say = reloading.start(answering "old")
    say.write "return { backends = '127.0.0.1:9', script = { budget_ms = 0 }, init = function() while true do end end }"
    lb:signal "sighup"
    uv.kill(play.wait("the trial", function() return child(lb, "lb trial") end), "sigkill")
    local message = lb:event("reload_refused").error
    assert.truthy(message:find("loading it crashed its process (signal 9: ", 1, true), message)
    assert.equal("old", lb:fetch("/").body)
  end)

  it("is tried with a made-up request in silence, and nothing of that is real", function()
    local one, two = play.hello "1", play.hello "2"
    local lb, say = reloading.start(in_turn { one, two })
    local event = say((in_turn({ one, two }):gsub("choose = function%(ctx, backends%)", [[%0
      backends[1]:eject(60, "made up") backends[2]:drain() backends[2]:set_weight(7)
      lb.log.warn("chosen") lb.incr("chosen", 1)
      if ctx.path == "/" then error "no" end]])))
    assert.equal("reload_refused", event.event)
    for _, name in ipairs { "backend_ejected", "backend_draining", "backend_weight", "script" } do
      assert.same({}, lb:events(name))
    end
    assert.equal("1 2 1 2", bodies(lb, 4))
    assert.equal("reload", say((in_turn({ one, two }):gsub("choose = function%(ctx, backends%)", [[%0
      if lb.get "chosen" then return nil, "counted" end]]))).event)
    assert.equal("1 2 1 2", bodies(lb, 4))
    lb:stop()
  end)

  it("says what has changed", function()
    local one, two = play.hello "1", play.hello "2"
    local lb, say = reloading.start(in_turn { one })
    local event = say(in_turn({ one, two }, "timeouts = { connect = 2 }, limits = { attempts = 2 },"))
    assert.equal("backends, timeouts.connect, limits.attempts, text", event.changed)
    assert.equal(1, event.added)
    assert.equal(0, event.removed)
    assert.equal(2, event.backends)
    assert.equal("", say().changed)
    event = say(in_turn({ one, two }, "timeouts = { connect = 2 }, script = { memory = 2 ^ 25 },"))
    assert.equal("limits.attempts, script.memory, text", event.changed)
    lb:stop()
  end)

  describe("changes nothing, and says where it is wrong, if the script", function()
    for what, case in pairs {
      ["is no Lua"] = { "return {\n oops", 2, "expected" },
      ["has a wrong setting"] = { "return {\n backend = '127.0.0.1:1' }", 2, "did you mean 'backends'" },
      ["raises an error"] = { "local x\nerror 'not today'", 2, "not today" },
      ["raises an error in init"] = {
        "return { init = function()\n error 'not today' end, choose = print }", 2, "init",
      },
      ["raises an error in a choose that is tried"] = {
        "return { backends = '127.0.0.1:9',\n choose = function(ctx) error 'not today' end }", 2, "not today",
      },
      ["never ends in a choose that is tried"] = {
        "return { backends = '127.0.0.1:9',\n choose = function(ctx) while true do end end }", 2, "CPU time",
      },
      ["never ends"] = { "while true do end", 1, "did not end" },
      ["never ends in init"] = {
        "return { init = function() while true do end end, choose = print }", 1, "CPU time",
      },
      ["takes all memory"] = { "local t = {} while true do t[#t + 1] = ('x'):rep(1e6) .. #t end", 1, "memory" },
    } do
      it(what, function()
        local lb, say = reloading.start(answering "old", { workers = 2 })
        local event = say(case[1])
        assert.equal("reload_refused", event.event)
        assert.truthy(event.error:find(case[3], 1, true), event.error)
        if case[3] ~= "memory" then assert.equal(case[2], event.line) end
        assert.equal("old old old old", bodies(lb, 4))
        assert.equal("reload", say(answering "new").event) -- the next one is as good as any
        assert.equal("new new new new", bodies(lb, 4))
      end)
    end

    it("is gone", function()
      local lb, say = reloading.start(answering "old")
      os.remove(say.path)
      local event = say()
      assert.equal("reload_refused", event.event)
      assert.truthy(event.error:find("cannot read the script", 1, true), event.error)
      assert.equal("old", bodies(lb, 1))
    end)
  end)

  it("keeps listen and workers as they were, and says so", function()
    local own = { listen = false, workers = false }
    local lb, say = reloading.start(answering("old", "listen = '127.0.0.1:0', workers = 2,"), own)
    local event = say(answering("new", "listen = '127.0.0.2:0', workers = 3,"))
    assert.equal("reload", event.event)
    assert.equal("listen and workers", lb:event("reload_kept").kept)
    assert.equal("text", event.changed)
    assert.equal("new", bodies(lb, 1))
    assert.is_nil(child(lb, "lb worker 3"))
    assert.truthy(child(lb, "lb worker 2"))
  end)

  it("says nothing of what options give in place of the script", function()
    local _, say = reloading.start(answering("old", "workers = 2,"))
    assert.equal("text", say(answering("new", "workers = 3,")).changed)
    assert.same({}, say.lb:events "reload_kept")
  end)

  it("leaves connections of clients and of backends open", function()
    local backend = play.hello "a"
    local lb, say = reloading.start(in_turn { backend })
    local client = play.client(lb)
    client:send(GET)
    assert.equal("a", client:response().body)
    say(in_turn({ backend }, "timeouts = { connect = 2 },"))
    client:send(GET)
    assert.equal("a", client:response().body)
    assert.equal(1, backend.served)
  end)

  it("keeps counters: requests still take turns", function()
    local one, two, three = play.hello "1", play.hello "2", play.hello "3"
    local lb, say = reloading.start(in_turn { one, two, three }, { workers = 4 })
    assert.equal("1 2", bodies(lb, 2))
    say(in_turn({ one, two, three }, "timeouts = { connect = 2 },"))
    assert.equal("3 1 2", bodies(lb, 3))
  end)

  it("adds a backend after its first check, and lets one go", function()
    local one, two = play.hello "1", play.hello "2"
    local lb, say = reloading.start(in_turn { one })
    assert.equal("1 1", bodies(lb, 2))
    local event = say(in_turn { two, one })
    assert.equal(1, event.added)
    lb:up(two)
    assert.equal("2 1 2 1", bodies(lb, 4))
    event = say(in_turn { two })
    assert.equal(1, event.removed)
    assert.equal("2 2 2", bodies(lb, 3))
    play.wait("the pool of the other to close", function() return #one:connections() == 0 end)
    say(in_turn { one, two })
    assert.truthy(("1 2 1 2"):find(bodies(lb, 2), 1, true))
  end)

  it("does not send anything to a new backend that is down", function()
    local one = play.hello "1"
    local nobody = "127.0.0.1:" .. play.unused_port()
    local lb, say = reloading.start(in_turn { one })
    say(in_turn { ("%q"):format(nobody), one })
    lb:down(nobody)
    assert.equal("1 1 1", bodies(lb, 3))
    for _, exchange in ipairs(lb:exchanges()) do assert.equal(1, exchange.attempts) end
  end)

  it("can replace all backends without a failed request", function()
    local one, two = play.hello "1", play.hello "2"
    local lb, say = reloading.start(in_turn { one }, { workers = 2 })
    assert.equal("1", bodies(lb, 1))
    say(in_turn { two })
    assert.equal("2 2", bodies(lb, 2))
  end)

  it("keeps the counts towards health.rise and health.fall", function()
    local status = 200
    local backend = play.answering(function() return "", status end)
    local function text(version)
      return ([[-- %d
        return { backends = %q, health = { type = "http", interval = 60, rise = 3, fall = 3 } }]]):format(
        version, backend.address)
    end
    local lb, say = reloading.start(text(1)) -- each reload begins with a check
    lb:up(backend)
    local function check(version)
      local checks = #backend.requests
      assert.equal("reload", say(text(version)).event)
      play.wait("a check", function() return #backend.requests > checks end)
    end
    status = 500
    for version = 2, 4 do check(version) end
    lb:down(backend)
    status = 200
    for version = 5, 7 do check(version) end
    lb:up(backend)
    assert.equal(7, #backend.requests)
  end)

  it("gives a backend with another name a place of its own", function()
    local one = play.hello "1"
    local function named(name)
      return in_turn { ("{ address = %q, name = %q }"):format(one.address, name) }
    end
    local lb, say = reloading.start(named "old")
    assert.equal("1", bodies(lb, 1))
    say(named "new")
    assert.equal("1", bodies(lb, 1))
    assert.equal("new", lb:exchange({}, 2).backend)
  end)

  it("keeps the verdict on a backend that stays, and the numbers", function()
    local one, two = play.hello "1", play.hello "2"
    local lb, say = reloading.start(in_turn { one, two })
    assert.equal("1 2", bodies(lb, 2))
    two:stop()
    lb:down(two)
    local told = #lb:events "backend_down"
    local numbers = [[local r = {} for i, b in ipairs(backends.all) do r[i] = b.state .. " " .. b.requests end
      return ctx:respond { status = 200, body = table.concat(r, ", ") }]]
    say((in_turn { two, one }):gsub("return backends%[.-%] end", function() return numbers .. " end" end))
    assert.equal("down 1, up 1", bodies(lb, 1))
    assert.equal(told, #lb:events "backend_down")
  end)

  it("lets a request that is in flight end as it began", function()
    local goes_on
    local backend = play.answering(function()
      play.wait("the word", function() return goes_on end)
      return "late"
    end)
    local lb, say = reloading.start(in_turn { backend })
    local client = play.client(lb)
    client:send(GET)
    play.wait("the backend", function() return #backend.requests == 1 end)
    say(answering "new")
    assert.equal("new", bodies(lb, 1))
    goes_on = true
    assert.equal("late", client:response().body)
  end)

  it("has places for backends again that came and went while an older request continues", function()
    local lb, say = reloading.start [[return { backends = "127.0.0.1:9", health = { interval = 60 },
      script = { await = 60 }, choose = function(ctx)
        if ctx.path == "/wait" then lb.set("waits", true) while not lb.get "go" do lb.sleep(0.05) end end
        return ctx:respond { status = 200, body = lb.get "waits" and "old" or "" } end }]]
    local client = play.client(lb)
    client:send(GET:gsub("/", "/wait", 1))
    play.wait("the request to be there", function() return lb:fetch("/").body == "old" end)
    for round = 1, 4 do
      local event = say(([[local many = {}
        for i = 1, 1500 do many[i] = ("127.1.%d.%%d:%%d"):format(i %% 200, 9 + i / 200) end
        return { backends = many, health = { interval = 60, timeout = 5 }, choose = function(ctx)
          if ctx.path == "/go" then lb.set("go", true) end
          return ctx:reject(403) end }]]):format(round))
      assert.equal("reload", event.event, event.error)
    end
    lb:fetch "/go"
    assert.equal("old", client:response().body)
  end)

  it("lets a hook that awaits end in the old script", function()
    local lb, say = reloading.start([[return { choose = function(ctx)
      lb.sleep(1)
      return ctx:respond { status = 200, body = "old" } end }]])
    local client = play.client(lb)
    client:send(GET)
    play.wait("the request to be there", function()
      local other = play.client(lb)
      other:close()
      return true
    end)
    play.pause(0.1)
    say(answering "new")
    assert.equal("new", bodies(lb, 1))
    assert.equal("old", client:response().body)
  end)

  it("is what a worker finds that takes another's place", function()
    local lb, say = reloading.start(answering "old", { may_lose_workers = true })
    say(answering "new")
    uv.kill(child(lb, "lb worker 1"), "sigkill")
    lb:event "worker_died"
    assert.equal("new", bodies(lb, 1))
  end)

  it("is what a monitor finds that takes another's place", function()
    local one, two = play.hello "1", play.hello "2"
    local lb, say = reloading.start(in_turn { one })
    say(in_turn { one, two })
    lb:up(two)
    uv.kill(child(lb, "lb monitor"), "sigkill")
    lb:event "monitor_died"
    two:stop()
    lb:down(two)
    assert.equal("1 1", bodies(lb, 2))
  end)

  it("comes once more, and not more often, if it is asked for many times meanwhile", function()
    local lb, say = reloading.start(answering "old", { workers = 2 })
    say.write(answering "new")
    for _ = 1, 20 do lb:signal "sighup" end
    lb:event "reload"
    assert.equal("new", bodies(lb, 1))
    play.until_still(say.answers)
    assert.truthy(say.answers() <= 20)
    lb:signal "sighup"
    lb:stop() -- a drain is not held up
    assert.equal(0, #lb:events "reload_refused")
  end)

  it("has the new timeouts for connections that are there", function()
    local lb, say = reloading.start(answering "old")
    local client = play.client(lb)
    say(answering("new", "timeouts = { keep_alive = 0.2 },"))
    client:send(GET)
    assert.equal("new", client:response().body)
    assert.equal("end", client:ended_by_peer())
  end)

  it("holds up no end, even if what tries the script stands still", function()
    local lb, say = reloading.start(answering "old")
    say.write "while true do end"
    lb:signal "sighup"
    uv.kill(play.wait("the trial", function() return child(lb, "lb trial") end), "sigstop")
    lb:stop()
  end)

  it("does not wait for a monitor that hears nothing; nor does the end", function()
    local one = play.hello "1"
    local lb, say = reloading.start(in_turn { one })
    local function stop_monitor()
      local pid = child(lb, "lb monitor")
      uv.kill(pid, "sigstop")
      return pid
    end
    local before = stop_monitor()
    assert.equal("reload", say(in_turn({ one }, "timeouts = { connect = 2 },")).event)
    play.wait("another monitor", function()
      local now = child(lb, "lb monitor")
      return now and now ~= before
    end)
    assert.equal(0, #lb:events "monitor_hung")
    stop_monitor()
    lb:stop()
  end)
end)
