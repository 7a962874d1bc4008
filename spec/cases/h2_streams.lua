-- States of streams, their numbers, how many there may be, windows, and errors (RFC 9113, 5).
local frames = require "spec.support.h2_frames"
local cases = require("spec.support.h2_cases").new()
local head, block, forwarded, after, answer = cases.head, cases.block, cases.forwarded, cases.after, cases.answer

local SEEN = forwarded()
local GET = head()
local OPEN = head("content-length: 4", { method = "POST", open_end = true })
local UPLOAD = forwarded(cases.length(4), "POST")
local LAST = { last = true }

-- --- 5.1: idle ---

cases:connection_error("h2-idle", "DATA on an idle stream", frames.data(3, "x"), "PROTOCOL_ERROR")
cases:connection_error("h2-idle", "DATA with END_STREAM on an idle stream", frames.data(3, "", LAST), "PROTOCOL_ERROR")
cases:connection_error("h2-idle", "DATA on an even stream", frames.data(2, "x"), "PROTOCOL_ERROR")
cases:connection_error("h2-idle", "DATA on an idle stream behind a request", GET .. frames.data(5, "x"),
  "PROTOCOL_ERROR", { backend = { SEEN, "" } })

-- --- 5.1: open, half-closed (remote) ---

for name, one in pairs {
  ["DATA"] = { frames.data(3, "x") }, ["empty DATA"] = { frames.data(3, "") },
  ["DATA with END_STREAM"] = { frames.data(3, "x", LAST) },
  ["HEADERS"] = { frames.headers(3, block(nil), LAST) },
  ["HEADERS without END_STREAM"] = { frames.headers(3, block(nil)) },
  ["trailers"] = { frames.headers(3, { { "x-sum", "1" } }, LAST) },
} do
  cases:stream_error("h2-half-closed", name .. " behind END_STREAM, before the answer", GET .. one[1], "STREAM_CLOSED",
    { backend = { SEEN, "" }, answer = cases.HELD })
  cases:stream_error("h2-half-closed", name .. " behind END_STREAM, when the backend has the request",
    { GET, after.backend "GET / ", one[1] }, "STREAM_CLOSED", { backend = SEEN, answer = cases.HELD })
  cases:stream_error("h2-half-closed", name .. " behind an upload, before the answer",
    { OPEN, frames.data(3, "body", LAST), after.backend "body", one[1] }, "STREAM_CLOSED",
    { backend = UPLOAD .. "body", answer = cases.HELD })
end
local LATE = { "", { peer_got = frames.ping("continue", true) }, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" }
for name, bytes in pairs {
  ["WINDOW_UPDATE"] = frames.window(3, 1), ["PRIORITY"] = frames.priority(3, 1),
  ["an unknown frame"] = frames.frame(99, 1, 3, "x"),
} do
  cases:add { rule = "h2-half-closed", name = name .. " behind END_STREAM, before the answer", backend = SEEN,
    send = { GET, after.backend "GET / ", bytes .. frames.ping "continue" }, answer = LATE,
    streams = { [3] = { status = 200, body = "ok" } } }
end

-- --- 5.1: closed ---

for name, bytes in pairs {
  ["DATA"] = frames.data(3, "x"), ["DATA with END_STREAM"] = frames.data(3, "", LAST),
  ["HEADERS"] = frames.headers(3, block(nil), LAST),
} do
  cases:connection_error("h2-closed", name .. " on a stream whose both sides have ended", { GET, after.done(3), bytes },
    { "STREAM_CLOSED", "PROTOCOL_ERROR" }, { backend = SEEN, streams = { [3] = answer "GET /" } })
  cases:stream_error("h2-closed", name .. " on a stream that the client has reset",
    OPEN .. frames.rst(3, "CANCEL") .. bytes, "STREAM_CLOSED", { backend = UPLOAD, backend_cut = true })
end
cases:connection_error("h2-closed", "CONTINUATION on a stream whose both sides have ended",
  { GET, after.done(3), frames.continuation(3, block(nil)) }, { "STREAM_CLOSED", "PROTOCOL_ERROR" },
  { backend = SEEN, streams = { [3] = answer "GET /" } })
cases:connection_error("h2-closed", "CONTINUATION on a stream that the client has reset",
  OPEN .. frames.rst(3, "CANCEL") .. frames.continuation(3, block(nil)), { "STREAM_CLOSED", "PROTOCOL_ERROR" },
  { backend = UPLOAD, backend_cut = true })
cases:stream_error("h2-closed", "three times DATA on a stream that the client has reset: one RST_STREAM",
  OPEN .. frames.rst(3, "CANCEL") .. frames.data(3, "x"):rep(3), "STREAM_CLOSED",
  { backend = UPLOAD, backend_cut = true })
-- What was on its way when lb reset the stream is ignored, but counts for the connection's window.
for name, bytes in pairs {
  ["DATA"] = frames.data(3, "body", LAST), ["trailers"] = frames.headers(3, { { "x-a", "1" } }, LAST),
  ["RST_STREAM"] = frames.rst(3, "CANCEL"), ["WINDOW_UPDATE"] = frames.window(3, 100),
    ["PRIORITY"] = frames.priority(3, 1),
} do
  cases:stream_error("h2-closed", name .. " on a stream that lb has reset",
    head("X-Upper: 1", { method = "POST", open_end = true }) .. bytes, "PROTOCOL_ERROR")
end

-- --- 5.1.1: numbers ---

cases:connection_error("h2-stream-id", "a request on an even stream", head(nil, { stream = 2 }), "PROTOCOL_ERROR")
cases:connection_error("h2-stream-id", "a request on stream 4", head(nil, { stream = 4 }), "PROTOCOL_ERROR")
cases:connection_error("h2-stream-id", "a request on a lower stream than the one before",
  head(nil, { stream = 7 }) .. head(nil, { stream = 5 }), { "PROTOCOL_ERROR", "STREAM_CLOSED" },
    { backend = { SEEN, "" } })
-- It is closed, as a higher one was used (5.1.1), and what comes for it may be ignored (5.1).
cases:passes("h2-stream-id", "DATA on a stream that was passed over",
  { head(nil, { stream = 7 }), after.done(7), frames.data(5, "x") }, SEEN, { streams = { [5] = { any = true } } })
cases:passes("h2-stream-id", "a request on stream 99", head(nil, { stream = 99 }), SEEN,
  { streams = { [99] = answer "GET /" } })
cases:passes("h2-stream-id", "PRIORITY on a stream that was passed over",
  head(nil, { stream = 7 }) .. frames.priority(5, 0), SEEN, { streams = { [7] = answer "GET /" } })
cases:add { rule = "h2-stream-id", name = "a request on the highest stream", send = head(nil, { stream = 2 ^ 31 - 1 }),
  backend = SEEN, streams = { [2 ^ 31 - 1] = answer "GET /" }, no_more = true }
cases:add { rule = "h2-stream-id", name = "ten requests in one piece",
  send = (function()
    local list = {}
    for i = 1, 10 do list[i] = head(nil, { stream = 1 + 2 * i, path = "/" .. i }) end
    return table.concat(list)
  end)(),
  backend_all = (function()
    local list = {}
    for i = 1, 10 do list[i] = forwarded(nil, "GET", "/" .. i) end
    return list
  end)(),
  streams = (function()
    local list = {}
    for i = 1, 10 do list[1 + 2 * i] = answer("GET /" .. i) end
    return list
  end)(),
}
cases:add { rule = "h2-stream-id", name = "uploads on two streams, their DATA in turn",
  send = OPEN .. head("content-length: 6", { stream = 5, method = "PUT", path = "/b", open_end = true })
    .. frames.data(3, "bo") .. frames.data(5, "abc") .. frames.data(3, "dy", LAST) .. frames.data(5, "def", LAST),
  backend_all = { UPLOAD .. "body", forwarded(cases.length(6), "PUT", "/b") .. "abcdef" },
  streams = { [3] = answer "POST /", [5] = answer "PUT /b" },
}
cases:add { rule = "h2-stream-id", name = "an answer that comes before the one that was asked for first",
  send = { GET, after.backend "GET / ", head(nil, { stream = 5, path = "/second" }), after.done(5),
    frames.ping "continue" },
  answers = { LATE, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb" },
  backend_all = { SEEN, forwarded(nil, "GET", "/second") },
  streams = { [3] = { status = 200, body = "ok" }, [5] = { status = 200, body = "b" } },
}

-- --- 5.1.2: how many at once ---

local FOUR = "h2 = { streams = 4 }"
local function many(count, from)
  local list = {}
  for i = 0, count - 1 do list[i + 1] = head(nil, { stream = (from or 3) + 2 * i }) end
  return table.concat(list)
end
cases:add { rule = "h2-concurrent", name = "as many streams as the setting says", limits = FOUR, answer = nil,
  send = many(3), backend_all = { SEEN, SEEN, SEEN },
  streams = { [3] = answer "GET /", [5] = answer "GET /", [7] = answer "GET /" },
  check = function(peer, complain)
    if peer.settings.MAX_CONCURRENT_STREAMS ~= 4 then complain "  SETTINGS do not say so" end
  end }
cases:add { rule = "h2-concurrent", name = "a stream more than the setting says", limits = FOUR, answer = cases.HELD,
  send = { many(3), after.backend(SEEN:sub(1, 10)), head(nil, { stream = 9 }), after.done(9),
    frames.rst(3, "CANCEL"), frames.rst(5, "CANCEL"), frames.rst(7, "CANCEL") },
  backend_all = { SEEN, SEEN, SEEN }, streams = { [9] = { reset = "REFUSED_STREAM" } },
  no_more = true } -- a stream counts until its exchange is over
cases:add { rule = "h2-concurrent", name = "streams that have ended do not count", limits = FOUR,
  send = { head(), after.done(3), head(nil, { stream = 5 }), after.done(5), head(nil, { stream = 7 }), after.done(7),
    head(nil, { stream = 9 }), after.done(9), head(nil, { stream = 11 }) },
  backend = SEEN:rep(5), streams = { [11] = answer "GET /" } }

-- --- 5.2 and 6.9: windows ---

local BODY = ("0123456789"):rep(10)
local HUNDRED = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" .. BODY
local function windows(name, case)
  case.rule, case.name = "h2-flow", name
  case.send, case.backend, case.answer = case.send or GET, case.backend or SEEN, case.answer or HUNDRED
  case.streams = case.streams or { [3] = { status = 200, body = BODY } }
  case.beside = false
  cases:add(case)
end
local function sizes_are(wanted)
  return function(peer, complain)
    local sizes = table.concat(peer:stream(3).sizes, " ")
    if sizes ~= wanted then complain(("  DATA came in %s bytes, and not %s"):format(sizes, wanted)) end
  end
end
windows("a window of 0: the head comes, and no DATA", { settings = { { "INITIAL_WINDOW_SIZE", 0 } }, credit = false,
  send = { GET, after.head(3), after.ping() }, no_more = true,
  streams = { [3] = { status = 200, body = "", unfinished = true } } })
windows("a window of 1: one byte of DATA", { settings = { { "INITIAL_WINDOW_SIZE", 1 } }, credit = false,
  send = { GET, after.data(3, 1), after.ping() }, no_more = true,
  streams = { [3] = { status = 200, body = "0", unfinished = true } }, check = sizes_are "1" })
windows("a window of 1, opened byte by byte", { settings = { { "INITIAL_WINDOW_SIZE", 1 } }, credit = false,
  send = { GET, after.data(3, 1), frames.window(3, 1), after.data(3, 2), frames.window(3, 1), after.data(3, 3),
    frames.window(3, 97) }, check = sizes_are "1 1 1 97", no_more = true })
windows("a window of 10, and credit at each DATA", { settings = { { "INITIAL_WINDOW_SIZE", 10 } }, no_more = true })
windows("a window that SETTINGS open", { settings = { { "INITIAL_WINDOW_SIZE", 0 } }, credit = false, no_more = true,
  send = { GET, after.head(3), frames.settings { { "INITIAL_WINDOW_SIZE", 100 } } } })
windows("a window that SETTINGS take below zero", { settings = { { "INITIAL_WINDOW_SIZE", 40 } }, credit = false,
  no_more = true,
  send = { GET, after.data(3, 40), frames.settings { { "INITIAL_WINDOW_SIZE", 10 } }, after.acked(2),
    frames.window(3, 30), after.ping() },
  streams = { [3] = { status = 200, body = BODY:sub(1, 40), unfinished = true } }, check = sizes_are "40" })
windows("a window below zero, opened again", { settings = { { "INITIAL_WINDOW_SIZE", 40 } }, credit = false,
  no_more = true,
  send = { GET, after.data(3, 40), frames.settings { { "INITIAL_WINDOW_SIZE", 10 } }, after.acked(2),
    frames.window(3, 31), after.data(3, 41), frames.window(3, 59) }, check = sizes_are "40 1 59" })
windows("SETTINGS with three windows, of which the last one holds", { credit = false, no_more = true,
  settings = { { "INITIAL_WINDOW_SIZE", 100 }, { "INITIAL_WINDOW_SIZE", 1 }, { "INITIAL_WINDOW_SIZE", 3 } },
  send = { GET, after.data(3, 3), after.ping() },
  streams = { [3] = { status = 200, body = "012", unfinished = true } }, check = sizes_are "3" })
windows("an answer without a body needs no window", { settings = { { "INITIAL_WINDOW_SIZE", 0 } }, credit = false,
  answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", no_more = true,
    streams = { [3] = { status = 200, body = "" } } })
windows("trailers need no window", { settings = { { "INITIAL_WINDOW_SIZE", 2 } }, credit = false, no_more = true,
  send = head "te: trailers", backend = forwarded "TE: trailers\r\nConnection: TE\r\n",
  answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n",
  streams = { [3] = { status = 200, body = "ok", trailers = { { "x-sum", "1" } } } } })
windows("RST_STREAM of an answer that waits for a window", { settings = { { "INITIAL_WINDOW_SIZE", 1 } },
  credit = false,
  send = { GET, after.data(3, 1), frames.rst(3, "CANCEL") }, no_more = true,
  streams = { [3] = { any = true } } })
local BIG = ("x"):rep(100000)
local BIG_ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" .. BIG
windows("the connection's window of 65535", { answer = BIG_ANSWER, credit = false, no_more = true,
  settings = { { "INITIAL_WINDOW_SIZE", 2 ^ 31 - 1 } },
  send = { GET, after.data(3, 65535), after.ping() },
  streams = { [3] = { status = 200, body = BIG:sub(1, 65535), unfinished = true } } })
windows("the connection's window, opened again", { answer = BIG_ANSWER, credit = false, no_more = true,
  settings = { { "INITIAL_WINDOW_SIZE", 2 ^ 31 - 1 } },
  send = { GET, after.data(3, 65535), frames.window(0, 34464), after.data(3, 99999), frames.window(0, 1) },
  streams = { [3] = { status = 200, body = BIG } } })
windows("an answer larger than both windows", { answer = BIG_ANSWER, streams = { [3] = { status = 200, body = BIG } },
  check = function(peer, complain)
    for _, size in ipairs(peer:stream(3).sizes) do
      if size > 16384 then complain(("  DATA of %d bytes"):format(size)) end
    end
  end })
windows("frames of more than 16384 bytes if the client takes them", { answer = BIG_ANSWER,
  settings = { { "MAX_FRAME_SIZE", 65536 } }, streams = { [3] = { status = 200, body = BIG } } })
windows("one stream without a window does not stop another", { settings = { { "INITIAL_WINDOW_SIZE", 0 } },
  credit = false, no_more = true, answers = { HUNDRED, HUNDRED },
  send = { GET, after.head(3), head(nil, { stream = 5 }), after.head(5), frames.window(5, 100), after.done(5) },
  backend_all = { SEEN, SEEN },
  streams = { [3] = { status = 200, body = "", unfinished = true }, [5] = { status = 200, body = BODY } } })

-- What the client may send, lb has said.
local function flood(stream, beyond)
  return function(peer)
    local room = peer:window(stream) + beyond
    local parts = {}
    while room > 0 do
      local size = math.min(room, 16384)
      parts[#parts + 1] = frames.data(stream, ("x"):rep(size))
      room = room - size
    end
    return table.concat(parts)
  end
end
cases:add { rule = "h2-flow", name = "DATA beyond a window of lb, whose body nobody takes yet", ways = { "whole" },
  limits = [[choose = function(ctx, backends)
    if ctx.path == "/waits" then lb.sleep(60000) end
    return backends[1]
  end]],
  send = { head(nil, { method = "POST", path = "/waits", open_end = true }), after.settings(), flood(3, 100000) },
  backend = false, may_end = true, beside = false, streams = { [3] = { any = true } },
  check = function(peer, complain)
    local last = peer.goaways[#peer.goaways]
    local reset = peer:stream(3).reset
    if not (last and last.code == "FLOW_CONTROL_ERROR" or reset == "FLOW_CONTROL_ERROR") then
      complain(("  and no FLOW_CONTROL_ERROR: %s, %s"):format(tostring(last and last.code), tostring(reset)))
    end
  end }
cases:add { rule = "h2-flow", name = "DATA of all of a window, which is given back",
  send = { head(nil, { method = "POST", open_end = true }), after.settings(), flood(3, 0),
    after.frame("WINDOW_UPDATE", 2),
    frames.data(3, "end", LAST) },
  backend_any = true, ways = { "whole" }, streams = { [3] = answer "POST /" },
  check = function(_, complain, seen)
    local text = table.concat(seen.backend)
    local body = select(2, text:gsub("x", "")) - select(2, text:match "^(.-)\r\n\r\n":gsub("x", ""))
    if body < 65535 or not text:find "end\r\n0\r\n\r\n$" then complain(("  the backend got %d bytes"):format(body)) end
  end }
cases:add { rule = "h2-flow", name = "padding counts for the window, and is given back", ways = { "whole" },
  send = (function()
    local list = { head("content-length: 600", { method = "POST", open_end = true }) }
    for i = 1, 600 do
      local bytes = frames.data(3, "y", { padding = 255, last = i == 600 })
      list[#list + 1] = function(peer) return peer:window(3) >= 257 and bytes end
    end
    return list
  end)(),
  backend = forwarded(cases.length(600), "POST") .. ("y"):rep(600), streams = { [3] = answer "POST /" } }

-- --- 5.4: errors, and what lb says of them ---

cases:connection_error("h2-errors", "GOAWAY names the last stream that was taken",
  { GET, after.done(3), frames.frame("PING", 0, 0, "1234567") }, "FRAME_SIZE_ERROR",
  { backend = SEEN, last = 3, streams = { [3] = answer "GET /" } })
cases:add { rule = "h2-errors", name = "a stream error does not harm the streams beside it",
  send = GET .. head("Bad: 1", { stream = 5 }) .. head(nil, { stream = 7 }) .. head("connection: x", { stream = 9 })
    .. head(nil, { stream = 11 }),
  backend_all = { SEEN, SEEN, SEEN },
  streams = { [3] = answer "GET /", [5] = { reset = "PROTOCOL_ERROR" }, [7] = answer "GET /",
    [9] = { reset = "PROTOCOL_ERROR" }, [11] = answer "GET /" } }
cases:add { rule = "h2-errors", name = "nothing behind a connection error is looked at",
  send = frames.window(0, 0) .. GET, backend = false, goaway = "PROTOCOL_ERROR",
    streams = { [3] = { none = true, first = true } } }
cases:add { rule = "h2-errors", name = "one GOAWAY for several connection errors",
  send = frames.window(0, 0) .. frames.rst(0, "CANCEL") .. frames.ping("short"), backend = false,
    goaway = "PROTOCOL_ERROR",
  check = function(peer, complain)
    if #peer.goaways ~= 1 then complain(("  the client got %d GOAWAYs"):format(#peer.goaways)) end
  end }
cases:add { rule = "h2-errors", name = "the client ends the connection behind its request",
  send = { GET, after.backend "GET / ", function(_, _, conn)
    if not conn.handle.tcp then conn:finish() end
    return true
  end }, backend = SEEN, may_end = true, beside = false, streams = { [3] = { any = true } } }


return cases
