-- Large bodies arrive bit by bit, and the faster side waits for the slower one.
local play = require "spec.support.play"

local GET = "GET %s HTTP/1.1\r\nHost: x\r\n\r\n"

-- 16 bytes a line, none like another: a lost, doubled or moved piece shows.
local function numbered(bytes)
  local lines = {}
  for i = 1, bytes / 16 do lines[i] = ("%015d\n"):format(i) end
  return table.concat(lines)
end

describe("a large body", function()
  after_each(play.curtain)

  local body = numbered(4 * 1024 * 1024)

  it("is downloaded bit-exact by a slow reader", function()
    local client = play.client(play.balancer { backends = { play.hello(body) } }, { receive_buffer = 65536 })
    client:send(GET:format "/")
    assert.equal(tostring(#body), client:response_head():field "content-length")
    local pieces, size = {}, 0
    while size < #body do
      local piece = client:exactly(math.min(65536, #body - size))
      assert.not_equal("", piece)
      pieces[#pieces + 1], size = piece, size + #piece
      client:hold()
      play.pause(0.005)
      client:go_on()
    end
    assert.truthy(table.concat(pieces) == body)
  end)

  it("is uploaded bit-exact to a slow reader, with a length and in chunks", function()
    local received
    local backend = play.backend(function(conn)
      for _ = 1, 2 do
        local head = conn:request_head()
        conn:hold()
        play.pause(0.2)
        conn:go_on()
        received = conn:body_of(head).body
        conn:send(play.text(tostring(#received)))
      end
    end)
    local client = play.client(play.balancer { backends = { backend } })
    client:send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ", #body, "\r\n\r\n", body)
    assert.equal(tostring(#body), client:response().body)
    assert.truthy(received == body)

    client:send "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    for from = 1, #body, 100000 do
      local piece = body:sub(from, from + 99999)
      client:send(("%x\r\n"):format(#piece), piece, "\r\n")
    end
    client:send "0\r\n\r\n"
    assert.equal(tostring(#body), client:response().body)
    assert.truthy(received == body)
  end)

  it("is uploaded bit-exact from a slow writer", function()
    local small = body:sub(1, 64 * 1024)
    local backend = play.answering(function(request) return tostring(request.body == small) end)
    local client = play.client(play.balancer { backends = { backend } })
    client:send("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: ", #small, "\r\n\r\n")
    for from = 1, #small, 1024 do
      client:send(small:sub(from, from + 1023))
      play.pause(0.002)
    end
    assert.equal("true", client:response().body)
  end)

  -- The kernel's buffers on both connections take some megabytes; the rest must wait
  -- where it comes from, not in the balancer.
  it("pauses a sender whose receiver does not read", function()
    local big = body:rep(16)
    local sender
    local backend = play.backend(function(conn)
      conn:request()
      sender = conn
      conn:send(play.text(big))
      play.wait("the client", function() return conn.unsent == 0 end)
    end)
    local lb = play.balancer { backends = { backend } }
    local client = play.client(lb)
    client:hold()
    local before = play.memory(lb)
    client:send(GET:format "/")
    play.wait("the backend to send", function() return sender end)
    local left = play.until_still(function() return sender.handle:get_write_queue_size() end)
    assert.truthy(left > 32 * 1024 * 1024, left)
    assert.truthy(play.memory(lb) - before < 4096 * play.slow, ("grew by %d KiB"):format(play.memory(lb) - before))
    client:go_on()
    assert.truthy(client:response().body == big)
  end)

  it("pauses a client whose backend does not read", function()
    local big = body:rep(16)
    local receiver, received
    local backend = play.backend(function(conn)
      local head = conn:request_head()
      conn:hold()
      receiver = conn
      received = conn:body_of(head).body
      conn:send(play.text "ok")
    end)
    local lb = play.balancer { backends = { backend } }
    local client = play.client(lb)
    local before = play.memory(lb)
    client:send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ", #big, "\r\n\r\n", big)
    play.wait("the backend", function() return receiver end)
    local left = play.until_still(function() return client.handle:get_write_queue_size() end)
    assert.truthy(left > 32 * 1024 * 1024, left)
    assert.truthy(play.memory(lb) - before < 4096 * play.slow, ("grew by %d KiB"):format(play.memory(lb) - before))
    receiver:go_on()
    assert.equal("ok", client:response().body)
    assert.truthy(received == big)
  end)

  it("is delivered whole before the connection closes, whatever else the client has sent", function()
    local client = play.client(play.balancer { backends = { play.hello(body) } })
    client:hold()
    client:send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", ("x"):rep(200000))
    play.pause(0.1)
    client:go_on()
    local response = client:response()
    assert.truthy(response.complete and response.body == body)
    assert.equal("end", client:ended_by_peer())
  end)
end)

describe("a small body", function()
  after_each(play.curtain)

  it("goes to the backend in one piece with its head, if that is how it came", function()
    local body, behind_heads = ("x"):rep(10240), {}
    local backend = play.backend(function(conn)
      for i = 1, 20 do
        local head = conn:request_head()
        behind_heads[i] = #conn:peek()
        conn:body_of(head)
        conn:send(play.text "ok")
      end
    end)
    local client = play.client(play.balancer { backends = { backend } })
    for _ = 1, 20 do
      client:send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ", #body, "\r\n\r\n", body)
      client:response()
    end
    for i = 1, 20 do assert.equal(#body, behind_heads[i]) end
  end)
end)
