-- White space around "chunked" is where two readers part: one sees chunks, the other a body without
-- any, and what follows becomes somebody's request. One reading, or none.
local play = require "spec.support.play"

local CHUNKS = "3\r\nabc\r\n0\r\n\r\n"
local NEXT = "GET /next HTTP/1.1\r\nHost: x\r\n\r\n"

local codings = {
  ["a tab behind"] = "chunked\t",
  ["a space and a tab behind"] = "chunked \t",
  ["tabs and spaces behind"] = "chunked\t \t ",
  ["a tab before"] = "\tchunked",
  ["tabs around"] = "\t\tChunked\t\t",
  ["an empty element and a tab"] = "chunked,\t",
  ["an empty element before, and a tab"] = ",\tchunked\t",
  ["a tab inside"] = "chun\tked",
}

-- llhttp of one version takes the tab for a part of the name, that of another does not.
describe("chunked with", function()
  after_each(play.curtain)

  for what, coding in pairs(codings) do
    it(what .. " in a request is understood or refused with 400, and never in two ways", function()
      local backend = play.answering(function(request) return request.target .. " " .. request.body end)
      local client = play.client(play.balancer { backends = { backend } })
      client:send("POST /one HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: ", coding, "\r\n\r\n", CHUNKS, NEXT)
      local response = client:response()
      if response.status == 200 then
        assert.equal("/one abc", response.body)
        assert.equal("/next ", client:response().body)
        assert.equal(2, #backend.requests)
        assert.same({ "chunked" }, backend.requests[1]:values "transfer-encoding")
      else
        assert.truthy(response.status == 400 or response.status == 501, response.status)
        assert.truthy(client:ended_by_peer())
        assert.equal(0, client.size)
        assert.equal(0, backend.served)
      end
    end)

    for _, ending in ipairs { "closes", "stays" } do
      it(("%s in a response is understood or a 502, and never passed on, if the backend %s"):format(what, ending),
        function()
          local backend = play.backend(function(conn)
            play.receive(conn)
            conn:send("HTTP/1.1 200 OK\r\nTransfer-Encoding: ", coding, "\r\n\r\n", CHUNKS)
            if ending == "stays" then conn:ended_by_peer() end
          end)
          local client = play.client(play.balancer { backends = { backend } })
          client:send(NEXT)
          local response = client:response()
          if response.status == 200 then
            assert.equal("abc", response.body)
            assert.truthy(response.complete)
            assert.same({ "chunked" }, response:values "transfer-encoding")
          else
            assert.equal(502, response.status)
          end
        end)
    end
  end
end)
