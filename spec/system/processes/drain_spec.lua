-- lb that is asked to stop finishes what it has begun.
local play = require "spec.support.play"

local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
local HOURS = { "--drain-timeout", "7200" }

-- A backend that answers when the spec asks it to.
local function patient()
  local goes_on = false
  local backend = play.answering(function()
    play.wait("the word", function() return goes_on end)
    return "answer"
  end)
  return backend, function() goes_on = true end
end

local function refuses(lb)
  return function()
    local conn, err = play.connect(lb.address)
    if conn then conn:close() end
    return err == "ECONNREFUSED"
  end
end

describe("a balancer that is asked to stop", function()
  after_each(play.curtain)

  for _, signal in ipairs { "sigterm", "sigint" } do
    it("by " .. signal .. " finishes what is in flight and accepts no more", function()
      local backend, go_on = patient()
      local lb = play.balancer { backends = { backend }, workers = 2 }
      local client = play.client(lb)
      client:send(GET)
      play.wait("the backend", function() return #backend.requests == 1 end)
      lb:signal(signal)
      lb:event "drain"
      play.wait("new connections to be refused", refuses(lb))
      assert.is_nil(lb.process.exit)
      go_on()
      local response = client:response()
      assert.equal("answer", response.body)
      assert.equal("close", response:field "connection")
      assert.equal("end", client:ended_by_peer())
      assert.same({ code = 0, signal = 0 }, lb:wait_exit())
      assert.equal(1, #lb:events "stop")
      assert.equal(200, lb:exchange().status)
    end)
  end

  it("serves those who still wait for a place", function()
    local backend, go_on = patient()
    local lb = play.balancer { backends = { backend }, settings = "limits = { connections = 1 }" }
    local clients = {}
    for i = 1, 150 do
      clients[i] = play.client(lb)
      clients[i]:send(GET)
    end
    lb:event "connections_full"
    assert.equal(1, play.until_still(function() return #backend.requests end))
    lb:signal "sigterm"
    play.wait("all requests", function() return #backend.requests == #clients end)
    go_on()
    for _, client in ipairs(clients) do assert.equal(200, client:response().status) end
    assert.same({ code = 0, signal = 0 }, lb:wait_exit(10))
  end)

  it("finishes a response that is on its way", function()
    local goes_on
    local backend = play.backend(function(conn)
      conn:request()
      conn:send "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst"
      play.wait("the word", function() return goes_on end)
      conn:send "-last"
      conn:ended_by_peer()
    end)
    local lb = play.balancer { backends = { backend } }
    local client = play.client(lb)
    client:send(GET)
    client:has(20)
    lb:signal "sigterm"
    lb:event "drain"
    goes_on = true
    local response = client:response()
    assert.equal("first-last", response.body)
    assert.same({ code = 0, signal = 0 }, lb:wait_exit())
  end)

  it("finishes a request whose body is still coming", function()
    local backend = play.answering(function(request) return request.body end)
    local lb = play.balancer { backends = { backend } }
    local client = play.client(lb)
    client:send "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nfirst"
    play.wait("the backend", function() return backend.served == 1 end)
    lb:signal "sigterm"
    lb:event "drain"
    client:send "-last"
    assert.equal("first-last", client:response().body)
    assert.same({ code = 0, signal = 0 }, lb:wait_exit())
  end)

  it("finishes a request that is still looking for its backend", function()
    local hole, alive = play.blackhole(), play.hello "alive"
    local lb = play.balancer {
      backends = { hole, alive },
      settings = [[
        health = { interval = 60, timeout = 5 }, timeouts = { connect = 0.5 },
        choose = function(ctx, backends) return backends[1] end,
      ]],
    }
    lb:up(hole)
    hole:fill()
    local client = play.client(lb)
    client:send(GET)
    play.pause(0.1)
    lb:signal "sigterm"
    assert.equal("alive", client:response().body)
    assert.same({ code = 0, signal = 0 }, lb:wait_exit())
  end)

  it("ends at once if nothing is in flight, though clients and backends are connected", function()
    local lb = play.balancer { backends = { play.hello "x" }, workers = 2, args = HOURS }
    local clients = {}
    for i = 1, 8 do
      clients[i] = play.client(lb)
      clients[i]:send(GET)
      assert.equal("x", clients[i]:response().body)
    end
    play.client(lb)
    assert.same({ code = 0, signal = 0 }, lb:stop())
    for _, client in ipairs(clients) do assert.equal("end", client:ended_by_peer()) end
  end)

  it("ends at once when it is asked a second time", function()
    local backend = patient()
    local lb = play.balancer { backends = { backend }, may_fail = true, args = HOURS }
    local client = play.client(lb)
    client:send(GET)
    play.wait("the backend", function() return #backend.requests == 1 end)
    lb:signal "sigterm"
    lb:event "drain"
    lb:signal "sigterm"
    lb:wait_exit()
    assert.truthy(client:ended_by_peer())
  end)

  it("waits no longer than --drain-timeout", function()
    local backend = patient()
    local lb = play.balancer { backends = { backend }, args = { "--drain-timeout", "0.5" } }
    local client = play.client(lb)
    client:send(GET)
    play.wait("the backend", function() return #backend.requests == 1 end)
    local seconds = play.timed(function() assert.same({ code = 0, signal = 0 }, lb:stop()) end)
    assert.truthy(seconds >= 0.49, seconds)
    assert.truthy(client:ended_by_peer())
  end)

  it("says drain and stop once each", function()
    local lb = play.balancer { backends = { play.hello "x" }, workers = 4 }
    lb:stop()
    assert.equal(1, #lb:events "drain")
    assert.equal(1, #lb:events "stop")
  end)
end)
