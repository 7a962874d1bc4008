-- The heads that go on, byte for byte.
local ffi = require "ffi"
local http = require "spec.support.http"
local core = require "spec.support.core"

ffi.cdef [[
struct forward_target { int form; struct slice authority, origin, path, query; };
struct forward_request_given {
  const struct head_seen *head;
  const struct forward_target *target;
  int framing;
  uint64_t length;
  struct slice host, client_ip, proto;
  uint16_t port;
};
struct forward_response_given {
  const struct head_seen *head;
  int framing;
  uint64_t length;
  int client_version;
  bool closes;
};
struct slice forward_request_head(struct arena_seen *, const struct forward_request_given *);
struct slice forward_response_head(struct arena_seen *, const struct forward_response_given *);
]]

local FRAMINGS = { none = 0, counted = 1, chunked = 2, until_close = 3 }

-- Lines, without the empty one at the end, which must be there.
local function lines_of(slice)
  local text = http.text(slice)
  local lines = {}
  assert.equal("\r\n\r\n", text:sub(-4))
  for line in text:sub(1, -3):gmatch "(.-)\r\n" do table.insert(lines, line) end
  return lines
end

-- given: the head as for http.head; origin, framing, length, host, client_ip, port
local function request(given)
  local arena = http.arena()
  local head, kept = http.head(given)
  local texts = { origin = given.origin or "/", host = given.host or "x", client_ip = given.client_ip or "10.0.0.9" }
  local target = ffi.new "struct forward_target"
  target.origin = http.slice(texts.origin)
  local what = ffi.new "struct forward_request_given"
  what.head, what.target = head, target
  what.framing, what.length = FRAMINGS[given.framing or "none"], given.length or 0
  what.host, what.client_ip, what.proto = http.slice(texts.host), http.slice(texts.client_ip), http.slice "http"
  what.port = given.port or 3030
  local lines = lines_of(core.forward_request_head(arena, what))
  assert(kept)
  return lines
end

-- given: the head as for http.head; framing, length, client ("1.0" or "1.1"), closes
local function response(given)
  local arena = http.arena()
  local head, kept = http.head(given)
  local what = ffi.new "struct forward_response_given"
  what.head = head
  what.framing, what.length = FRAMINGS[given.framing or "none"], given.length or 0
  what.client_version, what.closes = given.client == "1.0" and 0 or 1, given.closes or false
  local lines = lines_of(core.forward_response_head(arena, what))
  assert(kept)
  return lines
end

local function joined(...)
  local all = {}
  for _, list in ipairs { ... } do
    for _, line in ipairs(list) do table.insert(all, line) end
  end
  return all
end

local ADDED = {
  "X-Forwarded-For: 10.0.0.9", "X-Forwarded-Proto: http", "X-Forwarded-Host: x", "X-Forwarded-Port: 3030",
  "Via: 1.1 lb",
}

describe("the head of a request that goes on", function()
  it("is this, byte for byte", function()
    local arena = http.arena()
    local head, kept = http.head { method = "GET", "Host: x", "Accept: */*" }
    local target = ffi.new "struct forward_target"
    target.origin = http.slice "/a?b"
    local what = ffi.new("struct forward_request_given", { head = head, target = target, port = 80 })
    what.host, what.client_ip, what.proto = http.slice "x", http.slice "::1", http.slice "http"
    assert.equal("GET /a?b HTTP/1.1\r\nHost: x\r\nAccept: */*\r\nX-Forwarded-For: ::1\r\n" ..
      "X-Forwarded-Proto: http\r\nX-Forwarded-Host: x\r\nX-Forwarded-Port: 80\r\nVia: 1.1 lb\r\n\r\n",
      http.text(core.forward_request_head(arena, what)))
    assert(kept)
  end)

  local cases = { -- what, given, the lines before those that are added
    { "keeps fields as they came, in order, letter case and repetition",
      { method = "PATCH", "B: 2", "HOST: x", "a:1", "b: 2", "A: \195\188  \t1", "B: 1", "Empty:", "Cookie: c" },
      { "PATCH / HTTP/1.1", "B: 2", "HOST: x", "a: 1", "b: 2", "A: \195\188  \t1", "B: 1", "Empty: ", "Cookie: c" } },
    { "has the target of its origin", { method = "OPTIONS", origin = "*", "Host: x" },
      { "OPTIONS * HTTP/1.1", "Host: x" } },
    { "has the host that was decided on in the place of the field",
      { method = "GET", "A: b", "hOsT: other", "C: d" }, { "GET / HTTP/1.1", "A: b", "hOsT: x", "C: d" } },
    { "has the host first where there was none", { method = "GET", "A: b" }, { "GET / HTTP/1.1", "Host: x", "A: b" } },
    { "has no field of the connection",
      { method = "GET", "Host: x", "Connection: keep-alive", "Keep-Alive: timeout=5", "Proxy-Connection: close",
        "TE: trailers", "Trailer: A", "Upgrade: websocket", "Transfer-Encoding: chunked", "Proxy-Authenticate: a",
        "Proxy-Authorization: b", "Authorization: c" },
      { "GET / HTTP/1.1", "Host: x", "Authorization: c" } },
    { "has none of those in another letter case",
      { method = "GET", "Host: x", "CONNECTION: close", "kEEP-aLIVE: a", "proxy-CONNECTION: close", "te: trailers",
        "TRAILER: A", "uPGRADE: a", "TRANSFER-encoding: chunked", "PROXY-authenticate: a", "proxy-authorizatioN: b" },
      { "GET / HTTP/1.1", "Host: x" } },
    { "has those that only look so",
      { method = "GET", "Host: x", "T: a", "TE2: b", "Trailers: c", "Upgrades: d", "Connections: e", "X-Connection: f",
        "Proxy-Authenticat: g", "Keep_Alive: h", "Transfer-Encodinf: i" },
      { "GET / HTTP/1.1", "Host: x", "T: a", "TE2: b", "Trailers: c", "Upgrades: d", "Connections: e",
        "X-Connection: f", "Proxy-Authenticat: g", "Keep_Alive: h", "Transfer-Encodinf: i" } },
    { "has no field that Connection names",
      { method = "GET", "X-A: 1", "Host: x", "Connection: x-a, close", "x-A: 2", "Connection:  X-b ,,X-C", "X-B: 3",
        "X-AB: 4", "x-c: 5" },
      { "GET / HTTP/1.1", "Host: x", "X-AB: 4" } },
    { "has what Connection cannot take away",
      { method = "POST", framing = "counted", length = 5, "Host: x", "Content-Length: 5", "Via: 1.1 a",
        "Connection: host, content-length, via, X-A", "X-A: b" },
      { "POST / HTTP/1.1", "Host: x", "Via: 1.1 a", "Content-Length: 5" } },
    { "has its length written anew",
      { method = "PUT", framing = "counted", length = 5, "Host: x", "content-length: 005" },
      { "PUT / HTTP/1.1", "Host: x", "Content-Length: 5" } },
    { "has any length", { method = "PUT", framing = "counted", length = 18446744073709551615ULL, "Host: x" },
      { "PUT / HTTP/1.1", "Host: x", "Content-Length: 18446744073709551615" } },
    { "has a length of 0 where that was said", { method = "PUT", framing = "counted", "Host: x", "Content-Length: 0" },
      { "PUT / HTTP/1.1", "Host: x", "Content-Length: 0" } },
    { "has no length where there is no body", { method = "POST", "Host: x" }, { "POST / HTTP/1.1", "Host: x" } },
    { "has its coding written anew",
      { method = "PUT", framing = "chunked", "Transfer-Encoding: Chunked", "Host: x" },
      { "PUT / HTTP/1.1", "Host: x", "Transfer-Encoding: chunked" } },
    { "has Expect", { method = "PUT", "Host: x", "Expect: 100-continue" },
      { "PUT / HTTP/1.1", "Host: x", "Expect: 100-continue" } },
    { "says who it came through before", { method = "GET", "Via: 1.0 a", "Host: x", "via: 1.1 b, 2 c" },
      { "GET / HTTP/1.1", "Via: 1.0 a", "Host: x", "via: 1.1 b, 2 c" } },
    { "has no other proto, host and port of a client's making",
      { method = "GET", "X-Forwarded-Proto: https", "Host: x", "x-forwarded-host: evil", "X-FORWARDED-PORT: 1" },
      { "GET / HTTP/1.1", "Host: x" } },
  }
  for _, case in ipairs(cases) do
    local what, given, expected = unpack(case)
    it(what, function() assert.same(joined(expected, ADDED), request(given)) end)
  end

  it("has the clients before this one in order, in one field", function()
    local lines = request { method = "GET", "X-Forwarded-For: 1.1.1.1", "Host: x", "x-forwarded-for:",
      "X-FORWARDED-FOR: 2.2.2.2, 3.3.3.3", client_ip = "2001:db8::1" }
    assert.same({ "GET / HTTP/1.1", "Host: x",
      "X-Forwarded-For: 1.1.1.1, 2.2.2.2, 3.3.3.3, 2001:db8::1", unpack(ADDED, 2) }, lines)
  end)

  it("has no port that is not known", function()
    assert.same({ "GET / HTTP/1.1", "Host: x", ADDED[1], ADDED[2], ADDED[3], ADDED[5] },
      request { method = "GET", "Host: x", port = 0 })
  end)

  it("of HTTP/1.0 is one of 1.1, and says so; it expects nothing", function()
    assert.same({ "GET / HTTP/1.1", "Host: [::1]:80", ADDED[1], ADDED[2], "X-Forwarded-Host: [::1]:80", ADDED[4],
      "Via: 1.0 lb" }, request { method = "GET", version = "1.0", host = "[::1]:80", "Expect: 100-continue" })
  end)

  it("has room, whatever it is made of", function()
    local host, origin, client_ip = ("h"):rep(5000), "/" .. ("o"):rep(9000), ("f"):rep(45)
    local given = { method = ("M"):rep(300), framing = "counted", length = 18446744073709551615ULL, host = host,
      origin = origin, client_ip = client_ip, port = 65535 }
    local expected, before = { given.method .. " " .. origin .. " HTTP/1.1" }, {}
    for i = 1, 128 do
      given[i] = "X-Forwarded-For: " .. i
      before[i] = i .. ", "
    end
    given[129] = "Host: y"
    table.insert(expected, "Host: " .. host)
    table.insert(expected, "Content-Length: 18446744073709551615")
    table.insert(expected, "X-Forwarded-For: " .. table.concat(before) .. client_ip)
    assert.same(joined(expected,
      { "X-Forwarded-Proto: http", "X-Forwarded-Host: " .. host, "X-Forwarded-Port: 65535", "Via: 1.1 lb" }),
      request(given))
    table.remove(given) -- and no Host
    assert.same("Host: " .. host, request(given)[2])
  end)
end)

describe("the head of a response that goes on", function()
  it("is this, byte for byte", function()
    local arena = http.arena()
    local head, kept = http.head { status = 200, reason = "OK", "Server: a" }
    local what = ffi.new("struct forward_response_given",
      { head = head, framing = FRAMINGS.counted, length = 5, client_version = 1 })
    assert.equal("HTTP/1.1 200 OK\r\nServer: a\r\nVia: 1.1 lb\r\nContent-Length: 5\r\n\r\n",
      http.text(core.forward_response_head(arena, what)))
    assert(kept)
  end)

  local VIA = "Via: 1.1 lb"
  local cases = { -- what, given, the lines
    { "keeps fields as they came, in order, letter case and repetition",
      { status = 200, reason = "OK", framing = "chunked", "Date: d", "Set-Cookie: a", "server:s", "Set-Cookie: b",
        "set-cookie: a", "Empty:" },
      { "HTTP/1.1 200 OK", "Date: d", "Set-Cookie: a", "server: s", "Set-Cookie: b", "set-cookie: a", "Empty: ", VIA,
        "Transfer-Encoding: chunked" } },
    { "keeps the reason", { status = 404, reason = "It's  \195\188\tso " , framing = "counted" },
      { "HTTP/1.1 404 It's  \195\188\tso ", VIA, "Content-Length: 0" } },
    { "may have no reason", { status = 599, framing = "counted" }, { "HTTP/1.1 599 ", VIA, "Content-Length: 0" } },
    { "has no field of the connection",
      { status = 200, framing = "counted", "Connection: keep-alive", "Keep-Alive: timeout=5", "Proxy-Connection: close",
        "TE: trailers", "Trailer: A", "Upgrade: h2c", "TRANSFER-ENCODING: chunked", "Proxy-Authenticate: a",
        "Proxy-Authorization: b", "WWW-Authenticate: c" },
      { "HTTP/1.1 200 ", "WWW-Authenticate: c", VIA, "Content-Length: 0" } },
    { "has no field that Connection names",
      { status = 200, framing = "counted", "X-A: 1", "Connection: close, x-a", "connection: X-B", "X-b: 2", "X-C: 3" },
      { "HTTP/1.1 200 ", "X-C: 3", VIA, "Content-Length: 0" } },
    { "has what Connection cannot take away",
      { status = 200, framing = "counted", length = 5, "Connection: content-length, via", "Via: 1.1 a",
        "Content-Length: 5" },
      { "HTTP/1.1 200 ", "Via: 1.1 a", VIA, "Content-Length: 5" } },
    { "has its length written anew, once",
      { status = 200, framing = "counted", length = 5, "content-length: 005", "A: b" },
      { "HTTP/1.1 200 ", "A: b", VIA, "Content-Length: 5" } },
    { "has no length beside chunks", { status = 200, framing = "chunked", "Content-Length: 5" },
      { "HTTP/1.1 200 ", VIA, "Transfer-Encoding: chunked" } },
    { "has neither where the connection's end is the body's",
      { status = 200, framing = "until_close", closes = true, client = "1.0" },
      { "HTTP/1.1 200 ", VIA, "Connection: close" } },
    { "to HEAD has the length that a body would have", { status = 200, framing = "none", "Content-Length: 5" },
      { "HTTP/1.1 200 ", "Content-Length: 5", VIA } },
    { "to HEAD has no coding", { status = 200, framing = "none", "Transfer-Encoding: chunked" },
      { "HTTP/1.1 200 ", VIA } },
    { "of status 304 has the length that a body would have", { status = 304, framing = "none", "Content-Length: 5" },
      { "HTTP/1.1 304 ", "Content-Length: 5", VIA } },
    { "of status 204 has none", { status = 204, framing = "none", "Content-Length: 5", "A: b" },
      { "HTTP/1.1 204 ", "A: b", VIA } },
    { "of status 100 has none", { status = 100, reason = "Continue", framing = "none", "Content-Length: 0" },
      { "HTTP/1.1 100 Continue", VIA } },
    { "that is interim says nothing of the connection",
      { status = 103, framing = "none", closes = true, client = "1.0", "Link: a" },
      { "HTTP/1.1 103 ", "Link: a", VIA } },
    { "says that the connection ends", { status = 200, framing = "counted", length = 1, closes = true },
      { "HTTP/1.1 200 ", VIA, "Content-Length: 1", "Connection: close" } },
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
      { status = 200, reason = ("r"):rep(8000), framing = "counted", length = 18446744073709551615ULL, closes = true },
      { "HTTP/1.1 200 " .. ("r"):rep(8000), VIA, "Content-Length: 18446744073709551615", "Connection: close" } },
  }
  for _, case in ipairs(cases) do
    local what, given, expected = unpack(case)
    it(what, function() assert.same(expected, response(given)) end)
  end
end)

-- Nothing that goes on may be read differently from what came: the parser reads it again.
describe("a head that goes on", function()
  local NAMES = { "Host", "A", "X-B", "Connection", "Keep-Alive", "Via", "TE", "X-Forwarded-For", "Content-Length" }
  local VALUES = { "", "a", "close", "A, x-b", "host", "b  c", "\"q, r\"", "\195\188" }

  it("is a head that is read as it was written", function()
    math.randomseed(5)
    for _ = 1, 2000 do
      local given = { method = "POST", framing = "counted", length = 0 }
      for i = 1, math.random(0, 8) do
        given[i] = NAMES[math.random(#NAMES)] .. ": " .. VALUES[math.random(#VALUES)]
      end
      local lines = request(given)
      local seen = http.read(table.concat(lines, "\r\n") .. "\r\n\r\n", function(at) return at + 7 end, {})
      assert.same({ "end", "POST / 1.1", "" }, { seen.result, seen.head, seen.rest })
      assert.same({ unpack(lines, 2) }, seen.fields)
    end
  end)
end)
