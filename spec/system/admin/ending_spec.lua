-- lb is asked to end: what is told at once, and what may change only later.
local admin = require "spec.support.admin"
local play = require "spec.support.play"

local DRAINING = { ready = false, why = { "draining" } }

describe("a balancer that is asked to end", function()
  after_each(play.curtain)

  local function start(drain, options)
    local backend = play.hello "x"
    options = options or {}
    options.settings = ("drain = { delay_s = %s },"):format(drain)
    options.backends = { backend }
    local lb = admin.balancer(options)
    lb:up(backend)
    admin.ready(lb)
    return lb, backend
  end

  it("with drain.delay_s first says so, and serves on; a second SIGTERM cuts that short", function()
    local lb = start(3600)
    local kept = play.client(lb)
    kept:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    assert.equal("x", kept:response().body)
    lb:signal "sigterm"
    assert.equal("3600.0", ("%.1f"):format(lb:event("drain_delay").delay))
    local status, body = admin.told(lb, "/ready")
    assert.same({ 503, DRAINING }, { status, body })
    assert.equal(200, (admin.get(lb, "/live")))
    assert.truthy(select(3, admin.get(lb, "/metrics")).body:find "\nlb_draining 1\n")
    assert.equal("x", lb:fetch("/").body) -- a new connection
    kept:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    local response = kept:response()
    assert.same({ "x", nil }, { response.body, response:field "connection" })
    assert.equal(0, #lb:events "drain")
    lb:signal "sigterm"
    lb:event "drain"
    assert.same({ code = 0, signal = 0 }, lb:wait_exit())
    assert.equal(0, #lb:events "quit")
  end)

  it("drains when drain.delay_s is over", function()
    local lb = start(0.05)
    lb:signal "sigterm"
    lb:event "drain_delay"
    lb:event "drain"
    assert.same({ code = 0, signal = 0 }, lb:wait_exit())
  end)

  it("goes by the drain.delay_s of the script that was loaded last", function()
    local backend, dir = play.hello "x", play.directory()
    local function write(delay_s)
      local f = assert(io.open(dir .. "/b.lua", "w"))
      f:write(("return { backends = %q, drain = { delay_s = %d }, admin = %q }"):format(backend.address, delay_s,
        "unix:" .. dir .. "/admin.sock"))
      f:close()
    end
    write(0)
    local lb = play.balancer { file = dir .. "/b.lua" }
    lb.admin = "unix:" .. dir .. "/admin.sock"
    admin.ready(lb)
    write(3600)
    assert.same({ "drain.delay_s", "text" }, select(2, admin.ask(lb, "POST", "/reload")).changed)
    lb:signal "sigterm"
    lb:event "drain_delay"
    lb:signal "sigterm"
    assert.same({ code = 0, signal = 0 }, lb:wait_exit())
  end)

  it("over the admin listener answers, and ends once however often it is asked", function()
    local go_on
    local backend = play.answering(function()
      play.wait("the word", function() return go_on end)
      return "answer"
    end)
    local lb = admin.balancer { backends = { backend } }
    lb:up(backend)
    local client = play.client(lb)
    client:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    play.wait("the request", function() return #backend.requests == 1 end)
    for _ = 1, 3 do
      local status, body = admin.ask(lb, "POST", "/drain")
      assert.same({ 200, { draining = true } }, { status, body })
      assert.equal(503, (admin.get(lb, "/ready")))
    end
    lb:event "drain"
    go_on = true
    assert.equal("answer", client:response().body)
    assert.same({ code = 0, signal = 0 }, lb:wait_exit())
    assert.equal(0, #lb:events "quit")
  end)

  it("by lb stop does; lb drain without a name does not", function()
    local lb = start(0)
    local result = play.lb { "drain", "--admin", lb.admin }
    assert.same({ 2, "" }, { result.code, result.out })
    assert.truthy(result.err:find("lb: expected lb drain NAME, or lb stop to end lb", 1, true), result.err)
    assert.equal(200, (admin.get(lb, "/ready")))
    result = play.lb { "stop", "--admin", lb.admin }
    assert.same({ 0, '{"draining":true}\n' }, { result.code, result.out })
    assert.same({ code = 0, signal = 0 }, lb:wait_exit())
  end)

  it("takes no other program while it waits", function()
    local lb = start(3600)
    lb:signal "sigterm"
    lb:event "drain_delay"
    lb:signal "sigusr2"
    assert.equal("lb drains", lb:event("upgrade_refused").error)
    local status, body = admin.ask(lb, "POST", "/upgrade")
    assert.same({ 409, "lb drains: it takes no other program" }, { status, body.error })
    lb:signal "sigquit"
    assert.same({ code = 0, signal = 0 }, lb:wait_exit())
  end)
end)
