-- First lines of requests that are up to 20 bytes shorter or longer than their limit.
local play = require "spec.support.play"

-- The limit counts the whole line without its line end, whatever came in one read.
describe("a request whose first line is around limits.request_line, which is", function()
  after_each(play.curtain)

  local AROUND = #"GET " + #" HTTP/1.1"

  local function answers(limit, split)
    local backend = play.answering(function(request) return tostring(#request.target) end)
    local lb = play.balancer { backends = { backend }, settings = ("limits = { request_line = %d }"):format(limit) }
    for length = limit - 20, limit + 20 do
      local client = play.client(lb)
      local head = "GET /" .. ("a"):rep(length - AROUND - 1) .. " HTTP/1.1\r\nHost: x\r\n\r\n"
      if split then
        client:send(head:sub(1, limit))
        play.pause(0.01)
        client:send(head:sub(limit + 1))
      else
        client:send(head)
      end
      local response = client:response()
      if length <= limit then
        assert.equal(200, response.status)
        assert.equal(tostring(length - AROUND), response.body)
      else
        assert.equal(414, response.status)
        assert.truthy(client:ended_by_peer())
      end
      client:close()
    end
    assert.equal(21, #backend.requests)
  end

  for _, limit in ipairs { 100, 1000, 8192 } do
    it(limit .. ", is answered in one read: up to it, and not beyond", function() answers(limit) end)
    it(limit .. ", is answered in two reads: up to it, and not beyond", function() answers(limit, true) end)
  end
end)
