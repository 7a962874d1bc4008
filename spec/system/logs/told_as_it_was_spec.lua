-- What the log and the answers say of a request is what happened to it.
local play = require "spec.support.play"

local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
local RARE = "health = { interval = 60, timeout = 5, eject_after = 0 }"

describe("the log", function()
  after_each(play.curtain)

  it("does not blame the client for a request that the end of the drain cut", function()
    local backend = play.backend(function(conn)
      conn:request()
      conn:send "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome"
      conn:ended_by_peer()
    end)
    local lb = play.balancer { backends = { backend }, args = { "--drain-timeout", "0.5" } }
    local client = play.client(lb)
    client:send(GET)
    client:has(20)
    lb:stop()
    local line = lb:exchange()
    assert.equal(200, line.status)
    assert.equal("cut at the end of the drain", line.note)
  end)

  it("counts the backends that were tried, not those that were wanted, and all retries", function()
    local one, two = play.hello "one", play.hello "two"
    local lb = play.balancer {
      backends = { one, two },
      script = "return {\n" .. RARE .. [[,
        choose = function(ctx, backends) return backends[1] end,
        on_failure = function(ctx) return ctx.retries < 2 and "retry" or "next" end,
      }]],
    }
    one:stop()
    two:stop()
    assert.equal(503, lb:fetch("/").status)
    local line = lb:exchange()
    assert.equal(2, line.attempts)
    assert.equal(4, line.retries)
    assert.equal(6, #line.tries)
    assert.equal("connection refused", line.note)
  end)

  it("says that a rule of ours decided after on_failure failed", function()
    local one, two = play.hello "one", play.hello "two"
    local lb = play.balancer {
      backends = { one, two },
      script = "return {\n" .. RARE .. [[,
        choose = function(ctx, backends) return backends[1] end,
        on_failure = function() return "again" end,
      }]],
    }
    one:stop()
    assert.equal("two", lb:fetch("/").body)
    assert.truthy(lb:exchange().policy.fallback)
    assert.equal(lb:exchange().id, lb:event("policy_error").id)
  end)

  it("has numbers as numbers in events, too", function()
    local lb = play.balancer { backends = { play.hello "one" }, workers = 2 }
    assert.equal(2, lb:event("start").workers)
    assert.equal(lb.pid, lb:event("start").pid)
  end)
end)

describe("an answer of lb's own", function()
  after_each(play.curtain)

  it("keeps a script's reason for the log", function()
    local lb = play.balancer {
      backends = { play.hello "one" },
      script = [[return { choose = function() return nil, "the secret reason" end }]],
    }
    local response = lb:fetch("/")
    assert.equal(503, response.status)
    assert.falsy(response.body:find "secret")
    assert.equal("the secret reason", lb:exchange().why)
  end)
end)
