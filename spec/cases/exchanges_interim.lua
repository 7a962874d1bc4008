-- Interim responses (RFC 9110, 15.2; RFC 8297), Expect (RFC 9110, 10.1.1), and answers that come
-- before the request's body is there.
local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
local SEEN = "GET / HTTP/1.1\r\nHost: x\r\n%added%\r\n"
local FINAL, FINAL_SENT_ON = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
  "HTTP/1.1 200 OK\r\n%via11%Content-Length: 2\r\n\r\nok"
local HINTS, HINTS_SENT_ON = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
  "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n%via11%\r\n"

local cases = {}

local function add(rule, name, case)
  case.rule, case.name = rule, name
  case.send, case.backend = case.send or GET, case.backend or SEEN
  cases[#cases + 1] = case
end

local function passes(name, interim, sent_on)
  add("interim", name, { answer = interim .. FINAL, client = sent_on .. FINAL_SENT_ON, keeps = true })
end

passes("103 with a field before the final response", HINTS, HINTS_SENT_ON)
passes("100 that nobody waits for", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 100 Continue\r\n%via11%\r\n")
passes("102 before the final response", "HTTP/1.1 102 Processing\r\n\r\n", "HTTP/1.1 102 Processing\r\n%via11%\r\n")
passes("an interim status that nobody has defined", "HTTP/1.1 199 Odd\r\n\r\n", "HTTP/1.1 199 Odd\r\n%via11%\r\n")
passes("an interim response without a reason", "HTTP/1.1 103\r\n\r\n", "HTTP/1.1 103 \r\n%via11%\r\n")
passes("several interim responses", "HTTP/1.1 102 Processing\r\n\r\n" .. HINTS:rep(3),
  "HTTP/1.1 102 Processing\r\n%via11%\r\n" .. HINTS_SENT_ON:rep(3))
passes("ten interim responses", HINTS:rep(10), HINTS_SENT_ON:rep(10))
passes("an interim response with fields of the connection",
  "HTTP/1.1 103 Early Hints\r\nConnection: X-Private\r\nX-Private: 1\r\nKeep-Alive: timeout=5\r\nLink: </a>\r\n\r\n",
  HINTS_SENT_ON)
passes("an interim response with a length, which it must not have",
  "HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\nLink: </a>\r\n\r\n", HINTS_SENT_ON)
passes("an interim response with a coding, which it must not have",
  "HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\nLink: </a>\r\n\r\n", HINTS_SENT_ON)

add("interim", "an interim response that the client gets long before the final one", {
  answer = { HINTS, { peer_got = "</a>" }, FINAL }, client = HINTS_SENT_ON .. FINAL_SENT_ON, keeps = true,
})
add("interim", "an interim response to HEAD", {
  send = "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", backend = "HEAD / HTTP/1.1\r\nHost: x\r\n%added%\r\n",
  answer = HINTS .. "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n",
  client = HINTS_SENT_ON .. "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n%via11%\r\n", keeps = true,
})
add("interim", "an interim response before one that ends with the connection", {
  answer = HINTS .. "HTTP/1.1 200 OK\r\n\r\nok", answer_ends = true, keeps = true,
  client = HINTS_SENT_ON .. "HTTP/1.1 200 OK\r\n%via11%Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
})
for _, one in ipairs {
  { "103", HINTS }, { "100", "HTTP/1.1 100 Continue\r\n\r\n" }, { "102", "HTTP/1.1 102 Processing\r\n\r\n" },
  { "several interim responses", HINTS:rep(5) },
} do
  add("interim-1.0", one[1] .. " to an HTTP/1.0 client, who would not understand", {
    send = "GET / HTTP/1.0\r\nHost: x\r\n\r\n", answer = one[2] .. FINAL, keeps = false,
    client = "HTTP/1.1 200 OK\r\n%via11%Content-Length: 2\r\nConnection: close\r\n\r\nok",
  })
end
add("interim-1.0", "an interim response from an HTTP/1.0 backend", {
  answer = "HTTP/1.0 100 Continue\r\n\r\n" .. FINAL,
  client = { "HTTP/1.1 100 Continue\r\n%via10%\r\n" .. FINAL_SENT_ON, FINAL_SENT_ON }, keeps = true,
})

local function refuses(name, answer, before, more)
  local case = { answer = answer, refused = 502, client = before, keeps = true, discards = true }
  for key, value in pairs(more or {}) do case[key] = value end
  if case.answer_ends then case.discards = nil end
  add("interim-errors", name, case)
end

refuses("an interim response with a NUL", "HTTP/1.1 103 Early Hints\r\nLink: \0\r\n\r\n" .. FINAL)
refuses("an interim response with a bare LF", "HTTP/1.1 103 Early Hints\nLink: </a>\r\n\r\n" .. FINAL)
refuses("an interim response with two lengths",
  "HTTP/1.1 103 Early Hints\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n" .. FINAL)
refuses("an interim response with a body", "HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\nhello" .. FINAL,
  "HTTP/1.1 103 Early Hints\r\n%via11%\r\n")
refuses("garbage behind an interim response", HINTS .. "nonsense\r\n\r\n", HINTS_SENT_ON)
refuses("a broken final head behind an interim response",
  HINTS .. "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok", HINTS_SENT_ON)
refuses("nothing behind an interim response", HINTS, HINTS_SENT_ON, { answer_ends = true })
refuses("more interim responses than limits.head allows", HINTS:rep(60) .. FINAL, HINTS_SENT_ON:rep(25),
  { limits = "limits = { head = 1024 }" })
refuses("101 that nobody has asked for", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n" ..
  "Connection: Upgrade\r\n\r\nraw")
refuses("101 that nobody has asked for, behind another interim response",
  HINTS .. "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nraw", HINTS_SENT_ON)
refuses("101 without a protocol", "HTTP/1.1 101 Switching Protocols\r\n\r\n" .. FINAL)

-- Expect: the client asks, the backend says; the body is forwarded when it comes.
local function upload(fields, method)
  return ("%s / HTTP/1.1\r\nHost: x\r\n%s"):format(method or "PUT", fields)
end

local EXPECT = "Expect: 100-continue\r\n"
local WAITS, WAITS_SEEN = upload(EXPECT .. "Content-Length: 5\r\n\r\n"),
  upload(EXPECT .. "Content-Length: 5\r\n%added%\r\n")
local CONTINUE, CONTINUE_SENT_ON = "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 100 Continue\r\n%via11%\r\n"

add("expect", "a client that waits for 100 before its body", {
  send = { WAITS, { got = "100 Continue" }, "hello" },
  answer = { { got = "\r\n\r\n" }, CONTINUE, { got = "hello" }, FINAL },
  backend = WAITS_SEEN .. "hello", client = CONTINUE_SENT_ON .. FINAL_SENT_ON, keeps = true,
})
add("expect", "a client that waits for 100 before its chunks", {
  send = {
    upload(EXPECT .. "Transfer-Encoding: chunked\r\n\r\n"), { got = "100 Continue" }, "5\r\nhello\r\n0\r\n\r\n",
  },
  answer = { { got = "\r\n\r\n" }, CONTINUE, { got = "0\r\n\r\n" }, FINAL },
  backend = upload(EXPECT .. "Transfer-Encoding: chunked\r\n%added%\r\n") .. "5\r\nhello\r\n0\r\n\r\n",
  client = CONTINUE_SENT_ON .. FINAL_SENT_ON, keeps = true,
})
add("expect", "a client that expects 100 and does not wait", {
  send = WAITS .. "hello", answer = { { got = "hello" }, FINAL },
  backend = WAITS_SEEN .. "hello",
  client = FINAL_SENT_ON, keeps = true,
})
add("expect", "a client that expects 100 and gets 102 and 103 before", {
  send = { WAITS, { got = "100 Continue" }, "hello" },
  answer = { { got = "\r\n\r\n" }, "HTTP/1.1 102 Processing\r\n\r\n" .. HINTS .. CONTINUE, { got = "hello" }, FINAL },
  backend = WAITS_SEEN .. "hello",
  client = "HTTP/1.1 102 Processing\r\n%via11%\r\n" .. HINTS_SENT_ON .. CONTINUE_SENT_ON .. FINAL_SENT_ON, keeps = true,
})
add("expect", "an HTTP/1.0 client, whose expectation is none", {
  send = "PUT / HTTP/1.0\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
  backend = upload "Content-Length: 5\r\n%added%\r\n" .. "hello", answer = FINAL, keeps = false,
  client = "HTTP/1.1 200 OK\r\n%via11%Content-Length: 2\r\nConnection: close\r\n\r\nok",
})

-- A final answer before the body has come: it reaches the client, and no connection is used again.
local function early(name, case)
  case.backend_cut, case.keeps = true, false
  add("early-answer", name, case)
end

local TOO_LARGE = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n"
local TOO_LARGE_SENT_ON = "HTTP/1.1 413 Content Too Large\r\n%via11%Content-Length: 3\r\nConnection: close\r\n\r\nbig"
local MUCH, MUCH_SEEN = upload("Content-Length: 100000\r\n\r\n", "POST"),
  upload("Content-Length: 100000\r\n%added%\r\n", "POST")
local SOME = ("x"):rep(1000)

early("413 while the body is still being sent", {
  send = MUCH .. SOME, answer = { { got = SOME }, TOO_LARGE .. "Connection: close\r\n\r\nbig" },
  backend = MUCH_SEEN .. ("x"):rep(100000), client = TOO_LARGE_SENT_ON,
})
early("413 while the body is still being sent, from a backend that would keep its connection", {
  send = MUCH .. SOME, answer = { { got = SOME }, TOO_LARGE .. "\r\nbig" }, backend = MUCH_SEEN .. ("x"):rep(100000),
  client = TOO_LARGE_SENT_ON,
})
early("413 before the first byte of the body", {
  send = MUCH, answer = { { got = "\r\n\r\n" }, TOO_LARGE .. "\r\nbig" }, backend = MUCH_SEEN .. ("x"):rep(100000),
  client = TOO_LARGE_SENT_ON,
})
early("200 while chunks are still being sent", {
  ways = { "whole", "late" },
  send = upload("Transfer-Encoding: chunked\r\n\r\n", "POST") .. "5\r\nhello\r\n",
  answer = { { got = "hello" }, FINAL },
  backend = upload("Transfer-Encoding: chunked\r\n%added%\r\n", "POST") .. "5\r\nhello\r\n0\r\n\r\n",
  client = "HTTP/1.1 200 OK\r\n%via11%Content-Length: 2\r\nConnection: close\r\n\r\nok",
})
early("401 in chunks while the body is still being sent", {
  send = MUCH .. SOME, backend = MUCH_SEEN .. ("x"):rep(100000),
  answer = { { got = SOME }, "HTTP/1.1 401 Unauthorized\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n" },
  client = "HTTP/1.1 401 Unauthorized\r\n%via11%Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" ..
    "2\r\nno\r\n0\r\n\r\n",
})
early("417 in place of 100", {
  send = WAITS, answer = { { got = "\r\n\r\n" }, "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno" },
  backend = WAITS_SEEN .. "hello",
  client = "HTTP/1.1 417 Expectation Failed\r\n%via11%Content-Length: 2\r\nConnection: close\r\n\r\nno",
})
early("401 in place of 100, and then a body that looks like a request", {
  send = { upload(EXPECT .. ("Content-Length: %d\r\n\r\n"):format(#GET)), { got = "no" }, GET },
  answer = { { got = "\r\n\r\n" }, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno" },
  backend = upload(EXPECT .. ("Content-Length: %d\r\n%%added%%\r\n"):format(#GET)) .. GET,
  client = "HTTP/1.1 401 Unauthorized\r\n%via11%Content-Length: 2\r\nConnection: close\r\n\r\nno",
})

return cases
