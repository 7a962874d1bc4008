-- Attacks over HTTP/2, each for 10 s at full speed beside 100 honest clients, who get what they get
-- without it. lb ends each connection within its count, and its memory stays within limits.memory.
local h2_lb = require "spec.support.h2_lb"
local loop = require "spec.support.loop"
local play = require "spec.support.play"

local SECONDS = 10
local CLIENTS, RATE = 100, 4 -- and the requests/s of each
local MEMORY_MIB = 64
local LEAST = 0.8

-- And why lb says that it has ended a connection; nil: it takes time for that.
local ATTACKS = {
  { "rapid_reset", "streams that are reset" }, { "made_you_reset", "WINDOW_UPDATE of nothing" },
  { "malformed", "no valid field name" }, { "too_many", "streams beyond twice the limit" },
  { "continuation", "a head in too many frames" }, { "settings", "SETTINGS frames" }, { "ping", "PING frames" },
  { "priority", "PRIORITY frames" }, { "empty_data", "empty DATA frames" },
  { "window_update", "WINDOW_UPDATE frames" }, { "hpack_bomb", "a head far beyond limits.head" }, { "window_stall" },
}

-- lb, in front of another one that has the answers.
local function start()
  local behind = play.balancer { name = "behind", settings = [[
    choose = function(ctx) return ctx:respond { body = ("x"):rep(10000) } end,]] }
  return h2_lb.start { backends = { behind.address }, settings = ([[
    limits = { memory = %d * 1024 * 1024 }, timeouts = { response_body = 2 },]]):format(MEMORY_MIB) }
end

-- How many answers honest clients get in SECONDS, and the most memory that lb has used meanwhile.
local function honest(lb)
  local got, is_over = { memory = 0 }, false
  play.beside(function()
    local said = play.run {
      "h2load", "-t", "1", "-c", tostring(CLIENTS), "--rps", tostring(RATE), "-n", tostring(CLIENTS * RATE * SECONDS),
      "http://" .. lb.address .. "/", seconds = 60,
    }
    got.answers = tonumber(said.out:match "(%d+) 2xx") or 0
    got.seconds = tonumber(said.out:match "finished in ([%d.]+)s") or SECONDS
    is_over = true
  end)
  while not is_over do
    got.memory = math.max(got.memory, play.memory(lb) / 1024)
    loop.pause(0.05)
  end
  got.answers = got.answers / math.max(got.seconds, SECONDS) * SECONDS
  return got
end

-- The attacker gets what CPU is left: it stands for other machines.
local function attack(kind, lb)
  local attacker = play.start { "nice", "-n", "19", "luajit", "spec/world/h2_attacker.lua", kind, lb.address }
  play.wait("the attacker", function() return attacker.out[1] or attacker.exit end)
  local got = honest(lb)
  attacker:signal "sigterm"
  attacker:wait_exit(30)
  local line = attacker.out[2] or table.concat(attacker.err, "\n")
  got.ended, got.calm, got.left = line:match "^ended (%d+), by GOAWAY (%d+), left (%d+)$"
  assert.truthy(got.ended, line)
  got.ended, got.calm, got.left = tonumber(got.ended), tonumber(got.calm), tonumber(got.left)
  return got
end

describe("honest clients of HTTP/2", function()
  after_each(h2_lb.clear)

  local usual
  it("are served without an attack", function()
    usual = honest(start())
    assert.truthy(usual.answers > CLIENTS * RATE * SECONDS / 2, usual.answers)
  end)

  for _, one in ipairs(ATTACKS) do
    local kind, why = one[1], one[2]
    it(("are served beside the attack '%s' as without it, and each attacker is ended"):format(kind), function()
      local lb = start()
      local is_served, shown, connections
      for _ = 1, 3 do -- the machine may have been busy with other things
        local got = attack(kind, lb)
        shown = ("%-14s %5.0f requests (%.0f), %d attackers ended, %d by GOAWAY, %.0f MiB (%.0f)"):format(kind,
          got.answers, usual.answers, got.ended, got.calm, got.memory, usual.memory)
        print(shown)
        assert.equal(0, got.left, shown)
        assert.truthy(got.ended >= 20, shown)
        assert.truthy(got.memory < usual.memory + MEMORY_MIB, shown)
        connections = (connections or 0) + got.ended
        is_served = got.answers >= LEAST * usual.answers
        if is_served then break end
      end
      assert.truthy(is_served, shown)
      -- One event for each, those of 10 s together in one.
      local told = 0
      for _, event in ipairs(lb:events "h2_abuse") do
        assert.equal(why, event.why)
        told = told + event.connections
      end
      assert.truthy(why and told > 0 and told <= connections or not why and told == 0, told .. " connections told")
    end)
  end
end)
