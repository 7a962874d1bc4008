-- The queue of a listening socket that is full drops SYNs. The kernel sends them again after 1 s,
-- which is longer than any limit here: what opens sooner has been begun by lb besides.
local asking = require "spec.support.asking"
local play = require "spec.support.play"

local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
local HELLO = { serve = function(conn)
  while true do
    play.receive(conn)
    conn:send(play.text "hello")
  end
end }

local function balancer(hole, connect, more)
  return play.balancer {
    backends = { hole },
    settings = ([[
      health = { interval = 60, timeout = 0.9, eject_after = 0 }, timeouts = { connect = %g },
      on_failure = function() return "fail" end, %s
    ]]):format(connect, more or ""),
  }
end

local function hanging(hole, n)
  play.wait(n .. " connects that hang", function() return hole:hanging() == n end)
end

-- A balancer and its backend, which was found up, and whose SYNs are lost from now on.
local function losing(connect, more)
  local hole = play.blackhole()
  local lb = balancer(hole, connect, more)
  lb:up(hole)
  hole:fill()
  return lb, hole
end

local function asked(lb)
  local client = play.client(lb)
  client:send(GET)
  return client
end

-- The outcome of a connect that hangs n times before change(hole) is called. On a busy machine the
-- call may come after the limit; such a round says nothing, and another one is played.
local function outcome_of(n, change)
  local status, outcome
  for _ = 1, 20 do
    local lb, hole = losing(0.95)
    local client = asked(lb)
    play.wait(n .. " connects that hang", function() return hole:hanging() == n or #lb:exchanges() > 0 end)
    change(hole)
    status, outcome = client:response().status, lb:exchange().tries[1].outcome
    if outcome ~= "connect_timeout" then break end
    lb:stop()
  end
  return { status, outcome }
end

describe("a lost SYN", function()
  after_each(play.curtain)

  it("costs no more than the time until a second connection is begun", function()
    assert.same({ 200, "ok" }, outcome_of(1, function(hole) hole:drain(HELLO) end))
  end)

  it("and a second one cost no more than the time until a third connection is begun", function()
    assert.same({ 200, "ok" }, outcome_of(2, function(hole) hole:drain(HELLO) end))
  end)

  it("is no reason to wait if the next SYN is refused", function()
    assert.same({ 503, "refused" }, outcome_of(1, function(hole) hole:close() end))
  end)

  it("leaves no connection behind, whichever has opened", function()
    local lb, hole = losing(5)
    local client = asked(lb)
    hanging(hole, 3)
    local backend = hole:drain(HELLO)
    assert.equal("hello", client:response().body)
    play.wait("one connection", function() return #backend:connections() == hole.own + 1 end)
  end)

  it("leaves no connection behind when the client has gone", function()
    local lb, hole = losing(5)
    local client = asked(lb)
    hanging(hole, 3)
    client:close()
    hanging(hole, 0)
    assert.equal(499, lb:exchange().status)
  end)

  it("of many adds the connections of one of them, and a tenth", function()
    local lb, hole = losing(2)
    local clients, most = {}, 0
    for i = 1, 12 do clients[i] = asked(lb) end
    play.wait("all answers", function()
      most = math.max(most, hole:hanging())
      return #lb:exchanges() == #clients
    end)
    assert.equal(12 + 2, most)
  end)

  it("of a check costs as little", function()
    local lb, backend, hole
    for _ = 1, 20 do -- as above: this machine may be later than the check's limit
      hole = play.blackhole():fill()
      play.beside(function()
        hanging(hole, 1)
        backend = hole:drain(HELLO)
      end)
      lb = balancer(hole, 0.95) -- listens when everybody was checked
      lb:up(hole)
      if #lb:events "backend_down" == 0 then break end
      lb:stop()
    end
    assert.same({}, lb:events "backend_down")
    play.wait("no connection of it", function() return #backend:connections() == hole.own end)
  end)

  it("of a script's connection costs as little", function()
    local body
    for _ = 1, 20 do
      local hole = play.blackhole():fill()
      local lb = asking.start([[
        local conn, why = lb.tcp.connect('$PEER', { timeout = 0.9 })
        return conn and 'open' or why]], { peers = { PEER = hole.address } })
      local client = asked(lb)
      play.wait("a connect that hangs", function() return hole:hanging() == 1 or #lb:exchanges() > 0 end)
      hole:drain(HELLO)
      body = client:response().body
      if body == "open" then break end
      lb:stop()
    end
    assert.equal("open", body)
  end)

  it("is answered in time if the kernel has connected while the whole of lb stood still", function()
    local lb, hole = losing(2)
    local client, began = asked(lb), play.now()
    hanging(hole, 1)
    lb:freeze()
    hole:drain(HELLO)
    hanging(hole, 0)
    play.pause(began + 2.2 - play.now())
    lb:thaw()
    assert.equal("hello", client:response().body)
    assert.equal("ok", lb:exchange().tries[1].outcome)
  end)
end)
