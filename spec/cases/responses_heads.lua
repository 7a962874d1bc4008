-- Status lines and fields of responses (RFC 9112, 4 and 5): what is malformed is a
-- 502 and reaches no client.
local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
local SEEN = "GET / HTTP/1.1\r\nHost: x\r\n%added%\r\n"
local BODY = "Content-Length: 2\r\n\r\nok"

local cases = {}

local function passes(rule, name, answer, client)
  cases[#cases + 1] = {
    rule = rule, name = "a response with " .. name, send = GET, answer = answer, backend = SEEN, client = client,
    keeps = true,
  }
end

local function refuses(rule, name, answer)
  cases[#cases + 1] = {
    rule = rule, name = "a response with " .. name, send = GET, answer = answer, backend = SEEN, refused = 502,
    keeps = true, discards = true,
  }
end

-- The line; the rest of the response is in order.
local function passes_line(name, line, sent_on)
  passes("status-line", name, line .. "\r\n" .. BODY,
    sent_on .. "\r\n" .. (line:find "^HTTP/1.0" and "%via10%" or "%via11%") .. BODY)
end

local function refuses_line(name, line) refuses("status-line", name, line .. "\r\n" .. BODY) end

passes_line("an ordinary status line", "HTTP/1.1 200 OK", "HTTP/1.1 200 OK")
passes_line("an empty reason", "HTTP/1.1 200 ", "HTTP/1.1 200 ")
passes_line("no reason and no space before it", "HTTP/1.1 200", "HTTP/1.1 200 ")
passes_line("a reason of several words", "HTTP/1.1 418 I'm a teapot", "HTTP/1.1 418 I'm a teapot")
passes_line("a reason with a tab", "HTTP/1.1 200 O\tK", "HTTP/1.1 200 O\tK")
passes_line("a reason that begins with a space", "HTTP/1.1 200  OK", "HTTP/1.1 200  OK")
passes_line("a reason with bytes above 0x7f", "HTTP/1.1 200 \195\132rger \255", "HTTP/1.1 200 \195\132rger \255")
passes_line("a reason that looks like a field", "HTTP/1.1 200 X-A: b", "HTTP/1.1 200 X-A: b")
passes_line("the lowest final status without a name", "HTTP/1.1 299 Odd", "HTTP/1.1 299 Odd")
passes_line("the highest status", "HTTP/1.1 599 Odd", "HTTP/1.1 599 Odd")
passes_line("a status of class 4 that nobody has defined", "HTTP/1.1 499 Odd", "HTTP/1.1 499 Odd")

refuses_line("a NUL in the reason", "HTTP/1.1 200 O\0K")
refuses_line("a control byte in the reason", "HTTP/1.1 200 O\27K")
refuses_line("a DEL in the reason", "HTTP/1.1 200 O\127K")
refuses_line("a bare CR in the reason", "HTTP/1.1 200 O\rK")
refuses_line("a bare LF in the reason", "HTTP/1.1 200 O\nK: 1")
refuses_line("a status of two digits", "HTTP/1.1 20 OK")
refuses_line("a status of four digits", "HTTP/1.1 2000 OK")
refuses_line("a status of no digits", "HTTP/1.1 OK")
refuses_line("a status with a letter", "HTTP/1.1 2x0 OK")
refuses_line("a negative status", "HTTP/1.1 -200 OK")
refuses_line("a status below 100", "HTTP/1.1 099 Low")
refuses_line("a status of 600", "HTTP/1.1 600 High")
refuses_line("a status of 999", "HTTP/1.1 999 High")
refuses_line("no space between version and status", "HTTP/1.1200 OK")
refuses_line("two spaces before the status", "HTTP/1.1  200 OK")
refuses_line("a tab before the status", "HTTP/1.1\t200 OK")
refuses_line("no space behind the status", "HTTP/1.1 200OK")
refuses_line("a space before the status line", " HTTP/1.1 200 OK")
refuses_line("an empty line before the status line", "\r\nHTTP/1.1 200 OK")
refuses_line("a bare LF before the status line", "\nHTTP/1.1 200 OK")
refuses_line("a version in lower case", "http/1.1 200 OK")
refuses_line("another protocol", "ICY 200 OK")
refuses_line("HTTP/0.9 in its status line", "HTTP/0.9 200 OK")
refuses_line("HTTP/1.2 in its status line", "HTTP/1.2 200 OK")
refuses_line("HTTP/2.0 in its status line", "HTTP/2.0 200 OK")
refuses_line("HTTP/2 in its status line", "HTTP/2 200 OK")
refuses_line("a version of two digits", "HTTP/1.10 200 OK")
refuses_line("a version with a comma", "HTTP/1,1 200 OK")
refuses_line("a version without a number", "HTTP/ 200 OK")
refuses_line("a request line for a status line", "GET / HTTP/1.1")

passes_line("HTTP/1.0 in its status line", "HTTP/1.0 200 OK", "HTTP/1.1 200 OK")

refuses("status-line", "a bare LF behind the status line", "HTTP/1.1 200 OK\n" .. BODY)
refuses("header-less", "the greeting of another protocol in place of a head", "+OK POP3 ready\r\n\r\n")
refuses("header-less", "a body in place of a head", "<html><body>hello</body></html>\r\n")
refuses("header-less", "bytes of TLS in place of a head", "\21\3\1\0\2\2\40\r\n\r\n")
refuses("header-less", "frames of HTTP/2 in place of a head", "\0\0\6\4\0\0\0\0\0\0\3\0\0\0\128")
refuses("header-less", "NULs in place of a head", ("\0"):rep(64))
refuses("header-less", "nothing but an empty line in place of a head", "\r\n\r\n")
refuses("header-less", "a field in place of a status line", "Content-Length: 2\r\n\r\nok")

-- One field more in a response that is good without it.
local function passes_field(rule, name, field, sent_on)
  passes(rule, name, "HTTP/1.1 200 OK\r\n" .. field .. "\r\n" .. BODY,
    "HTTP/1.1 200 OK\r\n" .. (sent_on or field) .. "\r\n%via11%" .. BODY)
end

local function refuses_field(name, field)
  refuses("response-field", name, "HTTP/1.1 200 OK\r\n" .. field .. "\r\n" .. BODY)
end

refuses_field("a NUL in a value", "X-A: b\0c")
refuses_field("a NUL in a name", "X\0A: b")
refuses_field("a control byte in a value", "X-A: b\1c")
refuses_field("an escape in a value", "X-A: b\27[2J")
refuses_field("a DEL in a value", "X-A: b\127c")
refuses_field("a bare CR in a value", "X-A: b\rX-B: c")
refuses_field("a bare CR at the end of a value", "X-A: b\r")
refuses_field("a bare LF behind a field", "X-A: b\nX-B: c")
refuses_field("a folded field", "X-A: b\r\n c")
refuses_field("a field folded with a tab", "X-A: b\r\n\tc")
refuses_field("a fold before the first field", " X-A: b")
refuses_field("a fold that is empty", "X-A: b\r\n ")
refuses_field("a space before the colon", "X-A : b")
refuses_field("a tab before the colon", "X-A\t: b")
refuses_field("a space before the colon of its length", "Content-Length : 2\r\nX-A: b")
refuses_field("a space inside a name", "X A: b")
refuses_field("an empty name", ": b")
refuses_field("a line without a colon", "nonsense")
refuses_field("a bracket in a name", "X(A): b")
refuses_field("an at sign in a name", "X@A: b")
refuses_field("a byte above 0x7f in a name", "X-\228: b")
refuses_field("a control byte in a name", "X\1A: b")
refuses_field("more fields than allowed", ("X-A: b\r\n"):rep(200) .. "X-B: c")
refuses_field("more bytes than allowed", "X-A: " .. ("b"):rep(70000))

passes_field("end-to-end", "every byte that a name may have", "!#$%&'*+-.^_`|~09azAZ: b")
passes_field("end-to-end", "bytes above 0x7f in a value", "X-A: \128\255 \195\164")
passes_field("end-to-end", "a tab inside a value", "X-A: b\tc")
passes_field("end-to-end", "quotes, commas and colons in a value", "X-A: \"b, c\": d; e=\"f\\\"g\"")
passes_field("end-to-end", "an underscore in a name", "X_A: b")
passes_field("end-to-end", "white space around a value", "X-A: \t b  c \t", "X-A: b  c")
passes_field("end-to-end", "no space behind the colon", "X-A:b", "X-A: b")
passes_field("end-to-end", "an empty value", "X-A:", "X-A: ")
passes_field("end-to-end", "a value of nothing but white space", "X-A:  \t ", "X-A: ")
passes_field("end-to-end", "a value of 8000 bytes", "X-A: " .. ("b"):rep(8000))
passes_field("end-to-end", "Date and Server of its own",
  "Date: Tue, 15 Nov 1994 08:12:31 GMT\r\nServer: backend/1.0 (odd)")
passes_field("end-to-end", "several Set-Cookie lines, in their order",
  "Set-Cookie: a=1; Path=/\r\nX-A: b\r\nset-cookie: b=2\r\nSet-Cookie: a=3")
passes_field("end-to-end", "repeated fields in several letter cases", "X-b: 1\r\nx-B: 2\r\nX-A: 3\r\nX-b: 1")
passes_field("end-to-end", "fields that a cache would read",
  "ETag: W/\"a\"\r\nVary: Accept, *\r\nWarning: 199 - \"x\"\r\nAge: 1\r\nCache-Control: no-store")
passes_field("via", "a Via of its own, before ours", "Via: 1.0 inner (x), 1.1 other")

-- The same at every byte boundary.
local function in_pieces(bytes)
  local pieces = {}
  for byte in bytes:gmatch "." do pieces[#pieces + 1] = byte end
  return pieces
end

local WHOLE = "HTTP/1.1 203 A b\r\nX-A: b\r\nSet-Cookie: c=d\r\nContent-Length: 5\r\n\r\nhello"
passes("byte-boundaries", "a head and a body that come byte by byte", in_pieces(WHOLE),
  "HTTP/1.1 203 A b\r\nX-A: b\r\nSet-Cookie: c=d\r\n%via11%Content-Length: 5\r\n\r\nhello")
refuses("byte-boundaries", "a fold in a head that comes byte by byte",
  in_pieces "HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 0\r\n\r\n")
refuses("byte-boundaries", "two lengths in a head that comes byte by byte",
  in_pieces "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")
refuses("byte-boundaries", "a bare LF in a head that comes byte by byte",
  in_pieces "HTTP/1.1 200 OK\r\nX-A: b\nContent-Length: 0\r\n\r\n")

return cases
