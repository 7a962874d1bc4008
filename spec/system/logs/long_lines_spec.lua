-- Lines of the access log that are as long as they can be.
local play = require "spec.support.play"

describe("a line of the access log is whole and has its status", function()
  after_each(play.curtain)

  -- Bytes that take several each when they are shown.
  local targets = {
    quotes = "/" .. ('"'):rep(3000), backslashes = "/" .. ("\\"):rep(3000), long = "/" .. ("a"):rep(7000),
  }

  for name, target in pairs(targets) do
    it("whatever the target is made of: " .. name, function()
      for _, format in ipairs { "json", "text" } do
        local lb = play.balancer { backends = { play.hello "x" }, format = format, name = "lb " .. format }
        local client = play.client(lb)
        client:send("GET " .. target .. " HTTP/1.1\r\nHost: x\r\n\r\n")
        local status = client:response().status
        if format == "json" then
          assert.equal(status, lb:exchange().status)
        else
          local line = play.wait("a line", function() return lb.process.out[1] end)
          assert.truthy(line:find(" %.?[^ ]* " .. status .. " %d+ B ") and #line < 4096, line)
        end
      end
    end)
  end

  it("however many tries there were, at backends with long names", function()
    local one = play.backend(function(conn)
      conn:request()
      conn:reset()
    end)
    for _, format in ipairs { "json", "text" } do
      local lb = play.balancer {
        name = "lb " .. format, format = format,
        settings = ([[
          listen = "127.0.0.1:0", backends = { { address = %q, name = ("n"):rep(200) } },
          limits = { retry_budget = 1 }, health = { interval = 0.2, timeout = 5, eject_after = 0 },
          choose = function(ctx, backends) return backends[1] end,
          on_failure = function() return "retry" end,
        ]]):format(one.address),
      }
      local status = lb:fetch("/" .. ("q"):rep(2000)).status
      if format == "json" then
        local line = lb:exchange()
        assert.equal(status, line.status)
        assert.truthy(#line.tries > 10, #line.tries)
        assert.equal("reset", line.tries[#line.tries].outcome)
      else
        local line = play.wait("a line", function() return lb.process.out[1] end)
        assert.truthy(line:find("... " .. status .. " ", 1, true) and line:find "reset %d+%.%d+ ms%]", line)
      end
    end
  end)
end)
