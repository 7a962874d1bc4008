local pool = require("spec.support.backend").pool
local request = require "spec.support.request"
local script = require "spec.support.script"

describe("balancer.lua", function()
  local policy
  before_each(function() policy = script.load "balancer.lua" end)

  local function chosen(backends, ctx)
    local backend = policy.choose(ctx or request {}, backends)
    return backend and backend.name
  end

  it("listens on port 3030 in front of two backends", function()
    assert.equal("0.0.0.0:3030", policy.listen)
    assert.equal("127.0.0.1:9001, 127.0.0.1:9002", policy.backends)
  end)

  it("takes addresses from the environment", function()
    policy = script.load("balancer.lua", { env = { LISTEN = "[::1]:80", BACKENDS = "a:1, b:2" } })
    assert.equal("[::1]:80", policy.listen)
    assert.equal("a:1, b:2", policy.backends)
  end)

  it("sends requests to the backends in turn", function()
    local backends = pool { "a", "b", "c" }
    local seen = {}
    for i = 1, 6 do seen[i] = chosen(backends) end
    assert.same({ "a", "b", "c", "a", "b", "c" }, seen)
  end)

  it("shares the requests among those that are up", function()
    local backends = pool { "a", { name = "b", state = "down" }, "c" }:up_only()
    local seen = {}
    for i = 1, 4 do seen[i] = chosen(backends) end
    assert.same({ "a", "c", "a", "c" }, seen)
  end)

  it("chooses nobody if nobody is up", function()
    assert.is_nil(chosen(pool {}))
  end)

  describe("after a failure", function()
    local backend = pool({ "a" })[1]

    local function verdict(kind, facts)
      return policy.on_failure(request(facts), backend, { kind = kind, phase = "connect", message = "" })
    end

    it("tries the same backend again up to 3 times if it could not connect", function()
      assert.equal("retry", verdict("connect", { retries = 0 }))
      assert.equal("retry", verdict("connect", { retries = 2 }))
      assert.equal("next", verdict("connect", { retries = 3 }))
    end)

    it("goes to the next backend at once if it did not answer in time", function()
      assert.equal("next", verdict("timeout", { retries = 0 }))
      assert.equal("next", verdict("reset", { retries = 0 }))
    end)

    it("gives up after 3 backends", function()
      assert.equal("next", verdict("timeout", { attempts = 2 }))
      assert.equal("fail", verdict("timeout", { attempts = 3 }))
      assert.equal("fail", verdict("connect", { attempts = 3, retries = 3 }))
    end)

    it("still tries the third backend again", function()
      assert.equal("retry", verdict("connect", { attempts = 3, retries = 0 }))
    end)
  end)
end)
