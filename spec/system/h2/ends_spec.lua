-- How a client's connection of HTTP/2 ends, and that no request is lost by that.
local frames = require "spec.support.h2_frames"
local h2_lb = require "spec.support.h2_lb"
local play = require "spec.support.play"

local MOST = 2 ^ 31 - 1

-- A backend that answers when the spec asks it to.
local function patient()
  local goes_on = false
  local backend = play.answering(function()
    play.wait("the word", function() return goes_on end)
    return "answer"
  end)
  return backend, function() goes_on = true end
end

describe("a connection of HTTP/2", function()
  after_each(h2_lb.clear)

  it("is drained by two GOAWAYs: what is under way, and what comes meanwhile, is answered", function()
    local backend, go_on = patient()
    local lb = h2_lb.start { backends = { backend }, tls = true }
    local client = h2_lb.client(lb, { acks = false })
    client:send(frames.settings_ack())
    local first = client:get "/1"
    play.wait("the backend", function() return #backend.requests == 1 end)
    lb:signal "sigterm"
    assert.same({ MOST, "NO_ERROR" }, { client:goaway().last, client:goaway().code })
    local second = client:get "/2"
    play.wait("the backend", function() return #backend.requests == 2 end)
    play.wait("the second GOAWAY", function() return #client.goaways == 2 end)
    assert.equal(second, client.goaways[2].last)
    go_on()
    assert.equal("answer", client:response(first).body)
    assert.equal("answer", client:response(second).body)
    assert.equal("end", client:ended_by_peer())
    assert.same({ code = 0, signal = 0 }, lb:wait_exit())
  end)

  it("ends at once in a drain if nothing is under way", function()
    local lb = h2_lb.start { backends = { play.hello "a" } }
    local client, silent = h2_lb.client(lb), h2_lb.client(lb)
    assert.equal("a", client:fetch("/").body)
    silent:settled()
    lb:signal "sigterm"
    assert.equal("end", client:ended_by_peer())
    assert.equal("end", silent:ended_by_peer())
    assert.same({ 1, "NO_ERROR" }, { client:goaway().last, client:goaway().code })
    assert.same({ code = 0, signal = 0 }, lb:wait_exit(5))
  end)

  it("ends soon in a drain, too, if its client has said GOAWAY before", function()
    local backend, go_on = patient()
    local lb = h2_lb.start { backends = { backend } }
    local client = h2_lb.client(lb)
    local id = client:get "/"
    play.wait("the backend", function() return #backend.requests == 1 end)
    client:send(frames.goaway(0, "NO_ERROR"))
    client:ping()
    lb:signal "sigterm"
    assert.equal("NO_ERROR", client:goaway().code)
    go_on()
    assert.equal("answer", client:response(id).body)
    assert.equal("end", client:ended_by_peer())
    assert.same({ code = 0, signal = 0 }, lb:wait_exit(5))
  end)

  it("loses no request of many clients over a drain", function()
    local lb = h2_lb.start { backends = { play.hello "a" }, workers = 2, tls = true }
    local served, clients = 0, {}
    for i = 1, 10 do clients[i] = h2_lb.client(lb) end
    for _, client in ipairs(clients) do
      for _ = 1, 3 do
        play.beside(function()
          while #client.goaways == 0 do
            assert.equal("a", client:fetch("/").body)
            served = served + 1
          end
        end)
      end
    end
    play.wait("some answers", function() return served > 200 end)
    lb:signal "sigterm"
    for _, client in ipairs(clients) do assert.equal("end", client:ended_by_peer()) end
    assert.same({ code = 0, signal = 0 }, lb:wait_exit())
    for _, line in ipairs(lb:exchanges()) do assert.equal(200, line.status) end
  end)

  it("stays over a reload, whose settings hold for the next request", function()
    local path = play.file("reloaded.lua", [[return { listen = { { "127.0.0.1:0", h2c = true } },
      choose = function(ctx) return ctx:respond { body = "one" } end }]])
    local lb = play.balancer { file = path, listen = false }
    local client = h2_lb.client(lb)
    assert.equal("one", client:fetch("/").body)
    local file = assert(io.open(path, "w"))
    file:write [[return { listen = { { "127.0.0.1:0", h2c = true } },
      choose = function(ctx) return ctx:respond { body = "two" } end }]]
    file:close()
    lb:signal "sighup"
    lb:event "reload"
    assert.equal("two", client:fetch("/").body)
    assert.equal(0, #client.goaways)
  end)

  it("that is idle ends after timeouts.keep_alive, and before its first request after request_head", function()
    local lb = h2_lb.start {
      backends = { play.hello "a" }, settings = "timeouts = { keep_alive = 0.3, request_head = 0.4 },",
    }
    local client, silent = h2_lb.client(lb), h2_lb.client(lb)
    for _ = 1, 3 do assert.equal("a", client:fetch("/").body) end
    assert.equal("end", client:ended_by_peer())
    assert.same({ 5, "NO_ERROR" }, { client:goaway().last, client:goaway().code })
    assert.equal("end", silent:ended_by_peer())
    local slow = h2_lb.client(lb)
    assert.equal("a", slow:fetch("/").body)
    slow:send(frames.headers(3, { { ":method", "GET" } }, { open = true }))
    assert.equal("end", slow:ended_by_peer())
  end)

  it("that is idle ends after timeouts.keep_alive, too, if it has sent only what was no request", function()
    local lb = h2_lb.start {
      backends = { play.hello "a" }, settings = "timeouts = { keep_alive = 0.3 }, limits = { head = 4096 },",
    }
    local malformed, large = h2_lb.client(lb), h2_lb.client(lb)
    assert.equal("PROTOCOL_ERROR", malformed:response(malformed:get("/", { fields = { { "Upper", "x" } } })).reset)
    assert.equal(431, large:fetch("/", { fields = { { "x-large", ("x"):rep(5000) } } }).status)
    assert.equal("end", malformed:ended_by_peer())
    assert.equal("end", large:ended_by_peer())
  end)

  it("that is idle ends then, too, if it sends frames in halves that begin no request", function()
    local lb = h2_lb.start {
      backends = { play.hello "a" }, settings = "timeouts = { keep_alive = 0.4, request_head = 0.5 },",
    }
    local ping = frames.ping()
    local served, silent = h2_lb.client(lb), h2_lb.client(lb)
    assert.equal("a", served:fetch("/").body)
    for _, client in ipairs { served, silent } do
      for _ = 1, 100 do -- for 10 s at least
        if client.conn.ended then break end
        client:send(ping:sub(1, 10))
        play.pause(0.05)
        client:send(ping:sub(11))
        play.pause(0.05)
      end
      assert.truthy(client.conn.ended) -- "end", or "reset" for what was on its way
    end
  end)

  it("that waits for its answer is no idle one", function()
    local backend, go_on = patient()
    local lb = h2_lb.start { backends = { backend }, settings = "timeouts = { keep_alive = 0.2 }," }
    local client = h2_lb.client(lb)
    local id = client:get "/"
    play.pause(0.6)
    go_on()
    assert.equal("answer", client:response(id).body)
  end)

  it("drains when it is older than limits.connection_age, as one of HTTP/1 does", function()
    local lb = h2_lb.start { backends = { play.hello "a" }, settings = "limits = { connection_age = 0.3 }," }
    local client, old = h2_lb.client(lb), play.client(lb)
    while #client.goaways == 0 do assert.equal("a", client:fetch("/").body) end
    assert.equal("end", client:ended_by_peer())
    play.pause(0.1)
    old:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    assert.equal("close", old:response():field "connection")
  end)

  it("that is one more than limits.per_client gets a 429, and ends", function()
    local lb = h2_lb.start { backends = { play.hello "a" }, settings = "limits = { per_client = 1 }," }
    local first, second = h2_lb.client(lb), h2_lb.client(lb)
    assert.equal("a", first:fetch("/").body)
    assert.equal(429, second:fetch("/").status)
    assert.equal("end", second:ended_by_peer())
    assert.equal("a", first:fetch("/").body)
    assert.equal("client_refused", lb:event("client_refused").event)
  end)

  it("makes room if it is idle, and not if it is used", function()
    local backend, go_on = patient()
    local lb = h2_lb.start { backends = { backend }, settings = "limits = { connections = 2 }," }
    local busy, idle = h2_lb.client(lb), h2_lb.client(lb)
    local id = busy:get "/"
    idle:settled()
    play.wait("the backend", function() return #backend.requests == 1 end)
    play.pause(0.1)
    local third = play.client(lb)
    assert.equal("NO_ERROR", idle:goaway().code)
    idle:ended_by_peer()
    go_on()
    assert.equal("answer", busy:response(id).body)
    third:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    assert.equal("answer", third:response().body)
  end)

  it("that breaks a rule of the connection gets GOAWAY, and others go on", function()
    local lb = h2_lb.start { backends = { play.hello "a" } }
    local client, other = h2_lb.client(lb), h2_lb.client(lb)
    assert.equal("a", client:fetch("/").body)
    client:send(frames.frame("PING", {}, 0, "short"))
    assert.equal("FRAME_SIZE_ERROR", client:goaway().code)
    assert.equal("end", client:ended_by_peer())
    assert.equal("a", other:fetch("/").body)
    local event = lb:event "h2_refused"
    assert.same({ "127.0.0.1", 1 }, { event.client, event.connections })
  end)

  it("whose head is not complete in time ends, as nothing else can come; its line has 408", function()
    local lb = h2_lb.start { backends = { play.hello "a" }, settings = "timeouts = { request_head = 0.3 }," }
    local client = h2_lb.client(lb)
    assert.equal("a", client:fetch("/").body)
    client:send(frames.headers(3, { { ":method", "GET" } }, { open = true }))
    assert.equal("NO_ERROR", client:goaway().code)
    assert.equal("end", client:ended_by_peer())
    local line = lb:exchange { stream = 3 }
    assert.same({ 408, "request head not complete within timeouts.request_head" }, { line.status, line.note })
  end)

  it("that waits for the rest of a frame has a line for each request, and none for what is no request", function()
    local backend = play.backend(function(conn)
      conn:head()
      conn:ended_by_peer()
    end)
    local lb = h2_lb.start {
      backends = { backend }, workers = 1, settings = "timeouts = { request_head = 0.3 },",
    }
    for i, part in ipairs {
      frames.headers(1, { { "x-sum", "1" } }, { open = true, last = true }),
      frames.headers(1, { { "x-sum", "1" } }, { last = true }):sub(1, -2),
      frames.window(1, 5):sub(1, -2),
      frames.window(1, 5):sub(1, 5),
    } do
      local client = h2_lb.client(lb)
      client:get("/" .. i, { open = true })
      play.wait("the backend", function() return backend.served == i end)
      client:send(part)
      assert.equal("end", client:ended_by_peer())
      assert.equal(499, lb:exchange({ path = "/" .. i }).status)
    end
    local client = h2_lb.client(lb)
    client:get("/begun", { open = true })
    play.wait("the backend", function() return backend.served == 5 end)
    client:send(frames.headers(3, { { ":method", "GET" } }):sub(1, -2))
    assert.equal("end", client:ended_by_peer())
    assert.equal(408, lb:exchange({ stream = 3 }).status)
    assert.equal(499, lb:exchange({ path = "/begun" }).status)
    assert.equal(4 + 2, #lb:exchanges())
  end)

  for _, over in ipairs { "TLS", "no TLS" } do
    it("whose client sends no more answers what it has asked for whole, over " .. over, function()
      local goes_on
      local backend = play.backend(function(conn)
        local head = conn:head()
        if head.target == "/part" then return conn:ended_by_peer() end
        play.wait("the word", function() return goes_on end)
        conn:send("HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n", ("x"):rep(20000))
      end)
      local lb = h2_lb.start { backends = { backend }, tls = over == "TLS" }
      local client = h2_lb.client(lb)
      local one, two = client:get "/one", client:get "/two"
      local part = client:get("/part", { open = true })
      client:ping()
      play.wait("the backend", function() return backend.served == 3 end)
      client:finish()
      assert.equal("CANCEL", client:response(part).reset)
      assert.equal(499, lb:exchange({ path = "/part" }).status)
      goes_on = true
      assert.equal(20000, #client:response(one).body)
      assert.equal(20000, #client:response(two).body)
      assert.equal("end", client:ended_by_peer())
      assert.same({ 200, 200 }, { lb:exchange({ path = "/one" }).status, lb:exchange({ path = "/two" }).status })
    end)
  end

  it("whose client sends no more, and has given too little credit, ends with what that was for", function()
    local lb = h2_lb.start { backends = { play.hello(("a"):rep(100)) } }
    local client = h2_lb.client(lb, { settings = { { "INITIAL_WINDOW_SIZE", 10 } }, credit = false })
    client:settled()
    local id = client:get "/"
    client:wait("ten bytes", function() return client:stream(id).length == 10 end)
    client:finish()
    assert.equal("CANCEL", client:response(id).reset)
    assert.equal("end", client:ended_by_peer())
    assert.equal(1, #lb:exchanges { path = "/" })
  end)

  it("that its client leaves ends its requests at their backends", function()
    local backend = patient()
    local lb = h2_lb.start { backends = { backend } }
    for _, how in ipairs { "close", "reset" } do
      local client = h2_lb.client(lb)
      local id = client:get("/" .. how)
      lb:up(backend)
      play.wait("the backend", function()
        local last = backend.requests[#backend.requests]
        return last and last.target == "/" .. how
      end)
      client[how](client)
      assert.equal(499, lb:exchange({ path = "/" .. how, stream = id }).status)
    end
  end)

  it("is cut with its requests when a drain takes too long", function()
    local backend = patient()
    local lb = h2_lb.start { backends = { backend }, args = { "--drain-timeout", "0.3" } }
    local client = h2_lb.client(lb)
    local id = client:get "/"
    play.wait("the backend", function() return #backend.requests == 1 end)
    lb:signal "sigterm"
    client:ended_by_peer()
    local line = lb:exchange { stream = id }
    assert.same({ 503, "cut at the end of the drain" }, { line.status, line.note })
    lb:wait_exit()
  end)
end)
