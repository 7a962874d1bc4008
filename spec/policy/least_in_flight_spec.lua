local pool = require("spec.support.backend").pool
local request = require "spec.support.request"
local script = require "spec.support.script"

describe("least in flight", function()
  local policy
  before_each(function() policy = script.load "scripts/least_in_flight.lua" end)

  it("prefers the backend with less work", function()
    local backends = pool { { name = "busy", in_flight = 3 }, { name = "idle", in_flight = 1 } }
    for _ = 1, 3 do assert.equal("idle", policy.choose(request {}, backends).name) end
  end)

  it("prefers the backend with less work for its weight", function()
    local backends = pool { small = { in_flight = 2, weight = 1 }, large = { in_flight = 3, weight = 4 } }
    assert.equal("large", policy.choose(request {}, backends).name)
  end)

  it("shares the work of an idle pool", function()
    local backends, seen = pool { "a", "b", "c" }, {}
    for _ = 1, 6 do
      local name = policy.choose(request {}, backends).name
      seen[name] = (seen[name] or 0) + 1
    end
    assert.same({ a = 2, b = 2, c = 2 }, seen)
  end)

  it("shares the work of an idle pool by weight", function()
    local backends, large = pool { { name = "large", weight = 3 }, "small" }, 0
    for _ = 1, 100 do large = large + (policy.choose(request {}, backends).name == "large" and 1 or 0) end
    assert.is_true(math.abs(large - 75) <= 2, large .. " of 100")
  end)

  it("does not take a backend for idle that fails at once", function()
    local backends = pool { ill = { error_rate = 1 }, a = { in_flight = 5 }, b = { in_flight = 5 } }
    for _ = 1, 4 do assert.not_equal("ill", policy.choose(request {}, backends).name) end
    backends[1].in_flight, backends[2].in_flight = 10, 10
    assert.equal("ill", policy.choose(request {}, backends).name)
  end)

  it("shares an idle pool as before if one fails now and then", function()
    local backends, seen = pool { "a", { name = "b", error_rate = 0.3 }, "c" }, {}
    for i = 1, 6 do seen[i] = policy.choose(request {}, backends).name end
    assert.equal("a b c a b c", table.concat(seen, " "))
  end)
end)
