-- Where a request's body ends: Content-Length and Transfer-Encoding.
local cases = require("spec.support.cases").new()
local request, forwarded = cases.request, cases.forwarded

local function post(fields, body) return request(fields, "POST") .. (body or "") end

local function posted(fields, body) return forwarded(fields, "POST") .. (body or "") end

local CHUNKS = "5\r\nhello\r\n0\r\n\r\n"

-- RFC 9110, 8.6; RFC 9112, 6.3: digits, once.
local LENGTHS = {
  { "two different lengths", "Content-Length: 5\r\nContent-Length: 6\r\n" },
  { "two different lengths, the longer first", "Content-Length: 6\r\nContent-Length: 5\r\n" },
  { "two equal lengths", "Content-Length: 5\r\nContent-Length: 5\r\n" },
  { "two equal lengths of another letter case", "Content-Length: 5\r\nX-A: b\r\ncontent-length: 5\r\n" },
  { "two lengths of 0", "Content-Length: 0\r\nContent-Length: 0\r\n" },
  { "a length and one without a value", "Content-Length: 5\r\nContent-Length:\r\n" },
  { "no value and a length", "Content-Length:\r\nContent-Length: 5\r\n" },
  { "no value", "Content-Length:\r\n" },
  { "a space for a value", "Content-Length: \r\n" },
}
for _, case in ipairs(LENGTHS) do cases:refused("content-length", case[1], post(case[2], "hello")) end
for _, value in ipairs {
  "5, 5", "5,5", "5, 6", "5,", ",5", "+5", "-5", "-0", "0x5", "0X5", "5h", "0b101", "5 5", "5 0", "5\t0", "5_0",
  "5.0", "5,0", "5e0", '"5"', "'5'", "5;", "5;a=b", "five", "5\160", "\195\1785", "18446744073709551616",
  "18446744073709551621", "99999999999999999999999999999999", "100000000000000000000000000000005",
  "-18446744073709551611", "9223372036854775808", "18446744073709551615", "009223372036854775808", "NaN", "5/1", "#5",
} do
  cases:refused("content-length", ("the length %q"):format(value), post("Content-Length: " .. value .. "\r\n", "hello"))
end
for _, value in ipairs { "5\0", "\0005", "5\11", "\115", "5\12" } do
  cases:refused("content-length", ("a length with a control byte, %q"):format(value),
    post("Content-Length: " .. value .. "\r\n", "hello"))
end
cases:refused("content-length", "a length of 0 and another of 5", post("Content-Length: 0\r\nContent-Length: 5\r\n"))
cases:refused("content-length", "two lengths in HTTP/1.0",
  "POST / HTTP/1.0\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello")
local FIVE = posted("Content-Length: 5\r\n", "hello")
cases:passes("content-length", "a length", post("Content-Length: 5\r\n", "hello"), FIVE)
cases:passes("content-length", "a length with zeros in front",
  post("Content-Length: 0000000000000000000005\r\n", "hello"), FIVE)
cases:passes("content-length", "white space around a length", post("Content-Length: \t 5 \t\r\n", "hello"), FIVE)
cases:passes("content-length", "no white space before a length", post("Content-Length:5\r\n", "hello"), FIVE)
cases:passes("content-length", "a length in another letter case, behind others",
  post("X-A: b\r\ncONTENT-lENGTH: 5\r\nX-C: d\r\n", "hello"),
  posted("X-A: b\r\nX-C: d\r\nContent-Length: 5\r\n", "hello"))
cases:passes("content-length", "a length of 0", post("Content-Length: 0\r\n"), posted("Content-Length: 0\r\n"))
cases:passes("content-length", "no length: no body", post("Content-Type: a/b\r\n"), posted("Content-Type: a/b\r\n"))
cases:passes("content-length", "a length of 0 in a GET", request("Content-Length: 0\r\n"),
  forwarded("Content-Length: 0\r\n"))
cases:passes("content-length", "the largest length, 2^63 - 1, of which little comes", {
  post("Content-Length: 9223372036854775807\r\n", "hello"), { got = "busy" } },
  posted("Content-Length: 9223372036854775807\r\n", "hello"), {
    keeps = false, backend_cut = true,
    answer = { { got = "hello" }, "HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nbusy" },
    client = "HTTP/1.1 503 No\r\n%via11%Content-Length: 4\r\nConnection: close\r\n\r\nbusy",
  })
for _, method in ipairs { "GET", "DELETE", "OPTIONS", "PUT" } do
  cases:passes("content-length", "a body of a " .. method, request("Content-Length: 5\r\n", method) .. "hello",
    forwarded("Content-Length: 5\r\n", method) .. "hello")
end
cases:passes("content-length", "a length in HTTP/1.0", "POST / HTTP/1.0\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
  posted("Content-Length: 5\r\n", "hello"), { keeps = false, connection = "close" })
cases:passes("content-length", "every byte there is as a body",
  post("Content-Length: 256\r\n", ("0"):rep(256):gsub("()0", function(at) return string.char(at - 1) end)))
cases[#cases].backend = posted("Content-Length: 256\r\n", cases[#cases].send:match "\r\n\r\n(.*)$")

-- RFC 9112, 6.1 and 7: one field, one value, chunked.
local CODED = posted("Transfer-Encoding: chunked\r\n", CHUNKS)
for _, value in ipairs { "chunked", "Chunked", "CHUNKED", "cHuNkEd" } do
  cases:passes("transfer-encoding", "the coding " .. value,
    post("Transfer-Encoding: " .. value .. "\r\n", CHUNKS), CODED)
end
cases:passes("transfer-encoding", "white space around the coding", post("Transfer-Encoding: \t chunked \t\r\n", CHUNKS),
  CODED)
cases:passes("transfer-encoding", "a tab before the coding", post("Transfer-Encoding:\tchunked\r\n", CHUNKS), CODED)
cases:passes("transfer-encoding", "no white space before the coding", post("Transfer-Encoding:chunked\r\n", CHUNKS),
  CODED)
cases:passes("transfer-encoding", "the field in capitals, behind others",
  post("TRANSFER-ENCODING: chunked\r\nX-A: b\r\n", CHUNKS), posted("X-A: b\r\nTransfer-Encoding: chunked\r\n", CHUNKS))
cases:passes("transfer-encoding", "chunks of a GET", request("Transfer-Encoding: chunked\r\n") .. CHUNKS,
  forwarded "Transfer-Encoding: chunked\r\n" .. CHUNKS)
for _, value in ipairs {
  "xchunked", "chunkedx", "chunke", "chunk", "chunked-", "x chunked", "chunked x", "chunked chunked",
  "chunked, chunked", "chunked,chunked", "chunked, identity", "chunked, gzip", "chunked, x", "identity", "gzip",
  "deflate", "x-nothing",
  "cow", "chunked;q=1", "chunked;", "chunked; a=b", '"chunked"', "'chunked'", "(chunked)", "chunked/1.0", "=chunked",
  "0", "5", "close", "chunked\\", "ch\\unked", "%63hunked", "chunked\160", "\160chunked", "ch\197\169nked",
  "\226\128\139chunked",
} do
  cases:refused("transfer-encoding", ("the coding %q"):format(value),
    post("Transfer-Encoding: " .. value .. "\r\n", CHUNKS), { 400, 501 })
end
-- An empty member of the list is nobody's coding, and not everybody's way to read it.
for _, value in ipairs { "chunked,", ",chunked", ", chunked", "chunked, ,", ",", "" } do
  cases:refused("transfer-encoding", ("the coding %q"):format(value),
    post("Transfer-Encoding: " .. value .. "\r\n", CHUNKS), { 400, 501 })
end
for _, value in ipairs { "gzip, chunked", "identity, chunked", "x, chunked", "gzip;q=1, chunked",
  "chunked, gzip, chunked" } do
  cases:refused("transfer-encoding", ("a coding below the chunks, %q"):format(value),
    post("Transfer-Encoding: " .. value .. "\r\n", CHUNKS), { 400, 501 })
end
for _, value in ipairs { "chunked\0", "\0chunked", "chu\0nked", "chunked\11", "\11chunked", "chunked\12", "\12chunked",
  "chunked\1", "\8chunked", "chunked\127" } do
  cases:refused("transfer-encoding", ("a coding with a control byte, %q"):format(value),
    post("Transfer-Encoding: " .. value .. "\r\n", CHUNKS))
end
local CODINGS = {
  { "two fields", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" },
  { "two fields of different letter case", "Transfer-Encoding: chunked\r\ntransfer-encoding: chunked\r\n" },
  { "two fields, the second another coding", "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n" },
  { "two fields, the first another coding", "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n" },
  { "two fields, identity first", "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n" },
  { "two fields, the first without a value", "Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n" },
  { "two fields, the second without a value", "Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n" },
  { "a field without a value", "Transfer-Encoding:\r\n" },
}
for _, case in ipairs(CODINGS) do cases:refused("transfer-encoding", case[1], post(case[2], CHUNKS), { 400, 501 }) end
cases:refused("transfer-encoding", "a space before the colon", post("Transfer-Encoding : chunked\r\n", CHUNKS))
cases:refused("transfer-encoding", "a space before the name", post("X-A: b\r\n Transfer-Encoding: chunked\r\n", CHUNKS))
cases:refused("transfer-encoding", "a NUL in the name", post("Transfer-Encoding\0: chunked\r\n", CHUNKS))
cases:refused("transfer-encoding", "a NUL before the name", post("\0Transfer-Encoding: chunked\r\n", CHUNKS))
cases:refused("transfer-encoding", "a line feed in the name", post("Transfer-\nEncoding: chunked\r\n", CHUNKS))
cases:refused("transfer-encoding", "a line feed behind the colon", post("Transfer-Encoding:\nchunked\r\n", CHUNKS))
for _, old in ipairs { "Transfer-Encoding: chunked\r\n", "Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n",
  "Transfer-Encoding: identity\r\n" } do
  cases:refused("transfer-encoding", "a coding in HTTP/1.0, " .. old:gsub("\r\n", ";"),
    ("POST / HTTP/1.0\r\nHost: x\r\n%s\r\n%s"):format(old, CHUNKS), { 400, 501 })
end

-- RFC 9112, 6.1 and 6.3: both fields are an attack.
local BOTH = {
  { "a length, then chunks", "Content-Length: 15\r\nTransfer-Encoding: chunked\r\n" },
  { "chunks, then a length", "Transfer-Encoding: chunked\r\nContent-Length: 15\r\n" },
  { "a length of 0, then chunks", "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n" },
  { "chunks, then a length that is none", "Transfer-Encoding: chunked\r\nContent-Length: x\r\n" },
  { "chunks, then a length without a value", "Transfer-Encoding: chunked\r\nContent-Length:\r\n" },
  { "a length, then identity", "Content-Length: 15\r\nTransfer-Encoding: identity\r\n" },
  { "a length, then no coding", "Content-Length: 15\r\nTransfer-Encoding:\r\n" },
  { "a length, then what looks like chunks", "Content-Length: 15\r\nTransfer-Encoding: xchunked\r\n" },
  { "a length, chunks and a length", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n" },
  { "a length and chunks that Connection names",
    "Content-Length: 15\r\nConnection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n" },
  { "chunks and a length that Connection names",
    "Connection: Content-Length\r\nContent-Length: 15\r\nTransfer-Encoding: chunked\r\n" },
}
for _, case in ipairs(BOTH) do cases:refused("both-framings", case[1], post(case[2], CHUNKS), { 400, 501 }) end
cases:refused("both-framings", "both in HTTP/1.0",
  "POST / HTTP/1.0\r\nHost: x\r\nContent-Length: 15\r\nTransfer-Encoding: chunked\r\n\r\n" .. CHUNKS, { 400, 501 })
cases:refused("both-framings", "the classic CL.TE", post("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
  "0\r\n\r\nG"))
cases:refused("both-framings", "the classic TE.CL", post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
  "5c\r\nGPOST / HTTP/1.1\r\nContent-Length: 15\r\n\r\nx=1\r\n0\r\n\r\n"))

-- A request in a body is a body: CL.0 and 0.CL rely on readers that disagree.
local INSIDE = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
local LENGTH = ("Content-Length: %d\r\n"):format(#INSIDE)
for _, method in ipairs { "POST", "GET", "HEAD", "OPTIONS", "DELETE", "TRACK" } do
  cases:passes("body-is-body", "a request as the body of a " .. method, request(LENGTH, method) .. INSIDE,
    forwarded(LENGTH, method) .. INSIDE,
    method == "HEAD" and { client = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n%via%\r\n" })
end
cases:passes("body-is-body", "a request in a chunk", post("Transfer-Encoding: chunked\r\n",
  ("%x\r\n%s\r\n0\r\n\r\n"):format(#INSIDE, INSIDE)), posted("Transfer-Encoding: chunked\r\n",
  ("%x\r\n%s\r\n0\r\n\r\n"):format(#INSIDE, INSIDE)))
cases:passes("body-is-body", "the last chunk in a chunk",
  post("Transfer-Encoding: chunked\r\n", "7\r\n0\r\n\r\n0\r\r\n0\r\n\r\n"),
  posted("Transfer-Encoding: chunked\r\n", "7\r\n0\r\n\r\n0\r\r\n0\r\n\r\n"))
cases:passes("body-is-body", "chunks in a counted body", post("Content-Length: 15\r\n", CHUNKS),
  posted("Content-Length: 15\r\n", CHUNKS))
cases:passes("body-is-body", "another one right behind a length of 0",
  post("Content-Length: 0\r\n") .. request("", "GET", "/2"),
  posted("Content-Length: 0\r\n") .. forwarded("", "GET", "/2"))
cases:passes("body-is-body", "another one right behind a body", post("Content-Length: 5\r\n", "hello") ..
  request("", "GET", "/2"), FIVE .. forwarded("", "GET", "/2"))

-- Names that a backend behind CGI could take for the real ones are not
-- forwarded; other look-alikes are.
for _, name in ipairs { "Content_Length", "content_length", "Content.Length", "Transfer_Encoding",
  "TRANSFER_encoding" } do
  cases:passes("look-alikes", "a field " .. name, request("X-A: b\r\n" .. name .. ": 5\r\nX-C: d\r\n"),
    forwarded "X-A: b\r\nX-C: d\r\n")
end
cases:passes("look-alikes", "a length and Content_Length",
  post("Content-Length: 5\r\nContent_Length: 6\r\n", "hello"), FIVE)
cases:passes("look-alikes", "a length and Transfer_Encoding",
  post("Content-Length: 5\r\nTransfer_Encoding: chunked\r\n", "hello"), FIVE)
local HARMLESS = "X-Content-Length: 6\r\nContent-Lengt: 7\r\nContent-Length2: 8\r\nContentLength: 9\r\n" ..
  "X-Transfer-Encoding: chunked\r\nTransfer-Encodin: chunked\r\nTransferEncoding: chunked\r\n" ..
  "Transfer-Encodings: chunked\r\n"
cases:passes("look-alikes", "fields that resemble those of framing", post(HARMLESS), posted(HARMLESS))

return cases
