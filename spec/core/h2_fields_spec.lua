-- Fields of HTTP/2 to lines of HTTP/1.1, and back (RFC 9113, 8). What goes through the program is
-- in spec/cases/h2_*; here is what the owner of a connection sees, of both roles.
local frames = require "spec.support.h2_frames"
local hpack = require "spec.support.hpack"
local talk = require "spec.support.h2_talk"

local core = talk.core
local LAST = { last = true }

local function pairs_of(text)
  local list = {}
  for name, value in text:gmatch "(:?[^:|]+): ?([^|]*)" do list[#list + 1] = { name, value } end
  return list
end

local GET = ":method: GET|:scheme: https|:path: /a?b=c|"

-- What comes of a request with these fields: the owner's head, or the frames.
local function request(text, options)
  options = options or {}
  local t = talk.begin { connect = options.connect, head = options.head }
  t:greet()
  local list = type(text) == "table" and text or pairs_of(text)
  return t:play(frames.headers(1, list, { last = not options.open }))
end

local function lines(text, options)
  local list = request(text, options)
  return (list[1] or ""):match "^head 1 (.-) https? ?" or list[1]
end

describe("a request of HTTP/2", function()
  after_each(function() core.talk_end() end)

  it("is lines of HTTP/1.1", function()
    assert.equal("GET /a?b=c HTTP/1.1|Host: x|accept: */*|x-a: 1||",
      lines(GET .. ":authority: x|accept: */*|x-a: 1"))
    assert.equal("GET /a?b=c HTTP/1.1|x-a: 1|Host: x||", lines(GET .. "x-a: 1|host: x"))
    assert.equal("GET /a?b=c HTTP/1.1||", lines(GET))
    assert.equal("OPTIONS * HTTP/1.1|Host: x||", lines ":method: OPTIONS|:scheme: http|:path: *|:authority: x")
    assert.equal("head 1 CONNECT x:443 HTTP/1.1|Host: x:443|| end",
      request({ { ":method", "CONNECT" }, { ":authority", "x:443" } })[1])
  end)

  it("has one line of cookies", function()
    assert.equal("GET /a?b=c HTTP/1.1|x-a: 1|cookie: a=1; b=2; c||",
      lines(GET .. "cookie: a=1|x-a: 1|cookie: b=2|cookie: c"))
  end)

  it("has one host, whoever says it", function()
    local both = GET .. ":authority: x:443|host: "
    assert.equal("GET /a?b=c HTTP/1.1|Host: x:443||", lines(both .. "X"))
    assert.equal("GET /a?b=c HTTP/1.1|Host: x:443||", lines(both .. "x:443"))
    -- Two lines are what the reader of HTTP/1.1 refuses.
    assert.equal("GET /a?b=c HTTP/1.1|Host: x:443|Host: y||", lines(both .. "y"))
    assert.equal("GET /a?b=c HTTP/1.1|Host: x:443|Host: x:80||", lines(both .. "x:80"))
    assert.equal("GET /a?b=c HTTP/1.1|Host: x:443|Host: x||", lines(both .. "x|host: x"))
    assert.equal("GET /a?b=c HTTP/1.1|Host: ||", lines({ { ":method", "GET" }, { ":scheme", "https" },
      { ":path", "/a?b=c" }, { ":authority", "" } }))
  end)

  local malformed = {
    ["an unknown pseudo-field"] = { ":x: 1", ":status: 200", ":protocol: websocket" },
    ["a pseudo-field behind other fields"] = { "x-a: 1|:authority: x" },
    ["a pseudo-field twice"] = { ":method: GET", ":path: /", ":authority: x|:authority: x" },
    ["no valid field name"] = { { "X-A", "1" }, { "x a", "1" }, { "x:a", "1" }, { "", "1" }, { "x\r\nb", "1" },
      { "x\0", "1" }, { "x\195\164", "1" } },
    ["no valid field value"] = { { "x-a", " 1" }, { "x-a", "1\t" }, { "x-a", "1\r\nx-b: 2" }, { "x-a", "\0" },
      { "x-a", "1\n" }, { "x-a", "\127" } },
    ["a field of the connection"] = { "connection: close", "proxy-connection: x", "keep-alive: x", "upgrade: h2c",
      "transfer-encoding: chunked" },
    ["te with more than trailers"] = { "te: gzip", "te: trailers, gzip", { "te", "" } },
    ["no valid content-length"] = { "content-length: +1", "content-length: 1, 1", { "content-length", "" },
      "content-length: 9223372036854775808", "content-length: 18446744073709551616" },
    ["content-length twice"] = { "content-length: 0|content-length: 0" },
    ["less DATA than content-length says"] = { "content-length: 1" },
  }
  for why, all in pairs(malformed) do
    it("is refused for " .. why, function()
      for _, one in ipairs(all) do
        local list = pairs_of(GET)
        for _, field in ipairs(type(one) == "table" and { one } or pairs_of(one)) do list[#list + 1] = field end
        assert.same({ "RST_STREAM 1 PROTOCOL_ERROR" }, request(list), type(one) == "table" and one[1] or one)
      end
    end)
  end

  it("is refused without its pseudo-fields, or with wrong ones", function()
    for _, text in ipairs {
      ":scheme: http|:path: /", ":method: GET|:path: /", ":method: GET|:scheme: http", "host: x",
      ":method: G T|:scheme: http|:path: /", ":method: GET|:scheme: ftp|:path: /",
      ":method: GET|:scheme: http|:path: a",
      ":method: GET|:scheme: http|:path: *", ":method: GET|:scheme: http|:path: /a b", ":method: CONNECT",
      ":method: CONNECT|:authority: x|:path: /", ":method: CONNECT|:authority: x|:scheme: http",
    } do
      assert.same({ "RST_STREAM 1 PROTOCOL_ERROR" }, request(text), text)
    end
    for _, path in ipairs { "", "/\r\nX: y", "/ HTTP/1.1\r\nX: y", "/\0", "/a#b", "/\195\164" } do
      local list = { { ":method", "GET" }, { ":scheme", "http" }, { ":path", path } }
      assert.same({ "RST_STREAM 1 PROTOCOL_ERROR" }, request(list), path)
    end
  end)

  it("of extended CONNECT is a GET with Upgrade (RFC 8441)", function()
    local text = ":method: CONNECT|:protocol: websocket|:scheme: https|:path: /chat|:authority: x|x-a: 1"
    assert.equal("head 1 GET /chat HTTP/1.1|Host: x|connection: Upgrade|upgrade: websocket|x-a: 1|| https "
      .. "protocol=websocket", request(text, { connect = true, open = true })[1])
    -- It was not offered:
    assert.same({ "RST_STREAM 1 PROTOCOL_ERROR" }, request(text, { open = true }))
    for _, wrong in ipairs { ":method: GET|:protocol: websocket|:scheme: https|:path: /chat|:authority: x",
      ":method: CONNECT|:protocol: websocket|:scheme: https|:authority: x",
      ":method: CONNECT|:protocol: websocket|:path: /|:authority: x",
      ":method: CONNECT|:protocol: web socket|:scheme: https|:path: /chat|:authority: x" } do
      assert.same({ "RST_STREAM 1 PROTOCOL_ERROR" }, request(wrong, { connect = true }), wrong)
    end
  end)

  it("that is too large is told as such, up to four times the limit", function()
    local base = pairs_of(GET .. ":authority: x")
    base[#base + 1] = { "x-a", ("v"):rep(200) }
    local list = request(base, { head = 100 })
    assert.equal("head 1 GET /a?b=c HTTP/1.1|Host: x| https large end", list[1])
    base[#base + 1] = { "x-b", ("v"):rep(200) }
    assert.truthy(request(base, { head = 100 })[1]:find "broken ENHANCE_YOUR_CALM: a head far beyond")
    local path = { { ":method", "GET" }, { ":scheme", "https" }, { ":path", "/" .. ("p"):rep(300) } }
    assert.truthy(request(path, { head = 100 })[1]:find "^head 1 GET /ppp.* large end$")
  end)

  it("fits exactly", function()
    local text = "GET / HTTP/1.1\r\nHost: x\r\nx-a: \r\n\r\n"
    local list = pairs_of ":method: GET|:scheme: https|:path: /|:authority: x|x-a:"
    assert.equal("head 1 GET / HTTP/1.1|Host: x|x-a: || https end", request(list, { head = #text })[1])
    assert.equal("head 1 GET / HTTP/1.1|Host: x| https large end", request(list, { head = #text - 1 })[1])
  end)

  it("fills the table though it is refused, in each way", function()
    local t = talk.begin { head = 200 }
    t:greet()
    local kept = hpack.block { { ":method", "GET" }, { ":scheme", "https" }, { ":path", "/" }, { ":authority", "x" } }
    local function add(name, value) return hpack.literal(name, value, { how = "kept" }) end
    -- Malformed, too large, behind the end of its stream, and on a stream that was reset:
    t:feed(frames.headers(1, kept .. add("x-a", "1") .. hpack.literal("X", "1"), LAST))
    t:feed(frames.headers(3, kept .. add("x-l", ("v"):rep(300)), LAST))
    t:feed(frames.headers(3, add("x-b", "2"), LAST))
    t:feed(frames.headers(1, add("x-c", "3"), LAST))
    t.events()
    assert.equal("head 5 GET / HTTP/1.1|Host: x|x-c: 3|x-b: 2|x-a: 1|| https end",
      t:play(frames.headers(5, kept .. hpack.indexed(62) .. hpack.indexed(63) .. hpack.indexed(65), LAST))[1])
  end)
end)

describe("RFC 7541, appendix C", function()
  after_each(function() core.talk_end() end)

  local function bytes(hex)
    return (hex:gsub("%s", ""):gsub("..", function(two) return string.char(tonumber(two, 16)) end))
  end

  local requests = {
    ["C.3"] = { "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", "8286 84be 5808 6e6f 2d63 6163 6865",
      "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65" },
    ["C.4"] = { "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", "8286 84be 5886 a8eb 1064 9cbf",
      "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf" },
  }
  for name, blocks in pairs(requests) do
    it("is read: " .. name, function()
      local t = talk.begin()
      t:greet()
      for i, block in ipairs(blocks) do t:feed(frames.headers(2 * i - 1, bytes(block), { last = true })) end
      assert.same({ "head 1 GET / HTTP/1.1|Host: www.example.com|| http end",
        "head 3 GET / HTTP/1.1|Host: www.example.com|cache-control: no-cache|| http end",
        "head 5 GET /index.html HTTP/1.1|Host: www.example.com|custom-key: custom-value|| https end" }, t.events())
    end)
  end

  it("is read: C.6.1", function()
    local block = bytes("4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e "
      .. "919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3")
    local t = talk.begin { role = "client" }
    t:greet()
    core.talk_open("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true)
    assert.equal("head 1 HTTP/1.1 302 |cache-control: private|date: Mon, 21 Oct 2013 20:13:21 GMT|"
      .. "location: https://www.example.com|| end", t:play(frames.headers(1, block, { last = true }))[1])
  end)
end)

describe("lines of HTTP/1.1", function()
  after_each(function() core.talk_end() end)

  local function sent_request(text)
    local t = talk.begin { role = "client" }
    t:greet()
    core.talk_open((text:gsub("|", "\r\n")), true)
    return t:sent()[1]:match "END_HEADERS (.*)"
  end

  local function sent_response(text)
    local t = talk.begin()
    t:greet()
    t:feed(frames.headers(1, pairs_of(GET), { last = true }))
    t:sent()
    core.talk_head(1, (text:gsub("|", "\r\n")), true)
    return t:sent()[1]:match "END_HEADERS (.*)"
  end

  it("of a request become its fields", function()
    assert.equal(":method: GET|:scheme: https|:authority: a:80|:path: /x?y|user-agent: Me|x-a: 1",
      sent_request "GET /x?y HTTP/1.1|User-Agent: Me|Host: a:80|X-A:  1 ||")
    assert.equal(":method: OPTIONS|:scheme: https|:path: *", sent_request "OPTIONS * HTTP/1.1||")
  end)

  it("leave out what is of the connection", function()
    assert.equal(":method: GET|:scheme: https|:authority: a|:path: /|te: trailers",
      sent_request("GET / HTTP/1.1|Host: a|Connection: TE|TE: trailers|Keep-Alive: 5|Proxy-Connection: x|"
        .. "Transfer-Encoding: chunked|Upgrade: h2c|HTTP2-Settings: x||"))
    assert.equal(":method: GET|:scheme: https|:authority: a|:path: /", sent_request "GET / HTTP/1.1|Host: a|TE: gzip||")
    assert.equal(":status: 404|server: x|content-length: 0",
      sent_response "HTTP/1.1 404 Not Found|Server: x|Connection: close|Content-Length: 0||")
    assert.equal(":status: 200", sent_response "HTTP/1.1 200|Transfer-Encoding: chunked||")
  end)

  it("of a request with Upgrade become an extended CONNECT", function()
    local t = talk.begin { role = "client" }
    t:greet { { "ENABLE_CONNECT_PROTOCOL", 1 } }
    core.talk_connect("GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      .. "Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n")
    assert.same({ "HEADERS 1 END_HEADERS :method: CONNECT|:protocol: websocket|:scheme: https|:authority: a|"
      .. ":path: /chat|sec-websocket-version: 13" }, t:sent())
  end)

  it("that are many and long are several frames", function()
    local text = { "HTTP/1.1 200 OK" }
    for i = 1, 40 do text[#text + 1] = ("X-%d: %s"):format(i, ("#"):rep(1000)) end
    local t = talk.begin()
    t:greet()
    t:feed(frames.headers(1, pairs_of(GET), { last = true }))
    t:sent()
    core.talk_head(1, table.concat(text, "\r\n") .. "\r\n\r\n", true)
    local list = t:sent()
    assert.equal("HEADERS 1 END_STREAM 16384", list[1])
    assert.equal("CONTINUATION 1 16384", list[2])
    assert.truthy(list[3]:find "^CONTINUATION 1 END_HEADERS :status: 200|x%-1: ####")
    assert.truthy(list[3]:find "|x%-40: #*$")
  end)

  it("with secrets are never indexed", function()
    local t = talk.begin { role = "client" }
    t:greet()
    core.talk_open("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic abc\r\nCookie: a=1\r\nProxy-Authorization: x\r\n"
      .. "X-A: 1\r\n\r\n", true)
    local frame = frames.next(t.raw(), 1)
    local never = {}
    for _, field in ipairs(hpack.decoder(4096):decode(frame.payload)) do
      if field.never then never[#never + 1] = field[1] end
    end
    assert.same({ "authorization", "cookie", "proxy-authorization" }, never)
  end)
end)
