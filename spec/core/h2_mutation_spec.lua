-- Mutated conversations of HTTP/2, with owners that do anything: however they are cut, the owner
-- sees the same, and what goes out can be decoded. Under the sanitizers nothing is touched that is
-- gone. H2_MUTATIONS=100000 H2_SEED=2 in the environment for more and others.
local mutate = require "spec.support.mutate"
local mutated_h2 = require "spec.support.mutated_h2"

local NUMBER = tonumber(os.getenv "H2_MUTATIONS") or 2000

describe("mutated conversations of HTTP/2", function()
  it("are understood the same however they are cut, and answered with frames that are right", function()
    local findings, counts = mutated_h2.run { seed = tonumber(os.getenv "H2_SEED") or 1, from = 1, to = NUMBER }
    local list = {}
    for i, one in ipairs(findings) do
      list[i] = ("%d:%d %s; %s"):format(one.seed, one.number, one.what, mutate.escaped(one.bytes, 600))
    end
    assert.same({}, list)
    -- Neither all of them nor none: else it says nothing.
    assert.is_true(counts.whole > NUMBER / 10 and counts.broken > NUMBER / 10, counts.whole .. " whole")
  end)
end)
