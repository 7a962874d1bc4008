-- Messages that the parser refuses, however their bytes are cut into reads: ambiguous lengths,
-- broken chunks, bytes where they may not be, and what is too much.
local core = require "spec.support.core"
local http = require "spec.support.http"
local parsing = require "spec.support.parsing"

local read, response, chunked = parsing.read, parsing.response, parsing.chunked
local POST, OK, CHUNKED = parsing.POST, parsing.OK, parsing.CHUNKED

-- The classes of bytes by RFC 9110: which of the 256 may stand there?
local function bytes_where(fits)
  local set = {}
  for byte = 0, 255 do set[byte] = fits(byte, string.char(byte)) or false end
  return set
end

local function is_token(_, char) return char:find "^[%w!#$%%&'*+%-.^_`|~]$" ~= nil end
local function is_value(byte) return byte == 9 or byte >= 32 and byte ~= 127 end

-- The bytes that the parser takes at the place of "@" in a message that is right but for it.
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
end)
