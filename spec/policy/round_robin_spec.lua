local pool = require("spec.support.backend").pool
local request = require "spec.support.request"
local script = require "spec.support.script"

describe("round robin", function()
  it("sends requests to the backends in turn", function()
    local policy = script.load "scripts/round_robin.lua"
    local backends, seen = pool { "a", "b", "c" }, {}
    for i = 1, 7 do seen[i] = policy.choose(request {}, backends).name end
    assert.same({ "a", "b", "c", "a", "b", "c", "a" }, seen)
  end)

  it("asks the neighbour of who failed, and takes no turn for that", function()
    local policy = script.load "scripts/round_robin.lua"
    local backends, first, second = pool { "a", "b", "c" }, {}, {}
    for i = 1, 6 do
      first[i] = policy.choose(request {}, backends).name
      second[i] = policy.choose(request { attempts = 2 }, backends:without(first[i])).name
    end
    assert.equal("a b c a b c", table.concat(first, " "))
    assert.equal("b c a b c a", table.concat(second, " "))
  end)

  it("takes turns of its own in each group", function()
    local policy = script.load "scripts/round_robin.lua"
    local x, y = { tags = { pool = "x" } }, { tags = { pool = "y" } }
    local backends = pool { a = x, b = x, c = y, d = y }
    local seen = {}
    for i = 1, 8 do seen[i] = policy.choose(request {}, backends:tagged("pool", i % 2 == 1 and "x" or "y")).name end
    assert.equal("a c b d a c b d", table.concat(seen, " "))
  end)

  it("chooses nobody if nobody is up", function()
    local policy = script.load "scripts/round_robin.lua"
    assert.is_nil(policy.choose(request {}, pool {}))
  end)
end)
