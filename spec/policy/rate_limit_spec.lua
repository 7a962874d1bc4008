local pool = require("spec.support.backend").pool
local request = require "spec.support.request"
local script = require "spec.support.script"

describe("rate limit", function()
  local policy, world, backends
  before_each(function()
    policy, world = script.load "scripts/rate_limit.lua"
    backends = pool { "a", "b" }
  end)

  local function passed(count, facts)
    local number, last = 0, nil
    for _ = 1, count do
      local answer = policy.choose(request(facts or {}), backends)
      if rawget(answer, "kind") then last = answer else number = number + 1 end
    end
    return number, last
  end

  it("lets a burst pass, and then the rate", function()
    assert.equal(20, (passed(50)))
    world:advance(1)
    assert.equal(10, (passed(50)))
    world:advance(60)
    assert.equal(20, (passed(50)))
  end)

  it("says 429 and when to come again", function()
    local _, answer = passed(21)
    assert.equal(429, answer.status)
    assert.equal("rate_limit", answer.why)
    assert.equal(1, answer.headers["Retry-After"])
  end)

  it("limits each client for itself", function()
    passed(50)
    assert.equal(20, (passed(30, { client_ip = "192.0.2.2" })))
  end)

  it("counts all addresses of one IPv6 /64 as one client", function()
    passed(50, { client_ip = "2001:db8:1:2::1" })
    assert.equal(0, (passed(5, { client_ip = "2001:db8:1:2:ffff::9" })))
    assert.equal(20, (passed(30, { client_ip = "2001:db8:1:3::1" })))
  end)

  it("is fair to each over time", function()
    local greedy, modest = 0, 0
    for _ = 1, 100 do
      greedy = greedy + passed(10, { client_ip = "192.0.2.1" })
      modest = modest + passed(1, { client_ip = "192.0.2.2" })
      world:advance(0.1)
    end
    assert.equal(100, modest)
    assert.is_true(greedy >= 110 and greedy <= 121, greedy .. " passed")
  end)

  it("says 503 to those whom there is no room to count, or lets them pass", function()
    assert.equal(1, (passed(1)))
    world.is_full = true
    assert.equal(19, (passed(30)))
    local passing, answer = passed(3, { client_ip = "192.0.2.2" })
    assert.same({ 0, 503, 1 }, { passing, answer.status, answer.headers["Retry-After"] })
    policy, world = script.load_text [[return require "rate_limit" { full = "open" }]]
    world.is_full = true
    assert.equal(30, (passed(30, { client_ip = "192.0.2.2" })))
  end)

  it("does not count a second try", function()
    passed(20)
    assert.equal(1, (passed(1, { tries = 2 })))
  end)

  it("leaves who passes to another policy", function()
    policy = script.load_text [[return require "rate_limit" {
      rate = 1, burst = 2, policy = function(ctx, backends) return backends[2], { why = "mine" } end }]]
    for _ = 1, 2 do
      local chosen, options = policy.choose(request {}, backends)
      assert.same({ "b", "mine" }, { chosen.name, options.why })
    end
    assert.equal(429, policy.choose(request {}, backends).status)
    assert.equal("b", policy.choose(request { tries = 2 }, backends).name)
  end)

  it("counts by the key that it is given", function()
    policy = script.load_text [[return require "rate_limit" {
      rate = 1, burst = 2, key = function(ctx) return ctx.headers:one "x-api-key" or "" end }]]
    assert.equal(2, (passed(5, { headers = { ["X-Api-Key"] = "k1" } })))
    assert.equal(2, (passed(5, { headers = { ["X-Api-Key"] = "k2" } })))
  end)

  it("goes round", function()
    local seen = {}
    for i = 1, 4 do seen[i] = policy.choose(request {}, backends).name end
    assert.same({ "a", "b", "a", "b" }, seen)
  end)
end)
