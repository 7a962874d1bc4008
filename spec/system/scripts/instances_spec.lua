-- Scripts that are required twice, and limits that change: what workers share has a name for each,
-- which depends on no setting that may change.
local core = require "spec.support.core"
local loaded = require "spec.support.loaded"
local play = require "spec.support.play"
local reloading = require "spec.support.reloading"

local OK = [[policy = function(ctx) return ctx:respond { body = "ok" } end]]

local function passed(lb, count, target, fields)
  local number = 0
  for _ = 1, count do
    if lb:fetch(target or "/", { fields = fields }).status == 200 then number = number + 1 end
  end
  return number
end

describe("of two", function()
  after_each(play.curtain)

  it("rate limits, one in the other, the stricter one decides", function()
    local strict, lenient = "0.001, burst = 5", "1000, burst = 100"
    for inner, outer in pairs { [strict] = lenient, [lenient] = strict } do
      local lb = play.balancer { workers = 2, script = ([[
        local inner = require "rate_limit" { rate = %s, %s }
        return require "rate_limit" { rate = %s, policy = inner.choose }]]):format(inner, OK, outer) }
      assert.equal(5, passed(lb, 20))
    end
  end)

  it("rate limits of the same rate each counts its own keys", function()
    local lb = play.balancer { workers = 2, script = ([[
      local function by(name) return function(ctx) return ctx.headers:one(name) or "" end end
      local inner = require "rate_limit" { rate = 0.001, burst = 3, key = by "x-user", %s }
      return require "rate_limit" { rate = 0.001, burst = 3, key = by "x-key", policy = inner.choose }]]):format(OK) }
    assert.equal(1, passed(lb, 1, "/", "X-User: a\r\nX-Key: b\r\n"))
    assert.equal(3, passed(lb, 9, "/", "X-User: b\r\nX-Key: a\r\n"))
    assert.equal(2, passed(lb, 9, "/", "X-User: a\r\nX-Key: c\r\n"))
  end)

  it("or more limits that are made in a loop each has its buckets, the same ones in all workers", function()
    local lb = play.balancer { workers = 4, script = ([[
      local limits, order = {}, {}
      for plan, burst in pairs { gold = 8, silver = 4, bronze = 2, iron = 1 } do
        limits[plan] = require "rate_limit" { rate = 0.001, burst = burst, %s }
        order[#order + 1] = plan
      end
      return { choose = function(ctx, backends)
        if ctx.path == "/order" then return ctx:respond { body = table.concat(order, " ") } end
        return limits[ctx.headers:one "x-plan"].choose(ctx, backends)
      end }]]):format(OK) }
    for plan, burst in pairs { gold = 8, silver = 4, bronze = 2, iron = 1 } do
      assert.equal(burst, passed(lb, 16, "/", "X-Plan: " .. plan .. "\r\n"), plan)
    end
    for _ = 1, 8 do assert.equal("bronze gold iron silver", lb:fetch("/order").body) end
  end)

  it("tenant quotas, one in the other, each has its windows", function()
    local lb = play.balancer { workers = 2, script = ([[
      local inner = require "tenant_quota" { header = "X-User", others = 3, %s }
      return require "tenant_quota" { header = "X-Org", quotas = { acme = 5 }, others = 100, policy = inner.choose }
    ]]):format(OK) }
    assert.equal(3, passed(lb, 4, "/", "X-Org: other\r\n"))
    assert.equal(0, passed(lb, 4, "/", "X-Org: acme\r\n"))
  end)

  it("backends with long names, the breaker judges each by its own requests", function()
    local long = ("x"):rep(55)
    local failing = play.answering(function() return "failing", "500 Oops" end)
    local lb = play.balancer { script = ([[
      return require "circuit_breaker" { requests = 10, cap = 1, health = { interval = 0.2, timeout = 5 },
        backends = { { name = "a%s", address = "%s" }, { name = "b%s", address = "%s" } } }]]):format(
        long, failing.address, long, play.hello("fine").address) }
    for _ = 1, 16 do lb:fetch "/" end
    assert.equal(0, #lb:events "backend_ejected")
    play.wait("enough requests to judge by", function()
      lb:fetch "/"
      return #lb:events "backend_ejected" > 0
    end)
    assert.equal("a" .. long, lb:events("backend_ejected")[1].backend)
  end)
end)

describe("a limit", function()
  after_each(play.curtain)

  local function limit(rate, burst)
    return ([[return require "rate_limit" { rate = %s, burst = %s, health = { interval = 0.2, timeout = 5 }, %s }]]):
      format(rate, burst, OK)
  end

  it("that a reload raises counts at once", function()
    local lb, say = reloading.start(limit(0.0001, 1))
    assert.equal(1, passed(lb, 3))
    assert.equal("reload", say(limit(1000, 1)).event)
    -- One of the old rate would come in 10,000 s.
    play.wait("a token of the new rate", function() return passed(lb, 1) == 1 end, 10)
  end)

  it("that a reload does not change continues where it was", function()
    local lb, say = reloading.start(limit(0.0001, 5))
    assert.equal(3, passed(lb, 3))
    assert.equal("reload", say("-- the same\n" .. limit(0.0001, 5)).event)
    assert.equal(2, passed(lb, 5))
    assert.equal("reload", say(limit(0.0002, 4)).event)
    assert.equal(0, passed(lb, 5))
  end)

  it("that a reload lowers holds no more than the new one", function()
    local lb, say = reloading.start(limit(0.0001, 50))
    assert.equal(1, passed(lb, 1))
    assert.equal("reload", say(limit(0.0001, 2)).event)
    assert.equal(2, passed(lb, 5))
  end)
end)

describe("one name", function()
  local segment

  setup(function() segment = core.segment_new() end)
  teardown(function() core.segment_free(segment) end)
  after_each(play.curtain)

  local function refuses(second, wanted)
    assert.equal("t.lua:2: lb.bucket: 'a' has rate = 1, burst = 1 already, at t.lua:1; give one of them another name",
      loaded.run(segment, "local a = lb.bucket('a', { rate = 1 })\nlocal b = lb.bucket('a', " .. second .. ")"), wanted)
  end

  it("with two rates is an error, with both lines", function()
    refuses "{ rate = 2, burst = 1 }"
    refuses "{ rate = 1, burst = 2 }"
  end)

  it("with one rate is one bucket", function()
    assert.is_nil(loaded.run(segment, [[
      local a, b = lb.bucket("b", { rate = 1e-4, burst = 2 }), lb.bucket("b", { rate = 1e-4, burst = 2, full = "open" })
      assert(a:take "x" and b:take "x" and not a:take "x")]]))
  end)

  it("may have another rate in a hook", function()
    local lb = play.balancer { script = [[
      local bucket = lb.bucket("b", { rate = 0.001, burst = 1 })
      return { choose = function(ctx)
        if ctx.path == "/raise" then bucket = lb.bucket("b", { rate = 1000, burst = 5 }) end
        return ctx:respond { body = tostring((bucket:take "x")) }
      end }]] }
    assert.equal("true", lb:fetch("/").body)
    assert.equal("false", lb:fetch("/").body)
    lb:fetch "/raise"
    play.wait("a token of the new rate", function() return lb:fetch("/").body == "true" end, 10)
    assert.equal(0, #lb:events "policy_error")
  end)
end)

describe("the name that lb.script gives", function()
  after_each(play.curtain)

  it("differs for each table that is made, and for modules whose names differ at the end", function()
    local folder = play.directory()
    local module = [[
      return lb.script({ n = 0 }, function(_, name)
        lb.counter(name) lb.bucket(name, { rate = 1 })
        return { text = name, choose = function() end }
      end)]]
    local long = ("m"):rep(60)
    for _, name in ipairs { "short", long .. "a", long .. "b" } do
      local file = assert(io.open(folder .. "/" .. name .. ".lua", "w"))
      file:write(module)
      file:close()
    end
    local path = folder .. "/balancer.lua"
    local file = assert(io.open(path, "w"))
    file:write(([[
      local a, b, short = require "%sa", require "%sb", require "short"
      local names, seen = { a {}.text, b {}.text, a {}.text, short.text, short {}.text, short {}.text }, {}
      for _, name in ipairs(names) do
        assert(#name <= 40 and not seen[name], name)
        seen[name] = true
      end
      assert(names[6] == "short:3", names[6])
      return { backends = "127.0.0.1:1", choose = function(ctx) return ctx:respond { body = "good" } end }
    ]]):format(long, long))
    file:close()
    assert.equal("good", play.balancer { file = path }:fetch("/").body)
  end)
end)
