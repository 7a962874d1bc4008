-- gRPC by a real client and a real server, those of gRPC's C core (python3-grpcio), through lb.
local certificates = require "spec.support.certificates"
local grpc_calls = require "spec.support.grpc_calls"
local h2_lb = require "spec.support.h2_lb"
local peers = require "spec.support.peers"
local play = require "spec.support.play"

local CALLS = "grpc_calls.py"
local server, start, counted = grpc_calls.server, grpc_calls.start, grpc_calls.counted

describe("gRPC through lb", function()
  after_each(h2_lb.clear)

  it("has every kind of call: trailers, failures, streams both ways, deadlines, cancels", function()
    local lb = start { server "one" }
    assert.equal("well\n", peers.python(CALLS, "try", lb.address).out)
    assert.same({ 9 }, { lb:exchange({ path = "/lb.spec.Echo/Fail" }).grpc_status })
    assert.same({ 499, 1 }, { lb:exchange({ path = "/lb.spec.Echo/Many", status = 499 }).status,
      lb:exchange({ path = "/lb.spec.Echo/Many", status = 499 }).grpc_status })
  end)

  it("has them over TLS, too", function()
    local lb = start({ server "one" }, { tls = true })
    local pair = certificates.new { names = { "a.test" } }
    assert.equal("well\n", peers.python(CALLS, "try", lb.address, pair.cert).out)
  end)

  it("spreads the calls of one connection over all backends, and loses none of them", function()
    local lb = start { server "one", server "two" }
    local codes, by_server = counted(peers.python(CALLS, "load", lb.address, 1000, 8).out)
    assert.same({ OK = 1000 }, codes)
    assert.same({ one = 500, two = 500 }, by_server)
  end)

  it("says UNAVAILABLE where no backend can be reached", function()
    local one = server "one"
    local lb = start { one }
    one.process:signal "sigkill"
    one.process:wait_exit()
    local codes = counted(peers.python(CALLS, "load", lb.address, 20, 4).out)
    assert.same({ UNAVAILABLE = 20 }, codes)
    assert.equal(14, lb:exchange({ status = 503 }).grpc_status)
  end)

  it("loses no call while a backend is stopped and started, and the script reloaded", function()
    grpc_calls.survives_stop()
  end)

  it("fails no other calls than those in flight at a backend that is killed", function()
    grpc_calls.survives_kill()
  end)
end)

describe("a health check by gRPC", function()
  after_each(h2_lb.clear)

  local function checked(service)
    local one = server "one"
    local lb = h2_lb.start { backends = { "h2c://" .. one.address },
      settings = ("health = { type = 'grpc', service = '%s', interval = 0.1, timeout = 5, fall = 1 },")
        :format(service) }
    return lb, one
  end

  it("takes a server that says SERVING, and sees its end", function()
    local lb, one = checked ""
    assert.equal("SERVING", lb:up(one.address).reason)
    one.process:signal "sigkill"
    assert.truthy(lb:down(one.address))
  end)

  it("does not take one that says NOT_SERVING", function()
    local lb, one = checked "sick"
    assert.equal("NOT_SERVING", lb:down(one.address).reason)
  end)

  it("does not take one that does not have the service", function()
    local lb, one = checked "nothing"
    assert.equal("grpc-status 5", lb:down(one.address).reason)
  end)

  it("does not take a server that speaks HTTP/2 and no gRPC", function()
    local other = h2_lb.start { settings = "choose = function(ctx) return ctx:respond { body = 'hello' } end," }
    local lb = h2_lb.start { backends = { "h2c://" .. other.address },
      settings = "health = { type = 'grpc', interval = 0.1, timeout = 5, fall = 1 }," }
    assert.equal("not an answer to the check", lb:down(other.address).reason)
  end)

  it("is refused for a backend in HTTP/1", function()
    local path = play.file("grpc.lua", "return { backends = '127.0.0.1:1', health = { type = 'grpc' } }")
    local said = play.lb({ "check", path }).err
    assert.truthy(said:find('write "h2c://127.0.0.1:1" in backends', 1, true), said)
  end)
end)
