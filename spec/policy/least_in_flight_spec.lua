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
end)
