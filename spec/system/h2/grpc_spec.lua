-- gRPC by a real client and a real server, those of gRPC's C core (python3-grpcio), through lb.
local certificates = require "spec.support.certificates"
local h2_lb = require "spec.support.h2_lb"
local peers = require "spec.support.peers"
local play = require "spec.support.play"

local CALLS = "grpc_calls.py"
local MANY = 10000
local PYTHON = "/usr/bin/python3" -- as in spec.support.peers

local function server(name, port)
  local address, process = peers.server { name = "gRPC " .. name, peers.folder .. CALLS, "serve", name, port or "0" }
  return { name = name, address = address, port = address:match "%d+$", process = process }
end

local function backends_of(servers)
  local list = {}
  for i, one in ipairs(servers) do list[i] = "h2c://" .. one.address end
  return list
end

local function start(servers, options)
  options = options or {}
  options.backends = backends_of(servers)
  local lb = h2_lb.start(options)
  for _, one in ipairs(servers) do lb:up(one.address) end
  return lb
end

-- { OK = 1000 }, { one = 500, two = 500 } of the last lines that the client has said.
local function counted(out)
  local codes, by_server = out:match "\n?([^\n]*)\n([^\n]*)\n$"
  local function read(line)
    local counts = {}
    for name, count in line:gmatch "(%S+)=(%d+)" do counts[name] = tonumber(count) end
    return counts
  end
  return read(codes), read(by_server)
end

-- Calls under way; at(n) waits until some n of them have ended, done() until all have.
local function load_on(lb, calls, at_once)
  local process = play.start { PYTHON, "-B", "-u", peers.folder .. CALLS, "load", lb.address, tostring(calls),
    tostring(at_once), name = "gRPC client", env = { NO_PROXY = "*" } }
  local client = {}
  function client.at(n)
    play.wait("call " .. n, function()
      for _, line in ipairs(process.out) do
        if (tonumber(line:match "^at (%d+)") or -1) >= n then return true end
      end
      return process.exit
    end)
  end
  function client.done()
    play.wait("the last call", function() return process.exit end, 60)
    return counted(table.concat(process.out, "\n") .. "\n")
  end
  return client
end

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

  -- This server cancels a call that it has taken in the moment of its end. lb passes that on, as it
  -- is an answer; a script knows better.
  local RETRIES = [[
    choose = function(ctx, backends)
      ctx:allow_replay()
      return lb.policy.round_robin(ctx, backends)
    end,
    on_response = function(ctx, backend, res) if res.grpc_status == 1 then return "next" end end,]]

  it("loses no call while a backend is stopped and started, and the script reloaded", function()
    local one, two = server "one", server "two"
    local lb = start({ one, two }, { settings = RETRIES })
    local client = load_on(lb, MANY, 8)
    client.at(1000)
    two.process:signal "sigterm" -- GOAWAY; calls that are there are answered
    two.process:wait_exit()
    client.at(3000)
    lb:signal "sighup"
    assert.truthy(lb:event "reload")
    two = server("two", two.port)
    lb:up(two.address)
    local codes, by_server = client.done()
    assert.same({ OK = MANY }, codes)
    assert.is_true(by_server.two > 100, tostring(by_server.two))
  end)

  it("fails no other calls than those in flight at a backend that is killed", function()
    local one, two = server "one", server "two"
    local lb = start { one, two }
    local client = load_on(lb, MANY, 8)
    client.at(1000)
    two.process:signal "sigkill"
    local codes = client.done()
    local unavailable, failed = codes.UNAVAILABLE or 0, MANY - codes.OK
    assert.equal(failed, unavailable)
    assert.equal(unavailable, #lb:exchanges { grpc_status = 14, backend = two.address })
    -- Its system accepts connections until the last of its sockets is closed: twice, then.
    assert.is_true(failed <= 16, failed .. " calls failed")
  end)
end)

describe("a health check by gRPC", function()
  after_each(h2_lb.clear)

  local function checked(service)
    local one = server "one"
    local lb = h2_lb.start { backends = backends_of { one },
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
