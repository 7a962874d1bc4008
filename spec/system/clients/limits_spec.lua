-- What is beyond a limit is refused with a status of its own.
local play = require "spec.support.play"
local reloading = require "spec.support.reloading"

describe("the limit", function()
  after_each(play.curtain)

  local backend

  local function refuses(settings, status, ...)
    backend = play.answering(function(request) return tostring(#request.body) end)
    local lb = play.balancer { backends = { backend }, settings = "limits = { " .. settings .. " }" }
    local client = play.client(lb)
    client:send(...)
    local response = client:response()
    assert.equal(status, response.status)
    assert.equal("close", response:field "connection")
    assert.truthy(client:ended_by_peer())
    assert.equal(200, lb:fetch("/").status)
    assert.equal(1, #backend.requests)
    return client
  end

  it("request_line answers 414 to a longer one", function()
    refuses("request_line = 100", 414, "GET /" .. ("a"):rep(200) .. " HTTP/1.1\r\nHost: x\r\n\r\n")
  end)

  it("request_line answers 414 before the line has ended", function()
    refuses("request_line = 8192", 414, "GET /" .. ("a"):rep(9000))
  end)

  it("head answers 431 to a larger one", function()
    refuses("head = 1000", 431, "GET / HTTP/1.1\r\nHost: x\r\nX-Long: " .. ("a"):rep(2000) .. "\r\n\r\n")
  end)

  it("head answers 431 before the head has ended", function()
    refuses("head = 65536", 431, "GET / HTTP/1.1\r\nHost: x\r\n", ("X-Some: " .. ("a"):rep(1000) .. "\r\n"):rep(70))
  end)

  it("fields answers 431 to more of them", function()
    refuses("fields = 10", 431, "GET / HTTP/1.1\r\nHost: x\r\n", ("A: b\r\n"):rep(20), "\r\n")
  end)

  it("body answers 413 to a length beyond it, before any of it is read", function()
    refuses("body = 10", 413, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
  end)

  it("body answers 413 to a length a little beyond it, and stays in step", function()
    backend = play.answering(function(request) return request.target end)
    local lb = play.balancer { backends = { backend }, settings = "limits = { body = 10 }" }
    local client = play.client(lb)
    client:send "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhello world"
    assert.equal(413, client:response().status)
    client:send "GET /next HTTP/1.1\r\nHost: x\r\n\r\n"
    assert.equal("/next", client:response().body)
    assert.equal(1, #backend.requests)
  end)

  it("body lets pass what is just within it", function()
    backend = play.answering(function(request) return tostring(#request.body) end)
    local lb = play.balancer { backends = { backend }, settings = "limits = { body = 10 }" }
    assert.equal("10", lb:fetch("/", { method = "POST", body = ("x"):rep(10) }).body)
  end)

  it("body answers 413 to chunks that go beyond it, and the backend sees no complete request", function()
    local seen
    backend = play.backend(function(conn)
      local head = conn:request_head()
      seen = conn:body_of(head)
    end)
    local lb = play.balancer { backends = { backend }, settings = "limits = { body = 10 }" }
    local client = play.client(lb)
    client:send "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    play.wait("the backend", function() return backend.served == 1 end)
    client:send "6\r\nworld!\r\n0\r\n\r\n"
    assert.equal(413, client:response().status)
    assert.truthy(client:ended_by_peer())
    play.wait("the backend's side to end", function() return seen end)
    assert.falsy(seen.complete)
  end)

  it("connections lets those beyond it wait until there is room", function()
    local asked, go_on = 0, false
    backend = play.answering(function()
      asked = asked + 1
      play.wait("the word", function() return go_on end)
      return "x"
    end)
    local lb = play.balancer { backends = { backend }, settings = "limits = { connections = 10 }" }
    local clients = {}
    for i = 1, 15 do
      clients[i] = play.client(lb)
      clients[i]:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    end
    play.wait("ten requests", function() return asked == 10 end)
    assert.equal(10, play.until_still(function() return asked end))
    go_on = true
    for _, client in ipairs(clients) do assert.equal(200, client:response().status) end
  end)

  it("connections lets those that wait in when a reload has more room, and nobody has left", function()
    local function limit(n) return reloading.answering("hello", ("limits = { connections = %d },"):format(n)) end
    local lb, say = reloading.start(limit(1), { workers = 1 })
    local first, second = play.client(lb), play.client(lb)
    first:send "GET /"
    second:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    lb:event "connections_full"
    assert.equal("reload", say(limit(2)).event)
    assert.equal(200, second:response().status)
  end)

  it("connections can have more of the descriptors than every other one", function()
    local lb = play.balancer {
      backends = { play.hello "x" }, settings = "limits = { connections = 200 }", descriptors = 400,
    }
    local clients = {}
    for i = 1, 200 do
      clients[i] = play.client(lb)
      clients[i]:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
      assert.equal(200, clients[i]:response().status)
    end
  end)

  it("connections leaves descriptors for a backend that idle connections to another one have", function()
    local function gathering(name, n)
      local busy = 0
      return play.answering(function()
        busy = busy + 1
        play.wait("all requests at " .. name, function() return busy == n end)
        return name
      end)
    end
    local first, second = gathering("first", 60), gathering("second", 75)
    local lb = play.balancer {
      script = ([[
        return {
          health = { interval = 30 }, limits = { connections = 100 }, backends = { "%s", "%s" },
          choose = function(ctx, backends) return backends[ctx.path == "/first" and 1 or 2] end,
          on_failure = function() return "fail" end,
        }
      ]]):format(first.address, second.address),
      descriptors = 200,
    }
    local function all(n, path)
      local clients = {}
      for i = 1, n do
        clients[i] = play.client(lb)
        clients[i]:send("GET " .. path .. " HTTP/1.1\r\nHost: x\r\n\r\n")
      end
      for _, client in ipairs(clients) do
        assert.equal(200, client:response().status)
        client:close()
      end
    end
    all(60, "/first")
    all(75, "/second")
  end)

  for _, descriptors in ipairs { 64, 128, 160 } do
    it("connections lets as many wait as " .. descriptors .. " descriptors are too few for", function()
      backend = play.answering(function()
        play.pause(0.05)
        return "x"
      end)
      local lb = play.balancer { backends = { backend }, descriptors = descriptors }
      local clients = {}
      for i = 1, 100 do
        clients[i] = play.client(lb)
        clients[i]:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
      end
      for _, client in ipairs(clients) do assert.equal(200, client:response().status) end
      lb:event "connections_full"
    end)
  end

  it("max_in_flight of a backend is never exceeded", function()
    local busy, most, go_on = 0, 0, false
    local function answer()
      busy = busy + 1
      most = math.max(most, busy)
      play.wait("the word", function() return go_on end)
      busy = busy - 1
      return "small"
    end
    local small, large = play.answering(answer), play.hello "large"
    local lb = play.balancer {
      script = ([[
        return {
          health = { interval = 0.2, timeout = 5 },
          backends = { { address = "%s", max_in_flight = 2 }, "%s" },
          choose = function(ctx, backends) return backends[1] end,
        }
      ]]):format(small.address, large.address),
      workers = 2,
    }
    lb:up(small)
    local clients = {}
    for i = 1, 10 do
      clients[i] = play.client(lb)
      clients[i]:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    end
    play.wait("the small one to be full", function() return busy == 2 end)
    play.wait("the others to be elsewhere", function() return #large.requests == 8 end)
    go_on = true
    for _, client in ipairs(clients) do assert.equal(200, client:response().status) end
    assert.equal(2, most)
  end)

  it("on a response's head makes it a 502", function()
    local loud = play.backend(function(conn)
      conn:request()
      conn:send("HTTP/1.1 200 OK\r\nX-Long: " .. ("a"):rep(70000) .. "\r\nContent-Length: 0\r\n\r\n")
      conn:ended_by_peer()
    end)
    assert.equal(502, play.balancer({ backends = { loud } }):fetch("/").status)
  end)
end)
