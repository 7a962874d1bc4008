-- An upgrade on a request with a body, as docker exec and attach send it: the body is forwarded
-- whole, and the tunnel begins behind it (RFC 9110, 7.8).
local play = require "spec.support.play"
local tunnels = require "spec.support.tunnels"

local ASKS = "POST /exec/1/start HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
local SWITCH = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
local BODY = '{"Detach":false,"Tty":true}'

local function counted(body) return ("%sContent-Length: %d\r\n\r\n%s"):format(ASKS, #body, body) end

local function chunked(body)
  return ("%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"):format(ASKS, #body, body)
end

-- Switches behind the body, and sends back what comes then.
local function echoing(got)
  return play.backend(function(conn)
    got[#got + 1] = conn:request().body
    conn:send(SWITCH)
    tunnels.echo(conn)
  end)
end

local function echo(client, text)
  client:send(text)
  assert.equal(text, client:exactly(#text))
end

describe("an upgrade with a body", function()
  after_each(play.curtain)

  for how, request in pairs { ["with a length"] = counted, ["in chunks"] = chunked } do
    it("becomes a tunnel behind it: " .. how, function()
      local got = {}
      local lb = play.balancer { backends = { echoing(got) } }
      local client = play.client(lb)
      client:send(request(BODY))
      assert.equal(101, client:response().status)
      echo(client, "ls\n\0\r\n\r\n")
      client:finish()
      assert.equal("end", client:ended_by_peer())
      assert.same({ BODY }, got)
      local line = lb:exchange()
      assert.equal(101, line.status)
      assert.equal("ok", line.tries[1].outcome)
      assert.equal(#BODY + 8, line.bytes_in)
    end)

    it("passes on what the client sends behind it after the 101, and not before: " .. how, function()
      local before, after
      local backend = play.backend(function(conn)
        conn:request()
        play.pause(0.2)
        before = conn:peek()
        conn:send(SWITCH)
        after = conn:exactly(14)
        conn:send "late"
        conn:ended_by_peer()
      end)
      local client = play.client(play.balancer { backends = { backend } })
      client:send(request(BODY), "early, ")
      play.pause(0.05)
      client:send "so early"
      assert.equal(101, client:response().status)
      assert.equal("late", client:exactly(4))
      assert.equal("", before)
      assert.equal("early, so earl", after)
    end)
  end

  for what, settings in pairs {
    ["may be large"] = "", ["may be large, and comes first"] = 'body_first = "always",',
    ["may be large, and none is kept"] = "limits = { replay = 0 },",
  } do
    it(what, function()
      local got, body = {}, ("0123456789abcdef"):rep(65536)
      local client = play.client(play.balancer { backends = { echoing(got) }, settings = settings })
      client:send(counted(body))
      assert.equal(101, client:response().status)
      echo(client, "ls\n")
      assert.truthy(got[1] == body)
    end)
  end

  it("waits for the backend's 100 if the client does", function()
    local got = {}
    local backend = play.backend(function(conn)
      local head = conn:head()
      conn:send "HTTP/1.1 100 Continue\r\n\r\n"
      got[1] = conn:body_of(head).body
      conn:send(SWITCH .. "prompt$ ")
      conn:ended_by_peer()
    end)
    local client = play.client(play.balancer { backends = { backend } })
    client:send(ASKS .. "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert.equal(100, client:response().status)
    client:send "{}"
    assert.equal(101, client:response().status)
    assert.equal("prompt$ ", client:exactly(8))
    assert.equal("{}", got[1])
  end)

  it("goes to the next backend if a connection is refused", function()
    local got = {}
    local lb = play.balancer {
      backends = { "127.0.0.1:" .. play.unused_port(), echoing(got) },
      settings = "health = { interval = 60, fall = 9 },", wait = false,
    }
    for _ = 1, 2 do
      local client = play.client(lb)
      client:send(counted(BODY))
      assert.equal(101, client:response().status)
      echo(client, "x")
      client:close()
    end
    assert.same({ BODY, BODY }, got)
  end)

  it("that is refused is a request like others, and what follows is the next one", function()
    local backend = play.answering(function(request) return request.target .. request.body end)
    local client = play.client(play.balancer { backends = { backend } })
    client:send(counted "{}", "GET /plain HTTP/1.1\r\nHost: x\r\n\r\n")
    assert.equal("/exec/1/start{} /plain", play.bodies(client:responses(2)))
    assert.equal("tcp", backend.requests[1]:field "upgrade")
    assert.equal(1, backend.served)
  end)

  describe("whose 101 comes before its end", function()
    local function hasty(fn)
      return play.backend(function(conn)
        conn:head()
        conn:send(SWITCH .. "prompt$ ")
        return fn(conn)
      end)
    end

    it("gets it behind that, and then what the backend has said", function()
      local got
      local client = play.client(play.balancer { backends = { hasty(function(conn)
        got = conn:exactly(10)
        conn:send(got:sub(8))
        conn:ended_by_peer()
      end) } })
      client:send(ASKS .. "Content-Length: 7\r\n\r\n123")
      play.pause(0.1)
      assert.equal("", client:peek())
      client:send "4567ls\n"
      assert.equal(101, client:response().status)
      assert.equal("prompt$ ls\n", client:exactly(11))
      assert.equal("1234567ls\n", got)
    end)

    it("ends by a reset if the backend has reset meanwhile", function()
      local lb = play.balancer { backends = { hasty(function(conn)
        conn:exactly(3)
        conn:reset()
      end) } }
      local client = play.client(lb)
      client:send(ASKS .. "Transfer-Encoding: chunked\r\n\r\n3\r\n123\r\n")
      play.pause(0.1)
      client:send "3\r\n456\r\n0\r\n\r\n"
      assert.equal("reset", client:ended_by_peer())
      assert.equal("reset", lb:exchange().tries[1].outcome)
    end)

    it("is no more if its client leaves meanwhile", function()
      local ended
      local lb = play.balancer { backends = { hasty(function(conn)
        conn:exactly(3)
        ended = conn:ended_by_peer()
      end) } }
      local client = play.client(lb)
      client:send(ASKS .. "Content-Length: 7\r\n\r\n123")
      play.pause(0.1)
      client:close()
      play.wait("the backend's connection to end", function() return ended end)
      assert.equal(499, lb:exchange().status)
    end)
  end)
end)
