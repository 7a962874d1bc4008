-- Where a response ends (RFC 9112, 6.3): one reading, or a 502; and how it is forwarded.
local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
local GET_1_0 = "GET / HTTP/1.0\r\nHost: x\r\n\r\n"
local HEAD = "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"
local SEEN = "GET / HTTP/1.1\r\nHost: x\r\n%added%\r\n"
local SEEN_HEAD = "HEAD / HTTP/1.1\r\nHost: x\r\n%added%\r\n"
local OK = "HTTP/1.1 200 OK\r\n"

local cases = {}

local function add(rule, name, case)
  case.rule, case.name = rule, "a response " .. name
  case.send, case.backend = case.send or GET, case.backend or SEEN
  cases[#cases + 1] = case
end

local function refuses(rule, name, answer, more)
  local case = { answer = answer, refused = 502, keeps = true }
  for key, value in pairs(more or {}) do case[key] = value end
  case.discards = not case.answer_ends and not case.answer_resets
  add(rule, name, case)
end

-- Content-Length.
local function refuses_length(name, fields) refuses("response-length", name, OK .. fields .. "\r\n\r\nhello") end

refuses_length("with a negative length", "Content-Length: -5")
refuses_length("with a length with a plus", "Content-Length: +5")
refuses_length("with a hexadecimal length", "Content-Length: 0x5")
refuses_length("with a length that is no number", "Content-Length: five")
refuses_length("with a length and a letter behind it", "Content-Length: 5a")
refuses_length("with a length with a space inside", "Content-Length: 5 5")
refuses_length("with a length with a fraction", "Content-Length: 5.0")
refuses_length("with an empty length", "Content-Length:")
refuses_length("with a length in quotes", "Content-Length: \"5\"")
refuses_length("with a length beyond 64 bits", "Content-Length: 18446744073709551621")
refuses_length("with a length of 2^63", "Content-Length: 9223372036854775808")
refuses_length("with a length of 64 bits", "Content-Length: 18446744073709551615")
refuses_length("with a length of 40 digits", "Content-Length: " .. ("9"):rep(40))
refuses_length("with two different lengths", "Content-Length: 5\r\nContent-Length: 6")
refuses_length("with two different lengths in two letter cases", "content-length: 6\r\nCONTENT-LENGTH: 5")
refuses_length("with a list of different lengths", "Content-Length: 5, 6")
refuses_length("with two equal lengths", "Content-Length: 5\r\nContent-Length: 5")
refuses_length("with a list of equal lengths", "Content-Length: 5, 5")
refuses_length("with a length and a comma behind it", "Content-Length: 5,")
refuses_length("with an empty length beside a good one", "Content-Length:\r\nContent-Length: 5")

add("response-length", "with an ordinary length", {
  answer = OK .. "Content-Length: 5\r\n\r\nhello", client = OK .. "%via11%Content-Length: 5\r\n\r\nhello", keeps = true,
})
add("response-length", "with a length of 0", {
  answer = OK .. "Content-Length: 0\r\n\r\n", client = OK .. "%via11%Content-Length: 0\r\n\r\n", keeps = true,
})
add("response-length", "with zeros before its length, which is written anew", {
  answer = OK .. "Content-Length: 0005\r\n\r\nhello", client = OK .. "%via11%Content-Length: 5\r\n\r\nhello",
  keeps = true,
})
add("response-length", "with a length in another letter case", {
  answer = OK .. "cOnTeNt-LeNgTh: 5\r\n\r\nhello", client = OK .. "%via11%Content-Length: 5\r\n\r\nhello",
  keeps = true,
})
add("response-length", "with a length to an HTTP/1.0 client", {
  send = GET_1_0, answer = OK .. "Content-Length: 5\r\n\r\nhello", keeps = false,
  client = OK .. "%via11%Content-Length: 5\r\nConnection: close\r\n\r\nhello",
})
add("response-length", "with a length to an HTTP/1.0 client that keeps its connection", {
  send = "GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n", answer = OK .. "Content-Length: 5\r\n\r\nhello",
  client = OK .. "%via11%Content-Length: 5\r\nConnection: keep-alive\r\n\r\nhello", keeps = true,
})

-- Both framings, and codings.
local CHUNKS = "5\r\nhello\r\n0\r\n\r\n"
local CHUNKED = "Transfer-Encoding: chunked\r\n"

local function refuses_coding(name, fields) refuses("response-coding", name, OK .. fields .. "\r\n" .. CHUNKS) end

refuses("response-both-framings", "with a length and chunks",
  OK .. "Content-Length: 5\r\n" .. CHUNKED .. "\r\n" .. CHUNKS)
refuses("response-both-framings", "with chunks and a length", OK .. CHUNKED .. "Content-Length: 5\r\n\r\n" .. CHUNKS)
refuses("response-both-framings", "with chunks and a length of 0",
  OK .. CHUNKED .. "Content-Length: 0\r\n\r\n" .. CHUNKS)
refuses("response-both-framings", "with a length and an unknown coding",
  OK .. "Content-Length: 5\r\nTransfer-Encoding: foo\r\n\r\nhello")

refuses_coding("with an unknown coding", "Transfer-Encoding: foo\r\n")
refuses_coding("with gzip below the chunks", "Transfer-Encoding: gzip, chunked\r\n")
refuses_coding("with gzip above the chunks", "Transfer-Encoding: chunked, gzip\r\n")
refuses_coding("with the coding identity", "Transfer-Encoding: identity\r\n")
refuses_coding("with identity and chunked", "Transfer-Encoding: identity, chunked\r\n")
refuses_coding("with chunked twice in a list", "Transfer-Encoding: chunked, chunked\r\n")
refuses_coding("with chunked twice in two fields", CHUNKED .. CHUNKED)
refuses_coding("with chunked and another field for a coding", CHUNKED .. "Transfer-Encoding: foo\r\n")
refuses_coding("with a coding that looks like chunked", "Transfer-Encoding: xchunked\r\n")
refuses_coding("with chunked and a letter behind it", "Transfer-Encoding: chunkedx\r\n")
refuses_coding("with chunked with a parameter", "Transfer-Encoding: chunked;q=1\r\n")
refuses_coding("with chunked in quotes", "Transfer-Encoding: \"chunked\"\r\n")
refuses_coding("with an empty coding", "Transfer-Encoding:\r\n")
refuses_coding("with a coding and a comma", "Transfer-Encoding: ,chunked\r\n")
refuses_coding("with a vertical tab before chunked", "Transfer-Encoding: \11chunked\r\n")
refuses("response-coding", "in chunks from an HTTP/1.0 backend", "HTTP/1.0 200 OK\r\n" .. CHUNKED .. "\r\n" .. CHUNKS)

add("response-coding", "in chunks, chunked in another letter case", {
  answer = OK .. "transfer-encoding: ChunkeD\r\n\r\n" .. CHUNKS, keeps = true,
  client = OK .. "%via11%" .. CHUNKED .. "\r\n" .. CHUNKS,
})

-- No body, whatever the fields say.
local function without_body(name, case)
  case.keeps = case.keeps == nil or case.keeps
  add("no-body", name, case)
end

local NO_CONTENT, NOT_MODIFIED = "HTTP/1.1 204 No Content\r\n", "HTTP/1.1 304 Not Modified\r\n"

without_body("to HEAD with a length", {
  send = HEAD, backend = SEEN_HEAD, answer = OK .. "Content-Length: 5\r\n\r\n",
  client = OK .. "Content-Length: 5\r\n%via11%\r\n",
})
without_body("to HEAD with the largest length, 2^63 - 1", {
  send = HEAD, backend = SEEN_HEAD, answer = OK .. "Content-Length: 9223372036854775807\r\n\r\n",
  client = OK .. "Content-Length: 9223372036854775807\r\n%via11%\r\n",
})
refuses("no-body", "to HEAD with a length of 2^63", OK .. "Content-Length: 9223372036854775808\r\n\r\n", {
  send = HEAD, backend = SEEN_HEAD,
})
without_body("to HEAD with a length and a body", {
  send = HEAD, backend = SEEN_HEAD, answer = OK .. "Content-Length: 5\r\n\r\nhello",
  client = OK .. "Content-Length: 5\r\n%via11%\r\n", discards = true,
})
without_body("to HEAD with a whole response for a body", {
  send = HEAD, backend = SEEN_HEAD, answer = OK .. "Content-Length: 38\r\n\r\n" .. OK .. "Content-Length: 0\r\n\r\n",
  client = OK .. "Content-Length: 38\r\n%via11%\r\n", discards = true,
})
without_body("to HEAD in chunks", {
  send = HEAD, backend = SEEN_HEAD, answer = OK .. CHUNKED .. "\r\n", client = OK .. "%via11%\r\n",
})
without_body("to HEAD in chunks that are there", {
  send = HEAD, backend = SEEN_HEAD, answer = OK .. CHUNKED .. "\r\n" .. CHUNKS, client = OK .. "%via11%\r\n",
  discards = true,
})
without_body("to HEAD without any length", {
  send = HEAD, backend = SEEN_HEAD, answer = OK .. "\r\n", client = OK .. "%via11%\r\n",
})
without_body("to HEAD from an HTTP/1.0 client", {
  send = "HEAD / HTTP/1.0\r\nHost: x\r\n\r\n", backend = SEEN_HEAD, answer = OK .. "Content-Length: 5\r\n\r\n",
  client = OK .. "Content-Length: 5\r\n%via11%Connection: close\r\n\r\n", keeps = false,
})
refuses("no-body", "to HEAD with two lengths", OK .. "Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
  { send = HEAD, backend = SEEN_HEAD })
refuses("no-body", "to HEAD with a length and chunks", OK .. "Content-Length: 5\r\n" .. CHUNKED .. "\r\n",
  { send = HEAD, backend = SEEN_HEAD })
without_body("204", { answer = NO_CONTENT .. "\r\n", client = NO_CONTENT .. "%via11%\r\n" })
without_body("204 with a length of 0, which a 204 must not have", {
  answer = NO_CONTENT .. "Content-Length: 0\r\n\r\n", client = NO_CONTENT .. "%via11%\r\n",
})
without_body("204 with a length and a body", {
  answer = NO_CONTENT .. "Content-Length: 5\r\n\r\nhello", client = NO_CONTENT .. "%via11%\r\n", discards = true,
})
without_body("204 in chunks", {
  answer = NO_CONTENT .. CHUNKED .. "\r\n" .. CHUNKS, client = NO_CONTENT .. "%via11%\r\n", discards = true,
})
without_body("304", {
  answer = NOT_MODIFIED .. "ETag: \"a\"\r\n\r\n", client = NOT_MODIFIED .. "ETag: \"a\"\r\n%via11%\r\n",
})
without_body("304 with the length that a 200 would have", {
  answer = NOT_MODIFIED .. "Content-Length: 5\r\n\r\n", client = NOT_MODIFIED .. "Content-Length: 5\r\n%via11%\r\n",
})
without_body("304 with a length and a body", {
  answer = NOT_MODIFIED .. "Content-Length: 5\r\n\r\nhello", discards = true,
  client = NOT_MODIFIED .. "Content-Length: 5\r\n%via11%\r\n",
})
without_body("304 in chunks", {
  answer = NOT_MODIFIED .. CHUNKED .. "\r\n" .. CHUNKS, client = NOT_MODIFIED .. "%via11%\r\n", discards = true,
})
refuses("no-body", "204 with two different lengths", NO_CONTENT .. "Content-Length: 5\r\nContent-Length: 6\r\n\r\n")
add("no-body", "205 with a length of 0", {
  answer = "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n",
  client = "HTTP/1.1 205 Reset Content\r\n%via11%Content-Length: 0\r\n\r\n", keeps = true,
})
add("no-body", "205 with a body, which is framed like any other", {
  answer = "HTTP/1.1 205 Reset Content\r\nContent-Length: 2\r\n\r\nok",
  client = "HTTP/1.1 205 Reset Content\r\n%via11%Content-Length: 2\r\n\r\nok", keeps = true,
})

-- A body that ends with the connection.
add("until-close", "that ends with the connection, for an HTTP/1.1 client", {
  answer = OK .. "\r\nhello", answer_ends = true, client = OK .. "%via11%" .. CHUNKED .. "\r\n" .. CHUNKS, keeps = true,
})
add("until-close", "from an HTTP/1.0 backend that ends with the connection", {
  answer = "HTTP/1.0 200 OK\r\n\r\nhello", answer_ends = true,
  client = OK .. "%via10%" .. CHUNKED .. "\r\n" .. CHUNKS, keeps = true,
})
add("until-close", "that ends with the connection, as it says", {
  answer = OK .. "Connection: close\r\n\r\nhello", answer_ends = true,
  client = OK .. "%via11%" .. CHUNKED .. "\r\n" .. CHUNKS, keeps = true,
})
add("until-close", "that is empty and ends with the connection", {
  answer = OK .. "\r\n", answer_ends = true, client = OK .. "%via11%" .. CHUNKED .. "\r\n0\r\n\r\n", keeps = true,
})
add("until-close", "that looks like chunks and ends with the connection", {
  answer = OK .. "\r\n0\r\n\r\n", answer_ends = true,
  client = OK .. "%via11%" .. CHUNKED .. "\r\n5\r\n0\r\n\r\n\r\n0\r\n\r\n", keeps = true,
})
add("until-close", "that looks like another response and ends with the connection", {
  answer = OK .. "\r\n" .. OK .. "Content-Length: 0\r\n\r\n", answer_ends = true,
  client = OK .. "%via11%" .. CHUNKED .. "\r\n26\r\n" .. OK .. "Content-Length: 0\r\n\r\n\r\n0\r\n\r\n", keeps = true,
})
add("until-close", "that ends with the connection, for an HTTP/1.0 client", {
  send = GET_1_0, answer = OK .. "\r\nhello", answer_ends = true, keeps = false,
  client = OK .. "%via11%Connection: close\r\n\r\nhello",
})
add("until-close", "that ends with the connection, for an HTTP/1.0 client that would keep its own", {
  send = "GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n", answer = OK .. "\r\nhello",
  answer_ends = true, keeps = false, client = OK .. "%via11%Connection: close\r\n\r\nhello",
})
add("until-close", "that ends with a reset of the connection", {
  answer = { OK .. "\r\nhello", { peer_got = "hello" } }, answer_resets = true,
  client = OK .. "%via11%" .. CHUNKED .. "\r\n5\r\nhello\r\n", cut = true,
})
add("until-close", "that ends with a reset of the connection, for an HTTP/1.0 client", {
  send = GET_1_0, answer = { OK .. "\r\nhello", { peer_got = "hello" } }, answer_resets = true,
  client = OK .. "%via11%Connection: close\r\n\r\nhello", cut = true,
})

-- Chunks for those who know none.
add("chunks-decoded", "in chunks, for an HTTP/1.0 client", {
  send = GET_1_0, answer = OK .. CHUNKED .. "\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", keeps = false,
  client = OK .. "%via11%Connection: close\r\n\r\nhello!",
})
add("chunks-decoded", "in chunks with extensions and trailers, for an HTTP/1.0 client", {
  send = GET_1_0, answer = OK .. CHUNKED .. "\r\n5;a=b\r\nhello\r\n0\r\nX-T: 1\r\n\r\n", keeps = false,
  client = OK .. "%via11%Connection: close\r\n\r\nhello",
})
add("chunks-decoded", "in chunks, for an HTTP/1.0 client that would keep its connection", {
  send = "GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n", answer = OK .. CHUNKED .. "\r\n" .. CHUNKS,
  keeps = false, client = OK .. "%via11%Connection: close\r\n\r\nhello",
})
add("chunks-decoded", "in chunks without any content, for an HTTP/1.0 client", {
  send = GET_1_0, answer = OK .. CHUNKED .. "\r\n0\r\n\r\n", client = OK .. "%via11%Connection: close\r\n\r\n",
  keeps = false,
})

-- Shorter than promised: visible as unfinished.
add("cut-visible", "shorter than its length", {
  answer = OK .. "Content-Length: 10\r\n\r\nshort", answer_ends = true,
  client = OK .. "%via11%Content-Length: 10\r\n\r\nshort", cut = true,
})
add("cut-visible", "shorter than the largest length, 2^63 - 1", {
  answer = OK .. "Content-Length: 09223372036854775807\r\n\r\nshort", answer_ends = true,
  client = OK .. "%via11%Content-Length: 9223372036854775807\r\n\r\nshort", cut = true,
})
add("cut-visible", "of nothing but a head that promises a body", {
  answer = { OK .. "Content-Length: 10\r\n\r\n", { peer_got = "\r\n\r\n" } }, answer_ends = true,
  client = OK .. "%via11%Content-Length: 10\r\n\r\n", cut = true,
})
add("cut-visible", "shorter than its length, ended by a reset", {
  answer = { OK .. "Content-Length: 10\r\n\r\nshort", { peer_got = "short" } }, answer_resets = true,
  client = OK .. "%via11%Content-Length: 10\r\n\r\nshort", cut = true,
})
add("cut-visible", "shorter than its length, for an HTTP/1.0 client", {
  send = GET_1_0, answer = OK .. "Content-Length: 10\r\n\r\nshort", answer_ends = true,
  client = OK .. "%via11%Content-Length: 10\r\nConnection: close\r\n\r\nshort", cut = true,
})
add("cut-visible", "in chunks without the last one", {
  answer = OK .. CHUNKED .. "\r\n5\r\nshort\r\n", answer_ends = true,
  client = OK .. "%via11%" .. CHUNKED .. "\r\n5\r\nshort\r\n", cut = true,
})
add("cut-visible", "in chunks that ends inside one", {
  answer = OK .. CHUNKED .. "\r\na\r\nshort", answer_ends = true,
  client = OK .. "%via11%" .. CHUNKED .. "\r\n5\r\nshort\r\n", cut = true,
})
add("cut-visible", "in chunks that ends inside a size", {
  answer = OK .. CHUNKED .. "\r\n5\r\nshort\r\n1", answer_ends = true,
  client = OK .. "%via11%" .. CHUNKED .. "\r\n5\r\nshort\r\n", cut = true,
})
add("cut-visible", "in chunks that ends inside the last one", {
  answer = OK .. CHUNKED .. "\r\n5\r\nshort\r\n0\r\n", answer_ends = true,
  client = OK .. "%via11%" .. CHUNKED .. "\r\n5\r\nshort\r\n", cut = true,
})
add("cut-visible", "in chunks that ends inside the trailers", {
  answer = OK .. CHUNKED .. "\r\n5\r\nshort\r\n0\r\nX-T: 1\r\n", answer_ends = true,
  client = OK .. "%via11%" .. CHUNKED .. "\r\n5\r\nshort\r\n", cut = true,
})
add("cut-visible", "in chunks without the last one, for an HTTP/1.0 client", {
  send = GET_1_0, answer = { OK .. CHUNKED .. "\r\n5\r\nshort\r\n", { peer_got = "short" } }, answer_ends = true,
  client = OK .. "%via11%Connection: close\r\n\r\nshort", cut = true,
})
add("cut-visible", "in chunks that ends with a reset", {
  answer = { OK .. CHUNKED .. "\r\n5\r\nshort\r\n", { peer_got = "short" } }, answer_resets = true,
  client = OK .. "%via11%" .. CHUNKED .. "\r\n5\r\nshort\r\n", cut = true,
})
refuses("cut-visible", "that ends inside its head", OK .. "X-A: b\r\n", { answer_ends = true })
refuses("cut-visible", "that ends inside its status line", "HTTP/1.1 20", { answer_ends = true })
-- On a connection that has been used before it may be stale: the request goes out once more.
refuses("cut-visible", "that is the end of the connection and nothing else", {},
  { answer_ends = true, backend = { SEEN, SEEN:rep(2) } })
refuses("cut-visible", "that is a reset and nothing else", {},
  { answer_resets = true, backend = { SEEN, SEEN:rep(2) } })

return cases
