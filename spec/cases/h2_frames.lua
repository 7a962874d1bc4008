-- Frames of HTTP/2: the preface, their sizes, and each type with all that can be wrong about it
-- (RFC 9113, 3.4, 4, 5.5 and 6).
local frames = require "spec.support.h2_frames"
local hpack = require "spec.support.hpack"
local cases = require("spec.support.h2_cases").new()
local head, block, forwarded, after, answer = cases.head, cases.block, cases.forwarded, cases.after, cases.answer

local SEEN = forwarded()
local GET = head()
local OPEN = head("content-length: 4", { method = "POST", open_end = true })
local UPLOAD = forwarded(cases.length(4), "POST")

-- --- 3.4: the preface ---

local function opening(name, send, more)
  local case = { rule = "h2-preface", name = name, send = send, raw = true, backend = false }
  for key, value in pairs(more) do case[key] = value end
  cases:add(case)
end

local SERVED = { backend = SEEN, streams = { [1] = answer "GET /" } }
local FIRST = head(nil, { stream = 1 })
opening("a preface, empty SETTINGS and a request", frames.PREFACE .. frames.settings() .. FIRST, SERVED)
opening("a preface and SETTINGS with all that is known", frames.PREFACE .. frames.settings {
  { "HEADER_TABLE_SIZE", 4096 }, { "ENABLE_PUSH", 0 }, { "MAX_CONCURRENT_STREAMS", 100 },
  { "INITIAL_WINDOW_SIZE", 65535 }, { "MAX_FRAME_SIZE", 16384 }, { "MAX_HEADER_LIST_SIZE", 65536 },
} .. FIRST, SERVED)
opening("SETTINGS, then WINDOW_UPDATE, as curl has it",
  frames.PREFACE .. frames.settings { { "ENABLE_PUSH", 0 } } .. frames.window(0, 2 ^ 24) .. FIRST, SERVED)
for name, frame in pairs {
  ["HEADERS"] = FIRST, ["PING"] = frames.ping(), ["an ACK of SETTINGS"] = frames.settings_ack(),
  ["WINDOW_UPDATE"] = frames.window(0, 1), ["GOAWAY"] = frames.goaway(0, "NO_ERROR"),
  ["DATA"] = frames.data(1, "x"), ["a frame of an unknown type"] = frames.frame(99, 0, 0, "x"),
} do
  opening(("a preface, and %s in place of SETTINGS"):format(name), frames.PREFACE .. frame,
    { goaway = { "PROTOCOL_ERROR", "FRAME_SIZE_ERROR" } })
end
opening("a preface, and SETTINGS of 5 bytes", frames.PREFACE .. frames.frame("SETTINGS", 0, 0, "12345"),
  { goaway = "FRAME_SIZE_ERROR" })
opening("another end of the preface", "PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n" .. frames.settings(),
  { ends = true, h1 = { 400, 505 } })
opening("a bare LF in the preface", "PRI * HTTP/2.0\n\r\nSM\r\n\r\n" .. frames.settings(),
  { ends = true, h1 = { 400, 505 } })
opening("HTTP/2.1 in the preface", "PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n" .. frames.settings(), { ends = true, h1 = 505 })
opening("small letters in the preface", "pri * HTTP/2.0\r\n\r\nSM\r\n\r\n", { ends = true, h1 = { 400, 505 } })
opening("frames without a preface", frames.settings() .. FIRST, { ends = true, h1 = 400 })
opening("a second preface behind the first one", frames.PREFACE .. frames.settings() .. frames.PREFACE,
  { goaway = { "PROTOCOL_ERROR", "FRAME_SIZE_ERROR" } })

-- --- 4.1: what is ignored in the head of a frame ---

cases:passes("h2-frame", "an unknown type of frame on the connection", frames.frame(22, 0, 0, "hello") .. GET, SEEN)
cases:passes("h2-frame", "an unknown type of frame, with all flags", frames.frame(255, 255, 0, ("x"):rep(300)) .. GET,
  SEEN)
cases:passes("h2-frame", "an unknown type of frame on an idle stream", frames.frame(11, 0, 99, "hello") .. GET, SEEN)
cases:passes("h2-frame", "an unknown type of frame, empty", frames.frame(200, 1, 3) .. GET, SEEN)
cases:passes("h2-frame", "an unknown type of frame between HEADERS and DATA",
  OPEN .. frames.frame(22, 1, 3, "hello") .. frames.data(3, "body", { last = true }), UPLOAD .. "body")
cases:passes("h2-frame", "ALTSVC, ORIGIN and PRIORITY_UPDATE",
  frames.frame(10, 0, 0, "\0\0x") .. frames.frame(12, 0, 0, "") .. frames.frame(16, 0, 0, frames.u32(3) .. "u=1")
    .. GET, SEEN)
cases:passes("h2-frame", "undefined flags of HEADERS", head(nil, { flags = 0xc2 }), SEEN)
cases:passes("h2-frame", "undefined flags of DATA",
  OPEN .. frames.data(3, "body", { last = true, flags = 0xf6 }), UPLOAD .. "body")
cases:passes("h2-frame", "undefined flags of SETTINGS", frames.frame("SETTINGS", 0xfe, 0) .. GET, SEEN)
cases:passes("h2-frame", "undefined flags of WINDOW_UPDATE", frames.frame("WINDOW_UPDATE", 0xff, 0, frames.u32(1))
  .. GET, SEEN)
cases:passes("h2-frame", "undefined flags of PRIORITY",
  frames.frame("PRIORITY", 0xff, 5, frames.u32(0) .. "\1") .. GET, SEEN)
cases:passes("h2-frame", "undefined flags of PING", frames.frame("PING", 0xfe, 0, "12345678") .. GET, SEEN, {
  check = function(peer, complain)
    if peer.pongs[1] ~= "12345678" then complain "  the PING has no answer" end
  end,
})
cases:passes("h2-frame", "the reserved bit of HEADERS", head(nil, { reserved = true }), SEEN)
cases:passes("h2-frame", "the reserved bit of PING", frames.frame("PING", 0, 0, "12345678", { reserved = true })
  .. GET, SEEN)
cases:passes("h2-frame", "the reserved bit of WINDOW_UPDATE",
  frames.frame("WINDOW_UPDATE", 0, 0, frames.u32(2 ^ 31 + 5)) .. GET, SEEN)

-- --- 4.2: sizes ---

local LONG = ("x"):rep(16384)
cases:passes("h2-frame-size", "DATA of 16384 bytes",
  head("content-length: 16384", { method = "POST", open_end = true }) .. frames.data(3, LONG, { last = true }),
  forwarded(cases.length(16384), "POST") .. LONG)
cases:passes("h2-frame-size", "an unknown frame of 16384 bytes", frames.frame(77, 0, 0, LONG) .. GET, SEEN)
cases:connection_error("h2-frame-size", "DATA of 16385 bytes",
  head("content-length: 16385", { method = "POST", open_end = true }) .. frames.data(3, LONG .. "x", { last = true }),
  "FRAME_SIZE_ERROR", { backend = forwarded(cases.length(16385), "POST") .. LONG .. "x", backend_cut = true })
cases:connection_error("h2-frame-size", "HEADERS of 16385 bytes",
  frames.headers(3, block("x-a: " .. ("a"):rep(16380)), { last = true }), "FRAME_SIZE_ERROR")
cases:connection_error("h2-frame-size", "CONTINUATION of 16385 bytes",
  head(nil, { open = true }) .. frames.continuation(3, block(nil) .. ("x"):rep(16385)), "FRAME_SIZE_ERROR")
cases:connection_error("h2-frame-size", "SETTINGS of 16386 bytes", frames.frame("SETTINGS", 0, 0, ("\0"):rep(16386)),
  "FRAME_SIZE_ERROR")
cases:connection_error("h2-frame-size", "an unknown frame of 16385 bytes", frames.frame(77, 0, 0, LONG .. "x"),
  "FRAME_SIZE_ERROR")
cases:connection_error("h2-frame-size", "a frame that says it has 2^24 - 1 bytes",
  frames.frame("DATA", 0, 1, "x", { length = 2 ^ 24 - 1 }), "FRAME_SIZE_ERROR")

-- Types whose size is fixed: a connection error, but for PRIORITY.
for name, sizes in pairs { PING = { 0, 7, 9, 16 }, RST_STREAM = { 0, 3, 5 }, WINDOW_UPDATE = { 0, 3, 5 },
  GOAWAY = { 0, 7 } } do
  for _, size in ipairs(sizes) do
    local stream = (name == "RST_STREAM") and 1 or 0
    cases:connection_error("h2-frame-size", ("%s of %d bytes"):format(name, size),
      frames.frame(name, 0, stream, ("\0"):rep(size)), "FRAME_SIZE_ERROR")
  end
end
cases:connection_error("h2-frame-size", "WINDOW_UPDATE of 3 bytes on a stream",
  frames.frame("WINDOW_UPDATE", 0, 1, "\0\0\1"),
  "FRAME_SIZE_ERROR")
for _, size in ipairs { 4, 6 } do
  cases:stream_error("h2-frame-size", ("PRIORITY of %d bytes on an open stream"):format(size),
    OPEN .. frames.frame("PRIORITY", 0, 3, ("\0"):rep(size)), "FRAME_SIZE_ERROR",
      { backend = UPLOAD, backend_cut = true })
end
for _, size in ipairs { 1, 5, 7, 13 } do
  cases:connection_error("h2-frame-size", ("SETTINGS of %d bytes"):format(size),
    frames.frame("SETTINGS", 0, 0, ("\0"):rep(size)), "FRAME_SIZE_ERROR")
end
cases:connection_error("h2-frame-size", "an ACK of SETTINGS with 6 bytes",
  frames.frame("SETTINGS", 1, 0, "\0\4\0\0\1\0"),
  "FRAME_SIZE_ERROR")
cases:connection_error("h2-frame-size", "an ACK of SETTINGS with 1 byte", frames.frame("SETTINGS", 1, 0, "x"),
  "FRAME_SIZE_ERROR")

-- --- 4.3 and 6.10: one block of fields is one piece ---

local WHOLE = block(nil)
local function broken_block(name, between, code, more)
  cases:connection_error("h2-continuation", name, frames.headers(3, WHOLE:sub(1, 9), { open = true, last = true })
    .. between .. frames.continuation(3, WHOLE:sub(10)), code or "PROTOCOL_ERROR", more)
end
broken_block("PRIORITY within a block", frames.priority(3, 0))
broken_block("PING within a block", frames.ping())
broken_block("SETTINGS within a block", frames.settings())
broken_block("an ACK of SETTINGS within a block", frames.settings_ack())
broken_block("WINDOW_UPDATE within a block", frames.window(0, 1))
broken_block("RST_STREAM within a block", frames.rst(3, "CANCEL"))
broken_block("RST_STREAM of the canary within a block", frames.rst(1, "CANCEL"))
broken_block("DATA within a block", frames.data(3, "x"))
broken_block("DATA of another stream within a block", frames.data(1, "ary", { last = true }))
broken_block("HEADERS of the same stream within a block", frames.headers(3, WHOLE, { last = true }))
broken_block("HEADERS of another stream within a block", frames.headers(5, WHOLE, { last = true }))
broken_block("CONTINUATION of another stream within a block", frames.continuation(5, WHOLE))
broken_block("CONTINUATION on stream 0 within a block", frames.continuation(0, WHOLE))
broken_block("an unknown frame within a block", frames.frame(42, 0, 3, "x"))
broken_block("an unknown frame on stream 0 within a block", frames.frame(42, 0, 0, ""))
broken_block("PUSH_PROMISE within a block", frames.push(3, 2, WHOLE))
broken_block("GOAWAY within a block", frames.goaway(0, "NO_ERROR"))

local function split(text, count, stream, more)
  local parts = { frames.headers(stream, text:sub(1, 1), { open = true, last = true }) }
  local size = math.ceil((#text - 1) / count)
  for i = 1, count do
    local piece = text:sub(2 + (i - 1) * size, 1 + i * size)
    parts[#parts + 1] = frames.continuation(stream, piece, { open = i < count, flags = more and more.flags })
  end
  return table.concat(parts)
end
cases:passes("h2-continuation", "a block in two frames", split(WHOLE, 1, 3), SEEN)
cases:passes("h2-continuation", "a block in five frames", split(WHOLE, 4, 3), SEEN)
cases:passes("h2-continuation", "undefined flags of CONTINUATION", split(WHOLE, 2, 3, { flags = 0xfb }), SEEN)
cases:passes("h2-continuation", "HEADERS without a byte of its block",
  frames.headers(3, "", { open = true, last = true }) .. frames.continuation(3, WHOLE), SEEN)
cases:passes("h2-continuation", "an empty CONTINUATION at the end",
  frames.headers(3, WHOLE, { open = true, last = true }) .. frames.continuation(3, ""), SEEN)
cases:passes("h2-continuation", "trailers in two frames",
  head(nil, { method = "POST", open_end = true }) .. frames.data(3, "body")
  .. frames.headers(3, hpack.block { { "x-sum", "1" } }, { open = true, last = true }) .. frames.continuation(3, ""),
  forwarded(cases.CHUNKED, "POST") .. cases.chunks("body", "x-sum: 1\r\n"))
cases:connection_error("h2-continuation", "CONTINUATION without HEADERS", frames.continuation(3, WHOLE),
  "PROTOCOL_ERROR")
cases:connection_error("h2-continuation", "CONTINUATION on stream 0", frames.continuation(0, WHOLE), "PROTOCOL_ERROR")
cases:connection_error("h2-continuation", "CONTINUATION behind a block that has ended",
  GET .. frames.continuation(3, WHOLE), "PROTOCOL_ERROR", { backend = { SEEN, "" } })
cases:connection_error("h2-continuation", "CONTINUATION behind a CONTINUATION with END_HEADERS",
  split(WHOLE, 1, 3) .. frames.continuation(3, WHOLE), "PROTOCOL_ERROR", { backend = { SEEN, "" } })
cases:connection_error("h2-continuation", "CONTINUATION behind DATA", frames.data(1, "a")
  .. frames.continuation(1, WHOLE),
  "PROTOCOL_ERROR")

-- --- 6.1: DATA ---

cases:connection_error("h2-data", "DATA on stream 0", frames.data(0, "x"), "PROTOCOL_ERROR")
cases:connection_error("h2-data", "empty DATA with END_STREAM on stream 0", frames.data(0, "", { last = true }),
  "PROTOCOL_ERROR")
for _, size in ipairs { 0, 1, 200, 255 } do
  cases:passes("h2-data", ("DATA with %d bytes of padding"):format(size),
    OPEN .. frames.data(3, "bo", { padding = size }) .. frames.data(3, "dy", { padding = size, last = true }), UPLOAD
      .. "body")
end
cases:passes("h2-data", "DATA that is padding only",
  OPEN .. frames.data(3, "", { padding = 9 }) .. frames.data(3, "body", { last = true }), UPLOAD .. "body")
cases:passes("h2-data", "padding that is not zeros", OPEN .. frames.frame("DATA", 9, 3, "\4bodyJUNK"), UPLOAD .. "body")
cases:passes("h2-data", "empty DATA that ends the stream",
  OPEN .. frames.data(3, "body") .. frames.data(3, "", { last = true }), UPLOAD .. "body")
for _, pad in ipairs { { 5, "body" }, { 255, "body" }, { 1, "" } } do
  cases:connection_error("h2-data", ("DATA of %d bytes with a padding of %d"):format(#pad[2] + 1, pad[1]),
    OPEN .. frames.data(3, pad[2], { pad_length = pad[1], last = true }), "PROTOCOL_ERROR",
    { backend = UPLOAD, backend_cut = true })
end
cases:connection_error("h2-data", "DATA that is padded and empty", OPEN .. frames.frame("DATA", 9, 3, ""),
  { "PROTOCOL_ERROR", "FRAME_SIZE_ERROR" }, { backend = UPLOAD, backend_cut = true })

-- --- 6.2: HEADERS ---

cases:connection_error("h2-headers", "HEADERS on stream 0", head(nil, { stream = 0 }), "PROTOCOL_ERROR")
for _, size in ipairs { 0, 1, 255 } do
  cases:passes("h2-headers", ("HEADERS with %d bytes of padding"):format(size), head(nil, { padding = size }), SEEN)
end
cases:passes("h2-headers", "HEADERS with a priority", head(nil, { depends = 1, weight = 256 }), SEEN)
cases:passes("h2-headers", "HEADERS with a priority and padding",
  head(nil, { depends = 0, weight = 1, exclusive = true, padding = 7 }), SEEN)
cases:passes("h2-headers", "HEADERS that depend on an idle stream", head(nil, { depends = 4711, weight = 7 }), SEEN)
cases:connection_error("h2-headers", "HEADERS with a padding that is too long",
  frames.headers(3, WHOLE, { pad_length = 255, last = true }), "PROTOCOL_ERROR")
cases:connection_error("h2-headers", "HEADERS with a padding as long as the block and a byte more",
  frames.headers(3, WHOLE, { pad_length = #WHOLE + 1, last = true }), "PROTOCOL_ERROR")
cases:connection_error("h2-headers", "HEADERS that are padded and empty", frames.frame("HEADERS", 0x0d, 3, ""),
  { "PROTOCOL_ERROR", "FRAME_SIZE_ERROR" })
cases:connection_error("h2-headers", "HEADERS with a priority of 4 bytes", frames.frame("HEADERS", 0x25, 3, "\0\0\0\0"),
  { "PROTOCOL_ERROR", "FRAME_SIZE_ERROR" })
cases:connection_error("h2-headers", "a padding that reaches into the priority",
  frames.frame("HEADERS", 0x2d, 3, "\8\0\0\0\0\7" .. ("\0"):rep(4)), { "PROTOCOL_ERROR", "FRAME_SIZE_ERROR" })

-- --- 6.3: PRIORITY ---

cases:connection_error("h2-priority", "PRIORITY on stream 0", frames.priority(0, 3), "PROTOCOL_ERROR")
cases:passes("h2-priority", "PRIORITY on an idle stream", frames.priority(3, 1, 256, true) .. GET, SEEN)
cases:passes("h2-priority", "PRIORITY on an even stream, and one far ahead",
  frames.priority(2, 1) .. frames.priority(2001, 1) .. GET, SEEN)
cases:passes("h2-priority", "PRIORITY in the middle of an upload",
  OPEN .. frames.data(3, "bo") .. frames.priority(3, 1) .. frames.data(3, "dy", { last = true }), UPLOAD .. "body")
cases:passes("h2-priority", "PRIORITY behind the end of a stream", { GET, after.done(3), frames.priority(3, 1) }, SEEN)
cases:stream_error("h2-priority", "HEADERS that depend on themselves", head(nil, { depends = 3 }), "PROTOCOL_ERROR")
cases:stream_error("h2-priority", "PRIORITY of a stream that depends on itself", OPEN .. frames.priority(3, 3),
  "PROTOCOL_ERROR", { backend = UPLOAD, backend_cut = true })

cases:connection_error("h2-priority", "PRIORITY of 4 bytes on an idle stream, which cannot be reset",
  frames.frame("PRIORITY", 0, 3, ("\0"):rep(4)), "FRAME_SIZE_ERROR")
cases:connection_error("h2-priority", "PRIORITY of an idle stream that depends on itself", frames.priority(3, 3),
  "PROTOCOL_ERROR")

cases:add { rule = "h2-priority", name = "PRIORITY that is wrong, on a stream that lb has reset",
  send = head("X-Upper: 1", { method = "POST", open_end = true }) .. frames.priority(3, 3)
    .. frames.frame("PRIORITY", 0, 3, "1234"),
  backend = false, streams = { [3] = { reset = "PROTOCOL_ERROR" } } }

-- --- 6.4: RST_STREAM ---

cases:connection_error("h2-rst", "RST_STREAM on stream 0", frames.rst(0, "CANCEL"), "PROTOCOL_ERROR")
cases:connection_error("h2-rst", "RST_STREAM on an idle stream", frames.rst(3, "CANCEL"), "PROTOCOL_ERROR")
cases:connection_error("h2-rst", "RST_STREAM on an even stream", frames.rst(2, "CANCEL"), "PROTOCOL_ERROR")
for name, code in pairs { NO_ERROR = 0, CANCEL = 8, ["an unknown code"] = 0xdead, ["the largest code"] = 0xffffffff } do
  cases:add { rule = "h2-rst", name = ("RST_STREAM with %s in the middle of an upload"):format(name),
    send = OPEN .. frames.data(3, "bo") .. frames.rst(3, code), backend = UPLOAD .. "body", backend_cut = true,
    streams = { [3] = { none = true } } }
end
cases:add { rule = "h2-rst", name = "RST_STREAM of a request that waits for its answer", answer = cases.HELD,
  send = { GET, after.backend "GET / ", frames.rst(3, "CANCEL") }, backend = SEEN, streams = { [3] = { none = true } } }
cases:add { rule = "h2-rst", name = "RST_STREAM at once behind its request", answer = cases.HELD,
  send = GET .. frames.rst(3, "CANCEL"), backend = { SEEN, "" }, streams = { [3] = { none = true } } }
cases:passes("h2-rst", "RST_STREAM behind the end of a stream", { GET, after.done(3), frames.rst(3, "NO_ERROR") }, SEEN)
cases:passes("h2-rst", "RST_STREAM twice, and then a request",
  { OPEN, frames.rst(3, "CANCEL"), frames.rst(3, "CANCEL"), head(nil, { stream = 5 }) }, nil,
  { streams = { [5] = answer "GET /" }, backend = { SEEN, UPLOAD .. SEEN, SEEN .. UPLOAD } })

-- --- 6.5: SETTINGS ---

cases:connection_error("h2-settings", "SETTINGS on a stream", frames.frame("SETTINGS", 0, 1), "PROTOCOL_ERROR")
cases:connection_error("h2-settings", "an ACK of SETTINGS on a stream", frames.frame("SETTINGS", 1, 1),
  "PROTOCOL_ERROR")
cases:connection_error("h2-settings", "SETTINGS on an idle stream", frames.frame("SETTINGS", 0, 3), "PROTOCOL_ERROR")
for _, one in ipairs {
  { "ENABLE_PUSH", 2, "PROTOCOL_ERROR" }, { "ENABLE_PUSH", 2 ^ 32 - 1, "PROTOCOL_ERROR" },
  { "INITIAL_WINDOW_SIZE", 2 ^ 31, "FLOW_CONTROL_ERROR" }, { "INITIAL_WINDOW_SIZE", 2 ^ 32 - 1, "FLOW_CONTROL_ERROR" },
  { "MAX_FRAME_SIZE", 0, "PROTOCOL_ERROR" }, { "MAX_FRAME_SIZE", 16383, "PROTOCOL_ERROR" },
  { "MAX_FRAME_SIZE", 2 ^ 24, "PROTOCOL_ERROR" }, { "MAX_FRAME_SIZE", 2 ^ 32 - 1, "PROTOCOL_ERROR" },
} do
  cases:connection_error("h2-settings", ("%s = %.0f"):format(one[1], one[2]), frames.settings { { one[1], one[2] } },
    one[3])
end
for _, one in ipairs {
  { "HEADER_TABLE_SIZE", 0 }, { "HEADER_TABLE_SIZE", 2 ^ 32 - 1 }, { "ENABLE_PUSH", 0 }, { "ENABLE_PUSH", 1 },
  { "MAX_CONCURRENT_STREAMS", 0 }, { "MAX_CONCURRENT_STREAMS", 2 ^ 32 - 1 }, { "INITIAL_WINDOW_SIZE", 2 ^ 31 - 1 },
  { "MAX_FRAME_SIZE", 16384 }, { "MAX_FRAME_SIZE", 2 ^ 24 - 1 }, { "MAX_HEADER_LIST_SIZE", 2 ^ 32 - 1 },
  { 0, 1 }, { 7, 1 }, { 9, 1 }, { 0xffff, 0xffffffff },
} do
  cases:passes("h2-settings", ("%s = %.0f"):format(one[1], one[2]), frames.settings { { one[1], one[2] } } .. GET,
    SEEN, {
    check = function(peer, complain)
      if peer.acks ~= 2 then complain(("  the client got %d ACKs"):format(peer.acks)) end
    end,
  })
end
cases:passes("h2-settings", "one setting three times, only the last one within its bounds",
  frames.settings { { "INITIAL_WINDOW_SIZE", 100 }, { "INITIAL_WINDOW_SIZE", 1 }, { "INITIAL_WINDOW_SIZE", 200 } }
    .. GET, SEEN)
cases:passes("h2-settings", "five SETTINGS in a row", frames.settings():rep(5) .. GET, SEEN, {
  check = function(peer, complain)
    if peer.acks ~= 6 then complain(("  the client got %d ACKs, and not 6"):format(peer.acks)) end
  end,
})
cases:passes("h2-settings", "an ACK of SETTINGS that comes twice",
  { after.settings(), frames.settings_ack(), GET }, SEEN, { acks = true })

-- --- 6.6: PUSH_PROMISE ---

cases:connection_error("h2-push", "PUSH_PROMISE of a client", frames.push(1, 2, WHOLE), "PROTOCOL_ERROR")
cases:connection_error("h2-push", "PUSH_PROMISE of a client on stream 0", frames.push(0, 2, WHOLE), "PROTOCOL_ERROR")
cases:connection_error("h2-push", "an empty PUSH_PROMISE", frames.frame("PUSH_PROMISE", 4, 1, ""),
  { "PROTOCOL_ERROR", "FRAME_SIZE_ERROR" })

-- --- 6.7: PING ---

cases:passes("h2-ping", "PING with eight bytes", frames.ping "\0\1\2\3\4\5\6\255" .. GET, SEEN, {
  check = function(peer, complain)
    if peer.pongs[1] ~= "\0\1\2\3\4\5\6\255" then complain "  the PING has no answer, or another one" end
  end,
})
cases:passes("h2-ping", "three PINGs, answered in order", frames.ping "aaaaaaaa" .. frames.ping "bbbbbbbb"
  .. frames.ping "cccccccc" .. GET, SEEN, {
  check = function(peer, complain)
    local all = table.concat(peer.pongs, " ", 1, 3)
    if all ~= "aaaaaaaa bbbbbbbb cccccccc" then complain("  the PINGs were answered with " .. all) end
  end,
})
cases:passes("h2-ping", "an ACK of a PING that was not sent", frames.ping("unwanted", true) .. GET, SEEN, {
  check = function(peer, complain)
    if #peer.pongs ~= 1 then complain "  an ACK was answered" end
  end,
})
cases:connection_error("h2-ping", "PING on a stream", frames.frame("PING", 0, 1, "12345678"), "PROTOCOL_ERROR")
cases:connection_error("h2-ping", "an ACK of PING on a stream", frames.frame("PING", 1, 3, "12345678"),
  "PROTOCOL_ERROR")

-- --- 6.8: GOAWAY ---

cases:connection_error("h2-goaway", "GOAWAY on a stream", frames.frame("GOAWAY", 0, 1, ("\0"):rep(8)), "PROTOCOL_ERROR")
for name, frame in pairs {
  ["NO_ERROR"] = frames.goaway(0, "NO_ERROR"), ["an unknown code"] = frames.goaway(0, 0xff),
  ["debug data"] = frames.goaway(0, "NO_ERROR", "I go"), ["the highest stream"] = frames.goaway(2 ^ 31 - 1, "NO_ERROR"),
} do
  cases:add { rule = "h2-goaway", name = ("GOAWAY with %s of a client whose request waits"):format(name),
    send = { GET, after.backend "GET / ", frame }, backend = SEEN,
    answer = { "", { peer_got = frames.ping("goneaway", true) }, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" },
    no_more = true, beside = false, streams = { [3] = { status = 200, body = "ok" } }, may_end = true }
  cases[#cases].send[4] = frames.ping "goneaway"
end

-- --- 6.9: WINDOW_UPDATE ---

cases:connection_error("h2-window-update", "WINDOW_UPDATE of 0 on the connection", frames.window(0, 0),
  "PROTOCOL_ERROR")
cases:stream_error("h2-window-update", "WINDOW_UPDATE of 0 on a stream", OPEN .. frames.window(3, 0), "PROTOCOL_ERROR",
  { backend = UPLOAD, backend_cut = true })
cases:connection_error("h2-window-update", "WINDOW_UPDATE on an idle stream", frames.window(3, 1), "PROTOCOL_ERROR")
cases:connection_error("h2-window-update", "WINDOW_UPDATE on an even stream", frames.window(2, 1), "PROTOCOL_ERROR")
cases:connection_error("h2-window-update", "a connection window above 2^31 - 1", frames.window(0, 2 ^ 31 - 1),
  "FLOW_CONTROL_ERROR")
cases:connection_error("h2-window-update", "a connection window above 2^31 - 1 in two steps",
  frames.window(0, 2 ^ 30) .. frames.window(0, 2 ^ 30), "FLOW_CONTROL_ERROR")
cases:passes("h2-window-update", "a connection window of 2^31 - 1", frames.window(0, 2 ^ 31 - 1 - 65535) .. GET, SEEN)
cases:stream_error("h2-window-update", "a stream window above 2^31 - 1", OPEN .. frames.window(3, 2 ^ 31 - 1),
  "FLOW_CONTROL_ERROR", { backend = UPLOAD, backend_cut = true })
cases:passes("h2-window-update", "a stream window of 2^31 - 1",
  OPEN .. frames.window(3, 2 ^ 31 - 1 - 65535) .. frames.data(3, "body", { last = true }), UPLOAD .. "body")
cases:passes("h2-window-update", "WINDOW_UPDATE behind the end of a stream",
  { GET, after.done(3), frames.window(3, 1) }, SEEN)
cases:connection_error("h2-window-update", "SETTINGS that take a stream window above 2^31 - 1",
  OPEN .. frames.window(3, 2 ^ 31 - 1 - 65535) .. frames.settings { { "INITIAL_WINDOW_SIZE", 65536 } },
  "FLOW_CONTROL_ERROR", { backend = UPLOAD, backend_cut = true })

return cases
