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

  -- It is asked now and then whether it is still there; an answer may be complete just at that moment.
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

  it("is asked less and less often whether it is there", function()
    local backend = play.backend(function(conn)
      conn:request()
      play.pause(3.2)
      conn:send(play.text "late")
    end)
    local client = play.client(play.balancer { backends = { backend } })
    client:send(GET)
    client:finish()
    local interim, response = 0, client:response()
    while response.status == 100 do interim, response = interim + 1, client:response() end
    assert.equal("late", response.body)
    assert.truthy(interim >= 2 and interim <= 5, interim) -- at once, then after 0, 0.5, 1.5 and 3.5 s
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
      assert.equal("/whole", client:responses(1)[1].body) -- an interim one may come before
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
