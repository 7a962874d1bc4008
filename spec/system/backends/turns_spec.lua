-- Whose turn it is, in a running lb: turns of each group's own, and none for a second try.
local play = require "spec.support.play"

local HEALTH = "health = { interval = 60, timeout = 5, eject_after = 0 },"

describe("turns", function()
  after_each(play.curtain)

  local function hellos(count)
    local list = {}
    for i = 1, count do list[i] = play.hello(tostring(i)) end
    return list
  end

  local function pools(list, tags)
    local lines = {}
    for i, one in ipairs(list) do
      lines[i] = ("{ address = '%s', name = '%d', tags = { %s } }"):format(one.address, i, tags[i])
    end
    return "backends = { " .. table.concat(lines, ", ") .. " },"
  end

  local PAIRS = { "pool = 'a'", "pool = 'a'", "pool = 'b'", "pool = 'b'" }

  local function start(script, options)
    options = options or {}
    options.script = script
    local lb = play.balancer(options)
    local count = select(2, script:gsub("127%.0%.0%.1:", "")) + #(options.backends or {})
    lb:event("backend_up", {}, count)
    return lb
  end

  local function asked(lb, paths)
    local seen = {}
    for i, path in ipairs(paths) do seen[i] = lb:fetch(path).body end
    return table.concat(seen)
  end

  local function alternately(times)
    local paths = {}
    for i = 1, times do paths[i] = i % 2 == 1 and "/a" or "/b" end
    return paths
  end

  local POLICIES = {
    ["lb.policy.round_robin"] = "lb.policy.round_robin(ctx, pool)",
    ["a counter"] = "turn:next(ctx, pool)",
    ["lb.policy.least_in_flight"] = "lb.policy.least_in_flight(ctx, pool)",
    [":min"] = "pool:min(function(one) return one.in_flight end)",
    ["weighted_round_robin"] = "weighted(ctx, pool)",
  }

  for name, call in pairs(POLICIES) do
    it("are each group's own, of requests that alternate between two: " .. name, function()
      local list = hellos(4)
      local lb = start(([[
        local turn, weighted = lb.counter "turn", require("weighted_round_robin").choose
        return { %s %s choose = function(ctx, backends)
          local pool = backends:tagged("pool", ctx.path:sub(2, 2))
          return %s
        end }]]):format(HEALTH, pools(list, PAIRS), call), { workers = 4 })
      local seen = asked(lb, alternately(16))
      assert.truthy(seen == ("1324"):rep(4) or seen == ("1423"):rep(4) or seen == ("2314"):rep(4)
        or seen == ("2413"):rep(4), seen)
    end)
  end

  it("of lists that a script makes itself leave nobody out", function()
    local list = hellos(4)
    local lb = start(([[
      return { %s %s choose = function(ctx, backends)
        local mine = {}
        for _, one in ipairs(backends) do
          if one.tags.pool == ctx.path:sub(2, 2) then mine[#mine + 1] = one end
        end
        return lb.policy.round_robin(ctx, mine)
      end }]]):format(HEALTH, pools(list, PAIRS)), { workers = 2 })
    asked(lb, alternately(40))
    for i = 1, 4 do assert(math.abs(#list[i].requests - 10) <= 2, i .. " got " .. #list[i].requests) end
  end)

  it("take no names of counters, whatever clients ask for", function()
    local list = hellos(4)
    local lb = start(([[
      return { %s %s script = { budget_ms = 5000 }, choose = function(ctx, backends)
        if ctx.path == "/names" then
          local count = 0
          while pcall(lb.counter, "n" .. count + 1) do count = count + 1 end
          return ctx:respond { body = tostring(count) }
        end
        for i = 1, 200 do
          assert(lb.policy.round_robin(ctx, backends:tagged("pool", ctx.path .. i)) == nil)
          lb.policy.round_robin(ctx, backends:tagged("pool", i %% 2 == 1 and "a" or "b"))
        end
        return lb.policy.round_robin(ctx, backends)
      end }]]):format(HEALTH, pools(list, PAIRS)))
    local paths = {}
    for i = 1, 40 do paths[i] = "/" .. i end
    assert.equal(("1234"):rep(10), asked(lb, paths))
    assert(tonumber(lb:fetch("/names").body) > 1000)
  end)

  local function first_tries(lb, count)
    lb:exchange(nil, count)
    local seen = {}
    for i, line in ipairs(lb:exchanges()) do seen[i] = line.tries[1].backend end
    return seen
  end

  local RULES = {
    ["the built-in rule"] = "",
    ["balancer.lua"] = "choose = function(ctx, backends) return turn:next(ctx, backends) end,",
    ["lb.policy.round_robin"] = "choose = lb.policy.round_robin,",
    ["lb.policy.least_in_flight"] = "choose = function(ctx, list) return list:min(function() return 0 end) end,",
    ["weighted_round_robin"] = "choose = require('weighted_round_robin').choose,",
    ["a failing script"] = "choose = function() error 'no' end,",
  }

  for name, rule in pairs(RULES) do
    it("are not taken by the second try of a request: " .. name, function()
      local bad = play.answering(function() return "no", "503 Service Unavailable" end)
      local good, better = play.hello "2", play.hello "3"
      local lb = start(([[
        local turn = lb.counter "turn"
        return { %s limits = { retry_budget = 1 }, script = { park = 0 }, %s
          on_response = function(ctx, backend, res) if res.status == 503 then return "next" end end,
        }]]):format(HEALTH, rule), { backends = { bad, good, better } })
      for _ = 1, 12 do assert.equal(200, lb:fetch("/").status) end
      local seen, name_of = {}, { [bad.address] = "1", [good.address] = "2", [better.address] = "3" }
      for i, address in ipairs(first_tries(lb, 12)) do seen[i] = name_of[address] end
      local text = table.concat(seen)
      assert.truthy((text:sub(1, 3) .. text:sub(1, 3)):find("123", 1, true), text)
      assert.equal(text:sub(1, 3):rep(4), text)
      for _, line in ipairs(lb:exchanges()) do
        if line.tries[2] then assert.equal(good.address, line.tries[2].backend) end
      end
    end)
  end

  it("are not taken again by a request whose backend was full", function()
    local full, one, other = play.blocked(), play.hello "2", play.hello "3"
    local lb = start(([[
      return { %s backends = {
        { address = "%s", max_in_flight = 1 }, "%s", "%s",
      } }]]):format(HEALTH, full.address, one.address, other.address))
    for _ = 1, 3 do -- one request stays at the backend that never answers
      play.client(lb):send "GET /held HTTP/1.1\r\nHost: x\r\n\r\n"
    end
    play.wait("two to be served", function() return #one.requests + #other.requests == 2 end)
    for _ = 1, 12 do assert.equal(200, lb:fetch("/").status) end
    assert.equal(1 + 8, #one.requests)   -- its own turns, and its neighbour's
    assert.equal(1 + 4, #other.requests)
  end)

  it("are taken in a group of their own by a try that goes there from another", function()
    local bad = play.answering(function() return "no", "503 Service Unavailable" end)
    local list = { bad, play.hello "2", play.hello "3" }
    local lb = start(([[
      return { %s %s limits = { retry_budget = 1 },
        choose = function(ctx, backends)
          return lb.policy.round_robin(ctx, backends:tagged("tier", ctx.attempts == 1 and "one" or "two"))
        end,
        on_response = function(ctx, backend, res) if res.status == 503 then return "next" end end,
      }]]):format(HEALTH, pools(list, { "tier = 'one'", "tier = 'two'", "tier = 'two'" })))
    assert.equal("232323", asked(lb, { "/", "/", "/", "/", "/", "/" }))
  end)

  for wrong, said in pairs {
    ["turn:next(ctx)"] = "counter:next(ctx, backends) needs the list of backends, got nil",
    ["turn:next(backends, ctx)"] = "counter:next(ctx, backends) needs the ctx of this call",
    ["turn:next(ctx, backends, 1)"] = "counter:next(ctx, backends, order): order is a list of places, not a number",
    ["turn:next(#backends, backends)"] = "counter:next(n) takes a number alone; of backends write next(ctx, backends)",
    ["turn:next()"] = "counter:next(n) needs a number, got nil",
    ["turn.next(ctx, backends)"] = "call it on a counter, with a colon: counter:next(n)",
  } do
    it("say what is wrong with " .. wrong, function()
      local lb = start(([[
local turn = lb.counter "turn"
return { %s choose = function(ctx, backends)
  local one = %s
  return one
end }]]):format(HEALTH, wrong), { backends = { play.hello "one" } })
      assert.equal("one", lb:fetch("/").body)
      local event = lb:event("policy_error")
      assert.truthy(event.message:find("balancer.lua:3: " .. said, 1, true), event.message)
    end)
  end

  it("are taken after an await as before it", function()
    local bad = play.answering(function() return "no", "503 Service Unavailable" end)
    local lb = start(([[
      local turn = lb.counter "turn"
      return { %s limits = { retry_budget = 1 },
        choose = function(ctx, backends)
          lb.sleep(ctx.path == "/long" and 0.02 or 0.001)
          return turn:next(ctx, backends)
        end,
        on_response = function(ctx, backend, res) if res.status == 503 then return "next" end end,
      }]]):format(HEALTH), { backends = { bad, play.hello "2", play.hello "3" } })
    local done, count = 0, { ["2"] = 0, ["3"] = 0 }
    for i = 1, 6 do
      play.beside(function()
        local body = lb:fetch(i % 2 == 0 and "/long" or "/").body
        count[body], done = count[body] + 1, done + 1
      end)
    end
    play.wait("all answers", function() return done == 6 end)
    -- Each has a third, and the neighbour has the third of the failed backend, too.
    assert.same({ ["2"] = 4, ["3"] = 2 }, count)
    assert.same({}, lb:events "policy_error")
  end)

  it("of a list that was kept may be taken in a timer, which has no request", function()
    local lb = start(([[
      local kept
      lb.every(0.05, function()
        if not kept then return end
        local seen = {}
        for i = 1, 4 do seen[i] = lb.policy.round_robin(nil, kept).name end
        for i = 5, 8 do seen[i] = kept:min(function() return 0 end).name end
        lb.log.info(table.concat(seen))
        kept = nil
      end)
      return { %s %s choose = function(ctx, backends)
        kept = backends:tagged("pool", "a")
        return backends[4]
      end }]]):format(HEALTH, pools(hellos(4), PAIRS)))
    assert.equal("4", lb:fetch("/").body)
    assert.equal("12121212", lb:event("script").message)
  end)
end)
