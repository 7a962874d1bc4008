-- What the parser makes of a connection's bytes, however these are cut into reads.
local ffi = require "ffi"
local http = require "spec.support.http"
local core = require "spec.support.core"

-- options: as for http.read_every_way
local function read(bytes, options)
  local seen = http.read_every_way(bytes, options or {})
  if seen.head then
    local start = bytes:match "^[\r\n]*()"
    assert.equal(select(2, bytes:find("\r\n\r\n", start, true)) + 1 - start, seen.head_bytes)
    seen.head_bytes = nil
  end
  return seen
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
      { "whose length has white space around it", "POST / HTTP/1.1\r\nContent-Length:\t 5 \t\r\n\r\nhelloX",
        message("POST / 1.1", { "Content-Length: 5" }, "hello", "X") },
      { "whose coding has white space around it",
        "POST / HTTP/1.1\r\nTransfer-Encoding: \tchunked\t \t\r\n\r\n0\r\n\r\nX", chunked("", "X") },
      { "with more in its query than a URI may have", "GET /?a=\"<>\\^`{|} HTTP/1.1\r\n\r\n",
        message("GET /?a=\"<>\\^`{|} 1.1", {}) },
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
    local methods = { "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "PROPFIND", "M-SEARCH", "CONNECT", "FROB",
      "GETS", "get", "Get", "G", "X-1", "!#$%&'*+-.^_`|~9", "PRI", "HTTP", ("M"):rep(5000) }
    for _, method in ipairs(methods) do
      table.insert(cases, { "of the method " .. method:sub(1, 50),
        method .. " /a HTTP/1.1\r\nContent-Length: 2\r\n\r\nhiX",
        message(method .. " /a 1.1", { "Content-Length: 2" }, "hi", "X") })
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

    it("and the trailers behind them, which are no fields of the head", function()
      local lines = "Check: abc\r\nHost:\r\nContent-Length: 5\r\nTransfer-Encoding:\t chunked \r\ncheck:  d:e\t\r\n"
      for _, behind in ipairs { "", "GET / HTTP/1.1\r\n\r\n" } do
        local expected = chunked("hello", behind)
        expected.trailers = { "Check: abc", "Host: ", "Content-Length: 5", "Transfer-Encoding: chunked", "check: d:e" }
        assert.same(expected, read(POST .. "5\r\nhello\r\n0\r\n" .. lines .. "\r\n" .. behind))
        expected.head = "1.1 200 OK"
        assert.same(expected, response(OK .. "5\r\nhello\r\n0\r\n" .. lines .. "\r\n" .. behind))
      end
    end)

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

  -- The head is well formed: framing.c decides. A body is never read for it.
  describe("gives the head, and no end of a message with", function()
    local cases = {
      { "two lengths", "Content-Length: 5\r\nContent-Length: 6" },
      { "the same length twice", "Content-Length: 5\r\nContent-Length: 5" },
      { "a length and chunks", "Content-Length: 5\r\nTransfer-Encoding: chunked" },
      { "chunks and a length", "Transfer-Encoding: chunked\r\nContent-Length: 5" },
      { "a length that is no number", "Content-Length: x" },
      { "a length that begins as a number", "Content-Length: 5x" },
      { "a length in hexadecimal", "Content-Length: 0x5" },
      { "a list of lengths", "Content-Length: 5, 5" },
      { "a length with a sign", "Content-Length: +5" },
      { "a negative length", "Content-Length: -5" },
      { "an empty length", "Content-Length:" },
      { "a length of white space", "Content-Length: \t " },
      { "a length of 2^64", "Content-Length: 18446744073709551616" },
      { "a length of many digits", "Content-Length: 1" .. ("0"):rep(40) },
      { "a coding that is not chunked", "Transfer-Encoding: gzip", request = true },
      { "a coding behind chunked", "Transfer-Encoding: chunked, gzip", request = true },
    }
    for _, case in ipairs(cases) do
      local what, fields = unpack(case)
      local lines = {}
      for line in fields:gmatch "[^\r\n]+" do table.insert(lines, (line:gsub(":%s*", ": "))) end
      local function compare(first, head, options)
        local function no_framing_is_right(parse)
          for framing = 0, 3 do
            for _, length in ipairs { 0, 5, 6 } do assert.is_false(core.parse_agrees(parse, framing, length)) end
          end
        end
        options = options or {}
        options.on_parsed = no_framing_is_right
        assert.same({ result = "bad", why = "ambiguous length of the body", head = head, fields = lines, body = "" },
          read(first .. fields .. "\r\n\r\n5\r\nhello\r\n0\r\n\r\n", options))
      end
      it(what, function()
        compare("POST / HTTP/1.1\r\n", "POST / 1.1")
        if not case.request then compare("HTTP/1.1 200 OK\r\n", "1.1 200 OK", { response = true }) end
      end)
    end
  end)

  describe("refuses chunks with", function()
    local SIZE, OVERFLOW = "a chunk size that is not hexadecimal", "a chunk size beyond 2^63 - 1"
    local EXTENSION, LINE = "a malformed chunk extension", "a malformed line end in the chunked coding"
    local LENGTH = "a chunk that is not as long as its size"
    local cases = { -- what, bytes, the body before that, why
      { "an empty size", "\r\nhello\r\n0\r\n\r\n", "", SIZE },
      { "a size that is no number", "x\r\nhello\r\n0\r\n\r\n", "", SIZE },
      { "a size with a sign", "+5\r\nhello\r\n0\r\n\r\n", "", SIZE },
      { "a negative size", "-5\r\nhello\r\n0\r\n\r\n", "", SIZE },
      { "a size with 0x", "0x5\r\nhello\r\n0\r\n\r\n", "", SIZE },
      { "a size with h", "5h\r\nhello\r\n0\r\n\r\n", "", SIZE },
      { "a size behind a space", " 5\r\nhello\r\n0\r\n\r\n", "", SIZE },
      { "a size in quotes", "\"5\"\r\nhello\r\n0\r\n\r\n", "", SIZE },
      { "a size of 2^63", "8000000000000000\r\nhello\r\n0\r\n\r\n", "", OVERFLOW },
      { "a size of 2^64", "10000000000000000\r\nhello\r\n0\r\n\r\n", "", OVERFLOW },
      { "a size of 2^64 + 5", "10000000000000005\r\nhello\r\n0\r\n\r\n", "", OVERFLOW },
      { "a size of many digits", ("f"):rep(40) .. "\r\nhello\r\n0\r\n\r\n", "", OVERFLOW },
      { "a bare LF behind a size", "5\nhello\r\n0\r\n\r\n", "", SIZE },
      { "a bare CR behind a size", "5\rhello\r\n0\r\n\r\n", "", LINE },
      { "a bare CR and more behind a size", "5\rXhello\r\n0\r\n\r\n", "", LINE },
      { "a bare LF in an extension", "5;a\nhello\r\n0\r\n\r\n", "", EXTENSION },
      { "a bare CR in an extension", "5;a\rhello\r\n0\r\n\r\n", "", LINE },
      { "a bare CR and more in an extension", "5;a\rXhello\r\n0\r\n\r\n", "", LINE },
      { "a bare CR and more behind an extension's value", "5;a=b\rXhello\r\n0\r\n\r\n", "", LINE },
      { "a NUL in an extension", "5;a\0\r\nhello\r\n0\r\n\r\n", "", EXTENSION },
      { "a control byte in an extension's value", "5;a=\1\r\nhello\r\n0\r\n\r\n", "", EXTENSION },
      { "an LF in a quoted extension", "5;a=\"\n\"\r\nhello\r\n0\r\n\r\n", "", EXTENSION },
      { "a chunk that is longer", "5\r\nhello!\r\n0\r\n\r\n", "hello", LENGTH },
      { "a chunk that is shorter", "5\r\nhell\r\n0\r\n\r\n", "hell\r", LENGTH },
      { "two other bytes behind a chunk", "5\r\nhelloXX0\r\n\r\n", "hello", LENGTH },
      { "a bare LF behind a chunk", "5\r\nhello\n0\r\n\r\n", "hello", LENGTH },
      { "a bare CR behind a chunk", "5\r\nhello\r0\r\n\r\n", "hello", LENGTH },
      { "a bare CR and more behind a chunk", "5\r\nhello\rX0\r\n\r\n", "hello", LENGTH },
      { "an LF and more behind a chunk", "5\r\nhelloX\n0\r\n\r\n", "hello", LENGTH },
      { "nothing behind a chunk", "5\r\nhello0\r\n\r\n", "hello", LENGTH },
      { "an empty line behind a chunk", "5\r\nhello\r\n\r\n0\r\n\r\n", "hello", SIZE },
      { "a bare LF behind the last size", "5\r\nhello\r\n0\n\r\n", "hello", SIZE },
      { "a bare CR and more behind the last size", "5\r\nhello\r\n0\rX\r\n", "hello", LINE },
      { "a bare LF at the end", "5\r\nhello\r\n0\r\n\n", "hello", "a bare line feed" },
      { "a bare CR and more at the end", "5\r\nhello\r\n0\r\n\rX", "hello", "a bare carriage return" },
      { "a trailer without a colon", "5\r\nhello\r\n0\r\nA\r\n\r\n", "hello", "a field line without a colon" },
      { "a bare LF behind a trailer", "5\r\nhello\r\n0\r\nA: b\nC: d\r\n\r\n", "hello", "a bare line feed" },
      { "a bare CR in a trailer", "5\r\nhello\r\n0\r\nA: b\rC: d\r\n\r\n", "hello", "a bare carriage return" },
      { "a NUL in a trailer", "5\r\nhello\r\n0\r\nA: \0\r\n\r\n", "hello", "a control byte in a field value" },
      { "a space before a trailer", "5\r\nhello\r\n0\r\n A: b\r\n\r\n", "hello", "white space before the first field" },
      { "a folded trailer", "5\r\nhello\r\n0\r\nA: b\r\n c\r\n\r\n", "hello", "a folded field line" },
      { "a space before a trailer's colon", "5\r\nhello\r\n0\r\nA : b\r\n\r\n", "hello", "white space before a colon" },
      { "a trailer without a name", "5\r\nhello\r\n0\r\n: b\r\n\r\n", "hello", "an empty field name" },
      { "a trailer whose name is no token", "5\r\nhello\r\n0\r\nA(: b\r\n\r\n", "hello",
        "a field name that is not a token" },
      { "an extension without a name", "5;\r\nhello\r\n0\r\n\r\n", "", EXTENSION },
      { "an extension without its value", "5;a=\r\nhello\r\n0\r\n\r\n", "", EXTENSION },
      { "an extension with an open quote", "5;a=\"b\r\nhello\r\n0\r\n\r\n", "", EXTENSION },
      { "an extension behind a space", "5 ;a\r\nhello\r\n0\r\n\r\n", "", SIZE },
      { "a control byte in a trailer", "5\r\nhello\r\n0\r\nA: \1\r\n\r\n", "hello", "a control byte in a field value" },
    }
    for _, case in ipairs(cases) do
      local what, bytes, body, why = unpack(case)
      it(what, function()
        local expected = { result = "bad", why = why, head = "POST / 1.1", fields = CHUNKED, body = body }
        assert.same(expected, read(POST .. bytes))
        expected.head = "1.1 200 OK"
        assert.same(expected, response(OK .. bytes))
      end)
    end
  end)

  describe("takes only", function()
    local token, value = bytes_where(is_token), bytes_where(is_value)
    local token_or_colon = bytes_where(function(byte, char) return char == ":" or is_token(byte, char) end)
    local visible = bytes_where(function(byte, char) return byte > 0x20 and byte < 0x7f and char ~= "#" end)
    local cases = {
      { "the bytes of a token in a method", "GE@T / HTTP/1.1\r\n\r\n", token },
      { "the bytes of a token at a method's start", "@GET / HTTP/1.1\r\n\r\n", token },
      { "a colon behind a name", "GET / HTTP/1.1\r\nA@b\r\n\r\n", only ":" },
      { "the bytes of a token in a name", "GET / HTTP/1.1\r\nA@b:\r\n\r\n", token_or_colon },
      { "the bytes of a token at a name's start", "GET / HTTP/1.1\r\n@b: c\r\n\r\n", token },
      { "the bytes of a token at a later name's start", "GET / HTTP/1.1\r\nA: b\r\n@b: c\r\n\r\n", token },
      { "the bytes of a token in a length's name", "GET / HTTP/1.1\r\nContent-Length@: 0\r\n\r\n", token },
      { "the bytes of a value in a value", "GET / HTTP/1.1\r\nA: b@c\r\n\r\n", value },
      { "the bytes of a value at its start", "GET / HTTP/1.1\r\nA:@c\r\n\r\n", value },
      { "the bytes of a value at its end", "GET / HTTP/1.1\r\nA: b@\r\n\r\n", value },
      { "the visible bytes but '#' in a path", "GET /a@b HTTP/1.1\r\n\r\n", visible },
      { "the visible bytes but '#' in a query", "GET /?a@b HTTP/1.1\r\n\r\n", visible },
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
      { "the bytes of a token in an extension's name", POST .. "1;a@b\r\nx\r\n0\r\n\r\n",
        bytes_where(function(byte, char) return char == ";" or char == "=" or is_token(byte, char) end) },
      { "the bytes of a token in an extension's value", POST .. "1;a=b@c\r\nx\r\n0\r\n\r\n",
        bytes_where(function(byte, char) return char == ";" or is_token(byte, char) end) },
      { "the bytes of a value in quotes", POST .. "1;a=\"b@c\"\r\nx\r\n0\r\n\r\n",
        bytes_where(function(byte, char) return char ~= "\"" and is_value(byte) end) },
      { "the bytes of a value behind a backslash", POST .. "1;a=\"b\\@c\"\r\nx\r\n0\r\n\r\n", value },
      { "a line feed behind a chunk's CR", POST .. "5\r\nhello\r@0\r\n\r\n", only "\n" },
      { "a CR before a chunk's line feed", POST .. "5\r\nhello@\n0\r\n\r\n", only "\r" },
      { "a line feed behind the last size's CR", POST .. "0\r@\r\n", only "\n" },
      { "a line feed behind the last CR", POST .. "0\r\n\r@", only "\n" },
      { "a line feed behind a trailer's CR", POST .. "0\r\nA: b\r@\r\n", only "\n" },
      { "the two versions", "GET / HTTP/1.@\r\n\r\n", only "01" },
      { "the bytes of a token in a trailer's name", POST .. "0\r\nA@b:\r\n\r\n", token_or_colon },
      { "the bytes of a value in a trailer", POST .. "0\r\nA: b@c\r\n\r\n", value },
    }
    for _, case in ipairs(cases) do
      local what, text, expected = unpack(case)
      it(what, function() assert.same(expected, taken_in(text)) end)
    end

    local responses = {
      { "the bytes of a value in a reason", "HTTP/1.1 204 a@b\r\n\r\n", value },
      { "the digits from 1 to 5 for a status", "HTTP/1.1 @04 OK\r\nContent-Length: 0\r\n\r\n", only "12345" },
      { "digits in a status", "HTTP/1.1 2@4 OK\r\nContent-Length: 0\r\n\r\n", only "0123456789" },
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

  it("has failed for good: what is fed behind a fault changes nothing", function()
    for _, bytes in ipairs { "GET / HTTP/1.1\r\nHost: x\r\nX : y\r\n\r\n", "G@T", "GET / HTTP/1.1\r\nHost: x\n" } do
      local arena = http.arena()
      local parse = http.parser({}, arena)
      local step, failed, why
      for at = 1, #bytes do
        step = http.feed(parse, bytes:sub(at, at))
        failed = failed or step == "failed" and at
        if failed then
          assert.equal("failed", step)
          why = why or ffi.string(parse.why)
          assert.equal(why, ffi.string(parse.why))
        end
      end
      assert.truthy(failed)
      if bytes:find "Host" then assert.equal("/", http.text(parse.head.target)) end
      core.parse_dispose(parse)
    end
  end)

  describe("stops at", function()
    it("16 KiB of the chunks' own bytes without a byte of body, and not before", function()
      local function extended(bytes) return ";a=" .. ("x"):rep(bytes) end
      local function trailing(bytes) return "A: " .. ("x"):rep(bytes) .. "\r\n" end
      local function trailers(value) return { "A: " .. ("x"):rep(value) } end
      local refused = { result = "large head", why = "too many bytes of chunk sizes, extensions and trailers",
        head = "POST / 1.1", fields = CHUNKED, body = "" }
      assert.same(chunked("hello"), read(POST .. "5" .. extended(16000) .. "\r\nhello\r\n0\r\n\r\n"))
      assert.same(refused, read(POST .. "5" .. extended(17000) .. "\r\nhello\r\n0\r\n\r\n"))
      assert.same(refused, read(POST .. "0" .. extended(17000) .. "\r\n\r\n"))
      assert.same(trailers(16000), read(POST .. "0\r\n" .. trailing(16000) .. "\r\n").trailers)
      -- 3 bytes of the size, 5 of the trailer, 2 of the end
      assert.same(trailers(16384 - 10), read(POST .. "0\r\n" .. trailing(16384 - 10) .. "\r\n").trailers)
      assert.same(refused, read(POST .. "0\r\n" .. trailing(16384 - 9) .. "\r\n"))
      assert.same(refused, read(POST .. "0\r\n" .. trailing(17000) .. "\r\n"))
      assert.same(refused, read(POST .. "0\r\n" .. ("A: b\r\n"):rep(3000) .. "\r\n", { limits = { fields = 9000 } }))
      -- Data pays: 2 bytes for each of its own and 16 for each chunk.
      local function once(text) return http.read(text, function(at) return at + 1000 end, {}).result end
      assert.equal("end", once(POST .. ("1\r\nx\r\n"):rep(20000) .. "0\r\n\r\n"))
      assert.equal("end", once(POST .. ("1" .. extended(10) .. "\r\nx\r\n"):rep(20000) .. "0\r\n\r\n"))
      assert.equal("end", read(POST .. ("1" .. extended(3000) .. "\r\nx\r\n"):rep(5) .. "0\r\n\r\n").result)
      local many = read(POST .. ("1" .. extended(3000) .. "\r\nx\r\n"):rep(6) .. "0\r\n\r\n")
      assert.same({ "large head", refused.why, "xxxxx" }, { many.result, many.why, many.body })
    end)

    it("limits.fields and limits.head in trailers", function()
      local options = { limits = { fields = 3, head = 100 } }
      local last = POST .. "5\r\nhello\r\n0\r\n"
      local refused = { result = "many fields", why = "more fields than limits.fields",
        head = "POST / 1.1", fields = CHUNKED, body = "hello" }
      assert.same({ "A: b", "A: b", "A: b" }, read(last .. ("A: b\r\n"):rep(3) .. "\r\n", options).trailers)
      assert.same(refused, read(last .. ("A: b\r\n"):rep(3) .. "A", options))
      assert.same(refused, read(last .. ("A: b\r\n"):rep(4) .. "\r\n", options))
      refused.result, refused.why = "large head", "larger than limits.head"
      local value = ("x"):rep(100 - 7)
      assert.same({ "A: " .. value }, read(last .. "A: " .. value .. "\r\n\r\n", options).trailers)
      assert.same(refused, read(last .. "A: " .. value .. "x\r\n\r\n", options))
    end)
  end)

  it("comes to the same in pieces of any size", function()
    local bytes = "\r\nPOST /a?b HTTP/1.1\r\nHost: x\r\nEmpty:\r\nTransfer-Encoding: Chunked\r\n\r\n"
      .. "5;a=b\r\nhello\r\n3;c\r\n\r\n!\r\n0\r\nTrailer: x\r\n\r\nGET / HTTP/1.1\r\n\r\n"
    local expected = read(bytes)
    assert.same({ "end", "hello\r\n!", "GET / HTTP/1.1\r\n\r\n" }, { expected.result, expected.body, expected.rest })
    assert.same({ "Trailer: x" }, expected.trailers)
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
