-- A backend that was ejected gets one request on trial, and nobody else's meanwhile.
local play = require "spec.support.play"

describe("the trial of an ejected backend", function()
  after_each(play.curtain)

  local other

  -- The first backend resets what it gets as long as `is_bad`, and is ejected for that.
  local function ejected(on_request)
    local state = { is_bad = true }
    local first = play.backend(function(conn)
      while true do
        local request = play.receive(conn)
        if state.is_bad then
          conn:reset()
          on_request(request)
          return
        end
        conn:send(play.text "first")
      end
    end)
    other = play.hello "other"
    local lb = play.balancer {
      backends = { first, other },
      settings = ([[
        health = { interval = 60, timeout = 5, eject_after = 2, eject_for = 0.5 },
        choose = function(ctx, backends) return backends:by_name "%s" or backends[1] end,
        on_failure = function(ctx) return ctx.path == "/again" and "retry" or "next" end,
      ]]):format(first.address),
    }
    play.wait("it to be ejected", function()
      assert.equal("other", lb:fetch("/").body)
      return lb:events "backend_ejected"[1]
    end)
    return lb, first, state
  end

  local function recovers(lb, state)
    state.is_bad = false
    play.wait("it to be used again", function() return lb:fetch("/").body == "first" end)
    lb:event "backend_readmitted"
  end

  -- The client goes just when the backend has failed: in the pause before the try again.
  for _, ending in ipairs { "reset", "close" } do
    it("is free again at once when the client's " .. ending .. " ends it between two tries", function()
      local client
      local lb, first, state = ejected(function(request)
        if request.target == "/again" then client[ending](client) end
      end)
      play.wait("a trial", function()
        client = play.client(lb)
        client:send "GET /again HTTP/1.1\r\nHost: x\r\n\r\n"
        play.wait("an end", function() return client.ended or client.size > 0 end)
        return client.ended == "closed"
      end)
      assert.truthy(#first.requests >= 3)
      lb:exchange { path = "/again", status = 499 }
      recovers(lb, state)
    end)
  end

  it("that succeeds admits it again", function()
    local lb, _, state = ejected(function() end)
    recovers(lb, state)
  end)

  it("that fails ejects it again, for longer", function()
    local lb, first, state = ejected(function() end)
    local before = #first.requests
    play.wait("it to be ejected again", function()
      assert.equal("other", lb:fetch("/").body)
      return lb:events "backend_ejected"[2]
    end)
    assert.equal(before + 1, #first.requests)
    recovers(lb, state)
  end)
end)
