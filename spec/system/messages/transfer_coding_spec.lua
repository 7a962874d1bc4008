-- White space around "chunked" is where two readers part: one sees chunks, the other a body without
-- any, and what follows becomes somebody's request. One reading, or none.
local play = require "spec.support.play"

local CHUNKS = "3\r\nabc\r\n0\r\n\r\n"
local NEXT = "GET /next HTTP/1.1\r\nHost: x\r\n\r\n"

-- White space around a value is no part of it (RFC 9110, 5.5).
local understood = {
  ["a tab behind"] = "chunked\t",
  ["a space and a tab behind"] = "chunked \t",
  ["tabs and spaces behind"] = "chunked\t \t ",
  ["a tab before"] = "\tchunked",
  ["tabs around"] = "\t\tChunked\t\t",
}

local refused = {
  ["an empty element and a tab"] = "chunked,\t",
  ["an empty element before, and a tab"] = ",\tchunked\t",
  ["a tab inside"] = "chun\tked",
}

local codings = {}
for what, coding in pairs(understood) do codings[what] = coding end
for what, coding in pairs(refused) do codings[what] = coding end

describe("chunked with", function()
  after_each(play.curtain)

  for what, coding in pairs(codings) do
    local is_understood = understood[what] ~= nil

    it(what .. " in a request is " .. (is_understood and "understood" or "refused with 400"), function()
      local backend = play.answering(function(request) return request.target .. " " .. request.body end)
      local client = play.client(play.balancer { backends = { backend } })
      client:send("POST /one HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: ", coding, "\r\n\r\n", CHUNKS, NEXT)
      local response = client:response()
      assert.equal(is_understood and 200 or 400, response.status)
      if is_understood then
        assert.equal("/one abc", response.body)
        assert.equal("/next ", client:response().body)
        assert.equal(2, #backend.requests)
        assert.same({ "chunked" }, backend.requests[1]:values "transfer-encoding")
      else
        assert.truthy(client:ended_by_peer())
        assert.equal(0, client.size)
        assert.equal(0, backend.served)
      end
    end)

    for _, ending in ipairs { "closes", "stays" } do
      it(("%s in a response is %s, if the backend %s"):format(what, is_understood and "understood" or "a 502", ending),
        function()
          local backend = play.backend(function(conn)
            play.receive(conn)
            conn:send("HTTP/1.1 200 OK\r\nTransfer-Encoding: ", coding, "\r\n\r\n", CHUNKS)
            if ending == "stays" then conn:ended_by_peer() end
          end)
          local client = play.client(play.balancer { backends = { backend } })
          client:send(NEXT)
          local response = client:response()
          assert.equal(is_understood and 200 or 502, response.status)
          if is_understood then
            assert.equal("abc", response.body)
            assert.truthy(response.complete)
            assert.same({ "chunked" }, response:values "transfer-encoding")
          end
        end)
    end
  end
end)
