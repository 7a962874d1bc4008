-- Reloads ten times a second, under load.
local play = require "spec.support.play"
local balancer = require "spec.support.balancer"

describe("two seconds of reloads under load", function()
  after_each(play.curtain)

  it("lose no request, keep the alternation exact, and leave nothing behind", function()
    local result = play.run { "luajit", "infra/storm.lua", balancer.program, "2", "4", seconds = 60 }
    assert.same(0, result.code, table.concat({ result.out or "", result.err or "" }, "\n"))
  end)
end)
