local pool = require("spec.support.backend").pool
local request = require "spec.support.request"
local script = require "spec.support.script"

describe("consistent hash", function()
  local policy
  before_each(function() policy = script.load_text [[
    return require "consistent_hash" { key = function(ctx) return ctx.path end }]] end)

  local function ten()
    local described = {}
    for i = 1, 10 do described[i] = "b" .. i end
    return pool(described)
  end

  local function homes(backends, count)
    local home = {}
    for i = 1, count do home[i] = policy.choose(request { path = "/" .. i }, backends).name end
    return home
  end

  it("sends a key to the same backend again", function()
    local backends = ten()
    assert.same(homes(backends, 100), homes(backends, 100))
  end)

  it("moves only the keys of a backend that leaves, and all of them back", function()
    local backends = ten()
    local before = homes(backends, 10000)
    local meanwhile = homes(backends:without "b4", 10000)
    local moved = 0
    for i, name in ipairs(before) do
      if name == "b4" then moved = moved + 1 else assert.equal(name, meanwhile[i]) end
    end
    assert.is_true(moved > 800 and moved <= 1200, moved .. " of 10000 keys moved")
    assert.same(before, homes(backends, 10000))
  end)

  it("never gives a backend more than its bound of the work in flight", function()
    local backends = ten()
    for i = 1, 400 do
      local one = policy.choose(request { path = "/" .. i % 3 }, backends)     -- three keys only
      one.in_flight = one.in_flight + 1
      assert.is_true(one.in_flight <= math.max(8, math.ceil(1.25 * i / 10)), ("%d of %d"):format(one.in_flight, i))
    end
  end)

  it("keeps the parallel requests of one browser together, however little else there is", function()
    local backends, seen = pool { "a", "b", "c" }, {}
    for _ = 1, 6 do
      local one = policy.choose(request { path = "/" }, backends)
      one.in_flight = one.in_flight + 1
      seen[one.name] = true
    end
    assert.is_nil(next(seen, next(seen)))
  end)

  it("bounds them from the first one on if that is set", function()
    policy = script.load_text [[
      return require "consistent_hash" { key = function(ctx) return ctx.path end, at_least = 1 }]]
    local backends = ten()
    for i = 1, 100 do
      local one = policy.choose(request { path = "/" }, backends)
      one.in_flight = one.in_flight + 1
      assert.is_true(one.in_flight <= math.ceil(1.25 * i / 10), ("%d of %d"):format(one.in_flight, i))
    end
  end)

  it("gives more to a backend with more weight", function()
    local backends = pool { { name = "small" }, { name = "large", weight = 3 } }
    local large = 0
    for _, name in ipairs(homes(backends, 4000)) do
      if name == "large" then large = large + 1 end
    end
    assert.is_true(large > 2800 and large < 3200, large .. " of 4000")
  end)

  it("goes by the client's address unless a key is given", function()
    policy = script.load "scripts/consistent_hash.lua"
    local backends, seen = ten(), {}
    for i = 1, 50 do
      local ctx = request { client_ip = "192.0.2." .. i % 2, path = "/" .. i }
      seen[policy.choose(ctx, backends).name] = true
    end
    assert.is_true(next(seen, next(seen)) == nil or next(seen, next(seen, next(seen))) == nil)
  end)

  it("chooses nobody if nobody is up", function()
    assert.is_nil(policy.choose(request {}, pool {}))
  end)
end)
