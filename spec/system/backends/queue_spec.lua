-- Requests that find every backend full wait for a place, in order, and no longer than they may.
local asking = require "spec.support.asking"
local play = require "spec.support.play"
local reloading = require "spec.support.reloading"
local tunnels = require "spec.support.tunnels"
local uv = require "luv"

local function get(path) return ("GET %s HTTP/1.1\r\nHost: x\r\n\r\n"):format(path) end

-- Answers with the target when the spec says so: backend.go[target], or backend.go_all.
local function slow_backend()
  local go, busy = {}, {}
  local backend
  backend = play.answering(function(request)
    busy.count = (busy.count or 0) + 1
    busy.most = math.max(busy.most or 0, busy.count)
    play.wait("the word", function() return go.all or go[request.target] end)
    busy.count = busy.count - 1
    return request.target
  end)
  backend.go, backend.busy = go, busy
  return backend
end

local function balancer(backends, settings, options)
  local list = {}
  for i, backend in ipairs(backends) do
    list[i] = ("{ address = %q, max_in_flight = 1 },"):format(backend.address)
  end
  options = options or {}
  settings = play.settled(settings, { limits = "{ queue = 100 }", timeouts = "{ queue = 20 }" })
  options.script = ([[
    return {
      health = { interval = 0.2, timeout = 0.5, eject_after = 0 },
      backends = { %s },
      %s
    }
  ]]):format(table.concat(list, "\n"), settings)
  return play.balancer(options)
end

local function ask(lb, path)
  local client = play.client(lb)
  client:send(get(path))
  return client
end

local function wait_until_asked(backend, count)
  play.wait("the backend to be asked", function() return #backend.requests == count end)
end

-- A client whose request has the only place at the backend.
local function ask_first(lb, backend)
  local first = ask(lb, "/1")
  wait_until_asked(backend, 1)
  return first
end

-- The same, and a client whose request waits behind it.
local function ask_two(lb, backend)
  local first, second = ask_first(lb, backend), ask(lb, "/2")
  play.pause(0.1)
  return first, second
end

local function targets(backend)
  local list = {}
  for i, request in ipairs(backend.requests) do list[i] = request.target end
  return table.concat(list, " ")
end

describe("a request that finds all backends full", function()
  after_each(play.curtain)

  it("waits, in order, and is served when there is a place", function()
    local backend = slow_backend()
    local lb = balancer { backend }
    local clients = { ask_first(lb, backend) }
    for i = 2, 5 do
      clients[i] = ask(lb, "/" .. i)
      play.pause(0.05)
    end
    assert.equal(1, #backend.requests)
    backend.go.all = true
    for i, client in ipairs(clients) do assert.equal("/" .. i, client:response().body) end
    assert.equal("/1 /2 /3 /4 /5", targets(backend))
    assert.equal(1, backend.busy.most)
    local first, last = lb:exchange { path = "/1" }, lb:exchange { path = "/5" }
    assert.equal(0, first.ms.queue)
    assert.truthy(last.ms.queue > 0 and last.ms.queue <= last.ms.total)
  end)

  it("is not overtaken by a request that comes when there is a place", function()
    local backend = slow_backend()
    local lb = balancer { backend }
    local first, second = ask_two(lb, backend)
    backend.go.all = true
    first:send(get "/3") -- ahead of its turn: begins in the moment in which the place is free
    assert.equal("/1", first:response().body)
    assert.equal("/2", second:response().body)
    assert.equal("/3", first:response().body)
    assert.equal("/1 /2 /3", targets(backend))
  end)

  it("waits for timeouts.queue at most", function()
    local backend = slow_backend()
    local lb = balancer({ backend }, "timeouts = { queue = 0.2 },")
    local first = ask_first(lb, backend)
    local response = ask(lb, "/2"):response()
    assert.equal(503, response.status)
    assert.truthy(response:field "retry-after")
    local exchange = lb:exchange { path = "/2" }
    assert.equal("timeouts.queue", exchange.note)
    assert.same({}, exchange.tries)
    assert.truthy(exchange.ms.queue >= 200)
    backend.go.all = true
    assert.equal("/1", first:response().body)
    assert.equal("/3", lb:fetch("/3").body)
  end)

  it("does not wait if limits.queue others do", function()
    local backend = slow_backend()
    local lb = balancer({ backend }, "limits = { queue = 1 },")
    local first, second = ask_two(lb, backend)
    assert.equal(503, ask(lb, "/3"):response().status)
    assert.equal("limits.queue", lb:exchange({ path = "/3" }).note)
    backend.go.all = true
    assert.equal("/1", first:response().body)
    assert.equal("/2", second:response().body)
  end)

  it("does not wait without limits.queue", function()
    local backend = slow_backend()
    local lb = balancer({ backend }, "limits = {},")
    local first = ask_first(lb, backend)
    assert.equal(503, ask(lb, "/2"):response().status)
    backend.go.all = true
    assert.equal("/1", first:response().body)
  end)

  it("leaves its place in the queue when its client leaves", function()
    local backend = slow_backend()
    local lb = balancer { backend }
    local first, second = ask_two(lb, backend)
    local third = ask(lb, "/3")
    play.pause(0.05)
    second:close()
    assert.truthy(lb:exchange({ path = "/2", status = 499 }).ms.queue > 0)
    backend.go.all = true
    assert.equal("/1", first:response().body)
    assert.equal("/3", third:response().body)
    assert.equal("/1 /3", targets(backend))
  end)

  it("goes to whichever has room first, and does not hold up those behind it that may go there", function()
    local one, two = slow_backend(), slow_backend()
    local lb = balancer({ one, two }, [[
      choose = function(ctx, backends)
        local wanted = ctx.path:match "^/one" and 1 or 2
        for i = 1, #backends do
          if backends[i].name == backends.all[wanted].name then return backends[i] end
        end
        return nil, "the one for it is full"
      end,
    ]])
    local first_one, first_two = ask(lb, "/one/1"), ask(lb, "/two/1")
    wait_until_asked(one, 1)
    wait_until_asked(two, 1)
    local second_one = ask(lb, "/one/2")
    play.pause(0.05)
    local second_two = ask(lb, "/two/2")
    play.pause(0.05)
    two.go.all = true
    assert.equal("/two/1", first_two:response().body)
    assert.equal("/two/2", second_two:response().body)
    assert.equal(1, #one.requests)
    one.go.all = true
    assert.equal("/one/1", first_one:response().body)
    assert.equal("/one/2", second_one:response().body)
  end)

  it("goes to another backend that comes up meanwhile", function()
    local full, late = slow_backend(), play.hello "late"
    late:refuse()
    local lb = balancer { full, late }
    lb:down(late)
    local first, second = ask_two(lb, full)
    late:start()
    assert.equal("late", second:response().body)
    full.go.all = true
    assert.equal("/1", first:response().body)
  end)

  it("is refused when the backends that it waits for are no more", function()
    local full = slow_backend()
    local lb = balancer { full }
    local first, second = ask_two(lb, full)
    full:refuse()
    assert.equal(503, second:response().status)
    assert.truthy(lb:exchange({ path = "/2" }).ms.total < 15000) -- and not after timeouts.queue
    full.go.all = true
    assert.equal("/1", first:response().body)
  end)

  it("waits on through a reload and a drain", function()
    local backend = slow_backend()
    local lb = balancer { backend }
    local first, second = ask_two(lb, backend)
    lb:signal "sighup"
    lb:event "reload"
    local third = ask(lb, "/3")
    play.pause(0.1)
    lb:signal "sigterm"
    lb:event "drain"
    backend.go.all = true
    for i, client in ipairs { first, second, third } do assert.equal("/" .. i, client:response().body) end
    assert.equal(1, backend.busy.most)
  end)

  it("keeps waiting next to a tunnel of an old script, which has let go of other backends", function()
    local tunnel = tunnels.switching()
    local backend = slow_backend()
    local function text(version)
      return ([[ -- %d
        return {
          health = { interval = 60, timeout = 5 }, limits = { queue = 100 }, timeouts = { queue = 20 },
          backends = { %q, { address = %q, max_in_flight = 1 } },
          choose = function(ctx, backends)
            local wanted = ctx.path == "/chat" and 1 or 2
            for i = 1, #backends do
              if backends[i].name == backends.all[wanted].name then return backends[i] end
            end
            return nil, "the one for it is full"
          end,
        } ]]):format(version, tunnel.address, backend.address)
    end
    local lb, say = reloading.start(text(1))
    local chat = tunnels.upgraded(lb)
    assert.equal("reload", say(text(2)).event)
    local first, second = ask_two(lb, backend)
    backend.go.all = true
    assert.equal("/1", first:response().body)
    assert.equal("/2", second:response().body)
    chat:send "still here"
    assert.equal("still here", chat:exactly(10))
  end)

  it("is asked for again once, and of those only that have room", function()
    local backends = {}
    for i = 1, 6 do backends[i] = slow_backend() end
    local lb = balancer(backends, [[
      choose = function(ctx, backends)
        local calls = lb.counter("calls")
        if ctx.path == "/calls" then return ctx:respond { status = 200, body = tostring(calls:get()) } end
        calls:add(1)
        return backends[1]
      end,
    ]])
    local function calls() return tonumber(lb:fetch("/calls").body) end
    for i = 1, 6 do
      ask(lb, "/" .. i)
      wait_until_asked(backends[i], 1)
    end
    local before = calls()
    local last = ask(lb, "/last")
    play.wait("the request to wait", function() return calls() == before + 6 end)
    backends[6].go.all = true
    assert.equal("/last", last:response().body)
    assert.equal(before + 7, calls())
  end)

  it("is counted once by a limiter", function()
    local backend = slow_backend()
    local lb = play.balancer {
      script = ([[
        return require "rate_limit" {
          rate = 0.001, burst = 3, backends = { { address = %q, max_in_flight = 1 } },
          health = { interval = 0.2, timeout = 0.5 }, limits = { queue = 100 }, timeouts = { queue = 20 },
        }
      ]]):format(backend.address),
    }
    local clients = { ask_first(lb, backend) }
    for i = 2, 3 do clients[i] = ask(lb, "/" .. i) end
    play.pause(0.1)
    backend.go.all = true
    for i, client in ipairs(clients) do assert.equal("/" .. i, client:response().body) end
    assert.equal(429, lb:fetch("/4").status)
  end)

  it("is served whichever worker gives a place back, and all workers have their turn", function()
    local go_on = false
    local backend = play.answering(function(request)
      play.wait("the word", function() return go_on end)
      return request.target
    end)
    local lb = balancer({ backend }, nil, { workers = 4 })
    local clients = {}
    for i = 1, 40 do clients[i] = ask(lb, "/" .. i) end
    wait_until_asked(backend, 1)
    play.pause(0.2)
    go_on = true
    for i, client in ipairs(clients) do assert.equal("/" .. i, client:response().body) end
    for _, exchange in ipairs(lb:exchanges()) do assert.equal(200, exchange.status) end
  end)

  it("is served when the worker that held the place has died", function()
    local backend = slow_backend()
    local lb = balancer({ backend }, nil, { workers = 2, may_lose_workers = true })
    ask(lb, "/held")
    wait_until_asked(backend, 1)
    local clients = {}
    local workers = asking.workers(lb)
    table.sort(workers, function(a, b) return asking.descriptors(a) > asking.descriptors(b) end)
    for i = 1, 16 do clients[i] = ask(lb, "/" .. i) end -- some in each worker
    play.pause(0.2)
    assert.equal(1, #backend.requests)
    backend.go.all = true
    uv.kill(workers[1], "sigkill")
    local served = 0
    for i, client in ipairs(clients) do
      play.wait("an answer or the end", function() return client.size > 0 or client.ended end)
      if client.size > 0 then
        assert.equal("/" .. i, client:response().body)
        served = served + 1
      end
    end
    assert.truthy(served > 0)
  end)
end)
