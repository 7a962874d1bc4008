-- A hook that returns more than lb reads: a check refuses it, and at run time it is said once.

local play = require "spec.support.play"

local cases = { -- the hook, what it returns, what is said
  { "choose", "ctx:respond { status = 200 }, { why = 'x' }", "choose returned an answer and a table, which is lost" },
  { "choose", "b[1], { why = 'x' }, 3", "choose returned a third value, which is lost" },
  { "choose", "nil, 'why', 3", "choose returned a third value, which is lost" },
  { "on_failure", "'fail', { why = 'x' }", "on_failure returned a second value, which is lost" },
  { "on_response", "nil, nil, 3", "on_response returned a third value, which is lost" },
}

local function script_of(hook, values, address)
  return ("return { backends = %q, workers = 1,\n%s = function(ctx, b) return %s end }"):format(address, hook, values)
end

describe("a value that nobody reads", function()
  after_each(play.curtain)

  for _, case in ipairs(cases) do
    local hook, values, said = unpack(case)
    it(("is refused by lb check: %s returns %s"):format(hook, values), function()
      local result = play.lb { "check", play.file("some.lua", script_of(hook, values, "127.0.0.1:9")) }
      assert.equal(2, result.code, result.err)
      assert.truthy(result.err:find("some.lua:2: " .. said, 1, true), result.err)
    end)
  end

  it("is well if it is what lb reads", function()
    for _, values in ipairs { "b[1], { why = 'x' }", "nil, 'why'", "ctx:reject(503)" } do
      local result = play.lb { "check", play.file("some.lua", script_of("choose", values, "127.0.0.1:9")) }
      assert.equal(0, result.code, result.err)
    end
  end)

  it("is one event for its hook, and no breach", function()
    local lb = play.balancer { script = script_of("choose", "b[1], { why = 'x' }, 3", play.hello("x").address) }
    for _ = 1, 20 do assert.equal("x", lb:fetch("/").body) end
    lb:exchange({}, 20)
    local events = lb:events "value_dropped"
    assert.equal(1, #events)
    assert.same({ "warn", "choose", 2 }, { events[1].level, events[1].hook, events[1].line })
    assert.equal("x", lb:exchange().why)
    assert.same({}, lb:events "policy_error")
    lb:stop()
  end)
end)
