-- lb.http.lines: an answer that is taken line by line, as it comes; and via, for both.
local asking = require "spec.support.asking"
local play = require "spec.support.play"

local answer, no_errors = asking.answer, asking.no_errors

local HEAD = "HTTP/1.1 200 OK\r\nX-A: 1\r\nTransfer-Encoding: chunked\r\n\r\n"

local function chunk(text) return ("%x\r\n%s\r\n"):format(#text, text) end

-- Plays what is given: texts are sent, functions called; and closes then.
local function playing(...)
  local parts = { ... }
  return play.backend(function(conn)
    play.receive(conn)
    for _, part in ipairs(parts) do
      if type(part) == "string" then conn:send(part) else part(conn) end
    end
  end)
end

local TAKE = [[
  local lines, got = lb.http.lines("http://$PEER" .. ctx.path, %s), {}
  for line in lines do got[#got + 1] = "<" .. line .. ">" end
  return lines.status, table.concat(got), lines.why]]

describe("lb.http.lines", function()
  after_each(play.curtain)

  local function taking(peer, options)
    return asking.start(TAKE:format(options or "nil"), { peers = { PEER = peer } })
  end

  it("gives each line without its end, the last one too", function()
    local lb = taking(playing(HEAD, chunk "a\r", chunk "\nb\n\nc", chunk "d\n", chunk "last", "0\r\n\r\n"))
    assert.equal("200 <a><b><><cd><last> nil", answer(lb))
    no_errors(lb)
  end)

  it("gives none of an answer that is empty", function()
    local lb = taking(playing "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    assert.equal("404  nil", answer(lb))
  end)

  it("has the answer's status and headers before the first line", function()
    local peer = playing(HEAD, function(conn) conn:ended_by_peer(60) end)
    local lb = asking.start([[
      local lines = lb.http.lines "http://$PEER/"
      lines:close()
      lines:close()
      return lines.status, lines.headers["X-a"], lines(), lines.why]], { peers = { PEER = peer } })
    assert.equal("200 1 nil nil", answer(lb))
    play.wait("the connection's end", function() return #peer:connections() == 0 end)
    no_errors(lb)
  end)

  it("gives a line before the next one has been sent", function()
    local peer
    peer = playing(HEAD, chunk "first\n", function() -- only who has the first one asks for the next
      play.wait("the other request", function() return peer.next end)
    end, chunk "second\n", "0\r\n\r\n")
    local other = play.answering(function() peer.next = true return "x" end)
    local lb = asking.start([[
      local got = {}
      for line in lb.http.lines "http://$PEER/" do
        got[#got + 1] = line
        if line == "first" then assert(lb.http.get "http://$OTHER/") end
      end
      return table.concat(got, " ")]], { peers = { PEER = peer, OTHER = other } })
    assert.equal("first second", answer(lb))
    no_errors(lb)
  end)

  it("gives what came before a fault, and says why it is not whole", function()
    local lb = taking(playing(HEAD, chunk "a\nb", function(conn) conn:reset() end))
    assert.matches("^200 <a>.* closed: ", answer(lb))
    lb = taking(playing(HEAD, chunk "a\nb")) -- an end in the middle
    assert.equal("200 <a><b> closed: in the middle of the response", answer(lb))
    lb = taking(playing(HEAD, chunk "a\n", "zz\r\n"))
    assert.matches("^200 <a> protocol: ", answer(lb))
  end)

  it("ends at a line that is too long", function()
    local lb = taking(playing(HEAD, chunk(("x"):rep(10) .. "\r\n" .. ("y"):rep(11) .. "\nz\n"), "0\r\n\r\n"),
      "{ max_line = 10 }")
    assert.equal("200 <xxxxxxxxxx> limit: a line longer than 10 bytes", answer(lb))
    lb = taking(playing(HEAD, chunk(("y"):rep(13)), function(conn) conn:ended_by_peer(60) end), "{ max_line = 10 }")
    assert.equal("200  limit: a line longer than 10 bytes", answer(lb))
  end)

  it("gives up an answer that stays silent", function()
    local lb = taking(playing(HEAD, chunk "a\n", function(conn) conn:ended_by_peer(60) end), "{ silence = 0.1 }")
    assert.equal("200 <a> timeout: no byte for 0.1 s", answer(lb))
  end)

  it("gives up a server that does not answer", function()
    local lb = taking(playing(function(conn) conn:ended_by_peer(60) end), "{ timeout = 0.1 }")
    assert.equal("nil  timeout: the answer took more than 0.1 s", answer(lb))
    lb = taking("127.0.0.1:" .. play.unused_port())
    assert.matches("^nil  connect: ", answer(lb))
    lb = asking.start [[
      local lines = lb.http.lines("http://a b/")
      return lines(), lines.status, lines.why:match "^url"]]
    assert.equal("nil nil url", answer(lb))
  end)

  it("holds back a server that sends more than is taken", function()
    local many, sent = 400, 0
    local line = ("l"):rep(65535) .. "\n"
    local peer = play.backend(function(conn)
      play.receive(conn)
      conn:send(HEAD)
      for _ = 1, many do
        conn:send(chunk(line))
        conn:drained()
        sent = sent + 1
      end
      conn:send "0\r\n\r\n"
    end)
    local other = play.answering(function() return tostring(sent) end)
    local lb = asking.start([[
      local lines = lb.http.lines "http://$PEER/"
      local first, seen, before = lines(), 1, 0
      repeat -- until the server stands still
        local now = lb.http.get("http://$OTHER/").body
        local stands = now == before
        before = now
        lb.sleep(0.1)
      until stands
      for _ in lines do seen = seen + 1 end
      return #first, tonumber(before) < 400, seen, lines.why]], { peers = { PEER = peer, OTHER = other } })
    assert.equal("65535 true 400 nil", answer(lb))
    no_errors(lb)
  end)

  it("lets the connection go when nobody has the lines, and when the client leaves", function()
    local peer = playing(HEAD, chunk "a\n", function(conn) conn:ended_by_peer(60) end)
    local lb = asking.start([[
      if ctx.path == "/garbage" then return #("x"):rep(100000 + math.random(100000)) end
      for line in lb.http.lines "http://$PEER/" do
        if ctx.path == "/break" then break end
      end
      return "over"]], { peers = { PEER = peer } })
    assert.equal("over", answer(lb, "/break"))
    play.wait("its end", function()
      answer(lb, "/garbage")
      return #peer:connections() == 0
    end)
    local client = play.client(lb)
    client:send "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"
    play.wait("the second one", function() return peer.served == 2 and #peer:connections() == 1 end)
    client:close()
    play.wait("its end, too", function() return #peer:connections() == 0 end)
    no_errors(lb)
  end)

  it("keeps the connection for the next request when the answer was whole", function()
    local peer = play.answering(function() return "a\nb\n" end)
    local lb = taking(peer)
    for _ = 1, 3 do assert.equal("200 <a><b> nil", answer(lb)) end
    assert.equal(1, peer.served)
  end)

  it("names mistakes", function()
    local lb = asking.start([[
      local lines = lb.http.lines "http://127.0.0.1:1/"
      return pcall(function() return lines.body end), select(2, pcall(function() return lines.body end)),
        select(2, pcall(lb.http.lines, "http://x/", { max_body = 1 })),
        select(2, pcall(function() lines.status = 1 end))]])
    local said = answer(lb)
    assert.matches("lines have no 'body', but status, headers, why and close", said, 1, true)
    assert.matches("lb.http.lines: unknown option 'max_body'", said, 1, true)
    assert.matches("lines cannot be changed", said, 1, true)
  end)
end)

describe("lb.http via", function()
  after_each(play.curtain)

  it("a unix socket, or another address, asks for the URL's host", function()
    local path = play.directory() .. "/service.sock"
    local here = play.answering(function(request) return "unix " .. request:field "host" end, { path = path })
    local there = play.answering(function(request) return "tcp " .. request:field "host" end)
    local lb = asking.start(([[
      local one = assert(lb.http.get("http://inventory:81/a", { via = "unix:%s" }))
      local other = assert(lb.http.request { url = "http://inventory/a", via = "$THERE" })
      local third = lb.http.lines("http://lines/", { via = "unix:%s" })
      return one.body, other.body, third(), lb.http.get("http://x/", { via = "a b" })]]):format(path, path),
      { peers = { THERE = there } })
    assert.matches("^unix inventory:81 tcp inventory unix lines nil via: ", answer(lb))
    assert.equal(1, here.served)
    no_errors(lb)
  end)
end)
