-- The chunked coding, its extensions and trailers, and bodies that are cut short.
local cases = require("spec.support.cases").new()
local request, forwarded = cases.request, cases.forwarded

local HEAD = request("Transfer-Encoding: chunked\r\n", "POST")
local SEEN = forwarded("Transfer-Encoding: chunked\r\n", "POST")
local HELLO = SEEN .. "5\r\nhello\r\n"
local WHOLE = HELLO .. "0\r\n\r\n"

local function passes(rule, name, coding, seen, more)
  cases:passes(rule, name, HEAD .. coding, seen and SEEN .. seen or WHOLE, more)
end

-- Found when the head may have been forwarded already: then the upload is cut, and the right
-- part of it may have arrived.
local function broken(rule, name, coding, seen, status, more)
  cases:refused(rule, name, HEAD .. coding, status, { backend = seen or SEEN, backend_cut = true })
  for key, value in pairs(more or {}) do cases[#cases][key] = value end
end

-- RFC 9112, 7.1: hexadecimal digits.
passes("chunk-size", "one chunk", "5\r\nhello\r\n0\r\n\r\n")
passes("chunk-size", "no chunk but the last", "0\r\n\r\n", "0\r\n\r\n")
passes("chunk-size", "a size in capitals", "A\r\n0123456789\r\n0\r\n\r\n", "a\r\n0123456789\r\n0\r\n\r\n")
passes("chunk-size", "a size in small letters", "b\r\n0123456789a\r\n0\r\n\r\n", "b\r\n0123456789a\r\n0\r\n\r\n")
passes("chunk-size", "two digits", "1f\r\n" .. ("x"):rep(31) .. "\r\n0\r\n\r\n", "1f\r\n" .. ("x"):rep(31) ..
  "\r\n0\r\n\r\n")
passes("chunk-size", "zeros in front", "0005\r\nhello\r\n0\r\n\r\n")
passes("chunk-size", "several zeros for the last chunk", "5\r\nhello\r\n000\r\n\r\n")
passes("chunk-size", "two chunks", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n")
passes("chunk-size", "chunks of one byte", "1\r\nh\r\n1\r\ne\r\n1\r\nl\r\n1\r\nl\r\n1\r\no\r\n0\r\n\r\n")
passes("chunk-size", "line ends as data", "4\r\n\r\n\r\n\r\n0\r\n\r\n", "4\r\n\r\n\r\n\r\n0\r\n\r\n")
for _, size in ipairs {
  "", "x", "g", "-5", "+5", "-0", "0x5", "0X5", "x5", "5h", "5g", "5_0", "0_5", "_5", "5,0", "5.0", "5e+1", "'5'",
  '"5"', "five", "#5", "$5", "%35", "\\5", "5\\", "5/1", "5:", "5=5", "(5)", "\194\1785", "5\160", "\1605", "\255",
} do
  broken("chunk-size", ("the chunk size %q"):format(size), size .. "\r\nhello\r\n0\r\n\r\n")
end
for _, size in ipairs { " 5", "\t5", "5 ", "5\t", "5 5", "5  ", " " } do
  broken("chunk-size", ("white space in the chunk size %q"):format(size), size .. "\r\nhello\r\n0\r\n\r\n")
end
for _, size in ipairs { "5\0", "\0005", "5\11", "\0115", "5\12", "5\8", "5\127", "5\26" } do
  broken("chunk-size", ("a control byte in the chunk size %q"):format(size), size .. "\r\nhello\r\n0\r\n\r\n")
end
for _, size in ipairs { "10000000000000000", "10000000000000005", "100000000000000005", "FFFFFFFFFFFFFFFFF",
  "8000000000000000", "08000000000000005", "ffffffffffffffff",
  "00010000000000000005", "ffffffff00000000000000005", ("f"):rep(100), "80000000000000000000000000000005" } do
  broken("chunk-size", "the chunk size " .. size .. ", beyond 2^63 - 1", size .. "\r\nhello\r\n0\r\n\r\n")
end
for _, size in ipairs { "0x0", "-0", "+0", "0 ", " 0", "0\t", "00x", "0.0", "O" } do
  broken("chunk-size", ("%q for the last chunk"):format(size), "5\r\nhello\r\n" .. size .. "\r\n\r\n", HELLO)
end

-- RFC 9112, 7.1: every line end has both bytes.
broken("chunk-crlf", "a bare LF behind the size", "5\nhello\r\n0\r\n\r\n")
broken("chunk-crlf", "a bare CR behind the size", "5\rhello\r\n0\r\n\r\n")
broken("chunk-crlf", "two CRs behind the size", "5\r\r\nhello\r\n0\r\n\r\n")
broken("chunk-crlf", "LF and CR behind the size", "5\n\rhello\r\n0\r\n\r\n")
broken("chunk-crlf", "an empty line before the size", "\r\n5\r\nhello\r\n0\r\n\r\n")
broken("chunk-crlf", "a bare LF behind the data", "5\r\nhello\n0\r\n\r\n", HELLO)
broken("chunk-crlf", "a bare CR behind the data", "5\r\nhello\r0\r\n\r\n", HELLO)
broken("chunk-crlf", "two CRs behind the data", "5\r\nhello\r\r\n0\r\n\r\n", HELLO)
broken("chunk-crlf", "LF and CR behind the data", "5\r\nhello\n\r0\r\n\r\n", HELLO)
broken("chunk-crlf", "a space behind the data", "5\r\nhello \r\n0\r\n\r\n", HELLO)
broken("chunk-crlf", "a NUL behind the data", "5\r\nhello\0\r\n0\r\n\r\n", HELLO)
broken("chunk-crlf", "nothing behind the data", "5\r\nhello0\r\n\r\n", HELLO)
broken("chunk-crlf", "two line ends behind the data", "5\r\nhello\r\n\r\n0\r\n\r\n", HELLO)
broken("chunk-crlf", "data longer than its size", "5\r\nhello!\r\n0\r\n\r\n", HELLO)
broken("chunk-crlf", "data much longer than its size", "5\r\nhello, there\r\n0\r\n\r\n", HELLO)
broken("chunk-crlf", "data shorter than its size", "5\r\nhell\r\n0\r\n\r\n", SEEN .. "5\r\nhell\r\r\n")
broken("chunk-crlf", "a bare LF behind the last size", "5\r\nhello\r\n0\n\r\n", HELLO)
broken("chunk-crlf", "a bare CR behind the last size", "5\r\nhello\r\n0\r\r\n", HELLO)
broken("chunk-crlf", "bare LFs behind the last size", "5\r\nhello\r\n0\n\n", HELLO)
broken("chunk-crlf", "a bare LF as the last line", "5\r\nhello\r\n0\r\n\n", HELLO)
broken("chunk-crlf", "two CRs in the last line", "5\r\nhello\r\n0\r\n\r\r\n", HELLO)
broken("chunk-crlf", "a CR and something else in the last line", "5\r\nhello\r\n0\r\n\rX", HELLO)
broken("chunk-crlf", "two CRs behind the last size", "5\r\nhello\r\n0\r\r\n\r\n", HELLO)
broken("chunk-crlf", "a NUL in the last line", "5\r\nhello\r\n0\r\n\0\r\n", HELLO)
broken("chunk-crlf", "another size behind the last", "5\r\nhello\r\n0\r\n5\r\nhello\r\n0\r\n\r\n", HELLO)

-- RFC 9112, 7.1.1: extensions are read, and dropped.
for _, extension in ipairs {
  ";a", ";a=b", ";a=b;c=d", ";a;b;c", ';a="b"', ';a=""', ';a="b;c"', ';a="b\\"c"', ';a="\\\\"', ';a="b\tc"',
  ';a="\195\188"',
  ";!#$%&'*+-.^_`|~=!#$%&'*+-.^_`|~", ";0=0", ';a="0\\r\\n"',
} do
  passes("chunk-extension", ("the chunk extension %q"):format(extension),
    "5" .. extension .. "\r\nhello\r\n0\r\n\r\n")
end
passes("chunk-extension", "a chunk extension of the last chunk", "5\r\nhello\r\n0;a=b\r\n\r\n")
for _, extension in ipairs {
  ";", ";;", ";a;", ";;a", ";=b", ";a=", ";a=;b", ";a==b", ";a=b=c", ";a b", ";a=b c", ';a="b', ';a="b"c', ';a="b""c"',
  ';a=b"c"', ';"a"=b', ';a="b\\', ";a=(b)", ";a,b", ";a:b", ";a=b,c=d", ";\195\188", ";a=\195\188", ";a=@", ";{}",
  ",a=b", ":a=b", "=b", '"a"', "a=b;",
} do
  broken("chunk-extension", ("the chunk extension %q"):format(extension),
    "5" .. extension .. "\r\nhello\r\n0\r\n\r\n")
end
for _, extension in ipairs { ";\n", ";a\n", ";a=b\n", ';a="\n"', ';a="b\n', ";\r", ";a\r", ';a="\r"', ";a=b\r\r",
  ";\r\r", ";a\n\r", ';a="\r\n"', ";a=b\0", ";a\0b", ";\0", ";a=b\11", ";\127", ';a="\1"', ";\n0" } do
  broken("chunk-extension", ("a control byte in the chunk extension %q"):format(extension),
    "5" .. extension .. "\r\nhello\r\n0\r\n\r\n")
end
broken("chunk-extension", "a bare LF in an extension that hides a request",
  "5;\n0123456789\r\nhello\r\n0\r\n\r\n")
broken("chunk-extension", "a bare LF in the last chunk's extension", "5\r\nhello\r\n0;a\n\r\n", HELLO)
broken("chunk-extension", "an extension without an end", "5;" .. ("a"):rep(100000), nil, { 400, 413, 431 },
  { ways = { "whole", "late" } })
broken("chunk-extension", "many extensions", "5" .. (";a=b"):rep(20000) .. "\r\nhello\r\n0\r\n\r\n", nil,
  { 400, 413, 431 }, { ways = { "whole", "late" } })

-- RFC 9112, 7.1.2; RFC 9110, 6.5: trailers are forwarded, except those that say how to read, route
-- or answer the message.
passes("trailers", "a trailer", "5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n", "5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n")
passes("trailers", "trailers, in order, letter case and repetition",
  "5\r\nhello\r\n0\r\nX-B: 1\r\nx-a:2\r\nX-A:  3 \t4 \r\nX-B:\r\n\r\n",
  "5\r\nhello\r\n0\r\nX-B: 1\r\nx-a: 2\r\nX-A: 3 \t4\r\nX-B: \r\n\r\n")
passes("trailers", "a trailer of an empty body", "0\r\nX-T: 1\r\n\r\n", "0\r\nX-T: 1\r\n\r\n")
passes("trailers", "a trailer of gRPC", "0\r\ngrpc-status: 0\r\n\r\n", "0\r\ngrpc-status: 0\r\n\r\n")
for _, name in ipairs { "Content-Length", "Transfer-Encoding", "Host", "Connection", "Keep-Alive", "TE", "Trailer",
  "Upgrade", "Proxy-Authorization", "Authorization", "Cookie", "Set-Cookie", "Content-Type", "Content-Encoding",
  "Content-Range", "Cache-Control", "Expect", "Max-Forwards", "Range", "If-Match", "X-Forwarded-For",
  "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "Via", "content-length", "Content_Length",
  "X_Forwarded_For" } do
  passes("trailers", "the trailer " .. name .. ", which may be none",
    ("5\r\nhello\r\n0\r\nX-A: 1\r\n%s: 5\r\nX-B: 2\r\n\r\n"):format(name),
    "5\r\nhello\r\n0\r\nX-A: 1\r\nX-B: 2\r\n\r\n")
end
cases:passes("trailers", "a trailer that Connection names",
  request("Connection: X-A\r\nTransfer-Encoding: chunked\r\n", "POST") .. "0\r\nX-A: 1\r\nX-B: 2\r\n\r\n",
  SEEN .. "0\r\nX-B: 2\r\n\r\n")
cases:passes("trailers", "Trailer, and a trailer",
  request("Trailer: X-T\r\nTransfer-Encoding: chunked\r\n", "POST") .. "5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n",
  forwarded("Trailer: X-T\r\nTransfer-Encoding: chunked\r\n", "POST") .. "5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n")
cases:passes("trailers", "Trailer, where there can be none", request("Trailer: X-T\r\n"), forwarded())
for _, trailer in ipairs {
  "X-T : 1\r\n", "X-T\t: 1\r\n", ": 1\r\n", "nonsense\r\n", "X T: 1\r\n", " X-T: 1\r\n", "\tX-T: 1\r\n",
  "X-T: 1\r\n 2\r\n", "X-T: 1\r\n\t2\r\n", "X-T: 1\n", "X-T: 1\r\r\n", "X-T: 1\rX-U: 2\r\n", "X-T: 1\nX-U: 2\r\n",
  "X-T: \0\r\n", "X\0: 1\r\n", "X-T: \1\r\n", "X-T: \127\r\n", "X(T): 1\r\n", "X-T: 1\n\r\n", "\n", "X-\195\188: 1\r\n",
  "GET / HTTP/1.1\r\n",
} do
  broken("trailers", ("the trailer %q"):format(trailer), "5\r\nhello\r\n0\r\n" .. trailer .. "\r\n", HELLO)
end
broken("trailers", "more trailers than limits.fields",
  "5\r\nhello\r\n0\r\n" .. ("X-T: 1\r\n"):rep(129) .. "\r\n", HELLO, { 431 }, { ways = { "whole", "late" } })
broken("trailers", "trailers larger than limits.head",
  "5\r\nhello\r\n0\r\nX-T: " .. ("x"):rep(70000) .. "\r\n\r\n", HELLO, { 431 }, { ways = { "whole", "late" } })

-- RFC 9112, 8: what is cut short never ends cleanly upstream.
local function cut(name, send, seen)
  cases:add { rule = "upload-cut", name = name, send = { send, { finish = true } }, backend = seen, backend_cut = true,
    refused = { 0, 400 } }
  cases:add { rule = "upload-cut", name = name .. ", behind a pause", backend = seen, backend_cut = true,
    send = { (send:gsub("(\r\n\r\n).*", "%1")), (send:match "\r\n\r\n(.*)"), { finish = true } }, refused = { 0, 400 } }
end
local COUNTED = forwarded("Content-Length: 10\r\n", "POST")
cut("half of a counted body", request("Content-Length: 10\r\n", "POST") .. "hello", COUNTED .. "hello")
cut("all but a byte of a counted body", request("Content-Length: 10\r\n", "POST") .. "hello, wo",
  COUNTED .. "hello, wo")
cut("nothing of a counted body", request("Content-Length: 10\r\n", "POST"), COUNTED)
cut("half of a chunk", HEAD .. "5\r\nhe", SEEN .. "2\r\nhe\r\n")
cut("a chunk and no last one", HEAD .. "5\r\nhello\r\n", HELLO)
cut("a chunk without its line end", HEAD .. "5\r\nhello", HELLO)
cut("a chunk and half of its line end", HEAD .. "5\r\nhello\r", HELLO)
cut("a chunk and the last one without its line end", HEAD .. "5\r\nhello\r\n0", HELLO)
cut("a chunk and the last one without an empty line", HEAD .. "5\r\nhello\r\n0\r\n", HELLO)
cut("a chunk and half of the empty line", HEAD .. "5\r\nhello\r\n0\r\n\r", HELLO)
cut("half of a trailer", HEAD .. "5\r\nhello\r\n0\r\nX-T: 1", HELLO)
cut("a trailer and no empty line", HEAD .. "5\r\nhello\r\n0\r\nX-T: 1\r\n", HELLO)
cut("half of a size", HEAD .. "5\r\nhello\r\n1", HELLO)
cut("half of an extension", HEAD .. "5\r\nhello\r\n5;a", HELLO)
cases:add { rule = "upload-cut", name = "half of a head", send = { "GET / HTTP/1.1\r\nHost: x\r\n", { finish = true } },
  refused = { 0, 400 } }
cases:add { rule = "upload-cut", name = "half of a request line", send = { "GET / HT", { finish = true } },
  refused = { 0, 400 } }
cases:add { rule = "upload-cut", name = "nothing", send = { "", { finish = true } }, refused = { 0 } }

return cases
