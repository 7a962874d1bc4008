-- A script may take long (its budget allows it): what waits meanwhile is not late by that.
local play = require "spec.support.play"

local SLOW = [[
return {
  script = { budget_ms = 5000 }, timeouts = { connect = 0.2, response_head = 0.3 },
  health = { interval = 60, timeout = 5 },
  choose = function(ctx, backends)
    if ctx.path == "/slow" then
      local from = os.clock()
      while os.clock() - from < 0.6 do end
    end
    return backends[1]
  end,
}
]]

describe("a script that takes longer than the timeouts", function()
  after_each(play.curtain)

  local function all_is_well(lb, backend, line)
    assert.same({ { backend = backend.address, outcome = "ok" } },
      { { backend = line.tries[1].backend, outcome = line.tries[1].outcome } })
    assert.same({}, lb:events "backend_down")
  end

  it("does not make its own connection late", function()
    local backend = play.hello "one"
    local lb = play.balancer { script = SLOW, backends = { backend } }
    assert.equal("one", lb:fetch("/slow").body)
    all_is_well(lb, backend, lb:exchange { path = "/slow" })
  end)

  it("does not make another client's answer late that has arrived meanwhile", function()
    local answered
    local backend = play.answering(function(request, conn)
      if request.target == "/fast" then
        play.wait("the other request to be on its way", function() return answered end)
        conn:send "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfast"
        return ""
      end
      return "slow"
    end)
    local lb = play.balancer { script = SLOW, backends = { backend } }
    local fast, slow = play.client(lb), play.client(lb)
    fast:send "GET /fast HTTP/1.1\r\nHost: x\r\n\r\n"
    play.wait("the backend to be asked", function() return #backend.requests == 1 end)
    slow:send "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"
    answered = true
    assert.equal("fast", fast:response().body)
    assert.equal("slow", slow:response().body)
    all_is_well(lb, backend, lb:exchange { path = "/fast" })
  end)
end)
