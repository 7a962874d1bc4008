-- WebSockets of clients of HTTP/2 (RFC 8441): an upgrade of HTTP/1.1 at the backend.
local frames = require "spec.support.h2_frames"
local h2 = require "spec.support.h2"
local h2_lb = require "spec.support.h2_lb"
local play = require "spec.support.play"

-- The answer of a backend that agrees.
local function upgrade(head)
  local key = head:field "sec-websocket-key" .. "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
  local accept = play.run { "sh", "-c", ("printf %%s '%s' | openssl dgst -sha1 -binary | base64"):format(key) }.out
  return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" ..
    "Sec-WebSocket-Accept: " .. accept:match "%S+" .. "\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
end

local function connect(client, protocol, more)
  local fields = {
    { ":method", "CONNECT" }, { ":protocol", protocol or "websocket" }, { ":scheme", "http" },
    { ":authority", "x" }, { ":path", "/chat" }, { "sec-websocket-version", "13" },
  }
  for _, field in ipairs(more and more.fields or {}) do fields[#fields + 1] = field end
  return client:ask(fields, more or { open = true })
end

describe("a WebSocket over HTTP/2", function()
  after_each(h2_lb.clear)

  it("is an upgrade at the backend, and a tunnel both ways", function()
    local backend = play.backend(function(conn)
      local head = conn:head()
      assert.equal("GET /chat HTTP/1.1", head.first)
      assert.equal("websocket", head:field "upgrade")
      assert.equal("upgrade", head:field("connection"):lower())
      assert.matches("^[%w+/]+==$", head:field "sec-websocket-key")
      assert.equal(24, #head:field "sec-websocket-key")
      conn:send(upgrade(head) .. "early")
      assert.equal("from the client", conn:exactly(15))
      conn:send "from the backend"
      assert.equal("", conn:rest())
      conn:send "the last"
    end)
    local lb = h2_lb.start { backends = { backend }, tls = true }
    local client = h2_lb.client(lb)
    client:settled()
    assert.equal(1, client.settings.ENABLE_CONNECT_PROTOCOL)
    local id = connect(client)
    client:write(id, "from the client", false) -- before it has the answer
    local stream = client:head(id)
    assert.equal(200, stream.status)
    assert.equal("chat", h2.field(stream.fields, "sec-websocket-protocol"))
    assert.is_nil(h2.field(stream.fields, "sec-websocket-accept"))
    client:wait("what the backend says", function() return client:stream(id).length == 21 end)
    client:send(frames.data(id, "", { last = true }))
    assert.equal("earlyfrom the backendthe last", client:response(id).body)
    assert.is_true(stream.ended)
    local line = lb:exchange { stream = id }
    assert.same({ 101, 15, 29 }, { line.status, line.bytes_in, line.bytes_out })
  end)

  it("that breaks at one side is reset at the other", function()
    local seen
    local backend = play.backend(function(conn, n)
      conn:send(upgrade(conn:head()))
      if n == 1 then
        conn:exactly(1)
        return conn:reset()
      end
      seen = conn:ended_by_peer()
    end)
    local client = h2_lb.client(h2_lb.start { backends = { backend } })
    local id = connect(client)
    client:head(id)
    client:write(id, "x", false)
    assert.equal("CANCEL", client:response(id).reset)
    id = connect(client)
    client:head(id)
    client:send(frames.rst(id, "CANCEL"))
    play.wait("the backend to see it", function() return seen end)
    assert.equal("reset", seen)
  end)

  it("holds up nobody if one side is slow, and carries much", function()
    local MANY = 4 * 2 ^ 20
    local backend = play.backend(function(conn)
      local head = conn:head()
      if not head:field "upgrade" then return conn:send(play.text "a") end
      conn:send(upgrade(head))
      conn:send(conn:exactly(MANY))
      conn:rest()
      conn:drained()
    end)
    local client = h2_lb.client(h2_lb.start { backends = { backend } })
    local id = connect(client)
    client:head(id)
    play.beside(function() client:write(id, ("x"):rep(MANY), true) end)
    assert.equal("a", client:fetch("/").body)
    local stream = client:response(id, 30)
    assert.same({ MANY, true }, { #stream.body, stream.ended })
  end)

  it("is 502 if the backend agrees to none, and 501 for another protocol", function()
    local backend = play.answering(function() return "no" end)
    local lb = h2_lb.start { backends = { backend } }
    local client = h2_lb.client(lb)
    local id = connect(client)
    assert.equal(502, client:response(id).status)
    assert.equal(501, client:response(connect(client, "chat")).status)
    assert.equal("no", client:fetch("/").body)
  end)

  it("is refused with a content-length: it has no body", function()
    local lb = h2_lb.start { backends = { play.hello "a" } }
    local client = h2_lb.client(lb)
    for _, length in ipairs { "0", "5" } do
      local id = connect(client, nil, { open = true, fields = { { "content-length", length } } })
      assert.equal(400, client:response(id).status)
    end
    assert.equal("a", client:fetch("/").body)
  end)

  it("is accepted by no answer of a script, as no tunnel would follow", function()
    local lb = h2_lb.start { settings = [[choose = function(ctx)
      return ctx:respond { status = ctx.path == "/chat" and 200 or 204, body = ctx.path == "/chat" and "x" or nil }
    end,]] }
    local client = h2_lb.client(lb)
    local stream = client:response(connect(client))
    assert.same({ 502, "" }, { stream.status, stream.body })
    assert.equal(204, client:fetch("/").status)
  end)

  it("is 502 if the backend does not answer our key", function()
    local backend = play.backend(function(conn)
      conn:head()
      conn:send "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
      conn:rest()
    end)
    local client = h2_lb.client(h2_lb.start { backends = { backend } })
    assert.equal(502, client:response(connect(client)).status)
  end)

  it("is not offered with h2.websocket = false", function()
    local client = h2_lb.client(h2_lb.start { backends = { play.hello "a" }, settings = "h2 = { websocket = false }," })
    client:settled()
    assert.is_nil(client.settings.ENABLE_CONNECT_PROTOCOL)
    assert.equal("PROTOCOL_ERROR", client:response(connect(client)).reset)
  end)
end)
