-- The head's grammar: line ends, bytes, fields, the request line.
local cases = require("spec.support.cases").new()
local request, forwarded = cases.request, cases.forwarded

-- RFC 9112, 2.2: CRLF and nothing else ends a line.
local LINE_ENDS = {
  { "a bare LF behind the request line", "GET / HTTP/1.1\nHost: x\r\n\r\n" },
  { "a bare LF behind a field", "GET / HTTP/1.1\r\nHost: x\nX-A: b\r\n\r\n" },
  { "a bare LF behind the last field", "GET / HTTP/1.1\r\nHost: x\r\nX-A: b\n\r\n" },
  { "a bare LF as the empty line", "GET / HTTP/1.1\r\nHost: x\r\n\n" },
  { "bare LFs only", "GET / HTTP/1.1\nHost: x\n\n" },
  { "a bare CR behind the request line", "GET / HTTP/1.1\rHost: x\r\n\r\n" },
  { "a bare CR behind a field", "GET / HTTP/1.1\r\nHost: x\rX-A: b\r\n\r\n" },
  { "a bare CR as the empty line", "GET / HTTP/1.1\r\nHost: x\r\n\r" },
  { "bare CRs only", "GET / HTTP/1.1\rHost: x\r\r" },
  { "two CRs behind the request line", "GET / HTTP/1.1\r\r\nHost: x\r\n\r\n" },
  { "two CRs behind a field", "GET / HTTP/1.1\r\nHost: x\r\r\nX-A: b\r\n\r\n" },
  { "two CRs in the empty line", "GET / HTTP/1.1\r\nHost: x\r\n\r\r\n" },
  { "LF and CR in the wrong order", "GET / HTTP/1.1\n\rHost: x\n\r\n\r" },
  { "a bare CR before a name", "GET / HTTP/1.1\r\nHost: x\r\n\rX-A: b\r\n\r\n" },
  { "a bare CR in a name", "GET / HTTP/1.1\r\nHost: x\r\nX\r-A: b\r\n\r\n" },
  { "a bare CR behind a name", "GET / HTTP/1.1\r\nHost: x\r\nX-A\r: b\r\n\r\n" },
  { "a bare CR before a value", "GET / HTTP/1.1\r\nHost: x\r\nX-A: \rb\r\n\r\n" },
  { "a bare CR in the target", "GET /a\rb HTTP/1.1\r\nHost: x\r\n\r\n" },
  { "a bare LF in the target", "GET /a\nb HTTP/1.1\r\nHost: x\r\n\r\n" },
  { "a bare LF in a name", "GET / HTTP/1.1\r\nHost: x\r\nX\n-A: b\r\n\r\n" },
  { "a bare LF before a value", "GET / HTTP/1.1\r\nHost: x\r\nX-A:\nb: c\r\n\r\n" },
  { "a framing field behind a bare LF", "POST / HTTP/1.1\r\nHost: x\r\nX: x\nTransfer-Encoding: chunked\r\n\r\n" },
  { "a framing field behind a bare CR", "POST / HTTP/1.1\r\nHost: x\r\nX: x\rTransfer-Encoding: chunked\r\n\r\n" },
  { "a framing field behind two CRs", "POST / HTTP/1.1\r\nHost: x\r\nX: x\r\r\nContent-Length: 5\r\n\r\n" },
  { "an empty line of a CR and a LF in a value", "GET / HTTP/1.1\r\nHost: x\r\nX: a\n\rb\r\n\r\n" },
}
for _, case in ipairs(LINE_ENDS) do cases:refused("line-ends", case[1], case[2]) end

-- RFC 9110, 5.5; RFC 9112, 2.2 and 3.2: no control byte is honest.
for _, byte in ipairs { 0, 1, 8, 11, 12, 27, 31, 127 } do
  local c = string.char(byte)
  cases:refused("control-bytes", ("byte %d in a value"):format(byte), request("X-A: b" .. c .. "c\r\n"))
end
for _, byte in ipairs { 0, 11, 127 } do
  local c = string.char(byte)
  cases:refused("control-bytes", ("byte %d in a name"):format(byte), request("X-" .. c .. "A: b\r\n"))
  cases:refused("control-bytes", ("byte %d in the target"):format(byte), request("", "GET", "/a" .. c .. "b"))
  cases:refused("control-bytes", ("byte %d in the method"):format(byte), request("", "GE" .. c .. "T"))
end
cases:refused("control-bytes", "a NUL behind the version", "GET / HTTP/1.1\0\r\nHost: x\r\n\r\n")
cases:refused("control-bytes", "a NUL at the end of a value", request "X-A: b\0\r\n")
cases:refused("control-bytes", "a NUL as a value", request "X-A: \0\r\n")
cases:refused("control-bytes", "a NUL as a line", request "\0\r\n")
cases:refused("control-bytes", "a NUL in the empty line", "GET / HTTP/1.1\r\nHost: x\r\n\0\r\n\r\n")
cases:refused("control-bytes", "a NUL in Host", "GET / HTTP/1.1\r\nHost: x\0y\r\n\r\n")
cases:passes("control-bytes", "a tab in a value, which is none of them", request "X-A: b\tc\r\n")
cases:passes("control-bytes", "bytes above 0x7f in a value, which are none of them",
  request "X-A: \195\188\128\255\r\n")

-- RFC 9112, 5.2 and 2.2: a line that begins with white space.
local FOLDS = {
  { "a space", "GET / HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\r\n\r\n" },
  { "a tab", "GET / HTTP/1.1\r\nHost: x\r\nX-A: b\r\n\tc\r\n\r\n" },
  { "a space and nothing", "GET / HTTP/1.1\r\nHost: x\r\nX-A: b\r\n \r\n\r\n" },
  { "a space, behind a name without a value", "GET / HTTP/1.1\r\nHost: x\r\nX-A:\r\n b\r\n\r\n" },
  { "a space, behind the request line", "GET / HTTP/1.1\r\n Host: x\r\nHost: y\r\n\r\n" },
  { "a tab, behind the request line", "GET / HTTP/1.1\r\n\tX-A: b\r\nHost: y\r\n\r\n" },
  { "a space and nothing, behind the request line", "GET / HTTP/1.1\r\n \r\nHost: y\r\n\r\n" },
  { "a space, of Host", "GET / HTTP/1.1\r\nHost: x\r\n .y\r\n\r\n" },
  { "a space, of Host without a value", "GET / HTTP/1.1\r\nHost:\r\n x\r\n\r\n" },
  { "a space, of Content-Length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n 0\r\n\r\nhello" },
  { "a space, of Content-Length without a value", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n 5\r\n\r\nhello" },
  { "a space, of Transfer-Encoding",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: x,\r\n chunked\r\n\r\n0\r\n\r\n" },
  { "a tab, of Transfer-Encoding without a value",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n\tchunked\r\n\r\n0\r\n\r\n" },
  { "a space, that hides Transfer-Encoding",
    "POST / HTTP/1.1\r\nHost: x\r\nX-A: b\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" },
}
for _, case in ipairs(FOLDS) do cases:refused("obs-fold", "a line that begins with " .. case[1], case[2]) end

-- RFC 9112, 5.1; RFC 9110, 5.1 and 5.6.2: a name is a token, and the colon is right behind it.
local NAMES = {
  { "a space before the colon", "X-A : b\r\n" },
  { "a tab before the colon", "X-A\t: b\r\n" },
  { "a space in the name", "X A: b\r\n" },
  { "no name", ": b\r\n" },
  { "a space for a name", " : b\r\n" },
  { "a colon and nothing else", ":\r\n" },
  { "no colon", "nonsense\r\n" },
  { "no colon, behind others", "X-A: b\r\nnonsense\r\nX-C: d\r\n" },
  { "a space before the colon of Content-Length", "Content-Length : 5\r\n" },
  { "a tab before the colon of Transfer-Encoding", "Transfer-Encoding\t: chunked\r\n" },
  { "a space before the colon of a second Host", "Host : y\r\n" },
  { "a byte above 0x7f in the name", "X-\195\188: b\r\n" },
}
for _, case in ipairs(NAMES) do cases:refused("field-names", "a field with " .. case[1], request(case[2])) end
for c in ([[(),/;<=>?@[\]{}"]]):gmatch "." do
  cases:refused("field-names", ("a field with %s in its name"):format(c), request("X" .. c .. "A: b\r\n"))
end
cases:passes("field-names", "a field whose name has every byte of a token", request "!#$%&'*+-.^_`|~09Az: b\r\n")
cases:passes("field-names", "a field of which the value has colons", request "X-A: b:c: d\r\n")

-- RFC 9112, 2.2: a few empty lines before a request are forgiven.
local GET, SEEN = request(), forwarded()
cases:passes("empty-lines", "one before it", "\r\n" .. GET, SEEN)
cases:passes("empty-lines", "two before it", "\r\n\r\n" .. GET, SEEN)
cases:refused("empty-lines", "a hundred before it", ("\r\n"):rep(100) .. GET)
cases:refused("empty-lines", "a bare LF before it", "\n" .. GET)
cases:refused("empty-lines", "a bare CR before it", "\r" .. GET)
cases:refused("empty-lines", "two CRs and a LF before it", "\r\r\n" .. GET)
cases:refused("empty-lines", "an empty line and a bare LF before it", "\r\n\n" .. GET)
cases:refused("empty-lines", "a space before it", " " .. GET)
cases:refused("empty-lines", "a tab before it", "\t" .. GET)
cases:refused("empty-lines", "a line of a space before it", " \r\n" .. GET)
cases:refused("empty-lines", "an empty line and a space before it", "\r\n " .. GET)
cases:passes("empty-lines", "one between it and the body before",
  request("Content-Length: 5\r\n", "POST", "/1") .. "hello\r\n" .. request("", "GET", "/2"),
  forwarded("Content-Length: 5\r\n", "POST", "/1") .. "hello" .. forwarded("", "GET", "/2"))

-- RFC 9112, 3: method, one space, target, one space, version.
local LINES = {
  { "two spaces behind the method", "GET  / HTTP/1.1" },
  { "two spaces behind the target", "GET /  HTTP/1.1" },
  { "a tab behind the method", "GET\t/ HTTP/1.1" },
  { "a tab behind the target", "GET /\tHTTP/1.1" },
  { "a vertical tab behind the target", "GET /\11HTTP/1.1" },
  { "a form feed behind the method", "GET\12/ HTTP/1.1" },
  { "a space behind the version", "GET / HTTP/1.1 " },
  { "a tab behind the version", "GET / HTTP/1.1\t" },
  { "one word too many", "GET / HTTP/1.1 x" },
  { "one word too many before the version", "GET / x HTTP/1.1" },
  { "two versions", "GET / HTTP/1.1 HTTP/1.0" },
  { "no target", "GET HTTP/1.1" },
  { "an empty target", "GET  HTTP/1.1" },
  { "a method alone", "GET" },
  { "no method", "/ HTTP/1.1" },
  { "an empty method", " / HTTP/1.1" },
  { "a method in quotes", '"GET" / HTTP/1.1' },
  { "a method with a colon", "GET: / HTTP/1.1" },
  { "a method with a slash", "GE/T / HTTP/1.1" },
  { "a method with an at sign", "G@T / HTTP/1.1" },
  { "a method with a bracket", "G(E)T / HTTP/1.1" },
  { "a method with a byte above 0x7f", "G\200T / HTTP/1.1" },
  { "an unknown method with a byte that is none of a token", "FOO{} / HTTP/1.1" },
  { "nothing behind the target's space", "GET / " },
}
for _, case in ipairs(LINES) do
  cases:refused("request-line", "a line with " .. case[1], case[2] .. "\r\nHost: x\r\n\r\n")
end

-- RFC 9110, 9.1: a method is a token, its letter case counts, and we have no list of them.
for _, method in ipairs { "OPTIONS", "PUT", "DELETE", "PATCH", "PROPFIND", "M-SEARCH", "QUERY", "PURGE", "get", "Get",
  "FOO", "X-LONG-EXTENSION_METHOD", "!#$%&'*+-.^_`|~1", "GETX", "G", "SOURCE", "HTTP" } do
  cases:passes("methods", "the method " .. method, request("", method))
end
cases:passes("methods", "a body behind a method of no known name", request("Content-Length: 5\r\n", "FOO") .. "hello",
  forwarded("Content-Length: 5\r\n", "FOO") .. "hello")
cases:passes("methods", "HEAD, which is answered without a body", request("", "HEAD"), nil,
  { client = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n%via%\r\n" })

-- RFC 9112, 2.3 and 3: HTTP, a slash, a digit, a dot, a digit.
local VERSIONS = {
  { "http/1.1" }, { "Http/1.1" }, { "HTTP/1.10" }, { "HTTP/01.1" }, { "HTTP/1.01" }, { "HTTP/1" }, { "HTTP/1." },
  { "HTTP/.1" }, { "HTTP/11" }, { "HTTP/1,1" }, { "HTTP/1.1.1" }, { "HTTP/1.-1" }, { "HTTP/+1.1" }, { "HTTP/ 1.1" },
  { "HTTP /1.1" }, { "HTTP/1 .1" }, { "HTTP/a.b" }, { "HTTP/1.x" }, { "HTTP1.1" }, { "HTTP-1.1" }, { "HTTPS/1.1" },
  { "HTP/1.1" }, { "HTTP/" }, { "HTTP" }, { "ICE/1.0" }, { "RTSP/1.0" }, { "HTTP/1.1;x" }, { "HTTP/0x1.1" },
  { "HTTP/1.2", 505 }, { "HTTP/1.9", 505 }, { "HTTP/2.0", 505 }, { "HTTP/3.0", 505 }, { "HTTP/9.9", 505 },
  { "HTTP/0.9", { 400, 505 } }, { "HTTP/0.0", { 400, 505 } },
}
for _, case in ipairs(VERSIONS) do
  cases:refused("version", "the version " .. case[1], ("GET / %s\r\nHost: x\r\n\r\n"):format(case[1]), case[2])
end
cases:refused("version", "no version", "GET /\r\nHost: x\r\n\r\n")
cases:refused("version", "nothing but HTTP/0.9", "GET /\r\n")
cases:refused("version", "the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", { 400, 505 })
cases:refused("version", "a method of no known name and another version", "FOO / HTTP/1.2\r\nHost: x\r\n\r\n", 505)
cases:passes("version", "HTTP/1.0", "GET / HTTP/1.0\r\nHost: x\r\n\r\n", SEEN, { keeps = false, connection = "close" })

return cases
