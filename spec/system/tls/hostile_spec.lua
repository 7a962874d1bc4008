-- Clients that mean no good, or are broken, cost what they cost: nobody else notices.
local certificates = require "spec.support.certificates"
local play = require "spec.support.play"
local tls = require "spec.support.tls"

local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

describe("TLS and clients that are hostile or broken", function()
  after_each(function()
    tls.clear()
    play.curtain()
  end)

  local function start(settings, options)
    options = options or {}
    options.listen = false
    options.script = ("return { health = { interval = 0.2 }, listen = { { '127.0.0.1:0', tls = true } }, %s %s %s }")
      :format(certificates.settings { certificates.new { names = { "a.test" } } }, settings or "",
      "choose = function(ctx) return ctx:respond { body = 'x' } end")
    return play.balancer(options)
  end

  local function serves(lb)
    local client = tls.client(lb)
    client:send(GET)
    assert.equal("x", client:response().body)
    client:close()
  end

  -- Sends it, and goes when an answer or the end has come; after a while if neither does.
  local function throw(lb, bytes, waits)
    local client = play.client(lb)
    client:send(bytes)
    local over = play.now() + waits
    play.wait("anything", function() return client.size > 0 or client.ended or play.now() > over end)
    client:close()
  end

  it("survive hellos with a byte changed, anywhere", function()
    local lb = start()
    for _, version in ipairs { "1.2", "1.3" } do
      local hello = tls.hello { version = version, name = "a.test", alpn = { "http/1.1" } }
      for at = 1, #hello, 3 do
        local changed = (hello:byte(at) + 1 + at % 200) % 256
        throw(lb, hello:sub(1, at - 1) .. string.char(changed) .. hello:sub(at + 1), 0.02)
      end
    end
    serves(lb)
  end)

  it("survive hellos that end anywhere", function()
    local lb = start()
    local hello = tls.hello { name = "a.test" }
    for at = 1, #hello - 1, 5 do throw(lb, hello:sub(1, at), 0.002) end
    serves(lb)
  end)

  it("survive what comes in place of the rest of a handshake", function()
    local lb = start()
    for _, version in ipairs { "1.2", "1.3" } do
      for _, rest in ipairs { "\22\3\3\0\4\16\0\0\0", "\20\3\3\0\1\1", "\23\3\3\0\32" .. ("x"):rep(32),
        "\21\3\3\0\2\2\40", ("x"):rep(30000), "GET / HTTP/1.1\r\n\r\n", "\22\3\3\0\0", "\20\3\3\0\1\2" } do
        local client = play.client(lb)
        client:send(tls.hello { version = version })
        client:has(100)
        client:send(rest)
        client:finish()
        client:ended_by_peer()
      end
    end
    serves(lb)
  end)

  it("wait for no client that sends on before it is answered", function()
    local lb = start()
    for _ = 1, 5 do
      local client = play.client(lb)
      client:send(tls.hello(), ("x"):rep(300000))
      client:ended_by_peer()
    end
    serves(lb)
  end)

  it("may change their keys now and then, not all the time", function()
    local lb = start()
    local client = tls.client(lb, { version = "1.3" })
    for _ = 1, 4 do
      tls.update(client, 4)
      client:send(GET)
      assert.equal("x", client:response().body)
    end
    tls.update(client, 1)
    client:send(GET)
    client:ended_by_peer()
    serves(lb)
  end)

  -- It is looked at before it is read: the connect that finds no place is the first event.
  for _, version in ipairs { "1.2", "1.3" } do
    it("lose no byte that has come when another wants the place, with TLS " .. version, function()
      local backend = play.answering(function(request) return request.body end)
      local lb = play.balancer { listen = false, backends = { backend }, settings = (
        "listen = { { '127.0.0.1:0', tls = true } }, limits = { connections = 1 }, %s"):format(
        certificates.settings { certificates.new { names = { "a.test" } } }) }
      local client = tls.client(lb, { version = version })
      client:send(GET)
      assert.equal(200, client:response().status)
      play.pause(0.1) -- else it has not rested for long enough to be looked at
      local piece = ("0123456789"):rep(300)
      lb:freeze()
      play.client(lb)
      client:send(("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n"):format(
        #piece, piece))
      client:drained()
      lb:thaw()
      play.wait("the look", function() return client.ended or #lb:events "connections_full" > 0 end)
      client:send "1\r\n!\r\n0\r\n\r\n"
      local response = client:response()
      assert.same({ 200, piece .. "!" }, { response.status, response.body })
    end)
  end

  it("leave room for honest clients when many begin a handshake and do not continue", function()
    local lb = start("limits = { connections = 80 },") -- of which ten may be unfinished
    local idle = {}
    for i = 1, 60 do idle[i] = play.client(lb) end
    for _ = 1, 5 do serves(lb) end
    assert.truthy(lb:event "tls_refused")
    for _, client in ipairs(idle) do client:close() end
  end)

  it("end handshakes, and no worker, when limits.memory is used up", function()
    local lb = start("limits = { memory = 16 * 1024 * 1024 }, timeouts = { keep_alive = 60 },")
    local clients, refused = {}, 0
    for i = 1, 900 do
      local client = tls.client(lb, { may_fail = true })
      if client then clients[#clients + 1] = client else refused = refused + 1 end
      if client and i % 3 == 0 then client:send(GET) end
    end
    for _, client in ipairs(clients) do client:close() end
    play.wait("room", function() return pcall(serves, lb) end)
    assert.equal(0, #lb:events "worker_died")
  end)

  it("lose their places to others, if they are idle, when limits.memory is used up", function()
    local lb = start("limits = { memory = 16 * 1024 * 1024 }, timeouts = { keep_alive = 60 },")
    local idle, refused = {}, 0
    for _ = 1, 1500 do
      local client = tls.client(lb, { may_fail = true })
      if client then
        client:send(GET)
        client:response()
        idle[#idle + 1] = client
      end
      if not client then refused = refused + 1 end
    end
    for _ = 1, 20 do serves(lb) end
    assert.is_true(refused < 15, refused .. " refused")
    for _, client in ipairs(idle) do client:close() end
  end)

  it("share the turns of the loop with others", function()
    local lb = start()
    local plain = tls.client(lb)
    local crowd = {}
    for i = 1, 100 do crowd[i] = play.client(lb) end
    for _, client in ipairs(crowd) do client:send(tls.hello()) end
    plain:send(GET)
    assert.equal("x", plain:response().body)
    for _, client in ipairs(crowd) do client:has(100) end
  end)
end)
