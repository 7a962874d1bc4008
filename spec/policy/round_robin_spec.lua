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

  it("chooses nobody if nobody is up", function()
    local policy = script.load "scripts/round_robin.lua"
    assert.is_nil(policy.choose(request {}, pool {}))
  end)
end)
