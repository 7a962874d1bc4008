-- mutate - seeded mutations of requests and responses, the same on every machine.
--
--   mutate.random(seed, number, salt)   a generator: r:below(n) gives 0 to n - 1,
--                                       r:one_in(n), r:pick(list)
--   mutate.request(r, id, first)        bytes that a client might send: one to three requests. Each
--                                       has a token in target and body: id with seven digits, a
--                                       dot, and a digit from first (1) on
--   mutate.response(r, id, first)       bytes that a backend might send: a response,
--                                       sometimes two, with such tokens
--   mutate.mutate(r, bytes, other)      the bytes after zero to six mutations; some of these splice
--                                       bytes of other in
--   mutate.cuts(r, bytes)               the bytes as a list of pieces
--   mutate.escaped(bytes, most)         printable, on one line, as a Lua string; most: 4000 bytes

local bit = require "bit"

local mutate = {}

local band, bor, bxor, lshift, rshift, tobit = bit.band, bit.bor, bit.bxor, bit.lshift, bit.rshift, bit.tobit
local sub, rep, byte, char = string.sub, string.rep, string.byte, string.char

-- --- random numbers: xorshift, begun at a place that seed and number scatter ---

local function multiply(a, b) -- modulo 2^32, as a double holds no product of two such numbers
  return tobit(band(a, 0xffff) * b + lshift(tobit(band(rshift(a, 16), 0xffff) * b % 2 ^ 32), 16))
end

local function scatter(x)
  x = bxor(x, rshift(x, 16))
  x = multiply(x, 0x7feb352d)
  x = bxor(x, rshift(x, 15))
  x = multiply(x, 0x46ca6b)
  return bxor(x, rshift(x, 16))
end

local Random = {}
Random.__index = Random

function mutate.random(seed, number, salt)
  local state = scatter(tobit(seed + 0x9e3779b9))
  state = scatter(bxor(state, tobit(number * 2654435761 % 2 ^ 32)))
  state = scatter(bxor(state, tobit((salt or 0) * 40503 + 1)))
  return setmetatable({ state = state == 0 and 1 or state }, Random)
end

function Random:below(n)
  local x = self.state
  x = bxor(x, lshift(x, 13))
  x = bxor(x, rshift(x, 17))
  x = bxor(x, lshift(x, 5))
  self.state = x
  return rshift(x, 1) % n
end

function Random:one_in(n) return self:below(n) == 0 end
function Random:pick(list) return list[self:below(#list) + 1] end

-- --- what the mutations begin with ---

-- Written with "|" for CRLF. @ID@ is replaced, its length is always 9.
local function lines(text) return (text:gsub("|", "\r\n")) end

-- A request within a body: 49 bytes in all.
local HIDDEN = "GET /hidden-@ID@ HTTP/1.1|Host: a|X: 1||"
local requests = {
  "GET /@ID@ HTTP/1.1|Host: a.example||",
  "GET /@ID@?a=b&c=%20;d HTTP/1.1|Host: a.example:8080|User-Agent: m/1|Accept: */*|X-A: 1|x-a: 2|Cookie: a=b; c=d||",
  "HEAD /@ID@ HTTP/1.1|Host: a||",
  "DELETE /@ID@ HTTP/1.1|host:a|X-Empty:|X-Tab:\t a\tb \t||",
  "POST /@ID@ HTTP/1.1|Host: a|Content-Length: 14||body-@ID@",
  "POST /@ID@ HTTP/1.1|Host: a|Content-Length: 0||",
  "PUT /@ID@ HTTP/1.1|Host: a|Content-Type: text/plain|Content-Length: 49|Connection: keep-alive||" .. HIDDEN,
  "POST /@ID@ HTTP/1.1|Host: a|Transfer-Encoding: chunked||e|body-@ID@|0||",
  "POST /@ID@ HTTP/1.1|Host: a|Transfer-Encoding: Chunked||5|body-|9|@ID@|0||",
  "POST /@ID@ HTTP/1.1|Host: a|transfer-encoding: chunked|Trailer: X-Sum||" ..
    "00e;a=b;c=\"d e\";f|body-@ID@|31|" .. HIDDEN .. "|0;last|X-Sum: 1|X-Other: 2||",
  "PATCH /@ID@ HTTP/1.1|Host: a|TE: trailers|Connection: TE|Transfer-Encoding: chunked||e|body-@ID@|000|A: b||",
  "GET http://b.example/@ID@ HTTP/1.1|Host: a.example||",
  "POST http://b.example:81/@ID@?q HTTP/1.1|Host: b.example:81|Content-Length: 14||body-@ID@",
  "POST /@ID@ HTTP/1.1|Host: a|Expect: 100-continue|Content-Length: 14||body-@ID@",
  "PUT /@ID@ HTTP/1.1|Host: a|Expect: 100-Continue|Transfer-Encoding: chunked||e|body-@ID@|0||",
  "GET /@ID@ HTTP/1.1|Host: a|Connection: Upgrade|Upgrade: websocket|Sec-WebSocket-Version: 13|" ..
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==||early-@ID@",
  "GET /@ID@ HTTP/1.1|Host: a|Upgrade: h2c, x|Connection: upgrade, HTTP2-Settings|HTTP2-Settings: AAA||" .. HIDDEN,
  "GET /@ID@ HTTP/1.0||",
  "GET /@ID@ HTTP/1.0|Host: a|Connection: keep-alive||",
  "POST /@ID@ HTTP/1.0|Host: a|Content-Length: 14|Connection: keep-alive||body-@ID@",
  "OPTIONS * HTTP/1.1|Host: a|X-Id: @ID@||",
  "OPTIONS /@ID@ HTTP/1.1|Host: a|Max-Forwards: 5||",
  "TRACE /@ID@ HTTP/1.1|Host: a|Max-Forwards: 0|Cookie: secret||",
  "CONNECT a:80 HTTP/1.1|Host: a:80|X-Id: @ID@||",
  "BREW /@ID@ HTTP/1.1|Host: [::1]:80|Content-Length: 14||body-@ID@",
  "GET /@ID@ HTTP/1.1|Host: a|Connection: close, X-Secret, Host, Content-Length|X-Secret: 1|Keep-Alive: 5|" ..
    "Proxy-Connection: x|Proxy-Authorization: Basic x||",
  "POST /@ID@ HTTP/1.1|Host: a|Connection: transfer-encoding, te|Transfer-Encoding: chunked||e|body-@ID@|0||",
  "GET /@ID@ HTTP/1.1|Host: a|X-Forwarded-For: 1.2.3.4|X-Forwarded-Proto: https|Forwarded: for=1.2.3.4|Via: 1.1 x||",
  "||GET /@ID@ HTTP/1.1|Host: a|Content-Length: 0||",
  "POST /@ID@ HTTP/1.1|Host: a|Transfer-Encoding: chunked||e;a=\"b\\\"c;\\\\\"|body-@ID@|0||",
  -- and nearly valid ones
  "POST /@ID@ HTTP/1.1|Host: a|Content-Length: 14|Transfer-Encoding: chunked||e|body-@ID@|0||",
  "POST /@ID@ HTTP/1.1|Host: a|Transfer-Encoding: chunked|Content-Length: 5||0||" .. HIDDEN,
  "POST /@ID@ HTTP/1.1|Host: a|Content-Length: 14|Content-Length: 14||body-@ID@",
  "POST /@ID@ HTTP/1.1|Host: a|Content-Length: 5, 49||" .. HIDDEN,
  "POST /@ID@ HTTP/1.1|Host: a|Content-Length: +49||" .. HIDDEN,
  "POST /@ID@ HTTP/1.1|Host: a|Transfer-Encoding : chunked||0||" .. HIDDEN,
  "POST /@ID@ HTTP/1.1|Host: a|Transfer-Encoding: identity, chunked||0||" .. HIDDEN,
  "POST /@ID@ HTTP/1.1|Host: a|Transfer-Encoding: xchunked||0||" .. HIDDEN,
  "POST /@ID@ HTTP/1.1|Host: a|X: y| Transfer-Encoding: chunked||0||" .. HIDDEN,
  "POST /@ID@ HTTP/1.0|Host: a|Transfer-Encoding: chunked||0||" .. HIDDEN,
  "POST /@ID@ HTTP/1.1|Host: a|Transfer-Encoding: chunked||0x5|body-|0||" .. HIDDEN,
  "POST /@ID@ HTTP/1.1|Host: a|Transfer-Encoding: chunked||5;a\nb|body-|0||",
  "POST /@ID@ HTTP/1.1|Host: a|Transfer-Encoding: chunked||10000000000000005|body-|0||" .. HIDDEN,
  "GET /@ID@ HTTP/1.1|Host: a|Host: b||",
  "GET /@ID@ HTTP/1.1||",
  "GET /@ID@ http/1.1|Host: a||",
  "GET /@ID@|",
  "GET /@ID@ HTTP/2.0|Host: a||",
  "GET /@ID@ HTTP/1.1\nHost: a\n\n",
  "GET  /@ID@\tHTTP/1.1|Host: a||",
}

local HIDDEN_RESPONSE = "HTTP/1.1 200 OK|X-Token: hidden|Content-Length: 0||" -- 55 bytes
local responses = {
  "HTTP/1.1 200 OK|X-Token: @ID@|Content-Length: 14||body-@ID@",
  "HTTP/1.1 200 OK|X-Token: @ID@|Content-Length: 0||",
  "HTTP/1.1 200 OK|X-Token: @ID@|Content-Length: 55||" .. HIDDEN_RESPONSE,
  "HTTP/1.1 200 OK|X-Token: @ID@|Transfer-Encoding: chunked||e|body-@ID@|0||",
  "HTTP/1.1 200 OK|X-Token: @ID@|transfer-encoding: CHUNKED|Trailer: X-Sum||" ..
    "5;a=\"b\";c|body-|0009|@ID@|0|X-Sum: 1|B: c||",
  "HTTP/1.1 200 OK|X-Token: @ID@|Transfer-Encoding: chunked||37|" .. HIDDEN_RESPONSE .. "|0||",
  "HTTP/1.1 200 OK|X-Token: @ID@||body-@ID@",
  "HTTP/1.1 200 OK|X-Token: @ID@|Connection: close||body-@ID@",
  "HTTP/1.0 200 OK|X-Token: @ID@||body-@ID@",
  "HTTP/1.0 200 OK|X-Token: @ID@|Connection: keep-alive|Content-Length: 14||body-@ID@",
  "HTTP/1.1 204 No Content|X-Token: @ID@||",
  "HTTP/1.1 204 No Content|X-Token: @ID@|Content-Length: 14||body-@ID@",
  "HTTP/1.1 304 Not Modified|X-Token: @ID@|Content-Length: 14|ETag: \"a\"||",
  "HTTP/1.1 304 Not Modified|X-Token: @ID@|Transfer-Encoding: chunked||",
  "HTTP/1.1 100 Continue||HTTP/1.1 200 OK|X-Token: @ID@|Content-Length: 14||body-@ID@",
  "HTTP/1.1 103 Early Hints|Link: </a>||HTTP/1.1 103 Early Hints|Link: </b>||" ..
    "HTTP/1.1 200 OK|X-Token: @ID@|Transfer-Encoding: chunked||e|body-@ID@|0||",
  "HTTP/1.1 101 Switching Protocols|Connection: Upgrade|Upgrade: websocket|X-Token: @ID@||early-@ID@",
  "HTTP/1.1 101 Switching Protocols|Connection: Upgrade|Upgrade: h2c|X-Token: @ID@||early-@ID@",
  "HTTP/1.1 500 Internal Server Error|X-Token: @ID@|Content-Length: 14|Set-Cookie: a=b|set-cookie: c=d||body-@ID@",
  "HTTP/1.1 407 Proxy Authentication Required|X-Token: @ID@|Proxy-Authenticate: Basic|Content-Length: 0||",
  "HTTP/1.1 200 |X-Token: @ID@|Connection: keep-alive, X-Drop|X-Drop: 1|Keep-Alive: x|Content-Length: 14||body-@ID@",
  "HTTP/1.1 200|X-Token: @ID@|Content-Length: 14||body-@ID@",
  "HTTP/1.1 200 OK|X-Token: @ID@|Content-Length: 14||body-@ID@" .. HIDDEN_RESPONSE,
  "HTTP/1.1 200 OK|X-Token: @ID@|Date: Thu, 01 Jan 1970 00:00:00 GMT|Server: x|Via: 1.1 y|Content-Length: 0||",
  -- and nearly valid ones
  "HTTP/1.1 200 OK|X-Token: @ID@|Content-Length: 14|Transfer-Encoding: chunked||e|body-@ID@|0||",
  "HTTP/1.1 200 OK|X-Token: @ID@|Content-Length: 14|Content-Length: 15||body-@ID@.",
  "HTTP/1.1 200 OK|X-Token: @ID@|Content-Length: 14, 14||body-@ID@",
  "HTTP/1.1 200 OK|X-Token: @ID@|Content-Length: -14||body-@ID@",
  "HTTP/1.1 200 OK|X-Token: @ID@|Content-Length: 20||body-@ID@",
  "HTTP/1.1 200 OK|X-Token: @ID@|Transfer-Encoding: gzip, chunked||e|body-@ID@|0||",
  "HTTP/1.1 200 OK|X-Token: @ID@|Transfer-Encoding: gzip||body-@ID@",
  "HTTP/1.0 200 OK|X-Token: @ID@|Transfer-Encoding: chunked||e|body-@ID@|0||",
  "HTTP/1.1 200 OK|X-Token: @ID@|Transfer-Encoding: chunked||e|body-@ID@|",
  "HTTP/1.1 200 OK|X-Token: @ID@|Transfer-Encoding: chunked||-e|body-@ID@|0||",
  "HTTP/1.1 200 OK|X-Token : @ID@|Content-Length: 14||body-@ID@",
  "HTTP/1.1 200 OK\nX-Token: @ID@\nContent-Length: 14\n\nbody-@ID@",
  "HTTP/1.1 2000 OK|X-Token: @ID@|Content-Length: 14||body-@ID@",
  "HTTP/2 200|X-Token: @ID@||body-@ID@",
  "body-@ID@ without a head",
  "||HTTP/1.1 200 OK|X-Token: @ID@|Content-Length: 0||",
}

for _, list in ipairs { requests, responses } do
  for i, text in ipairs(list) do list[i] = lines(text) end
end

local function built(r, list, id, first, count)
  local parts = {}
  for i = 1, count do
    parts[i] = (r:pick(list):gsub("@ID@", ("%07d.%d"):format(id % 1e7, first + i - 1)))
  end
  return table.concat(parts)
end

function mutate.request(r, id, first)
  local count = r:below(10)
  return built(r, requests, id, first or 1, count < 6 and 1 or count < 9 and 2 or 3)
end

function mutate.response(r, id, first) return built(r, responses, id, first or 1, r:one_in(8) and 2 or 1) end

-- --- mutations: each a function from bytes to bytes ---

local tokens = {
  "\r", "\n", "\r\n", "\r\n\r\n", "\n\n", "\0", "\t", " ", "  ", "\11", "\127", "\128", "\255", ":", ",", ";", "=",
  "\"", "/", "?", "#", "%", "@", "*", "0", "0\r\n\r\n", "0\r\n", "\r\n0\r\n\r\n", "\r\n ", "\r\n\t", " \r\n",
  "chunked", " HTTP/1.1", "HTTP/1.0", "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
  "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "ffffffffffffffff", "7fffffffffffffff", "-1", "0x",
  "18446744073709551616", "close", "100-continue", "h2c", "\195\188",
}
local inserted_lines = {
  "Transfer-Encoding: chunked", "Transfer-Encoding: identity", "Transfer-Encoding : chunked",
  "Transfer-Encoding:\11chunked", "Transfer-Encoding: chunked, chunked", "transfer-encoding:chunked",
  "Transfer-Encoding: \"chunked\"", "Transfer-Encoding:", " Transfer-Encoding: chunked", "\tContent-Length: 5",
  "Content-Length: 5", "Content-Length: 0", "Content-Length:", "Content-Length: 05", "Content-Length: 5,5",
  "content-length : 5", "Content-Length: 0x5", "Content-Length: 5 5", "Content-Length: 99999999999999999999",
  "Content-Length: -5", "Content-Length: 5\11", "Host: b", "Host: b:80", "Host:", "Connection: close",
  "Connection: keep-alive", "Connection: Content-Length, Transfer-Encoding", "Connection: upgrade",
  "Upgrade: websocket", "Upgrade: h2c", "Expect: 100-continue", "Expect: x", "TE: trailers, gzip",
  "Trailer: Content-Length", "Max-Forwards: 0", "Via: 1.1 lb", "X: \0", "X:\r", ": x", "X", "", " ", "\r", "0", "5",
  "GET / HTTP/1.1", "HTTP/1.1 100 Continue", "Set-Cookie: a", "Proxy-Connection: keep-alive",
  "X-Forwarded-For: 9.9.9.9", "Keep-Alive: timeout=5",
}
local numbers = {
  "0", "00", "1", "4", "5", "6", "13", "15", "e", "f", "10", "0e", "0xe", "+5", "-1", "-0", "1e1", "5.0",
  "0000000000000000000e", "2147483648", "4294967296", "4294967310", "9223372036854775807", "9223372036854775808",
  "18446744073709551615", "18446744073709551616", "18446744073709551630", "100000000000000000",
  "10000000000000000000000000000e", "ffffffff", "fffffffffffffff2", "ffffffffffffffff", "1000000000000000e",
  "99999999999999999999999999999999999", " 5", "5 ", "5\t", "5;", "5,5", "5, 6", "\"5\"", "",
}

local line_ends = { "\n", "\r", "", " \r\n", "\r\r\n", "\n\r", "\r\n ", "\r\n\t", "\0\r\n" }
local repeated = { "a", " ", "\r\n", "0", "X: y\r\n", "%", ";a" }

local function place(r, bytes) return r:below(#bytes + 1) end

local function span(r, bytes, most)
  local from = r:below(#bytes) + 1
  return from, math.min(#bytes, from + r:below(most))
end

-- The lines, each with its end; the places between them are where mutations of lines work.
local function split_lines(bytes)
  local list, count = {}, 0
  for line in bytes:gmatch "[^\n]*\n?" do
    if line ~= "" then
      count = count + 1
      list[count] = line
    end
  end
  return list
end

local function change_byte(r, bytes, value)
  local at = r:below(#bytes) + 1
  return sub(bytes, 1, at - 1) .. char(value(byte(bytes, at))) .. sub(bytes, at + 1)
end

local function at_lines(change)
  return function(r, bytes)
    local list = split_lines(bytes)
    change(r, list)
    return table.concat(list)
  end
end

local operations = {
  function(r, bytes) -- one bit
    return change_byte(r, bytes, function(c) return bxor(c, lshift(1, r:below(8))) end)
  end,
  function(r, bytes) -- one byte
    return change_byte(r, bytes, function() return r:below(256) end)
  end,
  function(r, bytes) -- the letter case
    return change_byte(r, bytes, function(c) return bor(c, 0) >= 65 and bxor(c, 0x20) or c end)
  end,
  function(r, bytes) -- bytes away
    local from, to = span(r, bytes, r:one_in(4) and 64 or 3)
    return sub(bytes, 1, from - 1) .. sub(bytes, to + 1)
  end,
  function(r, bytes) -- bytes twice
    local from, to = span(r, bytes, r:one_in(3) and 64 or 4)
    return sub(bytes, 1, to) .. sub(bytes, from)
  end,
  function(r, bytes) -- two places swapped
    local a, b = r:below(#bytes) + 1, r:below(#bytes) + 1
    if a > b then a, b = b, a end
    if a == b then return bytes end
    return sub(bytes, 1, a - 1) .. sub(bytes, b, b) .. sub(bytes, a + 1, b - 1) .. sub(bytes, a, a) .. sub(bytes, b + 1)
  end,
  function(r, bytes) -- a dangerous token, anywhere
    local at = place(r, bytes)
    return sub(bytes, 1, at) .. r:pick(tokens) .. sub(bytes, at + 1)
  end,
  function(r, bytes) -- a dangerous token where it hurts: next to a separator
    local places = {}
    for at in bytes:gmatch "()[\r\n:;, =]" do places[#places + 1] = at end
    local at = (places[1] and r:pick(places) or 1) - r:below(2)
    return sub(bytes, 1, at) .. r:pick(tokens) .. sub(bytes, at + 1)
  end,
  function(r, bytes) -- a number
    local places = {}
    for from, to in bytes:gmatch "()%x+()" do places[#places + 1] = { from, to } end
    if #places == 0 then return bytes end
    local one = r:pick(places)
    return sub(bytes, 1, one[1] - 1) .. r:pick(numbers) .. sub(bytes, one[2])
  end,
  function(r, bytes) -- the number of a length or of a chunk
    local places = {}
    for from, to in bytes:gmatch "[\r\n ]()%x+()[\r;]" do places[#places + 1] = { from, to } end
    if #places == 0 then return bytes end
    local one = r:pick(places)
    return sub(bytes, 1, one[1] - 1) .. r:pick(numbers) .. sub(bytes, one[2])
  end,
  function(_, bytes, other, r2) -- the beginning of one, the end of another
    return sub(bytes, 1, place(r2, bytes)) .. sub(other, place(r2, other) + 1)
  end,
  at_lines(function(r, list) table.remove(list, r:below(#list) + 1) end),
  at_lines(function(r, list) table.insert(list, r:below(#list) + 1, r:pick(list)) end),
  at_lines(function(r, list)
    local a, b = r:below(#list) + 1, r:below(#list) + 1
    list[a], list[b] = list[b], list[a]
  end),
  at_lines(function(r, list)
    local line_end = r:one_in(10) and r:pick { "\n", "\r", "", "\r\r\n", "\n\r\n" } or "\r\n"
    table.insert(list, math.min(#list, r:below(8) + 1) + r:below(2), r:pick(inserted_lines) .. line_end)
  end),
  at_lines(function(r, list) -- another line's end
    local at = r:below(#list) + 1
    list[at] = list[at]:gsub("\r?\n$", "") .. r:pick(line_ends)
  end),
  function(r, bytes) -- cut short
    return sub(bytes, 1, place(r, bytes))
  end,
}
-- Rarely, as they are long: beyond the limits.
local long = {
  function(r, bytes)
    local at = place(r, bytes)
    return sub(bytes, 1, at) .. rep(r:pick(repeated), 1 + r:below(9000)) .. sub(bytes, at + 1)
  end,
  at_lines(function(r, list)
    local at = r:below(#list) + 1
    list[at] = rep(list[at], 1 + r:below(300))
  end),
}

function mutate.mutate(r, bytes, other)
  local count = r:below(12)
  count = count == 0 and 0 or count < 6 and 1 or count < 9 and 2 or count - 6
  for _ = 1, count do
    if bytes == "" then break end
    bytes = r:pick(r:one_in(200) and long or operations)(r, bytes, other, r)
  end
  return bytes
end

-- --- cuts into writes, and how bytes are shown ---

function mutate.cuts(r, bytes)
  local kind = r:below(32)
  local size = #bytes
  if kind < 12 or size < 2 then return { bytes } end
  local pieces, at = {}, 1
  if kind == 12 and size < 400 then
    for i = 1, size do pieces[i] = sub(bytes, i, i) end
    return pieces
  end
  for _ = 1, 1 + kind % 4 do
    local stop = math.min(size, at + r:below(kind % 3 == 0 and 8 or size))
    pieces[#pieces + 1] = sub(bytes, at, stop)
    at = stop + 1
    if at > size then return pieces end
  end
  pieces[#pieces + 1] = sub(bytes, at)
  return pieces
end

local NAMED = { ["\r"] = "\\r", ["\n"] = "\\n", ["\t"] = "\\t", ["\\"] = "\\\\", ["\""] = "\\\"" }

function mutate.escaped(bytes, most)
  most = most or 4000
  local shown = sub(bytes, 1, most):gsub("[%c\"\\\128-\255]", function(c)
    return NAMED[c] or ("\\x%02x"):format(byte(c))
  end)
  return '"' .. shown .. '"' .. (#bytes > most and (" and %d bytes more"):format(#bytes - most) or "")
end

return mutate
