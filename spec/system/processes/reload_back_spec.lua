-- A script may be right where it is tried, and wrong only in a worker: it asks
-- for what all workers share.
local play = require "spec.support.play"
local reloading = require "spec.support.reloading"

local answering = reloading.answering

local function bodies(lb, count)
  local seen = {}
  for i = 1, count do
    local answer = lb:fetch "/"
    seen[i] = answer and answer.body or "nothing"
  end
  return table.concat(seen, " ")
end

local function same(body, count) return (body .. " "):rep(count):sub(1, -2) end

describe("a script that only a worker finds wrong", function()
  after_each(play.curtain)

  it("changes nothing: all workers keep the script that they have", function()
    local lb, say = reloading.start(answering "old", { workers = 4 })
    local event = say("for i = 1, 40 do lb.counter('a' .. i) end\n" .. answering "new")
    assert.equal("reload", event.event)
    say("lb.set('one', true)\n" .. answering "newer")
    event = say("local x\nif lb.get 'one' then error 'not here' end\n" .. answering "wrong")
    assert.equal("reload_refused", event.event)
    assert.equal(2, event.line)
    assert.truthy(event.error:find("not here", 1, true), event.error)
    assert.equal(same("newer", 12), bodies(lb, 12))
    assert.equal("reload", say(answering "newest").event)
    assert.equal(same("newest", 12), bodies(lb, 12))
  end)

  it("is taken back from those that have it", function()
    local one, two = play.hello "1", play.hello "2"
    local lb, say = reloading.start(reloading.in_turn { one }, { workers = 4 })
    for round = 1, 3 do
      local event = say(("if lb.incr 'loads %d' > 2 then error 'two are enough' end\n"):format(round)
        .. reloading.in_turn { two })
      assert.equal("reload_refused", event.event)
      assert.truthy(event.error:find("two are enough", 1, true), event.error)
      assert.equal(same("1", 12), bodies(lb, 12))
    end
    assert.equal("reload", say(reloading.in_turn { two }).event)
    assert.equal(same("2", 12), bodies(lb, 12))
  end)

  it("is what a worker that is started in its place does not find, either", function()
    local lb, say = reloading.start(answering "old", { workers = 2, may_lose_workers = true })
    say("lb.set('one', true)\n" .. answering "newer")
    say("if lb.get 'one' then error 'not here' end\n" .. answering "wrong")
    for _, pid in ipairs(lb:children()) do require("luv").kill(pid, "sigkill") end
    lb:event("worker_died", nil, 2)
    assert.equal(same("newer", 8), bodies(lb, 8))
  end)

  it("is taken back if it never ends there", function()
    local lb, say = reloading.start(answering "old", { workers = 2 })
    say("lb.set('one', true)\n" .. answering "newer")
    local event = say("while lb.get 'one' do end\n" .. answering "wrong")
    assert.equal("reload_refused", event.event)
    assert.equal(same("newer", 8), bodies(lb, 8))
  end)
end)
