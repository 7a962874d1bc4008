-- How spans come to a collector, and what becomes of them where none takes them.
local admin = require "spec.support.admin"
local authority = require "spec.support.authority"
local collector = require "spec.support.collector"
local metrics = require "spec.support.metrics"
local play = require "spec.support.play"
local reloading = require "spec.support.reloading"
local tls = require "spec.support.tls"

local QUICK = "health = { interval = 0.2, timeout = 5 },"

local function tracing(to, more) return ("tracing = { to = '%s', part = 1, %s }, "):format(to, more or "") .. QUICK end

local function balancer(to, more, options)
  options = options or {}
  options.settings = tracing(to, more) .. (options.more or "")
  options.backends = { play.hello "x" }
  return admin.balancer(options)
end

local function ask(lb, n)
  local client = play.client(lb)
  for _ = 1, n or 1 do
    client:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    assert.equal(200, client:response().status)
  end
end

local function spans_of(lb)
  local page, found = metrics.of(lb), {}
  for _, result in ipairs { "sent", "dropped", "refused" } do
    found[result] = page.values[('lb_spans_total{result="%s"}'):format(result)]
  end
  return found
end

local function await_spans(lb, wanted)
  play.wait("the spans to be counted", function()
    local found = spans_of(lb)
    for result, n in pairs(wanted) do
      if found[result] ~= n then return false end
    end
    return true
  end)
end

describe("spans", function()
  after_each(function()
    play.curtain()
    tls.clear()
  end)

  it("need no admin listener", function()
    local c = collector.new()
    local lb = play.balancer { settings = tracing(c.url), backends = { play.hello "x" } }
    ask(lb)
    c:wait(2)
  end)

  it("are sent 512 at a time at most, with the headers that are wanted, and counted", function()
    local c = collector.new()
    local lb = balancer(c.url, "headers = { authorization = 'Bearer key' }")
    ask(lb, 600)
    local spans = c:wait(1200)
    assert.equal(1200, #spans)
    for _, request in ipairs(c.requests) do
      assert.is_true(select(2, request.body:gsub('"traceId"', "")) <= 512)
      assert.equal("Bearer key", request:field "authorization")
    end
    await_spans(lb, { sent = 1200, dropped = 0, refused = 0 })
  end)

  it("come from all workers, also from one that takes the place of another", function()
    local c = collector.new()
    local lb = balancer(c.url, nil, { workers = 2, may_lose_workers = true })
    for _ = 1, 20 do ask(lb) end
    c:wait(40)
    for _, child in ipairs(play.children(lb.pid)) do
      local name = io.open(("/proc/%d/comm"):format(child)):read "*l"
      if name == "lb worker 1" then require("luv").kill(child, "sigkill") end
    end
    lb:event("worker_died", {})
    play.wait("the worker that comes", function()
      return metrics.of(lb).values['lb_workers{state="ready"}'] == 2
    end)
    for _ = 1, 20 do ask(lb) end
    assert.equal(80, #c:wait(80))
  end)

  for _, status in ipairs { 429, 502, 503, 504 } do
    it(("are sent again after Retry-After, if the answer is %d"):format(status), function()
      local seen = {}
      local c = collector.new(function(n)
        seen[n] = play.now()
        if n == 1 then return "busy", status, "Retry-After: 1\r\n" end
        return "{}", 200
      end)
      local lb = balancer(c.url)
      ask(lb)
      play.wait("the second time", function() return #c.requests >= 2 end)
      assert.equal(c.requests[1].body, c.requests[2].body)
      assert.is_true(seen[2] - seen[1] >= 1, seen[2] - seen[1])
      await_spans(lb, { sent = 2, dropped = 0, refused = 0 })
    end)
  end

  for _, status in ipairs { 400, 401, 404, 413, 500 } do
    it(("are refused, and not sent again, if the answer is %d"):format(status), function()
      local c = collector.new(function() return "no", status end)
      local lb = balancer(c.url)
      ask(lb)
      await_spans(lb, { sent = 0, dropped = 0, refused = 2 })
      local event = lb:event("spans_lost", {})
      assert.same({ 2, "the collector has answered " .. status }, { event.spans, event.error })
      assert.equal(1, #c.requests)
    end)
  end

  it("that the collector says it has refused are counted so", function()
    local c = collector.new(function() return '{"partialSuccess":{"rejectedSpans":"1","errorMessage":"x"}}', 200 end)
    local lb = balancer(c.url)
    ask(lb)
    await_spans(lb, { sent = 1, refused = 1 })
  end)

  it("are dropped, with one event, while nobody listens, and no request notices", function()
    local lb = balancer(("http://127.0.0.1:%d/v1/traces"):format(play.unused_port()))
    for _ = 1, 3 do ask(lb, 300) end
    play.wait("the spans to be dropped", function() return spans_of(lb).dropped >= 600 end)
    assert.equal(1, #lb:events "spans_lost")
    assert.truthy(lb:event("spans_lost", {}).error:find("refused", 1, true))
  end)

  it("are dropped where there is only rubbish", function()
    local rubbish = play.backend(function(conn)
      conn:request()
      conn:send "what?\r\n\r\n"
    end)
    local lb = balancer(("http://%s/v1/traces"):format(rubbish.address))
    ask(lb)
    await_spans(lb, { sent = 0, dropped = 2 })
  end)

  it("are written over while a collector is silent, and no request notices", function()
    local blocked = play.blocked()
    local lb = balancer(("http://%s/v1/traces"):format(blocked.address))
    ask(lb, 3000)
    play.wait("the ring to be full", function() return spans_of(lb).dropped > 0 end)
    assert.truthy(lb:event("spans_lost", {}))
  end)

  it("are sent to a name, over TLS, to who has the certificate for it", function()
    local ca = authority.make { ca = true, common_name = "spec ca" }
    local both, seen = authority.make({ by = ca, names = { "localhost" } }).both, {}
    local server = tls.backend({ both = both }, function(conn)
      while true do
        seen[#seen + 1] = conn:request()
        conn:send(play.text "{}")
      end
    end)
    local url = ("https://localhost:%s/v1/traces"):format(server.address:match "%d+$")
    local lb = balancer(url, ("tls = { ca = '%s' }"):format(ca.cert))
    ask(lb)
    await_spans(lb, { sent = 2 })
    assert.equal("/v1/traces", seen[1].target)
    assert.equal(0, #lb:events "spans_lost")
    lb:stop()
    lb = balancer(url, ("tls = { ca = '%s', name = 'other.test' }"):format(ca.cert))
    ask(lb)
    await_spans(lb, { dropped = 2 })
    assert.truthy(lb:event("spans_lost", {}).error:find "^tls: ")
    assert.equal(1, #seen)
  end)
end)

describe("what is left", function()
  after_each(play.curtain)

  it("is sent when lb ends", function()
    local c = collector.new()
    local lb = balancer(c.url)
    ask(lb, 100)
    lb:stop()
    assert.equal(200, #c:spans())
  end)

  it("waits for nobody when lb ends", function()
    local blocked = play.blocked()
    local lb = balancer(("http://%s/v1/traces"):format(blocked.address))
    ask(lb, 10)
    lb:stop()
  end)

  it("is sent to the collector of another script, after a reload", function()
    local first, second, backend = collector.new(), collector.new(), play.hello "x"
    local function script(c) return "return { " .. tracing(c.url) .. ("backends = %q }"):format(backend.address) end
    local lb, say = reloading.start(script(first))
    ask(lb, 10)
    first:wait(20)
    ask(lb, 10)
    assert.equal("reload", say(script(second)).event)
    ask(lb, 10)
    play.wait("all spans", function() return #first:spans() + #second:spans() == 60 end)
    assert.is_true(#second:spans() >= 20)
    assert.equal("reload", say("return { " .. QUICK .. ("backends = %q }"):format(backend.address)).event)
    ask(lb, 1)
    assert.is_nil(lb:exchange(nil, 31).trace)
  end)
end)
