-- lb.tcp leaves nothing behind: whatever ends first, every connection is closed.
local play = require "spec.support.play"
local asking = require "spec.support.asking"
local reloading = require "spec.support.reloading"

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

describe("lb.tcp leaves nothing behind", function()
  after_each(play.curtain)

  local function descriptors_again(lb, pid, before)
    play.wait("the descriptors to be as before", function() return asking.descriptors(pid) == before end)
    no_errors(lb)
  end

  local function starting(body, options)
    local lb = asking.start(body, options)
    assert.equal("warm", answer(lb, "/warm"))
    local pid = asking.worker(lb)
    return lb, pid, asking.descriptors_at_rest(pid)
  end

  local function asked_and_left(lb, count, seen)
    local clients = {}
    for i = 1, count do
      clients[i] = play.client(lb)
      clients[i]:send(GET:format("/" .. i))
    end
    play.wait("all to await", seen)
    for _, client in ipairs(clients) do client:reset() end
    for i = 1, count do assert.equal(499, lb:exchange({ path = "/" .. i }).status) end
  end

  it("of clients that leave while it connects", function()
    local hole = play.blackhole():fill()
    local lb, pid, before = starting([[
      if ctx.path == "/warm" then return "warm" end
      return lb.tcp.connect("$PEER", { timeout = 60 })]],
      { peers = { PEER = hole.address }, settings = "script = { await = 60 }," })
    asked_and_left(lb, 20, function() return asking.descriptors(pid) >= before + 40 end)
    descriptors_again(lb, pid, before)
  end)

  it("of clients that leave while it reads", function()
    local peer = play.backend { accept = function(conn) conn:ended_by_peer(60) end }
    local lb, pid, before = starting([[
      if ctx.path == "/warm" then return "warm" end
      return assert(lb.tcp.connect("$PEER", { timeout = 60 })):line()]],
      { peers = { PEER = peer }, settings = "script = { await = 60 }," })
    asked_and_left(lb, 20, function() return #peer:connections() == 20 end)
    play.wait("the peer to see the ends", function() return #peer:connections() == 0 end)
    descriptors_again(lb, pid, before)
  end)

  it("of the request's deadline", function()
    local peer = play.backend { accept = function(conn) conn:ended_by_peer(60) end }
    local lb, pid, before = starting([[
      if ctx.path == "/warm" then return "warm" end
      return assert(lb.tcp.connect("$PEER", { timeout = 60 })):line()]],
      { peers = { PEER = peer }, settings = "timeouts = { request = 0.3 }," })
    assert.equal(504, lb:fetch("/late").status)
    descriptors_again(lb, pid, before)
  end)

  it("of 200 at once", function()
    local peer = echo()
    local lb, pid, before = starting([[
      if ctx.path == "/warm" then return "warm" end
      local conn = assert(lb.tcp.connect("$PEER", { timeout = 20 }))
      conn:send(ctx.path .. "\n")
      local line = assert(conn:line())
      conn:close()
      return line]], { peers = { PEER = peer } })
    local clients = {}
    for i = 1, 200 do
      clients[i] = play.client(lb)
      clients[i]:send(GET:format("/" .. i))
    end
    for i, client in ipairs(clients) do
      assert.equal("you said /" .. i, client:response().body)
      client:close()
    end
    descriptors_again(lb, pid, before)
  end)

  it("of connections that a script forgets, however many", function()
    local peer = play.backend { accept = function(conn) conn:ended_by_peer(60) end }
    local lb, pid, before = starting([[
      if ctx.path == "/warm" then return "warm" end
      for i = 1, 50 do
        local conn, why
        repeat
          conn, why = lb.tcp.connect("$PEER", { timeout = 5 })
          if not conn and why:find "^limit" then lb.sleep(0.02) end
        until conn or not why:find "^limit"
        if not conn then return why end
      end
      return "done"]], { peers = { PEER = peer } })
    for _ = 1, 10 do assert.equal("done", answer(lb, "/")) end
    assert.is_true(asking.descriptors(pid) <= before + 256)
    no_errors(lb)
  end)

  it("and has a bound of 256, reported in words", function()
    local peer = play.backend { accept = function(conn) conn:ended_by_peer(60) end }
    local lb = asking.start([[
      for i = 1, 300 do
        local conn, why = lb.tcp.connect("$PEER", { timeout = 5 })
        if not conn then return i, why end
        kept[i] = conn
      end]], { top = "local kept = {}", peers = { PEER = peer }, settings = "script = { budget_ms = 1000 }," })
    assert.equal("257 limit: 256 connections of scripts are open in this worker (script.connections)", answer(lb))
    no_errors(lb)
  end)

  it("of a script that another one has replaced, once its last request has ended", function()
    local may_answer
    local peer = play.backend { accept = function(conn)
      while true do
        local line = conn:line()
        if not line then return end
        if line == "/last" then play.wait("the reload", function() return may_answer end, 60) end
        conn:send("heard ", line, "\n")
      end
    end }
    local lb, say = reloading.start(([[
      local kept
      return { script = { await = 60 }, choose = function(ctx)
        local conn = kept or assert(lb.tcp.connect("%s", { timeout = 60 }))
        kept = conn
        assert(conn:send(ctx.path .. "\n"))
        return ctx:respond { body = assert(conn:line()) }
      end }]]):format(peer.address))
    for i = 1, 3 do assert.equal("heard /" .. i, answer(lb, "/" .. i)) end
    local last = play.client(lb)
    last:send(GET:format "/last")
    play.wait("the last to await", function() return #peer:connections() == 1 end)
    assert.equal("reload", say(reloading.answering "new").event)
    assert.equal("new", answer(lb))
    assert.equal(1, #peer:connections())
    may_answer = true
    assert.equal("heard /last", last:response().body)
    play.wait("the connection to be closed", function() return #peer:connections() == 0 end)
    no_errors(lb)
  end)

  it("when lb ends while it awaits", function()
    local peer = play.backend { accept = function(conn) conn:ended_by_peer(60) end }
    local lb = asking.start([[return assert(lb.tcp.connect("$PEER", { timeout = 60 })):line()]],
      { peers = { PEER = peer }, settings = "script = { await = 60 },", args = { "--drain-timeout", "0.1" } })
    local client = play.client(lb)
    client:send(GET:format "/")
    play.wait("it to await", function() return #peer:connections() == 1 end)
    lb:stop()
    play.wait("the peer to see the end", function() return #peer:connections() == 0 end)
  end)
end)
