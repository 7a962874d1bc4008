-- Windows of HTTP/2 (RFC 9113, 5.2, 6.9), as a connection keeps them.
local frames = require "spec.support.h2_frames"
local talk = require "spec.support.h2_talk"

local core = talk.core
local MOST = 2 ^ 31 - 1

local function request(id, more)
  local fields = { { ":method", "POST" }, { ":scheme", "https" }, { ":authority", "a" }, { ":path", "/" } }
  return frames.headers(id, fields, more or { last = true })
end

local function server(settings, options)
  local t = talk.begin(options)
  t:greet(settings)
  return t
end

local function answer(id, bytes)
  core.talk_head(id, "HTTP/1.1 200 OK\r\n\r\n", false)
  core.talk_body(id, bytes, #bytes)
end

local function data_bytes(sent)
  local total = 0
  for _, line in ipairs(sent) do
    local body = line:match "^DATA %d+ (.*)$"
    if body then total = total + (tonumber(body) or #body) end
  end
  return total
end

describe("a window that holds a body back", function()
  after_each(function() core.talk_end() end)

  it("is the stream's", function()
    local t = server { { "INITIAL_WINDOW_SIZE", 3 } }
    t:feed(request(1))
    answer(1, "abcdefg")
    assert.same({ "HEADERS 1 END_HEADERS :status: 200", "DATA 1 abc" }, t:sent())
    assert.equal(4, tonumber(core.talk_backlog(1)))
    t.events()
    assert.same({ "DATA 1 de" }, t:play(frames.window(1, 2)))
    assert.same({ "drained 1", "DATA 1 fg" }, t:play(frames.window(1, 100)))
    assert.equal(0, tonumber(core.talk_backlog(1)))
    core.talk_end_body(1, "")
    assert.same({ "DATA 1 END_STREAM" }, t:sent())
  end)

  it("is the connection's, though the stream's is open", function()
    local t = server { { "INITIAL_WINDOW_SIZE", 1000000 } }
    t:feed(request(1))
    answer(1, ("x"):rep(70000))
    assert.equal(65535, data_bytes(t:sent()))
    assert.equal(0, data_bytes(t:play(frames.window(1, 1000))))
    assert.equal(70000 - 65535, data_bytes(t:play(frames.window(0, 100000))))
  end)

  it("becomes negative when SETTINGS make it smaller, and is waited for (6.9.2)", function()
    local t = server { { "INITIAL_WINDOW_SIZE", 10 } }
    t:feed(request(1))
    answer(1, "abcdefghijklm")
    assert.equal(10, data_bytes(t:sent()))
    t:feed(frames.settings { { "INITIAL_WINDOW_SIZE", 2 } }) -- now it is -8
    assert.equal(0, data_bytes(t:play(frames.window(1, 8))))
    assert.same({ "DATA 1 k" }, t:play(frames.window(1, 1)))
    assert.same({ "settings", "drained 1", "SETTINGS ACK", "DATA 1 lm" },
      t:play(frames.settings { { "INITIAL_WINDOW_SIZE", 5 } }))
  end)

  it("lets trailers wait behind the body", function()
    local t = server { { "INITIAL_WINDOW_SIZE", 0 } }
    t:feed(request(1))
    answer(1, "ab")
    core.talk_end_body(1, "X-Sum: 7\r\n")
    assert.same({ "HEADERS 1 END_HEADERS :status: 200" }, t:sent())
    t.events()
    assert.same({ "DATA 1 a" }, t:play(frames.window(1, 1)))
    assert.same({ "drained 1", "DATA 1 b", "HEADERS 1 END_STREAM END_HEADERS x-sum: 7" }, t:play(frames.window(1, 1)))
  end)

  it("ends the stream with the last bytes that waited", function()
    local t = server { { "INITIAL_WINDOW_SIZE", 0 } }
    t:feed(request(1))
    answer(1, "ab")
    core.talk_end_body(1, "")
    t:sent()
    t.events()
    assert.same({ "drained 1", "DATA 1 END_STREAM ab" }, t:play(frames.window(1, 2)))
  end)

  it("lets what was handed over go out after the owner has released the stream", function()
    local t = server { { "INITIAL_WINDOW_SIZE", 0 } }
    t:feed(request(1))
    answer(1, "ab")
    core.talk_end_body(1, "")
    core.talk_release_id(1)
    assert.equal(1, core.talk_open_streams())
    t:sent()
    t.events()
    assert.same({ "DATA 1 a" }, t:play(frames.window(1, 1)))
    assert.same({ "DATA 1 END_STREAM b" }, t:play(frames.window(1, 1)))
    assert.equal(0, core.talk_open_streams())
  end)

  it("resets the rest of a request behind an answer that went out late", function()
    local t = server { { "INITIAL_WINDOW_SIZE", 0 } }
    t:feed(request(1, {}))
    answer(1, "ab")
    core.talk_end_body(1, "")
    core.talk_release_id(1)
    t:sent()
    t.events()
    assert.same({}, t:play(frames.data(1, "more")))
    assert.same({ "DATA 1 END_STREAM ab", "RST_STREAM 1 NO_ERROR" }, t:play(frames.window(1, 2)))
    assert.same({}, t:play(frames.data(1, "still more")))
  end)

  it("gives each stream a frame in turn", function()
    local t = server { { "INITIAL_WINDOW_SIZE", 1000000 } }
    t:feed(request(1), request(3), request(5))
    answer(1, ("x"):rep(65535))
    for _, id in ipairs { 3, 5 } do answer(id, ("y"):rep(40000)) end
    t:sent()
    t.events()
    local list = t:play(frames.window(0, 1000000))
    local order = {}
    for _, line in ipairs(list) do order[#order + 1] = line:match "^DATA (%d+ %d+)" end
    assert.same({ "3 16384", "5 16384", "3 16384", "5 16384", "3 7232", "5 7232" }, order)
  end)
end)

describe("a window that is made too large", function()
  after_each(function() core.talk_end() end)

  it("breaks the connection, if it is the connection's (6.9.1)", function()
    local t = server()
    assert.same({ "broken FLOW_CONTROL_ERROR: the connection's window is too large",
      "GOAWAY 0 FLOW_CONTROL_ERROR the connection's window is too large" }, t:play(frames.window(0, MOST)))
  end)

  it("resets the stream, if it is the stream's", function()
    local t = server()
    t:feed(request(1))
    t.events()
    assert.same({ "reset 1 rule FLOW_CONTROL_ERROR: the stream's window is too large",
      "RST_STREAM 1 FLOW_CONTROL_ERROR" }, t:play(frames.window(1, MOST)))
  end)

  it("breaks the connection, if SETTINGS do it (6.9.2)", function()
    local t = server()
    t:feed(request(1), frames.window(1, MOST - 65535))
    t.events()
    assert.truthy(t:play(frames.settings { { "INITIAL_WINDOW_SIZE", 65536 } })[2]:find "broken FLOW_CONTROL_ERROR")
  end)

  it("breaks the connection, if the setting itself is too large (6.5.2)", function()
    local t = server()
    assert.truthy(t:play(frames.settings { { "INITIAL_WINDOW_SIZE", 2 ^ 31 } })[1]:find "broken FLOW_CONTROL_ERROR")
  end)

  it("is no error at its largest", function()
    local t = server()
    t:feed(request(1))
    t.events()
    assert.same({}, t:play(frames.window(0, MOST - 65535), frames.window(1, MOST - 65535)))
    assert.same({ "settings", "SETTINGS ACK" }, t:play(frames.settings { { "INITIAL_WINDOW_SIZE", 65535 } }))
  end)
end)

describe("WINDOW_UPDATE of nothing", function()
  after_each(function() core.talk_end() end)

  it("breaks the connection, or resets the stream (6.9)", function()
    local t = server()
    t:feed(request(1))
    t.events()
    assert.same({ "reset 1 rule PROTOCOL_ERROR: WINDOW_UPDATE of nothing", "RST_STREAM 1 PROTOCOL_ERROR" },
      t:play(frames.window(1, 0)))
    assert.same({ "broken PROTOCOL_ERROR: WINDOW_UPDATE of nothing",
      "GOAWAY 1 PROTOCOL_ERROR WINDOW_UPDATE of nothing" },
      t:play(frames.window(0, 0)))
  end)
end)

describe("credit", function()
  after_each(function() core.talk_end() end)

  local function piece(n) return ("x"):rep(n) end

  it("of a server is given for what its owner has taken, in halves", function()
    local t = server({}, { window = 100000, connection = 100000, consumes = false })
    t:feed(request(1, {}))
    for _ = 1, 3 do t:feed(frames.data(1, piece(16384))) end
    assert.same({}, t:sent())
    core.talk_consumed(1, 49152)
    assert.same({}, t:sent())
    t:feed(frames.data(1, piece(1000)))
    core.talk_consumed(1, 1000)
    assert.same({ "WINDOW_UPDATE 50152", "WINDOW_UPDATE 1 50152" }, t:sent())
  end)

  it("of a client is given at once for the connection, and for the stream at consumption", function()
    local t = talk.begin { role = "client", window = 65535, connection = 65535, consumes = false }
    t:greet()
    core.talk_open("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true)
    t:sent()
    t:feed(frames.headers(1, { { ":status", "200" } }, {}), frames.data(1, piece(16384)), frames.data(1, piece(16384)))
    assert.same({ "WINDOW_UPDATE 32768" }, t:sent())
    core.talk_consumed(1, 32768)
    assert.same({ "WINDOW_UPDATE 1 32768" }, t:sent())
  end)

  it("grows for a stream that has used a whole window", function()
    local t = server({}, { window = 65535, connection = 1000000 })
    t:feed(request(1, {}))
    for _ = 1, 4 do t:feed(frames.data(1, piece(16384))) end
    assert.same({ "WINDOW_UPDATE 1 32768", "WINDOW_UPDATE 1 " .. 32768 + 3 * 65535 }, t:sent())
  end)

  it("comes back for padding, and for what nobody gets", function()
    local t = server({}, { connection = 65535, consumes = false })
    t:feed(request(1, {}))
    for _ = 1, 1000 do t:feed(frames.data(1, "x", { padding = 255 })) end
    assert.equal(65535 - 1000, core.talk_window())
    core.talk_reset(1, 8)
    assert.equal(65535, core.talk_window())
    for _ = 1, 3 do t:feed(frames.data(1, piece(16384))) end
    assert.equal(65535, core.talk_window())
  end)

  it("that is exceeded breaks the connection", function()
    local t = server({}, { consumes = false })
    t:feed(request(1, {}), request(3, {}))
    for _, id in ipairs { 1, 3, 1 } do t:feed(frames.data(id, piece(16384))) end
    t.events()
    assert.truthy(t:play(frames.data(3, piece(16384)))[3]:find "broken FLOW_CONTROL_ERROR")
  end)

  it("that is exceeded of a stream resets that", function()
    local t = server({}, { connection = 200000, consumes = false })
    t:feed(request(1, {}))
    for _ = 1, 3 do t:feed(frames.data(1, piece(16384))) end
    t.events()
    assert.same({ "reset 1 rule FLOW_CONTROL_ERROR: more DATA than the stream's window",
      "RST_STREAM 1 FLOW_CONTROL_ERROR" }, t:play(frames.data(1, piece(16384))))
  end)
end)
