-- Spans over an upgrade: another program in the place of this one, and the rings that it finds.
local collector = require "spec.support.collector"
local play = require "spec.support.play"
local upgrading = require "spec.support.upgrading"

local function settings(c)
  return ("tracing = { to = '%s', part = 1 }, health = { interval = 0.2, timeout = 5 },"):format(c.url)
end

local function ask(lb, n)
  for _ = 1, n do assert.equal(200, lb:fetch("/").status) end
end

local function distinct(spans)
  local seen, count = {}, 0
  for _, span in ipairs(spans) do
    if not seen[span.span] then count = count + 1 end
    seen[span.span] = true
  end
  return count
end

describe("an upgrade", function()
  after_each(play.curtain)

  it("keeps the spans in the rings, and sends each once", function()
    local c = collector.new()
    local lb, put = upgrading.start { settings = settings(c), backends = { play.hello "x" } }
    for round = 1, 2 do
      ask(lb, 20)
      assert.equal("upgrade", put.upgrade().event)
      ask(lb, 20)
      local spans = c:wait(80 * round)
      assert.same({ 80 * round, 80 * round }, { #spans, distinct(spans) })
    end
  end)

  it("to another layout of memory begins new rings", function()
    local c = collector.new()
    local lb, put = upgrading.start { settings = settings(c), backends = { play.hello "x" } }
    ask(lb, 5)
    c:wait(10)
    put(upgrading.other)
    assert.equal("upgrade", put.upgrade().event)
    ask(lb, 20)
    assert.equal(50, distinct(c:wait(50)))
  end)
end)
