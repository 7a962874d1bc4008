local pool = require("spec.support.backend").pool
local request = require "spec.support.request"
local script = require "spec.support.script"

describe("weighted round robin", function()
  local policy
  before_each(function() policy = script.load "scripts/weighted_round_robin.lua" end)

  local function names(backends, count)
    local list = {}
    for i = 1, count do list[i] = policy.choose(request {}, backends).name end
    return list
  end

  local function counts(list)
    local count = {}
    for _, name in ipairs(list) do count[name] = (count[name] or 0) + 1 end
    return count
  end

  it("mixes the turns evenly", function()
    local backends = pool { { name = "a", weight = 5 }, "b", "c" }
    assert.equal("a a b a c a a", table.concat(names(backends, 7), " "))
  end)

  it("gives each its share exactly, in every round", function()
    local backends = pool { { name = "a", weight = 3 }, { name = "b", weight = 2 }, { name = "c", weight = 0.5 } }
    for _ = 1, 3 do assert.same({ a = 6, b = 4, c = 1 }, counts(names(backends, 11))) end
  end)

  it("is round robin among equals", function()
    local backends = pool { { name = "a", weight = 4 }, { name = "b", weight = 4 }, { name = "c", weight = 4 } }
    assert.equal("a b c a b c", table.concat(names(backends, 6), " "))
  end)

  it("goes by a weight that changes", function()
    local backends = pool { "a", "b" }
    assert.same({ a = 2, b = 2 }, counts(names(backends, 4)))
    backends[1]:set_weight(3)
    assert.same({ a = 6, b = 2 }, counts(names(backends, 8)))
  end)

  it("goes by the weight that a backend has while it warms up", function()
    local backends = pool { { name = "a", weight = 10, effective_weight = 1 }, { name = "b", weight = 10 } }
    assert.same({ a = 1, b = 10 }, counts(names(backends, 11)))
  end)

  it("stays smooth when a backend leaves and comes back", function()
    local backends = pool { { name = "a", weight = 2 }, "b", "c" }
    local before = names(backends, 4)
    assert.same({ b = 6, c = 6 }, counts(names(backends:without "a", 12)))
    assert.same(counts(before), counts(names(backends, 4)))
  end)

  it("never sends one backend more than its share in a row", function()
    local backends = pool { { name = "a", weight = 7 }, { name = "b", weight = 6 } }
    assert.is_nil(table.concat(names(backends, 26), ""):find "aaa")
  end)

  it("keeps its sequence short for weights without a common measure", function()
    local backends = pool { { name = "a", weight = 99991 }, { name = "b", weight = 50021 } }
    local count = counts(names(backends, 10000))
    assert.is_true(math.abs(count.a / 10000 - 99991 / 150012) < 0.001)
  end)

  it("does not go round for a second try", function()
    local backends = pool { { name = "a", weight = 5 }, "b", "c" }
    local function second() return policy.choose(request { attempts = 2 }, backends:without "b").name end
    assert.equal("a a b a", table.concat(names(backends, 4), " "))
    for _ = 1, 3 do assert.equal("c", second()) end
    assert.equal("c a a", table.concat(names(backends, 3), " "))
  end)

  it("takes turns of its own in each group", function()
    local backends = pool {
      { name = "a", tags = { pool = "x" } }, { name = "b", weight = 3, tags = { pool = "x" } },
      { name = "c", tags = { pool = "y" } }, { name = "d", tags = { pool = "y" } },
    }
    local x, y, seen = backends:tagged("pool", "x"), backends:tagged("pool", "y"), {}
    for i = 1, 16 do seen[i] = policy.choose(request {}, i % 2 == 0 and x or y).name end
    assert.same({ a = 2, b = 6, c = 4, d = 4 }, counts(seen))
  end)

  it("chooses nobody if nobody is up", function()
    assert.is_nil(policy.choose(request {}, pool {}))
  end)
end)
