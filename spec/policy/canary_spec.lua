local pool = require("spec.support.backend").pool
local request = require "spec.support.request"
local script = require "spec.support.script"

describe("canary", function()
  local backends
  before_each(function()
    backends = pool { { name = "new", tags = { canary = "yes" } }, "old1", "old2" }
  end)

  local function with(percent)
    return script.load_text(("return require 'canary' { percent = %g }"):format(percent))
  end

  local function users_of(policy, count)
    local on_new, number = {}, 0
    for i = 1, count do
      local one, given = policy.choose(request { headers = { Cookie = "session=" .. i } }, backends)
      if one.name == "new" then
        on_new[i], number = true, number + 1
        assert.equal("canary", given.why)
      else
        assert.equal("stable", given.why)
      end
    end
    return on_new, number
  end

  it("gives a few users the new version", function()
    local _, number = users_of(with(5), 10000)
    assert.is_true(number > 400 and number < 600, number .. " of 10000")
  end)

  it("gives all or nobody the new version", function()
    assert.equal(0, select(2, users_of(with(0), 1000)))
    assert.equal(1000, select(2, users_of(with(100), 1000)))
  end)

  it("leaves a user on their side, also when the percentage is raised", function()
    local few, many = users_of(with(5), 2000), users_of(with(20), 2000)
    assert.same(few, users_of(with(5), 2000))
    for user in pairs(few) do assert.is_true(many[user]) end
  end)

  it("knows users without a session by their address", function()
    local policy, one = with(50), nil
    for _ = 1, 5 do
      local new = policy.choose(request { client_ip = "192.0.2.9" }, backends).tags.canary
      assert.is_true(one == nil or one == (new or false))
      one = new or false
    end
  end)

  it("shares the work on each side", function()
    local seen = {}
    for _ = 1, 4 do seen[with(0).choose(request {}, backends).name] = true end
    assert.same({ old1 = true, old2 = true }, seen)
  end)

  it("serves everybody when one side is gone", function()
    assert.equal("new", with(0).choose(request {}, backends:without("old1"):without "old2").name)
    assert.truthy(with(100).choose(request {}, backends:without "new").name:find "^old")
    assert.is_nil((with(5).choose(request {}, pool {})))
  end)
end)
