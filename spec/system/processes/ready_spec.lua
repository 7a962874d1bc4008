-- lb ready, for health checks of containers.

local play = require "spec.support.play"

local SCRIPT = "return { choose = function(ctx) return ctx:respond { body = 'ok' } end, %s }"

describe("lb ready", function()
  after_each(play.curtain)

  local function ready(arguments, env)
    local result = play.lb({ "ready", unpack(arguments) }, { env = env })
    assert.equal("", result.out)
    return result.code, result.err
  end

  it("says by its exit status whether the lb of the same settings accepts connections", function()
    for _, host in ipairs { "127.0.0.1", "0.0.0.0", "[::1]", "[::]" } do
      local lb = play.balancer { listen = host .. ":0", script = SCRIPT:format "" }
      local address = host .. ":" .. lb.port
      local path = play.file("same.lua", SCRIPT:format(("listen = %q"):format(address)))
      assert.same({ 0, "" }, { ready { path } })
      assert.same({ 0, "" }, { ready { play.file("some.lua", SCRIPT:format ""), "--listen", address } })
      assert.same({ 0, "" }, { ready({ play.file("some.lua", SCRIPT:format "") }, { LISTEN = address }) })
      assert.same({}, lb:exchanges())
      lb:stop()
      assert.same({ 1, ("lb: not ready: %s does not accept connections: Connection refused\n"):format(address) },
        { ready { path } })
    end
  end)

  it("says that nobody answers at the address", function()
    local full = play.blackhole()
    full:fill()
    local code, err = ready { play.file("some.lua", SCRIPT:format(("listen = %q"):format(full.address))) }
    assert.same({ 1, "lb: not ready: " .. full.address .. " does not accept connections: Connection timed out\n" },
      { code, err })
  end)

  it("ends with status 2 if the script is wrong", function()
    local code, err = ready { play.file("some.lua", "return { wrong = 1 }") }
    assert.equal(2, code)
    assert.truthy(err:find("some.lua:1: unknown field 'wrong'", 1, true), err)
  end)
end)
