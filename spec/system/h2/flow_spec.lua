-- Bodies over HTTP/2 beside each other: who is slow holds up itself, and takes no more memory than
-- it may.
local frames = require "spec.support.h2_frames"
local h2_lb = require "spec.support.h2_lb"
local play = require "spec.support.play"

local MIB = 2 ^ 20

describe("bodies over HTTP/2", function()
  after_each(h2_lb.clear)

  for _, over in ipairs { "TLS", "no TLS" } do
    it("go on beside a stream whose client gives no credit, over " .. over, function()
      local large = ("x"):rep(4 * MIB)
      local backend = play.answering(function(request) return request.target == "/large" and large or "small" end)
      local lb = h2_lb.start { backends = { backend }, tls = over == "TLS" }
      local client = h2_lb.client(lb, { credit = false })
      client:send(frames.window(0, 2 ^ 30))
      local id = client:get "/large"
      client:wait("the window to be full", function() return client:stream(id).length == 65535 end)
      for _ = 1, 10 do assert.equal("small", client:fetch("/").body) end
      assert.equal(65535, client:stream(id).length)
      client:send(frames.window(id, 2 ^ 30))
      assert.is_true(client:response(id, 30).body == large)
    end)
  end

  it("are taken from many streams at once, whole", function()
    local backend = play.answering(function(request)
      local from, size = request.target:match "^/(%d+)/(%d+)"
      return string.char(96 + from):rep(tonumber(size))
    end)
    local client = h2_lb.client(h2_lb.start { backends = { backend }, tls = true })
    local ids = {}
    for i = 1, 10 do ids[i] = client:get(("/%d/%d"):format(i, i * 100000)) end
    for i, id in ipairs(ids) do
      assert.is_true(client:response(id, 30).body == string.char(96 + i):rep(i * 100000))
    end
  end)

  it("give the client credit when the backend has taken them, and no sooner", function()
    local reads = false
    local backend = play.backend(function(conn)
      conn:head()
      conn:hold()
      play.wait("the word", function() return reads end)
      conn:go_on()
      local got = 0
      while got < 16 * MIB do got = got + #conn:exactly(MIB) end
      conn:send "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"
    end)
    local lb = h2_lb.start {
      backends = { backend }, settings = "limits = { replay = 0 }, timeouts = { request_body = 1 },",
    }
    local client = h2_lb.client(lb)
    local id = client:get("/", { open = true, fields = { { "content-length", tostring(16 * MIB) } } })
    local sent = 0
    play.beside(function()
      for _ = 1, 256 do
        if not client:write(id, ("x"):rep(65536), sent == 255) then return end
        sent = sent + 1
      end
    end)
    local taken = play.until_still(function() return sent end)
    assert.is_true(taken < 128, taken) -- the kernel's buffers, and our window
    play.pause(1.5) -- timeouts.request_body does not run meanwhile
    for _ = 1, 5 do client:ping() end
    reads = true
    assert.equal("a", client:response(id, 60).body)
  end)

  it("are not too slow while other bodies have used up the window", function()
    local backend = play.answering(function(request) return tostring(#request.body) end)
    local lb = h2_lb.start {
      backends = { backend }, settings = [[limits = { least_rate = 1000000 }, script = { await = 20 },
      choose = function(ctx, backends)
        if ctx.path == "/slow" then return backends[1] end
        lb.sleep(10.5) -- over which the rate is measured
        return ctx:respond { body = "held" }
      end,]],
    }
    local client = h2_lb.client(lb)
    local slow = client:get("/slow", { open = true, fields = { { "content-length", "1000" } } })
    local held = {}
    for i = 1, 24 do
      held[i] = client:get("/held", { open = true })
      play.beside(function() client:write(held[i], ("x"):rep(MIB), true) end)
    end
    assert.equal("held", client:response(held[1], 60).body)
    client:write(slow, ("x"):rep(500), false)
    client:ping()
    client:write(slow, ("x"):rep(500), true)
    assert.equal("1000", client:response(slow, 60).body)
    client:reset()
  end)

  it("are given up one by one where their client is too slow", function()
    local large = ("x"):rep(4 * MIB)
    local backend = play.answering(function(request) return request.target == "/large" and large or "small" end)
    local lb = h2_lb.start {
      backends = { backend }, settings = "timeouts = { response_body = 0.3, request_body = 0.3 },",
    }
    local client = h2_lb.client(lb, { credit = false })
    local id = client:get "/large"
    assert.equal("CANCEL", client:response(id).reset)
    local line = lb:exchange { stream = id }
    assert.same({ 499, "the client took nothing of the answer within timeouts.response_body" },
      { line.status, line.note })
    client:send(frames.window(0, 2 ^ 20))
    local upload = client:get("/", { open = true })
    assert.equal(408, client:response(upload).status)
    client:send(frames.window(0, 2 ^ 20))
    assert.equal("small", client:fetch("/").body)
  end)

  it("of a client that reads nothing at all end its connection", function()
    local large = ("x"):rep(16 * MIB)
    local backend = play.answering(function() return large end)
    local lb = h2_lb.start { backends = { backend }, settings = "timeouts = { response_body = 0.5 }," }
    local client = h2_lb.client(lb, { credit = false, settings = { { "INITIAL_WINDOW_SIZE", 2 ^ 31 - 1 } } })
    client:send(frames.window(0, 2 ^ 30))
    client:settled()
    client.conn:hold()
    for _ = 1, 3 do client:get "/" end
    for _, id in ipairs { 1, 3, 5 } do assert.equal(499, lb:exchange { stream = id }.status) end
    client.conn:go_on()
    assert.equal("reset", client:ended_by_peer())
  end)

  it("take no more memory than a connection may hold", function()
    local backend = play.backend(function(conn)
      conn:head()
      conn:hold()
      play.wait("for ever", function() return conn.ended end)
    end)
    local lb = h2_lb.start { backends = { backend } }
    local client = h2_lb.client(lb)
    client:settled()
    local before = play.memory(lb)
    for _ = 1, 50 do
      local id = client:get("/", { open = true })
      play.beside(function() client:write(id, ("x"):rep(8 * MIB), true) end)
    end
    play.until_still(function() return client:window(0) end)
    play.until_still(function() return play.memory(lb) end)
    -- 1 MiB that came early, 64 KiB for each backend (replay), what its socket does not take
    assert.is_true(play.memory(lb) - before < 24 * 1024, play.memory(lb) - before)
    client:reset()
  end)

  it("make room one by one when memory is full", function()
    local lb = h2_lb.start { settings = [[limits = { memory = 16 * 2 ^ 20 }, choose = function(ctx)
      if ctx.path == "/fast" then return ctx:respond { body = "fast" } end
      lb.sleep(5)
      return ctx:respond { body = "slow" }
    end,]] }
    local clients = {}
    for i = 1, 24 do
      local client = h2_lb.client(lb)
      clients[i] = client
      for _ = 1, 16 do
        local id = client:get("/", { open = true })
        play.beside(function() client:write(id, ("x"):rep(256 * 1024), true) end)
      end
    end
    lb:event "memory_full"
    local seen = {}
    for _, client in ipairs(clients) do
      for id = 1, 31, 2 do
        local stream = client:response(id, 60)
        seen[stream.status] = (seen[stream.status] or 0) + 1
      end
    end
    assert.is_true(seen[503] > 0 and seen[200] > 0)
    assert.equal("limits.memory", lb:exchange({ status = 503 }).note)
    assert.equal("fast", clients[1]:fetch("/fast").body)
  end)
end)

describe("a client of HTTP/2 that asks on and does not read", function()
  after_each(h2_lb.clear)

  it("is not read either, also if no answer has a body, and goes on when it reads", function()
    local MOST, BATCH = 8000, 50
    local seen, sent, ids = 0, 0, {}
    local large = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Large: " .. ("&"):rep(7000) .. "\r\n\r\n"
    local backend = play.backend(function(conn)
      while conn:request() do
        seen = seen + 1
        conn:send(large)
      end
    end)
    local lb = h2_lb.start { backends = { backend } }
    local client = h2_lb.client(lb)
    client:settled()
    client.conn:hold()
    repeat
      for _ = 1, BATCH do ids[#ids + 1] = client:get("/", { method = "HEAD" }) end
      sent = sent + BATCH
      local before = -1
      while seen < sent and before < seen do
        before = seen
        play.until_still(function() return seen end)
      end
    until seen < sent or sent == MOST
    assert.is_true(seen < sent, seen) -- the kernel's buffers, and a few more
    client.conn:go_on()
    for _, id in ipairs(ids) do assert.equal(200, client:response(id).status) end
    assert.equal(sent, seen)
  end)
end)

describe("what a client of HTTP/2 gets", function()
  after_each(h2_lb.clear)

  it("is whole for h2load and nghttp, many at once", function()
    local lb = h2_lb.start { backends = { play.hello("hello") }, tls = true, workers = 2 }
    local said = play.run { "h2load", "-n", "2000", "-c", "10", "-m", "10", "https://" .. lb.address .. "/" }
    assert.truthy(said.out:find("2000 succeeded, 0 failed", 1, true), said.out)
    said = play.run { "nghttp", "-v", "-m", "3", "https://" .. lb.address .. "/" }
    assert.truthy(said.out:find ":status: 200", said.out)
  end)

  it("is whole for curl, over one connection, with an upload", function()
    local backend = play.answering(function(request) return request.body .. request.method end)
    local lb = h2_lb.start { backends = { backend }, tls = true }
    local url = "https://" .. lb.address .. "/"
    local file = play.file("upload", ("x"):rep(MIB))
    local said = play.run { "curl", "-sSk", "--http2", "-w", "%{http_version}", "-T", file, url }
    assert.equal(("x"):rep(MIB) .. "PUT2", said.out)
    said = play.run { "curl", "-sSk", "--http2", "-w", "%{http_version} ", url, url, url }
    assert.equal("GET2 GET2 GET2 ", said.out)
    assert.equal(5, lb:exchange({ stream = 5 }).stream)
    local plain = h2_lb.start { backends = { backend } }
    -- curl 7.88 cannot use such a connection twice, whoever answers
    said = play.run {
      "curl", "-sS", "--http2-prior-knowledge", "-w", "%{http_version}", "http://" .. plain.address .. "/",
    }
    assert.equal("GET2", said.out)
  end)
end)

