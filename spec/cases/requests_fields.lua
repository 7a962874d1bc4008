-- Fields: what ends at a proxy, what is forwarded as it came, and what lb says.
local cases = require("spec.support.cases").new()
local request, forwarded = cases.request, cases.forwarded

local function passes(rule, name, fields, seen, more)
  cases:passes(rule, name, request(fields), forwarded(seen or fields), more)
end

local OLD = { keeps = false, connection = "close" }
local CLOSED = { keeps = false, connection = "close" }

-- RFC 9110, 7.6.1: fields of the connection end here.
for _, field in ipairs { "Connection: keep-alive", "Keep-Alive: timeout=5, max=9", "Proxy-Connection: keep-alive",
  "Proxy-Connection: close", "Proxy-Authorization: Basic YTpi", "Proxy-Authenticate: Basic", "TE: gzip", "Upgrade: x",
  "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA", "CONNECTION: Keep-Alive", "keep-alive: x", "pROXY-cONNECTION: x" } do
  passes("connection-fields", "the field " .. field, "X-A: 1\r\n" .. field .. "\r\nX-B: 2\r\n",
    "X-A: 1\r\nX-B: 2\r\n")
end
local NAMED = {
  { "a name", "Connection: X-A\r\nX-A: 1\r\nX-B: 2\r\n", "X-B: 2\r\n" },
  { "a name that comes before it", "X-A: 1\r\nConnection: X-A\r\nX-B: 2\r\n", "X-B: 2\r\n" },
  { "a name in another letter case", "Connection: x-a\r\nX-A: 1\r\nX-B: 2\r\n", "X-B: 2\r\n" },
  { "a name of several fields", "Connection: X-A\r\nX-A: 1\r\nX-B: 2\r\nx-a: 3\r\nX-A: 4\r\n", "X-B: 2\r\n" },
  { "several names", "Connection: X-A, X-C\r\nX-A: 1\r\nX-B: 2\r\nX-C: 3\r\n", "X-B: 2\r\n" },
  { "several names without white space", "Connection: X-A,X-C\r\nX-A: 1\r\nX-B: 2\r\nX-C: 3\r\n", "X-B: 2\r\n" },
  { "names between empty ones", "Connection: ,, X-A ,\t, X-C,\r\nX-A: 1\r\nX-B: 2\r\nX-C: 3\r\n", "X-B: 2\r\n" },
  { "names in two lines", "Connection: X-A\r\nX-A: 1\r\nconnection: X-C\r\nX-B: 2\r\nX-C: 3\r\n", "X-B: 2\r\n" },
  { "keep-alive and a name", "Connection: keep-alive, X-A\r\nX-A: 1\r\nX-B: 2\r\n", "X-B: 2\r\n" },
  { "a name that begins another", "Connection: X-A\r\nX-AB: 1\r\nX: 2\r\n", "X-AB: 1\r\nX: 2\r\n" },
  { "a name that is not there", "Connection: X-C\r\nX-B: 2\r\n", "X-B: 2\r\n" },
  { "nothing", "Connection:\r\nX-B: 2\r\n", "X-B: 2\r\n" },
  { "commas", "Connection: , ,\r\nX-B: 2\r\n", "X-B: 2\r\n" },
  { "itself", "Connection: Connection\r\nX-B: 2\r\n", "X-B: 2\r\n" },
}
for _, case in ipairs(NAMED) do passes("connection-named", "a Connection with " .. case[1], case[2], case[3]) end
passes("connection-named", "64 options in Connection", "Connection: X-A" .. (", x"):rep(31) .. "\r\nX-A: 1\r\n" ..
  "Connection: " .. ("x, "):rep(31) .. "X-B\r\nX-B: 2\r\n", "")
cases:refused("connection-named", "65 options in Connection",
  "GET / HTTP/1.1\r\nHost: x\r\nConnection: X-A" .. (", x"):rep(31) .. "\r\n" ..
  "Connection: " .. ("x, "):rep(32) .. "X-B\r\n\r\n")
passes("connection-named", "a Connection with close and a name", "Connection: close, X-Foo\r\nX-Foo: 1\r\nX-B: 2\r\n",
  "X-B: 2\r\n", CLOSED)
cases:passes("connection-named", "a Connection with a name, in HTTP/1.0",
  "GET / HTTP/1.0\r\nHost: x\r\nConnection: X-A\r\nX-A: 1\r\nX-B: 2\r\n\r\n", forwarded "X-B: 2\r\n", OLD)

-- What the message needs, or what somebody's access depends on, no Connection takes away.
for _, field in ipairs { "Authorization: Basic YTpi", "Cookie: a=b", "Date: Tue, 15 Nov 1994 08:12:31 GMT",
  "Content-Type: a/b", "Content-Encoding: gzip", "Cache-Control: no-cache", "If-Match: \"x\"", "Range: bytes=0-1",
  "Accept: a/b", "User-Agent: x", "Origin: http://y", "Referer: http://y/", "Via: 1.1 other",
  "Expect: 100-continue" } do
  local name = field:match "^[^:]+"
  passes("end-to-end", "a Connection that names " .. name, ("Connection: %s\r\n%s\r\n"):format(name, field),
    field .. "\r\n")
end
passes("end-to-end", "a Connection that names Host", "Connection: Host\r\n", "")
passes("end-to-end", "a Connection that names everything we say",
  "Connection: X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, X-Forwarded-Port, Via, Host\r\n", "")
cases:passes("end-to-end", "a Connection that names Content-Length",
  request("Connection: Content-Length\r\nContent-Length: 5\r\n", "POST") .. "hello",
  forwarded("Content-Length: 5\r\n", "POST") .. "hello")
cases:passes("end-to-end", "a Connection that names content-length and close",
  request("Content-Length: 5\r\nConnection: close, content-length\r\n", "POST") .. "hello",
  forwarded("Content-Length: 5\r\n", "POST") .. "hello", CLOSED)
cases:passes("end-to-end", "a Connection that names Transfer-Encoding",
  request("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n", "POST") .. "5\r\nhello\r\n0\r\n\r\n",
  forwarded("Transfer-Encoding: chunked\r\n", "POST") .. "5\r\nhello\r\n0\r\n\r\n")
cases:passes("end-to-end", "a Connection that names Max-Forwards",
  request("Connection: Max-Forwards\r\nMax-Forwards: 5\r\n", "OPTIONS"), forwarded("Max-Forwards: 4\r\n", "OPTIONS"))

-- RFC 9110, 10.1.4: only trailers are meant for everybody on the way.
passes("te", "TE: trailers", "TE: trailers\r\nConnection: TE\r\nX-A: 1\r\n",
  "X-A: 1\r\nTE: trailers\r\nConnection: TE\r\n")
passes("te", "TE: trailers, which Connection should name and does not", "TE: trailers\r\nX-A: 1\r\n",
  "X-A: 1\r\nTE: trailers\r\nConnection: TE\r\n")
passes("te", "TE with trailers and more", "TE: gzip;q=0.5, Trailers\r\nConnection: te, keep-alive\r\n",
  "TE: trailers\r\nConnection: TE\r\n")
passes("te", "TE without trailers", "TE: gzip, deflate;q=0.5\r\nConnection: TE\r\n", "")
passes("te", "TE with what only looks like trailers", "TE: trailersx, xtrailers\r\nConnection: TE\r\n", "")
passes("te", "TE: chunked", "TE: chunked\r\nConnection: TE\r\n", "")
passes("te", "TE without a value", "TE:\r\nConnection: TE\r\n", "")
cases:passes("te", "TE: trailers in HTTP/1.0", "GET / HTTP/1.0\r\nHost: x\r\nTE: trailers\r\nConnection: TE\r\n\r\n",
  forwarded(), OLD)

-- RFC 9110, 7.8: an upgrade is forwarded if it is asked for as it must be; one to h2c never is.
passes("upgrade", "Upgrade and no Connection that names it", "Upgrade: websocket\r\n", "")
passes("upgrade", "Upgrade and another Connection", "Upgrade: websocket\r\nConnection: keep-alive\r\n", "")
passes("upgrade", "a Connection that names Upgrade, and none", "Connection: upgrade\r\n", "")
passes("upgrade", "h2c", "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n", "")
passes("upgrade", "h2c in capitals", "Upgrade: H2C\r\nConnection: Upgrade\r\n", "")
passes("upgrade", "h2c, with settings that Connection does not name",
  "Upgrade: h2c\r\nConnection: Upgrade\r\nHTTP2-Settings: AAMAAABk\r\n", "")
passes("upgrade", "h2c twice", "Upgrade: h2c, h2c\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n", "")
passes("upgrade", "h2c and websocket: only the latter", "Upgrade: h2c, websocket\r\nConnection: Upgrade\r\n",
  "Upgrade: websocket\r\nConnection: upgrade\r\n")
passes("upgrade", "websocket, which the backend does not take up",
  "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\n",
  "Sec-WebSocket-Key: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n")
passes("upgrade", "any other protocol, which the backend does not take up",
  "Connection: keep-alive, upgrade\r\nUpgrade: foo/2, bar\r\n", "Upgrade: foo/2, bar\r\nConnection: upgrade\r\n")
passes("upgrade", "TE and Upgrade", "Connection: upgrade, TE\r\nUpgrade: foo\r\nTE: trailers\r\n",
  "TE: trailers\r\nUpgrade: foo\r\nConnection: upgrade, TE\r\n")
cases:passes("upgrade", "an upgrade in HTTP/1.0",
  "GET / HTTP/1.0\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", forwarded(), OLD)
cases:passes("upgrade", "an upgrade with a body",
  request("Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 5\r\n", "POST") .. "hello",
  forwarded("Content-Length: 5\r\nUpgrade: websocket\r\nConnection: upgrade\r\n", "POST") .. "hello")

-- Nobody but a trusted peer says whom a request is from.
for _, field in ipairs { "X-Forwarded-For: 1.2.3.4", "x-forwarded-for: 1.2.3.4, 5.6.7.8", "X-Forwarded-For:",
  "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 5.6.7.8", "X-Forwarded-Proto: https", "X-FORWARDED-PROTO: https",
  "X-Forwarded-Host: evil.test", "X-Forwarded-Port: 443", "Forwarded: for=1.2.3.4;proto=https",
  "forwarded: for=1.2.3.4\r\nForwarded: for=5.6.7.8", "X_Forwarded_For: 1.2.3.4", "X_FORWARDED_PROTO: https",
  "X-Forwarded_Host: evil.test", "X.Forwarded.For: 1.2.3.4", "X-Forwarded-Server: evil", "X-Forwarded-Ssl: on",
  "X-Forwarded-Prefix: /evil", "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Proto: https" } do
  passes("forwarded-spoofed", "the field " .. field:gsub("\r\n", ", "), "X-A: 1\r\n" .. field .. "\r\nX-B: 2\r\n",
    "X-A: 1\r\nX-B: 2\r\n")
end
passes("forwarded-spoofed", "a Connection that names X-Forwarded-For, and one of its own",
  "Connection: X-Forwarded-For\r\nX-Forwarded-For: 1.2.3.4\r\n", "")

-- As a trusted peer's: what we add without its own words, then with them.
local TRUSTED = [[trusted_proxies = { "127.0.0.0/8" },]]
local US = "X-Forwarded-For: 127.0.0.1\r\n"
local PROTO, HOST, PORT = "X-Forwarded-Proto: http\r\n", "X-Forwarded-Host: x\r\n", "X-Forwarded-Port: 80\r\n"
local function trusted(name, fields, seen)
  cases:passes("forwarded-trusted", name, request(fields), ("GET / HTTP/1.1\r\nHost: x\r\n%s%%via%%\r\n"):format(seen),
    { limits = TRUSTED })
end
trusted("nothing of its own", "X-A: 1\r\n", "X-A: 1\r\n" .. US .. PROTO .. HOST .. PORT)
trusted("X-Forwarded-For", "X-Forwarded-For: 1.2.3.4\r\n",
  "X-Forwarded-For: 1.2.3.4, 127.0.0.1\r\n" .. PROTO .. HOST .. PORT)
trusted("a list in X-Forwarded-For", "X-Forwarded-For: 1.2.3.4,5.6.7.8\r\nX-A: 1\r\n",
  "X-A: 1\r\nX-Forwarded-For: 1.2.3.4,5.6.7.8, 127.0.0.1\r\n" .. PROTO .. HOST .. PORT)
trusted("two of X-Forwarded-For", "X-Forwarded-For: 1.2.3.4\r\nX-A: 1\r\nx-forwarded-for: 5.6.7.8\r\n",
  "X-A: 1\r\nX-Forwarded-For: 1.2.3.4, 5.6.7.8, 127.0.0.1\r\n" .. PROTO .. HOST .. PORT)
trusted("X-Forwarded-For without a value", "X-Forwarded-For:\r\n", US .. PROTO .. HOST .. PORT)
trusted("X-Forwarded-Proto", "X-Forwarded-Proto: https\r\nX-A: 1\r\n",
  "X-Forwarded-Proto: https\r\nX-A: 1\r\n" .. US .. HOST .. "X-Forwarded-Port: 443\r\n")
trusted("X-Forwarded-Host", "x-forwarded-host: y.test\r\n", "x-forwarded-host: y.test\r\n" .. US .. PROTO .. PORT)
trusted("X-Forwarded-Port", "X-Forwarded-Port: 443\r\n", "X-Forwarded-Port: 443\r\n" .. US .. PROTO .. HOST)
trusted("all of them", "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: y\r\n" ..
  "X-Forwarded-Port: 443\r\n", "X-Forwarded-Proto: https\r\nX-Forwarded-Host: y\r\nX-Forwarded-Port: 443\r\n" ..
  "X-Forwarded-For: 1.2.3.4, 127.0.0.1\r\n")
trusted("Forwarded", "Forwarded: for=1.2.3.4;proto=https\r\n",
  "Forwarded: for=1.2.3.4;proto=https\r\n" .. US .. PROTO .. HOST .. PORT)

for _, field in ipairs { "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: https", "Forwarded: for=1.2.3.4" } do
  cases:passes("forwarded-spoofed", "the field " .. field .. ", where others than the peer are trusted",
    request(field .. "\r\nX-A: 1\r\n"), forwarded "X-A: 1\r\n", { limits = [[trusted_proxies = { "192.0.2.0/24" },]] })
end

-- RFC 7239, by setting.
local FORWARDED = "forwarded = true,"
local function with_forwarded(name, fields, seen, limits)
  cases:passes("forwarded", name, request(fields), ("GET / HTTP/1.1\r\nHost: x\r\n%s"):format(seen),
    { limits = limits or FORWARDED })
end
local FOR = US .. PROTO .. HOST .. PORT .. "Forwarded: for=127.0.0.1;host=x;proto=http\r\n%via%\r\n"
with_forwarded("Forwarded by setting", "X-A: 1\r\n", "X-A: 1\r\n" .. FOR)
with_forwarded("a Forwarded of its own", "Forwarded: for=1.2.3.4\r\nX-A: 1\r\n", "X-A: 1\r\n" .. FOR)
with_forwarded("a trusted Forwarded of its own", "Forwarded: for=1.2.3.4\r\nX-A: 1\r\n",
  "Forwarded: for=1.2.3.4\r\nX-A: 1\r\n" .. FOR, FORWARDED .. " " .. TRUSTED)
cases:passes("forwarded", "a Host with a port, which is quoted", "GET / HTTP/1.1\r\nHost: x:80\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: x:80\r\n" .. FOR:gsub("Host: x", "Host: x:80"):gsub("host=x", 'host="x:80"'),
  { limits = FORWARDED })
cases:passes("forwarded", "a Host that is an IPv6 address, which is quoted", "GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: [::1]\r\n" .. FOR:gsub("Host: x", "Host: [::1]"):gsub("host=x", 'host="[::1]"'),
  { limits = FORWARDED })

-- RFC 9110, 7.6.3.
passes("via", "a Via", "Via: 1.0 other\r\n")
passes("via", "several of Via, in their places", "via: 1.0 a, 2 b\r\nX-A: 1\r\nVia: 1.1 c (d)\r\n")
cases:passes("via", "no Via, in HTTP/1.0", "GET / HTTP/1.0\r\nHost: x\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: x\r\n%added10%\r\n", OLD)

-- RFC 9110, 7.6.2 and 9.3.7: who is the last one answers.
local TRACE = "trace = true,"
local function counted(name, value, seen, method)
  cases:passes("max-forwards", name, request(("Max-Forwards: %s\r\nX-A: 1\r\n"):format(value), method),
    forwarded(("Max-Forwards: %s\r\nX-A: 1\r\n"):format(seen), method), { limits = TRACE })
end
counted("an OPTIONS with 5", "5", "4", "OPTIONS")
counted("an OPTIONS with 1", "1", "0", "OPTIONS")
counted("an OPTIONS with 10, which gets shorter", "10", "9", "OPTIONS")
counted("an OPTIONS with zeros in front", "005", "4", "OPTIONS")
counted("a TRACE with 5", "5", "4", "TRACE")
counted("a GET with 5, which is not counted", "5", "5", "GET")
counted("a GET with 0, which does not end here", "0", "0", "GET")
counted("a GET with no number, which means nothing", "x", "x", "GET")
cases:passes("max-forwards", "an OPTIONS with it in small letters", request("max-forwards: 5\r\n", "OPTIONS", "*"),
  forwarded("max-forwards: 4\r\n", "OPTIONS", "*"))
for _, method in ipairs { "OPTIONS", "TRACE" } do
  for _, value in ipairs { "x", "-1", "+1", "1,1", "1 1", "0x1", "", "1.0", "99999999999999999999999" } do
    cases:refused("max-forwards", ("%s with %q"):format(method, value),
      request(("Max-Forwards: %s\r\n"):format(value), method))
  end
  cases:refused("max-forwards", method .. " with two", request("Max-Forwards: 5\r\nMax-Forwards: 5\r\n", method))
  cases:refused("max-forwards", method .. " with two, of which one is 0",
    request("Max-Forwards: 5\r\nmax-forwards: 0\r\n", method))
end
local OWN = "HTTP/1.1 200 OK\r\n%sDate: %%date%%\r\nServer: lb\r\n%sContent-Length: %d\r\n\r\n%s"
local ALLOW = "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"
for _, target in ipairs { "*", "/a" } do
  cases:add { rule = "max-forwards", name = "an OPTIONS of " .. target .. " with 0", keeps = true, backend = false,
    send = request("Max-Forwards: 0\r\n", "OPTIONS", target), client = OWN:format(ALLOW, "", 0, "") }
end

cases:add { rule = "max-forwards", name = "an OPTIONS with 0, in HTTP/1.0", keeps = false, backend = false,
  send = "OPTIONS * HTTP/1.0\r\nMax-Forwards: 0\r\n\r\n",
  client = OWN:gsub("\r\n\r\n", "\r\nConnection: close\r\n\r\n"):format(ALLOW, "", 0, "") }

cases:add { rule = "max-forwards", name = "an OPTIONS with 0, where there is TRACE", keeps = true, backend = false,
  limits = TRACE, send = request("Max-Forwards: 0\r\n", "OPTIONS"),
  client = OWN:format(ALLOW:gsub("\r\n", ", TRACE\r\n"), "", 0, "") }

-- RFC 9110, 9.3.8 and 15.5.6: no TRACE, unless the script wants it; then the reflection shows the
-- way, and no secrets.
for name, fields in pairs { ["a TRACE"] = "X-A: 1\r\n", ["a TRACE that ends here"] = "Max-Forwards: 0\r\n" } do
  local body = "405 Method Not Allowed\n"
  cases:add { rule = "trace", name = name .. ", which nobody wants", send = request(fields, "TRACE"), backend = false,
    keeps = true, client = OWN:gsub("200 OK", "405 Method Not Allowed"):format(ALLOW,
      "Content-Type: text/plain; charset=utf-8\r\n", #body, body) }
end
cases:passes("trace", "a trace in small letters, which is another method", request("X-A: 1\r\n", "trace"),
  forwarded("X-A: 1\r\n", "trace"))
local function reflected(name, fields, seen)
  local body = request(seen, "TRACE")
  cases:add { rule = "trace", name = name, send = request(fields, "TRACE"), backend = false, keeps = true,
    limits = TRACE, client = OWN:format("", "Content-Type: message/http\r\n", #body, body) }
end
reflected("a TRACE that ends here", "X-A: 1\r\nMax-Forwards: 0\r\nX-A: 2\r\n", "Max-Forwards: 0\r\n")
reflected("a TRACE that ends here, with a way behind it", "via: 1.1 a\r\nX-A: 1\r\nMax-Forwards: 0\r\nVia: 1.0 b\r\n",
  "via: 1.1 a\r\nMax-Forwards: 0\r\nVia: 1.0 b\r\n")
reflected("a TRACE that ends here, with what proves who it is",
  "Authorization: Basic YTpi\r\nX-A: 1\r\nCookie: a=b\r\nProxy-Authorization: Basic YTpi\r\nMax-Forwards: 0\r\n" ..
  "cookie: c=d\r\nX-Pin: 1\r\n", "Max-Forwards: 0\r\n")
cases:passes("trace", "a TRACE that is wanted", request("X-A: 1\r\n", "TRACE"), forwarded("X-A: 1\r\n", "TRACE"),
  { limits = TRACE })
cases:passes("trace", "a TRACE with what a backend must not reflect",
  request("Authorization: Basic YTpi\r\nX-A: 1\r\nCookie: a=b\r\n", "TRACE"), forwarded("X-A: 1\r\n", "TRACE"),
  { limits = TRACE })
cases:refused("trace", "a TRACE with a body", request("Content-Length: 5\r\n", "TRACE") .. "hello")
cases:refused("trace", "a TRACE with chunks", request("Transfer-Encoding: chunked\r\n", "TRACE") ..
  "5\r\nhello\r\n0\r\n\r\n")

-- RFC 9110, 5.3 and 5.5: all else is forwarded as it came.
passes("kept-fields", "many fields, in order, letter case and repetition",
  "X-B: 1\r\nx-a: 2\r\nX-A: 3\r\nX-B: 1\r\naccept: a\r\nACCEPT: b\r\nX-C: 4\r\nx-b: 5\r\n")
passes("kept-fields", "a field without a value", "X-A:\r\nX-B:  \r\n", "X-A: \r\nX-B: \r\n")
passes("kept-fields", "white space around values", "X-A:1\r\nX-B:\t 2 \t\r\nX-C:  3  4\t5  \r\n",
  "X-A: 1\r\nX-B: 2\r\nX-C: 3  4\t5\r\n")
passes("kept-fields", "every visible byte in a value",
  "X-A: !\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~\r\n")
passes("kept-fields", "every byte above 0x7f in a value",
  "X-A: " .. ("x"):rep(128):gsub("()x", function(at) return string.char(127 + at) end) .. "\r\n")
passes("kept-fields", "fields that everybody sends",
  "User-Agent: a/1 (b; c)\r\nAccept: */*\r\nAccept-Encoding: gzip, br\r\nCookie: a=b; c=\"d\"\r\nCookie: e=f\r\n" ..
  "Authorization: Bearer x.y.z\r\nReferer: http://y/?a#b\r\nIf-None-Match: W/\"a\"\r\nRange: bytes=0-\r\n" ..
  "Date: Tue, 15 Nov 1994 08:12:31 GMT\r\nServer: y\r\nSet-Cookie: a=b\r\nX-Real-IP: 1.2.3.4\r\n")
passes("kept-fields", "names that only look like those of the connection",
  "Connections: a\r\nX-Connection: b\r\nKeepAlive: c\r\nKeep_Alive: d\r\nTES: e\r\nTrailers: f\r\nUpgrades: g\r\n" ..
  "Upgrade-Insecure-Requests: 1\r\nProxy-Authorizations: h\r\nVias: i\r\n")
passes("kept-fields", "a long value", "X-A: " .. ("0123456789"):rep(3000) .. "\r\n")
passes("kept-fields", "as many fields as there may be", ("X-A: 1\r\n"):rep(127))
passes("kept-fields", "a long target, as long as there may be", "")
cases[#cases].send = request("", "GET", "/" .. ("a"):rep(8000))
cases[#cases].backend = forwarded("", "GET", "/" .. ("a"):rep(8000))

return cases
