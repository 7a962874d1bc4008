-- Turns that several workers share are exact.
local play = require "spec.support.play"

local script = [[
local turn = lb.counter "turn"
return {
  health = { interval = 0.5, timeout = 5 },
  choose = function(ctx, backends) return backends[turn:next(#backends)] end,
}
]]

describe("eight workers", function()
  after_each(play.curtain)

  it("share one count: 1,000 new connections alternate strictly between two backends", function()
    local one, two = play.hello "1", play.hello "2"
    local lb = play.balancer { script = script, backends = { one, two }, workers = 8 }
    local seen = {}
    for i = 1, 1000 do seen[i] = lb:fetch("/" .. i).body end
    assert.equal(("12"):rep(500), table.concat(seen))
    assert.equal(500, #one.requests)
    assert.equal(500, #two.requests)
  end)

  it("share it between connections that are open at the same time", function()
    local one, two = play.hello "1", play.hello "2"
    local lb = play.balancer { script = script, backends = { one, two }, workers = 8 }
    local clients = {}
    for i = 1, 64 do clients[i] = play.client(lb) end
    for _ = 1, 5 do
      for _, client in ipairs(clients) do client:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n" end
      for _, client in ipairs(clients) do assert.equal(200, client:response().status) end
    end
    assert.equal(160, #one.requests)
    assert.equal(160, #two.requests)
  end)

  it("share it with counter:next(ctx, backends), as balancer.lua has it", function()
    local one, two = play.hello "1", play.hello "2"
    local lb = play.balancer { file = "balancer.lua", backends = { one, two }, workers = 8 }
    local seen = {}
    for i = 1, 400 do seen[i] = lb:fetch("/" .. i).body end
    assert.equal(("12"):rep(200), table.concat(seen))
  end)

  it("share it with the built-in round robin too", function()
    local one, two = play.hello "1", play.hello "2"
    local lb = play.balancer { backends = { one, two }, workers = 8 }
    local seen = {}
    for i = 1, 100 do seen[i] = lb:fetch("/" .. i).body end
    assert.truthy(table.concat(seen) == ("12"):rep(50) or table.concat(seen) == ("21"):rep(50), table.concat(seen))
  end)
end)
