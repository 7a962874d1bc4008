-- lb.policy, and what ctx has besides the facts, in a running lb.
local play = require "spec.support.play"

local HEALTH = "health = { interval = 0.2, timeout = 5 },"

describe("lb.policy", function()
  after_each(play.curtain)

  local function start(policy, backends, options)
    options = options or {}
    options.backends = backends
    options.settings = HEALTH .. ("choose = lb.policy.%s,"):format(policy)
    local lb = play.balancer(options)
    for _, one in ipairs(backends) do lb:up(one) end
    return lb
  end

  it("least_in_flight sends an idle pool's sequential requests to all backends in turn", function()
    local lb = start("least_in_flight", { play.hello "1", play.hello "2", play.hello "3" }, { workers = 2 })
    local bodies = {}
    for i = 1, 12 do bodies[i] = lb:fetch("/").body end
    for i = 4, 12 do assert.equal(bodies[i - 3], bodies[i]) end
    assert(bodies[1] ~= bodies[2] and bodies[2] ~= bodies[3] and bodies[1] ~= bodies[3])
  end)

  it("p2c_ewma prefers the faster backend, and never starves a backend that was slow and recovered", function()
    local slow = 0.1
    local first = play.answering(function()
      if slow > 0 then play.pause(slow) end
      return "first"
    end)
    local second = play.answering(function()
      play.pause(0.02)
      return "second"
    end)
    local lb = start("p2c_ewma", { first, second })
    local seen = { first = 0, second = 0 }
    local function ask()
      local body = lb:fetch("/").body
      seen[body] = seen[body] + 1
      return body
    end
    play.wait("the faster one to be preferred", function()
      ask()
      return seen.second > seen.first + 5
    end)
    slow = 0
    local since = seen.first
    play.wait("the recovered one to be tried", function() return ask() == "first" and seen.first > since end, 60)
    play.wait("it to be preferred", function()
      for _ = 1, 5 do
        if ask() ~= "first" then return false end
      end
      return true
    end, 60)
  end)

  it("ring_hash sends a client to one backend, random to all", function()
    local backends = { play.hello "1", play.hello "2", play.hello "3" }
    local lb = start("ring_hash", backends, { workers = 2 })
    local one = lb:fetch("/").body
    for _ = 1, 10 do assert.equal(one, lb:fetch("/").body) end
    local other, seen = start("random", backends, { name = "other" }), {}
    play.wait("all of them", function()
      seen[other:fetch("/").body] = true
      return seen["1"] and seen["2"] and seen["3"]
    end)
  end)
end)

describe("ctx", function()
  after_each(play.curtain)

  local function start(choose, options)
    options = options or {}
    options.backends = { play.hello "one" }
    options.settings = HEALTH .. "choose = function(ctx, backends) " .. choose .. " end,"
    return play.balancer(options)
  end

  it("has cookies", function()
    local lb = start [[
      local seen = {}
      for i, name in ipairs { "a", "b", "c", "d" } do seen[i] = tostring(ctx.cookies[name]) end
      return ctx:respond { body = table.concat(seen, "|") } ]]
    local client = play.client(lb)
    client:send "GET / HTTP/1.1\r\nHost: x\r\nCookie: a=1;b = two ; a=3; nope\r\ncookie: c=x=y;d=\r\n\r\n"
    assert.equal("1|two|x=y|", client:response().body)
    client:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    assert.equal("nil|nil|nil|nil", client:response().body)
  end)

  it("has random numbers, another sequence in each worker and run", function()
    local lb = start([[
      local n, u = ctx:random(1000000), ctx:random()
      if n < 1 or n > 1000000 or n % 1 ~= 0 or u < 0 or u >= 1 then return ctx:respond { body = "bad" } end
      if ctx:random(1) ~= 1 then return ctx:respond { body = "bad" } end
      return ctx:respond { body = tostring(n) } ]], { workers = 3 })
    local seen, count = {}, 0
    for _ = 1, 50 do
      local body = lb:fetch("/").body
      assert(body ~= "bad")
      if not seen[body] then count = count + 1 end
      seen[body] = true
    end
    assert(count > 45, count)
  end)

  it("explains in the access line, bounded and escaped", function()
    local lb = start [[
      ctx:explain("tenant", 'a"\n<' .. ctx.path)
      ctx:explain("bucket", 7)
      ctx:explain("tenant", "again " .. ctx.path)
      if ctx.path == "/many" then
        for i = 1, 100 do ctx:explain("k" .. i, "v") end
        for i = 1, 1000 do ctx:explain("bucket", ("x"):rep(i)) end
      end
      return backends[1] ]]
    lb:fetch "/few"
    assert.same({ tenant = "again /few", bucket = 7 }, lb:exchange({ path = "/few" }).explain)
    lb:fetch "/many"
    local explained, count = lb:exchange({ path = "/many" }).explain, 0
    for _ in pairs(explained) do count = count + 1 end
    assert.equal(16, count)
    assert(#explained.bucket > 100 and #explained.bucket <= 1024)
    assert.is_nil(lb:events("policy_error")[1])
  end)

  it("explains in parentheses in a line for eyes", function()
    local lb = start([[ctx:explain("tenant", "a\nb") ctx:explain("n", 1) return backends[1] ]], { format = "text" })
    lb:fetch "/"
    play.wait("the line", function()
      return table.concat(lb.process.out or {}, "\n"):find("(tenant a\\nb, n 1)", 1, true)
    end)
  end)
end)
