-- weight = 0: a backend that gets no new requests, but those that a script sends there itself.
local play = require "spec.support.play"

local TOP = "local weighted, sticky = require 'weighted_round_robin', require 'sticky_cookie' "
local HEALTH = "health = { interval = 0.2, timeout = 5, eject_after = 3, eject_for = 60, slow_start = 1 },"

describe("a backend of weight 0", function()
  after_each(play.curtain)

  local function start(rule, weights, options)
    local origins, lines = {}, {}
    for i, weight in ipairs(weights) do
      origins[i] = options and options[i] or play.hello(tostring(i))
      lines[i] = ("{ address = '%s', name = '%d', weight = %d }"):format(origins[i].address, i, weight)
    end
    local lb = play.balancer {
      script = TOP .. ("return { %s backends = { %s }, %s }"):format(HEALTH, table.concat(lines, ", "), rule),
      workers = 2, env = { STICKY_SECRET = "s3cret" },
    }
    lb:event("backend_up", {}, #weights)
    return lb, origins
  end

  local function bodies(lb, count, options)
    local seen = {}
    for _ = 1, count do
      local answer = lb:fetch("/", options)
      seen[answer.status == 200 and answer.body or answer.status] = true
    end
    assert.same({}, lb:events "policy_error")
    return seen
  end

  local RULES = {
    ["the built-in rule"] = "", ["round_robin"] = "choose = lb.policy.round_robin,",
    ["least_in_flight"] = "choose = lb.policy.least_in_flight,", ["p2c_ewma"] = "choose = lb.policy.p2c_ewma,",
    ["random"] = "choose = lb.policy.random,",
    ["ring_hash"] = "choose = function(ctx, list) return list:ring(ctx.id) end,",
    ["weighted_round_robin"] = "choose = require('weighted_round_robin').choose,",
    ["consistent_hash"] = "choose = require('consistent_hash')({ key = function(ctx) return ctx.id end }).choose,",
    ["circuit_breaker"] = "choose = require('circuit_breaker').choose,",
    ["canary"] = "choose = require('canary').choose,",
  }

  for name, rule in pairs(RULES) do
    it("gets no new requests: " .. name, function()
      local lb = start(rule, { 1, 0, 1 })
      assert.same({ ["1"] = true, ["3"] = true }, bodies(lb, 40))
    end)

    it("gets none either if all others have that, too: " .. name, function()
      local lb = start(rule, { 0, 0 })
      assert.same({ [503] = true }, bodies(lb, 4))
      assert.equal("no backend is available", lb:exchange({ status = 503 }).why)
    end)
  end

  for name, call in pairs {
    ["round_robin"] = "lb.policy.round_robin(ctx, backends.all)",
    ["min"] = "lb.policy.least_in_flight(ctx, backends.all)",
    ["random"] = "lb.policy.random(ctx, backends.all)", ["p2c_ewma"] = "lb.policy.p2c_ewma(ctx, backends.all)",
    ["ring"] = "backends.all:ring(ctx.id)",
    ["weighted_round_robin"] = "weighted.choose(ctx, backends.all)",
  } do
    it("serves if a script sends requests there itself, whatever it chooses by: " .. name, function()
      local lb = start("choose = function(ctx, backends) return " .. call .. " end,", { 0, 0 })
      local seen = bodies(lb, 20)
      assert.truthy(seen["1"] or seen["2"])
      assert.is_nil(seen[503])
    end)
  end

  it("is not asked when others are down, but serves again with a weight", function()
    local lb, origins = start([[choose = function(ctx, backends)
      if ctx.path == "/set" then backends.all[tonumber(ctx.query)]:set_weight(1) return ctx:respond {} end
      return lb.policy.round_robin(ctx, backends)
    end,]], { 1, 0 })
    origins[1]:stop()
    lb:down(origins[1])
    assert.equal(503, lb:fetch("/").status)
    assert.equal(200, lb:fetch("/set?2").status)
    assert.equal("2", lb:fetch("/").body)
  end)

  it("is made one by set_weight(0), over all workers and at once", function()
    local lb = start([[choose = function(ctx, backends)
      local one = backends.all[1]
      if ctx.path == "/off" then one:set_weight(0) end
      if ctx.path == "/on" then one:set_weight(5) end
      if ctx.path ~= "/" then return ctx:respond { body = one.weight .. " " .. one.effective_weight } end
      return lb.policy.least_in_flight(ctx, backends)
    end,]], { 3, 1 })
    assert.same({ ["1"] = true, ["2"] = true }, bodies(lb, 20))
    assert.equal("0 0", lb:fetch("/off").body)
    assert.same({ ["2"] = true }, bodies(lb, 20))
    assert.truthy(lb:event("backend_weight", { weight = 0 }).message:find("gets no new requests", 1, true))
    assert.equal("5 5", lb:fetch("/on").body)
    assert.same({ ["1"] = true, ["2"] = true }, bodies(lb, 20))
  end)

  it("does not count as another one when a backend could be ejected", function()
    local failing = play.backend(function(conn) conn:request() end)
    local lb = start("", { 1, 0 }, { failing })
    for _ = 1, 8 do lb:fetch "/" end
    assert.same({}, lb:events "backend_ejected")
    for _ = 1, 3 do assert.not_equal(503, lb:exchange({ backend = "1" }).status) end
  end)

  it("is asked by who has its cookie, and by nobody else: sticky_cookie", function()
    local lb = start([[choose = function(ctx, backends)
      if ctx.path == "/off" then backends.all[1]:set_weight(0) return ctx:respond {} end
      return sticky.choose(ctx, backends)
    end,]], { 1, 1 })
    local cookie
    play.wait("a cookie for the first one", function()
      local answer = lb:fetch "/"
      if answer.body == "1" then cookie = "Cookie: " .. answer:field("Set-Cookie"):match "^[^;]+" .. "\r\n" end
      return cookie
    end)
    lb:fetch "/off"
    assert.same({ ["2"] = true }, bodies(lb, 10))
    assert.same({ ["1"] = true }, bodies(lb, 10, { fields = cookie }))
  end)

  it("that drains gets a request if a script returns it from backends.all", function()
    local lb = start([[choose = function(ctx, backends)
      if ctx.path == "/drain" then backends.all[1]:drain() return ctx:respond {} end
      return ctx.path == "/kept" and backends.all[1] or backends[1]
    end,]], { 1, 1 })
    lb:fetch "/drain"
    assert.equal("2", lb:fetch("/").body)
    assert.equal("1", lb:fetch("/kept").body)
  end)
end)
