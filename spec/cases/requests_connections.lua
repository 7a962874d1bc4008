-- What becomes of the connection: persistence, pipelining, limits, and what was never HTTP.
local cases = require("spec.support.cases").new()
local request, forwarded = cases.request, cases.forwarded

local CLOSED = { keeps = false, connection = "close" }
local KEPT = { keeps = true, connection = "keep-alive" }

-- RFC 9112, 9.3 and 9.6: which connections persist.
local function persists(name, version, fields, more, seen)
  cases:passes("persistence", name, ("GET / HTTP/%s\r\nHost: x\r\n%s\r\n"):format(version, fields), forwarded(seen),
    more)
end
persists("HTTP/1.1", "1.1", "")
persists("HTTP/1.1 and keep-alive", "1.1", "Connection: keep-alive\r\n")
persists("HTTP/1.1 and close", "1.1", "Connection: close\r\n", CLOSED)
persists("HTTP/1.1 and CLOSE", "1.1", "connection: CLOSE\r\n", CLOSED)
persists("HTTP/1.1, keep-alive and close", "1.1", "Connection: keep-alive, close\r\n", CLOSED)
persists("HTTP/1.1, close and keep-alive", "1.1", "Connection: close, keep-alive\r\n", CLOSED)
persists("HTTP/1.1, keep-alive and close in two lines", "1.1",
  "Connection: keep-alive\r\nConnection: close\r\n", CLOSED)
persists("HTTP/1.1, close between empty members", "1.1", "Connection: ,\tclose ,,\r\n", CLOSED)
persists("HTTP/1.1 and what only looks like close", "1.1", "Connection: closed, xclose, clos\r\n")
persists("HTTP/1.1 and Proxy-Connection: close", "1.1", "Proxy-Connection: close\r\n")
persists("HTTP/1.0", "1.0", "", CLOSED)
persists("HTTP/1.0 and keep-alive", "1.0", "Connection: keep-alive\r\n", KEPT)
persists("HTTP/1.0 and Keep-Alive", "1.0", "connection: Keep-Alive\r\n", KEPT)
persists("HTTP/1.0 and close", "1.0", "Connection: close\r\n", CLOSED)
persists("HTTP/1.0, keep-alive and close", "1.0", "Connection: keep-alive, close\r\n", CLOSED)
persists("HTTP/1.0 and Keep-Alive as a field", "1.0", "Keep-Alive: timeout=5\r\n", CLOSED)
persists("HTTP/1.0 and Proxy-Connection: keep-alive", "1.0", "Proxy-Connection: keep-alive\r\n", CLOSED)
persists("HTTP/1.0 and Expect, which it cannot mean", "1.0", "Expect: 100-continue\r\nConnection: keep-alive\r\n", KEPT)
cases:passes("persistence", "a POST in HTTP/1.0 and keep-alive",
  "POST / HTTP/1.0\r\nHost: x\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello",
  forwarded("Content-Length: 5\r\n", "POST") .. "hello", KEPT)
cases:passes("persistence", "a POST and close",
  request("Connection: close\r\nContent-Length: 5\r\n", "POST") .. "hello",
  forwarded("Content-Length: 5\r\n", "POST") .. "hello", CLOSED)
cases:passes("persistence", "HTTP/1.0, no Host and keep-alive", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: %backend%\r\n%added%\r\n", KEPT)
cases:passes("persistence", "HTTP/1.0 and keep-alive, as absolute form",
  "GET http://y/a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET /a HTTP/1.1\r\nHost: y\r\n%added%\r\n", KEPT)

-- RFC 9112, 9.3.2: answered in order, one after the other.
local function get(target, fields) return request(fields, "GET", target) end
local function got(target) return forwarded("", "GET", target) end
local POST = request("Content-Length: 5\r\n", "POST", "/p") .. "hello"
local POSTED = forwarded("Content-Length: 5\r\n", "POST", "/p") .. "hello"
local CODED = request("Transfer-Encoding: chunked\r\n", "POST", "/c") .. "5\r\nhello\r\n0\r\n\r\n"
local ENCODED = forwarded("Transfer-Encoding: chunked\r\n", "POST", "/c") .. "5\r\nhello\r\n0\r\n\r\n"
cases:passes("pipelining", "another one behind it", get "/1" .. get "/2", got "/1" .. got "/2")
cases:passes("pipelining", "nine more behind it", get("/1"):rep(10), got("/1"):rep(10))
cases:passes("pipelining", "a body between two others", get "/1" .. POST .. get "/2", got "/1" .. POSTED .. got "/2")
cases:passes("pipelining", "two bodies, one behind the other", POST .. POST, POSTED .. POSTED)
cases:passes("pipelining", "chunks between two others", get "/1" .. CODED .. get "/2", got "/1" .. ENCODED .. got "/2")
cases:passes("pipelining", "chunks, trailers, and another one",
  request("Transfer-Encoding: chunked\r\n", "POST") .. "5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n" .. get "/2",
  forwarded("Transfer-Encoding: chunked\r\n", "POST") .. "5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n" .. got "/2")
cases:passes("pipelining", "different methods behind it",
  get "/1" .. request("", "OPTIONS", "*") .. request("", "DELETE", "/2") .. request("", "FOO", "/3"),
  got "/1" .. forwarded("", "OPTIONS", "*") .. forwarded("", "DELETE", "/2") .. forwarded("", "FOO", "/3"))
cases:passes("pipelining", "HEAD and another one", request("", "HEAD", "/1") .. get "/2",
  forwarded("", "HEAD", "/1") .. got "/2", { client = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n%via%\r\n" ..
    "HTTP/1.1 200 OK\r\n%via%Content-Length: 6\r\n\r\nGET /2" })
cases:passes("pipelining", "another one with another host", get "/1" .. "GET /2 HTTP/1.1\r\nHost: y\r\n\r\n",
  got "/1" .. "GET /2 HTTP/1.1\r\nHost: y\r\n%added%\r\n")
cases:passes("pipelining", "another one in HTTP/1.0", get "/1" .. "GET /2 HTTP/1.0\r\nHost: x\r\n\r\n",
  got "/1" .. "GET /2 HTTP/1.1\r\nHost: x\r\n%added10%\r\n", CLOSED)
cases:passes("pipelining", "close, and another one that is not looked at",
  get("/1", "Connection: close\r\n") .. get "/2", got "/1", CLOSED)
cases:passes("pipelining", "close in the second, and a third that is not looked at",
  get "/1" .. get("/2", "Connection: close\r\n") .. get "/3", got "/1" .. got "/2", CLOSED)
cases:passes("pipelining", "HTTP/1.0, and another one that is not looked at",
  "GET /1 HTTP/1.0\r\nHost: x\r\n\r\n" .. get "/2", got "/1", CLOSED)
cases:passes("pipelining", "close and garbage", get("/1", "Connection: close\r\n") .. "\0\1\2garbage", got "/1", CLOSED)

-- What is right is answered; then what is not is refused.
local function then_refused(name, first, seen, rest, status)
  cases:add { rule = "pipelining", name = name, send = first .. rest, backend = seen, refused = status or 400 }
end
then_refused("garbage behind it", get "/1", got "/1", "garbage\r\n\r\n")
then_refused("zeros behind it", get "/1", got "/1", "\0\0\0\0")
then_refused("a TLS handshake behind it", get "/1", got "/1", "\22\3\1\2\0\1\0\1\252\3\3")
then_refused("a body that it did not announce", get "/1", got "/1", "hello=world\r\n\r\n")
then_refused("a body longer than its length", POST, POSTED, "(" .. get "/2")
then_refused("a body with an empty line too much, and a space", POST, POSTED, "\r\n " .. get "/2")
then_refused("a wrong one behind two right ones", get "/1" .. get "/2", got "/1" .. got "/2",
  "GET /3 HTTP/1.1\r\nHost: x\r\nX-A : b\r\n\r\n")
then_refused("another version behind it", get "/1", got "/1", "GET /2 HTTP/1.2\r\nHost: x\r\n\r\n", 505)
then_refused("chunks and something behind the last one", CODED, ENCODED, "x\r\n\r\n" .. get "/2")
then_refused("two lengths behind it", get "/1", got "/1", request("Content-Length: 5\r\nContent-Length: 5\r\n", "POST"))

-- RFC 9110, 10.1.1.
cases:passes("expect", "Expect, and a body that does not wait",
  request("Expect: 100-continue\r\nContent-Length: 5\r\n", "POST") .. "hello",
  forwarded("Expect: 100-continue\r\nContent-Length: 5\r\n", "POST") .. "hello")
cases:passes("expect", "Expect, and a body that waits",
  { request("Expect: 100-continue\r\nContent-Length: 5\r\n", "POST"), { got = "HTTP/1.1 100 Continue\r\n" }, "hello" },
  forwarded("Expect: 100-continue\r\nContent-Length: 5\r\n", "POST") .. "hello",
  { answer = { { got = "\r\n\r\n" }, "HTTP/1.1 100 Continue\r\n\r\n", { got = "hello" },
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" },
    client = { "HTTP/1.1 100 Continue\r\n%via%\r\nHTTP/1.1 200 OK\r\n%via%Content-Length: 2\r\n\r\nok",
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n%via%Content-Length: 2\r\n\r\nok" } })
cases:passes("expect", "Expect, and an answer without the body",
  { request("Expect: 100-continue\r\nContent-Length: 5\r\n", "POST") },
  forwarded("Expect: 100-continue\r\nContent-Length: 5\r\n", "POST"),
  { answer = { { got = "\r\n\r\n" }, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno" },
    client = "HTTP/1.1 413 Content Too Large\r\n%via%Content-Length: 2\r\nConnection: close\r\n\r\nno",
    keeps = false, backend_cut = true })
cases:passes("expect", "Expect and no body", request("Expect: 100-continue\r\n"), forwarded("Expect: 100-continue\r\n"))
cases:passes("expect", "Expect in HTTP/1.0, and a body",
  "POST / HTTP/1.0\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
  forwarded("Content-Length: 5\r\n", "POST") .. "hello", CLOSED)

-- Each limit has its own status, at any size of what is sent.
cases:refused("limit-line", "a request line beyond the limit", get("/" .. ("a"):rep(9000)), 414)
cases:refused("limit-line", "a request line far beyond the limit", get("/" .. ("a"):rep(100000)), 414)
cases:refused("limit-line", "a target beyond the limit, in its query", get("/?" .. ("a=b&"):rep(3000)), 414)
cases:refused("limit-line", "a request line without an end", "GET /" .. ("a"):rep(20000), 414)
cases:refused("limit-line", "a method without an end", ("A"):rep(20000), { 400, 414, 501 })
cases:refused("limit-head", "a head beyond the limit", request("X-A: " .. ("a"):rep(70000) .. "\r\n"), 431)
cases:refused("limit-head", "a head of many long fields", request(("X-A: " .. ("a"):rep(6000) .. "\r\n"):rep(12)), 431)
cases:refused("limit-head", "a value without an end", "GET / HTTP/1.1\r\nHost: x\r\nX-A: " .. ("a"):rep(70000), 431)
cases:refused("limit-head", "a name without an end", "GET / HTTP/1.1\r\nHost: x\r\n" .. ("a"):rep(70000), 431)
cases:refused("limit-fields", "a field too many", request(("X-A: 1\r\n"):rep(128)), 431)
cases:refused("limit-fields", "a thousand fields", request(("X-A: 1\r\n"):rep(1000)), 431)

local SMALL = "limits = { request_line = 100, head = 500, fields = 6, body = 10 },"
local function within(rule, name, send, seen) cases:passes(rule, name, send, seen, { limits = SMALL }) end
local function beyond(rule, name, send, status, more)
  cases:refused(rule, name, send, status, { limits = SMALL })
  for key, value in pairs(more or {}) do cases[#cases][key] = value end
end
-- "GET " and " HTTP/1.1" are of the line, too.
within("limit-line", "a line of all the bytes that it may have", get("/" .. ("a"):rep(86)), got("/" .. ("a"):rep(86)))
beyond("limit-line", "a line of a byte too many", get("/" .. ("a"):rep(87)), 414)
beyond("limit-line", "a line of many bytes too many", get("/" .. ("a"):rep(400)), 414)
beyond("limit-line", "a line and a head too long", get("/" .. ("a"):rep(600)), 414)
local FULL = 500 - #request("X-A: \r\n")
within("limit-head", "a head of all the bytes that it may have", request("X-A: " .. ("a"):rep(FULL) .. "\r\n"),
  forwarded("X-A: " .. ("a"):rep(FULL) .. "\r\n"))
beyond("limit-head", "a head of a byte too many", request("X-A: " .. ("a"):rep(FULL + 1) .. "\r\n"), 431)
beyond("limit-head", "a head of many bytes too many", request("X-A: " .. ("a"):rep(5000) .. "\r\n"), 431)
within("limit-fields", "as many fields as it may have", request(("X-A: 1\r\n"):rep(5)),
  forwarded(("X-A: 1\r\n"):rep(5)))
beyond("limit-fields", "a field too many, of few", request(("X-A: 1\r\n"):rep(6)), 431)
within("limit-body", "a body of all the bytes that it may have",
  request("Content-Length: 10\r\n", "POST") .. "0123456789",
  forwarded("Content-Length: 10\r\n", "POST") .. "0123456789")
within("limit-body", "chunks of all the bytes that they may have",
  request("Transfer-Encoding: chunked\r\n", "POST") .. "5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n",
  forwarded("Transfer-Encoding: chunked\r\n", "POST") .. "a\r\n0123456789\r\n0\r\n\r\n")
-- What is left of so small a body is read and thrown away, and the connection stays open.
cases:add { rule = "limit-body", name = "a body of a byte too many", refused = 413, keeps = true, limits = SMALL,
  send = request("Content-Length: 11\r\n", "POST") .. "0123456789a" }
beyond("limit-body", "a length beyond the limit, in HTTP/1.0",
  "POST / HTTP/1.0\r\nHost: x\r\nContent-Length: 11\r\n\r\n0123456789a", 413)
beyond("limit-body", "the largest length", request("Content-Length: 9223372036854775807\r\n", "POST"), 413)
local CHUNKED = forwarded("Transfer-Encoding: chunked\r\n", "POST")
local UPLOAD = request("Transfer-Encoding: chunked\r\n", "POST")
beyond("limit-body", "a chunk of a byte too many", UPLOAD .. "b\r\n0123456789a\r\n0\r\n\r\n", 413,
  { backend = CHUNKED .. "b\r\n0123456789a\r\n", backend_cut = true })
beyond("limit-body", "chunks of a byte too many", UPLOAD .. "5\r\n01234\r\n6\r\n56789a\r\n0\r\n\r\n", 413,
  { backend = CHUNKED .. "b\r\n0123456789a\r\n", backend_cut = true })
beyond("limit-body", "the largest chunk", UPLOAD .. "7fffffffffffffff\r\n0123456789abcdef", { 400, 413 },
  { backend = CHUNKED .. "10\r\n0123456789abcdef\r\n", backend_cut = true, ways = { "whole", "bytes" } })

-- What was never HTTP is answered and closed all the same.
local GARBAGE = {
  { "a TLS handshake", "\22\3\1\2\0\1\0\1\252\3\3" .. ("\0\17\255"):rep(165) },
  { "the first bytes of a TLS handshake", "\22\3\1" },
  { "a TLS alert", "\21\3\3\0\2\2\40" },
  { "an old SSL handshake", "\128\46\1\3\1\0\21\0\0\0\16\0\0\10" },
  { "zeros", ("\0"):rep(100) },
  { "bytes of every value", ("x"):rep(256):gsub("()x", function(at) return string.char(256 - at) end) },
  { "SSH", "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n" },
  { "SOCKS 5", "\5\1\0" },
  { "SOCKS 4", "\4\1\0\80\127\0\0\1\0" },
  { "the PROXY protocol", "PROXY TCP4 192.0.2.1 192.0.2.2 5000 80\r\n" .. get "/" },
  { "the PROXY protocol, version 2", "\r\n\r\n\0\r\nQUIT\n\33\17\0\12" .. ("\1"):rep(12) .. get "/" },
  { "a response", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" },
  { "HTML", "<html><body>\r\n\r\n" },
  { "JSON", '{"jsonrpc": "2.0"}\r\n\r\n' },
  { "a Redis command", "*1\r\n$4\r\nPING\r\n" },
  { "an SMTP greeting", "EHLO example.test\r\n" },
  { "a line of text", "hello, is anybody there?\r\n\r\n" },
  { "an RTSP request", "OPTIONS rtsp://x/ RTSP/1.0\r\nCSeq: 1\r\n\r\n" },
  { "a DNS query", "\0\29\171\205\1\0\0\1\0\0\0\0\0\0\3www\7example\0\0\1\0\1" },
  { "a UTF-8 mark", "\239\187\191" .. get "/" },
  { "UTF-16", "G\0E\0T\0 \0/\0" },
}
for _, case in ipairs(GARBAGE) do
  cases:add { rule = "garbage", name = case[1], send = case[2], refused = { 400, 505 } }
end

return cases
