-- Connections and their fields: what is said to one side only, and when a connection is used again
-- (RFC 9110, 7.6.1; RFC 9112, 9.3 and 9.5).
local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
local SEEN = "GET / HTTP/1.1\r\nHost: x\r\n%added%\r\n"
local OK = "HTTP/1.1 200 OK\r\n"
local BODY = "Content-Length: 2\r\n\r\nok"
local EVIL = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"

local cases = {}

local function add(rule, name, case)
  case.rule, case.name = rule, name
  case.send, case.backend = case.send or GET, case.backend or SEEN
  if case.keeps == nil then case.keeps = true end
  cases[#cases + 1] = case
end

-- Fields of the connection end here.
local function drops(name, fields, sent_on, more)
  local case = { answer = OK .. fields .. BODY, client = OK .. (sent_on or "") .. "%via11%" .. BODY }
  for key, value in pairs(more or {}) do case[key] = value end
  add("connection-fields", "a response with " .. name, case)
end

drops("Keep-Alive", "Connection: keep-alive\r\nKeep-Alive: timeout=5, max=100\r\n")
drops("Keep-Alive that Connection does not name", "Keep-Alive: timeout=5\r\n")
drops("Proxy-Connection", "Proxy-Connection: keep-alive\r\n")
drops("Proxy-Authenticate, which we do not speak", "Proxy-Authenticate: Basic realm=\"x\"\r\n")
drops("Proxy-Authentication-Info", "Proxy-Authentication-Info: x\r\n")
drops("TE, which is for requests", "TE: trailers\r\n")
drops("Trailer before a body that has none", "Trailer: X-T\r\n")
drops("a field that Connection names", "Connection: X-Private\r\nX-Private: 1\r\nX-Public: 2\r\n", "X-Public: 2\r\n")
drops("a field that Connection names behind it", "X-Private: 1\r\nX-Public: 2\r\nConnection: X-Private\r\n",
  "X-Public: 2\r\n")
drops("a field that Connection names in another letter case", "Connection: x-pRIVATE\r\nX-Private: 1\r\n")
drops("several fields that Connection names", "Connection: X-P ,\tX-Q\r\nX-P: 1\r\nX-Q: 2\r\nX-R: 3\r\n", "X-R: 3\r\n")
drops("fields that several Connection lines name", "Connection: X-P\r\nX-P: 1\r\nX-Q: 2\r\nConnection: X-Q\r\n")
drops("a repeated field that Connection names", "X-P: 1\r\nConnection: X-P\r\nx-p: 2\r\nX-P: 3\r\n")
drops("Connection with empty elements", "Connection: ,, X-P,,\r\nX-P: 1\r\n")
drops("Connection that names what is not there", "Connection: X-Absent\r\n")
drops("an empty Connection", "Connection:\r\nX-A: b\r\n", "X-A: b\r\n")
drops("Connection that names its length", "Connection: Content-Length\r\n")
drops("Connection that names Date, Server and Set-Cookie",
  "Connection: Date, Server, Set-Cookie\r\nDate: Tue, 15 Nov 1994 08:12:31 GMT\r\nServer: s\r\nSet-Cookie: a=b\r\n",
  "Date: Tue, 15 Nov 1994 08:12:31 GMT\r\nServer: s\r\nSet-Cookie: a=b\r\n")
drops("Connection that names Via", "Connection: Via\r\nVia: 1.1 inner\r\n", "Via: 1.1 inner\r\n")
drops("Connection that names itself and close", "Connection: Connection, close\r\n", nil, { discards = true })
drops("close for the backend's connection only", "Connection: close\r\n", nil, { discards = true })
drops("close among other options", "Connection: X-P, CLOSE\r\nX-P: 1\r\n", nil, { discards = true })
add("connection-fields", "a response with Connection that names its coding", {
  answer = OK .. "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
  client = OK .. "%via11%Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
})
add("connection-fields", "a response with Trailer before chunks", {
  answer = OK .. "Trailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n",
  client = OK .. "Trailer: X-T\r\n%via11%Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n",
})

-- Which of the two connections stays open.
add("keep-alive", "a client that says close", {
  send = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", answer = OK .. BODY, keeps = false,
  client = OK .. "%via11%Content-Length: 2\r\nConnection: close\r\n\r\nok",
})
add("keep-alive", "a client that says close among other options", {
  send = "GET / HTTP/1.1\r\nHost: x\r\nConnection: X-P, Close\r\nX-P: 1\r\n\r\n", answer = OK .. BODY, keeps = false,
  client = OK .. "%via11%Content-Length: 2\r\nConnection: close\r\n\r\nok",
})
add("keep-alive", "an HTTP/1.0 client that says close and keep-alive", {
  send = "GET / HTTP/1.0\r\nHost: x\r\nConnection: close, keep-alive\r\n\r\n", answer = OK .. BODY, keeps = false,
  client = OK .. "%via11%Content-Length: 2\r\nConnection: close\r\n\r\nok",
})
add("keep-alive", "a backend that closes behind its response", {
  answer = OK .. BODY, answer_ends = true, client = OK .. "%via11%" .. BODY,
})
add("keep-alive", "an HTTP/1.0 backend, whose connection ends with its response", {
  answer = "HTTP/1.0 200 OK\r\n" .. BODY, client = OK .. "%via10%" .. BODY, discards = true,
})
add("keep-alive", "an HTTP/1.0 backend that keeps its connection", {
  answer = "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" .. BODY, client = OK .. "%via10%" .. BODY,
})
add("keep-alive", "pipelined requests, answered in order", {
  send = "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\nGET /3 HTTP/1.1\r\nHost: x\r\n\r\n",
  backend = "GET /1 HTTP/1.1\r\nHost: x\r\n%added%\r\nGET /2 HTTP/1.1\r\nHost: x\r\n%added%\r\n" ..
    "GET /3 HTTP/1.1\r\nHost: x\r\n%added%\r\n",
  answers = { { OK .. "Content-Length: 1\r\n\r\n", { pause = 0.05 }, "1" }, OK .. "Content-Length: 1\r\n\r\n2",
    OK .. "Content-Length: 1\r\n\r\n3" },
  client = OK .. "%via11%Content-Length: 1\r\n\r\n1" .. OK .. "%via11%Content-Length: 1\r\n\r\n2" ..
    OK .. "%via11%Content-Length: 1\r\n\r\n3",
})

-- Bytes that belong to no response reach nobody.
local function surplus(name, answer, client, more)
  local case = { answer = answer, client = client, discards = true }
  for key, value in pairs(more or {}) do case[key] = value end
  add("surplus", name, case)
end

surplus("an empty line behind a response", OK .. BODY .. "\r\n", OK .. "%via11%" .. BODY)
surplus("a byte behind a response", OK .. BODY .. "x", OK .. "%via11%" .. BODY)
surplus("a NUL behind a response", OK .. BODY .. "\0", OK .. "%via11%" .. BODY)
surplus("a second response behind a response", OK .. BODY .. EVIL, OK .. "%via11%" .. BODY)
surplus("an interim response behind a response", OK .. BODY .. "HTTP/1.1 100 Continue\r\n\r\n", OK .. "%via11%" .. BODY)
surplus("a second response behind one of no length", OK .. "Content-Length: 0\r\n\r\n" .. EVIL,
  OK .. "%via11%Content-Length: 0\r\n\r\n")
surplus("a second response behind chunks", OK .. "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" .. EVIL,
  OK .. "%via11%Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
surplus("a second response behind chunks with trailers",
  OK .. "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n" .. EVIL,
  OK .. "%via11%Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n")
surplus("a second response behind 304", "HTTP/1.1 304 Not Modified\r\n\r\n" .. EVIL,
  "HTTP/1.1 304 Not Modified\r\n%via11%\r\n")
surplus("a second response behind 204", "HTTP/1.1 204 No Content\r\n\r\n" .. EVIL,
  "HTTP/1.1 204 No Content\r\n%via11%\r\n")
surplus("a second response behind one to HEAD", OK .. "Content-Length: 4\r\n\r\n" .. EVIL,
  OK .. "Content-Length: 4\r\n%via11%\r\n", {
    send = "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", backend = "HEAD / HTTP/1.1\r\nHost: x\r\n%added%\r\n",
  })
surplus("a second response while another request waits", nil, nil, {
  send = GET .. "GET /next HTTP/1.1\r\nHost: x\r\n\r\n",
  backend = SEEN .. "GET /next HTTP/1.1\r\nHost: x\r\n%added%\r\n",
  answers = { OK .. BODY .. EVIL, OK .. "Content-Length: 4\r\n\r\nnext" }, discards = false,
  client = OK .. "%via11%" .. BODY .. OK .. "%via11%Content-Length: 4\r\n\r\nnext",
})

local function idle(name, bytes)
  add("idle-bytes", name, {
    answer = { OK .. BODY, { peer_got = "ok" }, bytes }, client = OK .. "%via11%" .. BODY, discards = true,
  })
end

idle("a response on an idle connection", EVIL)
idle("408 on an idle connection", "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
idle("a byte on an idle connection", "x")
idle("an empty line on an idle connection", "\r\n")
idle("half a response on an idle connection", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nev")

return cases
