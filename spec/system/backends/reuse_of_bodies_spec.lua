-- Which client may use a connection to a backend after it has carried a body. A backend that does
-- not read a body takes it for the next request, and its answer reaches
-- whichever client comes next.
local asking = require "spec.support.asking"
local play = require "spec.support.play"
local reloading = require "spec.support.reloading"
local uv = require "luv"

local GET = "GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"
local POST = "POST /%s HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
local CHUNKED = "POST /%s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
local EMPTY = "POST /%s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"

describe("a connection that has carried a body", function()
  after_each(play.curtain)

  local function path_of(request) return request.target:sub(2) end

  local function start(settings, count)
    local backends = {}
    for i = 1, count or 1 do backends[i] = play.answering(path_of) end
    local lb = play.balancer { backends = backends, settings = settings }
    return lb, backends[1], backends[2]
  end

  local function ask(client, request, path)
    client:send(request:format(path))
    assert.equal(path, client:response().body)
  end

  -- Reads heads only: whatever follows one is the next request.
  local function zero()
    return play.backend(function(conn)
      while true do
        local head = conn:request_head()
        if not head then return end
        if head.target == "/hidden" then play.pause(0.2) end
        conn:send(play.text(head.target))
      end
    end)
  end

  it("gives nobody an answer to what another client has hidden in it", function()
    local lb = play.balancer { backends = { zero() } }
    local evil, hidden = play.client(lb), "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"
    evil:send(("POST /evil HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"):format(#hidden, hidden))
    assert.equal("/evil", evil:response().body)
    for i = 1, 5 do assert.equal("/" .. i, lb:fetch("/" .. i).body) end
  end)

  for _, method in ipairs { "GET", "DELETE" } do
    it("gives nobody an answer to what is hidden in a " .. method .. " behind a trusted proxy", function()
      local lb = play.balancer { backends = { zero() }, settings = "trusted_proxies = { '127.0.0.1' }," }
      local proxy, hidden = play.client(lb), "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"
      proxy:send(("%s /evil HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"):format(method, #hidden, hidden))
      assert.equal("/evil", proxy:response().body)
      for i = 1, 3 do
        proxy:send(GET:format(i))
        assert.equal("/" .. i, proxy:response().body)
      end
    end)
  end

  for what, request in pairs { ["with a length"] = POST, ["in chunks"] = CHUNKED } do
    it("serves the client who sent it, and no other: " .. what, function()
      local lb, backend = start()
      local one, other = play.client(lb), play.client(lb)
      ask(one, request, "a")
      ask(one, GET, "b")
      ask(one, request, "c")
      assert.equal(1, backend.served)
      ask(other, GET, "d")
      ask(one, request, "e")
      assert.equal(2, backend.served)
      ask(play.client(lb), GET, "f") -- over that of the other, which has carried none
      assert.equal(2, backend.served)
      ask(other, request, "g")       -- that is its own now
      ask(play.client(lb), GET, "h")
      assert.equal(3, backend.served)
    end)
  end

  it("has not carried one if that was empty", function()
    local lb, backend = start()
    ask(play.client(lb), EMPTY, "a")
    ask(play.client(lb), GET, "b")
    assert.equal(1, backend.served)
  end)

  for what, leave in pairs {
    ["closes"] = function(client) client:close() end,
    ["resets"] = function(client) client:reset() end,
    ["is told to leave"] = function(client) ask(client, GET:gsub("\r\n\r\n", "\r\nConnection: close\r\n\r\n"), "x") end,
  } do
    it("is closed when its client " .. what, function()
      local lb, backend, other = start("", 2)
      local client, stays = play.client(lb), play.client(lb)
      for i = 1, 4 do ask(client, POST, "a" .. i) end
      for i = 1, 4 do ask(stays, POST, "b" .. i) end
      play.wait("one for each client and backend, and no check", function()
        return #backend:connections() + #other:connections() == 4
      end)
      leave(client)
      play.wait("two of them to be closed", function() return #backend:connections() + #other:connections() == 2 end)
      for i = 1, 2 do ask(stays, POST, "c" .. i) end
      assert.equal(4, backend.served + other.served)
    end)
  end

  it("leaves no port waiting when its client leaves, as those would run out", function()
    local ports, waiting = {}, 0 -- of the requests' connections: a check's may wait
    local backend = play.answering(function(request, conn)
      ports[("%04X"):format(conn.handle:getpeername().port)] = true
      return path_of(request)
    end)
    local lb = play.balancer { backends = { backend } }
    for _ = 1, 20 do
      local client = play.client(lb)
      ask(client, POST, "a")
      client:close()
    end
    play.wait("all to be closed", function() return #backend:connections() == 0 end)
    assert.equal(20, backend.served)
    local to = ("%04X"):format(backend.port)
    for line in io.lines "/proc/net/tcp" do
      local own, remote, state = line:match "^ *%d+: %x+:(%x+) %x+:(%x+) (%x+)"
      if remote == to and ports[own] and state == "06" then waiting = waiting + 1 end
    end
    assert.equal(0, waiting)
  end)

  it("is closed when it has been idle for timeouts.upstream_idle, and another one serves", function()
    local lb, backend = start "timeouts = { upstream_idle = 0.2 },"
    local client = play.client(lb)
    ask(client, POST, "a")
    play.wait("it to be closed", function() return #backend:connections() == 0 end)
    ask(client, POST, "b")
    assert.equal(2, backend.served)
  end)

  it("that the backend has closed is not the client's next one", function()
    local backend = play.backend(function(conn)
      play.receive(conn)
      conn:send(play.text "x")
    end)
    local client = play.client(play.balancer { backends = { backend } })
    for i = 1, 3 do
      client:send(POST:format "a")
      assert.equal("x", client:response().body)
      play.wait("the backend's end", function() return #backend:connections() == 0 end)
      assert.equal(i, backend.served)
    end
  end)

  it("makes room when there is no descriptor left, though it was used last", function()
    local backends = { play.hello "first", play.hello "second" }
    local lb = play.balancer { script = ([[return {
      health = { interval = 30 }, backends = { "%s", "%s" },
      choose = function(ctx, backends) return backends[ctx.path == "/first" and 1 or 2] end,
      on_failure = function() return "fail" end,
    }]]):format(backends[1].address, backends[2].address) }
    local client = play.client(lb)
    client:send(POST:format "first")
    assert.equal("first", client:response().body)
    local pid, lowest = asking.worker(lb), 0
    while uv.fs_lstat(("/proc/%d/fd/%d"):format(pid, lowest)) do lowest = lowest + 1 end
    os.execute(("prlimit --pid %d --nofile=%d:"):format(pid, lowest))
    client:send(GET:format "second")
    assert.equal("second", client:response().body)
    assert.equal(0, #backends[1]:connections())
  end)

  for _, reuse in ipairs { "safe", "all" } do
    for _, method in ipairs { "GET", "DELETE", "OPTIONS" } do
      it(("of a %s is kept, for its client alone, with reuse = %q"):format(method, reuse), function()
        local lb, backend = start(("reuse = %q,"):format(reuse))
        local one, other = play.client(lb), play.client(lb)
        local request = POST:gsub("POST", method)
        ask(one, request, "a")
        ask(one, request, "b")
        ask(one, GET, "c")
        assert.equal(1, backend.served)
        ask(other, GET, "d")
        assert.equal(2, backend.served)
      end)
    end
  end

  it("serves all if reuse is \"all\"", function()
    local lb, backend = start "reuse = \"all\","
    for _, request in ipairs { POST, GET, CHUNKED, POST } do
      local client = play.client(lb)
      ask(client, request, "a")
      client:close()
    end
    assert.equal(1, backend.served)
  end)

  it("stays its client's when a reload changes the setting", function()
    local backend = play.answering(path_of)
    local function script(reuse) return ("return { backends = %q, reuse = %q }"):format(backend.address, reuse) end
    local lb, say = reloading.start(script "safe")
    local client = play.client(lb)
    ask(client, POST, "a")
    assert.equal("reload", say(script "all").event)
    ask(play.client(lb), GET, "b")
    ask(client, GET, "c")
    assert.equal(2, backend.served)
  end)
end)
