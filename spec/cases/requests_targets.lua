-- The target, its forms, and the host.
local cases = require("spec.support.cases").new()
local request, forwarded = cases.request, cases.forwarded

-- A request line and the value of Host.
local function to(target, host, method, version)
  return ("%s %s HTTP/%s\r\n%s\r\n"):format(method or "GET", target, version or "1.1",
    host and ("Host: %s\r\n"):format(host) or "")
end

-- How that reaches the backend.
local function as(target, host, method)
  return ("%s %s HTTP/1.1\r\nHost: %s\r\n%%added%%\r\n"):format(method or "GET", target, host or "x")
end

-- RFC 9112, 3.2; RFC 3986, 2: what a target may not have.
local TARGETS = {
  { "a space in the path", "/a b" },
  { "a tab in the path", "/a\tb" },
  { "a space in the query", "/?a b" },
  { "a number sign", "/#" },
  { "a fragment", "/a#b" },
  { "a fragment behind a query", "/a?b#c" },
  { "byte 0x80", "/\128" },
  { "byte 0xff", "/\255" },
  { "UTF-8", "/\195\188" },
  { "UTF-8 in the query", "/?\195\188" },
  { "a control byte", "/\1" },
  { "an escape", "/\27[2J" },
  { "byte 0xa0, a space in Latin-1", "/a\160b" },
  { "byte 0x85, a line end in Latin-1", "/a\133b" },
}
for _, case in ipairs(TARGETS) do cases:refused("target", case[1] .. " in the target", to(case[2], "x")) end

-- It reaches the backend byte for byte: nobody may see another resource than we did.
for _, target in ipairs {
  "/a/../b//c/./d/", "//evil.test/a", "///", "/%2e%2e/%2F%5c", "/%00%zz%", "/%ff?%00=%zz", "/?", "/??a?", "/a?b=c&d=e",
  "/~!$&'()*+,;=:@-._", "/[]{}|\\^`<>\"", "/http://a/b", "/*", "/:80", "/@b", "/a;b=c/d",
  "/?a=/../b&c=http://d/", "/A/b",
} do
  cases:passes("target", "the target " .. target, to(target, "x"), as(target))
end

-- RFC 9112, 3.2.1 to 3.2.4: which form a method may have.
local FORMS = {
  { "an asterisk, and it is no OPTIONS", to("*", "x") },
  { "an asterisk and more", to("*/", "x", "OPTIONS") },
  { "no slash in front", to("a", "x") },
  { "a query in front", to("?a", "x") },
  { "an authority, and it is no CONNECT", to("x:80", "x:80") },
  { "another scheme than http", to("ftp://x/", "x") },
  { "another scheme, the file's", to("file:///etc/passwd", "x") },
  { "https, which is not spoken here", to("https://x/", "x"), { 400, 421 } },
  { "a scheme and no authority", to("http:///a", "x") },
  { "a scheme and nothing behind it", to("http://", "x") },
  { "a scheme and one slash", to("http:/a", "x") },
  { "a scheme and no slash", to("http:a", "x") },
  { "a user in the authority", to("http://a@b/", "b") },
  { "a user and a password in the authority", to("http://a:b@c/", "c") },
  { "a user in the authority that looks like a host", to("http://x:80@y/", "x") },
  { "a port beyond 65535 in the authority", to("http://x:99999/", "x") },
  { "a port that is no number in the authority", to("http://x:a/", "x") },
  { "a space in the authority", to("http://x y/", "x") },
  { "a backslash in the authority", to("http://x\\y/", "x") },
  { "two authorities, with a comma between them", to("http://x:80,y:80/", "x") },
  { "half an IPv6 address in the authority", to("http://[::1/", "x") },
  { "a fragment behind the authority", to("http://x/#a", "x") },
  { "an absolute form and no Host", to("http://x/") },
  { "an absolute form and an invalid Host", to("http://x/", "y z") },
  { "an absolute form and two Hosts", "GET http://x/ HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n" },
  { "CONNECT and an authority", to("x:443", "x:443", "CONNECT"), { 501, 405 } },
  { "CONNECT and a path", to("/", "x", "CONNECT"), { 400, 405, 501 } },
  { "CONNECT and an absolute form", to("http://x/", "x", "CONNECT"), { 400, 405, 501 } },
  { "CONNECT and no port", to("x", "x", "CONNECT"), { 400, 405, 501 } },
  { "CONNECT and an asterisk", to("*", "x", "CONNECT"), { 400, 405, 501 } },
  { "CONNECT in HTTP/1.0", to("x:443", "x:443", "CONNECT", "1.0"), { 501, 405 } },
}
for _, case in ipairs(FORMS) do cases:refused("target-form", case[1], case[2], case[3]) end
cases:passes("target-form", "OPTIONS and an asterisk", to("*", "x", "OPTIONS"), as("*", "x", "OPTIONS"))
cases:passes("target-form", "OPTIONS and a path", to("/a", "x", "OPTIONS"), as("/a", "x", "OPTIONS"))

-- RFC 9112, 3.2.2: the absolute form becomes the origin form, and its authority is the host.
local ABSOLUTE = {
  { "the host that Host names", to("http://x/a?b", "x"), as("/a?b", "x") },
  { "another host than Host names", to("http://y/", "x"), as("/", "y") },
  { "another port than Host names", to("http://x:81/", "x:80"), as("/", "x:81") },
  { "a port, where Host has none", to("http://x:81/", "x"), as("/", "x:81") },
  { "an IPv6 address", to("http://[::1]:80/a", "x"), as("/a", "[::1]:80") },
  { "no path", to("http://x", "x"), as("/", "x") },
  { "no path, of OPTIONS", to("http://x", "y", "OPTIONS"), as("*", "x", "OPTIONS") },
  { "a path, of OPTIONS", to("http://x/", "y", "OPTIONS"), as("/", "x", "OPTIONS") },
  { "a scheme in capitals", to("HTTP://x/a", "x"), as("/a", "x") },
  { "a query that looks like an authority", to("http://x/?@y/", "x"), as("/?@y/", "x") },
  { "two slashes behind the authority", to("http://x//y/", "x"), as("//y/", "x") },
  { "a host in capitals, as it came", to("http://X.Y/", "x"), as("/", "X.Y") },
}
for _, case in ipairs(ABSOLUTE) do
  cases:passes("absolute-form", "an absolute form with " .. case[1], case[2], case[3])
end
cases:passes("absolute-form", "an absolute form, whose host stands in the place of Host's",
  "GET http://y/ HTTP/1.1\r\nX-A: b\r\nhOST: x\r\nX-C: d\r\n\r\n",
  "GET / HTTP/1.1\r\nX-A: b\r\nhOST: y\r\nX-C: d\r\n%added%\r\n")
cases:passes("absolute-form", "an absolute form of a 1.0 client without Host", to("http://y/a", nil, "GET", "1.0"),
  as("/a", "y"), { keeps = false, connection = "close" })

-- RFC 9112, 3.2; RFC 9110, 7.2: one Host, and host[:port].
local HOSTS = {
  { "no Host", to("/") },
  { "two Hosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" },
  { "two equal Hosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n" },
  { "two Hosts of different letter case", "GET / HTTP/1.1\r\nHost: x\r\nX-A: b\r\nhost: y\r\n\r\n" },
  { "two Hosts, the second without a value", "GET / HTTP/1.1\r\nHost: x\r\nHost:\r\n\r\n" },
  { "two Hosts, the first without a value", "GET / HTTP/1.1\r\nHost:\r\nHost: x\r\n\r\n" },
  { "Host without a value", "GET / HTTP/1.1\r\nHost:\r\n\r\n" },
  { "a space as Host", "GET / HTTP/1.1\r\nHost: \r\n\r\n" },
}
for _, case in ipairs(HOSTS) do cases:refused("host", case[1], case[2]) end
for _, host in ipairs {
  "x y", "x\ty", "x, y", "x:80, y", "me@x", "me:pw@x", "x/", "x/a", "/x", "x?a", "x#a", "x\\y", "x<y>", '"x"', "x;y z",
  "x|y", "{x}", "x^y", "x`y", "http://x", "::1", "[::1", "::1]", "[::1]x", "[]", "[zz]", "[::1]]", "[[::1]]", "[::1]:a",
  ":", ":80", "x:a", "x:8a", "x:-1", "x:+80", "x:0x50", "x: 80", "x :80", "x:80:80", "x:80/", "x:65536", "x:99999",
  "x:18446744073709551696", "x:80,y:80", "\195\188.test", "x\160",
} do
  cases:refused("host", ("the Host %q"):format(host), to("/", host))
end
for _, host in ipairs {
  "x", "X.Y", "x.test:80", "x:65535", "127.0.0.1:3030", "[::1]", "[::1]:8080", "[fe80::1:2]:80", "[::ffff:127.0.0.1]",
  -- RFC 3986, 3.2.2: odd, and one name.
  "a_b.test", "xn--bcher-kva.test", "-x-", "x%41", "localhost", "x;y",
} do
  cases:passes("host", "the Host " .. host, to("/", host), as("/", host))
end
cases:passes("host", "white space around Host's value", "GET / HTTP/1.1\r\nHost: \t x \t\r\n\r\n", as("/", "x"))
cases:passes("host", "no white space before Host's value", "GET / HTTP/1.1\r\nHost:x\r\n\r\n", as("/", "x"))
cases:passes("host", "Host behind other fields, in capitals", "GET / HTTP/1.1\r\nX-A: b\r\nHOST: x\r\nX-C: d\r\n\r\n")
cases:passes("host", "fields that only look like Host", request("X-Host: y\r\nHosts: y\r\nHos: y\r\nHost-: y\r\n"),
  forwarded("X-Host: y\r\nHosts: y\r\nHos: y\r\nHost-: y\r\n"))

-- RFC 9112, 3.2: a 1.0 request may have none; what it has must be right all the same.
local OLD = { keeps = false, connection = "close" }
cases:passes("host", "no Host in HTTP/1.0: the backend's", to("/a", nil, "GET", "1.0"), as("/a", "%backend%"), OLD)
cases:passes("host", "Host in HTTP/1.0", to("/a", "y", "GET", "1.0"), as("/a", "y"), OLD)
cases:refused("host", "two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n")
cases:refused("host", "an invalid Host in HTTP/1.0", to("/", "x/y", "GET", "1.0"))
cases:refused("host", "an invalid Host of a HEAD, which has no body to read", to("/", "x/y", "HEAD"))
cases:refused("host", "Host without a value in HTTP/1.0", "GET / HTTP/1.0\r\nHost:\r\n\r\n")

return cases
