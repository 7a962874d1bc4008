-- Exchanges over HTTP/2: what answers of HTTP/1.1 become, HEAD, interim answers, early ones, those
-- that are cut, our own, uploads that are, and extended CONNECT (RFC 9113, 8; RFC 8441).
local frames = require "spec.support.h2_frames"
local cases = require("spec.support.h2_cases").new()
local head, forwarded, after = cases.head, cases.forwarded, cases.after

local SEEN = forwarded()
local GET = head()
local LAST = { last = true }

local function answered(rule, name, response, wanted, more)
  local case = { rule = rule, name = name, send = GET, backend = SEEN, answer = response, streams = { [3] = wanted } }
  for key, value in pairs(more or {}) do case[key] = value end
  cases:add(case)
end

local function fields(text)
  local list = { { ":status", "200" } }
  for _, field in ipairs(cases.fields(text)) do list[#list + 1] = field end
  return list
end

-- --- answers ---

answered("h2-response", "with a length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
  { status = 200, body = "ok", fields = fields "via: 1.1 lb\ncontent-length: 2" })
answered("h2-response", "in chunks",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
  { status = 200, body = "ok", fields = fields "via: 1.1 lb" })
answered("h2-response", "in chunks, without a body", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  { status = 200, body = "", fields = fields "via: 1.1 lb" })
answered("h2-response", "in chunks, with extensions",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0;c\r\n\r\n", { status = 200, body = "ok" })
answered("h2-response", "with trailers",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\nX-B: 2\r\n\r\n",
  { status = 200, body = "ok", trailers = { { "x-sum", "1" }, { "x-b", "2" } } },
  { send = head "te: trailers", backend = forwarded "TE: trailers\r\nConnection: TE\r\n" })
answered("h2-response", "with trailers that nobody may send",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n"
    .. "Content-Length: 9\r\nX-Sum: 1\r\nTransfer-Encoding: x\r\n\r\n",
  { status = 200, body = "ok", trailers = { { "x-sum", "1" } } },
  { send = head "te: trailers", backend = forwarded "TE: trailers\r\nConnection: TE\r\n" })
answered("h2-response", "until the end of the connection", "HTTP/1.1 200 OK\r\n\r\nok",
  { status = 200, body = "ok", fields = fields "via: 1.1 lb" }, { answer_ends = true })
answered("h2-response", "of HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nok",
  { status = 200, body = "ok", fields = fields "via: 1.0 lb" }, { answer_ends = true })
answered("h2-response", "with names in capitals, and a field twice",
  "HTTP/1.1 200 OK\r\nX-Upper: Value\r\nSet-Cookie: a=1\r\nSET-COOKIE: b=2\r\nContent-Length: 0\r\n\r\n",
  { status = 200, body = "",
    fields = fields "x-upper: Value\nset-cookie: a=1\nset-cookie: b=2\nvia: 1.1 lb\ncontent-length: 0" })
answered("h2-response", "with fields of the connection",
  "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Private\r\nX-Private: 1\r\nKeep-Alive: timeout=5\r\n"
  .. "Proxy-Connection: x\r\n"
  .. "Upgrade: h2c\r\nX-A: 1\r\nContent-Length: 0\r\n\r\n",
  { status = 200, body = "", fields = fields "x-a: 1\nvia: 1.1 lb\ncontent-length: 0" })
answered("h2-response", "without a reason", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", { status = 200, body = "" })
answered("h2-response", "with white space around values",
  "HTTP/1.1 200 OK\r\nX-A: \t a b \t\r\nX-E:\r\nContent-Length: 0\r\n\r\n",
  { status = 200, body = "", fields = fields "x-a: a b\nx-e: \nvia: 1.1 lb\ncontent-length: 0" })
for _, status in ipairs { 201, 299, 301, 404, 421, 425, 499, 500, 599 } do
  answered("h2-response", "of status " .. status, ("HTTP/1.1 %d X\r\nContent-Length: 1\r\n\r\nx"):format(status),
    { status = status, body = "x" })
end
answered("h2-response", "204, without a body", "HTTP/1.1 204 No Content\r\n\r\n", { status = 204, body = "" })
answered("h2-response", "304, with the length of what is not there",
  "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
  { status = 304, body = "" })
answered("h2-response", "of HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
  { status = 200, body = "", fields = fields "content-length: 9\nvia: 1.1 lb" },
  { send = head(nil, { method = "HEAD" }), backend = forwarded(nil, "HEAD") })
answered("h2-response", "of HEAD, in chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
  { status = 200, body = "" }, { send = head(nil, { method = "HEAD" }), backend = forwarded(nil, "HEAD") })
answered("h2-response", "with surplus bytes behind it",
  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 500 Evil\r\n\r\n",
  { status = 200, body = "ok" })
answered("h2-response", "with a field beyond a frame", "HTTP/1.1 200 OK\r\nX-Long: " .. ("x"):rep(20000)
  .. "\r\nContent-Length: 0\r\n\r\n",
  { status = 200, body = "", fields = fields("x-long: " .. ("x"):rep(20000) .. "\nvia: 1.1 lb\ncontent-length: 0") })

-- --- answers that are none: 502 before the head is out, a reset behind it ---

for name, response in pairs {
  ["no head"] = "hello\r\n\r\n",
  ["two lengths"] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
  ["a length and a coding"] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  ["101 that nobody asked for"] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
  ["a name with a space"] = "HTTP/1.1 200 OK\r\nX A: 1\r\n\r\n",
    ["a NUL in a value"] = "HTTP/1.1 200 OK\r\nX-A: \0\r\n\r\n",
  ["the preface of HTTP/2"] = frames.settings() .. frames.headers(1, { { ":status", "200" } }),
  ["HTTP/2.0 in its line"] = "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
} do
  cases:own("h2-response-errors", name, GET, 502, { backend = { SEEN, SEEN .. SEEN, SEEN .. SEEN .. SEEN },
    answer = response,
    answers = nil, answer_ends = true, limits = "limits = { attempts = 1 }" })
end
for name, response in pairs {
  ["a body that is cut"] = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
  ["chunks that are cut"] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
  ["a chunk that is none"] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nxyz\r\n",
  ["trailers that are none"] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX A: 1\r\n\r\n",
} do
  answered("h2-response-errors", name, { response, { pause = 0 } },
    { status = 200, body = "ok", reset = "INTERNAL_ERROR" },
    { answer_ends = true })
end
answered("h2-response-errors", "a body until the end that is reset",
  { "HTTP/1.1 200 OK\r\n\r\nok", { peer_got = "ok" } },
  { status = 200, body = "ok", reset = "INTERNAL_ERROR" }, { answer_resets = true })

-- --- interim answers (RFC 9110, 15.2) and Expect (10.1.1) ---

local FINAL = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
answered("h2-interim", "103 before the final answer", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" .. FINAL,
  { status = 200, body = "ok", interim = ":status: 103\nlink: </a>\nvia: 1.1 lb" })
answered("h2-interim", "103 long before the final answer",
  { "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", { peer_got = "</a>" }, FINAL },
  { status = 200, body = "ok", interim = ":status: 103\nlink: </a>\nvia: 1.1 lb" })
answered("h2-interim", "several", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 X\r\n\r\n" .. FINAL,
  { status = 200, body = "ok", interim = ":status: 100\nvia: 1.1 lb\n\n:status: 102\nvia: 1.1 lb" })
answered("h2-interim", "with fields of the connection",
  "HTTP/1.1 103 Early Hints\r\nConnection: X-P\r\nX-P: 1\r\nContent-Length: 5\r\nLink: </a>\r\n\r\n" .. FINAL,
  { status = 200, body = "ok", interim = ":status: 103\nlink: </a>\nvia: 1.1 lb" })
local EXPECTS = head("expect: 100-continue\ncontent-length: 4", { method = "POST", open_end = true })
local EXPECTED = forwarded("expect: 100-continue\r\n" .. cases.length(4), "POST")
cases:add { rule = "h2-expect", name = "100 from the backend, then the body",
  send = { EXPECTS, function(peer) return #peer:stream(3).heads > 0 end, frames.data(3, "body", LAST) },
  answer = { { got = "\r\n\r\n" }, "HTTP/1.1 100 Continue\r\n\r\n", { got = "body" }, FINAL },
  backend = EXPECTED .. "body", streams = { [3] = { status = 200, body = "ok",
    interim = ":status: 100\nvia: 1.1 lb" } } }
cases:add { rule = "h2-expect", name = "417 from the backend, and no body",
  send = { EXPECTS }, answer = { { got = "\r\n\r\n" }, "HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n" },
    backend_any = true,
  streams = { [3] = { status = 417, body = "", reset = "NO_ERROR" } } }

-- --- answers before the request has ended: whole, then RST_STREAM with NO_ERROR (8.1) ---

cases:add { rule = "h2-early-answer", name = "an answer to the head of an upload",
  send = { head(nil, { method = "POST", open_end = true }) .. frames.data(3, "bo") },
  answer = { { got = "o\r\n" }, "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno" }, backend_any = true,
  streams = { [3] = { status = 403, body = "no", reset = "NO_ERROR" } } }
cases:add { rule = "h2-early-answer", name = "a head that comes early, and then the body goes on",
  send = { head(nil, { method = "POST", open_end = true }) .. frames.data(3, "bo"), after.head(3),
    frames.data(3, "dy", LAST) },
  answer = { { got = "o\r\n" }, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", { got = "0\r\n\r\n" }, "ok" },
  backend = { forwarded(cases.CHUNKED, "POST") .. "2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n", forwarded(cases.CHUNKED, "POST")
    .. cases.chunks "body" },
  streams = { [3] = { status = 200, body = "ok" } } }

-- --- uploads that end early ---

cases:add { rule = "h2-upload-cut", name = "RST_STREAM in the middle of a body of a known length",
  send = { head("content-length: 4", { method = "POST", open_end = true }) .. frames.data(3, "bo"), after.backend "bo",
    frames.rst(3, "CANCEL") },
  backend = forwarded(cases.length(4), "POST") .. "body", backend_cut = true, streams = { [3] = { none = true } } }
cases:add { rule = "h2-upload-cut", name = "RST_STREAM in the middle of chunks",
  send = { head(nil, { method = "POST", open_end = true }) .. frames.data(3, "bo"), after.backend "o\r\n",
    frames.rst(3, "CANCEL") },
  backend = forwarded(cases.CHUNKED, "POST") .. cases.chunks "body", backend_cut = true,
    streams = { [3] = { none = true } } }
cases:add { rule = "h2-upload-cut", name = "the connection's end in the middle of chunks", beside = false,
  send = { head(nil, { method = "POST", open_end = true }) .. frames.data(3, "bo"), after.backend "o\r\n",
    function(_, _, conn)
      conn:close()
      return true
    end },
  backend = forwarded(cases.CHUNKED, "POST") .. cases.chunks "body", backend_cut = true, may_end = true }

-- --- our own answers ---

local REJECTS = "choose = function(ctx, backends)"
  .. " if ctx.path:find '^/canary' then return backends[1] end return ctx:respond { status = 404 } end"
local function own(name, status, send, more)
  local case = { rule = "h2-own-answers", name = name, send = send, backend = false,
    streams = { [3] = { own = status } } }
  for key, value in pairs(more or {}) do case[key] = value end
  cases:add(case)
end
own("a body that is too large by its length", 413, head("content-length: 40", { method = "POST", open_end = true }),
  { limits = "limits = { body = 20 }" })
own("a body that turns out too large", 413,
  head(nil, { method = "POST", open_end = true }) .. frames.data(3, ("x"):rep(40), LAST),
    { limits = "limits = { body = 20 }",
    backend = forwarded(cases.CHUNKED, "POST") .. cases.chunks(("x"):rep(40)), backend_cut = true })
own("a path that is too long", 414, head(nil, { path = "/" .. ("a"):rep(600) }),
  { limits = "limits = { request_line = 500 }" })
own("a head that is too large", 431, head { { "x-a", ("a"):rep(3000) } }, { limits = "limits = { head = 2000 }" })
own("too many fields", 431, head(("x-a: 1\n"):rep(40)), { limits = "limits = { fields = 20 }" })
own("an answer of the script", 404, GET,
  { limits = REJECTS })
own("a script's answer to HEAD", 404, head(nil, { method = "HEAD" }),
  { limits = REJECTS })
own("TRACE", 405, head(nil, { method = "TRACE" }))
own("CONNECT", 501, frames.headers(3, { { ":method", "CONNECT" }, { ":authority", "x:443" } }, LAST))

-- --- CONNECT (8.5) and extended CONNECT (RFC 8441) ---

local function connect(list) return frames.headers(3, list) end
local C, A = { ":method", "CONNECT" }, { ":authority", "x" }
local W, S, P = { ":protocol", "websocket" }, { ":scheme", "http" }, { ":path", "/chat" }
for name, list in pairs {
  ["CONNECT with :scheme"] = { C, A, S }, ["CONNECT with :path"] = { C, A, P }, ["CONNECT without :authority"] = { C },
  ["extended CONNECT without :path"] = { C, A, W, S }, ["extended CONNECT without :scheme"] = { C, A, W, P },
  ["two :protocol"] = { C, A, W, W, S, P }, ["an empty :protocol"] = { C, A, { ":protocol", "" }, S, P },
  [":protocol with a line end"] = { C, A, { ":protocol", "websocket\r\nx: y" }, S, P },
} do
  cases:stream_error("h2-connect", name, connect(list), "PROTOCOL_ERROR")
end
cases:own("h2-connect", "a :protocol that nobody knows", frames.headers(3, { C, A, { ":protocol", "soup" }, S, P }),
  501,
  { streams = { [3] = { own = 501, reset = "NO_ERROR" } } })

return cases
