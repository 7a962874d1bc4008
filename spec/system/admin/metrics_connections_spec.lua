-- lb_backend_connections: what each backend's connections are at.
local admin = require "spec.support.admin"
local h2 = require "spec.support.h2"
local h2_backends = require "spec.support.h2_backends"
local metrics = require "spec.support.metrics"
local play = require "spec.support.play"
local uv = require "luv"

local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

describe("the connections to a backend in the metrics", function()
  after_each(play.curtain)

  local function counts(lb)
    local page = metrics.of(lb)
    local function of(state) return metrics.sum(page, "lb_backend_connections", { state = state }) end
    return of "idle", of "busy"
  end

  local function wait_for(lb, idle, busy)
    play.wait(("%d idle and %d busy"):format(idle, busy), function()
      local is_idle, is_busy = counts(lb)
      return is_idle == idle and is_busy == busy
    end)
  end

  -- A backend that answers when it is told to.
  local function patient()
    local may_answer = 0
    local backend = play.answering(function()
      play.wait("the word", function() return may_answer > 0 end)
      may_answer = may_answer - 1
      return "x"
    end)
    return backend, function(n) may_answer = may_answer + n end
  end

  it("are busy while a request has them, then idle, and gone when they are closed", function()
    local backend, answer = patient()
    local lb = admin.balancer { backends = { backend }, workers = 1 }
    admin.ready(lb)
    wait_for(lb, 0, 0)
    local clients = {}
    for i = 1, 3 do
      clients[i] = play.client(lb)
      clients[i]:send(GET)
    end
    wait_for(lb, 0, 3)
    answer(3)
    for i = 1, 3 do clients[i]:response() end
    wait_for(lb, 3, 0)
    clients[1]:send(GET)
    wait_for(lb, 2, 1)
    clients[1]:close() -- so its connection is of no use
    wait_for(lb, 2, 0)
    backend:stop()
    wait_for(lb, 0, 0)
  end)

  it("are gone with the worker that had them", function()
    local backend = play.hello "x"
    local lb = admin.balancer { backends = { backend }, workers = 1, may_lose_workers = true }
    admin.ready(lb)
    lb:fetch "/"
    wait_for(lb, 1, 0)
    uv.kill(select(2, admin.get(lb, "/state")).workers[1].pid, "sigkill")
    wait_for(lb, 0, 0)
  end)

  it("go with the body of a client, and with a script that has another backend", function()
    local backend, other = play.hello "x", play.hello "y"
    local path = "unix:" .. play.directory() .. "/admin.sock"
    local file = play.directory() .. "/b.lua"
    local function write(address)
      local f = assert(io.open(file, "w"))
      f:write(("return { backends = %q, admin = %q }"):format(address, path))
      f:close()
    end
    write(backend.address)
    local lb = play.balancer { file = file }
    lb.admin = path
    admin.ready(lb)
    local client = play.client(lb)
    client:send "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nz"
    client:response()
    wait_for(lb, 1, 0) -- bound to that client
    client:close()
    wait_for(lb, 0, 0)
    lb:fetch "/"
    wait_for(lb, 1, 0)
    write(other.address)
    assert.equal(200, (admin.ask(lb, "POST", "/reload")))
    wait_for(lb, 0, 0)
    lb:fetch "/"
    wait_for(lb, 1, 0)
  end)

  it("of one in HTTP/2 are busy while they have a stream", function()
    local held = {}
    local backend = h2.backend(function(s) held[#held + 1] = s end)
    local lb = admin.balancer { backends = { h2_backends.of(backend) }, workers = 1 }
    admin.ready(lb)
    local clients = {}
    for i = 1, 3 do
      clients[i] = play.client(lb)
      clients[i]:send(GET)
    end
    play.wait("the requests", function() return #held == 3 end)
    wait_for(lb, 0, 1)
    for i = 1, 3 do held[i]:answer "x" end
    for i = 1, 3 do assert.equal("x", clients[i]:response().body) end
    wait_for(lb, 1, 0)
    clients[1]:send(GET)
    wait_for(lb, 0, 1)
    held[4]:answer "x"
    wait_for(lb, 1, 0)
    backend:stop()
    wait_for(lb, 0, 0)
  end)
end)
