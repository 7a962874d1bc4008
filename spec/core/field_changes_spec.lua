-- Header fields that a script sets or removes before a head is forwarded.
local forwarded = require "spec.support.forwarded_heads"
local http = require "spec.support.http"

local changes_of, request, requests = forwarded.changes_of, forwarded.request, forwarded.requests
local responses, trailers = forwarded.responses, forwarded.trailers
local joined, with = forwarded.joined, forwarded.with
local FOR, PROTO, HOST, PORT = forwarded.FOR, forwarded.PROTO, forwarded.HOST, forwarded.PORT
local VIA, ADDED, HOP_BY_HOP = forwarded.VIA, forwarded.ADDED, forwarded.HOP_BY_HOP

local OK = "HTTP/1.1 200 OK"

describe("what a script changes in a request", function()
  local function ends(what, given, expected, added)
    requests { { what, with(given, { method = "GET" }), joined({ "GET / HTTP/1.1" }, expected), added } }
  end

  ends("takes the place of all fields of that name, behind the others",
    { "Host: x", "A: 1", "a: 2", "B: 3", changes = { "A", "9" } }, { "Host: x", "B: 3", "A: 9" })
  ends("may be several values", { "Host: x", changes = { "A", "1", "a", "2" } }, { "Host: x", "A: 1", "a: 2" })
  ends("may be nothing", { "Host: x", "a: 1", "B: 2", changes = { "A", false } }, { "Host: x", "B: 2" })
  ends("has no white space around it", { "Host: x", changes = { "A", " 1\t" } }, { "Host: x", "A: 1" })
  ends("may be empty", { "Host: x", changes = { "A", "" } }, { "Host: x", "A: " })
  ends("cannot be said by a look-alike, either", { "Host: x", "X_User: root", "x.user: root", "XaUser: 1",
    changes = { "X-User", "anna" } }, { "Host: x", "XaUser: 1", "X-User: anna" })
  ends("is there although Connection names it", { "Host: x", "Connection: X-User", "X-User: root",
    changes = { "X-User", "anna" } }, { "Host: x", "X-User: anna" })
  ends("is said in the place of our own", { "Host: x", forwarded = true,
    changes = { "X-Forwarded-For", "1", "x-forwarded-host", false, "X-Forwarded-Proto", "https",
      "Forwarded", "for=a" } },
    { "Host: x", "X-Forwarded-For: 1", "X-Forwarded-Proto: https", "Forwarded: for=a" },
    { "X-Forwarded-Port: 443", VIA })
  ends("is said in the place of what a trusted one says", { "Host: x", "X-Forwarded-For: 2", "X-Forwarded-Port: 5",
    trusted = true, changes = { "X-Forwarded-For", "1" } }, { "Host: x", "X-Forwarded-Port: 5", "X-Forwarded-For: 1" },
    { PROTO, HOST, VIA })
  ends("may be no Via at all", { "Host: x", "via: 1.1 a", "Via: 1.0 b", changes = { "Via", false } }, { "Host: x" },
    { FOR, PROTO, HOST, PORT })
  ends("is never another Via", { "Host: x", "Via: 1.1 a", changes = { "Via", "1.1 b" } }, { "Host: x", "Via: 1.1 a" })
  ends("is another host for the backend, and what the client asked for is said",
    { "hOst: x", new_host = "tenant.internal:81" }, { "hOst: tenant.internal:81" })
  ends("is a host for a request without one", { new_host = "a" }, { "Host: a" })
  ends("has room, however long it is", { "Host: x", new_host = ("h"):rep(5000), changes = { "A", ("v"):rep(60000) } },
    { "Host: " .. ("h"):rep(5000), "A: " .. ("v"):rep(60000) })
  ends("leaves framing alone", { "Host: x", "Content-Length: 3", "Transfer-Encoding: x",
    framing = "counted", length = 3,
    changes = { "Content-Length", "9", "transfer-encoding", "chunked", "Connection", "close", "A", "1" } },
    { "Host: x", "A: 1", "Content-Length: 3" })

  it("shows no credentials to a TRACE", function()
    assert.same(joined({ "TRACE / HTTP/1.1", "Host: x", "A: 1" }, ADDED),
      request { method = "TRACE", "Host: x", changes = { "Authorization", "me", "A", "1" } })
  end)

  it("goes for trailers, too", function()
    assert.same({ "B: 2" }, trailers({}, { "X-User: root", "B: 2", "x_user: root" }, { "X-User", "anna" }))
  end)
end)

describe("what a script changes in a response", function()
  responses {
    { "takes the place of all fields of that name", { status = 200, reason = "OK", "A: 1", "a: 2", "A_: 3",
      changes = { "A", "9", "B", "8" } }, { OK, "A_: 3", "A: 9", "B: 8", VIA } },
    { "may be nothing", { status = 200, reason = "OK", "Server: a", "B: 2", changes = { "server", false } },
      { OK, "B: 2", VIA } },
    { "leaves look-alikes", { status = 200, reason = "OK", "X_A: 1", changes = { "X-A", "2" } },
      { OK, "X_A: 1", "X-A: 2", VIA } },
    { "adds a cookie to the backend's", { status = 200, reason = "OK", "Set-Cookie: a=1; Path=/",
      "set-cookie: lb=x", "Set-Cookie: lba=2", changes = { "Set-Cookie", "lb=y; HttpOnly" } },
      { OK, "Set-Cookie: a=1; Path=/", "Set-Cookie: lba=2", "Set-Cookie: lb=y; HttpOnly", VIA } },
    { "removes all cookies", { status = 200, reason = "OK", "Set-Cookie: a=1", "Set-Cookie: b=1",
      changes = { "Set-Cookie", false } }, { OK, VIA } },
    { "is the date", { status = 200, reason = "OK", date = "now", changes = { "Date", "then" } },
      { OK, "Date: then", VIA } },
    { "leaves framing alone", { status = 200, reason = "OK", "Content-Length: 3", framing = "counted", length = 3,
      changes = { "Content-Length", false, "Connection", "close", "Trailer", "A" } },
      { OK, VIA, "Content-Length: 3" } },
    { "leaves the length of a HEAD alone", { status = 200, reason = "OK", "Content-Length: 3",
      changes = { "Content-Length", "9", "A", "1" } }, { OK, "Content-Length: 3", "A: 1", VIA } },
  }
end)

describe("what a script may change", function()
  local function are(what, of, fault, ...)
    local given = { ... }
    it(what, function()
      for _, name in ipairs(given) do
        local pair = type(name) == "table" and name or { name, "x" }
        local _, said = changes_of(http.arena(), of == "request" and 0 or 1, pair)
        assert.same({ fault }, said, pair[1])
        if fault == "ours" then
          _, said = changes_of(http.arena(), of == "request" and 0 or 1, { pair[1], false })
          assert.same({ fault }, said, pair[1])
        end
      end
    end)
  end

  for _, of in ipairs { "request", "response" } do
    are("are names of a " .. of, of, "fine", "A", "X-User", "cookie", "Set-Cookie", "Authorization", "Date",
      "Content-Type", "X-Forwarded-For", { "a", "\195\188" }, { "a", "a\tb" }, { "A", "" })
    are("is no field of the connection of a " .. of, of, "ours", "Trailer", "content-LENGTH", "Content_Length",
      "Transfer.Encoding", "X_Forwarded_For", unpack(HOP_BY_HOP))
    are("is nothing but a token as the name in a " .. of, of, "name", "", "a b", "a:", "a\r\nb", "\195\188", "a\0")
    are("is no line end in a value of a " .. of, of, "value", { "a", "b\r\nc: d" }, { "a", "b\nc" }, { "a", "b\0" },
      { "a", "\127" }, { "a", "\1" })
    are("has its bounds in a " .. of, of, "many", { "a", ("b"):rep(65536) }, { ("a"):rep(65537), "" })
  end
  it("is no Via, but may be that there is none", function()
    for of = 0, 1 do
      for value, fault in pairs { ["1.1 a"] = "ours", [""] = "ours", [false] = "fine" } do
        local _, said = changes_of(http.arena(), of, { "vIA", value })
        assert.same({ fault }, said)
      end
    end
  end)
  are("is not what else a request has to say", "request", "ours", "Host", "Expect", "Max-Forwards")

  it("are a hundred in all", function()
    local given = {}
    for i = 1, 101 do
      given[2 * i - 1], given[2 * i] = "A" .. i, "b"
    end
    local _, said = changes_of(http.arena(), 0, given)
    assert.equal("fine many", said[100] .. " " .. said[101])
  end)
end)
