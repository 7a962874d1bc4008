-- What is a head to the letter: each rule with the byte that breaks it, however the bytes are cut.
local http = require "spec.support.http"

local function read(bytes, options) return http.read_every_way(bytes, options or {}) end

-- Is refused with that byte which is the last of bytes, whatever comes behind it.
local function assert_refused(bytes, behind, result, why, options)
  assert.same({ result = "more" }, read(bytes:sub(1, -2), options))
  assert.same({ result = result, why = why }, read(bytes, options))
  assert.same({ result = result, why = why }, read(bytes .. behind, options))
  assert.same({ result = result, why = why }, read(bytes .. "\0\n\r \255" .. behind, options))
end

local BARE_CR, BARE_LF = "a bare carriage return", "a bare line feed"
local FOLD, EARLY = "a folded field line", "white space before the first field"
local NO_NAME, NAME = "an empty field name", "a field name that is not a token"
local GAP, NO_COLON = "white space before a colon", "a field line without a colon"
local VALUE = "a control byte in a field value"
local TARGET = "a byte that a request target may not have"
local SPACES = "white space other than one space in the request line"
local METHOD, NO_TARGET = "a method that is not a token", "no request target"
local NO_VERSION, VERSION = "no HTTP version", "a malformed HTTP version"
local MORE = "a space in the request target, or no HTTP version behind it"
local UNSPOKEN = "an HTTP version other than 1.0 and 1.1"
local STATUS = "a status that is not three digits from 100 to 599"
local REASON = "a control byte in the reason phrase"
local EMPTY_LINES = "too many empty lines before the request"
local TLS = 'a TLS handshake on a plain HTTP port: ask by http://, or listen = { { ":443", tls = true } }'
local PROXY = 'a PROXY header on a plain port: listen = { { ":80", proxy = true } }'
local HTTP2 = "HTTP/2 on a port that speaks HTTP/1.1: let the proxy in front send that"

-- Of both kinds of head, behind the first line.
local fields = { -- what, up to the byte that is wrong, what comes behind it, why
  { "a bare LF behind a field", "A: b\n", "C: d\r\n\r\n", BARE_LF },
  { "a bare LF behind an empty field", "A:\n", "\r\n", BARE_LF },
  { "a bare LF as its end", "A: b\r\n\n", "", BARE_LF },
  { "a bare LF as its end, and no field", "\n", "", BARE_LF },
  { "a bare CR in a value", "A: b\rC", ": d\r\n\r\n", BARE_CR },
  { "a bare CR before a value", "A:\rb", "\r\n\r\n", BARE_CR },
  { "two CRs at a line's end", "A: b\r\r", "\n\r\n", BARE_CR },
  { "a bare CR as its end", "A: b\r\n\rX", "", BARE_CR },
  { "two CRs as its end", "A: b\r\n\r\r", "\n", BARE_CR },
  { "a bare CR in a name", "A\r", "B: c\r\n\r\n", NO_COLON },
  { "a NUL in a value", "A: b\0", "c\r\n\r\n", VALUE },
  { "a NUL before a value", "A:\0", "c\r\n\r\n", VALUE },
  { "a NUL in a length", "Content-Length: 5\0", "\r\n\r\nhello", VALUE },
  { "a vertical tab in a coding", "Transfer-Encoding: \11", "chunked\r\n\r\n0\r\n\r\n", VALUE },
  { "a form feed in a value", "A: b\12", "\r\n\r\n", VALUE },
  { "an escape in a value", "A: \27", "[31m\r\n\r\n", VALUE },
  { "a DEL in a value", "A: b\127", "\r\n\r\n", VALUE },
  { "a NUL in a name", "A\0", ": b\r\n\r\n", NAME },
  { "a NUL as a name's first byte", "\0", "A: b\r\n\r\n", NAME },
  { "a control byte in a name", "A\1", ": b\r\n\r\n", NAME },
  { "a byte above 0x7f in a name", "A\195", "\188: b\r\n\r\n", NAME },
  { "a slash in a name", "A/", "B: c\r\n\r\n", NAME },
  { "quotes around a name", "\"", "A\": b\r\n\r\n", NAME },
  { "parentheses in a name", "A(", "b): c\r\n\r\n", NAME },
  { "a folded value", "A: b\r\n ", "c\r\n\r\n", FOLD },
  { "a value folded with a tab", "A: b\r\n\t", "c\r\n\r\n", FOLD },
  { "a value that begins folded", "A:\r\n ", "b\r\n\r\n", FOLD },
  { "a fold of nothing", "A: b\r\n ", "\r\n\r\n", FOLD },
  { "a folded length", "Content-Length:\r\n ", "5\r\n\r\nhello", FOLD },
  { "a folded coding", "Transfer-Encoding:\r\n\t", "chunked\r\n\r\n0\r\n\r\n", FOLD },
  { "a first field behind a space", " ", "A: b\r\n\r\n", EARLY },
  { "a first field behind a tab", "\t", "A: b\r\n\r\n", EARLY },
  { "a first line of a space alone", " ", "\r\nA: b\r\n\r\n", EARLY },
  { "a space before a colon", "A ", ": b\r\n\r\n", GAP },
  { "a tab before a colon", "A\t", ": b\r\n\r\n", GAP },
  { "a space in a name", "A ", "b: c\r\n\r\n", GAP },
  { "a space before the length's colon", "Content-Length ", ": 5\r\n\r\nhello", GAP },
  { "a space before the coding's colon", "Transfer-Encoding ", ": chunked\r\n\r\n0\r\n\r\n", GAP },
  { "an empty name", ":", " b\r\n\r\n", NO_NAME },
  { "an empty name later", "A: b\r\n:", " c\r\n\r\n", NO_NAME },
  { "a line without a colon", "A\r", "\n\r\n", NO_COLON },
  { "a line without a colon later", "A: b\r\nnonsense\r", "\n\r\n", NO_COLON },
  { "a line without a colon that ends with LF", "A\n", "\r\n", NO_COLON },
}

-- The message ends with the field's name, up to its colon or the byte that does not belong there.
local function named(bytes, why)
  local line, wrong = bytes:match "([^\n]*)(.)$"
  local name = line:match "^[^:\r]*"
  if why == NAME then name = name .. (wrong:find "[!-~]" and wrong or ("\\x%02x"):format(wrong:byte())) end
  return name == "" and why or why .. ": " .. name
end

describe("the name of a field that is refused", function()
  it("stands in the message", function()
    assert.same({ result = "bad", why = "a field name that is not a token: X-A[" },
      read "GET / HTTP/1.1\r\nHost: x\r\nX-A[0]: 1\r\n\r\n")
    assert.same({ result = "bad", why = "white space before a colon: X-B" },
      read("HTTP/1.1 200 OK\r\nX-B : 1\r\n\r\n", { response = true }))
  end)

  it("has 60 bytes at most", function()
    local head = "GET / HTTP/1.1\r\n" .. ("a"):rep(1000) .. "(: b\r\n\r\n"
    assert.same({ result = "bad", why = NAME .. ": " .. ("a"):rep(60) .. "(" }, read(head))
  end)
end)

describe("a request is refused for", function()
  local lines = {
    { "a bare LF behind the request line", "GET / HTTP/1.1\n", "A: b\r\n\r\n", BARE_LF },
    { "bare LFs only", "GET / HTTP/1.1\n", "\n", BARE_LF },
    { "a bare LF in the target", "GET /\n", " HTTP/1.1\r\n\r\n", BARE_LF },
    { "a bare LF behind the method", "GET\n", "/ HTTP/1.1\r\n\r\n", BARE_LF },
    { "a bare LF before the version", "GET / \n", "HTTP/1.1\r\n\r\n", BARE_LF },
    { "a bare LF before it", "\n", "GET / HTTP/1.1\r\n\r\n", BARE_LF },
    { "a bare LF before it, later", "\r\n\n", "GET / HTTP/1.1\r\n\r\n", BARE_LF },
    { "a bare CR behind the request line", "GET / HTTP/1.1\rA", ": b\r\n\r\n", BARE_CR },
    { "two CRs behind the request line", "GET / HTTP/1.1\r\r", "\nA: b\r\n\r\n", BARE_CR },
    { "half an empty line before it", "\rG", "ET / HTTP/1.1\r\n\r\n", BARE_CR },
    { "half an empty line before it, later", "\r\n\r\r", "\nGET / HTTP/1.1\r\n\r\n", BARE_CR },
    { "five empty lines before it", ("\r\n"):rep(4) .. "\r", "\nGET / HTTP/1.1\r\n\r\n", EMPTY_LINES },
    { "a method that is no token", "G(", "T / HTTP/1.1\r\n\r\n", METHOD },
    { "a method with a colon", "GET:", " / HTTP/1.1\r\n\r\n", METHOD },
    { "a NUL before it", "\0", "GET / HTTP/1.1\r\n\r\n", METHOD },
    { "a byte above 0x7f before it", "\239", "\187\191GET / HTTP/1.1\r\n\r\n", METHOD },
    { "the first bytes of TLS", "\22", "\3\1\2\0\1\0\1\252\3\3", TLS },
    { "the first bytes of old TLS", "\128", "\46\1\0\2\0\21", METHOD },
    { "no method", " ", "/ HTTP/1.1\r\n\r\n", SPACES },
    { "a tab before the method", "\t", "GET / HTTP/1.1\r\n\r\n", SPACES },
    { "two spaces before the target", "GET  ", "/ HTTP/1.1\r\n\r\n", SPACES },
    { "two spaces behind the target", "GET /  ", "HTTP/1.1\r\n\r\n", SPACES },
    { "a tab before the target", "GET\t", "/ HTTP/1.1\r\n\r\n", SPACES },
    { "a space and a tab before the target", "GET \t", "/ HTTP/1.1\r\n\r\n", SPACES },
    { "a tab behind the target", "GET /\t", "HTTP/1.1\r\n\r\n", SPACES },
    { "a space behind the version", "GET / HTTP/1.1 ", "\r\n\r\n", SPACES },
    { "a word behind the version", "GET / HTTP/1.1 ", "x\r\n\r\n", SPACES },
    { "a tab behind the version", "GET / HTTP/1.1\t", "\r\n\r\n", SPACES },
    { "nothing behind the method", "GET\r", "\n\r\n", NO_TARGET },
    { "nothing behind the method but a space", "GET \r", "\n\r\n", NO_TARGET },
    { "no target", "GET HTTP/1.1\r", "\n\r\n", NO_VERSION },
    { "nothing of HTTP", "SSH-2.0-OpenSSH_9.2\r", "\n", NO_TARGET },
    { "a NUL in the target", "GET /\0", " HTTP/1.1\r\n\r\n", TARGET },
    { "a NUL as the target's first byte", "GET \0", " HTTP/1.1\r\n\r\n", TARGET },
    { "a control byte in the target", "GET /\1", " HTTP/1.1\r\n\r\n", TARGET },
    { "a DEL in the target", "GET /\127", " HTTP/1.1\r\n\r\n", TARGET },
    { "a byte above 0x7f in the target", "GET /\195", "\188 HTTP/1.1\r\n\r\n", TARGET },
    { "a fragment in the target", "GET /a#", "b HTTP/1.1\r\n\r\n", TARGET },
    { "a fragment in the query", "GET /?a#", " HTTP/1.1\r\n\r\n", TARGET },
    { "a fragment for a target", "GET #", "a HTTP/1.1\r\n\r\n", TARGET },
    { "a space in the target", "GET /a b", " HTTP/1.1\r\n\r\n", MORE },
    { "no version, as in HTTP/0.9", "GET /\r", "\n\r\n", NO_VERSION },
    { "no version behind a space", "GET / \r", "\n\r\n", NO_VERSION },
    { "a version in lower case", "GET / h", "ttp/1.1\r\n\r\n", MORE },
    { "a version in mixed case", "GET / Ht", "tp/1.1\r\n\r\n", MORE },
    { "a version without digits", "GET / HTTP/x", ".y\r\n\r\n", VERSION },
    { "a version without a slash", "GET / HTTP1", ".1\r\n\r\n", MORE },
    { "a version without a dot", "GET / HTTP/11", "\r\n\r\n", VERSION },
    { "a version of one number", "GET / HTTP/1\r", "\n\r\n", VERSION },
    { "a version that ends with its dot", "GET / HTTP/1.\r", "\n\r\n", VERSION },
    { "a version of three numbers", "GET / HTTP/1.1.", "1\r\n\r\n", VERSION },
    { "a version with a comma", "GET / HTTP/1,", "1\r\n\r\n", VERSION },
    { "a version with a long number", "GET / HTTP/1.10", "\r\n\r\n", VERSION },
    { "a version with a zero before it", "GET / HTTP/01", ".1\r\n\r\n", VERSION },
    { "a version with a space in it", "GET / HTTP/ ", "1.1\r\n\r\n", VERSION },
    { "a version with a sign", "GET / HTTP/+", "1.1\r\n\r\n", VERSION },
    { "a NUL behind the version", "GET / HTTP/1.1\0", "\r\n\r\n", VERSION },
    { "another protocol", "GET / R", "TSP/1.1\r\n\r\n", MORE },
    { "another protocol and its own method", "PLAY / R", "TSP/1.0\r\n\r\n", MORE },
    { "a third protocol", "SOURCE / I", "CE/1.0\r\n\r\n", MORE },
    { "nothing but text", "Hello there, G", "eneral Kenobi\r\n\r\n", MORE },
    { "a PROXY header", "PROXY TCP4 1", "92.0.2.1 192.0.2.2 5000 80\r\n", PROXY },
    { "a PROXY header of IPv6", "PROXY TCP6 2", "001:db8::1 2001:db8::2 5000 80\r\n", PROXY },
    { "a PROXY header that names nobody", "PROXY UNKNOWN\r", "\n", PROXY },
    { "a PROXY header that names nobody, and more", "PROXY UNKNOWN f", "fff::1 ffff::2 1 2\r\n", PROXY },
    { "a binary PROXY header", "\r\n\r\n\0", "\r\nQUIT\n\33\17\0\12", PROXY },
    { "a method that is called like one", "PROXY / \r", "\n", NO_VERSION },
    { "a NUL behind one empty line", "\r\n\0", "\r\nQUIT\n", METHOD },
    { "a NUL behind three empty lines", "\r\n\r\n\r\n\0", "\r\nQUIT\n", METHOD },
  }
  for _, case in ipairs(lines) do
    local what, bytes, behind, why = unpack(case)
    it(what, function() assert_refused(bytes, behind, "bad", why) end)
  end

  for _, case in ipairs(fields) do
    local what, bytes, behind, why = unpack(case)
    it(what, function() assert_refused("GET / HTTP/1.1\r\n" .. bytes, behind, "bad", named(bytes, why)) end)
  end

  for _, version in ipairs { "0.0", "0.9", "1.2", "1.9", "2.0", "2.1", "3.0", "9.9" } do
    it("version " .. version .. ", which is well formed and not spoken", function()
      assert_refused("GET / HTTP/" .. version .. "\r", "\nHost: x\r\n\r\n", "bad version", UNSPOKEN)
    end)
  end

  it("the first line of HTTP/2, which is well formed and not spoken", function()
    assert_refused("PRI * HTTP/2.0\r", "\n\r\nSM\r\n\r\n", "bad version", HTTP2)
  end)
end)

describe("a response is refused for", function()
  local lines = {
    { "an empty line before it", "\r", "\nHTTP/1.1 200 OK\r\n\r\n", NO_VERSION },
    { "a space before it", " ", "HTTP/1.1 200 OK\r\n\r\n", NO_VERSION },
    { "nothing of HTTP", "S", "SH-2.0-OpenSSH_9.2\r\n", NO_VERSION },
    { "a page alone", "<", "html>\r\n", NO_VERSION },
    { "another protocol", "R", "TSP/1.0 200 OK\r\n\r\n", NO_VERSION },
    { "a greeting that begins like it", "HE", "LO\r\n", VERSION },
    { "the old streaming protocol", "I", "CY 200 OK\r\n\r\n", NO_VERSION },
    { "a version in lower case", "h", "ttp/1.1 200 OK\r\n\r\n", NO_VERSION },
    { "a version of one number", "HTTP/1 ", "200 OK\r\n\r\n", VERSION },
    { "a version of three numbers", "HTTP/1.1.", "1 200 OK\r\n\r\n", VERSION },
    { "a version alone", "HTTP/1.1\r", "\n\r\n", VERSION },
    { "a tab before the status", "HTTP/1.1\t", "200 OK\r\n\r\n", VERSION },
    { "two spaces before the status", "HTTP/1.1  ", "200 OK\r\n\r\n", STATUS },
    { "a tab behind the status", "HTTP/1.1 200\t", "OK\r\n\r\n", STATUS },
    { "no status", "HTTP/1.1 O", "K\r\n\r\n", STATUS },
    { "an empty status", "HTTP/1.1 \r", "\n\r\n", STATUS },
    { "a status of two digits", "HTTP/1.1 20 ", "OK\r\n\r\n", STATUS },
    { "a status of two digits alone", "HTTP/1.1 20\r", "\n\r\n", STATUS },
    { "a status of four digits", "HTTP/1.1 2000", " OK\r\n\r\n", STATUS },
    { "a status with a sign", "HTTP/1.1 +", "20 OK\r\n\r\n", STATUS },
    { "a status with a dot", "HTTP/1.1 200.", " OK\r\n\r\n", STATUS },
    { "a status below 100", "HTTP/1.1 0", "99 OK\r\n\r\n", STATUS },
    { "a status above 599", "HTTP/1.1 6", "00 OK\r\n\r\n", STATUS },
    { "a status of 999", "HTTP/1.1 9", "99 OK\r\n\r\n", STATUS },
    { "a NUL in the reason", "HTTP/1.1 200 O\0", "K\r\n\r\n", REASON },
    { "an escape in the reason", "HTTP/1.1 200 \27", "[0m\r\n\r\n", REASON },
    { "a bare CR in the reason", "HTTP/1.1 200 O\rK", "\r\n\r\n", BARE_CR },
    { "a bare LF behind the status line", "HTTP/1.1 200 OK\n", "A: b\r\n\r\n", BARE_LF },
    { "a bare LF behind the status", "HTTP/1.1 200\n", "\r\n", BARE_LF },
  }
  for _, case in ipairs(lines) do
    local what, bytes, behind, why = unpack(case)
    it(what, function() assert_refused(bytes, behind, "bad", why, { response = true }) end)
  end

  for _, case in ipairs(fields) do
    local what, bytes, behind, why = unpack(case)
    it(what, function()
      assert_refused("HTTP/1.1 200 OK\r\n" .. bytes, behind, "bad", named(bytes, why), { response = true })
    end)
  end

  for _, version in ipairs { "0.9", "1.2", "2.0", "3.0" } do
    it("version " .. version .. ", which is well formed and not spoken", function()
      assert_refused("HTTP/" .. version .. " ", "200 OK\r\n\r\n", "bad version", UNSPOKEN, { response = true })
    end)
  end
end)

-- The byte that is one too many is refused for the limit, whatever it is and whatever comes; a byte
-- before it that is wrong is refused for itself.
describe("the limit", function()
  local LONG, LARGE = "a request line longer than limits.request_line", "larger than limits.head"
  local MANY = "more fields than limits.fields"
  local LINE, HEAD, FIELDS = 40, 200, 4
  local options = { limits = { request_line = LINE, head = HEAD, fields = FIELDS } }
  local of_response = { limits = options.limits, response = true }

  local function line_of(bytes) return "GET /" .. ("t"):rep(bytes - 14) .. " HTTP/1.1" end

  local function assert_over(bytes, result, why, opts)
    for _, byte in ipairs { "a", ":", "\0", "\n", " ", "#", "\255" } do
      assert_refused(bytes .. byte, "rest\r\n\r\n", result, why, opts)
    end
  end

  it("of the request line counts all of it but its line end", function()
    for bytes = LINE - 3, LINE do
      assert.equal("end", read(line_of(bytes) .. "\r\n\r\n", options).result)
    end
    for over = 1, 10 do
      local line = line_of(LINE + over)
      assert_refused(line:sub(1, LINE + 1), line:sub(LINE + 2) .. "\r\n\r\n", "long line", LONG, options)
    end
  end)

  it("of the request line holds in each of its parts", function()
    assert_over(("M"):rep(LINE), "long line", LONG, options)
    assert_over("GET /" .. ("t"):rep(LINE - 5), "long line", LONG, options)
    assert_over("GET /" .. ("t"):rep(LINE - 6) .. " ", "long line", LONG, options)
    assert_over("GET /" .. ("t"):rep(LINE - 9) .. " HTT", "long line", LONG, options)
    assert_over(line_of(LINE), "long line", LONG, options)
  end)

  it("of the request line does not hide what is wrong within it", function()
    assert_refused("GET /" .. ("t"):rep(LINE - 6) .. "\1", "tt HTTP/1.1\r\n\r\n", "bad", TARGET, options)
    assert_refused("GET /" .. ("t"):rep(LINE - 5) .. "\r", "\n\r\n", "bad", NO_VERSION, options)
    assert_refused(line_of(LINE):gsub("1%.1$", "2.0") .. "\r", "\n\r\n", "bad version", UNSPOKEN, options)
  end)

  it("of the request line does not hold for a response, nor for a field", function()
    assert.equal("end", read("GET / HTTP/1.1\r\nA: " .. ("a"):rep(2 * LINE) .. "\r\n\r\n", options).result)
    assert.equal("end", read("HTTP/1.1 204 " .. ("a"):rep(2 * LINE) .. "\r\n\r\n", of_response).result)
  end)

  it("of the head counts all of its bytes", function()
    for _, first in ipairs { "GET / HTTP/1.1\r\n", "HTTP/1.1 204 OK\r\n" } do
      local opts = first:find "^GET" and options or of_response
      local field = first .. "A: " .. ("a"):rep(HEAD - #first - 7)
      assert.equal("end", read(field .. "\r\n\r\n", opts).result)
      assert_refused(field .. "a\r\n\r\n", "", "large head", LARGE, opts)
      assert_over(field .. "a\r\n\r", "large head", LARGE, opts)
      assert_over(field .. "aa\r\n", "large head", LARGE, opts)
      assert_over(field .. "aaaa", "large head", LARGE, opts)
      assert_refused(field .. "aaa\1", "", "bad", VALUE .. ": A", opts)
    end
  end)

  it("of the head does not count empty lines before it", function()
    local head = "GET / HTTP/1.1\r\nA: " .. ("a"):rep(HEAD - 23) .. "\r\n\r\n"
    assert.equal("end", read("\r\n\r\n\r\n\r\n" .. head, options).result)
  end)

  it("of the head comes first where it is the smaller one", function()
    local small = { limits = { request_line = 40, head = 30, fields = 4 } }
    assert_over("GET /" .. ("t"):rep(25), "large head", LARGE, small)
    small.limits.request_line = 30
    assert_over("GET /" .. ("t"):rep(25), "large head", LARGE, small)
  end)

  it("of fields refuses the first byte of one more", function()
    local most = "A: b\r\n" .. ("C:\r\n"):rep(FIELDS - 1)
    for first, opts in pairs { ["GET / HTTP/1.1\r\n"] = options, ["HTTP/1.1 204 OK\r\n"] = of_response } do
      assert.equal(FIELDS, #read(first .. most .. "\r\n", opts).fields)
      assert_refused(first .. most .. "A", ": b\r\n\r\n", "many fields", MANY, opts)
      assert_refused(first .. most .. " ", "b\r\n\r\n", "bad", FOLD, opts)
      assert_refused(first .. most .. ":", "b\r\n\r\n", "bad", NO_NAME, opts)
    end
  end)

  it("of fields may be none", function()
    local none = { limits = { fields = 0 } }
    assert.equal("end", read("GET / HTTP/1.1\r\n\r\n", none).result)
    assert_refused("GET / HTTP/1.1\r\nA", ": b\r\n\r\n", "many fields", MANY, none)
  end)
end)

-- Another reader of heads, by patterns and not by states: it must take and refuse the same.
describe("heads of chance", function()
  local TOKEN = "[%w!#$%%&'*+%-.^_`|~]+"
  local seeds = {
    "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "POST /a/b?c=%20&d HTTP/1.0\r\nHost: a.b:80\r\nX-Empty:\r\nX-Tab:\ta\tb \r\n\r\n",
    "\r\n\r\nOPTIONS * HTTP/1.1\r\nhost:y\r\nA: b\r\nA: c\r\n\r\n",
    "M-SEARCH http://a?b HTTP/1.1\r\nHost: \195\188\r\nCookie: a=\"b\"; c=(d)\r\n\r\n",
    "HTTP/1.1 200 OK\r\nDate: now\r\nSet-Cookie: a\r\n\r\n",
    "HTTP/1.0 404 Not  Found\r\nX:y\r\n\r\n",
    "HTTP/1.1 304\r\n\r\n",
    "HTTP/1.1 503 \r\nRetry-After: 1\r\nContent-Type: a/b;c=d\r\n\r\n",
  }
  local bytes = { "\r", "\n", "\r\n", " ", "\t", ":", "\0", "\1", "\11", "\127", "\128", "\255", "#", "/", "(", "0",
    "1", "2", "9", ".", "H", "a", "%", "\"", "\r\n\r\n", "\r\n ", "HTTP/1.1", "A: b\r\n" }

  local function are_fields(text)
    while text ~= "\r\n" do
      local rest = text:match("^" .. TOKEN .. ":[\t\32-\126\128-\255]*\r\n(.+)$")
      if not rest then return false end
      text = rest
    end
    return true
  end

  -- The whole of text is a head.
  local function is_head(text, is_response)
    local line, rest
    if is_response then
      line, rest = text:match "^(.-)\r\n(.+)$"
      if not line then return false end
      local good = line:find "^HTTP/1%.[01] [1-5]%d%d$" or line:find "^HTTP/1%.[01] [1-5]%d%d [\t\32-\126\128-\255]*$"
      return good ~= nil and are_fields(rest)
    end
    for _ = 1, 4 do text = text:gsub("^\r\n", "") end
    line, rest = text:match "^(.-)\r\n(.+)$"
    return line ~= nil and line:find("^" .. TOKEN .. " [\33\34\36-\126]+ HTTP/1%.[01]$") ~= nil and are_fields(rest)
  end

  local function mutated(text)
    for _ = 1, math.random(1, 3) do
      local at, kind = math.random(0, #text), math.random(1, 4)
      local byte = bytes[math.random(#bytes)]
      if kind == 1 then text = text:sub(1, at) .. byte .. text:sub(at + 1) end
      if kind == 2 then text = text:sub(1, at) .. byte .. text:sub(at + 1 + #byte) end
      if kind == 3 then text = text:sub(1, at) .. text:sub(at + 1 + math.random(1, 3)) end
      if kind == 4 then text = text:sub(1, at) .. text:sub(math.random(1, #text)) end
    end
    return text
  end

  it("come to the same however they are cut, and to what their grammar says", function()
    math.randomseed(20)
    local counts = { taken = 0, refused = 0, unfinished = 0 }
    for i = 1, 1600 do
      local seed = seeds[i % #seeds + 1]
      local is_response = seed:find "^HTTP" ~= nil
      local text = mutated(seed)
      local options = { response = is_response, limits = { request_line = 60, fields = 5 } }
      local seen = i % 4 == 0 and read(text, options) or http.read(text, function(at)
        return at + math.random(1, 9)
      end, options)
      local first = text:sub(1, seen.head_bytes and (text:find("%S", 1) or 1) - 1 + seen.head_bytes or #text)
      if seen.head then
        counts.taken = counts.taken + 1
        assert.same({ text, true }, { text, is_head(first, is_response) })
      elseif seen.result == "more" then
        counts.unfinished = counts.unfinished + 1
        assert.same({ text, false }, { text, is_head(text, is_response) })
      elseif seen.result == "bad" or seen.result == "bad version" then
        counts.refused = counts.refused + 1
        for stop = 1, #text do
          assert.same({ text, false }, { text, is_head(text:sub(1, stop), is_response) })
        end
      end
    end
    assert.is_true(counts.taken > 200 and counts.refused > 200 and counts.unfinished > 10)
  end)
end)
