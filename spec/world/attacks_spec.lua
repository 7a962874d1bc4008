-- Attacks on a TLS port, each with honest clients beside it, who get what they get without it; and
-- the memory of lb stays within limits.memory.
local certificates = require "spec.support.certificates"
local loop = require "spec.support.loop"
local play = require "spec.support.play"
local tls = require "spec.support.tls"

local GET = "GET / HTTP/1.1\r\nHost: lb.test\r\n\r\n"
local SECONDS = 6
local KEPT, RATE = 20, 20 -- connections that stay, and the requests/s of each
local NEW = 80            -- and new ones
local MEMORY_MIB = 64
local LEAST = 0.8

local ATTACKS = { "slow", "half_open", "flood", "huge", "plain", "renegotiate", "update" }

local function start()
  return play.balancer {
    listen = false, script = ([[return {
      listen = { { "127.0.0.1:0", tls = true } }, limits = { memory = %d * 1024 * 1024 }, %s
      choose = function(ctx) return ctx:respond { body = "x" } end,
    }]]):format(MEMORY_MIB, certificates.settings { certificates.new { names = { "lb.test" } } }),
  }
end

-- What honest clients get in SECONDS, by connections that stay and by new ones; and the most memory
-- that lb has used meanwhile.
local function honest(lb)
  local got, most = { kept = 0, new = 0, memory = 0 }, 0
  local is_over
  play.beside(function()
    local said = play.run {
      "h2load", "--h1", "-t", "1", "-c", tostring(KEPT), "--rps", tostring(RATE), "-n", tostring(KEPT * RATE * SECONDS),
      "https://" .. lb.address .. "/", seconds = 60,
    }
    got.kept = tonumber(said.out:match "(%d+) 2xx") or 0
    got.seconds = tonumber(said.out:match "finished in ([%d.]+)s") or SECONDS
    is_over = true
  end)
  local begun, ended, from = 0, 0, play.now()
  local function visit()
    local client = tls.client(lb, { name = "lb.test", may_fail = true })
    if client then
      client:send(GET)
      if client:response().body == "x" and play.now() < from + SECONDS * 1.25 then got.new = got.new + 1 end
      client:close()
    end
    ended = ended + 1
  end
  while begun < NEW do -- at a steady rate: those that are late come at once
    while begun < math.min(NEW, (play.now() - from) / SECONDS * NEW) do
      begun = begun + 1
      play.beside(visit)
    end
    most = math.max(most, play.memory(lb))
    loop.pause(0.02)
  end
  play.wait("the honest clients", function() return is_over and ended == NEW end)
  got.memory = math.max(most, play.memory(lb)) / 1024
  got.kept = got.kept / math.max(got.seconds, SECONDS)
  return got
end

-- The attacker gets what CPU is left: it stands for other machines.
local function attack(kind, lb)
  local attacker = play.start { "nice", "-n", "19", "luajit", "spec/world/attacker.lua", kind, lb.address }
  play.wait("the attacker", function() return attacker.out[1] or attacker.exit end)
  assert.is_nil(attacker.exit, table.concat(attacker.err, "\n"))
  local got = honest(lb)
  assert.is_nil(attacker.exit, table.concat(attacker.err, "\n"))
  attacker:signal "sigkill"
  attacker:wait_exit()
  return got
end

describe("honest clients", function()
  after_each(function()
    tls.clear()
    play.curtain()
  end)

  local usual
  it("are served without an attack", function()
    usual = honest(start())
    assert.truthy(usual.kept > 100 and usual.new > 10)
  end)

  for _, kind in ipairs(ATTACKS) do
    it(("are served beside the attack '%s' as without it, and lb's memory is bounded"):format(kind), function()
      local lb = start()
      local is_served, shown
      for _ = 1, 3 do -- the machine may have been busy with other things
        local got = attack(kind, lb)
        shown = ("%-12s %5.0f requests/s (%.0f), %d new connections (%d), %.0f MiB"):format(kind, got.kept,
          usual.kept, got.new, usual.new, got.memory)
        print(shown)
        assert.truthy(got.memory < usual.memory + MEMORY_MIB, shown)
        is_served = got.kept >= LEAST * usual.kept and got.new >= LEAST * usual.new
        if is_served then break end
      end
      assert.truthy(is_served, shown)
    end)
  end
end)
