-- A client that has sent its last byte and its end, and still waits for its answers.
local play = require "spec.support.play"

local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

-- ctx:respond hands over the whole answer at once: all but what the kernel takes is queued.
local RESPONDS = [[
  script = { budget_ms = 1000 },
  choose = function(ctx, backends)
    if ctx.path == "/own" then return ctx:respond { status = 200, body = ("0123456789abcde\n"):rep(%d) } end
    return backends[1]
  end,
]]

describe("a client that shuts its sending side", function()
  after_each(play.curtain)

  local body = ("0123456789abcde\n"):rep(512 * 1024)

  it("and reads slowly gets everything of a backend's response", function()
    local client = play.client(play.balancer { backends = { play.hello(body) } }, { receive_buffer = 32768 })
    client:send(GET)
    client:has(1)
    client:hold()
    client:finish()
    play.pause(0.7)
    client:sip(1)
    client:go_on()
    local response = client:response()
    assert.truthy(response.complete and response.body == body)
    assert.equal("end", client:ended_by_peer())
  end)

  for _, when in ipairs { "before it has read anything", "when it has read a little" } do
    it(when .. " gets everything of an answer that is queued already", function()
      local lb = play.balancer { backends = { play.hello "x" }, settings = RESPONDS:format(#body / 16) }
      local client = play.client(lb, { receive_buffer = 32768 })
      if when:find "before" then client:hold() end
      client:send "GET /own HTTP/1.1\r\nHost: x\r\n\r\n"
      if when:find "before" then lb:exchange() else client:has(1) end
      client:hold()
      client:finish()
      play.pause(0.7)
      client:sip(1)
      client:go_on()
      local response = client:response()
      assert.truthy(response.complete and response.body == body)
      assert.equal("end", client:ended_by_peer())
    end)
  end

  it("behind many requests gets the answer to each, however late it reads", function()
    local piece = body:sub(1, 60000)
    local backend = play.hello(piece)
    local client = play.client(play.balancer { backends = { backend } }, { receive_buffer = 32768 })
    client:hold()
    client:send(GET:rep(150))
    client:finish()
    play.until_still(function() return #backend.requests end)
    assert.truthy(#backend.requests < 150, #backend.requests)
    client:sip(1)
    client:go_on()
    for _, response in ipairs(client:responses(150)) do
      assert.truthy(response.complete and response.body == piece)
    end
    assert.equal("end", client:ended_by_peer())
    assert.equal(150, #backend.requests)
  end)

  -- Now and then lb asks whether it is still there; an answer may be complete just then.
  it("behind many requests gets the answer to each, however long each takes", function()
    local backend = play.backend(function(conn)
      for i = 1, 240 do
        play.receive(conn)
        local over = play.now() + 0.003 + i % 60 * 0.0001
        while play.now() < over do end -- no timer is as exact
        conn:send(play.text(tostring(i)))
      end
      conn:ended_by_peer()
    end)
    local client = play.client(play.balancer { backends = { backend } })
    client:send(GET:rep(240))
    client:finish()
    for i, response in ipairs(client:responses(240)) do assert.equal(tostring(i), response.body) end
    assert.equal("end", client:ended_by_peer())
  end)

  -- It is asked now and then, by the first bytes of what it waits for: nothing shows that.
  for _, version in ipairs { "1.1", "1.0" } do
    it("gets its answer and nothing else, however late that comes, with HTTP/" .. version, function()
      local backend = play.backend(function(conn)
        conn:request()
        play.pause(2)
        conn:send "HTTP/1.1 200 OK\r\nDate: a\r\nContent-Length: 4\r\n\r\nlate"
      end)
      local client = play.client(play.balancer { backends = { backend } })
      client:send((GET:gsub("1%.1", version)))
      client:finish()
      play.wait("the first byte of a head", function() return client.size > 0 end)
      assert.equal("HTTP/1.1 200 OK\r\nDate: a\r\nVia: 1.1 lb\r\nContent-Length: 4\r\n" ..
        (version == "1.0" and "Connection: close\r\n" or "") .. "\r\nlate", client:rest())
    end)
  end

  it("gets an interim response, and then its answer, whole", function()
    local backend = play.backend(function(conn)
      conn:request()
      play.pause(0.7)
      conn:send "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
      play.pause(1.2)
      conn:send(play.text "late")
    end)
    local client = play.client(play.balancer { backends = { backend } })
    client:send(GET)
    client:finish()
    assert.equal(103, client:response().status)
    assert.equal("late", client:response().body)
    assert.equal("end", client:ended_by_peer())
  end)

  it("gets lb's own answer, whole", function()
    local backend = play.backend(function(conn)
      conn:request()
      conn:ended_by_peer()
    end)
    local lb = play.balancer { backends = { backend }, settings = "timeouts = { response_head = 0.7 }," }
    local client = play.client(lb)
    client:send(GET)
    client:finish()
    local response = client:response()
    assert.equal("504 Gateway Timeout\n", response.status .. " " .. response.reason .. "\n")
    assert.equal("504 Gateway Timeout\n", response.body)
    assert.equal("end", client:ended_by_peer())
  end)

  it("gets a 101 whole", function()
    local backend = play.backend(function(conn)
      conn:request()
      play.pause(0.7)
      conn:send "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\nbytes"
      conn:close()
    end)
    local client = play.client(play.balancer { backends = { backend } })
    client:send "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n"
    client:finish()
    assert.equal(101, client:response().status)
    assert.equal("bytes", client:rest())
  end)

  it("and is gone with HTTP/1.0 ends its request at the backend", function()
    local backend = play.backend(function(conn)
      conn:request()
      conn:ended_by_peer()
    end)
    local lb = play.balancer { backends = { backend } }
    local client = play.client(lb)
    client:send "GET / HTTP/1.0\r\n\r\n"
    play.wait("the backend", function() return backend.served == 1 end)
    client:close()
    assert.equal(499, lb:exchange().status)
  end)

  it("and never reads is not kept for ever", function()
    local lb = play.balancer { backends = { play.hello(body) }, settings = "timeouts = { response_body = 0.5 }" }
    local client = play.client(lb, { receive_buffer = 32768 })
    client:hold()
    client:send(GET)
    client:finish()
    assert.equal("cancelled", lb:exchange().tries[1].outcome)
    assert.same({}, lb:events "backend_down")
  end)

  for what, rest in pairs {
    ["half a body"] = "POST /half HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
    ["half a chunk"] = "POST /half HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\na\r\nabc",
    ["half a head"] = "POST /half HTTP/1.1\r\nHost:",
  } do
    it("behind " .. what .. " that follows a request is answered that one and closed at once", function()
      local backend = play.backend(function(conn)
        while true do
          local head = conn:request_head()
          local request = conn:body_of(head)
          if not request.complete then return end
          conn:send(play.text(request.target))
        end
      end)
      local lb = play.balancer { backends = { backend } }
      local client = play.client(lb)
      client:send("GET /whole HTTP/1.1\r\nHost: x\r\n\r\n", rest)
      client:finish()
      assert.equal("/whole", client:response().body)
      client:ended_by_peer()
      assert.equal(0, client.size)
      if what ~= "half a head" then
        assert.equal(499, lb:exchange({ path = "/half" }).status)
      end
      assert.same({}, lb:events "backend_down")
      play.wait("the half request to leave its backend", function() return #backend:connections() <= 1 end)
    end)
  end
end)
