-- How requests went, and why: GET /decisions.
local uv = require "luv"
local admin = require "spec.support.admin"
local h2_lb = require "spec.support.h2_lb"
local metrics = require "spec.support.metrics"
local play = require "spec.support.play"
local upgrading = require "spec.support.upgrading"

-- What is kept is there when the request is over, which may be after its client has the answer.
local function of_path(lb, path)
  local found
  play.wait("the decision of " .. path, function()
    local _, body = admin.get(lb, "/decisions?last=1000")
    for _, decision in ipairs(body.decisions) do
      if decision.path == path then found = decision end
    end
    return found
  end)
  return found
end

local function paths(lb, query)
  local status, body = admin.get(lb, "/decisions" .. query)
  assert.equal(200, status, body.error)
  local found = {}
  for i, decision in ipairs(body.decisions) do found[i] = decision.path end
  return table.concat(found, " ")
end

-- Two backends, of which the first accepts no connection any more once lb believes in both.
local function with_dead(settings)
  local dead, good = play.hello "x", play.hello "y"
  local lb = admin.balancer { settings = ([[
    health = { interval = 3600 },
    backends = { { name = "dead", address = %q }, { name = "good", address = %q } }, %s
  ]]):format(dead.address, good.address, settings) }
  lb:up(dead)
  lb:up(good)
  admin.ready(lb)
  dead:refuse()
  return lb
end

local FIRST = "choose = function(_, backends) return backends[1] end,"
local NEXT = 'on_failure = function() return "next" end,'

describe("decisions", function()
  after_each(h2_lb.clear)

  it("tell how a request went that needed one try", function()
    local lb = admin.balancer { settings = [[
      choose = function(ctx, backends)
        ctx:explain("tier", "gold")
        ctx:explain("share", 0.25)
        return backends[1]
      end,
    ]], backends = { play.hello "x" } }
    admin.ready(lb)
    assert.equal(200, lb:fetch("/a?b=c").status)
    local d = of_path(lb, "/a?b=c")
    assert.same({ "GET", "127.0.0.1", 200, 1, false, false },
      { d.method, d.client, d.status, d.edition, d.wrong, d.cut })
    assert.same({ all = 1, available = 1, panic = false, out = {} }, d.backends)
    assert.same({ tier = "gold", share = 0.25 }, d.explain)
    assert.equal(1, #d.tries)
    assert.equal("ok", d.tries[1].outcome)
    assert.is_true(d.tries[1].ms > 0 and d.ms.total >= d.tries[1].ms)
    local line = lb:exchange { path = "/a?b=c" }
    assert.same({ line.id, line.client_port, line.ms.total }, { d.id, d.client_port, d.ms.total })
    assert.same({ 200, d }, { admin.told(lb, "/decisions/" .. d.id) })
  end)

  it("tell each try, what it failed with, and what followed", function()
    local lb = with_dead(FIRST .. NEXT)
    assert.equal(200, lb:fetch("/x").status)
    local d = of_path(lb, "/x")
    assert.same({ 200, true, 2, 0 }, { d.status, d.wrong, d.attempts, d.retries })
    local first, second = unpack(d.tries)
    assert.same({ "dead", "refused", "connection refused", "next", "next" },
      { first.backend, first.outcome, first.error, first.said, first["then"] })
    assert.same({ "good", "ok" }, { second.backend, second.outcome })
  end)

  it("tell how often a backend was tried in the same way, and which limit ended that", function()
    local lb = with_dead(FIRST .. "limits = { attempts = 1 },"
      .. 'on_failure = function(ctx) return ctx.retries < 2 and "retry" or "next" end,')
    assert.equal(503, lb:fetch("/x").status)
    local d = of_path(lb, "/x")
    assert.same({ 503, 2, "connection refused" }, { d.status, d.retries, d.note })
    assert.same({ "dead", 2, "retry", "retry" },
      { d.tries[1].backend, d.tries[1].times, d.tries[1].said, d.tries[1]["then"] })
    assert.same({ "dead", "next", "fail", "limits.attempts" },
      { d.tries[2].backend, d.tries[2].said, d.tries[2]["then"], d.tries[2].denied })
    assert.is_nil(d.tries[3])
  end)

  it("tell which answer on_response did not want", function()
    local bad = play.answering(function() return "no", "503 Down" end)
    local lb = admin.balancer { backends = { bad, play.hello "y" }, settings = FIRST .. [[
      on_response = function(_, _, res) if res.status == 503 then return "next" end end,
    ]] }
    lb:up(bad)
    admin.ready(lb)
    assert.equal("y", lb:fetch("/x").body)
    local first = of_path(lb, "/x").tries[1]
    assert.same({ "discarded", 503, "next", "next" }, { first.outcome, first.status, first.said, first["then"] })
  end)

  it("tell which backends were out, and why, when there was none", function()
    local port = play.unused_port()
    local lb = admin.balancer { settings = ('backends = { { name = "a", address = "127.0.0.1:%d" } },'):format(port) }
    lb:event "backend_down"
    local status = lb:fetch("/x").status
    local d = of_path(lb, "/x")
    assert.same({ 503, 503, true, 1 }, { status, d.status, d.wrong, d.backends.all })
    local out = d.backends.out[1]
    assert.same({ "a", "down", "connection refused" }, { out.name, out.state, out.why })
    assert.is_true(out.since_s >= 0)
  end)

  it("tell what a script refuses, after it awaited, with its words", function()
    local lb = admin.balancer { backends = { play.hello "x" }, settings = [[
      choose = function(ctx, backends)
        lb.sleep(0.001)
        return ctx:reject(429, { why = "too many of one tenant" })
      end,
    ]] }
    admin.ready(lb)
    assert.equal(429, lb:fetch("/x").status)
    local d = of_path(lb, "/x")
    assert.same({ 429, true, "too many of one tenant", {} }, { d.status, d.wrong, d.why, d.tries })
    assert.is_true(d.ms.policy >= 1)
  end)

  it("tell by which rule a backend was chosen, and what that compared", function()
    local one, other = play.hello "a", play.hello "b"
    local lb = admin.balancer { settings = ([[
      backends = { { name = "a", address = %q }, { name = "b", address = %q } },
      choose = function(ctx, backends)
        local a, b = backends[1], backends[2]
        if ctx.path == "/min" then
          return backends:min(function(one) return one == b and 3.5 or 7 end)
        elseif ctx.path == "/ties" then
          return backends:min(function() return 1 end)
        elseif ctx.path == "/own" then
          ctx:compared(b, 0.25, a, 1e9)
          return b
        elseif ctx.path == "/turn" then
          return lb.counter "x":next(ctx, backends)
        elseif ctx.path == "/none" then
          return a
        end
        lb.sleep(0.001)
        return lb.policy[ctx.path:sub(2)](ctx, backends)
      end,
    ]]):format(one.address, other.address) }
    lb:up(one)
    lb:up(other)
    admin.ready(lb)
    local function chosen(path)
      assert.equal(200, lb:fetch(path).status)
      local try, compared = of_path(lb, path).tries[1], {}
      for i, each in ipairs(try.compared or {}) do compared[i] = each.backend .. " " .. each.value end
      return try.chosen_by, table.concat(compared, ", "), try.backend
    end
    assert.same({ "min", "b 3.5, a 7", "b" }, { chosen "/min" })
    local rule, compared, taken = chosen "/ties"
    assert.same({ "min", taken == "a" and "a 1, b 1" or "b 1, a 1" }, { rule, compared })
    assert.same({ nil, "b 0.25, a 1000000000", "b" }, { chosen "/own" })
    assert.equal("turn", (chosen "/turn"))
    assert.same({ nil, "", "a" }, { chosen "/none" })
    assert.equal("random", (chosen "/random"))
    assert.equal("ring", (chosen "/ring_hash"))
    rule, compared = chosen "/least_in_flight"
    assert.same({ "least_in_flight", 2 }, { rule, select(2, compared:gsub("[ab] %d", "")) })
    rule, compared, taken = chosen "/p2c_ewma"
    assert.same({ "p2c_ewma", taken, 2 }, { rule, compared:sub(1, 1), select(2, compared:gsub("[ab] [%d.]+", "")) })
  end)

  it("tell that there is no choose, and the built-in rule has chosen", function()
    local lb = admin.balancer { backends = { play.hello "x" } }
    admin.ready(lb)
    lb:fetch("/x")
    assert.equal("round robin", of_path(lb, "/x").tries[1].chosen_by)
  end)

  it("tell of requests over HTTP/2", function()
    local lb = admin.balancer({ backends = { play.hello "x" } }, h2_lb.start)
    admin.ready(lb)
    assert.equal(200, h2_lb.client(lb):fetch("/two").status)
    assert.equal(200, of_path(lb, "/two").status)
  end)

  it("tell of a gRPC call that failed, whose status is 200", function()
    local lb = admin.balancer({ settings = ("backends = { { name = 'a', address = '127.0.0.1:%d' } },"):format(
      play.unused_port()) }, h2_lb.start)
    lb:event "backend_down"
    local answer = h2_lb.client(lb):fetch("/spec.Echo/Say", { method = "POST",
      fields = { { "content-type", "application/grpc" }, { "te", "trailers" } } })
    assert.equal(200, answer.status)
    local d = of_path(lb, "/spec.Echo/Say")
    assert.same({ 14, true, "a" }, { d.grpc_status, d.wrong, d.backends.out[1].name })
  end)

  it("tell the trace of the request, with tracing", function()
    local lb = admin.balancer { backends = { play.hello "x" },
      settings = 'tracing = { to = "http://127.0.0.1:1/v1/traces" },' }
    admin.ready(lb)
    lb:fetch "/x"
    assert.equal(lb:exchange({ path = "/x" }).trace, of_path(lb, "/x").trace)
    assert.truthy(of_path(lb, "/x").trace:find "^%x+$")
  end)

  it("leave out what the script wants to see nowhere", function()
    local lb = admin.balancer { backends = { play.hello "x" }, settings = [[
      choose = function(ctx, backends)
        if ctx.path == "/secret" then ctx:no_log() end
        return backends[1]
      end,
    ]] }
    admin.ready(lb)
    lb:fetch("/secret")
    lb:fetch("/shown")
    of_path(lb, "/shown")
    assert.equal("/shown", paths(lb, ""))
  end)
end)

describe("GET /decisions", function()
  after_each(play.curtain)

  it("gives the newest first, and those that are asked for", function()
    local lb = with_dead([[
      choose = function(ctx, backends)
        if ctx.path == "/429" then return ctx:reject(429) end
        if ctx.path == "/slow" then lb.sleep(0.03) end
        return ctx.path == "/retried" and ctx.attempts == 1 and backends.all[1] or backends:by_name "good"
      end,
    ]] .. NEXT)
    for _, path in ipairs { "/retried", "/429", "/slow", "/last" } do
      lb:fetch(path)
      of_path(lb, path)
    end
    assert.equal("/last /slow /429 /retried", paths(lb, ""))
    assert.equal("/last /slow", paths(lb, "?last=2"))
    assert.equal("/429", paths(lb, "?status=429"))
    assert.equal("/last /slow /retried", paths(lb, "?status=2xx"))
    assert.equal("/slow", paths(lb, "?slower_ms=30&status=200"))
    assert.equal("/retried", paths(lb, "?retried=1"))
    assert.equal("/retried", paths(lb, "?backend=dead"))
    assert.equal("/last /slow /retried", paths(lb, "?backend=go%6fd&retried=0"))
    assert.equal("/429 /retried", paths(lb, "?wrong=1"))
    assert.equal("", paths(lb, "?wrong=1&status=502"))
  end)

  it("refuses what it does not know, and names the nearest", function()
    local lb = admin.balancer { backends = { play.hello "x" } }
    local function error_of(query)
      local status, body = admin.get(lb, "/decisions" .. query)
      assert.equal(400, status)
      return body.error
    end
    assert.equal("/decisions has no parameter 'statsu', did you mean status?", error_of "?last=5&statsu=5xx")
    assert.equal("/decisions has no parameter 'zzzzzz'", error_of "?zzzzzz")
    assert.equal("last is a number from 1 to 1000", error_of "?last=1001")
    assert.equal("status is a status or a class of them, such as 503 or 5xx", error_of "?status=5x")
    assert.equal("slower_ms is a number of milliseconds, such as 100", error_of "?slower_ms=-1")
    assert.equal("retried is 1 or 0", error_of "?retried=yes")
    assert.equal("backend is the name of a backend", error_of "?backend=%zz")
    local status, body = admin.get(lb, "/decisions/0123456789abcdef")
    assert.equal(404, status)
    assert.truthy(body.error:find("request '0123456789abcdef' is not kept", 1, true))
  end)

  it("has none with keep = 0", function()
    local lb = admin.balancer { backends = { play.hello "x" }, settings = "explain = { keep = 0 }," }
    admin.ready(lb)
    lb:fetch("/x")
    lb:exchange { path = "/x" }
    assert.equal("", paths(lb, ""))
  end)
end)

describe("the rings of decisions", function()
  after_each(play.curtain)

  local function kept(lb)
    local values = metrics.of(lb).values
    local function count(name) return values[('lb_decisions_total{kept="%s"}'):format(name)] end
    return { usual = count "usual", wrong = count "wrong", no = count "no" }
  end

  -- Until each of so many is counted.
  local function counted(lb, n)
    local found
    play.wait("all to be counted", function()
      found = kept(lb)
      return found.usual + found.wrong + found.no == n
    end)
    return found
  end

  it("reach back for explain.seconds: half of them may come at once, and what fails is always there", function()
    local lb = admin.balancer { backends = { play.hello "x" }, settings = [[
      explain = { keep = 6, seconds = 3600 },
      choose = function(ctx, backends)
        if ctx.path == "/bad" then return ctx:reject(503) end
        return backends[1]
      end,
    ]] }
    admin.ready(lb)
    for i = 1, 8 do lb:fetch("/" .. i) end
    for _ = 1, 3 do lb:fetch "/bad" end
    assert.same({ usual = 3, wrong = 3, no = 5 }, counted(lb, 11))
    assert.equal("/bad /bad /bad /3 /2 /1", paths(lb, ""))
  end)

  it("have what was slow, by explain.slow", function()
    local lb = admin.balancer { backends = { play.hello "x" }, settings = [[
      explain = { keep = 1, seconds = 3600, slow = 0.02 },
      choose = function(ctx, backends)
        if ctx.path == "/slow" then lb.sleep(0.03) end
        return backends[1]
      end,
    ]] }
    admin.ready(lb)
    for _, path in ipairs { "/quick", "/left out", "/slow" } do lb:fetch((path:gsub(" ", "%%20"))) end
    counted(lb, 3)
    assert.equal("/slow", paths(lb, "?wrong=1&slower_ms=20"))
  end)

  it("outlast a worker that is killed, and a reload", function()
    local lb = admin.balancer { backends = { play.hello "x" }, workers = 1, may_lose_workers = true }
    admin.ready(lb)
    lb:fetch "/before"
    of_path(lb, "/before")
    local _, state = admin.get(lb, "/state")
    uv.kill(state.workers[1].pid, "sigkill")
    lb:event "worker_died"
    play.wait("another worker", function() return metrics.of(lb).values['lb_workers{state="ready"}'] == 1 end)
    lb:fetch "/between"
    of_path(lb, "/between")
    assert.equal(200, (admin.ask(lb, "POST", "/reload", {})))
    lb:fetch "/behind"
    of_path(lb, "/behind")
    assert.equal("/behind /between /before", paths(lb, ""))
  end)

  it("outlast an upgrade, or begin anew if the memory has another layout", function()
    local lb, put = admin.balancer({ backends = { play.hello "x" } }, upgrading.start)
    admin.ready(lb)
    lb:fetch "/before"
    of_path(lb, "/before")
    put.upgrade()
    lb:fetch "/behind"
    of_path(lb, "/behind")
    assert.equal("/behind /before", paths(lb, ""))
    put(upgrading.other)
    put.upgrade()
    lb:fetch "/last"
    of_path(lb, "/last")
    assert.equal("/last", paths(lb, ""))
  end)

  it("give whole records only, in order, while they are overwritten", function()
    local lb = admin.balancer { backends = { play.hello "x" }, workers = 2,
      settings = "explain = { keep = 4, seconds = 0.001 }," }
    admin.ready(lb)
    local is_over, running, sent = false, 0, 0
    for _ = 1, 4 do
      running = running + 1
      play.beside(function()
        local client = play.client(lb)
        while not is_over do
          sent = sent + 1
          client:send(("GET /n%d%s HTTP/1.1\r\nHost: x\r\n\r\n"):format(sent, ("x"):rep(sent % 90)))
          assert.equal(200, client:response().status)
        end
        client:close()
        running = running - 1
      end)
    end
    for _ = 1, 40 do
      local _, body = admin.get(lb, "/decisions?last=1000")
      local last = "9"
      assert.is_true(#body.decisions <= 8, #body.decisions)
      for _, d in ipairs(body.decisions) do
        local number, more = d.path:match "^/n(%d+)(x*)$"
        assert.equal(tonumber(number) % 90, #more)
        assert.same({ 200, 1, "ok" }, { d.status, #d.tries, d.tries[1].outcome })
        assert.is_true(d.time <= last, d.time)
        last = d.time
      end
    end
    is_over = true
    play.wait("the load to end", function() return running == 0 end)
    assert.is_true(sent > 100, sent)
  end)
end)
