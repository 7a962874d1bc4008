local pool = require("spec.support.backend").pool
local request = require "spec.support.request"
local script = require "spec.support.script"

describe("tenant quota", function()
  local policy, world
  before_each(function()
    policy, world = script.load_text [[
      return require "tenant_quota" { quotas = { acme = 10, initech = 2 }, others = 3, seconds = 60 }]]
  end)

  local function passed(count, tenant, tries)
    local number, last = 0, nil
    for _ = 1, count do
      local ctx = request { headers = { ["x-tenant"] = tenant }, tries = tries or 1 }
      local answer = policy.choose(ctx, pool { "a", "b" })
      if rawget(answer, "kind") then last = answer else number = number + 1 end
    end
    return number, last
  end

  it("gives each tenant its quota", function()
    assert.equal(10, (passed(15, "acme")))
    assert.equal(2, (passed(15, "initech")))
  end)

  it("says 429 beyond", function()
    local _, answer = passed(3, "initech")
    assert.equal(429, answer.status)
    assert.equal("quota", answer.why)
    assert.is_true(answer.headers["Retry-After"] > 0)
  end)

  it("says 503 if there is no room to count, or lets them pass", function()
    passed(1, "acme")
    world.is_full = true
    assert.equal(9, (passed(15, "acme")))
    local passing, answer = passed(3, "initech")
    assert.same({ 0, 503 }, { passing, answer.status })
    policy, world = script.load_text [[return require "tenant_quota" { quotas = { initech = 2 }, full = "open" }]]
    world.is_full = true
    assert.equal(3, (passed(3, "initech")))
  end)

  it("knows nothing but closed and open for that", function()
    local what = [[return require "tenant_quota" { full = "opne" }]]
    assert.has_error(function() script.load_text(what) end, 'tenant_quota: full is "closed" or "open", got opne')
  end)

  it("is asked for once: who names two tenants is none of the list", function()
    assert.equal(3, (passed(9, { "acme", "initech" })))
    assert.equal(10, (passed(15, "acme")))
  end)

  it("lets those who are not listed share one quota", function()
    assert.equal(2, (passed(2, "one")))
    assert.equal(1, (passed(2, "two")))
    assert.equal(0, (passed(2, nil)))
    assert.equal(1, (passed(1, "acme")))
  end)

  it("frees what has left the window, and does not count who was refused", function()
    passed(100, "initech")
    world:advance(59)
    assert.equal(0, (passed(100, "initech")))
    world:advance(1.5)
    assert.equal(2, (passed(5, "initech")))
  end)

  it("does not count a second try", function()
    passed(2, "initech")
    assert.equal(1, (passed(1, "initech", 2)))
  end)

  it("leaves who passes to another policy", function()
    policy = script.load_text [[
      return require "tenant_quota" { others = 1, policy = function(ctx, backends) return backends[2] end }]]
    local backends = pool { "a", "b" }
    assert.equal("b", policy.choose(request {}, backends).name)
    assert.equal(429, policy.choose(request {}, backends).status)
    assert.equal("b", policy.choose(request { tries = 2 }, backends).name)
  end)
end)
