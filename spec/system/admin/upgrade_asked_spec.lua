-- An upgrade that is asked for over the admin listener: who has asked gets the result, by whichever
-- program serves then.
local admin = require "spec.support.admin"
local metrics = require "spec.support.metrics"
local play = require "spec.support.play"
local upgrading = require "spec.support.upgrading"

local POST = "POST /upgrade HTTP/1.1\r\nHost: lb\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n"

describe("an upgrade over the admin listener", function()
  after_each(play.curtain)

  local function start(options)
    options = options or {}
    local backend = play.hello "x"
    options.backends = { backend }
    options.workers = options.workers or 2
    local lb, put = admin.balancer(options, upgrading.start)
    lb:up(backend)
    admin.ready(lb)
    return lb, put
  end

  local function count(lb, result)
    return metrics.of(lb).values[('lb_upgrades_total{result="%s"}'):format(result)]
  end

  -- The workers of the program before have ended.
  local function settled(lb)
    play.wait("the workers before", function() return #lb:children() == 4 end)
  end

  it("answers with what is new, and the process stays", function()
    local lb = start()
    for n = 1, 2 do
      local status, body, response = admin.ask(lb, "POST", "/upgrade")
      local event = play.wait("the event", function() return lb:events("upgrade")[n] end)
      assert.same({ 200, { version = event.version, before = event.before, ms = event.ms, same_memory = true } },
        { status, body })
      assert.equal("application/json", response:field "content-type")
      assert.equal(lb.pid, select(2, admin.get(lb, "/state")).pid)
      assert.equal("x", lb:fetch("/").body)
      settled(lb)
      assert.equal(n, count(lb, "ok"))
    end
  end)

  it("answers from a program whose memory has another layout, too", function()
    local lb, put = start()
    put(upgrading.other)
    local status, body = admin.ask(lb, "POST", "/upgrade")
    assert.same({ 200, false }, { status, body.same_memory })
    settled(lb)
    put(upgrading.program)
    assert.equal(200, (admin.ask(lb, "POST", "/upgrade")))
  end)

  it("says why it was refused", function()
    local lb, put = start()
    local before = upgrading.descriptors(lb)
    put "#!/bin/sh\necho broken; exit 7"
    assert.same({ 422, { error = "broken", status = 422 } }, { (select(1, admin.ask(lb, "POST", "/upgrade"))),
      (select(2, admin.ask(lb, "POST", "/upgrade"))) })
    assert.same({ 0, 2, 0 }, { count(lb, "ok"), count(lb, "refused"), count(lb, "failed") })
    play.wait("the descriptors", function() return upgrading.descriptors(lb) == before end)
    local result = play.lb { "upgrade", "--admin", lb.admin }
    assert.same({ 1, "", '{"error":"broken","status":422}\n' }, { result.code, result.out, result.err })
    put(upgrading.program)
    result = play.lb { "upgrade", "--admin", lb.admin }
    assert.equal(0, result.code)
    assert.truthy(result.out:find '^{"version":"[%d.]+","before":"[%d.]+","ms":%d+,"same_memory":true}\n$', result.out)
  end)

  it("refuses one more while one is under way, and all at the end of lb", function()
    local lb, put = start()
    put "#!/bin/sh\nexec sleep 3600"
    local first = play.client(lb.admin)
    first:send(POST)
    play.wait("the trial", function() return #lb:children() == 5 end)
    local status, body = admin.ask(lb, "POST", "/upgrade")
    assert.equal(409, status)
    assert.truthy(body.error:find "^an upgrade is under way since %d+%.%d s$", body.error)
    assert.equal(0, #lb:events "upgrade_refused")
    lb:signal "sigterm"
    local response = first:response()
    assert.equal(409, response.status)
    assert.truthy(response.body:find("lb drains", 1, true))
    assert.same({ code = 0, signal = 0 }, lb:wait_exit())
  end)

  it("names the workers of the last one that still end", function()
    local lb = start()
    local tunnel = play.client(lb)
    tunnel:send "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\n12"
    play.wait("the request", function() return select(2, admin.get(lb, "/state")).clients > 0 end)
    assert.equal(200, (admin.ask(lb, "POST", "/upgrade")))
    local status, body = admin.ask(lb, "POST", "/upgrade")
    assert.equal(422, status)
    assert.truthy(body.error:find "within [%d.]+ s at the latest, old worker %d %(pid %d+%)", body.error)
    tunnel:send "345"
    assert.equal("x", tunnel:response().body)
    settled(lb)
    assert.equal(200, (admin.ask(lb, "POST", "/upgrade")))
  end)

  it("does nothing for who may not ask", function()
    local lb = start { admin = '{ listen = { "unix:$SOCKET", "127.0.0.1:0" }, token = "0123456789abcdef-token" }' }
    local over = admin.tcp(lb)
    assert.equal(401, (admin.ask(lb, "POST", "/upgrade", nil, { over = over })))
    assert.equal(405, (admin.get(lb, "/upgrade")))
    assert.equal(415, (admin.ask(lb, "POST", "/upgrade", nil, { type = false })))
    assert.equal(200, (admin.ask(lb, "POST", "/upgrade", nil,
      { over = over, fields = "Authorization: Bearer 0123456789abcdef-token\r\n" })))
    lb:event "upgrade"
    assert.equal(0, #lb:events "upgrade_refused")
  end)
end)
