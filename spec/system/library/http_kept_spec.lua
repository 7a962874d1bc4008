-- lb.http keeps its connections for the next request, and calls wait for a place if all are in use.
local asking = require "spec.support.asking"
local play = require "spec.support.play"

local answer, no_errors = asking.answer, asking.no_errors

local GET = "GET %s HTTP/1.1\r\nHost: x\r\n\r\n"
local BODY = [[
  local method, target = ctx.path:match "^/(%u+)(/.*)$"
  local res, why = lb.http.request { method = method, url = "http://$PEER" .. target, timeout = 5 }
  if not res then return nil, why end
  return res.status, res.body]]

describe("a connection of lb.http", function()
  after_each(play.curtain)

  local opened, most, peer

  -- A peer whose `reply(request, conn, n)` is for the n-th request of a connection. A reply that is
  -- no text ends the connection.
  local function start(reply, options)
    local open = 0
    opened, most = 0, 0
    peer = play.backend(function(conn)
      opened, open = opened + 1, open + 1
      most = math.max(most, open)
      local n = 0
      pcall(function()
        while true do
          n = n + 1
          local text = reply(play.receive(conn), conn, n, opened)
          if not text then break end
          conn:send(text)
        end
      end)
      open = open - 1
    end)
    options = options or {}
    options.peers = { PEER = peer }
    return asking.start(options.body or BODY, options)
  end

  local function text(request) return play.text(request.target) end

  it("is used again and again", function()
    local lb = start(text)
    for i = 1, 20 do assert.equal("200 /" .. i, answer(lb, "/GET/" .. i)) end
    for i = 1, 3 do assert.equal("200 /" .. i, answer(lb, "/POST/" .. i)) end
    assert.equal(1, opened)
    no_errors(lb)
  end)

  it("is used again after chunks, no body, and an interim response", function()
    local lb = start(function(request)
      if request.target == "/chunks" then
        return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
      end
      if request.target == "/none" then return "HTTP/1.1 204 No\r\n\r\n" end
      if request.method == "HEAD" then return "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n" end
      return "HTTP/1.1 103 Early\r\nLink: a\r\n\r\n" .. play.text "late"
    end)
    for _ = 1, 2 do
      assert.equal("200 hi", answer(lb, "/GET/chunks"))
      assert.equal("204 ", answer(lb, "/GET/none"))
      assert.equal("200 ", answer(lb, "/HEAD/"))
      assert.equal("200 late", answer(lb, "/GET/interim"))
    end
    assert.equal(1, opened)
    no_errors(lb)
  end)

  for what, reply in pairs {
    ["says close"] = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
    ["is of HTTP/1.0"] = "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    ["has bytes behind it"] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\n\r\n",
  } do
    it("is not used again after an answer that " .. what, function()
      local lb = start(function() return reply end)
      for i = 1, 3 do
        assert.equal("200 hi", answer(lb, "/GET/"))
        assert.equal(i, opened)
      end
      no_errors(lb)
    end)
  end

  it("is not used again if bytes come while it rests", function()
    local lb = start(function(request, conn)
      conn:send(text(request))
      play.pause(0.05)
      return "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    end)
    assert.equal("200 /1", answer(lb, "/GET/1"))
    play.wait("it to be closed", function() return #peer:connections() == 0 end)
    assert.equal("200 /2", answer(lb, "/GET/2"))
    assert.equal(2, opened)
    no_errors(lb)
  end)

  it("that its peer closes as the next request comes is opened anew, for a safe request only", function()
    local lb = start(function(request, _, n) return n == 1 and text(request) end)
    assert.equal("200 /1", answer(lb, "/GET/1"))
    assert.equal("200 /2", answer(lb, "/GET/2"))
    assert.equal(2, opened)
    assert.equal("nil closed: before a response", answer(lb, "/POST/3"))
    assert.equal(2, opened)
    assert.equal("200 /4", answer(lb, "/POST/4"))
    no_errors(lb)
  end)

  it("is asked a second time once, and not if an answer has begun", function()
    local lb = start(function(request, conn, n, connection)
      if n == 1 and connection == 1 then return text(request) end
      if request.target == "/half" then conn:send "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nha" end
      return nil
    end)
    assert.equal("200 /1", answer(lb, "/GET/1"))
    assert.equal("nil closed: in the middle of the response", answer(lb, "/GET/half"))
    assert.equal(1, opened)
    assert.equal("nil closed: before a response", answer(lb, "/GET/3"))
    assert.equal(2, opened)
    no_errors(lb)
  end)

  it("that has rested for a second is used for safe requests only", function()
    local lb = start(text, { body = [[
      local function ask(method)
        local res = assert(lb.http.request { method = method, url = "http://$PEER/" .. method })
        return res.body
      end
      ask "GET"
      lb.sleep(1.2)
      return ask "POST", ask "GET"]] })
    assert.equal("/POST /GET", answer(lb))
    assert.equal(2, opened)
    no_errors(lb)
  end)

  it("is closed when it has rested for 4 s", function()
    local lb = start(text)
    local pid = asking.worker(lb)
    answer(lb, "/GET/1")
    assert.equal(1, #peer:connections())
    play.wait("it to be closed", function() return #peer:connections() == 0 end, 30)
    assert.equal("200 /2", answer(lb, "/GET/2"))
    assert.equal(2, opened)
    assert.equal(pid, asking.worker(lb))
    no_errors(lb)
  end)

  it("is closed when lb ends, and keeps nobody waiting", function()
    local lb = start(text)
    answer(lb, "/GET/1")
    lb:stop()
    play.wait("it to be closed", function() return #peer:connections() == 0 end)
  end)

  local function sending(lb, path)
    local client = play.client(lb)
    client:send(GET:format(path))
    return client
  end

  it("is one of script.connections, for which calls wait", function()
    local lb = start(function(request)
      play.pause(0.01)
      return text(request)
    end, { settings = "script = { connections = 2 }," })
    local clients = {}
    for i = 1, 40 do clients[i] = sending(lb, "/GET/" .. i) end
    for i = 1, 40 do assert.equal("200 /" .. i, clients[i]:response().body) end
    assert.equal(2, most)
    assert.equal(2, opened)
    no_errors(lb)
  end)

  it("is waited for within the call's own time", function()
    local lb = start(function(_, conn)
      conn:ended_by_peer(60)
    end, { settings = "script = { connections = 1 },", body = [[
      local res, why = lb.http.get("http://$PEER/", { timeout = ctx.path == "/long" and 8 or 0.2 })
      return res and res.status, why]] })
    local long = sending(lb, "/long")
    play.wait("the first call", function() return opened == 1 end)
    assert.equal("nil limit: 1 connections of scripts are open in this worker (script.connections)",
      answer(lb, "/short"))
    local left = sending(lb, "/long")
    play.pause(0.05)
    left:reset()
    assert.equal(499, lb:exchange({ status = 499 }).status)
    long:reset()
    play.wait("the first call to end", function() return #lb:exchanges { status = 499 } == 2 end)
    assert.equal("nil timeout: the answer took more than 0.2 s", answer(lb, "/short"))
    no_errors(lb)
  end)

  -- 255.255.255.255 is no address to connect to: the connect fails at once, and its place is free.
  it("gives its place to the next one in line, also if connects fail at once", function()
    local lb = start(function(request, conn)
      if request.target == "/first" then conn:ended_by_peer(60) end
      return text(request)
    end, { settings = "script = { connections = 1 },", body = [[
      local to = ctx.path == "/nowhere" and "255.255.255.255:1" or "$PEER"
      local res, why = lb.http.get("http://" .. to .. ctx.path, { timeout = 8 })
      return res and res.body, why]] })
    local first = sending(lb, "/first")
    play.wait("the first call", function() return opened == 1 end)
    local nowhere, others = {}, {}
    for i = 1, 8 do nowhere[i] = sending(lb, "/nowhere") end
    for i = 1, 4 do others[i] = sending(lb, "/" .. i) end
    play.pause(0.05)
    first:reset()
    for i = 1, 8 do assert.matches("^nil connect: 255", nowhere[i]:response().body) end
    for i = 1, 4 do assert.equal("/" .. i .. " nil", others[i]:response().body) end
    no_errors(lb)
  end)

  it("that rests makes room for another one", function()
    local other = play.hello "other"
    local lb = start(text, { settings = "script = { connections = 1 },", body = ([[
      local one = assert(lb.http.get("http://$PEER/a")).body
      local two = assert(lb.http.get("http://%s/")).body
      local conn = assert(lb.tcp.connect "$PEER")
      conn:close()
      return one, two]]):format(other.address) })
    for _ = 1, 3 do assert.equal("/a other", answer(lb)) end
    no_errors(lb)
  end)

  it("that rests makes room at once, without a search for connections that the script has forgotten", function()
    local lb = start(text, { settings = "script = { connections = 1 },", top = [[
      local weak = setmetatable({}, { __mode = "v" })
      local function fill() weak[1] = {} end -- gone with the next search, which is a collection
      ]], body = [[
      assert(lb.http.get "http://$PEER/a")
      fill()
      assert(lb.http.get "http://$PEER/b")
      return weak[1] and "is there" or "is gone"]] })
    assert.equal("is there", answer(lb))
    assert.equal(1, opened)
    no_errors(lb)
  end)
end)
