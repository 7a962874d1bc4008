-- Garbage of a script: it is collected between calls, so that no call pays for it, and
-- within the bound on memory.
local play = require "spec.support.play"

describe("the garbage of a script", function()
  after_each(play.curtain)

  local function start(settings, above, body)
    return play.balancer { backends = { play.hello "one" }, script = ([[
%s
return {
  health = { interval = 0.2 }, %s
  choose = function(ctx, backends)
    %s
    return ctx:respond { status = 204 }
  end,
}]]):format(above, settings, body) }
  end

  local function ask(lb, requests)
    local client = play.client(lb)
    for _ = 1, requests / 50 do
      client:send(("GET / HTTP/1.1\r\nHost: x\r\n\r\n"):rep(50))
      for _ = 1, 50 do assert.equal(204, client:response().status) end
    end
  end

  it("takes no call's time, though a large table is traversed in one piece", function()
    local lb = start("script = { memory = 512 * 2^20, budget_ms = 3 },", [[
local list, count = {}, 0
for i = 1, 7e5 do list[i + 0.5] = i end]], [[
    count = count + 1
    list[count + 0.5] = ("x"):rep(40000) .. count]])
    ask(lb, 3000)
    assert.same({}, lb:events "policy_error")
  end)

  it("is collected in time, next to what is kept", function()
    local lb = start("script = { memory = 16 * 2^20 },", [[
local kept, count = {}, 0
for i = 1, 60 do kept[i] = ("x"):rep(100000) .. i end]], [[
    count = count + 1
    kept[count % 60 + 1] = ("x"):rep(100000) .. count
    local garbage = ("y"):rep(50000) .. count]])
    ask(lb, 3000)
    assert.same({}, lb:events "policy_error")
  end)

  it("is collected within a call that makes more of it than there is memory", function()
    local lb = start("script = { memory = 32 * 2^20, budget_ms = 5000 },", "",
      "for i = 1, 200 do local garbage = ('x'):rep(2^20) .. i end")
    ask(lb, 50)
    assert.same({}, lb:events "policy_error")
  end)
end)
