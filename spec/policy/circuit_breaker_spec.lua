local pool = require("spec.support.backend").pool
local request = require "spec.support.request"
local script = require "spec.support.script"

describe("circuit breaker", function()
  local policy, world
  before_each(function() policy, world = script.load "scripts/circuit_breaker.lua" end)

  local function serve(backends, times)
    for _ = 1, times do
      local one = policy.choose(request {}, backends:up_only())
      assert.equal("up", one.state)
    end
  end

  local function out(backends)
    local names = {}
    for _, one in ipairs(backends) do
      if one.state ~= "up" then names[#names + 1] = one.name end
    end
    return table.concat(names, " ")
  end

  it("puts a backend out that fails too often", function()
    local backends = pool { "a", "b", { name = "ill", error_rate = 0.8 }, "c" }
    serve(backends, 200)
    assert.equal("ill", out(backends))
    assert.equal(30, backends[3].ejected_for)
    assert.equal("80 % errors", backends[3].ejected_why)
  end)

  it("leaves those alone that fail now and then", function()
    local backends = pool { { name = "a", error_rate = 0.4 }, "b" }
    serve(backends, 200)
    assert.equal("", out(backends))
  end)

  it("does not judge by a few requests", function()
    local backends = pool { { name = "a", error_rate = 1 }, "b" }
    serve(backends, 40)
    assert.equal("", out(backends))
    world:advance(10)
    serve(backends, 40)
    assert.equal("", out(backends))
    serve(backends, 2)
    assert.equal("a", out(backends))
  end)

  it("never puts more than half of them out", function()
    local all_ill = {}
    for i = 1, 5 do all_ill[i] = { name = "b" .. i, error_rate = 1 } end
    local backends = pool(all_ill)
    serve(backends, 1000)
    assert.equal(2, select(2, out(backends):gsub("%S+", "")))
  end)

  it("counts those that are down as out", function()
    local backends = pool { { name = "a", error_rate = 1 }, { name = "b", state = "down" }, "c", "d" }
    serve(backends, 200)
    assert.equal("a b", out(backends))
    backends = pool { { name = "a", error_rate = 1 }, { name = "b", state = "down" }, "c" }
    serve(backends, 200)
    assert.equal("b", out(backends))
  end)

  it("never puts the last one out", function()
    local backends = pool { { name = "a", error_rate = 1 } }
    serve(backends, 100)
    assert.equal("", out(backends))
    assert.is_nil(policy.choose(request {}, pool {}))
  end)

  it("uses more careful numbers if they are given", function()
    policy = script.load_text "return require 'circuit_breaker' { error_rate = 0.1, requests = 1, cap = 1 }"
    local backends = pool { { name = "a", error_rate = 0.2 }, { name = "b", error_rate = 0.2 } }
    serve(backends, 10)
    assert.equal(1, #out(backends))
  end)
end)
