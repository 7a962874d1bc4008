-- Connections to backends in HTTP/2, which requests share.
local frames = require "spec.support.h2_frames"
local h2 = require "spec.support.h2"
local h2_backends = require "spec.support.h2_backends"
local play = require "spec.support.play"

local balancer, echo = h2_backends.balancer, h2_backends.echo

local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

describe("a connection to a backend in HTTP/2", function()
  after_each(play.curtain)

  it("carries many requests at once, one that is slow next to others", function()
    local waiting = {}
    local backend = h2.backend(function(s)
      if s.path == "/slow" then
        waiting[#waiting + 1] = s
      else
        s:answer "quick"
      end
    end)
    local lb = balancer { backend }
    local slow = play.client(lb)
    slow:send "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"
    play.wait("the slow one", function() return #waiting == 1 end)
    for _ = 1, 5 do assert.equal("quick", lb:fetch("/").body) end
    waiting[1]:answer "slow"
    assert.equal("slow", slow:response().body)
    assert.equal(1, backend.served)
  end)

  it("is one for all that come at once, and waits for SETTINGS beyond 8", function()
    local held, before = {}, nil
    local backend = h2.backend(function(s, p)
      held[#held + 1] = s
      if #held ~= 8 then return end
      before = #p.order
      p:send(frames.settings())
    end, { preface = false, acks = false })
    local lb = balancer { backend }
    local clients = {}
    for i = 1, 20 do
      clients[i] = play.client(lb)
      clients[i]:send(GET)
    end
    play.wait("all", function() return #held == 20 end)
    assert.equal(8, before)
    assert.equal(1, backend.served)
    for _, s in ipairs(held) do s:answer "x" end
    for i = 1, 20 do assert.equal("x", clients[i]:response().body) end
  end)

  for what, case in pairs {
    ["the backend's MAX_CONCURRENT_STREAMS"] = { { settings = { { "MAX_CONCURRENT_STREAMS", 2 } } } },
    ["h2.backend_streams"] = { {}, "h2 = { backend_streams = 2 }," },
  } do
    it("is joined by others when it has as many as " .. what, function()
      local held, most = {}, 0
      local open = {}
      local backend = h2.backend(function(s, p)
        open[p] = (open[p] or 0) + 1
        most = math.max(most, open[p])
        held[#held + 1] = { s, p }
      end, case[1])
      local lb = balancer({ backend }, case[2])
      assert.is_table(lb)
      local first = play.client(lb) -- it brings the SETTINGS
      first:send(GET)
      play.wait("the first", function() return #held == 1 end)
      held[1][1]:answer "x"
      assert.equal("x", first:response().body)
      open, held, most = {}, {}, 0
      local clients = {}
      for i = 1, 6 do
        clients[i] = play.client(lb)
        clients[i]:send(GET)
      end
      play.wait("all", function() return #held == 6 end)
      assert.equal(2, most)
      for _, one in ipairs(held) do one[1]:answer "x" end
      for i = 1, 6 do assert.equal("x", clients[i]:response().body) end
      assert.equal(3, backend.served)
    end)
  end

  it("that nobody needs any more is not waited for beyond timeouts.connect", function()
    local hole = play.blackhole()
    local lb = play.balancer { backends = { "h2c://" .. hole.address }, settings = [[
      h2 = { backend_streams = 1 }, timeouts = { connect = 0.3 },
      health = function() return true end,]] }
    local one, two = play.client(lb), play.client(lb)
    one:send "GET /one HTTP/1.1\r\nHost: x\r\n\r\n"
    play.wait("a connection", function() return hole:queued() == 1 end)
    hole:fill()
    two:send "GET /two HTTP/1.1\r\nHost: x\r\n\r\n"
    play.wait("a connect that hangs", function() return hole:hanging() > 0 end)
    one:close() -- there is room for the second one where the first one was
    assert.equal(499, lb:exchange({ path = "/one" }).status)
    play.wait("the end of that connect", function() return hole:hanging() == 0 end)
    assert.equal(1, #lb:exchanges())
    two:close()
    assert.equal(499, lb:exchange({ path = "/two" }).status)
  end)

  it("closes when it was idle for long", function()
    local backend = echo()
    local lb = balancer({ backend }, "timeouts = { upstream_idle = 0.05 },")
    assert.equal("GET / ", lb:fetch("/").body)
    play.wait("no connection", function() return #backend:connections() == 0 end)
    assert.equal("GET / ", lb:fetch("/").body)
    assert.equal(2, backend.served)
  end)

  it("outlives a client that leaves: the backend sees CANCEL at once", function()
    local held = {}
    local backend = h2.backend(function(s)
      if s.path == "/" then return s:answer "x" end
      held[#held + 1] = s
    end)
    local lb = balancer { backend }
    local client = play.client(lb)
    client:send "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"
    play.wait("a request", function() return #held == 1 end)
    client:reset()
    play.wait("a reset", function() return held[1].of.reset end)
    assert.equal("CANCEL", held[1].of.reset)
    assert.equal(499, lb:exchange({ path = "/slow" }).status)
    assert.equal("x", lb:fetch("/").body)
    assert.equal(1, backend.served)
  end)

  it("outlives a request that waited too long, and is asked after three in a row", function()
    local pings = 0
    local backend = h2.backend(function() end, {
      acks = false,
      on_frame = function(frame, p)
        if frame.type == "SETTINGS" and not frame:has "ACK" then p:send(frames.settings_ack()) end
        if frame.type == "PING" then pings = pings + 1 end
      end,
    })
    local lb = balancer({ backend }, [[
      timeouts = { response_head = 0.05, connect = 0.1 },
      on_failure = function() return "fail" end,
      health = { interval = 60, timeout = 5, eject_after = 0 },
    ]])
    for i = 1, 3 do
      assert.equal(504, lb:fetch("/").status)
      assert.equal(i < 3 and 0 or pings, pings)
    end
    play.wait("a PING", function() return pings == 1 end)
    assert.equal(1, backend.served)
    play.wait("its end", function() return #backend:connections() == 0 end)
    assert.equal(504, lb:fetch("/").status)
    assert.equal(2, backend.served)
  end)

  for how, times in pairs {
    ["their clients left"] = "connect = 0.1", ["their time was over"] = "connect = 0.1, request = 0.1",
  } do
    it("is asked, too, if three requests got nothing and " .. how, function()
      local pings, seen = 0, 0
      local backend = h2.backend(function() seen = seen + 1 end, {
        acks = false,
        on_frame = function(frame, p)
          if frame.type == "SETTINGS" and not frame:has "ACK" then p:send(frames.settings_ack()) end
          if frame.type == "PING" then pings = pings + 1 end
        end,
      })
      local lb = balancer({ backend }, ([[
        timeouts = { %s },
        on_failure = function() return "fail" end,
        health = { interval = 60, timeout = 5, eject_after = 0 },
      ]]):format(times))
      for i = 1, 3 do
        local client = play.client(lb)
        client:send(GET)
        play.wait("the request", function() return seen == i end)
        if how == "their clients left" then client:reset() else assert.equal(504, client:response().status) end
        lb:exchange({}, i)
      end
      play.wait("a PING", function() return pings == 1 end)
      play.wait("its end", function() return #backend:connections() == 0 end)
      local client = play.client(lb)
      client:send(GET)
      play.wait("one more request", function() return seen == 4 end)
      assert.equal(2, backend.served)
      client:reset()
    end)
  end

  it("stays if the PING is answered", function()
    local pings = 0
    local backend = h2.backend(function(s)
      if s.path == "/x" then s:answer "x" end
    end, { on_frame = function(frame) pings = pings + (frame.type == "PING" and 1 or 0) end })
    local lb = balancer({ backend }, [[
      timeouts = { response_head = 0.05 },
      on_failure = function() return "fail" end,
      health = { interval = 60, timeout = 5, eject_after = 0 },
    ]])
    for _ = 1, 3 do assert.equal(504, lb:fetch("/").status) end
    play.wait("a PING", function() return pings == 1 end)
    assert.equal("x", lb:fetch("/x").body)
    assert.equal(1, backend.served)
  end)

  it("is not held up by one client that does not read", function()
    local backend = h2.backend(function(s)
      s:whole()
      if s.path == "/" then return s:answer "quick" end
      s:say({ { ":status", "200" } })
      s:write(("x"):rep(32 * 1024 * 1024), true)
    end)
    local lb = balancer { backend }
    local slow = play.client(lb)
    slow:send "GET /big HTTP/1.1\r\nHost: x\r\n\r\n"
    slow:head()
    slow:hold()
    for _ = 1, 20 do assert.equal("quick", lb:fetch("/").body) end
    assert.equal(1, backend.served)
    slow:close()
    lb:exchange { path = "/big" }
  end)

  it("that is full of one upload stops no other one for ever", function()
    local held
    local backend = h2.backend(function(s, p)
      if s.path == "/first" then
        held = p.conn
        held:hold()
      end
      s:whole()
      s:answer(tostring(#s.body))
    end, {
      settings = { { "INITIAL_WINDOW_SIZE", 2 ^ 30 } },
      accept = function(p) p:send(frames.window(0, 2 ^ 30)) end,
    })
    local lb = balancer({ backend }, "limits = { replay = 0 },")
    assert.equal("0", lb:fetch("/").body) -- it brings the windows
    local first, second = play.client(lb), play.client(lb)
    first:send("POST /first HTTP/1.1\r\nHost: x\r\nContent-Length: 33554432\r\n\r\n", ("x"):rep(1000))
    play.wait("the first", function() return held end)
    first:send(("x"):rep(33554432 - 1000))
    play.until_still(function() return first.handle:get_write_queue_size() end)
    second:send "POST /second HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"
    play.until_still(function() return second.handle:get_write_queue_size() end)
    held:go_on()
    assert.equal("33554432", first:response().body)
    second:send "abcd"
    assert.equal("4", second:response().body)
  end)
end)

describe("a rolling restart of backends in HTTP/2", function()
  after_each(play.curtain)

  -- One that says GOAWAY when it is told to, answers what it has taken, and then closes.
  local function restartable()
    local own = { peers = {}, posts = 0, doubles = 0, seen = {} }
    own.backend = h2.backend(function(s, p)
      own.peers[p] = own.peers[p] or { open = 0 }
      local peer = own.peers[p]
      if peer.last and s.id > peer.last then return end
      peer.open = peer.open + 1
      s:whole()
      if own.seen[s.body] then own.doubles = own.doubles + 1 end
      own.seen[s.body] = true
      own.posts = own.posts + 1
      s:answer(s.body)
      peer.open = peer.open - 1
      if peer.last and peer.open == 0 then p:close() end
    end)
    function own:restart()
      self.backend:refuse()
      for p, peer in pairs(self.peers) do
        peer.last = p.highest
        p:send(frames.goaway(peer.last, "NO_ERROR"))
        if peer.open == 0 then p:close() end
      end
      play.wait("no connection", function() return #self.backend:connections() == 0 end)
      self.peers = {}
      self.backend:start()
    end
    return own
  end

  it("loses no POST, and sends none twice", function()
    local one, two = restartable(), restartable()
    local lb = balancer({ one.backend, two.backend }, "limits = { retry_budget = 0 },")
    local over, done, wrong = false, 0, {}
    local count = 0
    for i = 1, 8 do
      local client = play.client(lb)
      play.beside(function()
        for n = 1, 100000 do
          if over then break end
          local body = ("%03d %06d"):format(i, n)
          client:send(("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body))
          local response = client:response()
          if response.status ~= 200 or response.body ~= body then wrong[#wrong + 1] = response.status end
          count = count + 1
        end
        done = done + 1
      end)
    end
    for round = 1, 6 do
      local before = count
      play.wait("requests", function() return count >= before + 50 end)
      local turn = round % 2 == 0 and one or two
      turn:restart()
      lb:up(turn.backend)
    end
    over = true
    play.wait("all clients", function() return done == 8 end)
    assert.same({}, wrong)
    assert.equal(0, one.doubles + two.doubles)
    assert.equal(count, one.posts + two.posts)
  end)
end)
