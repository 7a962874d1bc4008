-- The share of the requests that each backend gets from every policy that goes by weight:
-- one request at a time, and 32 at once. And the share of a backend that answers 500 at
-- once, and so looks strong.
local play = require "spec.support.play"

local ENV = { STICKY_SECRET = "s3cret" }
local SETTINGS = "health = { interval = 60, timeout = 5, eject_after = 0 }, script = { budget_ms = 1000 },"

-- As requests of many clients are: each path is another one.
local KEY = "key = function(ctx) return ctx.path end,"

-- `chance`: draws decide, so shares vary as draws do. `knows_no_errors`: it
-- is a script's own policy. `measures`: the time that answers take decides, too.
local POLICIES = {
  round_robin = { script = "return require 'round_robin' {", ignores_weight = true },
  ["lb.policy.round_robin"] = { script = "return { choose = lb.policy.round_robin,", ignores_weight = true },
  weighted_round_robin = { script = "return require 'weighted_round_robin' {" },
  least_in_flight = { script = "return require 'least_in_flight' {" },
  ["lb.policy.least_in_flight"] = { script = "return { choose = lb.policy.least_in_flight," },
  [":min by in_flight"] = { knows_no_errors = true, script = "return { choose = function(ctx, backends) return " ..
    "backends:min(function(one) return one.in_flight / one.weight end) end," },
  ["least_in_flight of a list of its own"] = { script = "return { choose = function(ctx, backends) return " ..
    "lb.policy.least_in_flight(ctx, { unpack(backends) }) end," },
  p2c_ewma = { script = "return require 'p2c_ewma' {", chance = true, measures = true },
  ["lb.policy.p2c_ewma"] = { script = "return { choose = lb.policy.p2c_ewma,", chance = true, measures = true },
  ["lb.policy.random"] = { script = "return { choose = lb.policy.random,", chance = true },
  ["random of a list of its own"] = { script = "return { choose = function(ctx, backends) return " ..
    "lb.policy.random(ctx, { unpack(backends) }) end,", chance = true },
  ["lb.policy.ring_hash"] = { chance = true,
    script = "return { choose = function(ctx, backends) return lb.policy.ring_hash(ctx, backends, ctx.path) end," },
  consistent_hash = { script = "return require 'consistent_hash' { " .. KEY, chance = true },
  canary = { script = "return require 'canary' { percent = 0," },
  circuit_breaker = { script = "return require 'circuit_breaker' {" },
  sticky_cookie = { script = "return require 'sticky_cookie' {" },
  rate_limit = { script = "return require 'rate_limit' { rate = 1e6, burst = 1e6, " ..
    "policy = lb.policy.least_in_flight," },
}

local NAMES = {}
for name in pairs(POLICIES) do NAMES[#NAMES + 1] = name end
table.sort(NAMES)

describe("the share of each backend", function()
  after_each(play.curtain)

  local function start(policy, origins, weights)
    local list = {}
    for i, one in ipairs(origins) do
      list[i] = ("{ address = '%s', weight = %d }"):format(one.address, weights[i] or 1)
    end
    local lb = play.balancer {
      script = ("%s %s backends = { %s } }"):format(policy.script, SETTINGS, table.concat(list, ", ")), env = ENV,
      workers = 2,
    }
    lb:event("backend_up", {}, #origins)
    return lb
  end

  local sent = 0

  -- That many clients at once, each of whom sends so many requests, one after the other.
  local function send(lb, clients, times)
    local done = 0
    for _ = 1, clients do
      play.beside(function()
        local client = play.client(lb)
        for _ = 1, times do
          sent = sent + 1
          client:send(("GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"):format(sent))
          client:response()
        end
        done = done + 1
      end)
    end
    play.wait("all answers", function() return done == clients end, 60)
    assert.same({}, lb:events "policy_error")
  end

  -- Within 10 % (or the part that is given), and what chance adds: 4 standard deviations, which
  -- once in 16,000 times is too little.
  local function expect(policy, origins, weights, part)
    local sum, total = 0, 0
    for i, one in ipairs(origins) do
      if policy.ignores_weight then weights[i] = 1 end
      sum, total = sum + weights[i], total + #one.requests
    end
    for i, one in ipairs(origins) do
      local share = weights[i] / sum
      local wanted = share * total
      local bound = (part or 0.1) * wanted + (policy.chance and 4 * (wanted * (1 - share)) ^ 0.5 or 2)
      assert(math.abs(#one.requests - wanted) <= bound,
        ("of weight %d: %d of %d, expected %.0f"):format(weights[i], #one.requests, total, wanted))
    end
  end

  local function answer_after(seconds)
    return play.answering(function()
      play.pause(seconds)
      return "ok"
    end)
  end

  for _, name in ipairs(NAMES) do
    local policy = POLICIES[name]

    local function follows_its_weight()
      local origins = { play.hello "1", play.hello "2", play.hello "3" }
      local lb = start(policy, origins, { 6, 3, 1 })
      send(lb, 1, 600)
      expect(policy, origins, { 6, 3, 1 })
    end

    -- One answer that the machine holds up says of its backend, for seconds, that it is slow. That
    -- is so in some runs on a busy machine; shares that are wrong are wrong in each of five.
    it("follows its weight, one request at a time: " .. name, function()
      for _ = 1, policy.measures and 4 or 0 do
        if pcall(follows_its_weight) then return end
      end
      follows_its_weight()
    end)

    it("follows its weight, 32 requests at once: " .. name, function()
      local origins = { answer_after(0.02), answer_after(0.02), answer_after(0.02) }
      local lb = start(policy, origins, { 6, 3, 1 })
      send(lb, 32, 20)
      expect(policy, origins, { 6, 3, 1 }, 0.2) -- on a busy machine some requests take longer
    end)
  end

  for _, name in ipairs { "least_in_flight", "p2c_ewma", "weighted_round_robin", "canary", "sticky_cookie" } do
    it("follows its weight if that is 99 times the other's: " .. name, function()
      local policy, origins = POLICIES[name], { play.hello "1", play.hello "2" }
      local lb = start(policy, origins, { 99, 1 })
      send(lb, 1, 300)
      expect({ chance = true }, origins, { 99, 1 })
    end)
  end

  for _, name in ipairs(NAMES) do
    for count = 2, POLICIES[name].knows_no_errors and 1 or 3 do
      it(("is no larger for one of %d that answers 500 at once: %s"):format(count, name), function()
        local origins = { play.answering(function() return "no", "500 Internal Server Error" end) }
        for i = 2, count do origins[i] = answer_after(0.02) end
        local lb = start(POLICIES[name], origins, {})
        send(lb, 5, 40)
        local most = 200 / count * 1.1 + (POLICIES[name].chance and 4 * (200 / count * (1 - 1 / count)) ^ 0.5 or 2)
        assert(#origins[1].requests <= most, #origins[1].requests .. " of 200")
      end)
    end
  end

  it("is not changed by an error now and then: least_in_flight", function()
    local count, origins = 0, {}
    for i = 1, 3 do
      origins[i] = play.answering(function()
        count = count + 1
        return "ok", count % 20 == 0 and "500 Internal Server Error" or "200 OK"
      end)
    end
    local lb = start(POLICIES.least_in_flight, origins, { 2, 1, 1 })
    send(lb, 1, 400)
    expect({}, origins, { 2, 1, 1 })
  end)

  it("is the same for all if all fail: least_in_flight, p2c_ewma", function()
    for _, name in ipairs { "least_in_flight", "p2c_ewma" } do
      local function fail() return "no", "503 Service Unavailable" end
      local origins = { play.answering(fail), play.answering(fail) }
      local lb = start(POLICIES[name], origins, { 1, 1 })
      send(lb, 4, 50)
      expect(POLICIES[name], origins, { 1, 1 })
    end
  end)

  it("comes back to a backend that has failed: least_in_flight, p2c_ewma", function()
    for _, name in ipairs { "least_in_flight", "p2c_ewma" } do
      local fails, origins = true, {}
      origins[1] = play.answering(function() return "x", fails and "500 Internal Server Error" or "200 OK" end)
      origins[2] = play.hello "2"
      local lb = start(POLICIES[name], origins, {})
      send(lb, 1, 20)
      fails = false
      local before = #origins[1].requests
      play.wait("it to be asked again", function()
        send(lb, 1, 1)
        play.pause(0.05)
        return #origins[1].requests > before + 3
      end, 60)
    end
  end)
end)
