-- Frames of HTTP/2 as a connection reads them: however they are cut into reads, and those that are
-- wrong by size, place or order. spec/cases/h2_frames plays such through the program.
local frames = require "spec.support.h2_frames"
local talk = require "spec.support.h2_talk"

local core = talk.core
local LAST = { last = true }

local function fields(path, method)
  return { { ":method", method or "GET" }, { ":scheme", "https" }, { ":authority", "x" }, { ":path", path or "/" } }
end

-- A little of everything.
local WHOLE = table.concat {
  frames.PREFACE, frames.settings { { "INITIAL_WINDOW_SIZE", 70000 }, { 99, 1 } }, frames.window(0, 1000),
  frames.headers(1, fields "/1", { last = true, padding = 5, depends = 0, weight = 3 }),
  frames.settings_ack(), frames.ping "12345678", frames.frame(77, 255, 0, ("u"):rep(20)), frames.priority(9, 1),
  frames.headers(3, fields("/3", "POST")), frames.data(3, "some bytes", { padding = 3 }), frames.data(3, ""),
  frames.frame(78, 0, 3, ""), frames.data(3, "more"), frames.headers(3, { { "x-sum", "1" } }, LAST),
  frames.headers(5, fields "/5", { open = true }), frames.continuation(5, ""), frames.rst(5, "CANCEL"),
  frames.window(3, 5), frames.goaway(0, "NO_ERROR", "bye"), frames.headers(7, fields "/7", LAST),
}

-- Pieces of one body together.
local function joined(list)
  local out = {}
  for _, line in ipairs(list) do
    local id, piece = line:match "^body (%d+) (.*)"
    local before = out[#out]
    if id and before and before:match "^body (%d+)" == id then out[#out] = before .. piece else out[#out + 1] = line end
  end
  return out
end

local function play(...)
  local t = talk.begin { consumes = true }
  for _, piece in ipairs { ... } do t:feed(piece) end
  local events = joined(t.events())
  for _, id in ipairs { 1, 3, 7 } do
    core.talk_head(id, "HTTP/1.1 204 No Content\r\n\r\n", true)
    core.talk_release_id(id)
  end
  return { events = events, sent = t:sent() }
end

describe("a connection", function()
  after_each(function() core.talk_end() end)

  local expected = play(WHOLE)

  it("reads a little of everything", function()
    assert.same({
      "settings", "head 1 GET /1 HTTP/1.1|Host: x|| https end", "head 3 POST /3 HTTP/1.1|Host: x|| https",
      "body 3 some bytesmore", "end 3 x-sum: 1||", "head 5 GET /5 HTTP/1.1|Host: x|| https",
      "reset 5 peer CANCEL: RST_STREAM", "goaway NO_ERROR", "head 7 GET /7 HTTP/1.1|Host: x|| https end",
    }, expected.events)
    assert.same({
      "SETTINGS MAX_CONCURRENT_STREAMS=100,MAX_HEADER_LIST_SIZE=4096", "SETTINGS ACK", "PING ACK 12345678",
      "HEADERS 1 END_STREAM END_HEADERS :status: 204", "HEADERS 3 END_STREAM END_HEADERS :status: 204",
      "HEADERS 7 END_STREAM END_HEADERS :status: 204",
    }, expected.sent)
  end)

  it("reads the same wherever it is cut", function()
    for at = 1, #WHOLE - 1 do
      assert.same(expected, play(WHOLE:sub(1, at), WHOLE:sub(at + 1)), at)
    end
  end)

  it("reads the same byte by byte, and in pieces of any size", function()
    for _, size in ipairs { 1, 2, 3, 8, 9, 10, 17, 100 } do
      local pieces = {}
      for at = 1, #WHOLE, size do pieces[#pieces + 1] = WHOLE:sub(at, at + size - 1) end
      assert.same(expected, play(unpack(pieces)), size)
    end
  end)
end)

describe("a frame that cannot be", function()
  after_each(function() core.talk_end() end)

  local function breaks(code, ...)
    local t = talk.begin()
    t:greet()
    t:feed(frames.headers(1, fields(nil, "POST")))
    t.events()
    local list = t:play(...)
    assert.truthy((list[#list - 1] or ""):find("^broken " .. code), list[#list - 1] or "nothing")
    assert.truthy(list[#list]:find("^GOAWAY %d " .. code))
    assert.equal("reset 1 connection " .. code, list[1]:match "^[^:]+")
    assert.same({}, t:play(frames.ping "12345678")) -- nothing is looked at behind it
    core.talk_end()
  end

  it("for its size breaks the connection (4.2)", function()
    for _, one in ipairs {
      { "DATA", 1, 16385 }, { "HEADERS", 1, 16385 }, { "SETTINGS", 0, 16386 }, { 99, 0, 16385 }, { "PING", 0, 7 },
      { "PING", 0, 9 }, { "RST_STREAM", 1, 3 }, { "RST_STREAM", 1, 5 }, { "WINDOW_UPDATE", 0, 3 },
      { "WINDOW_UPDATE", 1, 5 }, { "GOAWAY", 0, 7 }, { "SETTINGS", 0, 5 }, { "SETTINGS", 0, 7 },
    } do
      breaks("FRAME_SIZE_ERROR", frames.frame(one[1], 0, one[2], ("\0"):rep(one[3])))
    end
    breaks("FRAME_SIZE_ERROR", frames.frame("SETTINGS", 1, 0, ("\0"):rep(6)))
  end)

  it("for its place breaks the connection (6)", function()
    for _, frame in ipairs {
      frames.data(0, "x"), frames.headers(0, fields()), frames.priority(0, 1), frames.rst(0, 8),
      frames.frame("SETTINGS", 0, 1), frames.frame("PING", 0, 1, ("x"):rep(8)),
      frames.frame("GOAWAY", 0, 1, ("\0"):rep(8)), frames.continuation(0, ""), frames.continuation(1, ""),
      frames.push(1, 2, ""), frames.data(3, "x"), frames.rst(3, 8), frames.window(3, 1), frames.headers(2, fields()),
      frames.data(2, "x"), frames.window(2, 1), frames.rst(2, 8),
    } do
      breaks("PROTOCOL_ERROR", frame)
    end
  end)

  it("for its padding breaks the connection", function()
    breaks("PROTOCOL_ERROR", frames.data(1, "x", { pad_length = 2 }))
    breaks("PROTOCOL_ERROR", frames.frame("DATA", 8, 1, ""))
    breaks("PROTOCOL_ERROR", frames.headers(3, fields(), { pad_length = 255 }))
    breaks("PROTOCOL_ERROR", frames.frame("HEADERS", 0x0c, 3, ""))
    breaks("PROTOCOL_ERROR", frames.frame("HEADERS", 0x24, 3, "\0\0\0\0"))
  end)

  it("between the frames of a head breaks the connection (6.10)", function()
    for _, frame in ipairs {
      frames.data(1, "x"), frames.headers(3, fields()), frames.headers(5, fields()), frames.priority(3, 1),
      frames.rst(3, 8), frames.settings(), frames.settings_ack(), frames.ping(), frames.goaway(0, 0),
      frames.window(0, 1), frames.continuation(5, ""), frames.frame(99, 0, 3, "x"), frames.frame(99, 0, 0, ""),
    } do
      breaks("PROTOCOL_ERROR", frames.headers(3, fields(), { open = true }), frame)
    end
  end)

  it("for its setting breaks the connection (6.5.2)", function()
    for _, one in ipairs { { "ENABLE_PUSH", 2 }, { "MAX_FRAME_SIZE", 16383 }, { "MAX_FRAME_SIZE", 2 ^ 24 },
      { "ENABLE_CONNECT_PROTOCOL", 2 } } do
      breaks("PROTOCOL_ERROR", frames.settings { one })
    end
    breaks("PROTOCOL_ERROR", frames.settings { { "ENABLE_CONNECT_PROTOCOL", 1 }, { "ENABLE_CONNECT_PROTOCOL", 0 } })
  end)

  it("for a lower number than before breaks the connection (5.1.1)", function()
    local t = talk.begin()
    t:greet()
    t:feed(frames.headers(5, fields(), LAST))
    t.events()
    assert.truthy(t:play(frames.headers(3, fields(), LAST))[2]:find "^broken PROTOCOL_ERROR")
  end)

  it("in place of the first SETTINGS breaks the connection (3.4)", function()
    for _, frame in ipairs { frames.ping(), frames.settings_ack(), frames.headers(1, fields(), LAST),
      frames.frame(99, 0, 0, "") } do
      local t = talk.begin()
      assert.truthy(t:play(frames.PREFACE, frame)[1]:find "^broken PROTOCOL_ERROR")
    end
    for at = 1, #frames.PREFACE do
      local t = talk.begin()
      local wrong = frames.PREFACE:sub(1, at - 1) .. "?"
      assert.truthy(t:play(wrong)[1]:find "^broken PROTOCOL_ERROR: no preface", at)
    end
  end)
end)

describe("a frame of a stream alone that is wrong", function()
  after_each(function() core.talk_end() end)

  it("resets the stream: PRIORITY of another size, a stream that depends on itself", function()
    for _, one in ipairs { { frames.frame("PRIORITY", 0, 1, "1234"), "FRAME_SIZE_ERROR" },
      { frames.frame("PRIORITY", 0, 1, "123456"), "FRAME_SIZE_ERROR" }, { frames.priority(1, 1), "PROTOCOL_ERROR" } } do
      local t = talk.begin()
      t:greet()
      t:feed(frames.headers(1, fields(nil, "POST")), frames.headers(3, fields(), LAST))
      t.events()
      local list = t:play(one[1])
      assert.truthy(list[1]:find("^reset 1 rule " .. one[2]))
      assert.equal("RST_STREAM 1 " .. one[2], list[2])
      assert.is_true(core.talk_has(3))
    end
    local t = talk.begin()
    t:greet()
    assert.same({ "RST_STREAM 1 PROTOCOL_ERROR" }, t:play(frames.headers(1, fields(), { last = true, depends = 1 })))
  end)
end)
