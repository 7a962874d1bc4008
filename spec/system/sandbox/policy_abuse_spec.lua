-- Scripts that reach for what is not theirs, in a running lb: its worker survives all of them.
local play = require "spec.support.play"

local function choosing(body)
  return ("return {\nhealth = { interval = 0.2 },\nchoose = function(ctx, backends)\n%s\nend,\n}\n"):format(body)
end

describe("a policy out of bounds", function()
  after_each(play.curtain)

  local function start(script)
    return play.balancer { script = script, backends = { play.hello "one", play.hello "two" } }
  end

  local function is_answered_for(lb)
    local seen = {}
    for i = 1, 4 do
      local response = lb:fetch("/" .. i)
      assert.equal(200, response.status)
      assert.is_nil(response:field "injected")
      seen[response.body] = true
    end
    assert.same({ one = true, two = true }, seen)
    lb:event "policy_error"
    assert.same({}, lb:events "worker_died")
  end

  for what, body in pairs {
    ["sets another backend's number"] = "backends[1][1] = 5000 return backends[1].in_flight and backends[1]",
    ["splits a response by changing an answer"] = [[
      local answer = ctx:respond { headers = { a = "b" } }
      answer[2] = 42
      answer[3] = { "A", "b\r\nInjected: 1\r\n" }
      return answer]],
    ["has an answer made of a metatable"] = [[
      local answer = ctx:respond {}
      answer[3] = setmetatable({ ("N"):rep(60) }, { __index = function() return "v" end })
      return answer]],
    ["calls pcall by itself without end"] = "local meta = {} meta.__call = pcall return (setmetatable({}, meta)())",
    ["turns itself into a text without end"] = [[
      local meta = {} meta.__tostring = tostring return (tostring(setmetatable({}, meta)))]],
    ["inserts far in front of a list"] = "table.insert({ 1, 2 }, '-1e9', 3)",
    ["inserts into a list that seems to be long"] = [[
      local list = {}
      for bit = 0, 30 do list[2 ^ bit] = true end
      table.insert(list, 1, true)]],
    ["sorts much with a function of the library"] = [[
      local list = {}
      for i = 1, 4e5 do list[i] = i end
      while true do pcall(table.sort, list, rawequal) end]],
  } do
    it("that " .. what .. " is answered for", function() is_answered_for(start(choosing(body))) end)
  end

  it("cannot be held up by a client that chooses what a pattern meets", function()
    local lb = start(choosing "return ctx.path:find '.-.-.-x$' and backends[1] or backends[2]")
    assert.equal(200, lb:fetch("/" .. ("a"):rep(6000)).status)
    lb:event "policy_error"
    assert.equal("two", lb:fetch("/short").body)
    assert.same({}, lb:events "worker_died")
  end)

  it("cannot continue an earlier call in a later one", function()
    local dead = play.unused_port()
    local lb = play.balancer { backends = { "127.0.0.1:" .. dead }, script = [[
      local earlier
      return {
        health = { interval = 60, fall = 100 },
        choose = function(ctx, backends)
          if not earlier then
            earlier = coroutine.running() or "none"
            coroutine.yield()
            return ctx:respond { body = ("z"):rep(100000) }
          end
          return backends.all[1], { why = tostring(earlier) }
        end,
        on_failure = function()
          if earlier ~= "none" then coroutine.resume(earlier) end
          return "fail"
        end,
      }]] }
    for i = 1, 3 do assert.equal(503, lb:fetch("/" .. i).status) end
    assert.same({}, lb:events "worker_died")
  end)

  it("that matches a pattern without end is not loaded", function()
    local script = play.file("endless.lua", "\nlocal x = (('a'):rep(30000)):find '.-.-.-.-b$'\nreturn {}\n")
    local ended = play.lb { "check", script }
    assert.equal(2, ended.code)
    assert.matches("endless.lua:2: did not end in the time", ended.err)
  end)
end)
