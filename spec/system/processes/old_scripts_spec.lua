-- A script that was replaced lets go of what its requests no longer need.
local play = require "spec.support.play"
local reloading = require "spec.support.reloading"

local UPGRADE = "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
local SWITCH = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
local QUICK = "health = { interval = 60, timeout = 5 },"

-- Switches, and then sends back what it gets; answers other requests with their bodies.
local function echoing()
  return play.backend(function(conn)
    local request = play.receive(conn)
    if not request:field "Upgrade" then return conn:send(play.text(request.body)) end
    conn:send(SWITCH)
    while not conn.ended do
      play.wait("bytes", function() return conn.size > 0 or conn.ended end, 60)
      conn:send(conn:exactly(conn.size))
    end
  end)
end

local function upgraded(lb)
  local client = play.client(lb)
  client:send(UPGRADE)
  assert.equal(101, client:response().status)
  return client
end

local function echoes(client, text)
  client:send(text)
  assert.equal(text, client:exactly(#text))
end

-- A script that holds a connection of its own, opened by "/hold".
local function holding(backend, service, version, more)
  return ([[local kept = {}
    return { %s backends = %q, %s choose = function(ctx, backends)
      if ctx.path == "/hold" then kept[1] = lb.tcp.connect(%q) return ctx:respond { status = 200, body = "%d" } end
      return backends[1] end }]]):format(QUICK, backend.address, more or "", service.address, version)
end

describe("an old script", function()
  after_each(play.curtain)

  it("goes, with its connections, when only tunnels are left of its requests", function()
    local backend, service = echoing(), play.backend { accept = function(conn) conn:ended_by_peer() end }
    local lb, say = reloading.start(holding(backend, service, 1))
    lb:fetch "/hold"
    play.wait("the connection of the script", function() return #service:connections() == 1 end)
    local client = upgraded(lb)
    assert.equal("reload", say(holding(backend, service, 2)).event)
    play.wait("the script to let go", function() return #service:connections() == 0 end)
    echoes(client, "still here")
    client:close()
    assert.equal(101, lb:exchange({ path = "/chat" }).status)
  end)

  it("is kept for a tunnel by its on_done, which hears of the end", function()
    local backend = echoing()
    local function told(version)
      return ([[return { %s backends = %q, on_done = function(ctx)
        if ctx.result.status == 101 then lb.log.info { message = "done", version = %d } end end }]]):format(
        QUICK, backend.address, version)
    end
    local lb, say = reloading.start(told(1))
    local client = upgraded(lb)
    for version = 2, 4 do assert.equal("reload", say(told(version)).event) end
    echoes(client, "still here")
    client:close()
    assert.equal(1, lb:event("script", { message = "done" }).version)
  end)

  it("goes when more than eight are kept by on_done, and cuts nothing", function()
    local backend, service = echoing(), play.backend { accept = function(conn) conn:ended_by_peer() end }
    local function text(version)
      return holding(backend, service, version, [[on_done = function(ctx)
        if ctx.result.status == 101 then lb.log.info { message = "done", version = ]] .. version .. [[ } end end,]])
    end
    local lb, say = reloading.start(text(1))
    local clients = {}
    for version = 1, 10 do
      assert.equal(tostring(version), lb:fetch("/hold").body)
      clients[version] = upgraded(lb)
      assert.equal("reload", say(text(version + 1)).event)
    end
    lb:event("on_done_skipped", nil, 2)
    play.wait("two scripts to let go", function() return #service:connections() == 8 end)
    for _, client in ipairs(clients) do echoes(client, "still here") end
    for _, client in ipairs(clients) do client:close() end
    for version = 3, 10 do lb:event("script", { message = "done", version = version }) end
    assert.same({}, lb:events("script", { version = 1 }))
    assert.same({}, lb:events("script", { version = 2 }))
    for n = 1, 10 do assert.equal(101, lb:exchange({ path = "/chat" }, n).status) end
  end)

  it("serves an upload that began with it, whatever was reloaded meanwhile", function()
    local backend = echoing()
    local function text(version)
      return ([[-- %d
        return { %s backends = %q, on_done = function() end,
          choose = function(ctx, backends) return backends[1] end }]]):format(version, QUICK, backend.address)
    end
    local lb, say = reloading.start(text(1))
    local clients = {}
    for version = 1, 11 do
      clients[version] = play.client(lb)
      clients[version]:send "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab"
      play.wait("the upload to begin", function() return backend.served == version end)
      assert.equal("reload", say(text(version + 1)).event)
    end
    lb:event("on_done_skipped", nil, 3)
    for _, client in ipairs(clients) do
      client:send "cd"
      local response = client:response()
      assert.equal(200, response.status)
      assert.equal("abcd", response.body)
    end
  end)

  it("keeps no backend for a tunnel but the tunnel's own", function()
    local backend = echoing()
    local function many(round)
      return ([[local many = { %q }
        for i = 2, 1500 do many[i] = ("127.1.%d.%%d:%%d"):format(i %% 200, 9 + i / 200) end
        return { %s backends = many, choose = function(ctx, backends)
          return backends:by_name(%q) end }]]):format(backend.address, round, QUICK, backend.address)
    end
    local lb, say = reloading.start(many(1))
    local clients = {}
    for round = 2, 6 do
      clients[#clients + 1] = upgraded(lb)
      local event = say(many(round))
      assert.equal("reload", event.event, event.error)
    end
    for _, client in ipairs(clients) do echoes(client, "still here") end
  end)
end)
