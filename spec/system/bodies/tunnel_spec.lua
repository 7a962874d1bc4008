-- A tunnel (RFC 9110, 7.8; RFC 6455): after the 101, bytes both ways, as they are.
local play = require "spec.support.play"
local tunnels = require "spec.support.tunnels"

local switching, balancer, upgraded, noise = tunnels.switching, tunnels.balancer, tunnels.upgraded, tunnels.noise
local assert_backend_well = tunnels.assert_backend_well
local SWITCH = tunnels.SWITCH

describe("a tunnel", function()
  after_each(play.curtain)

  it("passes a client's end on, and what the backend sends after it", function()
    local backend = switching(function(conn)
      assert.equal("last words", conn:rest())
      assert.equal("end", conn.ended)
      play.pause(0.2)
      conn:send "the answer"
    end)
    local lb = balancer(backend)
    local client = upgraded(lb)
    client:send "last words"
    client:finish()
    assert.equal("the answer", client:rest())
    assert.equal("end", client.ended)
    assert.equal("ok", lb:exchange({ status = 101 }).tries[1].outcome)
  end)

  it("passes a backend's end on, and what the client sends after it", function()
    local received
    local backend = switching(function(conn)
      conn:send "last words"
      conn:finish()
      received = conn:rest()
      assert.equal("end", conn.ended)
    end)
    local lb = balancer(backend)
    local client = upgraded(lb)
    assert.equal("last words", client:rest())
    assert.equal("end", client.ended)
    client:send "the answer"
    play.pause(0.2)
    client:send " in two"
    client:finish()
    assert.equal("ok", lb:exchange({ status = 101 }).tries[1].outcome)
    assert.equal("the answer in two", play.wait("the backend", function() return received end))
  end)

  local MIB = 1024 * 1024
  local bytes = noise(8 * MIB)

  it("waits for a slow client, byte for byte, with bounded memory", function()
    local backend = switching(function(conn)
      conn:send(bytes)
      conn:ended_by_peer()
    end)
    local lb = balancer(backend, { settings = "timeouts = { response_body = 0.3, request_body = 0.3 }," })
    local before = play.memory(lb)
    local client = upgraded(lb, { receive_buffer = 32768 })
    client:hold()
    play.pause(0.5)
    local during = play.memory(lb) - before
    client:sip(0.5)
    client:go_on()
    assert.truthy(client:exactly(#bytes) == bytes)
    assert.truthy(during < 1024 * play.slow, during)
    client:send "x"
    client:finish()
    assert.equal("ok", lb:exchange({ status = 101 }).tries[1].outcome)
  end)

  it("waits for a slow backend, byte for byte, with bounded memory", function()
    local received
    local backend = switching(function(conn)
      conn:hold()
      play.pause(0.7)
      conn:sip(0.5)
      conn:go_on()
      received = conn:rest()
    end)
    local lb = balancer(backend, { settings = "timeouts = { response_head = 0.3, request_body = 0.3 }," })
    local before = play.memory(lb)
    local client = upgraded(lb)
    client:send(bytes)
    play.pause(0.5)
    local during = play.memory(lb) - before
    client:finish()
    assert.equal("ok", lb:exchange({ status = 101 }).tries[1].outcome)
    assert.truthy(play.wait("the backend", function() return received end) == bytes)
    assert.truthy(during < 1024 * play.slow, during)
  end)

  it("carries much both ways at once", function()
    local received
    local backend = switching(function(conn)
      conn:send(bytes)
      conn:finish()
      received = conn:rest()
    end)
    local lb = balancer(backend)
    local client = upgraded(lb)
    client:send(bytes)
    client:finish()
    assert.truthy(client:rest() == bytes)
    local line = lb:exchange { status = 101 }
    assert.equal(#bytes, line.bytes_in)
    assert.equal(#bytes, line.bytes_out)
    assert.truthy(play.wait("the backend", function() return received end) == bytes)
  end)

  -- Both sides have ended, and lb still has much of what one of them sent: no peace is a reset.
  it("brings a late reader all that a backend sent before both had ended", function()
    local sent = bytes:sub(1, 4000000)
    local gone
    local backend = switching(function(conn)
      conn:rest()
      conn:send(sent)
      conn:finish()
      conn:drained()
      gone = true
    end)
    local lb = balancer(backend)
    local client = upgraded(lb, { receive_buffer = 32768 })
    client:hold()
    client:send "hello"
    client:finish()
    play.pause(1.2) -- lb asks twice a second whether they are there
    client:go_on()
    assert.truthy(client:rest() == sent)
    assert.equal("end", client.ended)
    assert.truthy(gone)
    assert.is_nil(lb:exchange({ status = 101 }).note)
  end)

  it("brings a late backend all that a client sent before both had ended", function()
    local sent = bytes:sub(1, 4000000)
    local received, how
    local backend = switching(function(conn)
      conn:finish()
      conn:hold()
      play.pause(1.2)
      conn:go_on()
      received, how = conn:rest(), conn.ended
    end)
    local lb = balancer(backend)
    local client = upgraded(lb)
    client:send(sent)
    client:finish()
    play.wait("the backend", function() return received end)
    assert.truthy(received == sent)
    assert.equal("end", how)
    assert.is_nil(lb:exchange({ status = 101 }).note)
  end)

  it("has no other timeout than timeouts.tunnel, which a byte either way begins anew", function()
    local got
    local backend = switching(function(conn)
      assert.equal("a", conn:exactly(1))
      play.pause(0.5)
      conn:send "b"
      got = conn:ended_by_peer()
    end)
    local lb = balancer(backend, {
      settings = [[timeouts = { request = 0.2, request_head = 0.2, request_body = 0.2, response_head = 0.2,
        response_body = 0.2, keep_alive = 0.2, upstream_idle = 0.2, tunnel = 0.8 }]],
    })
    local client = upgraded(lb)
    play.pause(0.5)
    client:send "a"
    assert.equal("b", client:exactly(1))
    client:ended_by_peer()
    local line = lb:exchange { status = 101 }
    assert.equal("timeouts.tunnel", line.note)
    assert.truthy(line.ms.total > 1700, line.ms.total)
    play.wait("the end at the backend", function() return got end)
    assert_backend_well(lb)
  end)

  it("does not count bytes that nobody takes as movement", function()
    local backend = switching(function(conn)
      conn:hold()
      conn:ended_by_peer()
    end)
    local lb = balancer(backend, { settings = "timeouts = { tunnel = 0.5 }," })
    local client = upgraded(lb)
    client:send(bytes)
    assert.equal("reset", client:ended_by_peer())
    assert.equal("timeouts.tunnel", lb:exchange({ status = 101 }).note)
  end)

  it("is seen as a reset by the backend if the client resets", function()
    local how
    local backend = switching(function(conn) how = conn:ended_by_peer() end)
    local lb = balancer(backend)
    upgraded(lb):reset()
    local line = lb:exchange { status = 101 }
    assert.equal("cancelled", line.tries[1].outcome)
    assert.equal("the client went away", line.note)
    play.wait("the end at the backend", function() return how end)
    assert.equal("reset", how)
    assert_backend_well(lb)
  end)

  it("is seen as a reset by the client if the backend resets", function()
    local goes
    local backend = switching(function(conn)
      play.wait("the word", function() return goes end)
      conn:reset()
    end)
    local lb = balancer(backend)
    local client = upgraded(lb)
    goes = true
    assert.equal("reset", client:ended_by_peer())
    assert.equal("reset", lb:exchange({ status = 101 }).tries[1].outcome)
    assert_backend_well(lb) -- what it speaks in there is its own affair
  end)

  it("is seen as a reset by a backend that was shut already, if the client resets then", function()
    local how
    local backend = switching(function(conn)
      assert.equal("", conn:rest())
      conn.ended = nil
      conn:send "x"
      while conn:drained() and not conn.ended do
        conn:send "x"
        play.pause(0.02)
      end
      how = conn.broken or conn.ended
    end)
    local lb = balancer(backend)
    local client = upgraded(lb)
    client:finish()
    client:has(1)
    client:reset()
    assert.equal("the client went away", lb:exchange({ status = 101 }).note)
    assert.truthy(play.wait("the reset at the backend", function() return how end))
    assert.truthy(how == "ECONNRESET" or how == "EPIPE" or how == "reset", how)
  end)

  for what, slow in pairs {
    ["client that resets while its backend takes nothing"] = "backend",
    ["backend that resets while its client takes nothing"] = "client",
  } do
    it("notices a " .. what, function()
      local goes, how
      local backend = switching(function(conn)
        if slow == "backend" then conn:hold() else conn:send(bytes) end
        play.wait("the word", function() return goes end)
        if slow == "client" then return conn:reset() end
        conn:go_on()
        how = conn:ended_by_peer()
      end)
      local lb = balancer(backend)
      local client = upgraded(lb)
      if slow == "client" then client:hold() else client:send(bytes) end
      play.pause(0.3)
      if slow == "backend" then client:reset() else goes = true end
      local line = lb:exchange { status = 101 }
      assert.equal(slow == "backend" and "cancelled" or "reset", line.tries[1].outcome)
      goes = true
      if slow == "client" then client:go_on() end
      assert.equal("reset", slow == "client" and client:ended_by_peer() or play.wait("it", function() return how end))
    end)
  end

  it("counts as in flight until it is over", function()
    local backend = play.backend(function(conn)
      local request = conn:request()
      if request.target == "/plain" then return conn:send(play.text "free") end
      conn:send(SWITCH)
      conn:rest()
    end)
    local lb = balancer(nil, {
      backends = {},
      settings = ("backends = { { address = %q, max_in_flight = 1 } },"):format(backend.address),
    })
    local client = upgraded(lb)
    assert.equal(503, lb:fetch("/plain").status)
    client:finish()
    assert.equal("end", client:ended_by_peer())
    assert.equal("free", lb:fetch("/plain").body)
  end)

  it("is left to end by itself while lb drains", function()
    local lb = balancer(switching())
    local client = upgraded(lb)
    lb:signal "sigterm"
    lb:event "drain"
    play.pause(0.5)
    client:send "still there?"
    assert.equal("still there?", client:exactly(12))
    client:finish()
    assert.equal("end", client:ended_by_peer())
    assert.same({ code = 0, signal = 0 }, lb:wait_exit())
    assert.equal(101, lb:exchange().status)
    assert.is_nil(lb:exchange().note)
  end)

  it("is cut at the end of --drain-timeout, and both see that it did not end by itself", function()
    local how
    local backend = switching(function(conn) how = conn:ended_by_peer() end)
    local lb = balancer(backend, { args = { "--drain-timeout", "0.5" } })
    local client = upgraded(lb)
    lb:stop()
    assert.equal("reset", client:ended_by_peer())
    assert.equal("reset", play.wait("the end at the backend", function() return how end))
    assert.equal(101, lb:exchange().status)
    assert.equal("cut at the end of the drain", lb:exchange().note)
  end)

  it("leaves other requests alone, many at a time", function()
    local backend = switching()
    local other = play.hello "other"
    local lb = balancer(nil, {
      backends = { backend, other },
      settings = [[choose = function(ctx, backends) return backends[ctx.path == "/chat" and 1 or 2] end,]],
    })
    local clients = {}
    for i = 1, 20 do clients[i] = upgraded(lb) end
    for round = 1, 5 do
      for i, client in ipairs(clients) do client:send(("%d of %d"):format(round, i)) end
      assert.equal("other", lb:fetch("/").body)
      for i, client in ipairs(clients) do
        local text = ("%d of %d"):format(round, i)
        assert.equal(text, client:exactly(#text))
      end
    end
    for _, client in ipairs(clients) do client:finish() end
    for _, client in ipairs(clients) do assert.equal("end", client:ended_by_peer()) end
  end)
end)
