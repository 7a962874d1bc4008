-- Who makes room for a client that comes when there is no place, or no descriptor, for it.
local asking = require "spec.support.asking"
local play = require "spec.support.play"

local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

-- lb in one worker, which answers itself, but for "/held": that waits for the backend.
local function start(places, more)
  return play.balancer {
    backends = { play.answering(function() play.wait("the end", function() return false end, 60) end) },
    script = ([[return {
      limits = { connections = %d }, %s
      choose = function(ctx, backends) return ctx.path == "/held" and backends[1] or ctx:respond { body = "x" } end,
    }]]):format(places, more or ""),
    may_fail = true,
  }
end

local function ask(client)
  client:send(GET)
  assert.equal(200, client:response().status)
  return client
end

local function idle(lb, from) return ask(play.client(lb, { from = from })) end

-- A silent client that has a place: the worker has seen it once a later client is served.
local function silent(lb, bytes)
  local client = play.client(lb)
  if bytes then client:send(bytes) end
  local behind = play.client(lb)
  behind:send "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
  behind:ended_by_peer() -- and lb has its descriptor back
  return client
end

-- It was closed in silence, and those others were not.
local function given_up(client, others)
  assert.equal("end", client:ended_by_peer())
  assert.equal(0, client.size)
  for _, other in ipairs(others) do assert.is_nil(other.ended) end
end

describe("a client that finds no place", function()
  after_each(play.curtain)

  it("gets the place of a client that never sent a byte, the first of them first, without a line in the log", function()
    local lb = start(5)
    local first, second = silent(lb), silent(lb, "\r\n")
    local others = { idle(lb), idle(lb), idle(lb) }
    others[4] = idle(lb)
    given_up(first, { second, unpack(others) })
    others[5] = idle(lb)
    given_up(second, others)
    lb:event("connections_full", { limit = 5 })
    for _, other in ipairs(others) do ask(other) end
    for _, exchange in ipairs(lb:exchanges()) do assert.equal(200, exchange.status) end
  end)

  it("gets that of the longest idle one, and of one of a trusted proxy last", function()
    local lb = start(4, "trusted_proxies = '127.0.0.2',")
    local proxy = idle(lb, "127.0.0.2")
    local first, second = idle(lb), idle(lb)
    local held = play.client(lb)
    held:send "GET /held HTTP/1.1\r\nHost: x\r\n\r\n"
    ask(first) -- it was the longest idle one
    local third = idle(lb)
    given_up(second, { proxy, first, third, held })
    third:send "GET /held HTTP/1.1\r\nHost: x\r\n\r\n"
    local fourth = idle(lb)
    given_up(first, { proxy, third, fourth, held })
    fourth:send "GET /held HTTP/1.1\r\nHost: x\r\n\r\n"
    idle(lb)
    given_up(proxy, { third, fourth, held })
  end)

  it("gets the place of a client that has its last answer and does not close", function()
    local lb = start(1)
    local clients = {}
    for i = 1, 10 do
      clients[i] = play.client(lb)
      clients[i]:send "\22\3\1\2\0\1\0\1" -- TLS
    end
    idle(lb)
    for _, client in ipairs(clients) do assert.equal(400, client:response().status) end
  end)

  it("waits while all others are in the middle of something", function()
    local lb = start(2)
    local held, half = play.client(lb), play.client(lb)
    held:send "GET /held HTTP/1.1\r\nHost: x\r\n\r\n"
    half:send "GET / HTTP/1.1\r\n"
    local waiting = play.client(lb)
    waiting:send(GET)
    lb:event "connections_full"
    play.pause(0.2) -- nobody tells that it waits
    assert.equal(0, waiting.size)
    half:send "Host: x\r\n\r\n"
    assert.equal(200, half:response().status)
    assert.equal(200, waiting:response().status) -- half is idle now
    given_up(half, { held, waiting })
  end)

  it("is served at once where many that are silent hold all places", function()
    local lb = play.balancer { backends = { play.hello "x" }, descriptors = 256 }
    local clients = {}
    for i = 1, 120 do clients[i] = play.client(lb) end
    for i = 121, 125 do clients[i] = idle(lb) end
    for i = 121, 125 do assert.is_nil(clients[i].ended) end
  end)
end)

describe("a worker without a descriptor", function()
  after_each(play.curtain)

  -- lb has no descriptor left from now on, until it closes one.
  local function exhaust(lb)
    local pid, lowest = asking.worker(lb), 0
    asking.descriptors_at_rest(pid)
    while require("luv").fs_lstat(("/proc/%d/fd/%d"):format(pid, lowest)) do lowest = lowest + 1 end
    os.execute(("prlimit --pid %d --nofile=%d:"):format(pid, lowest))
  end

  it("accepts a client, and closes another client that is silent or idle", function()
    local lb = start(100)
    local first, second = silent(lb), idle(lb)
    exhaust(lb)
    local third = idle(lb)
    given_up(first, { second, third })
    idle(lb)
    given_up(second, { third })
  end)

  it("accepts a client, and closes an idle connection to a backend where no client is idle", function()
    local lb = play.balancer {
      backends = { play.hello "x" },
      script = [[return { choose = function(ctx, backends)
        return ctx.path == "/" and ctx:respond { body = "x" } or backends[1]
      end }]],
    }
    assert.equal(200, lb:fetch("/backend", { headers = { Connection = "close" } }).status)
    local half = silent(lb, "GET")
    exhaust(lb)
    local client = idle(lb)
    assert.is_nil(half.ended)
    assert.is_nil(client.ended)
  end)

  it("connects a second and a third time where SYNs are lost, and closes clients that are idle", function()
    local hole = play.blackhole()
    local lb = play.balancer { script = ([[return {
      health = { interval = 60 }, timeouts = { connect = 10 }, backends = "%s",
      choose = function(ctx, backends)
        return ctx.path == "/" and ctx:respond { body = "x" } or backends[1]
      end,
    }]]):format(hole.address) }
    lb:up(hole)
    hole:fill()
    local clients = {}
    for i = 1, 5 do clients[i] = idle(lb) end
    exhaust(lb)
    clients[5]:send "GET /hole HTTP/1.1\r\nHost: x\r\n\r\n"
    play.wait("three connects that hang", function() return hole:hanging() == 3 end)
    assert.is_nil(clients[5].ended)
  end)

  it("connects to a backend, and closes a client that is idle", function()
    local lb = start(100)
    local first, second, third = silent(lb), idle(lb), idle(lb)
    exhaust(lb)
    second:send "GET /held HTTP/1.1\r\nHost: x\r\n\r\n"
    given_up(first, { second, third })
    third:send "GET /held HTTP/1.1\r\nHost: x\r\n\r\n"
    assert.equal(503, third:response().status) -- nobody is idle any more
    assert.equal(0, second.size)
  end)
end)

describe("a place", function()
  after_each(play.curtain)

  -- lb with two workers, whose answers name the worker, and a backend for
  -- "/held" that never answers.
  local function start_two(places)
    local backend = play.answering(function() play.wait("the end", function() return false end, 60) end)
    local lb = play.balancer {
      workers = 2, may_fail = true, may_lose_workers = true, backends = { backend },
      script = ([[
        local name = tostring(lb.counter("workers"):next(9))
        return {
          limits = { connections = %d }, health = { interval = 60 },
          choose = function(ctx, backends)
            return ctx.path == "/held" and backends[1] or ctx:respond { body = name }
          end,
        }]]):format(places),
    }
    return lb, backend
  end

  -- Clients of one worker that rest: those that come to the other one leave again.
  local function rest_at_one(lb, n)
    local clients, name = {}, nil
    while #clients < n do
      local client = play.client(lb)
      client:send(GET)
      local worker = client:response().body
      name = name or worker
      if worker == name then clients[#clients + 1] = client else client:close() end
    end
    return clients
  end

  local function hold(lb, n)
    local clients = {}
    for i = 1, n do
      clients[i] = play.client(lb)
      clients[i]:send "GET /held HTTP/1.1\r\nHost: x\r\n\r\n"
    end
    return clients
  end

  local function asked(backend, n)
    play.wait(n .. " requests", function() return #backend.requests == n end)
  end

  it("is of any worker, and who rests at one makes room for a client of another", function()
    local lb, backend = start_two(8)
    local resting = rest_at_one(lb, 8)
    local held = hold(lb, 8)
    asked(backend, 8)
    play.wait("all that rest to be given up, but for one that a worker may let in beyond the limit", function()
      local ended = 0
      for _, client in ipairs(resting) do ended = ended + (client.ended and 1 or 0) end
      return ended >= 7
    end)
    for _, client in ipairs(held) do assert.is_nil(client.ended) end
  end)

  it("is taken over where nobody rests by one client too many, and by no other", function()
    local lb, backend = start_two(4)
    local held = hold(lb, 16)
    lb:event "connections_full"
    local count = play.until_still(function() return #backend.requests end)
    assert.truthy(count >= 4 and count <= 6, count) -- each worker may be the one
    for i = 1, 8 do held[i]:close() end
    play.wait("the others", function() return #backend.requests >= 8 end)
  end)

  it("is free again when the worker that had it has died", function()
    local lb, backend = start_two(3)
    hold(lb, 5)
    lb:event "connections_full"
    play.wait("three requests", function() return #backend.requests >= 3 end)
    for _, pid in ipairs(asking.workers(lb)) do require("luv").kill(pid, "sigkill") end
    lb:event("worker_died", nil, 2)
    local before = #backend.requests
    hold(lb, 3)
    play.wait("three more requests", function() return #backend.requests >= before + 3 end)
  end)
end)
