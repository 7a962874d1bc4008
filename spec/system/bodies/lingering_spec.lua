-- The last answer of a connection arrives whole, whatever its client still sends and however slowly
-- it reads: a reset would destroy what is on its way (RFC 9112, 9.6).
local play = require "spec.support.play"

local SIZE = 6 * 1024 * 1024
local RESPONDS = [[
  script = { budget_ms = 1000 },
  choose = function(ctx) return ctx:respond { status = 200, body = ("0123456789abcde\n"):rep(%d) } end,
]]

local function assert_whole(client, status, body)
  local response = client:response()
  assert.equal(status, response.status)
  assert.equal(#body, #response.body)
  assert.truthy(response.complete and response.body == body)
  assert.equal("close", response:field "connection")
end

describe("a last answer", function()
  after_each(play.curtain)

  local body = ("0123456789abcde\n"):rep(SIZE / 16)

  local function own_answer()
    local lb = play.balancer { backends = { play.hello "x" }, settings = RESPONDS:format(SIZE / 16) }
    local client = play.client(lb, { receive_buffer = 32768 })
    client:send "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    client:has(1)
    client:hold()
    lb:exchange { status = 200 }
    return client, lb
  end

  for what, surplus in pairs {
    ["nothing more"] = "",
    ["an empty line too many"] = "\r\n",
    ["another request"] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
  } do
    it("waits for a reader that does nothing at first and has sent " .. what, function()
      local client = own_answer()
      if surplus ~= "" then client:send(surplus) end
      play.pause(2.5) -- longer than it lingers for a client that has taken everything
      client:sip(1)
      client:go_on()
      assert_whole(client, 200, body)
      assert.equal("end", client:ended_by_peer())
      assert.equal(0, client.size)
    end)
  end

  it("reaches a reader that is slow all the time", function()
    local client = own_answer()
    client:sip(5)
    client:go_on()
    assert_whole(client, 200, body)
  end)

  it("does not wait for ever for a client that never reads", function()
    local backend = play.hello "x"
    local lb = play.balancer {
      backends = { backend },
      settings = RESPONDS:format(SIZE / 16) .. "timeouts = { response_body = 0.5 },",
    }
    local client = play.client(lb, { receive_buffer = 32768 })
    client:hold()
    client:send "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    lb:exchange { status = 200 }
    play.pause(5)
    client:go_on()
    assert.truthy(#client:rest() < SIZE)
  end)

  -- All of it is with the kernel soon, but not with the client: closing now would reset it.
  it("is read slowly, while the upload continues", function()
    local part = body:sub(1, 1500000)
    local lb = play.balancer { backends = { play.hello "x" }, settings = RESPONDS:format(#part / 16) }
    local client = play.client(lb, { receive_buffer = 32768 })
    client:hold()
    client:send "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n"
    lb:exchange { status = 200 }
    for _ = 1, 40 do
      client:send(("u"):rep(20000))
      client:sip(0.1)
    end
    client:go_on()
    assert_whole(client, 200, part)
  end)

  local refusal = ("refused "):rep(300000 / 8)

  for what, options in pairs { ["quickly"] = {}, ["slowly"] = { receive_buffer = 32768 } } do
    it("comes early, while 3 MB are uploaded, and is read " .. what, function()
      local backend = play.backend(function(conn)
        conn:request_head()
        conn:hold()
        conn:send(play.text(refusal, "413 Too Large", "Connection: close\r\n"))
        conn:drained()
        conn:go_on()
        conn:ended_by_peer()
      end)
      local lb = play.balancer { backends = { backend } }
      local client = play.client(lb, options)
      client:hold()
      client:send("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n", ("u"):rep(3000000))
      lb:exchange { status = 413 }
      play.pause(1)
      if what == "slowly" then client:sip(1) end
      client:go_on()
      assert_whole(client, 413, refusal)
      assert.same({}, lb:events "backend_down")
    end)

    it("is lb's own, while 3 MB are uploaded, and is read " .. what, function()
      local lb = play.balancer { backends = { play.hello "x" }, settings = RESPONDS:format(SIZE / 16) }
      local client = play.client(lb, options)
      client:hold()
      client:send("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n", ("u"):rep(3000000))
      lb:exchange { status = 200 }
      play.pause(1)
      if what == "slowly" then client:sip(1) end
      client:go_on()
      assert_whole(client, 200, body)
    end)
  end
end)

-- How much of it the kernel takes is unknown, so many sizes are tried: a few of them leave
-- something with lb when the backend has ended.
describe("an answer that the end of the connection ends, to one who reads late", function()
  after_each(play.curtain)

  local asked

  local function each_size(lb, before_reading)
    local clients, begun = {}, 0
    for size = 2400000, 4400000, 50000 do
      local client = play.client(lb, { receive_buffer = 32768 })
      client:hold()
      client:send(("GET /%d HTTP/1.0\r\n\r\n"):format(size))
      clients[#clients + 1] = { client, size }
    end
    play.wait("all to reach the backend", function() return asked == #clients end)
    before_reading()
    for _, pair in ipairs(clients) do
      local client, size = unpack(pair)
      client:go_on()
      local got = client:rest()
      local length = #got - (select(2, got:find("\r\n\r\n", 1, true)) or 0)
      if got ~= "" then -- else its answer had not begun: no end says that it is whole
        begun = begun + 1
        assert.equal(length == size and "end" or "reset", client.ended, size)
      end
    end
    assert.is_true(begun > #clients / 2, begun .. " answers had begun")
  end

  local function backend()
    asked = 0
    return play.backend(function(conn)
      local size = tonumber(conn:request().target:sub(2))
      asked = asked + 1
      conn:send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", ("x"):rep(size))
      conn.stays_open = true -- a close would throw away what the kernel has not taken yet
      conn:finish()
    end)
  end

  it("is whole, or ends with a reset, when the time for it is over", function()
    local lb = play.balancer { backends = { backend() }, settings = "timeouts = { response_body = 1 }" }
    each_size(lb, function() play.pause(5) end)
  end)

  it("is whole, or ends with a reset, when the drain is over", function()
    local lb = play.balancer { backends = { backend() }, args = { "--drain-timeout", "1" } }
    each_size(lb, function()
      play.pause(1)
      lb:stop()
    end)
  end)
end)
