-- Fields of requests over HTTP/2: pseudo-fields, names and values, fields of the connection, hosts,
-- lengths, cookies and trailers (RFC 9113, 8.1 to 8.3), and what others have made of them: requests
-- that mean something else in HTTP/1.1 (H2.CL, H2.TE, and bytes that end a line there).
local frames = require "spec.support.h2_frames"
local hpack = require "spec.support.hpack"
local cases = require("spec.support.h2_cases").new()
local head, forwarded, answer = cases.head, cases.forwarded, cases.answer

local SEEN = forwarded()
local POST = { method = "POST", open_end = true }
local BODY = frames.data(3, "body", { last = true })

local function refused(rule, name, text, more) cases:stream_error(rule, name, head(text, more), "PROTOCOL_ERROR") end

local function refused_list(rule, name, list)
  cases:stream_error(rule, name, frames.headers(3, list, { last = true }), "PROTOCOL_ERROR")
end

local function with_post(fields, more)
  local all = { method = "POST", open_end = true }
  for key, value in pairs(more or {}) do all[key] = value end
  return head(fields, all)
end

-- --- 8.3: pseudo-fields ---

local M, S, P, A = { ":method", "GET" }, { ":scheme", "http" }, { ":path", "/" }, { ":authority", "x" }

cases:passes("h2-pseudo", "pseudo-fields in another order", frames.headers(3, { P, A, S, M }, { last = true }), SEEN)
refused_list("h2-pseudo", "no :method", { S, P, A })
refused_list("h2-pseudo", "no :scheme", { M, P, A })
refused_list("h2-pseudo", "no :path", { M, S, A })
refused_list("h2-pseudo", "no pseudo-field", { { "host", "x" } })
refused_list("h2-pseudo", "a block without a field", {})
for name, pair in pairs { [":method"] = M, [":scheme"] = S, [":path"] = P, [":authority"] = A } do
  refused_list("h2-pseudo", "two " .. name, { M, S, P, A, pair })
  refused_list("h2-pseudo", name .. " behind a field", (function()
    local list = {}
    for _, one in ipairs { M, S, P, A } do
      if one ~= pair then list[#list + 1] = one end
    end
    list[#list + 1] = { "x-a", "1" }
    list[#list + 1] = pair
    return list
  end)())
  refused_list("h2-pseudo", name .. " in capitals", (function()
    local list = {}
    for _, one in ipairs { M, S, P, A } do list[#list + 1] = one ~= pair and one or { name:upper(), one[2] } end
    return list
  end)())
end
refused_list("h2-pseudo", "another :method behind the first", { M, { ":method", "POST" }, S, P, A })
refused_list("h2-pseudo", "another :path behind the first", { M, S, P, { ":path", "/admin" }, A })
refused("h2-pseudo", ":status in a request", { { ":status", "200" } })
refused("h2-pseudo", "an unknown pseudo-field", { { ":test", "1" } })
refused("h2-pseudo", "a pseudo-field without a name", { { ":", "1" } })
refused("h2-pseudo", "a field without a name", { { "", "1" } })
refused("h2-pseudo", ":protocol without CONNECT", { { ":protocol", "websocket" } })
refused("h2-pseudo", ":method empty", nil, { method = "" })
refused("h2-pseudo", ":path empty", nil, { path = "" })
refused("h2-pseudo", ":scheme empty", nil, { scheme = "" })
cases:passes("h2-pseudo", "a method that nobody has defined", head(nil, { method = "BREW" }), forwarded(nil, "BREW"))
cases:passes("h2-pseudo", "a method in small letters", head(nil, { method = "get" }), forwarded(nil, "get"))
cases:passes("h2-pseudo", "OPTIONS of *", head(nil, { method = "OPTIONS", path = "*" }), forwarded(nil, "OPTIONS", "*"))
cases:passes("h2-pseudo", "https as scheme", head(nil, { scheme = "https" }), SEEN)
for _, method in ipairs { "GE T", "GET ", " GET", "GET\t", "GET\r\n", "GET / HTTP/1.1\r\nX: y\r\n", "G\0T", "G(T",
  "GET:",
  "\195\132", "G\"T", "GET\11", "G@T" } do
  refused("h2-method", (":method %q"):format(method), nil, { method = method })
end
for _, path in ipairs { "a", "//x y", "/ ", "/a b", "/\t", "/\r\n", "/\n", "/\r", "/\0", "/ HTTP/1.1\r\nX: y", "/a#b",
  "?a",
  "/\127", "/\31", "/\195\164", "/ HTTP/1.1", "http://x/", "x:80", "*", "/\11", "../", "\\" } do
  refused("h2-path", (":path %q"):format(path), nil, { path = path })
end
for _, path in ipairs { "/a?b=c&d", "/%00%0d%0a", "//a", "/..", "/a;b=c", "/a/../b", "/?", "/a%20b", "/*", "/:80",
  "/!$&'()+,=@_~" } do
  cases:passes("h2-path", (":path %q"):format(path), head(nil, { path = path }), forwarded(nil, "GET", path))
end
for _, scheme in ipairs { "ftp", "ws", "http://", "HTTP ", "ht tp", "http\r\n", "http\0", "http: //x/ HTTP/1.1\r\n" } do
  refused("h2-scheme", (":scheme %q"):format(scheme), nil, { scheme = scheme })
end

-- --- 8.3.1: :authority and Host ---

for _, one in ipairs { "x:80", "example.test", "127.0.0.1:3000", "[::1]", "[::1]:80", "EXAMPLE.test" } do
  cases:passes("h2-authority", ":authority " .. one, head(nil, { authority = one }),
    ("GET / HTTP/1.1\r\nHost: %s\r\n%%added%%\r\n"):format(one))
end
for _, one in ipairs { "", "u@x", "u:p@x", "x y", "x\r\nX-A: 1", "x\0", "x/y", "x,y", "x?", "x#", "x:y", "x:99999",
  "[::1", "x\t",
  " x", "x ", "http://x", "x:80:80", "\195\164", "x\127", "x\\y", "x\"" } do
  cases:add { rule = "h2-authority", name = (":authority %q"):format(one), send = head(nil, { authority = one }),
    backend = false, streams = { [3] = { refused = true } } }
end
cases:passes("h2-authority", "host without :authority", head("host: x", { authority = false }), SEEN)
cases:passes("h2-authority", "host behind other fields, without :authority",
  head("x-a: 1\nhost: x", { authority = false }), { forwarded "x-a: 1\r\n",
    "GET / HTTP/1.1\r\nx-a: 1\r\nHost: x\r\n%added%\r\n" })
cases:passes("h2-authority", "host that says the same", head("host: x"), SEEN)
cases:passes("h2-authority", "host that says the same in capitals", head("host: X"),
  { SEEN, (SEEN:gsub("Host: x", "Host: X")) })
cases:passes("h2-authority", "host with the port that goes without saying", head("host: x:80"),
  { SEEN, (SEEN:gsub("Host: x", "Host: x:80")) })
for name, case in pairs {
  ["another host"] = { "host: y" }, ["another port"] = { "host: x:81" },
    ["two hosts, the first the same"] = { "host: x\nhost: y" },
  ["two hosts that say the same"] = { "host: x\nhost: x" }, ["an empty host"] = { "host:" },
  ["two hosts without :authority"] = { "host: x\nhost: y", { authority = false } },
  ["two equal hosts without :authority"] = { "host: x\nhost: x", { authority = false } },
  ["an empty host without :authority"] = { "host:", { authority = false } },
  ["neither host nor :authority"] = { nil, { authority = false } },
  ["a host with a user"] = { "host: u@x" }, ["a host with a comma"] = { "host: x, y", { authority = false } },
  ["a host with a space"] = { "host: x y", { authority = false } },
} do
  cases:add { rule = "h2-authority", name = name, send = head(case[1], case[2]), backend = false,
    streams = { [3] = { refused = true } } }
end

-- --- 8.2.1: names and values ---

for _, name in ipairs { "X-A", "x-A", "Host", "x a", "x-a ", " x-a", "x:a", "x-a:", ":x-a", "x\r\na", "x\n", "x\0",
  "x\t", "x\127",
  "x\195\164", "x(", "x@a", "x=", "x,y", "x/y", "x[", "x{", "x\"", "x;", "x\\", "x-a: 1\r\nx-b", "\31", "x?", "x<",
    "X" } do
  refused("h2-field-names", ("a field %q"):format(name), { { name, "1" } })
end
for _, name in ipairs { "x-a", "x_a", "x.a", "1", "!#$%&'*+-.^_`|~", ("n"):rep(300) } do
  cases:passes("h2-field-names", ("a field %s"):format(name), head { { name, "1" } }, forwarded(name .. ": 1\r\n"))
end
for _, value in ipairs { "a\r\nb", "a\r\nx-b: 1", "a\rb", "a\nb", "a\0b", "\0", "a\r", "a\n", "\r\n", " a", "a ",
  "\ta", "a\t", " ",
  "a\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n", "a\1b", "a\31", "a\127b", "a\11b", "a\8" } do
  refused("h2-field-values", ("a value %q"):format(value), { { "x-a", value } })
end
for _, value in ipairs { "", "a b", "a\tb", "\195\164", "\255\128", ("v"):rep(4000), "a, b", "\"a\"", ": b", "%0d%0a",
  "a: b" } do
  cases:passes("h2-field-values", ("a value %q"):format(#value > 20 and #value .. " bytes" or value),
    head { { "x-a", value } },
    forwarded("x-a: " .. value .. "\r\n"))
end
cases:passes("h2-field-values", "the same field twice", head "x-a: 1\nx-b: 2\nx-a: 3",
  forwarded "x-a: 1\r\nx-b: 2\r\nx-a: 3\r\n")
cases:passes("h2-field-values", "user-agent, accept and others of clients",
  head "user-agent: nghttp2/1.52\naccept: */*\naccept-encoding: gzip, deflate\nauthorization: Basic eDp5",
  forwarded("user-agent: nghttp2/1.52\r\naccept: */*\r\naccept-encoding: gzip, deflate\r\n"
    .. "authorization: Basic eDp5\r\n"))

-- --- 8.2.2: fields of the connection ---

for name, values in pairs {
  ["connection"] = { "close", "keep-alive", "x-a", "", "upgrade", "te" }, ["proxy-connection"] = { "keep-alive" },
  ["keep-alive"] = { "timeout=5" }, ["transfer-encoding"] = { "chunked", "identity", "gzip, chunked", "" },
  ["upgrade"] = { "websocket", "h2c" }, te = { "gzip", "trailers, gzip", "Trailers;q=1", "chunked", "" },
} do
  for _, value in ipairs(values) do
    refused("h2-connection-fields", ("%s: %s"):format(name, value), { { name, value } })
  end
end
cases:passes("h2-connection-fields", "te: trailers", head "te: trailers",
  forwarded "TE: trailers\r\nConnection: TE\r\n")
cases:stream_error("h2-connection-fields", "transfer-encoding: chunked of an upload, with its chunks",
  head("transfer-encoding: chunked", POST) .. frames.data(3, "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
    { last = true }),
  "PROTOCOL_ERROR")
cases:passes("h2-connection-fields", "http2-settings", head "http2-settings: AAMAAABkAAQCAAAAAAIAAAAA",
  { forwarded "http2-settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n", SEEN })
cases:passes("h2-connection-fields", "look-alikes, and fields that say who asks",
  head("content_length: 9\ntransfer_encoding: chunked\nx-forwarded-for: 1.2.3.4\nx-forwarded-proto: https\n"
    .. "x-forwarded-host: evil\nforwarded: for=1.2.3.4\nclient-cert: :x:\nx-a: 1"), forwarded "x-a: 1\r\n")
cases:passes("h2-connection-fields", "proxy-authorization ends here", head "proxy-authorization: Basic x\nx-a: 1",
  forwarded "x-a: 1\r\n")
cases:passes("h2-connection-fields", "via of a proxy in front", head "via: 1.1 front", forwarded "via: 1.1 front\r\n")

-- --- 8.1.1: content-length, and the sum of DATA ---

local function length_error(name, length, data, more)
  local case = { rule = "h2-content-length", name = name, send = with_post("content-length: " .. length) .. data,
    backend = { forwarded(cases.length(tonumber(length)), "POST") .. ("x"):rep(50) }, backend_cut = true,
    streams = { [3] = { reset = "PROTOCOL_ERROR" } } }
  for key, value in pairs(more or {}) do case[key] = value end
  cases:add(case)
end
local function data(...)
  local list, sizes = {}, { ... }
  for i, size in ipairs(sizes) do list[i] = frames.data(3, ("x"):rep(size), { last = i == #sizes }) end
  return table.concat(list)
end
for _, sizes in ipairs { { 4 }, { 1, 3 }, { 1, 1, 1, 1 }, { 4, 0 }, { 0, 4 }, { 2, 0, 2 } } do
  cases:passes("h2-content-length", ("4, and DATA of %s bytes"):format(table.concat(sizes, " and ")),
    with_post "content-length: 4" .. data(unpack(sizes)), forwarded(cases.length(4), "POST") .. "xxxx")
end
cases:passes("h2-content-length", "0, and END_STREAM on HEADERS", head("content-length: 0", { method = "POST" }),
  forwarded(cases.length(0), "POST"))
cases:passes("h2-content-length", "0, and empty DATA", with_post "content-length: 0" .. data(0),
  forwarded(cases.length(0), "POST"))
cases:passes("h2-content-length", "none of a POST, and END_STREAM on HEADERS", head(nil, { method = "POST" }),
  { forwarded(cases.length(0), "POST"), forwarded(nil, "POST") })
cases:passes("h2-content-length", "0 of a GET", head "content-length: 0", { forwarded(cases.length(0)), SEEN })
refused("h2-content-length", "4, and END_STREAM on HEADERS", "content-length: 4", { method = "POST" })
refused("h2-content-length", "4 of a GET, and END_STREAM on HEADERS", "content-length: 4")
length_error("4, and DATA of 3 bytes", "4", data(3))
length_error("4, and DATA of 5 bytes", "4", data(5))
length_error("4, and DATA of 2 and 3 bytes", "4", data(2, 3))
length_error("4, and DATA of 2 and 0 bytes", "4", data(2, 0))
length_error("1, and empty DATA", "1", data(0))
length_error("0, and DATA of 1 byte", "0", data(1), { backend = forwarded(cases.length(0), "POST") })
length_error("4, and trailers behind 3 bytes", "4", frames.data(3, "xxx")
  .. frames.headers(3, { { "x-a", "1" } }, { last = true }))
length_error("0, and a request in DATA", "0", frames.data(3, "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
  { last = true }),
  { backend = forwarded(cases.length(0), "POST") })
for _, value in ipairs { "4, 4", "4,4", "+4", "-4", "0x4", "4 ", " 4", "4\t", "four", "", "4.0", "4;", "\1794", "04a",
  "9223372036854775808", "18446744073709551620", ("9"):rep(30) } do
  cases:stream_error("h2-content-length", ("content-length %q"):format(value),
    with_post { { "content-length", value } } .. BODY, "PROTOCOL_ERROR")
end
cases:stream_error("h2-content-length", "two of them, equal", with_post "content-length: 4\ncontent-length: 4"
  .. BODY, "PROTOCOL_ERROR")
cases:stream_error("h2-content-length", "two of them, not equal", with_post "content-length: 4\ncontent-length: 5"
  .. BODY,
  "PROTOCOL_ERROR")
cases:passes("h2-content-length", "zeros in front", with_post "content-length: 0004" .. BODY,
  { forwarded(cases.length(4), "POST") .. "body", forwarded("Content-Length: 0004\r\n", "POST") .. "body" })

-- --- 8.2.3: cookies ---

cases:passes("h2-cookie", "in three pieces", head "cookie: a=1\ncookie: b=2\ncookie: c=3",
  forwarded "cookie: a=1; b=2; c=3\r\n")
cases:passes("h2-cookie", "in pieces with a field between", head "cookie: a=1\nx-a: 1\ncookie: b=2",
  { forwarded "cookie: a=1; b=2\r\nx-a: 1\r\n", forwarded "x-a: 1\r\ncookie: a=1; b=2\r\n" })
cases:passes("h2-cookie", "in one piece", head "cookie: a=1; b=2", forwarded "cookie: a=1; b=2\r\n")

-- --- 8.1: trailers ---

local function trailers(fields, more) return frames.headers(3, fields, more or { last = true }) end
local CHUNKED = forwarded(cases.CHUNKED, "POST")
cases:passes("h2-trailers", "trailers behind a body", with_post() .. frames.data(3, "body")
  .. trailers { { "x-sum", "1" }, { "x-b", "2" } },
  CHUNKED .. cases.chunks("body", "x-sum: 1\r\nx-b: 2\r\n"))
cases:passes("h2-trailers", "trailers without a body", with_post() .. trailers { { "x-sum", "1" } }, CHUNKED
  .. cases.chunks("", "x-sum: 1\r\n"))
cases:passes("h2-trailers", "an empty block of trailers", with_post() .. frames.data(3, "body") .. trailers(""),
  CHUNKED .. cases.chunks "body")
cases:passes("h2-trailers", "trailers behind a body of a known length, which cannot carry them",
  with_post "content-length: 4" .. frames.data(3, "body") .. trailers { { "x-sum", "1" } },
  { forwarded(cases.length(4), "POST") .. "body", CHUNKED .. cases.chunks("body", "x-sum: 1\r\n") })
cases:passes("h2-trailers", "fields that may not be trailers",
  with_post() .. frames.data(3, "body") .. trailers { { "content-length", "9" }, { "host", "y" }, { "x-sum", "1" },
    { "authorization", "x" }, { "content-type", "a/b" } }, CHUNKED .. cases.chunks("body", "x-sum: 1\r\n"))
for name, fields in pairs {
  ["a pseudo-field"] = { { ":method", "GET" } }, [":path"] = { { "x-a", "1" }, { ":path", "/" } },
    [":status"] = { { ":status", "200" } },
  ["a name in capitals"] = { { "X-A", "1" } }, ["a line end in a value"] = { { "x-a", "1\r\nx-b: 2" } },
  ["a line end in a name"] = { { "x-a: 1\r\nx-b", "2" } },
    ["transfer-encoding"] = { { "transfer-encoding", "chunked" } },
  ["connection"] = { { "connection", "close" } }, ["a NUL"] = { { "x-a", "\0" } }, ["a request"] = {
    { "x-a", "1\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n" } },
} do
  cases:stream_error("h2-trailers", name .. " in trailers", with_post() .. frames.data(3, "body") .. trailers(fields),
    "PROTOCOL_ERROR",
    { backend = CHUNKED .. cases.chunks "body", backend_cut = true })
end
cases:stream_error("h2-trailers", "HEADERS without END_STREAM behind a body",
  with_post() .. frames.data(3, "body") .. trailers({ { "x-a", "1" } }, {}), "PROTOCOL_ERROR",
  { backend = CHUNKED .. cases.chunks "body", backend_cut = true })
cases:stream_error("h2-trailers", "a second head without END_STREAM", with_post() .. head(nil, { open_end = true }),
  "PROTOCOL_ERROR",
  { backend = CHUNKED .. cases.chunks "", backend_cut = true })
cases:connection_error("h2-trailers", "trailers that HPACK cannot read", with_post() .. frames.data(3, "body")
  .. trailers "\255\255",
  "COMPRESSION_ERROR", { backend = CHUNKED .. cases.chunks "body", backend_cut = true })

-- --- bodies that look like requests, and tunnels within them ---

local HIDDEN = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
cases:passes("h2-body", "a request in the body of a known length",
  with_post("content-length: " .. #HIDDEN) .. frames.data(3, HIDDEN, { last = true }),
    forwarded(cases.length(#HIDDEN), "POST") .. HIDDEN)
cases:passes("h2-body", "a request in a body without a length", with_post() .. frames.data(3, HIDDEN, { last = true }),
  CHUNKED .. cases.chunks(HIDDEN))
cases:passes("h2-body", "the end of chunks, and a request, in a body", with_post()
  .. frames.data(3, "0\r\n\r\n" .. HIDDEN, { last = true }),
  CHUNKED .. cases.chunks("0\r\n\r\n" .. HIDDEN))
for _, method in ipairs { "GET", "HEAD", "DELETE", "OPTIONS" } do
  cases:passes("h2-body", method .. " with a body that looks like a request",
    with_post("content-length: " .. #HIDDEN, { method = method }) .. frames.data(3, HIDDEN, { last = true }),
    forwarded(cases.length(#HIDDEN), method) .. HIDDEN,
      method == "HEAD" and { streams = { [3] = { status = 200, body = "" } } } or nil)
end
cases:passes("h2-body", "GET without a length, and a body", with_post(nil, { method = "GET" })
  .. frames.data(3, HIDDEN, { last = true }),
  forwarded(cases.CHUNKED) .. cases.chunks(HIDDEN))
cases:passes("h2-body", "GET without a length, and empty DATA at the end", with_post(nil, { method = "GET" })
  .. data(0),
  { forwarded(cases.CHUNKED) .. cases.chunks "", SEEN })
cases:passes("h2-body", "the preface in a body", with_post() .. frames.data(3, frames.PREFACE, { last = true }),
  CHUNKED .. cases.chunks(frames.PREFACE))
cases:passes("h2-body", "frames in a body", with_post() .. frames.data(3, frames.goaway(0, "NO_ERROR"),
  { last = true }),
  CHUNKED .. cases.chunks(frames.goaway(0, "NO_ERROR")))

-- --- the same by what HPACK makes of it ---

local HOW = { { how = "kept" }, { how = "never" }, { huffman = true }, { how = "kept", huffman = true } }
for _, how in ipairs(HOW) do
  local name = (how.how or "plain") .. (how.huffman and ", coded" or "")
  refused("h2-field-values", "a line end in a value, " .. name, { { "x-a", "1\r\nx-b: 2" } }, how)
  refused("h2-field-names", "a line end in a name, " .. name, { { "x-a: 1\r\nx-b", "2" } }, how)
  refused("h2-connection-fields", "transfer-encoding, " .. name, { { "transfer-encoding", "chunked" } }, how)
  refused("h2-path", "a line end in :path, " .. name, nil, { path = "/ HTTP/1.1\r\nx: y", how = how.how,
    huffman = how.huffman })
end
cases:stream_error("h2-connection-fields", "transfer-encoding by its index in the static table",
  frames.headers(3, cases.block() .. hpack.literal(57, "chunked"), { last = true }), "PROTOCOL_ERROR")
cases:add { rule = "h2-field-values", name = "a bad value from the dynamic table, in two requests",
  send = frames.headers(3, cases.block() .. hpack.literal("x-a", "1\r\nb: 2", { how = "kept" }), { last = true })
    .. frames.headers(5, cases.block() .. hpack.indexed(62), { last = true }) .. head(nil, { stream = 7 }),
  backend = SEEN, streams = { [3] = { reset = "PROTOCOL_ERROR" }, [5] = { reset = "PROTOCOL_ERROR" },
    [7] = answer "GET /" } }

return cases
