-- scripts/redis_lookup.lua as it is, in front of a Redis that a spec plays.
local play = require "spec.support.play"
local redis = require "spec.support.redis"

describe("redis_lookup", function()
  after_each(play.curtain)

  local server, one, two, lb

  local function start(options)
    one, two = play.hello "one", play.hello "two"
    server = redis.new { ["tenant:a.test"] = "one", ["tenant:b.test"] = "two" }
    lb = play.balancer { script = ([[
      return require "redis_lookup" {
        redis = "%s", health = { interval = 0.2, timeout = 5 }, %s
        backends = { { name = "one", address = "%s" }, { name = "two", address = "%s" } },
      }]]):format(server.address, play.settled(options, { timeout = "2" }), one.address, two.address) }
  end

  local function bodies(host, count)
    local list = {}
    for i = 1, count do list[i] = lb:fetch("/", { host = host }) end
    return play.bodies(list)
  end

  it("sends tenants where Redis says, and others round, over one connection", function()
    start "keep = 0,"
    assert.equal("two two two", bodies("b.test", 3))
    assert.equal("one one one", bodies("a.test", 3))
    assert.equal("one two one", bodies("c.test", 3))
    assert.equal(9, #server.asked)
    assert.equal(1, server.accepted)
    server.values["tenant:a.test"] = "two"
    assert.equal("two", bodies("a.test", 1))
    assert.same({}, lb:events "policy_error")
  end)

  it("asks once for as long as an answer is good", function()
    start "keep = 1000,"
    assert.equal("two two two", bodies("b.test", 3))
    assert.same({ "tenant:b.test" }, server.asked)
  end)

  it("uses another connection where Redis has closed the kept one", function()
    start "keep = 0,"
    assert.equal("two", bodies("b.test", 1))
    for _, conn in ipairs(server:connections()) do conn:close() end
    play.wait("no connection", function() return #server:connections() == 0 end)
    assert.equal("two", bodies("b.test", 1))
    assert.equal(2, server.accepted)
    assert.same({}, lb:events "policy_error")
  end)

  for _, trouble in ipairs { "silent", "error", "close", "stopped" } do
    it("goes round while Redis is in trouble: " .. trouble, function()
      start(trouble == "silent" and "timeout = 0.5, keep = 0," or "keep = 0,")
      if trouble == "stopped" then server:stop() else server.trouble = trouble end
      local list = {}
      for i = 1, 4 do list[i] = lb:fetch("/", { host = "a.test" }).body end
      table.sort(list)
      assert.same({ "one", "one", "two", "two" }, list)
      assert.same({}, lb:events "policy_error")
    end)
  end
end)
