-- The heads that go on, byte for byte.
local ffi = require "ffi"
local http = require "spec.support.http"
local core = require "spec.support.forward"

ffi.cdef [[
bool upgrade_agrees(const struct head_seen *, const struct head_seen *);
int kind_of(struct slice);
]]

local FRAMINGS = { none = 0, counted = 1, chunked = 2, until_close = 3 }

-- Lines, without the empty one at the end, which must be there.
local function lines_of(text)
  local lines = {}
  assert.equal("\r\n\r\n", text:sub(-4))
  for line in text:sub(1, -3):gmatch "(.-)\r\n" do table.insert(lines, line) end
  return lines
end

local FAULTS = { [0] = "fine", "name", "value", "ours", "many" }

-- given: { "name", "value", "name", false, .. }. What each of them is, too.
local function changes_of(arena, of, given)
  local changes, said = ffi.new "struct changes_seen", {}
  for i = 1, #given, 2 do
    local value = given[i + 1] and http.slice(given[i + 1]) or nil
    said[#said + 1] = FAULTS[core.changes_add(changes, arena, of, http.slice(given[i]), value)]
  end
  return changes, said
end

-- given: the head as for http.head; changes as above; new_host, origin, framing, length, host, peer_ip, proto,
-- max_forwards, and true or nothing: trusted, forwarded, upgrade
local function request_text(given)
  local arena = http.arena()
  local head, kept = http.head(given)
  local texts = { given.origin or "/", given.host or "x", given.peer_ip or "10.0.0.9", given.proto or "http" }
  local target = ffi.new "struct target_seen"
  target.origin = http.slice(texts[1])
  local what = ffi.new "struct forward_request_given"
  what.head, what.target = head, target
  what.framing, what.length = FRAMINGS[given.framing or "none"], given.length or 0
  what.host, what.peer_ip, what.proto = http.slice(texts[2]), http.slice(texts[3]), http.slice(texts[4])
  what.is_trusted, what.adds_forwarded = given.trusted or false, given.forwarded or false
  what.wants_upgrade = given.upgrade or false
  what.has_max_forwards, what.max_forwards = given.max_forwards ~= nil, given.max_forwards or 0
  what.names_no_host = given.names_no_host or false
  what.new_host = http.slice(given.new_host or "")
  local changes = changes_of(arena, 0, given.changes or {})
  if given.changes then what.changes = changes end
  local text = http.text(core.forward_request_head(arena, what))
  assert(kept and texts and changes)
  return text
end

local function request(given) return lines_of(request_text(given)) end

-- given: the head as for http.head; framing, length, client ("1.0" or "1.1"), closes, upgrade, date
local function response_text(given)
  local arena = http.arena()
  local head, kept = http.head(given)
  local what = ffi.new "struct forward_response_given"
  what.head = head
  what.framing, what.length = FRAMINGS[given.framing or "none"], given.length or 0
  what.client_version, what.closes = given.client == "1.0" and 0 or 1, given.closes or false
  what.is_upgrade = given.upgrade or false
  local date = given.date or ""
  what.date = http.slice(date)
  local changes = changes_of(arena, 1, given.changes or {})
  if given.changes then what.changes = changes end
  local text = http.text(core.forward_response_head(arena, what))
  assert(kept and changes)
  return text
end

local function response(given) return lines_of(response_text(given)) end

-- The lines of the trailers that go on, of a message with that head.
local function trailers(given_head, given, given_changes)
  local arena = http.arena()
  local head, kept = http.head(given_head)
  local fields, kept_too = http.head(given)
  local text = http.text(core.forward_trailers(arena, head, fields.fields, fields.fields_count,
    given_changes and changes_of(arena, 0, given_changes)))
  local lines = text == "" and {} or lines_of(text .. "\r\n")
  assert(kept and kept_too)
  return lines
end

local function joined(...)
  local all = {}
  for _, list in ipairs { ... } do
    for _, line in ipairs(list) do table.insert(all, line) end
  end
  return all
end

local FOR, PROTO, HOST, PORT = "X-Forwarded-For: 10.0.0.9", "X-Forwarded-Proto: http", "X-Forwarded-Host: x",
  "X-Forwarded-Port: 80"
local VIA = "Via: 1.1 lb"
local ADDED = { FOR, PROTO, HOST, PORT, VIA }

-- Each case: what, given, the lines before those that are added, and these if they are not ADDED.
local function requests(cases)
  for _, case in ipairs(cases) do
    local what, given, expected, added = unpack(case)
    it(what, function() assert.same(joined(expected, added or ADDED), request(given)) end)
  end
end

local function responses(cases) -- each: what, given, the lines
  for _, case in ipairs(cases) do
    local what, given, expected = unpack(case)
    it(what, function() assert.same(expected, response(given)) end)
  end
end

-- A get with these fields.
local function get(...) return { method = "GET", ... } end

local function with(given, more)
  for name, value in pairs(more) do given[name] = value end
  return given
end

-- Of the message, whatever Connection says (but Host, Content-Length, and what lb says itself).
local END_TO_END = {
  "Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Accept-Ranges", "Accept-CH",
  "Access-Control-Allow-Origin", "Age", "Allow", "Alt-Svc", "Authorization", "Cache-Control", "Content-Disposition",
  "Content-Encoding", "Content-Language", "Content-Location", "Content-Range", "Content-Security-Policy",
  "Content-Type", "Content-MD5", "Content-Digest", "Cookie", "Date", "ETag", "Expect", "Expires", "From",
  "Idempotency-Key", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since",
  "Last-Modified", "Location", "Max-Forwards", "Origin", "Pragma", "Range", "Referer", "Retry-After", "Server",
  "Set-Cookie", "Strict-Transport-Security", "User-Agent", "Vary", "Via", "WWW-Authenticate",
}
-- Of the connection, or of its coding, always.
local HOP_BY_HOP = {
  "Connection", "Keep-Alive", "Proxy-Connection", "TE", "Upgrade", "Transfer-Encoding", "HTTP2-Settings",
  "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Authentication-Info",
}
local CREDENTIALS = {
  "Authorization", "Cookie", "Cookie2", "API-Key", "X-API-Key", "X-Auth-Token", "X-Access-Token", "X-CSRF-Token",
  "X-XSRF-Token", "X-Amz-Security-Token", "X_Auth_Token",
}

describe("the head of a request that goes on", function()
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
      { "Trailer goes on with chunks",
        { method = "PUT", framing = "chunked", "Host: x", "trailer: A, B", "Trailer: C" },
        { "PUT / HTTP/1.1", "Host: x", "trailer: A, B", "Trailer: C", "Transfer-Encoding: chunked" } },
      { "Trailer does not go on with a length",
        { method = "PUT", framing = "counted", length = 5, "Host: x", "Trailer: A" },
        { "PUT / HTTP/1.1", "Host: x", "Content-Length: 5" } },
      { "Trailer does not go on without a body", get("Host: x", "TRAILER: A"), { "GET / HTTP/1.1", "Host: x" } },
      { "Connection cannot take Trailer away",
        { method = "PUT", framing = "chunked", "Host: x", "Trailer: A", "Connection: trailer" },
        { "PUT / HTTP/1.1", "Host: x", "Trailer: A", "Transfer-Encoding: chunked" } },
      { "what a backend behind CGI takes for a length, or a coding, does not go on",
        { method = "PUT", framing = "counted", length = 5, "Host: x", "Content_Length: 6", "content_LENGTH: 7",
          "Content.Length: 8", "Transfer_Encoding: chunked", "TRANSFER.encoding: chunked", "Content-Length: 5" },
        { "PUT / HTTP/1.1", "Host: x", "Content-Length: 5" } },
      { "neither does it from a trusted peer", with(get("Host: x", "Content_Length: 6", "Transfer_Encoding: chunked"),
        { trusted = true }), { "GET / HTTP/1.1", "Host: x" } },
      { "other names with an underscore or a dot go on",
        get("Host: x", "X_A: 1", "x.b: 2", "Keep_Alive: 3", "Max_Forwards: 4", "Content_Type: 5", "_: 6",
          "Content__Length: 7", "ContentLength: 8", "Content_Lengths: 9", "C_ntent-Length: 10", "Content-Len.th: 11"),
        { "GET / HTTP/1.1", "Host: x", "X_A: 1", "x.b: 2", "Keep_Alive: 3", "Max_Forwards: 4", "Content_Type: 5",
          "_: 6", "Content__Length: 7", "ContentLength: 8", "Content_Lengths: 9", "C_ntent-Length: 10",
          "Content-Len.th: 11" } },
    }
  end)

  describe("and Connection:", function()
    requests {
      { "no field of the connection goes on",
        get("Host: x", "Connection: keep-alive", "Keep-Alive: timeout=5", "Proxy-Connection: close", "TE: deflate",
          "Trailer: A", "Upgrade: websocket", "Transfer-Encoding: chunked", "Proxy-Authenticate: a",
          "Proxy-Authorization: b", "HTTP2-Settings: c", "Proxy-Authentication-Info: d", "Authorization: e"),
        { "GET / HTTP/1.1", "Host: x", "Authorization: e" } },
      { "none of those goes on in another letter case",
        get("Host: x", "CONNECTION: close", "kEEP-aLIVE: a", "proxy-CONNECTION: close", "te: deflate", "TRAILER: A",
          "uPGRADE: a", "TRANSFER-encoding: chunked", "PROXY-authenticate: a", "proxy-authorizatioN: b",
          "http2-SETTINGS: c"),
        { "GET / HTTP/1.1", "Host: x" } },
      { "those that only look so go on",
        get("Host: x", "T: a", "TE2: b", "Trailers: c", "Upgrades: d", "Connections: e", "X-Connection: f",
          "Proxy-Authenticat: g", "Keep_Alive: h", "Transfer-Encodinf: i", "Proxy-Status: j"),
        { "GET / HTTP/1.1", "Host: x", "T: a", "TE2: b", "Trailers: c", "Upgrades: d", "Connections: e",
          "X-Connection: f", "Proxy-Authenticat: g", "Keep_Alive: h", "Transfer-Encodinf: i", "Proxy-Status: j" } },
      { "a field that it names does not go on", get("Host: x", "Connection: X-A", "X-A: 1", "X-B: 2"),
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
      { "one that is wanted goes on", upgrading("Connection: Upgrade", "Upgrade: websocket"), asks "websocket" },
      { "its letter case stays", upgrading("connection: keep-alive, UPGRADE", "upgrade: WebSocket"), asks "WebSocket" },
      { "one with a version, too", upgrading("Connection: Upgrade", "Upgrade: IRC/6.9"), asks "IRC/6.9" },
      { "several are one list",
        upgrading("Connection: Upgrade", "Upgrade: a,b/2 ,\tc", "upgrade: d", "Upgrade:", "Upgrade: ,e,"),
        asks "a, b/2, c, d, e" },
      { "h2c does not go on", upgrading("Connection: Upgrade", "Upgrade: h2c, websocket"), asks "websocket" },
      { "nor last", upgrading("Connection: Upgrade", "Upgrade: websocket, h2c"), asks "websocket" },
      { "nor in another letter case, with a version or in another line",
        upgrading("Connection: Upgrade", "Upgrade: H2C", "Upgrade: a, h2C/1", "Upgrade: h2c,b"), asks "a, b" },
      { "nor its settings", upgrading("Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAM", "Upgrade: a"),
        asks "a" },
      { "nor alone", upgrading("Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAM", "Upgrade: h2c"), LINES },
      { "what only begins like it does", upgrading("Connection: Upgrade", "Upgrade: h3, xh2c, h2x, hc"),
        asks "h3, xh2c, h2x, hc" },
      { "what it was called in drafts does not go on",
        upgrading("Connection: Upgrade", "Upgrade: h2, H2C-14, h2-14, h2cx/1, H2/2, h2c/1, a"), asks "a" },
      { "without one there is none", upgrading("Connection: Upgrade"), LINES },
      { "one that is not wanted does not go on", get("Host: x", "Connection: Upgrade", "Upgrade: websocket"), LINES },
      { "what belongs to it goes on as it is",
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

  describe("from a peer that is not trusted", function()
    local LINES = { "GET / HTTP/1.1", "Host: x" }
    requests {
      { "has that peer alone as its client", get("Host: x", "X-Forwarded-For: 1.1.1.1"), LINES },
      { "whatever came",
        get("x-forwarded-for: 1.1.1.1, 2.2.2.2", "Host: x", "X-FORWARDED-FOR:", "X-Forwarded-For: 3"), LINES },
      { "has no other proto, host and port of its making",
        get("X-Forwarded-Proto: https", "Host: x", "x-forwarded-host: evil", "X-FORWARDED-PORT: 1"), LINES },
      { "has no Forwarded of its making",
        get("Host: x", "Forwarded: for=1.1.1.1;proto=https", "forwarded: for=_a"), LINES },
      { "has nothing else of that kind", get("Host: x", "X-Forwarded-Prefix: /a", "x-forwarded-ssl: on",
        "X-Forwarded-Server: a", "X-Forwarded-Scheme: https", "X-Forwarded-: b"), LINES },
      { "has nothing that a backend behind CGI takes for it",
        get("Host: x", "X_Forwarded_For: 1.1.1.1", "X-Forwarded_For: 1", "x_forwarded-proto: https",
          "X.Forwarded.Host: a", "X_FORWARDED_PORT: 1", "X_Forwarded_Prefix: a"), LINES },
      { "has what only looks like it to us",
        get("Host: x", "X-Forwarded: a", "XForwarded-For: b", "X-Forward-For: c", "Forwarded-For: d", "X-Real-IP: e",
          "Forwarde: f"),
        { "GET / HTTP/1.1", "Host: x", "X-Forwarded: a", "XForwarded-For: b", "X-Forward-For: c", "Forwarded-For: d",
          "X-Real-IP: e", "Forwarde: f" } },
      { "has an address of IPv6 without brackets", with(get "Host: x", { peer_ip = "2001:db8::1" }), LINES,
        { "X-Forwarded-For: 2001:db8::1", PROTO, HOST, PORT, VIA } },
      { "has the protocol and the host of the request", with(get "Host: y", { proto = "https", host = "h:8080" }),
        { "GET / HTTP/1.1", "Host: h:8080" },
        { FOR, "X-Forwarded-Proto: https", "X-Forwarded-Host: h:8080", "X-Forwarded-Port: 8080", VIA } },
    }
  end)

  describe("from a trusted peer", function()
    local function trusted(...) return with(get(...), { trusted = true }) end
    local LINES = { "GET / HTTP/1.1", "Host: x" }
    requests {
      { "has its clients, then itself", trusted("Host: x", "X-Forwarded-For: 1.1.1.1"), LINES,
        { "X-Forwarded-For: 1.1.1.1, 10.0.0.9", PROTO, HOST, PORT, VIA } },
      { "has them in order, in one field",
        with(trusted("X-Forwarded-For: 1.1.1.1", "Host: x", "x-forwarded-for:", "X-FORWARDED-FOR: 2.2.2.2,3.3.3.3"),
          { peer_ip = "2001:db8::1" }), LINES,
        { "X-Forwarded-For: 1.1.1.1, 2.2.2.2,3.3.3.3, 2001:db8::1", PROTO, HOST, PORT, VIA } },
      { "has itself alone if it says nothing", trusted "Host: x", LINES },
      { "has its proto, where it stands", trusted("x-forwarded-PROTO: https", "Host: x"),
        { "GET / HTTP/1.1", "x-forwarded-PROTO: https", "Host: x" }, { FOR, HOST, "X-Forwarded-Port: 443", VIA } },
      { "has its host", trusted("Host: x", "X-Forwarded-Host: a, b"),
        { "GET / HTTP/1.1", "Host: x", "X-Forwarded-Host: a, b" }, { FOR, PROTO, PORT, VIA } },
      { "has its port", trusted("Host: x", "X-Forwarded-Port: 443"),
        { "GET / HTTP/1.1", "Host: x", "X-Forwarded-Port: 443" }, { FOR, PROTO, HOST, VIA } },
      { "has all of them, several times",
        trusted("X-Forwarded-Proto: https", "X-Forwarded-Proto: http", "Host: x", "X-Forwarded-Host: a", "A: b",
          "X-Forwarded-Port: 1", "x-forwarded-host: c"),
        { "GET / HTTP/1.1", "X-Forwarded-Proto: https", "X-Forwarded-Proto: http", "Host: x", "X-Forwarded-Host: a",
          "A: b", "X-Forwarded-Port: 1", "x-forwarded-host: c" }, { FOR, VIA } },
      { "has its others of that kind", trusted("Host: x", "X-Forwarded-Prefix: /a"),
        { "GET / HTTP/1.1", "Host: x", "X-Forwarded-Prefix: /a" } },
      { "has no look-alikes, which no honest proxy writes",
        trusted("Host: x", "X_Forwarded_Proto: https", "X!Forwarded!For: 1.1.1.1", "X_Forwarded_Prefix: /a"), LINES },
      { "has its Forwarded", trusted("Forwarded: for=1.1.1.1;by=_a", "Host: x", "forwarded: for=2"),
        { "GET / HTTP/1.1", "Forwarded: for=1.1.1.1;by=_a", "Host: x", "forwarded: for=2" } },
      { "has its Forwarded, and ours behind it",
        with(trusted("Forwarded: for=1.1.1.1", "Host: x"), { forwarded = true }),
        { "GET / HTTP/1.1", "Forwarded: for=1.1.1.1", "Host: x" },
        { FOR, PROTO, HOST, PORT, "Forwarded: for=10.0.0.9;host=x;proto=http", VIA } },
    }
  end)

  describe("has as X-Forwarded-Port, that is, where the client asked,", function()
    local function says(what, port, given)
      it(what, function()
        local found
        for _, line in ipairs(request(given)) do
          if line:find "^X%-Forwarded%-Port" then found = assert(not found and line:match "%d+$") end
        end
        assert.equal(port, found)
      end)
    end
    local function asked(host, ...) return with(get("Host: y", ...), { host = host }) end
    local function from_trusted(host, ...) return with(asked(host, ...), { trusted = true }) end

    says("the port of Host", "8080", asked "shop.example:8080")
    says("the port of a Host that is an address", "8080", asked "[2001:db8::1]:8080")
    says("the scheme's, if Host has none", "80", asked "shop.example")
    says("the scheme's, if Host ends with its colon", "80", asked "shop.example:")
    says("the scheme's, if Host is an address", "80", asked "[2001:db8::80]")
    says("the scheme's, if Host ends with digits", "80", asked "192.0.2.1")
    says("one without leading zeros", "81", asked "x:0081")
    says("none that there is not", "80", asked "x:0")
    says("the port of Host, whatever somebody says of the scheme", "8080",
      asked("x:8080", "X-Forwarded-Proto: https", "X-Forwarded-Host: y:81"))
    says("the scheme's, of a request without a Host", "80", with(asked "10.0.0.1:8000", { names_no_host = true }))
    says("what a trusted one says", "5", from_trusted("x:1", "X-Forwarded-Port: 5", "X-Forwarded-Host: h:6"))
    says("that of the scheme that a trusted one says", "443", from_trusted("x", "X-Forwarded-Proto: http, HTTPS"))
    says("that of the scheme that a trusted one says last", "80",
      from_trusted("x", "X-Forwarded-Proto: https", "X-Forwarded-Proto: http"))
    says("that of a WebSocket over TLS", "443", from_trusted("x", "X-Forwarded-Proto: wss"))
    says("none of a scheme that has none", nil, from_trusted("x", "X-Forwarded-Proto: gopher"))
    says("the port of Host, if a trusted one says only the scheme", "8443",
      from_trusted("x:8443", "X-Forwarded-Proto: https"))
    says("that of the host that a trusted one says", "8443",
      from_trusted("10.0.0.1:3030", "X-Forwarded-Proto: https", "X-Forwarded-Host: shop.example:8443"))
    says("that of the host that a trusted one says last", "82", from_trusted("x", "X-Forwarded-Host: a:81, b:82"))
    says("the scheme's, if the host that a trusted one says has none", "443",
      from_trusted("10.0.0.1:3030", "X-Forwarded-Proto: https", "X-Forwarded-Host: shop.example"))
    says("the scheme's, if what a trusted one says is no host", "80", from_trusted("x:1", "X-Forwarded-Host: ::5"))
    says("that of the host that the script says", "84",
      with(from_trusted("x:81", "X-Forwarded-Host: y:82"), { changes = { "X-Forwarded-Host", "z:84" } }))
    says("that of the scheme that the script says", "443",
      with(from_trusted("x", "X-Forwarded-Proto: http"), { changes = { "x-forwarded-proto", "https" } }))
    says("what the script says", "7", with(asked "x:81", { changes = { "X-Forwarded-Port", "7" } }))
    says("nothing, if the script says so", nil, with(asked "x:81", { changes = { "X-Forwarded-Port", false } }))
  end)

  describe("with Forwarded", function()
    local function says(given, element)
      return { element, with(given, { forwarded = true }), { "GET / HTTP/1.1", "Host: " .. (given.host or "x") },
        { "X-Forwarded-For: " .. (given.peer_ip or "10.0.0.9"), "X-Forwarded-Proto: " .. (given.proto or "http"),
          "X-Forwarded-Host: " .. (given.host or "x"), given.proto == "https" and "X-Forwarded-Port: 443" or PORT,
          "Forwarded: " .. element, VIA } }
    end
    requests {
      says(get "Host: x", "for=10.0.0.9;host=x;proto=http"),
      says(get("Host: x", "Forwarded: for=1.1.1.1"), "for=10.0.0.9;host=x;proto=http"),
      says(with(get "Host: x", { peer_ip = "2001:db8::1" }), "for=\"[2001:db8::1]\";host=x;proto=http"),
      says(with(get "Host: x", { peer_ip = "unknown" }), "for=unknown;host=x;proto=http"),
      says(with(get "Host: x", { peer_ip = "a b" }), "for=\"a b\";host=x;proto=http"),
      says(with(get "Host: x", { host = "a.b-c_d~" }), "for=10.0.0.9;host=a.b-c_d~;proto=http"),
      says(with(get "Host: x", { host = "a:80" }), "for=10.0.0.9;host=\"a:80\";proto=http"),
      says(with(get "Host: x", { host = "[::1]:80" }), "for=10.0.0.9;host=\"[::1]:80\";proto=http"),
      says(with(get "Host: x", { host = "a,b;c=(d)" }), "for=10.0.0.9;host=\"a,b;c=(d)\";proto=http"),
      says(with(get "Host: x", { host = "a\"b\\" }), "for=10.0.0.9;host=\"a\\\"b\\\\\";proto=http"),
      says(with(get "Host: x", { host = "" }), "for=10.0.0.9;host=\"\";proto=http"),
      says(with(get "Host: x", { proto = "https" }), "for=10.0.0.9;host=x;proto=https"),
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

describe("the head of a response that goes on", function()
  it("is this, byte for byte", function()
    assert.equal("HTTP/1.1 200 OK\r\nServer: a\r\nVia: 1.1 lb\r\nContent-Length: 5\r\n\r\n",
      response_text { status = 200, reason = "OK", "Server: a", framing = "counted", length = 5 })
  end)

  responses {
    { "keeps fields as they came, in order, letter case and repetition",
      { status = 200, reason = "OK", framing = "chunked", "Date: d", "Set-Cookie: a", "server:s", "Set-Cookie: b",
        "set-cookie: a", "Empty:" },
      { "HTTP/1.1 200 OK", "Date: d", "Set-Cookie: a", "server: s", "Set-Cookie: b", "set-cookie: a", "Empty: ", VIA,
        "Transfer-Encoding: chunked" } },
    { "has a date if it came without one", { status = 200, framing = "counted", date = "now", "A: b" },
      { "HTTP/1.1 200 ", "A: b", "Date: now", VIA, "Content-Length: 0" } },
    { "keeps the date that it has", { status = 304, date = "now", "date: then", "Connection: date" },
      { "HTTP/1.1 304 ", "date: then", VIA } },
    { "needs no date while it is not final", { status = 103, date = "now", "Link: a" },
      { "HTTP/1.1 103 ", "Link: a", VIA } },
    { "keeps the reason", { status = 404, reason = "It's  \195\188\tso " , framing = "counted" },
      { "HTTP/1.1 404 It's  \195\188\tso ", VIA, "Content-Length: 0" } },
    { "may have no reason", { status = 599, framing = "counted" }, { "HTTP/1.1 599 ", VIA, "Content-Length: 0" } },
    { "has no field of the connection",
      { status = 200, framing = "counted", "Connection: keep-alive", "Keep-Alive: timeout=5", "Proxy-Connection: close",
        "TE: trailers", "Trailer: A", "Upgrade: h2c", "TRANSFER-ENCODING: chunked", "Proxy-Authenticate: a",
        "Proxy-Authorization: b", "HTTP2-Settings: c", "WWW-Authenticate: d" },
      { "HTTP/1.1 200 ", "WWW-Authenticate: d", VIA, "Content-Length: 0" } },
    { "has no field that Connection names",
      { status = 200, framing = "counted", "X-A: 1", "Connection: close, x-a", "connection: X-B", "X-b: 2", "X-C: 3" },
      { "HTTP/1.1 200 ", "X-C: 3", VIA, "Content-Length: 0" } },
    { "has no look-alike of framing that Connection names",
      { status = 200, framing = "counted", "Content_Length: 1", "Transfer_Encoding: a", "Connection: content_length" },
      { "HTTP/1.1 200 ", "Transfer_Encoding: a", VIA, "Content-Length: 0" } },
    { "has what Connection cannot take away",
      { status = 200, framing = "counted", length = 5, "Connection: content-length, via, date", "Via: 1.1 a",
        "Content-Length: 5", "Date: d" },
      { "HTTP/1.1 200 ", "Via: 1.1 a", "Date: d", VIA, "Content-Length: 5" } },
    { "has what only a backend must not get",
      { status = 200, framing = "counted", "Expect: a", "Host: b", "X-Forwarded-For: c", "X_Forwarded_For: d",
        "Forwarded: e", "Content_Length: 6", "Transfer_Encoding: f", "Cookie: g", "Authorization: h",
        "Max-Forwards: 1" },
      { "HTTP/1.1 200 ", "Expect: a", "Host: b", "X-Forwarded-For: c", "X_Forwarded_For: d", "Forwarded: e",
        "Content_Length: 6", "Transfer_Encoding: f", "Cookie: g", "Authorization: h", "Max-Forwards: 1", VIA,
        "Content-Length: 0" } },
    { "has its length written anew, once",
      { status = 200, framing = "counted", length = 5, "content-length: 005", "A: b" },
      { "HTTP/1.1 200 ", "A: b", VIA, "Content-Length: 5" } },
    { "has no length beside chunks", { status = 200, framing = "chunked", "Content-Length: 5" },
      { "HTTP/1.1 200 ", VIA, "Transfer-Encoding: chunked" } },
    { "has neither where the connection's end is the body's",
      { status = 200, framing = "until_close", closes = true, client = "1.0", "Content-Length: 5",
        "Transfer-Encoding: chunked" },
      { "HTTP/1.1 200 ", VIA, "Connection: close" } },
    { "says before chunks what trails", { status = 200, framing = "chunked", "Trailer: A", "trailer: B" },
      { "HTTP/1.1 200 ", "Trailer: A", "trailer: B", VIA, "Transfer-Encoding: chunked" } },
    { "has no Trailer before a length", { status = 200, framing = "counted", "Trailer: A" },
      { "HTTP/1.1 200 ", VIA, "Content-Length: 0" } },
    { "has no Trailer to a client of 1.0", { status = 200, framing = "until_close", closes = true, client = "1.0",
      "Trailer: A" }, { "HTTP/1.1 200 ", VIA, "Connection: close" } },
    { "to HEAD has no Trailer", { status = 200, framing = "none", "Trailer: A" }, { "HTTP/1.1 200 ", VIA } },
    { "to HEAD has the length that a body would have", { status = 200, framing = "none", "Content-Length: 5" },
      { "HTTP/1.1 200 ", "Content-Length: 5", VIA } },
    { "to HEAD has that length even if Connection names it",
      { status = 200, framing = "none", "Content-Length: 5", "Connection: Content-Length" },
      { "HTTP/1.1 200 ", "Content-Length: 5", VIA } },
    { "to HEAD has no coding", { status = 200, framing = "none", "Transfer-Encoding: chunked" },
      { "HTTP/1.1 200 ", VIA } },
    { "of status 304 has the length that a body would have", { status = 304, framing = "none", "Content-Length: 5" },
      { "HTTP/1.1 304 ", "Content-Length: 5", VIA } },
    { "of status 204 has none", { status = 204, framing = "none", "Content-Length: 5", "A: b" },
      { "HTTP/1.1 204 ", "A: b", VIA } },
    { "of status 205 has the one it had", { status = 205, framing = "counted", "Content-Length: 0" },
      { "HTTP/1.1 205 ", VIA, "Content-Length: 0" } },
    { "of status 100 has none", { status = 100, reason = "Continue", framing = "none", "Content-Length: 0" },
      { "HTTP/1.1 100 Continue", VIA } },
    { "of status 103 has none", { status = 103, framing = "none", "Content-Length: 5", "Link: a" },
      { "HTTP/1.1 103 ", "Link: a", VIA } },
    { "that is interim has no framing", { status = 103, framing = "counted", length = 5, "Link: a" },
      { "HTTP/1.1 103 ", "Link: a", VIA } },
    { "that is interim says nothing of the connection",
      { status = 103, framing = "none", closes = true, client = "1.0", "Link: a", "Connection: X", "X: b",
        "Upgrade: c", "Trailer: d" },
      { "HTTP/1.1 103 ", "Link: a", VIA } },
    { "says that the connection ends", { status = 200, framing = "counted", length = 1, closes = true },
      { "HTTP/1.1 200 ", VIA, "Content-Length: 1", "Connection: close" } },
    { "says so once, whatever the backend says",
      { status = 200, framing = "counted", length = 1, closes = true, "Connection: close", "connection: keep-alive" },
      { "HTTP/1.1 200 ", VIA, "Content-Length: 1", "Connection: close" } },
    { "does not say that the backend's connection ends", { status = 200, framing = "counted", "Connection: close" },
      { "HTTP/1.1 200 ", VIA, "Content-Length: 0" } },
    { "says to a client of 1.0 that it goes on", { status = 200, framing = "counted", length = 1, client = "1.0" },
      { "HTTP/1.1 200 ", VIA, "Content-Length: 1", "Connection: keep-alive" } },
    { "says to a client of 1.0 that it ends",
      { status = 200, framing = "counted", length = 1, client = "1.0", closes = true },
      { "HTTP/1.1 200 ", VIA, "Content-Length: 1", "Connection: close" } },
    { "of HTTP/1.0 is one of 1.1, and says so", { version = "1.0", status = 200, framing = "counted", length = 1 },
      { "HTTP/1.1 200 ", "Via: 1.0 lb", "Content-Length: 1" } },
    { "says who it came through before", { status = 200, framing = "counted", "Via: 1.0 a", "via: 1.1 b" },
      { "HTTP/1.1 200 ", "Via: 1.0 a", "via: 1.1 b", VIA, "Content-Length: 0" } },
    { "has room, whatever it is made of",
      { status = 426, reason = ("r"):rep(8000), framing = "counted", length = 18446744073709551615ULL, client = "1.0",
        "Upgrade:" },
      { "HTTP/1.1 426 " .. ("r"):rep(8000), "Upgrade: ", VIA, "Content-Length: 18446744073709551615",
        "Connection: upgrade, keep-alive" } },
  }

  describe("and Upgrade:", function()
    responses {
      { "a 101 that was asked for has it, where it stands",
        { status = 101, reason = "Switching Protocols", upgrade = true, "A: b", "upgrade: WebSocket",
          "Connection: Upgrade", "Sec-WebSocket-Accept: c" },
        { "HTTP/1.1 101 Switching Protocols", "A: b", "upgrade: WebSocket", "Sec-WebSocket-Accept: c", VIA,
          "Connection: upgrade" } },
      { "it says nothing of what comes then", { status = 101, upgrade = true, closes = true, client = "1.0",
        "Upgrade: a", "Content-Length: 5", "Transfer-Encoding: chunked" },
        { "HTTP/1.1 101 ", "Upgrade: a", VIA, "Connection: upgrade" } },
      { "one that was not has none", { status = 101, "Upgrade: a", "Connection: Upgrade" }, { "HTTP/1.1 101 ", VIA } },
      { "a 426 has it as information", { status = 426, framing = "counted", "Upgrade: TLS/1.2, HTTP/1.1",
        "Connection: Upgrade" },
        { "HTTP/1.1 426 ", "Upgrade: TLS/1.2, HTTP/1.1", VIA, "Content-Length: 0", "Connection: upgrade" } },
      { "and says with it that the connection ends", { status = 426, framing = "counted", closes = true, "Upgrade: a" },
        { "HTTP/1.1 426 ", "Upgrade: a", VIA, "Content-Length: 0", "Connection: upgrade, close" } },
      { "or goes on", { status = 426, framing = "counted", client = "1.0", "Upgrade: a" },
        { "HTTP/1.1 426 ", "Upgrade: a", VIA, "Content-Length: 0", "Connection: upgrade, keep-alive" } },
      { "a 426 without one names none", { status = 426, framing = "counted", "Connection: Upgrade" },
        { "HTTP/1.1 426 ", VIA, "Content-Length: 0" } },
      { "another answer has none", { status = 200, framing = "counted", "Upgrade: h2,h2c", "Connection: Upgrade, X",
        "X: a" }, { "HTTP/1.1 200 ", VIA, "Content-Length: 0" } },
      { "another refusal has none", { status = 400, framing = "counted", "Upgrade: a", "Connection: Upgrade" },
        { "HTTP/1.1 400 ", VIA, "Content-Length: 0" } },
    }
  end)

  for _, name in ipairs(END_TO_END) do
    it("has " .. name .. ", whatever Connection names", function()
      local line = name .. ": 1"
      assert.same({ "HTTP/1.1 200 ", line, line, VIA, "Content-Length: 0" },
        response { status = 200, framing = "counted", line, "Connection: " .. name, line })
    end)
  end
end)

describe("trailers that go on", function()
  local function are(what, fields, expected, head)
    it(what, function() assert.same(expected, trailers(head or {}, fields)) end)
  end

  are("may be none", {}, {})
  are("are as they came, in order, letter case and repetition",
    { "Grpc-Status: 0", "grpc-message: a  b", "X: \195\188", "grpc-status: 1", "Empty:", "X_Y: 2" },
    { "Grpc-Status: 0", "grpc-message: a  b", "X: \195\188", "grpc-status: 1", "Empty: ", "X_Y: 2" })
  are("are those that their definitions allow",
    { "ETag: a", "Accept-Ranges: bytes", "Content-Digest: b", "Content-MD5: c", "Server-Timing: d", "Proxy-Status: e",
      "Link: f" },
    { "ETag: a", "Accept-Ranges: bytes", "Content-Digest: b", "Content-MD5: c", "Server-Timing: d", "Proxy-Status: e",
      "Link: f" })
  are("are none that Connection names", { "X-A: 1", "X-B: 2", "x-a: 3", "X-C: 4" }, { "X-B: 2" },
    { "connection: close, X-a", "Connection: ,x-c" })
  are("are those that it cannot take away", { "ETag: 1", "X: 2" }, { "ETag: 1" }, { "Connection: etag, x" })
  are("know no Connection of their own", { "Connection: X-A", "X-A: 1" }, { "X-A: 1" })
  are("are none of many", { "Content-Length: 1", "Host: a", "Cookie: b", "Content_Length: 2" }, {})
  are("have room, whatever they are", { ("N"):rep(5000) .. ": " .. ("v"):rep(9000), "a: b", ":" },
    { ("N"):rep(5000) .. ": " .. ("v"):rep(9000), "a: b", ": " })

  local dropped = joined(HOP_BY_HOP, CREDENTIALS, {
    "Host", "Content-Length", "Trailer", "Max-Forwards", "Via", "X-Forwarded-For", "X-Forwarded-Proto",
    "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix", "Forwarded", "WWW-Authenticate", "Set-Cookie",
    "Cache-Control", "Expect", "Pragma", "Range", "If-Match", "If-None-Match", "If-Modified-Since",
    "If-Unmodified-Since", "If-Range", "Content-Encoding", "Content-Type", "Content-Range", "Content-Language",
    "Content-Location", "Age", "Date", "Expires", "Location", "Retry-After", "Vary", "Accept", "Accept-Encoding",
    "Allow", "Origin", "Server", "User-Agent", "Content_Length", "Transfer_Encoding", "Content.Length",
    "X_Forwarded_For", "X-Forwarded_Proto",
  })
  for _, name in ipairs(dropped) do
    are("are no " .. name, { "A: 1", name .. ": 1", name:lower() .. ": 2", name:upper() .. ": 3", "B: 2" },
      { "A: 1", "B: 2" })
  end
end)

describe("a switch of protocols", function()
  local cases = { -- Upgrade fields of the request, of the 101, whether they agree
    { { "websocket" }, { "websocket" }, true },
    { { "WebSocket" }, { "wEBsocket" }, true },
    { { "a, b/2, c" }, { "B/2" }, true },
    { { "a", "b" }, { "b" }, true },
    { { "h2c, a" }, { "a" }, true },
    { { "a" }, { "", "a", " , " }, true },
    { { "a,a" }, { "a" }, true },
    { { "a" }, { "b" }, false },
    { { "a" }, {}, false },
    { { "a" }, { "" }, false },
    { {}, { "a" }, false },
    { { "" }, { "" }, false },
    { { "a, b" }, { "a, b" }, false },
    { { "a, b" }, { "a", "b" }, false },
    { { "a" }, { "a, a" }, false },
    { { "a" }, { "a, b" }, false },
    { { "a" }, { "a/1" }, false },
    { { "a/1" }, { "a" }, false },
    { { "a/1" }, { "a/2" }, false },
    { { "ab" }, { "a" }, false },
    { { "a" }, { "ab" }, false },
    { { "h2c" }, { "h2c" }, false },
    { { "h2c, a" }, { "H2C" }, false },
    { { "h2c/1" }, { "h2c/1" }, false },
  }
  for _, case in ipairs(cases) do
    local offered, chosen, expected = unpack(case)
    local function head(values)
      local given = { "Connection: upgrade", "X: a" }
      for i, value in ipairs(values) do table.insert(given, (i % 2 == 0 and "upgrade: " or "Upgrade: ") .. value) end
      return http.head(given)
    end
    it(("to { %s } of { %s } is %s"):format(table.concat(chosen, " | "), table.concat(offered, " | "),
      expected and "agreed upon" or "not agreed upon"), function()
      local request_head, kept = head(offered)
      local response_head, kept_too = head(chosen)
      assert.equal(expected, core.upgrade_agrees(request_head, response_head))
      assert(kept and kept_too)
    end)
  end
end)

describe("a field's name", function()
  local function kind(name) return core.kind_of(http.slice(name)) end

  it("is known in any letter case, and only as a whole", function()
    for _, names in ipairs { HOP_BY_HOP, CREDENTIALS,
      { "Host", "Expect", "Max-Forwards", "Content-Length", "Trailer", "Forwarded", "X-Forwarded-For" } } do
      for _, name in ipairs(names) do
        assert.not_equal(0, kind(name), name)
        assert.equal(kind(name), kind(name:upper()))
        assert.equal(kind(name), kind(name:lower()))
        assert.not_equal(kind(name), kind(name .. "x"), name)
        if name ~= "Cookie2" then assert.not_equal(kind(name), kind(name:sub(1, -2)), name) end
        assert.not_equal(kind(name), kind("x" .. name), name)
      end
    end
  end)

  it("ends where it ends", function()
    for _, name in ipairs { "X-Forwarded-For", "Content-Length", "Proxy-Authentication-Info" } do
      for length = 0, #name - 1 do
        local known = name:sub(1, length):find "^X%-Forwarded%-"
        assert.equal(known and kind "X-Forwarded-Other" or 0, core.kind_of(ffi.new("struct slice", name, length)))
      end
    end
  end)

  it("of any length is looked up", function()
    for length = 0, 300 do assert.equal(0, kind(("n"):rep(length))) end
  end)
end)

-- Nothing that goes on may be read differently from what came: the parser reads it again.
describe("a head that goes on", function()
  local NAMES = {
    "Host", "A", "X-B", "Connection", "Keep-Alive", "Via", "TE", "X-Forwarded-For", "Content-Length", "Upgrade",
    "Trailer", "Forwarded", "X-Forwarded-Proto", "X_Forwarded_For", "Max-Forwards", "Proxy-Authorization",
    "Content_Length",
  }
  local VALUES = {
    "", "a", "close", "A, x-b", "host", "b  c", "\"q, r\"", "\195\188", "trailers", "a/1,b", "h2c", ",", "upgrade, te",
  }
  local function flag() return math.random() < 0.5 end

  local function field() return NAMES[math.random(#NAMES)] .. ": " .. VALUES[math.random(#VALUES)] end

  local function count(fields, wanted)
    local found = 0
    for _, line in ipairs(fields) do
      if line:match "^[^:]*":lower() == wanted then found = found + 1 end
    end
    return found
  end

  it("is a head that is read as it was written", function()
    math.randomseed(5)
    for _ = 1, 4000 do
      local given = { method = "POST", framing = "counted", length = 0, trusted = flag(), forwarded = flag(),
        upgrade = flag(), max_forwards = flag() and 3 or nil }
      for i = 1, math.random(0, 8) do given[i] = field() end
      local lines = request(given)
      local seen = http.read(table.concat(lines, "\r\n") .. "\r\n\r\n", function(at) return at + 7 end, {})
      assert.same({ "end", "POST / 1.1", "" }, { seen.result, seen.head, seen.rest })
      assert.same({ unpack(lines, 2) }, seen.fields)
      assert.equal(1, count(lines, "content-length"))
      assert.equal(1, count(lines, "x-forwarded-for"))
      assert.equal(0, count(lines, "content_length"))
      assert.is_true(count(lines, "connection") <= 1 and count(lines, "te") <= 1 and count(lines, "upgrade") <= 1)
    end
  end)

  it("is one of a response that is read as it was written", function()
    math.randomseed(6)
    for _ = 1, 4000 do
      local given = { status = ({ 200, 404, 426 })[math.random(3)], reason = "a b", framing = "counted", length = 0,
        closes = flag(), client = flag() and "1.0" or "1.1" }
      for i = 1, math.random(0, 8) do given[i] = field() end
      local lines = response(given)
      local seen = http.read(table.concat(lines, "\r\n") .. "\r\n\r\n", function(at) return at + 7 end,
        { response = true })
      assert.same({ "end", "1.1 " .. given.status .. " a b", "" }, { seen.result, seen.head, seen.rest })
      assert.same({ unpack(lines, 2) }, seen.fields)
      assert.equal(1, count(lines, "content-length"))
      assert.is_true(count(lines, "connection") <= 1)
    end
  end)
end)

local OK = "HTTP/1.1 200 OK"

describe("what a script wants otherwise of a request", function()
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
  ends("is another host for the backend, and what the client asked for is told",
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

describe("what a script wants otherwise of a response", function()
  responses {
    { "takes the place of all fields of that name", { status = 200, reason = "OK", "A: 1", "a: 2", "A_: 3",
      changes = { "A", "9", "B", "8" } }, { OK, "A_: 3", "A: 9", "B: 8", VIA } },
    { "may be nothing", { status = 200, reason = "OK", "Server: a", "B: 2", changes = { "server", false } },
      { OK, "B: 2", VIA } },
    { "leaves look-alikes", { status = 200, reason = "OK", "X_A: 1", changes = { "X-A", "2" } },
      { OK, "X_A: 1", "X-A: 2", VIA } },
    { "adds a cookie to those of the backend", { status = 200, reason = "OK", "Set-Cookie: a=1; Path=/",
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

describe("what a script may want otherwise", function()
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
