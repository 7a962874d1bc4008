-- Requests that meet a backend which refuses, hangs, breaks off or talks nonsense.
local play = require "spec.support.play"

local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

-- Always the first of those that are left; checks so rare that only the first round counts.
local RARE = "health = { interval = 60, timeout = 5, eject_after = 0 },"
local FIRST = [[
return {
  %s
  choose = function(ctx, backends) return backends[1], { why = ctx.vars.seen } end,
  on_failure = function(ctx, backend, err)
    local this = ("%%s %%s %%d/%%d, "):format(backend.name, err.kind, ctx.attempts, ctx.retries)
    ctx.vars.seen = (ctx.vars.seen or "") .. this
    %s
  end,
}
]]
local DEFAULT = [[
    if err.kind == "connect" and ctx.retries < 3 then return "retry" end
    return ctx.attempts < 3 and "next" or "fail"
]]

local function script(settings, rule) return FIRST:format(RARE .. (settings or ""), rule or DEFAULT) end

-- Both were found up, then the first one goes.
local function with_dead_first(options)
  local dead, alive = play.hello "dead", play.hello "alive"
  local lb = play.balancer {
    script = options.script or script(), backends = { dead, alive }, may_fail = options.may_fail,
  }
  lb:up(dead)
  lb:up(alive)
  dead:stop()
  return lb, dead, alive
end

local function outcomes(exchange)
  local list = {}
  for i, try in ipairs(exchange.tries) do list[i] = try.backend .. " " .. try.outcome end
  return list
end

describe("a request that meets", function()
  after_each(play.curtain)

  it("a refused connect is retried there three times, then goes to the next backend", function()
    local lb, dead, alive = with_dead_first {}
    assert.equal("alive", lb:fetch("/").body)
    local line = lb:exchange { status = 200 }
    local d = dead.address .. " refused"
    assert.same({ d, d, d, d, alive.address .. " ok" }, outcomes(line))
    assert.equal(2, line.attempts)
    assert.equal(alive.address, line.backend)
    assert.equal(("D connect 1/0, D connect 1/1, D connect 1/2, D connect 1/3, "):gsub("D", dead.address), line.why)
  end)

  it("a refused connect marks the backend down for those that follow", function()
    local lb, dead, alive = with_dead_first {}
    lb:fetch "/"
    assert.truthy(lb:down(dead).reason)
    lb:fetch "/second"
    assert.same({ alive.address .. " ok" }, outcomes(lb:exchange { path = "/second" }))
  end)

  it("a connect that hangs goes to the next one after one timeout, at once", function()
    local hole, alive = play.blackhole(), play.hello "alive"
    local lb = play.balancer { script = script "timeouts = { connect = 0.3 }, ", backends = { hole, alive } }
    lb:up(hole)
    hole:fill()
    local seconds, response = play.timed(lb.fetch, lb, "/")
    assert.equal("alive", response.body)
    assert.same({ hole.address .. " connect_timeout", alive.address .. " ok" }, outcomes(lb:exchange()))
    assert.truthy(seconds >= 0.29, seconds)
    assert.truthy(lb:exchange().why:find "timeout 1/0")
  end)

  it("a dead backend with POST arrives whole at a healthy one", function()
    local lb, _, alive = with_dead_first {}
    local body = ("whole "):rep(10000)
    local response = lb:fetch("/", { method = "POST", body = body })
    assert.equal(200, response.status)
    assert.equal(1, #alive.requests)
    assert.truthy(alive.requests[1].body == body)
  end)

  it("a dead backend with a body beyond the replay buffer still arrives whole: nothing of it was sent", function()
    local lb, _, alive = with_dead_first {}
    local body = ("0123456789abcdef"):rep(65536)
    assert.equal(200, lb:fetch("/", { method = "POST", body = body }).status)
    assert.truthy(alive.requests[1].body == body)
  end)

  it("a dead backend with a chunked body arrives whole", function()
    local lb, _, alive = with_dead_first {}
    local client = play.client(lb)
    client:send "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
    play.wait("the first try", function() return lb:events "backend_down"[1] end)
    client:send "3\r\ndef\r\n0\r\n\r\n"
    assert.equal(200, client:response().status)
    assert.equal("abcdef", alive.requests[1].body)
  end)

  -- Takes the request, then ends without a byte of a response.
  local function fragile(ending)
    return play.backend(function(conn)
      play.receive(conn)
      conn[ending](conn)
    end)
  end

  for _, ending in ipairs { "reset", "close" } do
    it("a " .. ending .. " before the response goes to the next one, if it is GET", function()
      local bad, good = fragile(ending), play.hello "good"
      local lb = play.balancer { script = script(), backends = { bad, good } }
      assert.equal("good", lb:fetch("/").body)
      assert.same({ bad.address .. " reset", good.address .. " ok" }, outcomes(lb:exchange()))
    end)

    it("a " .. ending .. " before the response is a 502 and never repeated, if it is POST", function()
      local bad, good = fragile(ending), play.hello "good"
      local lb = play.balancer { script = script(nil, 'return "next"'), backends = { bad, good } }
      assert.equal(502, lb:fetch("/", { method = "POST", body = "once" }).status)
      assert.equal(1, #bad.requests)
      assert.equal("once", bad.requests[1].body)
      assert.equal(0, #good.requests)
      assert.same({ bad.address .. " reset" }, outcomes(lb:exchange()))
    end)
  end

  it("a reset with POST goes to the next one if it carries Idempotency-Key", function()
    local bad, good = fragile "reset", play.hello "good"
    local lb = play.balancer { script = script(), backends = { bad, good } }
    local response = lb:fetch("/", { method = "POST", body = "body", fields = "Idempotency-Key: 1\r\n" })
    assert.equal("good", response.body)
    assert.equal("body", good.requests[1].body)
  end)

  it("a reset with POST goes to the next one if the policy allowed it", function()
    local bad, good = fragile "reset", play.hello "good"
    local lb = play.balancer {
      script = "return { " .. RARE .. "choose = function(ctx, backends) ctx:allow_replay() return backends[1] end }",
      backends = { bad, good },
    }
    assert.equal("good", lb:fetch("/", { method = "POST", body = "body" }).body)
    assert.equal("body", good.requests[1].body)
  end)

  it("a reset with PUT goes to the next one, with its body", function()
    local bad, good = fragile "reset", play.hello "good"
    local lb = play.balancer { script = script(), backends = { bad, good } }
    assert.equal("good", lb:fetch("/", { method = "PUT", body = ("x"):rep(60000) }).body)
    assert.equal(("x"):rep(60000), good.requests[1].body)
  end)

  it("a reset with an idempotent method of IANA's registry goes to the next one, with its body", function()
    local bad, good = fragile "reset", play.hello "good"
    local lb = play.balancer { script = script "limits = { retry_budget = 1 }, ", backends = { bad, good } }
    for i, method in ipairs { "QUERY", "PROPFIND", "REPORT", "MKCOL", "UNLOCK" } do
      assert.equal("good", lb:fetch("/", { method = method, body = "body" }).body)
      assert.equal(method .. " body", good.requests[i].method .. " " .. good.requests[i].body)
    end
    for _, method in ipairs { "LOCK", "PATCH", "M-SEARCH" } do
      assert.equal(502, lb:fetch("/", { method = method, body = "body" }).status)
    end
  end)

  it("a reset with a body larger than the replay buffer is not sent again", function()
    local bad, good = fragile "reset", play.hello "good"
    local lb = play.balancer { script = script "limits = { replay = 1000 }, ", backends = { bad, good } }
    assert.equal(502, lb:fetch("/", { method = "PUT", body = ("x"):rep(2000) }).status)
    assert.equal(0, #good.requests)
  end)

  it("a reset in the middle of its body arrives whole at the next one", function()
    local bad = play.backend(function(conn)
      conn:request_head()
      conn:exactly(10000)
      conn:reset()
    end)
    local good = play.hello "good"
    local lb = play.balancer { script = script(), backends = { bad, good } }
    local client = play.client(lb)
    client:send("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 30000\r\n\r\n", ("a"):rep(10000))
    play.wait("the reset", function() return bad.served == 1 and #bad:connections() == 0 end)
    client:send(("b"):rep(20000))
    assert.equal("good", client:response().body)
    assert.truthy(good.requests[1].body == ("a"):rep(10000) .. ("b"):rep(20000))
  end)

  it("something that is not HTTP goes to the next one", function()
    local bad = play.backend(function(conn)
      play.receive(conn)
      conn:send "SSH-2.0-OpenSSH_9.2\r\n\r\n"
      conn:ended_by_peer()
    end)
    local good = play.hello "good"
    local lb = play.balancer { script = script(), backends = { bad, good } }
    assert.equal("good", lb:fetch("/").body)
    assert.same({ bad.address .. " protocol", good.address .. " ok" }, outcomes(lb:exchange()))
  end)

  it("three backends in vain fails, though there is a fourth", function()
    local list = {}
    for i = 1, 4 do list[i] = fragile "reset" end
    local lb = play.balancer { script = script(nil, ""), backends = list }
    assert.equal(502, lb:fetch("/").status)
    assert.equal(3, lb:exchange().attempts)
    assert.equal(0, #list[4].requests)
  end)

  it("no backend at all is answered 503 at once, with Retry-After", function()
    local one, two = play.unused_port(), play.unused_port()
    local lb = play.balancer { backends = { "127.0.0.1:" .. one, "127.0.0.1:" .. two }, settings = "timeouts = {}" }
    local response = lb:fetch "/"
    assert.equal(503, response.status)
    assert.truthy(tonumber(response:field "retry-after"))
  end)
end)

describe("under load", function()
  after_each(play.curtain)

  -- A connect that is refused was no load for anybody, so trying elsewhere is no storm.
  it("a crowd that meets a dead backend all at once is served, every one of it", function()
    local dead, alive = play.hello "dead", play.hello "alive"
    local lb = play.balancer { backends = { dead, alive }, settings = "health = { interval = 60, timeout = 5 }" }
    lb:up(dead)
    local clients = {}
    for i = 1, 200 do clients[i] = play.client(lb) end
    dead:stop()
    for _, client in ipairs(clients) do client:send(GET) end
    for _, client in ipairs(clients) do assert.equal(200, client:response().status) end
    assert.equal(200, #alive.requests)
  end)

  it("every response is a 200 while a backend goes and comes back, again and again", function()
    local one, two = play.hello "1", play.hello "2"
    local lb = play.balancer {
      backends = { one, two }, workers = 2, settings = "health = { interval = 0.2, timeout = 5 }",
    }
    local over, done = false, 0
    for i = 1, 32 do
      local client = play.client(lb)
      play.beside(function()
        while not over do
          client:send(i % 2 == 0 and GET or "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody")
          assert.equal(200, client:response().status)
          done = done + 1
        end
      end)
    end
    local function more(count)
      local wanted = done + count
      play.wait(count .. " more responses", function() return done >= wanted end)
    end
    for _ = 1, 3 do
      more(200)
      one:stop()
      more(200)
      lb:down(one)
      one:start()
      lb:up(one)
    end
    more(200)
    over = true
  end)
end)

describe("what on_failure returns", function()
  after_each(play.curtain)

  it("decides: fail ends it at once", function()
    local lb, dead, alive = with_dead_first { script = script(nil, 'return "fail"') }
    assert.equal(503, lb:fetch("/").status)
    assert.same({ dead.address .. " refused" }, outcomes(lb:exchange()))
    assert.equal(0, #alive.requests)
  end)

  it("decides: next leaves a refusing backend without a retry", function()
    local lb, dead, alive = with_dead_first { script = script(nil, 'return "next"') }
    assert.equal("alive", lb:fetch("/").body)
    assert.same({ dead.address .. " refused", alive.address .. " ok" }, outcomes(lb:exchange()))
  end)

  it("decides: retry stays with a backend", function()
    local backend = play.backend(function(conn, n)
      play.receive(conn)
      if n <= 2 then return conn:reset() end
      conn:send(play.text "third")
    end)
    local lb = play.balancer { script = script(nil, 'return "retry"'), backends = { backend, play.hello "other" } }
    assert.equal("third", lb:fetch("/").body)
    assert.equal(1, lb:exchange().attempts)
    assert.equal(3, #lb:exchange().tries)
  end)

  it("is the default rule if it is nothing, nonsense or an error, and the last two are logged", function()
    for what, rule in pairs { nothing = "", nonsense = 'return "perhaps"', error = 'error "oops"' } do
      local lb, dead, alive = with_dead_first { script = script(nil, rule) }
      local d = dead.address .. " refused"
      assert.equal("alive", lb:fetch("/").body)
      assert.same({ d, d, d, d, alive.address .. " ok" }, outcomes(lb:exchange()))
      if what ~= "nothing" then lb:event "policy_error" end
    end
  end)
end)

describe("retries", function()
  after_each(play.curtain)

  it("have a budget: a backend that always fails does not double the load on the other", function()
    local bad = play.backend(function(conn)
      play.receive(conn)
      conn:reset()
    end)
    local good = play.hello "good"
    local lb = play.balancer { script = script(nil, 'return "next"'), backends = { bad, good } }
    local clients = {}
    for i = 1, 100 do
      clients[i] = play.client(lb)
    end
    for _, client in ipairs(clients) do client:send(GET) end
    for _, client in ipairs(clients) do
      local status = client:response().status
      assert.truthy(status == 200 or status == 502, status)
    end
    assert.equal(100, #bad.requests)
    -- of the last ten seconds a fifth of the requests, and three a second
    assert.truthy(#good.requests >= 30 and #good.requests <= 20 + 30, #good.requests)
  end)

  it("share one deadline with the first try", function()
    local one, two = play.blocked(), play.blocked()
    local lb = play.balancer {
      script = script "timeouts = { request = 0.5, response_head = 0.3 }, ", backends = { one, two, play.blocked() },
    }
    local seconds, response = play.timed(lb.fetch, lb, "/")
    assert.equal(504, response.status)
    assert.equal(2, #lb:exchange().tries)
    assert.truthy(seconds >= 0.49, seconds)
  end)
end)

describe("a client that hangs up", function()
  after_each(play.curtain)

  it("marks no backend down, cancels its request there and is logged as 499", function()
    local waits = true
    local backend
    backend = play.answering(function(_, conn)
      if waits then
        conn:ended_by_peer()
        return ""
      end
      return "x"
    end)
    local lb = play.balancer { backends = { backend }, settings = RARE:gsub("eject_after = 0", "eject_after = 3") }
    for i = 1, 8 do
      local client = play.client(lb)
      client:send(GET)
      play.wait("the backend to be asked", function() return #backend.requests == i end)
      client[i % 2 == 0 and "close" or "reset"](client)
      play.wait("the request to be cancelled", function() return #backend:connections() == 0 end)
    end
    local line = lb:exchange({ status = 499 }, 8)
    assert.same({ backend.address .. " cancelled" }, outcomes(line))
    waits = false
    assert.equal("x", lb:fetch("/").body)
    assert.same({}, lb:events "backend_down")
    assert.same({}, lb:events "backend_ejected")
  end)

  -- A close alone says only that it sends no more; what is sent to it then tells.
  for _, ending in ipairs { "reset", "close" } do
    it("in the middle of a response, by a " .. ending .. ", is logged as 499 and cancelled there", function()
      local backend = play.backend(function(conn)
        conn:request()
        conn:send "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nsome"
        while not conn.ended do
          play.pause(0.05)
          if ending == "close" then conn:send "more" end
        end
      end)
      local lb = play.balancer { backends = { backend } }
      local client = play.client(lb)
      client:send(GET)
      client:has(20)
      client[ending](client)
      assert.same({ backend.address .. " cancelled" }, outcomes(lb:exchange { status = 499 }))
      assert.same({}, lb:events "backend_down")
    end)
  end

  for _, ending in ipairs { "reset", "close" } do
    it("by a " .. ending .. " while the backend is being connected to is not the backend's failure", function()
      local hole = play.blackhole()
      local lb = play.balancer {
        backends = { hole, play.hello "x" },
        script = script("timeouts = { connect = 0.5 }, "),
      }
      lb:up(hole)
      hole:fill()
      for _ = 1, 3 do
        local client = play.client(lb)
        client:send(GET)
        play.pause(0.05)
        client[ending](client)
      end
      local line = lb:exchange({ status = 499 }, 3)
      assert.same({ hole.address .. " cancelled" }, outcomes(line))
      assert.same({}, lb:events "backend_down")
    end)
  end

  it("in the middle of its body is not the backend's failure", function()
    local backend = play.backend(function(conn)
      conn:request_head()
      conn:ended_by_peer()
    end)
    local lb = play.balancer { backends = { backend } }
    for i = 1, 6 do
      local client = play.client(lb)
      client:send "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nsome"
      play.wait("the backend", function() return backend.served == i end)
      client:close()
    end
    lb:exchange({ status = 499 }, 6)
    assert.same({}, lb:events "backend_down")
    assert.same({}, lb:events "backend_ejected")
  end)
end)
