-- When a backend is down: a failed connect is evidence, and a reason to look, but not a verdict.
local play = require "spec.support.play"
local process = require "spec.support.process"
local uv = require "luv"

local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

-- Always the first of the list; checks so rare that only the first round and looks count.
local function first_of(settings, more)
  return ([[
    %s
    choose = function(ctx, backends)
      if ctx.path == "/looks" then
        return ctx:respond { body = tostring(lb.counter(backends.all[1].name):get()) }
      end
      if ctx.path == "/drain" then backends[2]:drain() end
      if ctx.path == "/in_flight" then
        return ctx:respond { body = tostring(backends.all[1].in_flight) }
      end
      if ctx.path == "/list" then
        local names = {}
        for i, backend in ipairs(backends) do names[i] = backend.name end
        return ctx:respond { body = tostring(backends.panic) .. " " .. table.concat(names, " ") }
      end
      return backends[1], ctx.path == "/hurried" and { timeouts = { connect = 0.05 } } or nil
    end,
    %s
  ]]):format(settings, more or "")
end

local function child(lb, title)
  for _, pid in ipairs(lb:children()) do
    local file = io.open("/proc/" .. pid .. "/comm")
    local name = file and file:read "*l"
    if file then file:close() end
    if name == title then return pid end
  end
  error("no process " .. title)
end

describe("a backend that cannot be connected to", function()
  after_each(play.curtain)

  -- So many checks in a row that looks alone make no verdict.
  local NEVER = "health = { interval = 60, fall = 100 },"
  local NEXT = 'on_failure = function() return "next" end,'

  local function two(settings, more)
    local first, other = play.hello "first", play.hello "other"
    local lb = play.balancer { backends = { first, other }, settings = first_of(settings, more) }
    assert.equal("first", lb:fetch("/").body)
    return lb, first, other
  end

  it("is down for all at the third request that fails, and not before", function()
    local lb, first = two(NEVER)
    first:stop()
    for i = 1, 3 do
      assert.same({}, lb:events "backend_down")
      assert.equal("other", lb:fetch("/" .. i).body)
      assert.equal(5, #lb:exchange({ path = "/" .. i }).tries) -- which connects four times in vain
    end
    assert.equal("connection refused", lb:down(first).reason)
    assert.equal("worker 1", lb:down(first).process)
    lb:fetch "/after"
    assert.equal(1, #lb:exchange({ path = "/after" }).tries)
  end)

  it("is not down if one between them could be connected to", function()
    local lb, first = two(NEVER, NEXT)
    for _ = 1, 3 do
      first:stop()
      for _ = 1, 2 do assert.equal("other", lb:fetch("/").body) end
      first:start()
      assert.equal("first", lb:fetch("/").body)
    end
    assert.same({}, lb:events "backend_down")
  end)

  it("is looked at four times for one request that fails", function()
    local lb, first = two("health = { interval = 60, fall = 4 },", NEXT)
    first:stop()
    assert.equal("other", lb:fetch("/").body)
    local event = lb:down(first)
    assert.same({ "monitor", "connection refused" }, { event.process, event.reason })
  end)

  it("is looked at for as long as requests fail", function()
    local lb, first = two([[health = { interval = 60, fall = 8, check = function(backend)
      return lb.counter(backend.name):add(1) == 1, "gone"
    end },]], NEXT)
    first:stop()
    assert.equal("other", lb:fetch("/").body)
    play.wait("the first look", function() return tonumber(lb:fetch("/looks").body) > 1 end)
    -- It fails while the first row of checks is under way, or after it.
    assert.equal("other", lb:fetch("/").body)
    assert.equal("gone", lb:down(first).reason)
  end)

  it("is nobody else's matter if the script gave the connect less time", function()
    local hole, other = play.blackhole(), play.hello "other"
    local lb = play.balancer {
      backends = { hole, other },
      settings = first_of "health = { interval = 60, fall = 2, timeout = 0.3 }, timeouts = { connect = 0.3 },",
    }
    lb:up(hole)
    hole:fill() -- and one check by the interval may fall into what follows
    for _ = 1, 5 do assert.equal("other", lb:fetch("/hurried").body) end
    play.pause(0.5)
    assert.same({}, lb:events "backend_down")
    assert.same({}, lb:events "backend_ejected")
    assert.equal("other", lb:fetch("/").body)
    assert.equal("no answer within 0.3 s", lb:down(hole).reason)
  end)

  it("is not ejected for that, however little it takes", function()
    local lb, first = two("health = { interval = 60, fall = 100, eject_after = 1 },", NEXT)
    first:stop()
    for _ = 1, 2 do assert.equal("other", lb:fetch("/").body) end
    assert.same({}, lb:events "backend_ejected")
    first:start()
    assert.equal("first", lb:fetch("/").body)
  end)
end)

describe("a check", function()
  after_each(play.curtain)

  it("that the monitor was late for does not count, and is made again at once", function()
    local asked, answers = 0, true
    local backend = play.backend { accept = function(conn)
      if not answers then
        asked = asked + 1
        conn:ended_by_peer()
        return
      end
      play.receive(conn)
      conn:send(play.text "well")
    end }
    local lb = play.balancer {
      backends = { backend }, settings = 'health = { type = "http", interval = 0.2, timeout = 2, fall = 1 },',
    }
    lb:up(backend)
    answers = false
    play.wait("a check", function() return asked > 0 end)
    local monitor = child(lb, "lb monitor")
    uv.kill(monitor, "sigstop")
    play.wait("it to stand still", function() return process.is_stopped(monitor) end)
    answers = true
    play.pause(2.5)
    uv.kill(monitor, "sigcont")
    local before = backend.accepted
    play.wait("another check", function() return backend.accepted > before + 1 end)
    assert.same({}, lb:events "backend_down")
  end)
end)

describe("when no backend is up", function()
  after_each(play.curtain)

  local RARE = "health = { interval = 60, timeout = 1 }, timeouts = { connect = 20 },"

  it("choose gets all that do not drain, and panic is true", function()
    local list = { play.hello "a", play.hello "b", play.hello "c" }
    local lb = play.balancer { backends = list, settings = first_of(RARE) }
    for i = 1, 3 do lb:up(list[i]) end
    lb:fetch "/drain"
    lb:event "backend_draining"
    assert.equal("false " .. list[1].address .. " " .. list[3].address, lb:fetch("/list").body)
    for i = 1, 3 do list[i]:stop() end
    assert.equal(503, lb:fetch("/").status)
    lb:down(list[1])
    lb:down(list[3])
    assert.equal("true " .. list[1].address .. " " .. list[3].address, lb:fetch("/list").body)
  end)

  it("panic is not said of a script that has none", function()
    local lb = play.balancer { settings = first_of "backends = {}," }
    assert.equal("false ", lb:fetch("/list").body)
  end)

  it("each lets one request at a time through, and all others are answered 503 at once", function()
    local hole = play.blackhole()
    local lb = play.balancer {
      backends = { hole }, workers = 2, may_lose_workers = true,
      settings = first_of "health = { interval = 60, timeout = 0.3, fall = 1 }, timeouts = { connect = 20 },",
    }
    lb:up(hole)
    hole:fill()
    uv.kill(child(lb, "lb monitor"), "sigkill") -- the next one checks at once
    lb:down(hole)
    local on_trial = play.client(lb)
    on_trial:send(GET)
    play.wait("the trial", function() return lb:fetch("/in_flight").body == "1" end)
    for _ = 1, 10 do
      local response = lb:fetch "/"
      assert.equal(503, response.status)
      assert.truthy(tonumber(response:field "retry-after"))
    end
    assert.equal(0, on_trial.size)
  end)

  -- The kernel would send its SYNs again after 1, 3 and 7 s.
  it("the trial of a backend that swallows SYNs finds out soon that it listens again", function()
    local hole = play.blackhole()
    local lb = play.balancer {
      backends = { hole }, may_lose_workers = true,
      settings = first_of "health = { interval = 60, timeout = 0.3, fall = 1 }, timeouts = { connect = 60 },",
    }
    lb:up(hole)
    hole:fill()
    uv.kill(child(lb, "lb monitor"), "sigkill")
    lb:down(hole)
    local client = play.client(lb)
    client:send(GET)
    play.pause(3.2)
    local seconds, response = play.timed(function()
      hole:drain { serve = function(conn)
        play.receive(conn)
        conn:send(play.text "back")
      end }
      return client:response()
    end)
    assert.equal("back", response.body)
    assert.truthy(seconds < 3, seconds)
    assert.equal("a request has reached it", lb:up(hole).reason)
  end)

  it("a request that reaches one brings it up for all", function()
    local backend = play.hello "back"
    local lb = play.balancer { backends = { backend }, workers = 2, settings = first_of(RARE) }
    for _ = 1, 3 do
      backend:stop()
      assert.equal(503, lb:fetch("/").status)
      lb:down(backend)
      assert.equal(503, lb:fetch("/").status)
      backend:start()
      assert.equal("back", lb:fetch("/").body) -- the first one, with checks once a minute
      lb:up(backend)
      for _ = 1, 4 do assert.equal("back", lb:fetch("/").body) end
    end
  end)

  it("a backend that a check has found unwell serves one at a time, and is not brought up by that", function()
    local is_well = true
    local backend = play.answering(function(request)
      return "served", request.target == "/healthz" and not is_well and "500 No" or nil
    end)
    local lb = play.balancer {
      backends = { backend },
      settings = first_of 'health = { type = "http", path = "/healthz", interval = 0.2, fall = 1 },',
    }
    is_well = false
    lb:down(backend)
    for _ = 1, 5 do assert.equal("served", lb:fetch("/").body) end
    assert.equal("status 500", lb:down(backend).reason)
    assert.equal(1, #lb:events "backend_up")
    is_well = true
    lb:up(backend)
  end)

  it("a trial that its worker died with is over", function()
    local hole, state = play.blackhole(), {}
    local lb = play.balancer {
      backends = { hole }, may_lose_workers = true,
      settings = first_of "health = { interval = 60, timeout = 0.3, fall = 1 }, timeouts = { connect = 20 },",
    }
    lb:up(hole)
    hole:fill()
    uv.kill(child(lb, "lb monitor"), "sigkill")
    lb:down(hole)
    state.trial = play.client(lb)
    state.trial:send(GET)
    play.wait("the trial", function() return lb:fetch("/").status == 503 end)
    uv.kill(child(lb, "lb worker 1"), "sigkill")
    lb:event "worker_died"
    local second = play.client(lb)
    second:send(GET)
    play.wait("the next trial", function() return lb:fetch("/").status == 503 end)
    assert.equal(0, second.size)
  end)
end)
