-- What the admin listener tells of lb and of its backends.
local uv = require "luv"
local admin = require "spec.support.admin"
local play = require "spec.support.play"

describe("the admin listener", function()
  after_each(play.curtain)

  it("says that lb lives and is ready", function()
    local lb = admin.balancer { backends = { play.hello "x" } }
    assert.same({ 200, { live = true } }, { admin.told(lb, "/live") })
    admin.ready(lb)
    local status, body, response = admin.get(lb, "/ready")
    assert.same({ 200, { ready = true } }, { status, body })
    assert.equal("application/json", response:field "content-type")
    assert.equal("no-store", response:field "cache-control")
  end)

  it("says why lb is not ready", function()
    local lb = admin.balancer { backends = { "127.0.0.1:" .. play.unused_port() } }
    lb:event "backend_down"
    assert.same({ 503, { ready = false, why = { "no backend is available" } } }, { admin.told(lb, "/ready") })
    assert.equal(200, (admin.get(lb, "/live")))
  end)

  it("says that lb is not ready from the first moment of a drain, and lives", function()
    local backend = play.backend(function(conn)
      conn:request()
      conn:rest()
    end)
    local lb = admin.balancer { backends = { backend } }
    local client = play.client(lb)
    client:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    play.wait("the request", function() return select(2, admin.get(lb, "/state")).backends[1].in_flight == 1 end)
    lb:signal "sigterm"
    lb:event "drain"
    assert.same({ 503, { ready = false, why = { "draining" } } }, { admin.told(lb, "/ready") })
    assert.equal(200, (admin.get(lb, "/live")))
    client:close()
    lb:wait_exit()
    assert.is_nil(uv.fs_stat(lb.admin_path))
  end)

  it("tells of a backend as the script has it, and how it does", function()
    local backend = play.hello "x"
    local lb = admin.balancer { settings = ([[
      backends = {
        { name = "a b", address = %q, weight = 3, max_in_flight = 7, tags = { zone = "x\"y" } }, "127.0.0.1:%d",
      },
    ]]):format(backend.address, play.unused_port()) }
    lb:event("backend_up", { backend = "a b" })
    lb:event "backend_down"
    for _ = 1, 3 do assert.equal(200, lb:fetch("/").status) end
    local status, body = admin.get(lb, "/backends/a%20b")
    assert.equal(200, status)
    assert.equal("a b", body.name)
    assert.equal(backend.address, body.address)
    assert.same({ zone = 'x"y' }, body.tags)
    assert.same({ "up", true, true }, { body.state, body.up, body.available })
    assert.same({ now = 3, script = 3, effective = 3, set_by = "script" }, body.weight)
    assert.same({ 7, 0, 0, 3, 0 },
      { body.max_in_flight, body.in_flight, body.pending, body.requests, body.failures })
    local _, all = admin.get(lb, "/backends")
    assert.equal(2, #all.backends)
    assert.same({ "down", "connection refused", false },
      { all.backends[2].state, all.backends[2].why, all.backends[2].available })
  end)

  it("tells of everything in one object, or of a part", function()
    local lb = admin.balancer { backends = { play.hello "x" }, workers = 2 }
    lb:fetch("/")
    local _, all = admin.get(lb, "/state")
    assert.equal(lb.pid, all.pid)
    assert.equal(1, all.edition)
    assert.equal(2, #all.workers)
    assert.equal(1, all.requests)
    assert.equal(1, #all.backends)
    local _, part = admin.get(lb, "/state?part=backends")
    assert.is_nil(part.pid)
    assert.equal(1, #part.backends)
  end)

  it("tells of a thousand backends in pieces", function()
    local list = {}
    for i = 1, 1000 do list[i] = ('{ name = "b%d", address = "127.0.0.1:%d" }'):format(i, 1) end
    local backends = "backends = { " .. table.concat(list, ", ") .. " }"
    local lb = admin.balancer { settings = "health = { interval = 3600 }, " .. backends }
    local status, body, response = admin.get(lb, "/backends")
    assert.equal(200, status)
    assert.equal(1000, #body.backends)
    assert.equal("b1000", body.backends[1000].name)
    assert.is_true(#response.chunks > 2, #response.chunks)
  end)

  it("names the nearest route for one that it does not have", function()
    local lb = admin.balancer { backends = { play.hello "x" } }
    local status, body = admin.get(lb, "/backend")
    assert.equal(404, status)
    assert.equal("no such route, did you mean /backends?", body.error)
    assert.equal("no backend is called 'nobody'", select(2, admin.get(lb, "/backends/nobody")).error)
    local refused, _, response = admin.ask(lb, "POST", "/state", {})
    assert.equal(405, refused)
    assert.equal("GET", response:field "allow")
  end)

  it("answers request after request on a connection, and HEAD without a body", function()
    local lb = admin.balancer { backends = { play.hello "x" } }
    local client = play.client(lb.admin)
    client:send("HEAD /live HTTP/1.1\r\nHost: lb\r\n\r\nGET /live HTTP/1.1\r\nHost: lb\r\n\r\n",
      "GET /state HTTP/1.0\r\n\r\n")
    assert.equal("14", client:response("HEAD"):field "content-length")
    assert.equal('{"live":true}\n', client:response().body)
    assert.equal(421, client:response().status)
    assert.equal("end", client:ended_by_peer())
  end)

  it("tells what happens, as it happens", function()
    local backend = play.hello "x"
    local lb = admin.balancer { backends = { backend } }
    lb:up(backend)
    local client = play.client(lb.admin)
    local seen = ""
    client.on_bytes = function(bytes) seen = seen .. bytes end
    client:send "GET /events?last=100 HTTP/1.1\r\nHost: lb\r\n\r\n"
    play.wait("the type", function() return seen:find("Content-Type: text/event-stream", 1, true) end)
    play.wait("what was before", function() return seen:find('"event":"start"', 1, true) end)
    play.wait("a summary", function() return seen:find('event: summary\ndata: {"edition":1,"ready":true', 1, true) end)
    backend:stop()
    lb:down(backend)
    play.wait("the event", function() return seen:find('"event":"backend_down"', 1, true) end)
  end)
end)
