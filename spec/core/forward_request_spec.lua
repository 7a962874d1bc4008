-- The head of a request as it is forwarded, byte for byte.
local forwarded = require "spec.support.forwarded_heads"

local request_text, request, requests = forwarded.request_text, forwarded.request, forwarded.requests
local get, with, joined = forwarded.get, forwarded.with, forwarded.joined
local FOR, PROTO, HOST, PORT = forwarded.FOR, forwarded.PROTO, forwarded.HOST, forwarded.PORT
local VIA, ADDED = forwarded.VIA, forwarded.ADDED
local END_TO_END, HOP_BY_HOP, CREDENTIALS = forwarded.END_TO_END, forwarded.HOP_BY_HOP, forwarded.CREDENTIALS

describe("the head of a request that is forwarded", function()
  it("is this, byte for byte", function()
    assert.equal("GET /a?b HTTP/1.1\r\nHost: x\r\nAccept: */*\r\nX-Forwarded-For: ::1\r\n" ..
      "X-Forwarded-Proto: http\r\nX-Forwarded-Host: x\r\nX-Forwarded-Port: 80\r\nVia: 1.1 lb\r\n\r\n",
      request_text { method = "GET", "Host: x", "Accept: */*", origin = "/a?b", peer_ip = "::1" })
  end)

  it("is this, with all that there may be, in one order", function()
    assert.same({
      "OPTIONS /o HTTP/1.1", "A: 1", "Host: h:80", "Forwarded: for=_a", "max-forwards: 9", "Expect: 100-continue",
      "Trailer: T", "B: 2", "Transfer-Encoding: chunked", "TE: trailers", "Upgrade: a/1, b",
      "Connection: upgrade, TE", "X-Forwarded-For: 1.1.1.1, ::1", "X-Forwarded-Proto: http",
      "X-Forwarded-Host: h:80", "X-Forwarded-Port: 80", "Forwarded: for=\"[::1]\";host=\"h:80\";proto=http", VIA,
    }, request {
      method = "OPTIONS", origin = "/o", framing = "chunked", host = "h:80", peer_ip = "::1", max_forwards = 10,
      trusted = true, forwarded = true, upgrade = true,
      "X-Forwarded-For: 1.1.1.1", "A: 1", "Connection: X, Upgrade, TE", "X: 1", "Host: other", "Upgrade: a/1,b,h2c",
      "Forwarded: for=_a", "TE: trailers", "max-forwards: 10", "Expect: 100-continue", "Transfer-Encoding: chunked",
      "Trailer: T", "B: 2",
    })
  end)

  requests {
    { "keeps fields as they came, in order, letter case and repetition",
      { method = "PATCH", "B: 2", "HOST: x", "a:1", "b: 2", "A: \195\188  \t1", "B: 1", "Empty:", "Cookie: c" },
      { "PATCH / HTTP/1.1", "B: 2", "HOST: x", "a: 1", "b: 2", "A: \195\188  \t1", "B: 1", "Empty: ", "Cookie: c" } },
    { "has any method", { method = "!x-Y.z~", "Host: x" }, { "!x-Y.z~ / HTTP/1.1", "Host: x" } },
    { "has the target of its origin", { method = "OPTIONS", origin = "*", "Host: x" },
      { "OPTIONS * HTTP/1.1", "Host: x" } },
    { "has the host that was decided on in the place of the field",
      get("A: b", "hOsT: other", "C: d"), { "GET / HTTP/1.1", "A: b", "hOsT: x", "C: d" } },
    { "says nothing of a host that the client did not name",
      with(get "A: b", { version = "1.0", host = "10.0.0.1:80", names_no_host = true, forwarded = true }),
      { "GET / HTTP/1.1", "Host: 10.0.0.1:80", "A: b" },
      { FOR, PROTO, PORT, "Forwarded: for=10.0.0.9;proto=http", "Via: 1.0 lb" } },
    { "of HTTP/2 may expect something and take trailers",
      { method = "PUT", version = "2", "Host: x", "Expect: 100-continue", "TE: trailers" },
      { "PUT / HTTP/1.1", "Host: x", "Expect: 100-continue", "TE: trailers", "Connection: TE" },
      { FOR, PROTO, HOST, PORT, "Via: 2.0 lb" } },
    { "has the host first where there was none", get "A: b", { "GET / HTTP/1.1", "Host: x", "A: b" } },
    { "has Expect", { method = "PUT", "Host: x", "Expect: 100-continue" },
      { "PUT / HTTP/1.1", "Host: x", "Expect: 100-continue" } },
    { "has any Expect", { method = "PUT", "Host: x", "expect: something=\"else\"" },
      { "PUT / HTTP/1.1", "Host: x", "expect: something=\"else\"" } },
    { "of HTTP/1.0 is one of 1.1, and says so; it expects nothing",
      with(get "Expect: 100-continue", { version = "1.0", host = "[::1]:80" }), { "GET / HTTP/1.1", "Host: [::1]:80" },
      { FOR, PROTO, "X-Forwarded-Host: [::1]:80", PORT, "Via: 1.0 lb" } },
    { "says who it came through before", get("Via: 1.0 a", "Host: x", "via: 1.1 b, 2 c"),
      { "GET / HTTP/1.1", "Via: 1.0 a", "Host: x", "via: 1.1 b, 2 c" } },
  }

  describe("and its framing:", function()
    requests {
      { "a length is written anew",
        { method = "PUT", framing = "counted", length = 5, "Host: x", "content-length: 005" },
        { "PUT / HTTP/1.1", "Host: x", "Content-Length: 5" } },
      { "a length is any", { method = "PUT", framing = "counted", length = 18446744073709551615ULL, "Host: x" },
        { "PUT / HTTP/1.1", "Host: x", "Content-Length: 18446744073709551615" } },
      { "a length of 0 is one where that was said",
        { method = "PUT", framing = "counted", "Host: x", "Content-Length: 0" },
        { "PUT / HTTP/1.1", "Host: x", "Content-Length: 0" } },
      { "there is no length where there is no body", { method = "POST", "Host: x" }, { "POST / HTTP/1.1", "Host: x" } },
      { "a coding is written anew", { method = "PUT", framing = "chunked", "Transfer-Encoding: Chunked", "Host: x" },
        { "PUT / HTTP/1.1", "Host: x", "Transfer-Encoding: chunked" } },
      { "it is behind all that is copied",
        { method = "PUT", framing = "counted", length = 5, "Content-Length: 5", "Host: x", "Content-Type: a", "B: c" },
        { "PUT / HTTP/1.1", "Host: x", "Content-Type: a", "B: c", "Content-Length: 5" } },
      { "Trailer is forwarded with chunks",
        { method = "PUT", framing = "chunked", "Host: x", "trailer: A, B", "Trailer: C" },
        { "PUT / HTTP/1.1", "Host: x", "trailer: A, B", "Trailer: C", "Transfer-Encoding: chunked" } },
      { "Trailer is not forwarded with a length",
        { method = "PUT", framing = "counted", length = 5, "Host: x", "Trailer: A" },
        { "PUT / HTTP/1.1", "Host: x", "Content-Length: 5" } },
      { "Trailer is not forwarded without a body", get("Host: x", "TRAILER: A"), { "GET / HTTP/1.1", "Host: x" } },
      { "Connection cannot take Trailer away",
        { method = "PUT", framing = "chunked", "Host: x", "Trailer: A", "Connection: trailer" },
        { "PUT / HTTP/1.1", "Host: x", "Trailer: A", "Transfer-Encoding: chunked" } },
      { "what a backend behind CGI takes for a length, or a coding, is not forwarded",
        { method = "PUT", framing = "counted", length = 5, "Host: x", "Content_Length: 6", "content_LENGTH: 7",
          "Content.Length: 8", "Transfer_Encoding: chunked", "TRANSFER.encoding: chunked", "Content-Length: 5" },
        { "PUT / HTTP/1.1", "Host: x", "Content-Length: 5" } },
      { "neither does it from a trusted peer", with(get("Host: x", "Content_Length: 6", "Transfer_Encoding: chunked"),
        { trusted = true }), { "GET / HTTP/1.1", "Host: x" } },
      { "other names with an underscore or a dot are forwarded",
        get("Host: x", "X_A: 1", "x.b: 2", "Keep_Alive: 3", "Max_Forwards: 4", "Content_Type: 5", "_: 6",
          "Content__Length: 7", "ContentLength: 8", "Content_Lengths: 9", "C_ntent-Length: 10", "Content-Len.th: 11"),
        { "GET / HTTP/1.1", "Host: x", "X_A: 1", "x.b: 2", "Keep_Alive: 3", "Max_Forwards: 4", "Content_Type: 5",
          "_: 6", "Content__Length: 7", "ContentLength: 8", "Content_Lengths: 9", "C_ntent-Length: 10",
          "Content-Len.th: 11" } },
    }
  end)

  describe("and Connection:", function()
    requests {
      { "no field of the connection is forwarded",
        get("Host: x", "Connection: keep-alive", "Keep-Alive: timeout=5", "Proxy-Connection: close", "TE: deflate",
          "Trailer: A", "Upgrade: websocket", "Transfer-Encoding: chunked", "Proxy-Authenticate: a",
          "Proxy-Authorization: b", "HTTP2-Settings: c", "Proxy-Authentication-Info: d", "Authorization: e"),
        { "GET / HTTP/1.1", "Host: x", "Authorization: e" } },
      { "nor is any in another letter case",
        get("Host: x", "CONNECTION: close", "kEEP-aLIVE: a", "proxy-CONNECTION: close", "te: deflate", "TRAILER: A",
          "uPGRADE: a", "TRANSFER-encoding: chunked", "PROXY-authenticate: a", "proxy-authorizatioN: b",
          "http2-SETTINGS: c"),
        { "GET / HTTP/1.1", "Host: x" } },
      { "fields that only look so are forwarded",
        get("Host: x", "T: a", "TE2: b", "Trailers: c", "Upgrades: d", "Connections: e", "X-Connection: f",
          "Proxy-Authenticat: g", "Keep_Alive: h", "Transfer-Encodinf: i", "Proxy-Status: j"),
        { "GET / HTTP/1.1", "Host: x", "T: a", "TE2: b", "Trailers: c", "Upgrades: d", "Connections: e",
          "X-Connection: f", "Proxy-Authenticat: g", "Keep_Alive: h", "Transfer-Encodinf: i", "Proxy-Status: j" } },
      { "a field that it names is not forwarded", get("Host: x", "Connection: X-A", "X-A: 1", "X-B: 2"),
        { "GET / HTTP/1.1", "Host: x", "X-B: 2" } },
      { "nor before it, nor in another letter case, nor twice",
        get("x-A: 1", "Host: x", "Connection: X-a", "X-A: 2", "X-B: 3"), { "GET / HTTP/1.1", "Host: x", "X-B: 3" } },
      { "several lines, lists and empty members are one list",
        get("X-A: 1", "Host: x", "Connection: x-a, close", "x-A: 2", "connection:  ,X-b\t,,X-C,", "X-B: 3",
          "Connection:", "X-AB: 4", "x-c: 5", "X: 6"),
        { "GET / HTTP/1.1", "Host: x", "X-AB: 4", "X: 6" } },
      { "what it names and is not there is no matter", get("Host: x", "Connection: X-A, X-B, keep-alive", "X-C: 1"),
        { "GET / HTTP/1.1", "Host: x", "X-C: 1" } },
      { "a part of a name names nothing", get("Host: x", "Connection: X, -A, X-A B, X-", "X-A: 1"),
        { "GET / HTTP/1.1", "Host: x", "X-A: 1" } },
      { "it may name a field called close, which is a reserved name", get("Host: x", "Close: 1", "Connection: close"),
        { "GET / HTTP/1.1", "Host: x" } },
      { "it may name a field of WebSocket",
        get("Host: x", "Connection: keep-alive, Sec-WebSocket-Key", "Sec-WebSocket-Key: a"),
        { "GET / HTTP/1.1", "Host: x" } },
      { "it names itself, TE and Upgrade for nothing", get("Host: x", "Connection: connection, te, upgrade", "A: b"),
        { "GET / HTTP/1.1", "Host: x", "A: b" } },
      { "it cannot take away Host, a length or Via",
        { method = "POST", framing = "counted", length = 5, "Host: x", "Content-Length: 5", "Via: 1.1 a",
          "Connection: host, content-length, via, X-A", "X-A: b" },
        { "POST / HTTP/1.1", "Host: x", "Via: 1.1 a", "Content-Length: 5" } },
      { "it cannot take away who a client is", get("Host: x",
        "Connection: X-Forwarded-For, x-forwarded-proto, X-Forwarded-Host, X-Forwarded-Port, Forwarded, Via"),
        { "GET / HTTP/1.1", "Host: x" } },
      { "it cannot take away what a trusted peer says",
        with(get("Host: x", "X-Forwarded-For: 1.1.1.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: h",
          "X-Forwarded-Port: 1", "Forwarded: for=a", "X-Forwarded-Other: o", "Connection: X-Forwarded-For, Forwarded",
          "Connection: X-Forwarded-Proto, X-Forwarded-Host, X-Forwarded-Port, X-Forwarded-Other"),
          { trusted = true }),
        { "GET / HTTP/1.1", "Host: x", "X-Forwarded-Proto: https", "X-Forwarded-Host: h", "X-Forwarded-Port: 1",
          "Forwarded: for=a", "X-Forwarded-Other: o" },
        { "X-Forwarded-For: 1.1.1.1, 10.0.0.9", VIA } },
    }
    for _, name in ipairs(END_TO_END) do
      it("it cannot take away " .. name, function()
        local line = name .. ": 1"
        assert.same(joined({ "PUT / HTTP/1.1", "Host: x", line }, ADDED),
          request { method = "PUT", "Host: x", line, "Connection: X-A, " .. name:upper(), "X-A: b" })
      end)
    end
    for _, name in ipairs(HOP_BY_HOP) do
      it("there is no " .. name .. ", named or not", function()
        for _, options in ipairs { "", "close", name } do
          assert.same(joined({ "GET / HTTP/1.1", "Host: x" }, ADDED),
            request(get("Host: x", name .. ": a", "Connection: " .. options)))
        end
      end)
    end
  end)

  describe("and TE:", function()
    local LINES = { "GET / HTTP/1.1", "Host: x" }
    local SAID = joined(LINES, { "TE: trailers", "Connection: TE" })
    requests {
      { "trailers are asked for on", get("Host: x", "TE: trailers", "Connection: TE"), SAID },
      { "in any letter case", get("Host: x", "te: Trailers", "connection: te"), SAID },
      { "among other codings", get("Host: x", "TE: gzip;q=0.5, trailers,deflate"), SAID },
      { "with a weight", get("Host: x", "TE: trailers;q=0.5"), SAID },
      { "with white space and a weight", get("Host: x", "TE: , trailers ; q=0.5"), SAID },
      { "in the second line", get("Host: x", "TE: gzip", "A: b", "TE: trailers"),
        { "GET / HTTP/1.1", "Host: x", "A: b", "TE: trailers", "Connection: TE" } },
      { "twice is once", get("Host: x", "TE: trailers, trailers", "TE: trailers"), SAID },
      { "other codings are not", get("Host: x", "TE: gzip, deflate;q=0.5, chunked", "Connection: TE"), LINES },
      { "nor is what only looks like it", get("Host: x", "TE: trailer, trailers2, x;trailers, =trailers"), LINES },
      { "nor nothing", get("Host: x", "TE:"), LINES },
      { "nor by HTTP/1.0, which gets no chunks", with(get("Host: x", "TE: trailers", "Connection: TE"),
        { version = "1.0" }), LINES, { FOR, PROTO, HOST, PORT, "Via: 1.0 lb" } },
      { "they are behind the framing", { method = "PUT", framing = "counted", length = 1, "TE: trailers", "Host: x" },
        { "PUT / HTTP/1.1", "Host: x", "Content-Length: 1", "TE: trailers", "Connection: TE" } },
    }
  end)

  describe("and Upgrade:", function()
    local function upgrading(...) return with(get("Host: x", ...), { upgrade = true }) end
    local LINES = { "GET / HTTP/1.1", "Host: x" }
    local function asks(protocols) return joined(LINES, { "Upgrade: " .. protocols, "Connection: upgrade" }) end
    requests {
      { "is forwarded if it is wanted", upgrading("Connection: Upgrade", "Upgrade: websocket"), asks "websocket" },
      { "its letter case stays", upgrading("connection: keep-alive, UPGRADE", "upgrade: WebSocket"), asks "WebSocket" },
      { "one with a version, too", upgrading("Connection: Upgrade", "Upgrade: IRC/6.9"), asks "IRC/6.9" },
      { "several are one list",
        upgrading("Connection: Upgrade", "Upgrade: a,b/2 ,\tc", "upgrade: d", "Upgrade:", "Upgrade: ,e,"),
        asks "a, b/2, c, d, e" },
      { "is not forwarded for h2c", upgrading("Connection: Upgrade", "Upgrade: h2c, websocket"), asks "websocket" },
      { "nor last", upgrading("Connection: Upgrade", "Upgrade: websocket, h2c"), asks "websocket" },
      { "nor in another letter case, with a version or in another line",
        upgrading("Connection: Upgrade", "Upgrade: H2C", "Upgrade: a, h2C/1", "Upgrade: h2c,b"), asks "a, b" },
      { "nor its settings", upgrading("Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAM", "Upgrade: a"),
        asks "a" },
      { "nor alone", upgrading("Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAM", "Upgrade: h2c"), LINES },
      { "what only begins like it does", upgrading("Connection: Upgrade", "Upgrade: h3, xh2c, h2x, hc"),
        asks "h3, xh2c, h2x, hc" },
      { "nor for what h2c was called in drafts",
        upgrading("Connection: Upgrade", "Upgrade: h2, H2C-14, h2-14, h2cx/1, H2/2, h2c/1, a"), asks "a" },
      { "without one there is none", upgrading("Connection: Upgrade"), LINES },
      { "is not forwarded if it is not wanted", get("Host: x", "Connection: Upgrade", "Upgrade: websocket"), LINES },
      { "what belongs to it is forwarded as it is",
        upgrading("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: a", "Sec-WebSocket-Version: 13"),
        { "GET / HTTP/1.1", "Host: x", "Sec-WebSocket-Key: a", "Sec-WebSocket-Version: 13", "Upgrade: websocket",
          "Connection: upgrade" } },
      { "and trailers are named together", upgrading("Connection: Upgrade, TE", "Upgrade: a", "TE: trailers"),
        joined(LINES, { "TE: trailers", "Upgrade: a", "Connection: upgrade, TE" }) },
      { "and trailers without it are named alone", upgrading("Connection: Upgrade, TE", "Upgrade: h2c", "TE: trailers"),
        joined(LINES, { "TE: trailers", "Connection: TE" }) },
    }

    it("has room for a list without white space", function()
      local given, expected = upgrading("Upgrade: " .. ("a,"):rep(4000)), {}
      for i = 1, 4000 do expected[i] = "a" end
      assert.same(joined(asks(table.concat(expected, ", ")), ADDED), request(given))
    end)
  end)

  describe("and Max-Forwards:", function()
    requests {
      { "it is one less", { method = "OPTIONS", max_forwards = 10, "A: b", "Max-Forwards: 10", "Host: x" },
        { "OPTIONS / HTTP/1.1", "A: b", "Max-Forwards: 9", "Host: x" } },
      { "down to nothing", { method = "TRACE", max_forwards = 1, "Host: x", "max-FORWARDS: 001" },
        { "TRACE / HTTP/1.1", "Host: x", "max-FORWARDS: 0" } },
      { "from the largest", { method = "TRACE", max_forwards = 18446744073709551615ULL, "Host: x", "Max-Forwards: 1" },
        { "TRACE / HTTP/1.1", "Host: x", "Max-Forwards: 18446744073709551614" } },
      { "of another method it is untouched", get("Host: x", "Max-Forwards: 010"),
        { "GET / HTTP/1.1", "Host: x", "Max-Forwards: 010" } },
      { "Connection cannot take it away",
        { method = "OPTIONS", max_forwards = 2, "Host: x", "Max-Forwards: 2", "Connection: max-forwards" },
        { "OPTIONS / HTTP/1.1", "Host: x", "Max-Forwards: 1" } },
    }
  end)

  describe("of a TRACE", function()
    for _, name in ipairs(CREDENTIALS) do
      it("has no " .. name, function()
        local fields = { "Host: x", name .. ": secret", "A: b" }
        assert.same(joined({ "TRACE / HTTP/1.1", "Host: x", "A: b" }, ADDED),
          request(with({ unpack(fields) }, { method = "TRACE" })))
        assert.same(joined({ "GET / HTTP/1.1", unpack(fields) }, ADDED), request(get(unpack(fields))))
      end)
    end
    requests {
      { "has none in another letter case",
        { method = "TRACE", "Host: x", "AUTHORIZATION: a", "cookie: b", "Cookie: c" },
        { "TRACE / HTTP/1.1", "Host: x" } },
      { "has them in no method that only looks so", { method = "trace", "Host: x", "Cookie: b" },
        { "trace / HTTP/1.1", "Host: x", "Cookie: b" } },
    }
  end)

  describe("has room,", function()
    -- The longest of everything: what is quoted needs a backslash for each byte.
    local given = {
      method = ("M"):rep(300), framing = "counted", length = 18446744073709551615ULL, origin = "/" .. ("o"):rep(9000),
      host = ("\""):rep(5000), peer_ip = ("\\"):rep(45), proto = ("\""):rep(9), trusted = true,
      forwarded = true, upgrade = true, max_forwards = 18446744073709551615ULL,
    }
    local QUOTED = "Forwarded: for=\"" .. ("\\\\"):rep(45) .. "\";host=\"" .. ("\\\""):rep(5000) .. "\";proto=\"" ..
      ("\\\""):rep(9) .. "\""
    local END = { "Content-Length: 18446744073709551615", "TE: trailers" }
    local LAST = { "X-Forwarded-Proto: " .. given.proto, "X-Forwarded-Host: " .. given.host, QUOTED, VIA }

    it("whatever it is made of", function()
      local fields, before, protocols = {}, {}, {}
      for i = 1, 128 do
        fields[i] = "X-Forwarded-For: " .. i
        before[i] = i .. ", "
      end
      for i = 1, 128 do
        table.insert(fields, "Upgrade: a,b")
        table.insert(protocols, "a, b")
      end
      table.insert(fields, "TE: trailers")
      local ours = joined({ "Host: " .. given.host, "Max-Forwards: 18446744073709551614" }, END,
        { "Upgrade: " .. table.concat(protocols, ", "), "Connection: upgrade, TE",
          "X-Forwarded-For: " .. table.concat(before) .. given.peer_ip }, LAST)
      local line = given.method .. " " .. given.origin .. " HTTP/1.1"
      -- With a Host in its place, and without one.
      assert.same(joined({ line }, ours),
        request(with(joined(fields, { "Host: y", "Max-Forwards: 1" }), given)))
      assert.same(joined({ line }, ours), request(with(joined(fields, { "Max-Forwards: 1" }), given)))
    end)

    it("if there is one short field, or none", function()
      local line = given.method .. " " .. given.origin .. " HTTP/1.1"
      local host, peer = "Host: " .. given.host, "X-Forwarded-For: " .. given.peer_ip
      assert.same(joined({ line, host }, { END[1], peer }, LAST), request(with({}, given)))
      for field, said in pairs {
        ["TE:trailers"] = { "TE: trailers", "Connection: TE" },
        ["Upgrade:a"] = { "Upgrade: a", "Connection: upgrade" },
        ["Upgrade:a,b"] = { "Upgrade: a, b", "Connection: upgrade" },
        ["Host:y"] = {}, ["X-Forwarded-For:"] = {},
      } do
        assert.same(joined({ line, host, END[1] }, said, { peer }, LAST), request(with({ field }, given)))
      end
    end)

    it("if fields come often that request_check lets come once", function()
      local fields, expected = {}, {}
      for i = 1, 300 do
        fields[i], expected[i] = "Max-Forwards:", "Max-Forwards: 18446744073709551614"
      end
      for i = 301, 303 do
        fields[i], expected[i] = "Host:", "Host: " .. given.host
      end
      assert.same(joined({ given.method .. " " .. given.origin .. " HTTP/1.1" }, expected,
        { END[1], "X-Forwarded-For: " .. given.peer_ip }, LAST), request(with(fields, given)))
    end)
  end)

  it("is quickly written, whatever Connection names", function()
    local fields = { "Host: x", "Connection: " .. ("aa,"):rep(20000) }
    for i = 1, 126 do fields[i + 2] = "a" .. string.char(97 + i % 26) .. ": " .. i end
    local began = os.clock()
    local lines = request(get(unpack(fields)))
    assert.is_true(os.clock() - began < 5, os.clock() - began)
    assert.equal(2 + 126 - 4 + #ADDED, #lines) -- i = 26, 52, 78 and 104 are named "aa"
  end)
end)
