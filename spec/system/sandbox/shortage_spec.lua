-- The memory of a script is for all its calls: those that wait and hold most of it are ended, and
-- the script is not parked for that.
local play = require "spec.support.play"

describe("a script whose memory is taken by calls that await", function()
  after_each(play.curtain)

  local SCRIPT = [[
local leaked = {}
return {
  health = { interval = 0.2 }, script = { memory = 16 * 2^20, budget_ms = 1000, await = 60 }, fallback = "fail",
  choose = function(ctx, backends)
    local token = ctx.headers["x-token"] or ""
    if token == "good" then return backends[1] end
    if token == "leak" then for _ = 1, 1e5 do leaked[#leaked + 1] = ("x"):rep(2^16) .. #leaked end end
    if token ~= "" then lb.sleep(30) end
    return ctx:reject(403, { why = #token .. " bytes" })
  end,
}]]

  local function send(lb, token, path)
    local client = play.client(lb)
    client:send("GET " .. (path or "/") .. " HTTP/1.1\r\nHost: x\r\nX-Token: " .. token .. "\r\n\r\n")
    return client
  end

  it("ends the largest of them, and serves the others", function()
    local lb = play.balancer { backends = { play.hello "one" }, script = SCRIPT }
    local small, waiting = send(lb, "small", "/small"), {}
    for i = 1, 320 do
      waiting[i] = send(lb, i .. ("x"):rep(60000))
      if i % 20 == 0 then assert.equal("one", lb:fetch("/", { fields = "X-Token: good\r\n" }).body) end
    end
    local event = lb:event "policy_error"
    assert.equal("memory", event.kind)
    assert.matches("of all calls that await it held most: %d+ bytes", event.message)
    assert.equal(403, lb:fetch("/").status)
    assert.same({}, lb:events "policy_parked")
    local ended = lb:exchanges { status = 500 }
    assert.truthy(#ended > 0 and #ended < 320, #ended)
    for _, client in ipairs(waiting) do client:close() end
    assert.same({}, lb:exchanges { path = "/small" })
    small:close()
  end)

  it("is to blame for what it keeps itself", function()
    local lb = play.balancer { backends = { play.hello "one" }, script = SCRIPT }
    for _ = 1, 100 do
      assert.equal(500, lb:fetch("/", { fields = "X-Token: leak\r\n" }).status)
      if lb:events("policy_parked")[1] then break end
    end
    assert.equal("memory", lb:event("policy_parked").kind)
  end)
end)
