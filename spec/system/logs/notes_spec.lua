-- What the note of an access line says of a malformed message: which field is wrong, and how.

local play = require "spec.support.play"

local HOST = "Host: x\r\n"

describe("the note of a line names", function()
  after_each(play.curtain)

  local requests = { -- what the client sends behind "GET ", the note
    ["no Host"] = { "/ HTTP/1.1\r\n\r\n", "no Host" },
    ["two Hosts"] = { "/ HTTP/1.1\r\n" .. HOST .. HOST .. "\r\n", "more than one Host" },
    ["a Host that is none"] = { "/ HTTP/1.1\r\nHost: a,b\r\n\r\n", "a Host that is not host[:port]" },
    ["a space in the target"] = { "/a b HTTP/1.1\r\n" .. HOST .. "\r\n",
      "a space in the request target, or no HTTP version behind it" },
    ["a field whose name has brackets"] = { "/ HTTP/1.1\r\n" .. HOST .. "X-A[0]: 1\r\n\r\n",
      "a field name that is not a token: X-A[" },
    ["a field with a control byte"] = { "/ HTTP/1.1\r\n" .. HOST .. "X-B: \1\r\n\r\n",
      "a control byte in a field value: X-B" },
    ["two lengths of a request"] = { "/ HTTP/1.1\r\n" .. HOST .. ("Content-Length: 0\r\n"):rep(2) .. "\r\n",
      "more than one Content-Length" },
  }
  for what, case in pairs(requests) do
    local bytes, note = unpack(case)
    it(what, function()
      local lb = play.balancer { backends = { play.hello "x" } }
      play.client(lb):send("GET " .. bytes)
      local line = lb:exchange()
      assert.same({ 400, note }, { line.status, line.note })
    end)
  end

  local responses = { -- what the backend sends behind its status line, the note
    ["two codings of a response"] = { ("Transfer-Encoding: chunked\r\n"):rep(2) .. "\r\n0\r\n\r\n",
      "more than one Transfer-Encoding" },
    ["both framings of a response"] = { "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
      "both Transfer-Encoding and Content-Length" },
    ["a field of a response without a colon"] = { "Set-Cookie\r\n\r\n", "a field line without a colon: Set-Cookie" },
    ["a field of a response with an umlaut"] = { "Gr\195\182sse: 1\r\n\r\n",
      "a field name that is not a token: Gr\\xc3" },
  }
  for what, case in pairs(responses) do
    local bytes, note = unpack(case)
    it(what, function()
      local backend = play.backend(function(conn)
        conn:request()
        conn:send("HTTP/1.1 200 OK\r\n" .. bytes)
      end)
      local lb = play.balancer { backends = { backend } }
      assert.equal(502, lb:fetch("/").status)
      assert.equal(note, lb:exchange().note)
    end)
  end
end)
