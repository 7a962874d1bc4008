-- One worker, one request that awaits: how many others are served meanwhile?
local play = require "spec.support.play"

local OTHERS, CLIENTS = 1000, 20

describe("a choose that awaits", function()
  after_each(play.curtain)

  local backend, lb

  local function start(body, peer)
    backend = play.hello "served"
    lb = play.balancer { backends = { backend }, script = ([[
      local awaiting, released = lb.counter "awaiting", lb.counter "released"
      return {
        health = { interval = 60, timeout = 5 }, script = { await = 600 },
        choose = function(ctx, backends)
          if ctx.path == "/numbers" then return ctx:respond { body = tostring(awaiting:get()) } end
          if ctx.path == "/release" then
            released:add(1)
            return ctx:respond { body = tostring(awaiting:get()) }
          end
          if ctx.path == "/awaits" then
            awaiting:add(1)
            %s
            awaiting:add(-1)
            return backends[1], { why = "has awaited" }
          end
          return backends[1]
        end,
      }]]):format(body:gsub("%$PEER", peer and peer.address or "")) }
  end

  -- The first request is in the middle of its choose from here on.
  local function begin()
    local client = play.client(lb)
    client:send "GET /awaits HTTP/1.1\r\nHost: x\r\n\r\n"
    play.wait("it to await", function() return lb:fetch("/numbers").body == "1" end)
    return client
  end

  -- So many requests, over kept connections.
  local function serve_others(count)
    local clients, served = {}, 0
    for i = 1, CLIENTS do clients[i] = play.client(lb) end
    for _ = 1, count / CLIENTS do
      for i = 1, CLIENTS do clients[i]:send "GET /other HTTP/1.1\r\nHost: x\r\n\r\n" end
      for i = 1, CLIENTS do
        assert.equal("served", clients[i]:response().body)
        served = served + 1
      end
    end
    for i = 1, CLIENTS do clients[i]:close() end
    return served
  end

  it("for an answer that comes after 1,000 other requests does not hold up one of them", function()
    local asked, may_answer
    local peer = play.backend { accept = function(conn)
      asked = conn:line()
      play.wait("the others", function() return may_answer end, 600)
      conn:send "now\n"
      conn:ended_by_peer(60)
    end }
    start([[
            local conn = assert(lb.tcp.connect("$PEER", { timeout = 600 }))
            assert(conn:send "when?\n")
            assert(conn:line() == "now")
            conn:close()]], peer)
    local first = begin()
    play.wait("the peer to be asked", function() return asked end)
    assert.equal(OTHERS, serve_others(OTHERS))
    assert.equal("1", lb:fetch("/numbers").body)
    may_answer = true
    assert.equal("served", first:response().body)
    assert.equal("has awaited", lb:exchange({ path = "/awaits" }).why)
    assert.equal("0", lb:fetch("/numbers").body)
    assert.same({}, lb:events "policy_error")
  end)

  -- How many are served within 50 ms depends on the machine. So it sleeps for 50 ms until the
  -- others have been served, each of them while it is in the middle of its choose.
  it("for 50 ms, as often as that takes, does not hold up one of 1,000 others", function()
    start "repeat lb.sleep(0.05) until released:get() > 0"
    local first = begin()
    assert.equal(OTHERS, serve_others(OTHERS))
    assert.equal("1", lb:fetch("/release").body)
    assert.equal("served", first:response().body)
    assert.equal("has awaited", lb:exchange({ path = "/awaits" }).why)
    assert.equal("0", lb:fetch("/numbers").body)
    assert.same({}, lb:events "policy_error")
  end)
end)
