local pool = require("spec.support.backend").pool
local request = require "spec.support.request"
local script = require "spec.support.script"

describe("p2c ewma", function()
  local policy
  before_each(function()
    math.randomseed(4)
    policy = script.load "scripts/p2c_ewma.lua"
  end)

  local function counts(backends, times, after)
    local count = {}
    for _, one in ipairs(backends) do count[one.name] = 0 end
    for _ = 1, times do
      local one = policy.choose(request {}, backends)
      count[one.name] = count[one.name] + 1
      if after then after(one) end
    end
    return count
  end

  it("takes the one of two that is quicker", function()
    local backends = pool { { name = "slow", ewma_ms = 50 }, { name = "quick", ewma_ms = 5 } }
    local count = counts(backends, 1000)
    assert.is_true(count.slow <= 20, count.slow .. " of 1000")
  end)

  it("counts the work that waits there", function()
    local backends = pool { { name = "busy", ewma_ms = 5, in_flight = 20 }, { name = "idle", ewma_ms = 5 } }
    local count = counts(backends, 1000)
    assert.is_true(count.busy <= 10, count.busy .. " of 1000")
  end)

  it("does not take a backend for quick that fails at once", function()
    local ill, well = { ewma_ms = 0.2, error_rate = 1 }, { ewma_ms = 20, in_flight = 2 }
    local count = counts(pool { ill = ill, well = well }, 1000)
    assert.is_true(count.ill < 400, count.ill .. " of 1000")
  end)

  it("goes by weight among those that are alike, or nearly", function()
    for _, ms in ipairs { 5, 5.5 } do
      local count = counts(pool { { name = "large", ewma_ms = ms, weight = 4 }, { name = "small", ewma_ms = 5 } }, 4000)
      assert.is_true(count.large > 3000 and count.large < 3400, count.large .. " of 4000")
    end
    local busy = pool { { name = "large", in_flight = 8, weight = 4 }, { name = "small", in_flight = 2 } }
    local count = counts(busy, 4000)
    assert.is_true(count.large > 3000 and count.large < 3400, count.large .. " of 4000")
  end)

  it("shares evenly among equals", function()
    local count = counts(pool { "a", "b", "c", "d" }, 4000)
    for _, times in pairs(count) do assert.is_true(times > 850 and times < 1150, "1000 expected, got " .. times) end
  end)

  it("gives a backend that was slow its share again once its latency has faded", function()
    local backends = pool { a = { ewma_ms = 10 }, b = { ewma_ms = 10 }, was_slow = { ewma_ms = 1000 } }
    -- As lb does it: the average fades while nothing comes, and each answer (10 ms now) moves it.
    local was_slow = backends:by_name "was_slow"
    local function pass(one)
      if one == was_slow then
        one.ewma_ms = one.ewma_ms * 0.8 + 10 * 0.2
      else
        was_slow.ewma_ms = was_slow.ewma_ms * 0.99
      end
    end
    assert.is_true(counts(backends, 100, pass).was_slow < 10)
    counts(backends, 1000, pass)
    assert.is_true(counts(backends, 1000, pass).was_slow > 200)
  end)

  it("takes the only one", function()
    assert.same({ a = 3 }, counts(pool { "a" }, 3))
  end)

  it("chooses nobody if nobody is up", function()
    assert.is_nil(policy.choose(request {}, pool {}))
  end)
end)
