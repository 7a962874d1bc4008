-- Chunks of a response (RFC 9112, 7.1): strict, or the client sees that its body is unfinished.
local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
local GET_1_0 = "GET / HTTP/1.0\r\nHost: x\r\n\r\n"
local SEEN = "GET / HTTP/1.1\r\nHost: x\r\n%added%\r\n"
local HEAD = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
local SENT_ON = "HTTP/1.1 200 OK\r\n%via11%Transfer-Encoding: chunked\r\n\r\n"
local FIRST = "5\r\nfirst\r\n"
local LAST = "0\r\n\r\n"

local cases = {}

-- What comes behind a good first chunk, which is with the client by then.
local function breaks(name, rest, more)
  cases[#cases + 1] = {
    rule = more and more.rule or "chunk-errors", name = "a response with " .. name, send = GET, backend = SEEN,
    answer = { HEAD .. FIRST, { peer_got = "first" }, rest }, client = SENT_ON .. FIRST .. (more and more.client or ""),
    cut = true, discards = true,
  }
end

local function passes(rule, name, chunks, client)
  cases[#cases + 1] = {
    rule = rule, name = "a response with " .. name, send = GET, backend = SEEN, answer = HEAD .. chunks,
    client = SENT_ON .. client, keeps = true,
  }
end

breaks("a chunk size that is no number", "xyz\r\n" .. LAST)
breaks("an empty chunk size", "\r\n" .. LAST)
breaks("a chunk size with 0x", "0x3\r\nabc\r\n" .. LAST)
breaks("a chunk size with a plus", "+3\r\nabc\r\n" .. LAST)
breaks("a negative chunk size", "-3\r\nabc\r\n" .. LAST)
breaks("a space before a chunk size", " 3\r\nabc\r\n" .. LAST)
breaks("a space behind a chunk size", "3 \r\nabc\r\n" .. LAST)
breaks("a space inside a chunk size", "3 0\r\nabc\r\n" .. LAST)
breaks("an underscore in a chunk size", "1_0\r\nabc\r\n" .. LAST)
breaks("a NUL in a chunk size", "3\0\r\nabc\r\n" .. LAST)
breaks("a chunk size beyond 64 bits", "10000000000000003\r\nabc\r\n" .. LAST)
breaks("a chunk size of 2^63", "8000000000000000\r\nabc\r\n" .. LAST)
breaks("a chunk size of 40 digits", ("f"):rep(40) .. "\r\nabc\r\n" .. LAST)
breaks("a bare LF behind a chunk size", "3\nabc\r\n" .. LAST)
breaks("a bare CR behind a chunk size", "3\rabc\r\n" .. LAST)
breaks("two CRs behind a chunk size", "3\r\r\nabc\r\n" .. LAST)
breaks("a bare LF behind a chunk", "3\r\nabc\n" .. LAST, { client = "3\r\nabc\r\n" })
breaks("a bare CR behind a chunk", "3\r\nabc\r" .. LAST, { client = "3\r\nabc\r\n" })
breaks("nothing behind a chunk", "3\r\nabc" .. LAST, { client = "3\r\nabc\r\n" })
breaks("a chunk longer than it says", "3\r\nabcd\r\n" .. LAST, { client = "3\r\nabc\r\n" })
breaks("a chunk shorter than it says", "5\r\nabc\r\n0\r\n\r\n", { client = "5\r\nabc\r\n\r\n" })
breaks("another response in place of a chunk", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
breaks("an extension that is none", "3;=\r\nabc\r\n" .. LAST)
breaks("an extension with a bare LF", "3;a=b\nabc\r\n" .. LAST)
breaks("an extension with a bare CR", "3;a=b\rc\r\nabc\r\n" .. LAST)
breaks("an extension with a NUL", "3;a=\0\r\nabc\r\n" .. LAST)
breaks("an extension in an open quote", "3;a=\"b\r\nabc\r\n" .. LAST)
breaks("an extension without end", "3;a=" .. ("b"):rep(100000) .. "\r\nabc\r\n" .. LAST)
breaks("many extensions without end", "3;" .. ("a=b;"):rep(30000) .. "a=b\r\nabc\r\n" .. LAST)
breaks("a bare LF behind the last chunk's size", "0\n\r\n")
breaks("a bare LF behind the last chunk", "0\r\n\n")
breaks("a last chunk of -0", "-0\r\n\r\n")

breaks("a trailer with a bare LF", "0\r\nX-T: 1\n\r\n", { rule = "trailer-errors" })
breaks("a trailer with a bare CR", "0\r\nX-T: 1\rX-U: 2\r\n\r\n", { rule = "trailer-errors" })
breaks("a trailer with a NUL", "0\r\nX-T: \0\r\n\r\n", { rule = "trailer-errors" })
breaks("a trailer without a colon", "0\r\nnonsense\r\n\r\n", { rule = "trailer-errors" })
breaks("a trailer with a space before the colon", "0\r\nX-T : 1\r\n\r\n", { rule = "trailer-errors" })
breaks("a trailer without a name", "0\r\n: 1\r\n\r\n", { rule = "trailer-errors" })
breaks("a folded trailer", "0\r\nX-T: 1\r\n 2\r\n\r\n", { rule = "trailer-errors" })
breaks("a trailer with a space in its name", "0\r\nX T: 1\r\n\r\n", { rule = "trailer-errors" })
breaks("more trailers than allowed", "0\r\n" .. ("X-T: 1\r\n"):rep(200) .. "\r\n", { rule = "trailer-errors" })
breaks("more bytes of trailers than allowed", "0\r\nX-T: " .. ("b"):rep(100000) .. "\r\n\r\n",
  { rule = "trailer-errors" })
breaks("a status line for a trailer", "0\r\nHTTP/1.1 200 OK\r\n\r\n", { rule = "trailer-errors" })

cases[#cases + 1] = {
  rule = "chunk-errors", name = "a response with a broken chunk, for an HTTP/1.0 client", send = GET_1_0,
  backend = SEEN, answer = { HEAD .. FIRST, { peer_got = "first" }, "xyz\r\n" .. LAST },
  client = "HTTP/1.1 200 OK\r\n%via11%Connection: close\r\n\r\nfirst", cut = true, discards = true,
}

passes("chunks", "several chunks", "5\r\nhello\r\n1\r\n!\r\n" .. LAST, "5\r\nhello\r\n1\r\n!\r\n" .. LAST)
passes("chunks", "nothing but the last chunk", LAST, LAST)
passes("chunks", "a size in upper case", "A\r\n0123456789\r\n" .. LAST, "a\r\n0123456789\r\n" .. LAST)
passes("chunks", "zeros before a size", "0005\r\nhello\r\n" .. LAST, "5\r\nhello\r\n" .. LAST)
passes("chunks", "a last chunk of several zeros", "5\r\nhello\r\n000\r\n\r\n", "5\r\nhello\r\n" .. LAST)
passes("chunks", "content that looks like the end", "7\r\n\r\n0\r\n\r\n\r\n" .. LAST, "7\r\n\r\n0\r\n\r\n\r\n" .. LAST)
passes("chunk-extensions", "an extension, which is dropped", "5;a=b\r\nhello\r\n" .. LAST, "5\r\nhello\r\n" .. LAST)
passes("chunk-extensions", "an extension without a value", "5;a\r\nhello\r\n" .. LAST, "5\r\nhello\r\n" .. LAST)
passes("chunk-extensions", "a quoted extension", "5;a=\"b;\\\"c\"\r\nhello\r\n" .. LAST, "5\r\nhello\r\n" .. LAST)
passes("chunk-extensions", "several extensions", "5;a=b;c;d=\"e\"\r\nhello\r\n" .. LAST, "5\r\nhello\r\n" .. LAST)
passes("chunk-extensions", "an extension of the last chunk", "5\r\nhello\r\n0;a=b\r\n\r\n", "5\r\nhello\r\n" .. LAST)

-- Each byte a read of its own, each chunk one byte: the same on the other side.
local function in_pieces(bytes)
  local pieces = {}
  for byte in bytes:gmatch "." do pieces[#pieces + 1] = byte end
  return pieces
end

cases[#cases + 1] = {
  rule = "byte-boundaries", name = "a response with chunks that come byte by byte", send = GET, backend = SEEN,
  answer = in_pieces(HEAD .. "1\r\na\r\n1;x=y\r\nb\r\n" .. LAST), client = SENT_ON .. "1\r\na\r\n1\r\nb\r\n" .. LAST,
  keeps = true,
}

-- Trailers (RFC 9110, 6.5): fields that may be trailers are forwarded.
local function trailers(name, sent, sent_on, head)
  cases[#cases + 1] = {
    rule = "response-trailers", name = "a response with " .. name, send = GET, backend = SEEN,
    answer = "HTTP/1.1 200 OK\r\n" .. (head or "") .. "Transfer-Encoding: chunked\r\n\r\n" ..
      "5\r\nhello\r\n0\r\n" .. sent .. "\r\n",
    client = SENT_ON .. "5\r\nhello\r\n0\r\n" .. sent_on .. "\r\n", keeps = true,
  }
end

trailers("a trailer", "X-T: 1\r\n", "X-T: 1\r\n")
trailers("several trailers, in their order and letter case", "x-T: 1\r\nGrpc-Status: 0\r\nX-t: 2\r\n",
  "x-T: 1\r\nGrpc-Status: 0\r\nX-t: 2\r\n")
trailers("an empty trailer", "X-T:\r\n", "X-T: \r\n")
trailers("a trailer with bytes above 0x7f", "X-T: \195\164\r\n", "X-T: \195\164\r\n")
trailers("a length among the trailers", "Content-Length: 5\r\nX-T: 1\r\n", "X-T: 1\r\n")
trailers("a coding among the trailers", "Transfer-Encoding: chunked\r\nX-T: 1\r\n", "X-T: 1\r\n")
trailers("a host among the trailers", "Host: evil\r\nX-T: 1\r\n", "X-T: 1\r\n")
trailers("fields of the connection among the trailers",
  "Connection: close\r\nKeep-Alive: timeout=5\r\nProxy-Connection: close\r\nTE: trailers\r\nUpgrade: x\r\nX-T: 1\r\n",
  "X-T: 1\r\n")
trailers("credentials among the trailers",
  "Authorization: x\r\nProxy-Authorization: x\r\nWWW-Authenticate: x\r\nSet-Cookie: a=b\r\nX-T: 1\r\n", "X-T: 1\r\n")
trailers("fields that direct a cache among the trailers",
  "Cache-Control: no-store\r\nExpires: 0\r\nVary: *\r\nAge: 1\r\nX-T: 1\r\n", "X-T: 1\r\n")
trailers("fields that say what the content is among the trailers",
  "Content-Encoding: gzip\r\nContent-Type: x/y\r\nContent-Range: bytes 0-1/2\r\nTrailer: X-T\r\nX-T: 1\r\n",
  "X-T: 1\r\n")
trailers("a trailer that Connection names", "X-Private: 1\r\nX-T: 1\r\n", "X-T: 1\r\n", "Connection: X-Private\r\n")

return cases
