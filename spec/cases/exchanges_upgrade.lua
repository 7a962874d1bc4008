-- Upgrade (RFC 9110, 7.8; RFC 6455): a tunnel after a 101 that was asked for, never without one.
local SWITCHED = "HTTP/1.1 101 Switching Protocols\r\n"
local OK, OK_SENT_ON = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
  "HTTP/1.1 200 OK\r\n%via11%Content-Length: 2\r\n\r\nok"

local function get(fields, target)
  return ("GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n"):format(target or "/", fields or "")
end

local function seen(fields, target) return get(fields .. "%added%", target) end

-- How it arrives, and how it is forwarded: fields of the connection are written anew, in place.
local KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
local ACCEPT = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
local ASKS = get("Upgrade: websocket\r\nConnection: Upgrade\r\n" .. KEY)
local ASKS_SEEN = seen(KEY .. "Upgrade: websocket\r\nConnection: upgrade\r\n")
local AGREES = SWITCHED .. "Upgrade: websocket\r\nConnection: Upgrade\r\n" .. ACCEPT .. "\r\n"
local AGREES_SENT_ON = SWITCHED .. "Upgrade: websocket\r\n" .. ACCEPT .. "%via11%Connection: upgrade\r\n\r\n"

local cases = {}

local function add(rule, name, case)
  case.rule, case.name = rule, name
  cases[#cases + 1] = case
end

local function tunnel(name, case)
  case.backend, case.client = ASKS_SEEN .. case.backend, AGREES_SENT_ON .. case.client
  add("upgrade", name, case)
end

tunnel("a tunnel with bytes of both sides", {
  send = { ASKS, { got = "101" }, "from the client", { got = "from the backend" } },
  answer = { AGREES, { got = "from the client" }, "from the backend" }, answer_ends = true,
  backend = "from the client", client = "from the backend", keeps = false,
})
tunnel("a tunnel whose backend speaks right behind its 101", {
  send = { ASKS, { got = "early" }, "late" }, answer = { AGREES .. "early", { got = "late" } }, answer_ends = true,
  backend = "late", client = "early", keeps = false,
})
tunnel("a tunnel whose client speaks before the 101", {
  send = ASKS .. "early", answer = { { got = "\r\n\r\n" }, AGREES, { got = "early" }, "late" }, answer_ends = true,
  backend = "early", client = "late", keeps = false,
})
tunnel("a tunnel with bytes that look like HTTP", {
  send = { ASKS, { got = "101" }, get("", "/inside"), { got = "pong" } },
  answer = { AGREES, { got = "/inside" }, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "pong" }, answer_ends = true,
  backend = get("", "/inside"), client = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\npong", keeps = false,
})
tunnel("a tunnel with every byte there is", {
  send = { ASKS, { got = "101" }, "\0\1\2\r\n\r\n\127\128\255\129\133", { got = "\255\254" } },
  answer = { AGREES, { got = "\129\133" }, "\0\r\n\13\10\255\254" }, answer_ends = true,
  backend = "\0\1\2\r\n\r\n\127\128\255\129\133", client = "\0\r\n\13\10\255\254", keeps = false,
})
tunnel("a tunnel that the client half-closes", {
  send = { ASKS, { got = "101" }, "last words", { finish = true } },
  answer = { AGREES, { got = "last words" }, { pause = 0.1 }, "an answer to them" }, answer_ends = true,
  backend = "last words", client = "an answer to them", keeps = false,
})
tunnel("a tunnel that the backend half-closes", {
  send = { ASKS, { got = "bye" }, { pause = 0.1 }, "still here", { finish = true } },
  answer = { AGREES, "bye", { finish = true }, { got = "still here" } }, answer_ends = true,
  backend = "still here", client = "bye", keeps = false,
})
tunnel("a tunnel behind an interim response", {
  send = { ASKS, { got = "101" }, "ping", { got = "pong" } }, answer_ends = true, keeps = false,
  answer = { "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" .. AGREES, { got = "ping" }, "pong" },
  backend = "ping", client = "pong",
})
cases[#cases].client = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n%via11%\r\n" .. cases[#cases].client

add("upgrade", "a tunnel of another protocol than WebSocket", {
  send = { get "Connection: upgrade\r\nUpgrade: foo/2\r\n", { got = "101" }, "ping", { got = "pong" } },
  answer = { SWITCHED .. "Connection: upgrade\r\nUpgrade: foo/2\r\n\r\n", { got = "ping" }, "pong" },
  answer_ends = true, backend = seen "Upgrade: foo/2\r\nConnection: upgrade\r\n" .. "ping", keeps = false,
  client = SWITCHED .. "Upgrade: foo/2\r\n%via11%Connection: upgrade\r\n\r\npong",
})
add("upgrade", "a tunnel of the second of two offers", {
  send = { get "Connection: keep-alive, Upgrade\r\nUpgrade: foo, bar\r\n", { got = "101" }, "ping", { got = "pong" } },
  answer = { SWITCHED .. "Connection: upgrade\r\nUpgrade: bar\r\n\r\n", { got = "ping" }, "pong" }, answer_ends = true,
  backend = seen "Upgrade: foo, bar\r\nConnection: upgrade\r\n" .. "ping", keeps = false,
  client = SWITCHED .. "Upgrade: bar\r\n%via11%Connection: upgrade\r\n\r\npong",
})

-- With a body (docker exec): the new protocol begins behind it.
local function post(fields, body)
  return "POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n" .. fields .. "\r\n" .. body
end

local function posted(framing, body)
  return "POST / HTTP/1.1\r\nHost: x\r\n" .. framing .. "Upgrade: tcp\r\nConnection: upgrade\r\n%added%\r\n" .. body
end

local COUNTED, CODED = "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"
local CHUNKS = "5\r\nhello\r\n0\r\n\r\n"
local RAW = "HTTP/1.1 101 UPGRADED\r\nContent-Type: a/b\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
local RAW_SENT_ON = "HTTP/1.1 101 UPGRADED\r\nContent-Type: a/b\r\nUpgrade: tcp\r\n%via11%Connection: upgrade\r\n\r\n"

local function behind_body(name, framing, body, case)
  case.send = case.send or { post("Upgrade: tcp\r\n" .. framing, body), { got = "101" }, "ping", { got = "pong" } }
  case.answer = case.answer or { RAW, { got = "ping" }, "pong" }
  case.backend, case.client = posted(framing, body) .. "ping", case.client or RAW_SENT_ON .. "pong"
  case.answer_ends, case.keeps = true, false
  add("upgrade-body", name, case)
end

behind_body("a tunnel behind a body with a length", COUNTED, "hello", {})
behind_body("a tunnel behind a body in chunks", CODED, CHUNKS, {})
behind_body("a tunnel whose client speaks right behind the body, before the 101", COUNTED, "hello", {
  send = post("Upgrade: tcp\r\n" .. COUNTED, "helloping"),
})
behind_body("a tunnel whose client speaks right behind the chunks, before the 101", CODED, CHUNKS, {
  send = post("Upgrade: tcp\r\n" .. CODED, CHUNKS .. "ping"),
})
behind_body("a tunnel whose body comes after the backend's interim response", COUNTED, "hello", {
  send = { post("Upgrade: tcp\r\n" .. COUNTED, ""), { got = "103" }, "hello", { got = "101" }, "ping",
    { got = "pong" } },
  answer = { { got = "\r\n\r\n" }, "HTTP/1.1 103 Early Hints\r\n\r\n", { got = "hello" }, RAW, { got = "ping" },
    "pong" },
  client = "HTTP/1.1 103 Early Hints\r\n%via11%\r\n" .. RAW_SENT_ON .. "pong",
})
behind_body("a 101 before the body is whole, which reaches the client behind it", COUNTED, "hello", {
  send = { post("Upgrade: tcp\r\n" .. COUNTED, "hel"), { peer_got = "hel" }, { pause = 0.1 }, "lo", { got = "101" },
    { got = "early" }, "ping", { got = "pong" } },
  answer = { { got = "hel" }, RAW .. "early", { got = "ping" }, "pong" }, client = RAW_SENT_ON .. "earlypong",
})
behind_body("a 101 before the last chunk, and a client that speaks right behind it", CODED, CHUNKS, {
  send = { post("Upgrade: tcp\r\n" .. CODED, "5\r\nhello\r\n"), { peer_got = "hello" }, { pause = 0.1 },
    "0\r\n\r\nping", { got = "pong" } },
  answer = { { got = "hello" }, RAW, { got = "ping" }, "pong" },
})
add("upgrade-refused", "a backend that answers an offer with a body with 200, and a request behind it", {
  send = post("Upgrade: tcp\r\n" .. COUNTED, "hello") .. get("", "/next"), answers = { OK, OK },
  backend = posted(COUNTED, "hello") .. seen("", "/next"), client = OK_SENT_ON:rep(2), keeps = true,
})
add("upgrade-refused", "an answer of 200 in the middle of the body of an offer", {
  send = { post("Upgrade: tcp\r\nContent-Length: 100000\r\n", "hel"), { got = "ok" } },
  answer = { { got = "hel" }, OK }, backend = posted("Content-Length: 100000\r\n", "hel"), backend_cut = true,
  client = "HTTP/1.1 200 OK\r\n%via11%Content-Length: 2\r\nConnection: close\r\n\r\nok", keeps = false,
})
add("upgrade-errors", "a body that breaks off behind a 101 that came before its end", {
  send = { post("Upgrade: tcp\r\n" .. CODED, "5\r\nhello\r\n"), { peer_got = "hello" }, { pause = 0.1 }, "x\r\n" },
  answer = { { got = "hello" }, RAW }, backend = posted(CODED, "5\r\nhello\r\n"), backend_cut = true, refused = 400,
  client = "",
})

-- Asked for and not granted: what comes behind is the next request, and was sent nowhere before.
add("upgrade-refused", "a backend that answers the offer with 200, and a request behind it", {
  send = ASKS .. get("", "/next"), answers = { OK, OK }, backend = ASKS_SEEN .. seen("", "/next"),
  client = OK_SENT_ON:rep(2), keeps = true,
})
add("upgrade-refused", "a backend that answers the offer with 403 while the client speaks its protocol already", {
  send = ASKS .. "\129\133\1\2\3\4hello\r\n\r\n", backend = ASKS_SEEN, refused = 400,
  answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno",
  client = "HTTP/1.1 403 Forbidden\r\n%via11%Content-Length: 2\r\n\r\nno",
})
add("upgrade-refused", "a backend that answers 426 and says what it would take", {
  send = get(), backend = seen "", keeps = true,
  answer = "HTTP/1.1 426 Upgrade Required\r\nUpgrade: foo/3\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nno",
  client = "HTTP/1.1 426 Upgrade Required\r\nUpgrade: foo/3\r\n%via11%Content-Length: 2\r\n" ..
    "Connection: upgrade\r\n\r\nno",
})
add("upgrade-refused", "a backend that speaks of another protocol in a 200", {
  send = get(), backend = seen "", keeps = true, client = OK_SENT_ON,
  answer = "HTTP/1.1 200 OK\r\nUpgrade: h2,h2c\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nok",
})

-- A 101 that does not fit what was asked for.
local function refuses(name, send, backend, answer)
  add("upgrade-errors", name, { send = send, backend = backend, answer = answer, refused = 502, discards = true,
    keeps = true })
end

refuses("a 101 to another protocol than was offered", ASKS, ASKS_SEEN,
  SWITCHED .. "Connection: upgrade\r\nUpgrade: foo\r\n\r\nraw")
refuses("a 101 that does not say to what", ASKS, ASKS_SEEN, SWITCHED .. "Connection: upgrade\r\n\r\nraw")
refuses("a 101 to two protocols", ASKS, ASKS_SEEN,
  SWITCHED .. "Connection: upgrade\r\nUpgrade: websocket, foo\r\n\r\nraw")
refuses("a 101 to HTTP/2, which is never offered", ASKS, ASKS_SEEN,
  SWITCHED .. "Connection: upgrade\r\nUpgrade: h2c\r\n\r\nraw")
refuses("a 101 that does not say in Connection that it switches", ASKS, ASKS_SEEN,
  SWITCHED .. "Upgrade: websocket\r\n\r\nraw")
refuses("a 101 of HTTP/1.0", ASKS, ASKS_SEEN,
  "HTTP/1.0 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nraw")
refuses("a 101 for an offer without Connection", get "Upgrade: websocket\r\n", seen "", AGREES .. "raw")

-- Offers that are not forwarded; the rest of the request is.
local function not_offered(rule, name, send, backend)
  add(rule, name, { send = send, backend = backend, answer = OK, client = OK_SENT_ON, keeps = true })
end

local SETTINGS = "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"

not_offered("h2c", "an offer of h2c", get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n" .. SETTINGS),
  seen "")
not_offered("h2c", "an offer of h2c in upper case", get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: H2C\r\n" ..
  SETTINGS), seen "")
not_offered("h2c", "an offer of h2c without HTTP2-Settings in Connection",
  get("Connection: Upgrade\r\nUpgrade: h2c\r\n" .. SETTINGS), seen "")
not_offered("h2c", "an offer of h2c without Connection", get("Upgrade: h2c\r\n" .. SETTINGS), seen "")
not_offered("h2c", "an offer of h2c beside another one", get("Connection: Upgrade, HTTP2-Settings\r\n" ..
  "Upgrade: h2c, foo\r\n" .. SETTINGS), seen "Upgrade: foo\r\nConnection: upgrade\r\n")
not_offered("h2c", "an offer of h2c in a second field", get("Connection: Upgrade\r\nUpgrade: foo\r\nUpgrade: h2c\r\n"),
  seen "Upgrade: foo\r\nConnection: upgrade\r\n")
for _, spelling in ipairs { "h2c;q=1", '"h2c"', "h2c/", "h2c/1.0", "\tH2C\t", "h2c x", "/h2c", ",h2c," } do
  not_offered("h2c", ("an offer of h2c as %q"):format(spelling),
    get("Connection: Upgrade\r\nUpgrade: " .. spelling .. "\r\n"), seen "")
end
refuses("a 101 to h2c for an offer of h2c", get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n" .. SETTINGS),
  seen "", SWITCHED .. "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\nraw")
not_offered("upgrade-offer", "an offer that Connection does not name", get "Upgrade: websocket\r\n", seen "")
not_offered("upgrade-offer", "Connection: Upgrade and no offer", get "Connection: Upgrade\r\n", seen "")
not_offered("upgrade-offer", "an empty offer", get "Connection: Upgrade\r\nUpgrade:\r\n", seen "")
not_offered("h2c", "an offer of h2c with a body", post("Upgrade: h2c\r\nContent-Length: 5\r\n", "hello"),
  "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n%added%\r\nhello")
add("upgrade-offer", "an offer from an HTTP/1.0 client", {
  send = "GET / HTTP/1.0\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
  backend = "GET / HTTP/1.1\r\nHost: x\r\n%added%\r\n", answer = OK, keeps = false,
  client = "HTTP/1.1 200 OK\r\n%via11%Content-Length: 2\r\nConnection: close\r\n\r\nok",
})

return cases
