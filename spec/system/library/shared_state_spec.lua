-- What all workers keep together, in the running program: it is exact, and
-- survives a worker that is killed.
local json = require "dkjson"
local luv = require "luv"
local play = require "spec.support.play"

local SCRIPT = [[
local sum = lb.window("sum", 600)
local bucket = lb.bucket("bucket", { rate = 0.001, burst = 50 })

return {
  health = { interval = 0.2, timeout = 5 },
  choose = function(ctx)
    if ctx.path == "/add" then
      local taken = bucket:take "client"
      return ctx:respond { body = lb.json.encode { n = lb.incr "n", sum = sum:add(0.5), taken = taken } }
    elseif ctx.path == "/once" then
      return ctx:respond { body = lb.json.encode { won = lb.add("once:" .. ctx.query, true, 600) } }
    end
    return ctx:respond { body = lb.json.encode { n = lb.get "n" or 0, sum = sum:get(), text = lb.get "text" } }
  end,
}
]]

local function fetch(lb, target)
  local answer = lb:fetch(target)
  assert.equal(200, answer.status)
  return json.decode(answer.body)
end

describe("what workers keep together", function()
  after_each(play.curtain)

  it("is exact over four of them", function()
    local lb = play.balancer { script = SCRIPT, workers = 4 }
    local seen, taken = {}, 0
    for i = 1, 200 do
      local got = fetch(lb, "/add")
      assert.equal(i, got.n)
      assert.equal(i / 2, got.sum)
      seen[got.n] = true
      if got.taken then taken = taken + 1 end
    end
    assert.equal(200, #seen)
    assert.equal(50, taken)
    local won = 0
    for _ = 1, 20 do
      if fetch(lb, "/once?x").won then won = won + 1 end
    end
    assert.equal(1, won)
  end)

  it("is there when all of them have been killed and replaced", function()
    local lb = play.balancer { script = SCRIPT, workers = 2, may_lose_workers = true }
    for _ = 1, 60 do fetch(lb, "/add") end
    local before, children = {}, lb:children()
    for _, pid in ipairs(children) do
      before[pid] = true
      luv.kill(pid, "sigkill")
    end
    play.wait("all to be replaced", function()
      local now = lb:children()
      for _, pid in ipairs(now) do
        if before[pid] then return false end
      end
      return #now == #children
    end)
    local now = fetch(lb, "/")
    assert.same({ 60, 30 }, { now.n, now.sum })
    assert.same({ n = 61, sum = 30.5, taken = false }, fetch(lb, "/add"))
  end)
end)

describe("an event of a script", function()
  after_each(play.curtain)

  local function start(body, options)
    options = options or {}
    options.script = ("return { health = { interval = 0.2, timeout = 5 }, init = function()\n%s\nend,\n"
      .. "choose = function(ctx) return ctx:respond {} end }"):format(body)
    return play.balancer(options)
  end

  it("has the members that it was given", function()
    local lb = start [[
      lb.log.warn { message = "tenant over quota", tenant = "a\"b", used = 12.5, over = true, odd = 0/0 }
      lb.log.info "plain"
    ]]
    local event = lb:event("script", { message = "tenant over quota" })
    assert.same({ "warn", 'a"b', 12.5, true, "nan" },
      { event.level, event.tenant, event.used, event.over, (event.odd:gsub("-", "")) })
    lb:event("script", { message = "plain", level = "info" })
  end)

  it("refuses members that every event has, and values that are no text, number or boolean", function()
    local lb = start [[
      lb.log.info(select(2, pcall(lb.log.info, { message = "x", level = "high" })))
      lb.log.info(select(2, pcall(lb.log.info, { message = "x", ["a b"] = 1 })))
      lb.log.info(select(2, pcall(lb.log.info, { message = "x", list = {} })))
      lb.log.info(select(2, pcall(lb.log.info, { list = 1 })))
    ]]
    local said = {}
    play.wait("all to be told", function() return #lb:events "script" >= 4 end)
    for i, event in ipairs(lb:events "script") do said[i] = event.message end
    assert.truthy(said[1]:find("an event has a 'level' of its own", 1, true), said[1])
    assert.truthy(said[2]:find("by letters, digits and '_', not 'a b'", 1, true), said[2])
    assert.truthy(said[3]:find("'list' is a table; a member of an event is a text", 1, true), said[3])
    assert.truthy(said[4]:find("an event needs a message", 1, true), said[4])
  end)

  it("shows its members to people, too", function()
    local lb = start('lb.log.info { message = "seen", b = 2, a = "x" }', { format = "text" })
    play.wait("the line", function()
      for _, line in ipairs(lb.process.err) do
        if line:find("seen a=x b=2", 1, true) then return true end
      end
    end)
  end)
end)
