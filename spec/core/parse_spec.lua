-- What the parser makes of a connection's bytes, however these are cut into reads.
local http = require "spec.support.http"
local core = require "spec.support.core"

-- Every one of these ways of reading must come to the same.
local function ways_of_reading(bytes)
  local size = #bytes
  local ways = {
    { "in one piece", function() return size end },
    { "a byte at a time", function(at) return at + 1 end },
    { "three bytes at a time", function(at) return at + 3 end },
    { "a segment at a time", function(at) return at + 1460 end },
  }
  for split = 1, size - 1 do
    if size < 600 or split < 100 or split > size - 100 or split % 997 == 0 then
      table.insert(ways, { "split at " .. split, function(at) return at < split and split or size end })
    end
  end
  return ways
end

-- options: as for http.read, and split: one more place to split at
local function read(bytes, options)
  options = options or {}
  local expected
  local ways = ways_of_reading(bytes)
  if options.split then
    table.insert(ways, { "split there", function(at) return at < options.split and options.split or #bytes end })
  end
  for _, way in ipairs(ways) do
    local how, cut = unpack(way)
    local seen = http.read(bytes, cut, options)
    expected = expected or seen
    assert.same({ how, expected }, { how, seen })
  end
  if expected.head then
    local start = bytes:match "^[\r\n]*()"
    assert.equal(select(2, bytes:find("\r\n\r\n", start, true)) + 1 - start, expected.head_bytes)
    expected.head_bytes = nil
  end
  return expected
end

local function response(bytes, options)
  options = options or {}
  options.response = true
  return read(bytes, options)
end

-- A complete message
local function message(head, fields, body, rest)
  return { result = "end", head = head, fields = fields, body = body or "", rest = rest or "" }
end

local POST = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
local OK = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
local CHUNKED = { "Transfer-Encoding: chunked" }

local function chunked(body, rest) return message("POST / 1.1", CHUNKED, body, rest) end

-- The classes of bytes by RFC 9110: which of the 256 may stand there?
local function bytes_where(fits)
  local set = {}
  for byte = 0, 255 do set[byte] = fits(byte, string.char(byte)) or false end
  return set
end

local function is_token(_, char) return char:find "^[%w!#$%%&'*+%-.^_`|~]$" ~= nil end
local function is_value(byte) return byte == 9 or byte >= 32 and byte ~= 127 end

-- The bytes that the parser takes at the place of "@" in a message that is otherwise right.
local function taken_in(text, options)
  options = options or {}
  local before, behind = text:match "^(.-)@(.*)$"
  return bytes_where(function(_, char)
    local bytes = before .. char .. behind
    local whole = http.read(bytes, function() return #bytes end, options)
    local single = http.read(bytes, function(at) return at + 1 end, options)
    assert.same(whole, single)
    return whole.result == "end"
  end)
end

local function only(chars)
  return bytes_where(function(_, char) return chars:find(char, 1, true) ~= nil end)
end

describe("the parser, however the bytes are cut,", function()
  describe("reads a request", function()
    local long = ("x"):rep(60000)
    local cases = {
      { "without a field", "GET / HTTP/1.1\r\n\r\n", message("GET / 1.1", {}) },
      { "of HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", message("GET / 1.0", {}) },
      { "with fields as they came, in order, letter case and repetition",
        "GET /a?b=c HTTP/1.1\r\nHost: x\r\nX-b: 2\r\nx-B: 1\r\nhost2:y\r\n\r\n",
        message("GET /a?b=c 1.1", { "Host: x", "X-b: 2", "x-B: 1", "host2: y" }) },
      { "with empty values", "GET / HTTP/1.1\r\nA:\r\nB: \r\nC:\t \t\r\nD: d\r\n\r\n",
        message("GET / 1.1", { "A: ", "B: ", "C: ", "D: d" }) },
      { "with white space around values, and inside", "GET / HTTP/1.1\r\nA: \t b  c\t d \t\r\nB:e\r\n\r\n",
        message("GET / 1.1", { "A: b  c\t d", "B: e" }) },
      { "with colons in a value", "GET / HTTP/1.1\r\nA:::b:\r\n\r\n", message("GET / 1.1", { "A: ::b:" }) },
      { "with bytes above 0x7f in a value", "GET / HTTP/1.1\r\nA: \195\188\255\128\r\n\r\n",
        message("GET / 1.1", { "A: \195\188\255\128" }) },
      { "with a long value", "GET / HTTP/1.1\r\nA: " .. long .. "\r\nB: c\r\n\r\n",
        message("GET / 1.1", { "A: " .. long, "B: c" }) },
      { "with a long name", "GET / HTTP/1.1\r\n" .. long .. ": b\r\n\r\n", message("GET / 1.1", { long .. ": b" }) },
      { "with an absolute target", "GET http://a.b:80/c?d HTTP/1.1\r\nHost: e\r\n\r\n",
        message("GET http://a.b:80/c?d 1.1", { "Host: e" }) },
      { "for all of the server", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        message("OPTIONS * 1.1", { "Host: x" }) },
      { "for a tunnel, and nothing behind it", "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n\22\3\1",
        message("CONNECT a:80 1.1", { "Host: a:80" }, "", "\22\3\1") },
      { "and not the next one", "GET / HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n",
        message("GET / 1.1", {}, "", "GET /2 HTTP/1.1\r\n\r\n") },
      { "behind a few empty lines", "\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n", message("GET / 1.1", {}) },
      { "and leaves the empty lines behind it", "GET / HTTP/1.1\r\n\r\n\r\n\r\n",
        message("GET / 1.1", {}, "", "\r\n\r\n") },
      { "with a body", "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
        message("POST / 1.1", { "Content-Length: 5" }, "hello") },
      { "with a body, and not the next one", "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1",
        message("POST / 1.1", { "Content-Length: 5" }, "hello", "GET / HTTP/1.1") },
      { "with a body that looks like a request", "PUT / HTTP/1.1\r\nContent-Length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\nX",
        message("PUT / 1.1", { "Content-Length: 18" }, "GET / HTTP/1.1\r\n\r\n", "X") },
      { "with a body of any bytes", "PUT / HTTP/1.1\r\nContent-Length: 6\r\n\r\n\0\r\n\255\127\1",
        message("PUT / 1.1", { "Content-Length: 6" }, "\0\r\n\255\127\1") },
      { "with a body of no bytes", "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\nX",
        message("POST / 1.1", { "Content-Length: 0" }, "", "X") },
      { "with a body though its method needs none", "GET / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhiX",
        message("GET / 1.1", { "Content-Length: 2" }, "hi", "X") },
      { "with a long body", "POST / HTTP/1.1\r\nContent-Length: 60000\r\n\r\n" .. long .. "X",
        message("POST / 1.1", { "Content-Length: 60000" }, long, "X") },
      { "that asks for an upgrade as any other",
        "GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\129\0",
        message("GET / 1.1", { "Connection: Upgrade", "Upgrade: websocket" }, "", "\129\0") },
      { "that asks for an upgrade, and its body",
        "POST / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nhiX",
        message("POST / 1.1", { "Connection: Upgrade", "Upgrade: h2c", "Content-Length: 2" }, "hi", "X") },
      { "that ends the connection, and what is behind it all the same",
        "GET / HTTP/1.1\r\nConnection: close\r\n\r\nGET ",
        message("GET / 1.1", { "Connection: close" }, "", "GET ") },
    }
    for _, method in ipairs { "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "PROPFIND", "M-SEARCH" } do
      table.insert(cases, { "of the method " .. method, method .. " / HTTP/1.1\r\n\r\n",
        message(method .. " / 1.1", {}) })
    end
    for _, case in ipairs(cases) do
      local what, bytes, expected = unpack(case)
      it(what, function() assert.same(expected, read(bytes)) end)
    end
  end)

  describe("reads chunks", function()
    local long = ("x"):rep(70000)
    local cases = {
      { "of which there are none", "0\r\n\r\n", "" },
      { "of any bytes", "4\r\n\r\n0\0\r\n2\r\n\r\n\r\n0\r\n\r\n", "\r\n0\0\r\n" },
      { "whose sizes have digits of any letter case", "a\r\n0123456789\r\nB\r\n0123456789A\r\n0\r\n\r\n",
        "01234567890123456789A" },
      { "whose sizes begin with zeros", "0005\r\nhello\r\n000\r\n\r\n", "hello" },
      { "that are large", "11170\r\n" .. long .. "\r\n0\r\n\r\n", long },
      { "that are many", ("1\r\nx\r\n"):rep(100) .. "0\r\n\r\n", ("x"):rep(100) },
      { "without their extensions", "5;a\r\nhello\r\n1;b=c\r\n!\r\n1;d=\"e; f\"\r\n?\r\n0;last\r\n\r\n", "hello!?" },
      { "without the trailers behind them", "5\r\nhello\r\n0\r\nA: b\r\nHost:\r\n\r\n", "hello" },
    }
    for _, case in ipairs(cases) do
      local what, bytes, body = unpack(case)
      it(what, function()
        for _, behind in ipairs { "", "GET / HTTP/1.1\r\n\r\n" } do
          assert.same(chunked(body, behind), read(POST .. bytes .. behind))
          assert.same(message("1.1 200 OK", CHUNKED, body, behind), response(OK .. bytes .. behind))
        end
      end)
    end

    it("and leaves much that is behind them", function()
      local last = POST .. "5\r\nhello\r\n"
      local behind = ("x"):rep(30000)
      assert.same(chunked("hello", behind), read(last .. "0\r\n\r\n" .. behind, { split = #last }))
    end)
  end)

  describe("reads a response", function()
    local cases = {
      { "with a body", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloX",
        message("1.1 200 OK", { "Content-Length: 5" }, "hello", "X") },
      { "of HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhelloX",
        message("1.0 200 OK", { "Content-Length: 5" }, "hello", "X") },
      { "without a reason", "HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\nX",
        message("1.1 404 ", { "Content-Length: 0" }, "", "X") },
      { "without a reason and the space before it", "HTTP/1.1 404\r\nContent-Length: 0\r\n\r\nX",
        message("1.1 404 ", { "Content-Length: 0" }, "", "X") },
      { "with any reason", "HTTP/1.1 599 It's  so:\tb\195\182d! \r\nContent-Length: 0\r\n\r\n",
        message("1.1 599 It's  so:\tb\195\182d! ", { "Content-Length: 0" }) },
      { "and its fields as they came", "HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nset-cookie: b\r\n" ..
        "Content-Length: 0\r\nDate:\r\nSet-Cookie: a\r\n\r\n",
        message("1.1 200 OK",
          { "Set-Cookie: a", "set-cookie: b", "Content-Length: 0", "Date: ", "Set-Cookie: a" }) },
      { "that says 101 and not what is behind it",
        "HTTP/1.1 101 OK\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n\129\0",
        message("1.1 101 OK", { "Connection: Upgrade", "Upgrade: x" }, "", "\129\0") },
      { "that offers an upgrade as any other",
        "HTTP/1.1 200 OK\r\nConnection: Upgrade\r\nUpgrade: x\r\nContent-Length: 1\r\n\r\naX",
        message("1.1 200 OK", { "Connection: Upgrade", "Upgrade: x", "Content-Length: 1" }, "a", "X") },
      { "that ends the connection, to its length",
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\naX",
        message("1.1 200 OK", { "Connection: close", "Content-Length: 1" }, "a", "X") },
    }
    for _, case in ipairs(cases) do
      local what, bytes, expected = unpack(case)
      it(what, function() assert.same(expected, response(bytes)) end)
    end

    local framings = { "Content-Length: 5", "Transfer-Encoding: chunked", "X: y" }
    for _, framing in ipairs(framings) do
      it("to HEAD without a body, with " .. framing, function()
        assert.same(message("1.1 200 OK", { framing }, "", "HTTP/1.1"),
          response("HTTP/1.1 200 OK\r\n" .. framing .. "\r\n\r\nHTTP/1.1", { answers_head = true }))
      end)
      for _, status in ipairs { 100, 101, 102, 103, 199, 204, 304 } do
        it(("that says %d without a body, with %s"):format(status, framing), function()
          assert.same(message("1.1 " .. status .. " Z", { framing }, "", "HTTP/1.1"),
            response("HTTP/1.1 " .. status .. " Z\r\n" .. framing .. "\r\n\r\nHTTP/1.1"))
        end)
      end
    end

    it("behind interim ones, one after the other", function()
      local first = response "HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 103 Hint\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"
      assert.equal("1.1 100 Go", first.head)
      local second = response(first.rest)
      assert.same({ "1.1 103 Hint", { "Link: a" } }, { second.head, second.fields })
      assert.equal("1.1 200 OK", response(second.rest).head)
    end)
  end)

  describe("takes the end of the connection as", function()
    local cases = {
      { "the end of a body without a length", "HTTP/1.1 200 OK\r\n\r\nhello", "end", "hello" },
      { "the end of an empty body without a length", "HTTP/1.1 200 OK\r\nA: b\r\n\r\n", "end", "" },
      { "the end of a body of HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "end",
        "HTTP/1.1 200 OK\r\n\r\n" },
      { "the end of a body that said so", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello", "end", "hello" },
      { "a cut before the first byte of a body", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "cut", "" },
      { "a cut in a body", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "cut", "hell" },
      { "a cut before the first chunk", OK, "cut", "" },
      { "a cut in a chunk's size", OK .. "5", "cut", "" },
      { "a cut in a chunk", OK .. "5\r\nhell", "cut", "hell" },
      { "a cut behind a chunk", OK .. "5\r\nhello\r\n", "cut", "hello" },
      { "a cut behind the last size", OK .. "5\r\nhello\r\n0\r\n", "cut", "hello" },
      { "a cut in the trailers", OK .. "0\r\nA: b\r\n", "cut", "" },
      { "a cut in the last line end", OK .. "0\r\n\r", "cut", "" },
      { "a cut in the head", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", "cut" },
      { "a cut in the head's last line end", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r", "cut" },
      { "a cut in the status line", "HTTP/1.1 20", "cut" },
      { "a cut where there is nothing", "", "cut" },
    }
    for _, case in ipairs(cases) do
      local what, bytes, result, body = unpack(case)
      it(what, function()
        local seen = response(bytes, { finish = true })
        assert.same({ result, body }, { seen.result, seen.body })
      end)
    end

    for _, bytes in ipairs { "", "GET", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nA: b\r\n\r",
      "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhell", POST .. "5\r\nhello\r\n" } do
      it(("a cut in a request: %q"):format(bytes), function()
        assert.equal("cut", read(bytes, { finish = true }).result)
      end)
    end
  end)

  describe("refuses a head with", function()
    local cases = {
      { "a bare LF behind the request line", "GET / HTTP/1.1\nA: b\r\n\r\n" },
      { "a bare LF behind a field", "GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n" },
      { "a bare LF as its end", "GET / HTTP/1.1\r\nA: b\r\n\n" },
      { "bare LFs only", "GET / HTTP/1.1\n\n" },
      { "a bare CR behind the request line", "GET / HTTP/1.1\rA: b\r\n\r\n" },
      { "a bare CR in a value", "GET / HTTP/1.1\r\nA: b\rC: d\r\n\r\n" },
      { "two CRs at a line's end", "GET / HTTP/1.1\r\nA: b\r\r\n\r\n" },
      { "a NUL in a value", "GET / HTTP/1.1\r\nA: b\0c\r\n\r\n" },
      { "a NUL in a name", "GET / HTTP/1.1\r\nA\0: b\r\n\r\n" },
      { "a NUL in the target", "GET /\0 HTTP/1.1\r\n\r\n" },
      { "a folded value", "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n" },
      { "a value folded with a tab", "GET / HTTP/1.1\r\nA: b\r\n\tc\r\n\r\n" },
      { "a value that begins folded", "GET / HTTP/1.1\r\nA:\r\n b\r\n\r\n" },
      { "a fold of nothing", "GET / HTTP/1.1\r\nA: b\r\n \r\n\r\n" },
      { "a folded length", "GET / HTTP/1.1\r\nContent-Length:\r\n 5\r\n\r\nhello" },
      { "a first field that is folded", "GET / HTTP/1.1\r\n A: b\r\n\r\n" },
      { "a space before a colon", "GET / HTTP/1.1\r\nA : b\r\n\r\n" },
      { "a tab before a colon", "GET / HTTP/1.1\r\nA\t: b\r\n\r\n" },
      { "a space in a name", "GET / HTTP/1.1\r\nA b: c\r\n\r\n" },
      { "an empty name", "GET / HTTP/1.1\r\n: b\r\n\r\n" },
      { "an empty name later", "GET / HTTP/1.1\r\nA: b\r\n: c\r\n\r\n" },
      { "a line without a colon", "GET / HTTP/1.1\r\nA\r\n\r\n" },
      { "a space before the length's colon", "POST / HTTP/1.1\r\nContent-Length : 5\r\n\r\nhello" },
      { "a space before the coding's colon", "POST / HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n" },
      { "a method that is no token", "G(T / HTTP/1.1\r\n\r\n" },
      { "no method", " / HTTP/1.1\r\n\r\n" },
      { "a space before the method", " GET / HTTP/1.1\r\n\r\n" },
      { "two spaces before the target", "GET  / HTTP/1.1\r\n\r\n" },
      { "two spaces behind the target", "GET /  HTTP/1.1\r\n\r\n" },
      { "a tab before the target", "GET\t/ HTTP/1.1\r\n\r\n" },
      { "a tab behind the target", "GET /\tHTTP/1.1\r\n\r\n" },
      { "a space behind the version", "GET / HTTP/1.1 \r\n\r\n" },
      { "a word behind the version", "GET / HTTP/1.1 x\r\n\r\n" },
      { "no target", "GET HTTP/1.1\r\n\r\n" },
      { "a space in the target", "GET /a b HTTP/1.1\r\n\r\n" },
      { "no version", "GET / \r\n\r\n" },
      { "a version in lower case", "GET / http/1.1\r\n\r\n" },
      { "a version without digits", "GET / HTTP/x.y\r\n\r\n" },
      { "a version without a dot", "GET / HTTP/11\r\n\r\n" },
      { "a version of one number", "GET / HTTP/1\r\n\r\n" },
      { "a version with a long number", "GET / HTTP/1.10\r\n\r\n" },
      { "another protocol", "GET / RTSP/1.1\r\n\r\n" },
      { "another protocol and its own method", "PLAY / RTSP/1.0\r\n\r\n" },
      { "a third protocol", "SOURCE / ICE/1.0\r\n\r\n" },
      { "the first bytes of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" },
      { "nothing of HTTP", "SSH-2.0-OpenSSH_9.2\r\n" },
      { "the first bytes of TLS", "\22\3\1\2\0\1\0\1\252\3\3" },
      { "five empty lines before it", ("\r\n"):rep(5) .. "GET / HTTP/1.1\r\n\r\n" },
      { "half an empty line before it", "\rGET / HTTP/1.1\r\n\r\n" },
      { "a bare LF before it", "\nGET / HTTP/1.1\r\n\r\n" },
      { "a bare LF before it, later", "\r\n\nGET / HTTP/1.1\r\n\r\n" },
      { "two lengths", "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!" },
      { "the same length twice", "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello" },
      { "a length and chunks", "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" },
      { "chunks and a length", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" },
      { "a length that is no number", "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n" },
      { "a list of lengths", "POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\nhello" },
      { "a length with a sign", "POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\nhello" },
      { "a negative length", "POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\nhello" },
      { "an empty length", "POST / HTTP/1.1\r\nContent-Length:\r\n\r\n" },
      { "a length of 2^64", "POST / HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n\r\n" },
      { "a length of many digits", "POST / HTTP/1.1\r\nContent-Length: 1" .. ("0"):rep(40) .. "\r\n\r\n" },
    }
    for _, case in ipairs(cases) do
      local what, bytes = unpack(case)
      it(what, function() assert.same({ result = "bad" }, read(bytes)) end)
    end

    it("a version that is not spoken, and says so", function()
      for _, bytes in ipairs { "GET / HTTP/2.0\r\n\r\n", "GET / HTTP/0.9\r\n\r\n" } do
        assert.same({ result = "bad version" }, read(bytes))
      end
    end)

    for _, method in ipairs { "FROB", "GETS", "get", "Get", "G", "X-1", "!#$%&'*+-.^_`|~9", ("M"):rep(100) } do
      it("the method " .. method .. ", which is well formed, and says so", function()
        assert.same({ result = "unknown method" }, read(method .. " /a HTTP/1.1\r\nHost: x\r\n\r\n"))
      end)
    end
  end)

  describe("refuses a response with", function()
    local cases = {
      { "an empty line before it", "\r\nHTTP/1.1 200 OK\r\n\r\n" },
      { "nothing of HTTP", "SSH-2.0-OpenSSH_9.2\r\n" },
      { "a page alone", "<html>\r\n" },
      { "another protocol", "RTSP/1.0 200 OK\r\n\r\n" },
      { "the old streaming protocol", "ICY 200 OK\r\n\r\n" },
      { "a version in lower case", "http/1.1 200 OK\r\n\r\n" },
      { "a version of one number", "HTTP/1 200 OK\r\n\r\n" },
      { "two spaces before the status", "HTTP/1.1  200 OK\r\n\r\n" },
      { "a tab before the status", "HTTP/1.1\t200 OK\r\n\r\n" },
      { "a tab behind the status", "HTTP/1.1 200\tOK\r\n\r\n" },
      { "no status", "HTTP/1.1 OK\r\n\r\n" },
      { "a status of two digits", "HTTP/1.1 20 OK\r\n\r\n" },
      { "a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n" },
      { "a status with a sign", "HTTP/1.1 +20 OK\r\n\r\n" },
      { "a status below 100", "HTTP/1.1 099 OK\r\n\r\n" },
      { "a status above 599", "HTTP/1.1 600 OK\r\n\r\n" },
      { "a bare LF behind the status line", "HTTP/1.1 200 OK\nA: b\r\n\r\n" },
      { "a bare CR in the reason", "HTTP/1.1 200 O\rK\r\n\r\n" },
      { "a bare LF behind a field", "HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n" },
      { "a bare LF as its end", "HTTP/1.1 200 OK\r\nA: b\r\n\n" },
      { "a folded value", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n" },
      { "a space before a colon", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n" },
      { "an empty name", "HTTP/1.1 200 OK\r\n: b\r\n\r\n" },
      { "two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!" },
      { "the same length twice", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello" },
      { "a length and chunks", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" },
      { "chunks and a length", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" },
      { "a list of lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello" },
      { "a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello" },
      { "a length of 2^64", "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n" },
    }
    for _, case in ipairs(cases) do
      local what, bytes = unpack(case)
      it(what, function() assert.same({ result = "bad" }, response(bytes)) end)
    end

    it("a version that is not spoken, and says so", function()
      for _, bytes in ipairs { "HTTP/2.0 200 OK\r\n\r\n", "HTTP/0.9 200 OK\r\n\r\n" } do
        assert.same({ result = "bad version" }, response(bytes))
      end
    end)
  end)

  describe("refuses chunks with", function()
    local cases = { -- what, bytes, the body before that
      { "an empty size", "\r\nhello\r\n0\r\n\r\n", "" },
      { "a size that is no number", "x\r\nhello\r\n0\r\n\r\n", "" },
      { "a size with a sign", "+5\r\nhello\r\n0\r\n\r\n", "" },
      { "a negative size", "-5\r\nhello\r\n0\r\n\r\n", "" },
      { "a size with 0x", "0x5\r\nhello\r\n0\r\n\r\n", "" },
      { "a size with h", "5h\r\nhello\r\n0\r\n\r\n", "" },
      { "a size behind a space", " 5\r\nhello\r\n0\r\n\r\n", "" },
      { "a size in quotes", "\"5\"\r\nhello\r\n0\r\n\r\n", "" },
      { "a size of 2^64", "10000000000000000\r\nhello\r\n0\r\n\r\n", "" },
      { "a size of 2^64 + 5", "10000000000000005\r\nhello\r\n0\r\n\r\n", "" },
      { "a size of many digits", ("f"):rep(40) .. "\r\nhello\r\n0\r\n\r\n", "" },
      { "a bare LF behind a size", "5\nhello\r\n0\r\n\r\n", "" },
      { "a bare CR behind a size", "5\rhello\r\n0\r\n\r\n", "" },
      { "a bare CR and more behind a size", "5\rXhello\r\n0\r\n\r\n", "" },
      { "a bare LF in an extension", "5;a\nhello\r\n0\r\n\r\n", "" },
      { "a bare CR in an extension", "5;a\rhello\r\n0\r\n\r\n", "" },
      { "a bare CR and more in an extension", "5;a\rXhello\r\n0\r\n\r\n", "" },
      { "a bare CR and more behind an extension's value", "5;a=b\rXhello\r\n0\r\n\r\n", "" },
      { "a NUL in an extension", "5;a\0\r\nhello\r\n0\r\n\r\n", "" },
      { "a control byte in an extension's value", "5;a=\1\r\nhello\r\n0\r\n\r\n", "" },
      { "an LF in a quoted extension", "5;a=\"\n\"\r\nhello\r\n0\r\n\r\n", "" },
      { "a chunk that is longer", "5\r\nhello!\r\n0\r\n\r\n", "hello" },
      { "a chunk that is shorter", "5\r\nhell\r\n0\r\n\r\n", "hell\r" },
      { "two other bytes behind a chunk", "5\r\nhelloXX0\r\n\r\n", "hello" },
      { "a bare LF behind a chunk", "5\r\nhello\n0\r\n\r\n", "hello" },
      { "a bare CR behind a chunk", "5\r\nhello\r0\r\n\r\n", "hello" },
      { "a bare CR and more behind a chunk", "5\r\nhello\rX0\r\n\r\n", "hello" },
      { "an LF and more behind a chunk", "5\r\nhelloX\n0\r\n\r\n", "hello" },
      { "nothing behind a chunk", "5\r\nhello0\r\n\r\n", "hello" },
      { "an empty line behind a chunk", "5\r\nhello\r\n\r\n0\r\n\r\n", "hello" },
      { "a bare LF behind the last size", "5\r\nhello\r\n0\n\r\n", "hello" },
      { "a bare CR and more behind the last size", "5\r\nhello\r\n0\rX\r\n", "hello" },
      { "a bare LF at the end", "5\r\nhello\r\n0\r\n\n", "hello" },
      { "a bare CR and more at the end", "5\r\nhello\r\n0\r\n\rX", "hello" },
      { "a trailer without a colon", "5\r\nhello\r\n0\r\nA\r\n\r\n", "hello" },
      { "a bare LF behind a trailer", "5\r\nhello\r\n0\r\nA: b\nC: d\r\n\r\n", "hello" },
      { "a bare CR in a trailer", "5\r\nhello\r\n0\r\nA: b\rC: d\r\n\r\n", "hello" },
      { "a NUL in a trailer", "5\r\nhello\r\n0\r\nA: \0\r\n\r\n", "hello" },
      { "a control byte in a trailer", "5\r\nhello\r\n0\r\nA: \1\r\n\r\n", "hello" },
    }
    for _, case in ipairs(cases) do
      local what, bytes, body = unpack(case)
      it(what, function()
        local expected = { result = "bad", head = "POST / 1.1", fields = CHUNKED, body = body }
        assert.same(expected, read(POST .. bytes))
        expected.head = "1.1 200 OK"
        assert.same(expected, response(OK .. bytes))
      end)
    end
  end)

  describe("takes only", function()
    local token, value = bytes_where(is_token), bytes_where(is_value)
    local cases = {
      { "the bytes of a token in a name", "GET / HTTP/1.1\r\nA@b\r\n\r\n", only ":" },
      { "the bytes of a token at a name's start", "GET / HTTP/1.1\r\n@b: c\r\n\r\n", token },
      { "the bytes of a token at a later name's start", "GET / HTTP/1.1\r\nA: b\r\n@b: c\r\n\r\n", token },
      { "the bytes of a token in a length's name", "GET / HTTP/1.1\r\nContent-Length@: 0\r\n\r\n", token },
      { "the bytes of a value in a value", "GET / HTTP/1.1\r\nA: b@c\r\n\r\n", value },
      { "the bytes of a value at its start", "GET / HTTP/1.1\r\nA:@c\r\n\r\n", value },
      { "the bytes of a value at its end", "GET / HTTP/1.1\r\nA: b@\r\n\r\n", value },
      { "the visible bytes but '#' in a path", "GET /a@b HTTP/1.1\r\n\r\n",
        bytes_where(function(byte, char) return byte > 0x20 and byte < 0x7f and char ~= "#" end) },
      { "the visible bytes but '#' in a query", "GET /?a@b HTTP/1.1\r\n\r\n",
        bytes_where(function(byte, char) return byte > 0x20 and byte < 0x7f and char ~= "#" end) },
      { "a space behind the method", "GET@/ HTTP/1.1\r\n\r\n", only " " },
      { "a line feed behind the request line's CR", "GET / HTTP/1.1\r@A: b\r\n\r\n", only "\n" },
      { "a CR before the request line's line feed", "GET / HTTP/1.1@\nA: b\r\n\r\n", only "\r" },
      { "a line feed behind a field's CR", "GET / HTTP/1.1\r\nA: b\r@C: d\r\n\r\n", only "\n" },
      { "a line feed behind the head's last CR", "GET / HTTP/1.1\r\nA: b\r\n\r@", only "\n" },
      { "a CR before the head's last line feed", "GET / HTTP/1.1\r\nA: b\r\n@\n", only "\r" },
      { "a line feed behind a size's CR", POST .. "5\r@hello\r\n0\r\n\r\n", only "\n" },
      { "a CR before a size's line feed", POST .. "5@\nhello\r\n0\r\n\r\n", only "\r" },
      { "a line feed behind an extension's CR", POST .. "5;a\r@hello\r\n0\r\n\r\n", only "\n" },
      { "a line feed behind an extension's value's CR", POST .. "5;a=b\r@hello\r\n0\r\n\r\n", only "\n" },
      { "a line feed behind a quoted extension's CR", POST .. "5;a=\"b\"\r@hello\r\n0\r\n\r\n", only "\n" },
      { "a line feed behind a chunk's CR", POST .. "5\r\nhello\r@0\r\n\r\n", only "\n" },
      { "a CR before a chunk's line feed", POST .. "5\r\nhello@\n0\r\n\r\n", only "\r" },
      { "a line feed behind the last size's CR", POST .. "0\r@\r\n", only "\n" },
      { "a line feed behind the last CR", POST .. "0\r\n\r@", only "\n" },
      { "a line feed behind a trailer's CR", POST .. "0\r\nA: b\r@\r\n", only "\n" },
      { "the bytes of a value in a trailer", POST .. "0\r\nA: b@c\r\n\r\n", value },
    }
    for _, case in ipairs(cases) do
      local what, text, expected = unpack(case)
      it(what, function() assert.same(expected, taken_in(text)) end)
    end

    it("the bytes of a token in a method", function()
      for byte = 0, 255 do
        local char = string.char(byte)
        local seen = read("GE" .. char .. "T / HTTP/1.1\r\n\r\n")
        assert.same({ byte, is_token(byte, char) and "unknown method" or "bad" }, { byte, seen.result })
      end
    end)

    local responses = {
      { "the bytes of a value in a reason", "HTTP/1.1 204 a@b\r\n\r\n", value },
      { "a space before a reason", "HTTP/1.1 204@OK\r\n\r\n", only " " },
      { "a line feed behind the status line's CR", "HTTP/1.1 204 OK\r@A: b\r\n\r\n", only "\n" },
      { "a line feed behind the CR of a status line without a reason", "HTTP/1.1 204\r@A: b\r\n\r\n", only "\n" },
      { "the bytes of a token at the start of a response's name", "HTTP/1.1 204 OK\r\n@b: c\r\n\r\n", token },
      { "the bytes of a value in a response's value", "HTTP/1.1 204 OK\r\nA: b@c\r\n\r\n", value },
      { "a line feed behind a response head's last CR", "HTTP/1.1 204 OK\r\nA: b\r\n\r@", only "\n" },
    }
    for _, case in ipairs(responses) do
      local what, text, expected = unpack(case)
      it(what, function() assert.same(expected, taken_in(text, { response = true })) end)
    end
  end)

  describe("stops at", function()
    local LINE, HEAD, FIELDS = 40, 200, 4
    local LIMITS = { limits = { request_line = LINE, head = HEAD, fields = FIELDS } }
    local function target_of(bytes) return "/" .. ("t"):rep(bytes - 1) end
    local function head_of(bytes)
      local before = "GET / HTTP/1.1\r\nA: "
      return before .. ("a"):rep(bytes - #before - 4) .. "\r\n\r\n"
    end

    it("a target that is longer than limits.request_line", function()
      local target = target_of(LINE)
      assert.same(message("GET " .. target .. " 1.1", {}), read("GET " .. target .. " HTTP/1.1\r\n\r\n", LIMITS))
      assert.same({ result = "long line" }, read("GET " .. target .. "t HTTP/1.1\r\n\r\n", LIMITS))
      assert.same({ result = "long line" }, read("GET " .. target_of(300), LIMITS))
    end)

    it("such a target, whatever is behind the limit", function()
      assert.same({ result = "long line" }, read("GET " .. target_of(60) .. "\1 HTTP/1.1\r\n\r\n", LIMITS))
      assert.same({ result = "long line" }, read("GET " .. target_of(300) .. "\1 HTTP/1.1\r\n\r\n", LIMITS))
      assert.same({ result = "long line" }, read("GET " .. target_of(300) .. " HTTP/9.9\r\n\r\n", LIMITS))
    end)

    it("a method that is longer than any, at the same byte", function()
      for _, bytes in ipairs { LINE - 1, LINE, LINE + 1, 2 * LINE, 2 * HEAD } do
        local result = read(("M"):rep(bytes) .. " / HTTP/1.1\r\n\r\n", LIMITS).result
        assert.is_true(result == "unknown method" or bytes > LINE and result == "bad", bytes)
      end
    end)

    it("a head that is larger than limits.head", function()
      local largest = head_of(HEAD)
      assert.equal("end", read(largest .. "X", LIMITS).result)
      assert.same({ result = "large head" }, read(head_of(HEAD + 1), LIMITS))
      assert.same({ result = "large head" }, read(head_of(2000):sub(1, -5), LIMITS))
    end)

    it("such a head, whatever is behind the limit", function()
      assert.same({ result = "large head" }, read(head_of(HEAD + 1) .. "\0\0", LIMITS))
      assert.same({ result = "large head" }, read(head_of(HEAD + 50):sub(1, -3) .. "A\0: b\r\n\r\n", LIMITS))
      assert.same({ result = "large head" }, read(head_of(HEAD + 50):sub(1, -3) .. ("B: c\r\n"):rep(5), LIMITS))
    end)

    it("more fields than limits.fields", function()
      local most = "GET / HTTP/1.1\r\n" .. ("A: b\r\n"):rep(FIELDS)
      assert.equal(FIELDS, #read(most .. "\r\nX", LIMITS).fields)
      assert.same({ result = "many fields" }, read(most .. "A: b\r\n\r\n", LIMITS))
      assert.same({ result = "many fields" }, read(most .. ":", { limits = { fields = FIELDS - 1 } }))
    end)

    it("any such head of a response", function()
      local largest = "HTTP/1.1 204 OK\r\nA: " .. ("a"):rep(HEAD - 24) .. "\r\n\r\n"
      local options = { limits = LIMITS.limits }
      assert.equal("end", response(largest, options).result)
      assert.same({ result = "large head" }, response((largest:gsub("\r\n\r\n", "a%0")), options))
      assert.same({ result = "many fields" },
        response("HTTP/1.1 204 OK\r\n" .. ("A: b\r\n"):rep(FIELDS + 1) .. "\r\n", options))
    end)

    it("16 KiB of the chunks' own bytes without a byte of body, and not before", function()
      local function extended(bytes) return ";a=" .. ("x"):rep(bytes) end
      local function trailing(bytes) return "A: " .. ("x"):rep(bytes) .. "\r\n" end
      local refused = { result = "large head", head = "POST / 1.1", fields = CHUNKED, body = "" }
      assert.same(chunked("hello"), read(POST .. "5" .. extended(16000) .. "\r\nhello\r\n0\r\n\r\n"))
      assert.same(refused, read(POST .. "5" .. extended(17000) .. "\r\nhello\r\n0\r\n\r\n"))
      assert.same(refused, read(POST .. "0" .. extended(17000) .. "\r\n\r\n"))
      assert.same(chunked(), read(POST .. "0\r\n" .. trailing(16000) .. "\r\n"))
      assert.same(refused, read(POST .. "0\r\n" .. trailing(17000) .. "\r\n"))
      assert.same(refused, read(POST .. "0\r\n" .. ("A: b\r\n"):rep(3000) .. "\r\n"))
      assert.equal("end", read(POST .. ("1" .. extended(3000) .. "\r\nx\r\n"):rep(20) .. "0\r\n\r\n").result)
    end)
  end)

  it("comes to the same in pieces of any size", function()
    local bytes = "\r\nPOST /a?b HTTP/1.1\r\nHost: x\r\nEmpty:\r\nTransfer-Encoding: Chunked\r\n\r\n"
      .. "5;a=b\r\nhello\r\n3;c\r\n\r\n!\r\n0\r\nTrailer: x\r\n\r\nGET / HTTP/1.1\r\n\r\n"
    local expected = read(bytes)
    assert.same({ "end", "hello\r\n!", "GET / HTTP/1.1\r\n\r\n" }, { expected.result, expected.body, expected.rest })
    math.randomseed(7)
    for _ = 1, 2000 do
      local most = math.random(1, 20)
      local seen = http.read(bytes, function(at) return at + math.random(1, most) end, {})
      seen.head_bytes = nil
      assert.same(expected, seen)
    end
  end)
end)

describe("the parser", function()
  -- What each piece led to, and the parser.
  local function fed(pieces, options)
    local parse = http.parser(options or {}, http.arena())
    local steps = {}
    for i, piece in ipairs(pieces) do steps[i] = ("%s %d"):format(http.feed(parse, piece)) end
    return steps, parse
  end

  it("stops behind a head, then behind the message, and says how much it used", function()
    local head = "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n"
    local steps, parse = fed { head .. "hiX", "hiX" }
    core.parse_dispose(parse)
    assert.same({ ("head %d"):format(#head), "end 2" }, steps)
  end)

  it("tells the end of a message without a body with the next byte, which it does not use", function()
    for _, options in ipairs { {}, { response = true } } do
      local head = options.response and "HTTP/1.1 204 OK\r\n\r\n" or "GET / HTTP/1.1\r\n\r\n"
      local steps, parse = fed({ head, "X" }, options)
      assert.same({ ("head %d"):format(#head), "end 0" }, steps)
      assert.is_false(parse.has_body)
      core.parse_dispose(parse)
    end
  end)

  it("knows whether a body comes", function()
    local cases = {
      { "POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n", true },
      { "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", false },
      { "POST / HTTP/1.1\r\n\r\n", false },
      { POST, true },
      { "HTTP/1.1 200 OK\r\n\r\n", true, { response = true } },
      { "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false, { response = true } },
      { "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", false, { response = true, answers_head = true } },
      { OK, true, { response = true } },
    }
    for _, case in ipairs(cases) do
      local bytes, expected, options = unpack(case)
      local _, parse = fed({ bytes }, options)
      assert.same({ bytes, expected }, { bytes, parse.has_body })
      core.parse_dispose(parse)
    end
  end)

  it("is at its start until the first byte of a message", function()
    local _, parse = fed {}
    assert.is_true(core.parse_is_at_start(parse))
    http.feed(parse, "\r\n")
    http.feed(parse, "\r")
    assert.is_true(core.parse_is_at_start(parse))
    http.feed(parse, "\nG")
    assert.is_false(core.parse_is_at_start(parse))
    http.feed(parse, "ET / HTTP/1.1\r\n\r\n")
    assert.is_false(core.parse_is_at_start(parse))
    core.parse_dispose(parse)
  end)

  it("passes a piece of a body on as soon as it is there", function()
    local _, parse = fed { POST }
    http.pieces()
    local function pieces_of(bytes)
      http.feed(parse, bytes)
      return http.pieces()
    end
    assert.same({}, pieces_of "5\r\n")
    assert.same({ "hel" }, pieces_of "hel")
    assert.same({ "lo" }, pieces_of "lo\r")
    assert.same({ "a", "b" }, pieces_of "\n1\r\na\r\n1\r\nb\r\n")
    core.parse_dispose(parse)
  end)
end)
