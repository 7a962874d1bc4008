-- What one request leaves behind on a connection must not hurt the next one.
local play = require "spec.support.play"

local GET = "GET %s HTTP/1.1\r\nHost: x\r\n\r\n"

describe("a client's connection", function()
  after_each(play.curtain)

  -- Larger than what is kept for a try again: reading pauses until the backend is connected to.
  for _, size in ipairs { 65536, 70000, 131072, 200000 } do
    for what, frame in pairs {
      ["a length"] = function(body) return ("Content-Length: %d\r\n\r\n%s"):format(#body, body) end,
      ["one chunk"] = function(body)
        return ("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"):format(#body, body)
      end,
    } do
      it(("serves on after a body of %d bytes with %s"):format(size, what), function()
        local backend = play.answering(function(request) return request.target .. #request.body end)
        local client = play.client(play.balancer { backends = { backend } })
        client:send("POST /post HTTP/1.1\r\nHost: x\r\n", frame(("a"):rep(size)))
        assert.equal("/post" .. size, client:response().body)
        for i = 1, 2 do
          client:send(GET:format("/" .. i))
          assert.equal("/" .. i .. "0", client:response().body)
        end
      end)
    end
  end

  -- Looks for the body whose last piece is the first that finds the kernels' buffers full. A
  -- smaller body has been read when the answer comes; behind a larger one
  -- no other answer can follow.
  it("serves on, or says that it does not, after an answer that came before the body was taken", function()
    local backend = play.backend(function(conn)
      local head = conn:request_head()
      if head.method == "GET" then return conn:send(play.text(head.target)) end
      conn:hold()
      play.pause(0.1)
      conn:send(play.text("early", nil, "Connection: close\r\n"))
      play.pause(0.05)
      conn:go_on()
      conn:body_of(head)
    end)
    local lb = play.balancer { backends = { backend } }

    local function serves_on_after(size)
      local client = play.client(lb)
      client:send(("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"):format(size), ("a"):rep(size))
      local response = client:response()
      assert.equal("early", response.body)
      local closes = response:field "connection" == "close"
      if closes then
        assert.truthy(client:ended_by_peer())
      else
        client:send(GET:format("/after/" .. size))
        assert.equal("/after/" .. size, client:response().body)
      end
      client:close()
      return not closes
    end

    local small, large = 100000, 32000000
    assert.truthy(serves_on_after(small))
    assert.falsy(serves_on_after(large))
    while large - small > 10000 do
      local middle = math.floor((small + large) / 2)
      if serves_on_after(middle) then small = middle else large = middle end
    end
  end)

  for what, surplus in pairs { ["an empty line"] = "\r\n", ["two empty lines"] = "\r\n\r\n", ["half of one"] = "\r" } do
    local function after_surplus(timeouts)
      local lb = play.balancer { backends = { play.hello "x" }, settings = "timeouts = { " .. timeouts .. " }" }
      local client = play.client(lb)
      client:send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi", surplus)
      assert.equal("x", client:response().body)
      return client, lb
    end

    it("gets no 408 that nobody asked for after " .. what .. " behind a body", function()
      local client, lb = after_surplus "request_head = 0.3, keep_alive = 600"
      play.pause(1)
      assert.is_nil(client.ended)
      assert.equal(0, client.size)
      assert.equal(1, #lb:exchanges())
      if surplus ~= "\r" then client:send(GET:format "/") else client:send("\n", GET:format "/") end
      assert.equal("x", client:response().body)
    end)

    it("is closed silently when it has been idle for timeouts.keep_alive after " .. what .. " behind a body", function()
      local client, lb = after_surplus "request_head = 600, keep_alive = 0.3"
      assert.equal("end", client:ended_by_peer())
      assert.equal(0, client.size)
      assert.equal(1, #lb:exchanges())
    end)

    it("does not hold up a drain after " .. what .. " behind a body", function()
      local _, lb = after_surplus "request_head = 600, keep_alive = 600"
      assert.same({ code = 0, signal = 0 }, lb:stop())
    end)
  end
end)

describe("a connection to a backend", function()
  after_each(play.curtain)

  -- The next request is there at once, and its policy takes long enough for the surplus to arrive
  -- before the connection is lent again.
  it("on which a surplus response follows in a second segment carries no other request", function()
    local backend = play.backend(function(conn)
      while true do
        local request = play.receive(conn)
        conn:send(play.text "right")
        if request.target == "/surplus" then
          play.pause(0.05)
          conn:send(play.text "wrong")
        end
      end
    end)
    local lb = play.balancer { backends = { backend }, settings = play.slow_choice }
    for i = 1, 3 do
      local client = play.client(lb)
      client:send(GET:format "/surplus", GET:format "/slow", GET:format "/next")
      assert.equal("right right right", play.bodies(client:responses(3)))
      assert.equal(1 + i, backend.served)
      client:close()
    end
    assert.same({}, lb:events "backend_down")
  end)

  -- It was quiet when the loop learnt of the request, and has been idle for a few turns.
  it("on which a surplus response arrives while the policy chooses carries no other request", function()
    local backend = play.backend(function(conn)
      while true do
        local request = play.receive(conn)
        conn:send(play.text "right")
        if request.target == "/surplus" then
          play.pause(0.2)
          conn:send(play.text "wrong")
        end
      end
    end)
    local lb = play.balancer { backends = { backend }, settings = play.slow_choice }
    for i = 1, 3 do
      local first, second = play.client(lb), play.client(lb)
      first:send(GET:format "/surplus")
      assert.equal("right", first:response().body)
      assert.equal(200, lb:fetch("*", { method = "OPTIONS", fields = "Max-Forwards: 0\r\n" }).status)
      second:send(GET:format "/slow")
      assert.equal("right", second:response().body)
      assert.equal(1 + i, backend.served)
      for _, client in ipairs { first, second } do client:close() end
    end
  end)
end)
