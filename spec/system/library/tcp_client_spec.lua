-- lb.tcp: a script's connections, to peers of every kind.
local play = require "spec.support.play"
local asking = require "spec.support.asking"

local answer, no_errors = asking.answer, asking.no_errors

local GET = "GET %s HTTP/1.1\r\nHost: x\r\n\r\n"

-- Echoes lines: "HELLO" is answered with "you said HELLO".
local function echo()
  return play.backend { accept = function(conn)
    while true do
      local line = conn:line()
      if not line then return end
      conn:send("you said ", line, "\r\n")
    end
  end }
end

-- Says the text to everybody who connects, and stays.
local function saying(text)
  return play.backend { accept = function(conn)
    conn:send(text)
    conn:ended_by_peer(60)
  end }
end

describe("lb.tcp", function()
  after_each(play.curtain)

  describe("talks", function()
    it("in lines, one after the other", function()
      local lb = asking.start([[
        local conn = assert(lb.tcp.connect "$PEER")
        assert(conn:send("one\r\n") == true)
        local first = assert(conn:line())
        assert(conn:send("two\n"))
        local second = assert(conn:line())
        conn:close()
        return first, second, tostring(conn)]], { peers = { PEER = echo() } })
      assert.matches("^you said one you said two a connection to 127.0.0.1:%d+$", answer(lb))
      no_errors(lb)
    end)

    it("in counted bytes, across and inside of lines", function()
      local peer = saying "$5\r\nab\r\nc\r\n\0\255end\nrest"
      local lb = asking.start([[
        local conn = assert(lb.tcp.connect("$PEER", { timeout = 5 }))
        local n = tonumber(conn:line():sub(2))
        local bulk = conn:read(n)
        local empty, line, nothing = conn:line(), conn:line(), conn:read(0)
        return #bulk, bulk == "ab\r\nc", empty == "", line == "\0\255end", nothing == "", conn:read(4)]],
        { peers = { PEER = peer } })
      assert.equal("5 true true true true rest", answer(lb))
      no_errors(lb)
    end)

    it("byte by byte with a slow peer", function()
      local peer = play.backend { accept = function(conn)
        for byte in ("slow\r\nbytes"):gmatch "." do
          conn:send(byte)
          play.pause(0.01)
        end
        conn:ended_by_peer(60)
      end }
      local lb = asking.start([[
        local conn = assert(lb.tcp.connect("$PEER", { timeout = 20 }))
        return conn:line(), conn:read(5)]], { peers = { PEER = peer } })
      assert.equal("slow bytes", answer(lb))
    end)

    it("over a unix socket, and over IPv6", function()
      local path = play.directory() .. "/peer"
      local local_peer = play.backend { path = path, accept = function(conn) conn:send "local\n" end }
      local six = play.backend { host = "::1", accept = function(conn) conn:send "six\n" end }
      local lb = asking.start([[return lb.tcp.connect "$LOCAL":line(), lb.tcp.connect "$SIX":line()]],
        { peers = { LOCAL = local_peer, SIX = six } })
      assert.equal("local six", answer(lb))
      no_errors(lb)
    end)

    it("by a name, at the address that answers", function()
      local peer = saying "found\n"
      local lb = asking.start([[return assert(lb.tcp.connect("localhost:$PEER")):line()]],
        { peers = { PEER = tostring(peer.port) } })
      assert.equal("found", answer(lb))
    end)

    it("in large texts, both ways", function()
      local got
      local peer = play.backend { accept = function(conn)
        got = conn:exactly(1048576, 60)
        conn:send(("y"):rep(1048576))
        conn:ended_by_peer(60)
      end }
      local lb = asking.start([[
        local conn = assert(lb.tcp.connect("$PEER", { timeout = 10 }))
        assert(conn:send(("x"):rep(1048576)))
        local back = assert(conn:read(1048576))
        return #back, back == ("y"):rep(1048576)]], { peers = { PEER = peer } })
      assert.equal("1048576 true", answer(lb))
      assert.equal(("x"):rep(1048576), got)
      no_errors(lb)
    end)

    it("over one connection that is kept for later calls", function()
      local peer = echo()
      local lb = asking.start([[
        local conn = table.remove(pool) or assert(lb.tcp.connect "$PEER")
        assert(conn:send(ctx.path .. "\n"))
        local line = assert(conn:line())
        pool[#pool + 1] = conn
        return line]], { top = "local pool = {}", peers = { PEER = peer } })
      for i = 1, 20 do assert.equal("you said /" .. i, answer(lb, "/" .. i)) end
      assert.equal(1, peer.accepted)
      no_errors(lb)
    end)
  end)

  describe("serves other hooks than choose", function()
    it("timers, whose answers the requests then have", function()
      local peer = saying "from the timer\n"
      local lb = asking.start("return said", { peers = { PEER = peer }, top = [[
        local said = "nothing yet"
        lb.after(0.01, function() said = assert(lb.tcp.connect("$PEER", { timeout = 5 })):line() end)]] })
      play.wait("the timer", function() return answer(lb) == "from the timer" end)
      no_errors(lb)
    end)

    it("on_failure, which may ask what to do", function()
      local peer = saying "fail\n"
      local lb = play.balancer { backends = { play.backend(function(conn) conn:reset() end) }, script = ([[
        return {
          health = { interval = 0.2, timeout = 5 },
          on_failure = function() return assert(lb.tcp.connect("%s", { timeout = 5 })):line() end,
        }]]):format(peer.address) }
      assert.equal(502, lb:fetch("/").status)
      assert.equal(1, #lb:exchange({ path = "/" }).tries)
      no_errors(lb)
    end)

    it("health, in the monitor", function()
      local peer = play.backend { accept = function(conn)
        while true do
          local name = conn:line()
          if not name then return end
          conn:send(name:find "one" and "yes\n" or "no\n")
        end
      end }
      local lb = play.balancer { script = ([[
        return {
          backends = { { name = "one", address = "%s" }, { name = "two", address = "%s" } },
          health = { interval = 0.1, timeout = 2, check = function(backend)
            local conn = assert(lb.tcp.connect("%s", { timeout = 2 }))
            assert(conn:send(backend.name .. "\n"))
            local well = conn:line() == "yes"
            conn:close()
            return well, "the registry says so"
          end },
        }]]):format(play.hello "one".address, play.hello "two".address, peer.address) }
      assert.equal("the registry says so", lb:event("backend_down", { backend = "two" }).reason)
      assert.equal("one", lb:fetch("/").body)
    end)
  end)

  describe("gives nil and a text", function()
    it("if the connection is refused", function()
      local port = play.unused_port()
      local lb = asking.start("return lb.tcp.connect '$PEER'", { peers = { PEER = "127.0.0.1:" .. port } })
      assert.equal(("nil connect: 127.0.0.1:%d: connection refused"):format(port), answer(lb))
      no_errors(lb)
    end)

    it("if nobody accepts in time", function()
      local hole = play.blackhole():fill()
      local lb = asking.start("return lb.tcp.connect('$PEER', { timeout = 0.1 })", { peers = { PEER = hole.address } })
      assert.equal(("nil timeout: %s: connecting took more than 0.1 s"):format(hole.address), answer(lb))
      no_errors(lb)
    end)

    it("if there is no such name", function()
      local lb = asking.start "return lb.tcp.connect('no-such-name.invalid:80', { timeout = 5 })"
      assert.matches("^nil resolve: no%-such%-name%.invalid:80: ", answer(lb))
      no_errors(lb)
    end)

    it("if the address is none, with what is wrong about it", function()
      local lb = asking.start "return lb.tcp.connect(ctx.path:sub(2))"
      assert.equal("nil address: the port is missing: expected host:port", answer(lb, "/redis"))
      assert.equal("nil address: expected a port from 1 to 65535", answer(lb, "/redis:0"))
      no_errors(lb)
    end)

    it("if no answer comes in time, and the connection is closed then", function()
      local ended
      local peer = play.backend { accept = function(conn) ended = conn:ended_by_peer(60) end }
      local lb = asking.start([[
        local conn = assert(lb.tcp.connect("$PEER", { timeout = 2 }))
        local line, why = conn:line()
        return line, why, conn:send "x"]], { peers = { PEER = peer } })
      assert.equal("nil timeout: the answer took more than 2 s nil timeout: the answer took more than 2 s",
        answer(lb))
      play.wait("the peer to see the end", function() return ended end)
      no_errors(lb)
    end)

    it("if the peer ends in the middle of a line or of counted bytes", function()
      local peer = play.backend { accept = function(conn) conn:send "whole\nhalf" end }
      local lb = asking.start([[
        local conn = assert(lb.tcp.connect "$PEER")
        local whole = conn:line()
        if ctx.path == "/read" then return whole, conn:read(10) end
        return whole, conn:line()]],
        { peers = { PEER = peer } })
      assert.equal("whole nil closed: by the peer", answer(lb, "/line"))
      assert.equal("whole nil closed: by the peer", answer(lb, "/read"))
      no_errors(lb)
    end)

    it("if the peer resets", function()
      local peer = play.backend { accept = function(conn)
        conn:line()
        conn:reset()
      end }
      local lb = asking.start([[
        local conn = assert(lb.tcp.connect "$PEER")
        conn:send "x\n"
        return conn:line()]], { peers = { PEER = peer } })
      assert.equal("nil closed: connection reset by peer", answer(lb))
      no_errors(lb)
    end)

    it("if a line is too long, with an end or without", function()
      local peer = saying(("x"):rep(70000) .. "\n")
      local lb = asking.start([[
        local conn = assert(lb.tcp.connect "$PEER")
        return conn:line(tonumber(ctx.path:sub(2)))]], { peers = { PEER = peer } })
      assert.equal("nil limit: a line longer than 65536 bytes", answer(lb, "/"))
      assert.equal("nil limit: a line longer than 69999 bytes", answer(lb, "/69999"))
      assert.equal(("x"):rep(70000), answer(lb, "/70000"))
      no_errors(lb)
    end)

    it("if a line's end cannot count, and takes it where it does", function()
      local peer = saying "1234\r\n12345\r\n1234567"
      local lb = asking.start([[
        local conn = assert(lb.tcp.connect "$PEER")
        return conn:line(4), conn:line(5), conn:line(6)]], { peers = { PEER = peer } })
      assert.equal("1234 12345 nil limit: a line longer than 6 bytes", answer(lb))
    end)

    it("if a peer does not read what is sent, in time", function()
      local peer = play.backend { accept = function(conn)
        conn:hold()
        play.wait("the end", function() return conn.stop end, 60)
      end }
      local lb = asking.start([[
        local conn = assert(lb.tcp.connect("$PEER", { timeout = 2 }))
        for i = 1, 64 do
          local ok, why = conn:send(("x"):rep(1048576))
          if not ok then return why end
        end]], { peers = { PEER = peer } })
      assert.equal("timeout: sending took more than 2 s", answer(lb))
      for conn in pairs(peer.conns) do conn.stop = true end
      no_errors(lb)
    end)

    it("if it is asked after it was closed, how often ever", function()
      local lb = asking.start([[
        local conn = assert(lb.tcp.connect "$PEER")
        conn:close() conn:close()
        local _, a = conn:send "x"
        local _, b = conn:line()
        local _, c = conn:read(1)
        return a == b and b == c and a]], { peers = { PEER = echo() } })
      assert.equal("closed: by the script", answer(lb))
      no_errors(lb)
    end)

    it("at once for a kept connection whose peer has closed it meanwhile", function()
      local peer, gone
      peer = play.backend { accept = function(conn)
        conn:line()
        conn:send "yes\n"
        conn:close()
        gone = true
      end }
      local lb = asking.start([[
        if kept then return kept:send "again\n" end
        kept = assert(lb.tcp.connect "$PEER")
        kept:send "first\n"
        return kept:line()]], { top = "local kept", peers = { PEER = peer } })
      assert.equal("yes", answer(lb))
      play.wait("the peer to close", function() return gone end)
      assert.equal("nil closed: by the peer", answer(lb))
      no_errors(lb)
    end)
  end)

  describe("raises an error at the script's line", function()
    local function error_of(body, options)
      local lb = asking.start("return select(2, pcall(function() " .. body .. " end))", options)
      local text = answer(lb)
      no_errors(lb)
      return text
    end

    it("for what is no address, option or timeout", function()
      assert.matches("balancer.lua:%d+: lb.tcp.connect needs an address such as \"redis:6379\", not a number",
        error_of "return 0 and lb.tcp.connect(6379)")
      assert.matches("balancer.lua:%d+: lb.tcp.connect: unknown option 'timout', did you mean 'timeout'%?",
        error_of "lb.tcp.connect('a:1', { timout = 1 })")
      assert.matches("lb.tcp.connect: options are a table, not a number", error_of "lb.tcp.connect('a:1', 1)")
      assert.matches("timeout is a number of seconds from 0.001 to 3600, not 0",
        error_of "lb.tcp.connect('a:1', { timeout = 0 })")
      assert.matches("unknown field 'conect' of lb.tcp, did you mean 'connect'%?", error_of "lb.tcp.conect('a:1')")
    end)

    it("for what a connection cannot do", function()
      local peer = echo()
      local function of(body)
        return error_of("local c = assert(lb.tcp.connect '$PEER') " .. body, { peers = { PEER = peer } })
      end
      assert.matches("balancer.lua:%d+: conn:send needs a text, got nil", of "c:send(nil)")
      assert.matches("conn:send takes a text of 1048576 bytes at most", of "c:send(('x'):rep(1048577))")
      assert.matches("conn:read needs a whole number of bytes from 0 to 1048576", of "c:read(-1)")
      assert.matches("conn:line needs a whole number of bytes from 1 to 1048576", of "c:line(1.5)")
      assert.matches("call it on a connection, with a colon: conn:line%(%)", of "c.line()")
      assert.matches("call it on a connection, with a colon: conn:send%(%)", of "c.send({}, 'x')")
      assert.matches("unknown field 'receive' of a connection", of "c:receive()")
      assert.matches("attempt to", of "c.line = 1")
      assert.matches("false", of "error(getmetatable(c), 0)")
    end)

    it("for a connection that another coroutine awaits on", function()
      local peer = play.backend { accept = function(conn)
        conn:line()
        conn:send "answer\n"
        conn:ended_by_peer(60)
      end }
      local lb = asking.start([[
        if ctx.path == "/first" then
          conn = assert(lb.tcp.connect("$PEER", { timeout = 60 }))
          waits = true
          return conn:line()
        end
        if not waits then return "not yet" end
        local texts = {}
        for _, f in ipairs { function() conn:line() end, function() conn:send "x" end, function() conn:close() end } do
          texts[#texts + 1] = select(2, pcall(f)):match "%d: (.*)"
        end
        waits = nil
        return unpack(texts)]], { top = "local conn, waits", settings = "script = { await = 60 },",
        peers = { PEER = peer } })
      local first = play.client(lb)
      first:send(GET:format "/first")
      local text
      play.wait("the other to wait", function()
        text = answer(lb, "/second")
        return text ~= "not yet"
      end)
      assert.equal("conn:line: another coroutine awaits on this connection: one at a time " ..
        "conn:send: another coroutine awaits on this connection: one at a time " ..
        "conn:close: another coroutine awaits on this connection: one at a time", text)
      for conn in pairs(peer.conns) do conn.parts, conn.size = { "go on\n" }, 6 end
      assert.equal("answer", first:response().body)
      no_errors(lb)
    end)

    it("in a coroutine of the script's own", function()
      assert.matches("lb.tcp.connect may not be called in a coroutine of the script's own",
        error_of "coroutine.wrap(function() lb.tcp.connect 'a:1' end)()")
    end)

    it("at the top of a script", function()
      local path = play.file("top.lua", "local conn = lb.tcp.connect 'a:1'\nreturn { backends = 'a:1' }\n")
      local run = play.lb { "check", path }
      assert.equal(2, run.code)
      assert.matches("top.lua:1: lb.tcp.connect may be called in hooks only", run.err)
    end)
  end)
end)
