-- A short write waits until everything that was ready is handled. Nobody must notice.
local play = require "spec.support.play"

local GET = "GET %s HTTP/1.1\r\nHost: x\r\n\r\n"

local REQUESTS = { GET = GET:format "/", POST = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" }

describe("a request that waits for its turn to be written", function()
  after_each(play.curtain)

  -- Both requests are ready at once, and while the policy chooses for the second one, the
  -- first is not written yet.
  for _, method in ipairs { "GET", "POST" } do
    it("does not take what its backend sent meanwhile for its answer: " .. method, function()
      local wrong
      local backend = play.backend(function(conn)
        for _ = 1, 10 do
          local request = play.receive(conn)
          conn:send(play.text "right")
          if request.target == "/surplus" then
            play.wait("the next ones", function() return wrong end)
            play.pause(0.1)
            if conn.size == 0 then conn:send(play.text "wrong") end
          end
        end
      end)
      local lb = play.balancer { backends = { backend }, settings = play.slow_choice }
      local first, second, third = play.client(lb), play.client(lb), play.client(lb)
      third:send(GET:format "/own")
      assert.equal("right", third:response().body)
      second:send(GET:format "/own")
      assert.equal("right", second:response().body)
      first:send(GET:format "/surplus")
      assert.equal("right", first:response().body)
      lb:freeze()
      second:send(REQUESTS[method])
      play.pause(0.02)
      third:send(GET:format "/slow")
      play.pause(0.02)
      wrong = true
      lb:thaw()
      assert.equal("right", second:response().body)
      assert.equal("right", third:response().body)
    end)
  end
end)
