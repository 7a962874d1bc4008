-- Whole conversations of HTTP/2 through wire/h2: the states of streams, how they end, who may open
-- one, and GOAWAY.
local frames = require "spec.support.h2_frames"
local talk = require "spec.support.h2_talk"

local core = talk.core
local LAST = { last = true }

local fields, get, post, server = talk.fields, talk.get, talk.post, talk.server

local function answer(id, more)
  core.talk_head(id, "HTTP/1.1 200 OK\r\n\r\n", false)
  core.talk_end_body(id, "")
  if more ~= "kept" then core.talk_release_id(id) end
end

local function last_of(list) return list[#list] end

describe("a stream of a client", function()
  after_each(function() core.talk_end() end)

  it("ends when both messages have, and late frames there break the connection", function()
    for _, late in ipairs { frames.data(1, "x"), get(1) } do
      local t = server()
      t:feed(get(1))
      answer(1)
      t:sent()
      t.events()
      assert.same({}, t:play(frames.window(1, 1), frames.rst(1, 0), frames.priority(1, 3)))
      assert.truthy(t:play(late)[1]:find "^broken STREAM_CLOSED")
    end
  end)

  it("is reset for frames behind its own end, before the answer", function()
    for _, late in ipairs { frames.data(1, "x"), frames.data(1, "", LAST), get(1), post(1) } do
      local t = server()
      t:feed(get(1))
      t.events()
      local list = t:play(late)
      assert.truthy(list[1]:find "^reset 1 rule STREAM_CLOSED")
      assert.equal("RST_STREAM 1 STREAM_CLOSED", list[2])
    end
  end)

  it("is reset by late frames if its client had reset it, or if that is long ago", function()
    local t = server()
    t:feed(post(1), frames.rst(1, "CANCEL"))
    t.events()
    assert.same({ "RST_STREAM 1 STREAM_CLOSED" }, t:play(frames.data(1, "x")))
    for id = 3, 41, 2 do
      t:feed(get(id))
      answer(id)
    end
    t.events()
    t:sent()
    assert.same({ "RST_STREAM 3 STREAM_CLOSED" }, t:play(frames.data(3, "x")))
  end)

  it("takes what was on its way when lb has reset it, in silence", function()
    local t = server()
    t:feed(post(1), post(3))
    core.talk_reset(1, 8)
    core.talk_reset(3, 8)
    core.talk_release_id(3)
    assert.same({ "RST_STREAM 1 CANCEL", "RST_STREAM 3 CANCEL" }, t:sent())
    t.events()
    for _, id in ipairs { 1, 3 } do
      assert.same({}, t:play(frames.data(id, "abc"), frames.window(id, 1), frames.headers(id, { { "x", "y" } }, LAST),
        frames.rst(id, "CANCEL")))
    end
    assert.equal(65535, core.talk_window())
  end)

  it("is reset by what its owner leaves unfinished", function()
    local t = server()
    t:feed(post(1), post(3), get(5))
    core.talk_release_id(1) -- nothing was said
    answer(3, "kept")
    core.talk_release_id(3) -- all was said, and the request goes on
    core.talk_head(5, "HTTP/1.1 200 OK\r\n\r\n", false)
    core.talk_body(5, "ab", 2)
    core.talk_release_id(5) -- the answer is cut
    assert.same({
      "RST_STREAM 1 INTERNAL_ERROR", "HEADERS 3 END_HEADERS :status: 200", "DATA 3 END_STREAM",
      "RST_STREAM 3 NO_ERROR", "HEADERS 5 END_HEADERS :status: 200", "DATA 5 ab", "RST_STREAM 5 INTERNAL_ERROR",
    }, t:sent())
    assert.equal(0, core.talk_open_streams())
  end)

  it("is reset for trailers that are too large", function()
    local t = server { head = 200 }
    t:feed(post(1))
    t.events()
    assert.same({ "reset 1 rule ENHANCE_YOUR_CALM: trailers beyond limits.head", "RST_STREAM 1 ENHANCE_YOUR_CALM" },
      t:play(frames.headers(1, { { "x", ("v"):rep(300) } }, LAST)))
  end)

  it("that is released or reset between the frames of its trailers has none", function()
    for _, ends in ipairs { core.talk_release_id, function(id) core.talk_reset(id, 8) end } do
      local t = server()
      -- Trailers with the fields of a request.
      t:feed(post(1), frames.headers(1, fields(), { open = true, last = true }))
      ends(1)
      t:sent()
      t.events()
      assert.same({}, t:play(frames.continuation(1, "")))
      assert.truthy(t:play(get(3))[1]:find "^head 3")
    end
  end)

  it("has interim heads before the final one", function()
    local t = server()
    t:feed(get(1))
    core.talk_head(1, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", false)
    answer(1)
    assert.same({ "HEADERS 1 END_HEADERS :status: 103|link: </a>", "HEADERS 1 END_HEADERS :status: 200",
      "DATA 1 END_STREAM" }, t:sent())
  end)

  it("is held to its content-length", function()
    local function body(length, ...)
      local list = fields "POST"
      list[#list + 1] = { "content-length", tostring(length) }
      local t = server()
      t:feed(frames.headers(1, list), ...)
      return last_of(t.events())
    end
    assert.equal("end 1", body(4, frames.data(1, "ab"), frames.data(1, "cd", LAST)))
    assert.equal("end 1 x: y||", body(2, frames.data(1, "ab"), frames.headers(1, { { "x", "y" } }, LAST)))
    for _, wrong in ipairs {
      { 3, frames.data(1, "ab"), frames.data(1, "cd", LAST) }, { 5, frames.data(1, "abcd", LAST) },
      { 0, frames.data(1, "a") }, { 1, frames.data(1, "", LAST) },
      { 3, frames.data(1, "ab"), frames.headers(1, { { "x", "y" } }, LAST) },
    } do
      assert.truthy(body(unpack(wrong)):find "^reset 1 rule PROTOCOL_ERROR: %a+ DATA than content%-length says")
    end
  end)

  it("is held to END_STREAM at its trailers, and to trailers without pseudo-fields", function()
    for _, wrong in ipairs { frames.headers(1, { { "x", "y" } }), frames.headers(1, { { ":path", "/" } }, LAST),
      frames.headers(1, { { "connection", "x" } }, LAST) } do
      local t = server()
      t:feed(post(1))
      t.events()
      assert.equal("RST_STREAM 1 PROTOCOL_ERROR", t:play(wrong)[2])
    end
  end)
end)

describe("streams at once", function()
  after_each(function() core.talk_end() end)

  it("are as many as the setting says, until their owners release them", function()
    local t = server { streams = 2 }
    t:feed(get(1), get(3))
    t.events()
    assert.same({ "RST_STREAM 5 REFUSED_STREAM" }, t:play(get(5)))
    -- The owner of these specs releases what was reset.
    assert.same({ "reset 1 peer CANCEL: RST_STREAM" }, t:play(frames.rst(1, "CANCEL")))
    assert.truthy(t:play(get(7))[1]:find "^head 7")
    answer(3, "kept") -- it has ended, but is not released
    t:sent()
    assert.same({ "RST_STREAM 9 REFUSED_STREAM" }, t:play(get(9)))
    core.talk_release_id(3)
    assert.truthy(t:play(get(11))[1]:find "^head 11")
  end)

  it("are refused if the owner takes none", function()
    local t = server()
    core.talk_refuse(true)
    assert.same({ "RST_STREAM 1 REFUSED_STREAM" }, t:play(get(1)))
    assert.same({ "RST_STREAM 3 REFUSED_STREAM" }, t:play(post(3)))
    assert.same({}, t:play(frames.data(3, "late")))
  end)

  it("have 256 KiB for heads to which no answer has begun", function()
    local t = server { head = 65536 }
    local list = fields()
    for i = 1, 4 do list[#list + 1] = { "x-" .. i, ("v"):rep(15000) } end
    local function big(id)
      local bytes, block = {}, require("spec.support.hpack").block(list)
      bytes[1] = frames.headers(id, block:sub(1, 16000), { last = true, open = true })
      for at = 16001, #block, 16000 do
        bytes[#bytes + 1] = frames.continuation(id, block:sub(at, at + 15999), { open = at + 16000 <= #block })
      end
      return table.concat(bytes)
    end
    t:feed(big(1), big(3), big(5), big(7))
    assert.equal(4, #t.events())
    assert.same({ "RST_STREAM 9 REFUSED_STREAM" }, t:play(big(9)))
    core.talk_head(1, "HTTP/1.1 100 Continue\r\n\r\n", false)
    t:sent()
    assert.same({ "RST_STREAM 11 REFUSED_STREAM" }, t:play(big(11)))
    core.talk_head(1, "HTTP/1.1 200 OK\r\n\r\n", false)
    assert.truthy(t:play(big(13))[1]:find "^head 13")
  end)
end)

describe("a client's side", function()
  after_each(function() core.talk_end() end)

  local GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

  local function client(settings, options)
    options = options or {}
    options.role = "client"
    local t = talk.begin(options)
    t:greet(settings)
    return t
  end

  local function response(id, status, more, extra)
    local list = { { ":status", status } }
    for _, field in ipairs(extra or {}) do list[#list + 1] = field end
    return frames.headers(id, list, more)
  end

  it("begins with preface, SETTINGS and its window", function()
    local t = talk.begin { role = "client", window = 65535, connection = 1000000 }
    local bytes = t.raw()
    assert.equal(frames.PREFACE, bytes:sub(1, 24))
    t.rest = bytes
    assert.same({ "SETTINGS ENABLE_PUSH=0,MAX_HEADER_LIST_SIZE=4096", "WINDOW_UPDATE 934465" }, t:sent())
  end)

  it("opens a few streams before SETTINGS, then as many as these say", function()
    local t = talk.begin { role = "client" }
    for i = 1, 3 do
      assert.is_true(core.talk_may_open(3))
      assert.equal(2 * i - 1, core.talk_open(GET, true))
    end
    assert.is_false(core.talk_may_open(3))
    assert.equal("settings", t:play(frames.settings { { "MAX_CONCURRENT_STREAMS", 4 } })[1])
    assert.is_true(core.talk_may_open(3))
    core.talk_open(GET, true)
    assert.is_false(core.talk_may_open(3))
    t:feed(response(1, "200", LAST))
    core.talk_release_id(1)
    assert.is_true(core.talk_may_open(3))
  end)

  it("reads interim heads, the final one, the body and trailers", function()
    local t = client()
    core.talk_open(GET, true)
    t:sent()
    assert.same({ "head 1 HTTP/1.1 103 |link: x||", "head 1 HTTP/1.1 200 |a: b||", "body 1 ok", "end 1 x-sum: 1||" },
      t:play(response(1, "103", nil, { { "link", "x" } }), response(1, "200", nil, { { "a", "b" } }),
        frames.data(1, "ok"), frames.headers(1, { { "x-sum", "1" } }, LAST)))
  end)

  it("resets what breaks the rules of a response", function()
    for _, wrong in ipairs {
      { response(1, "101") }, { response(1, "20") }, { response(1, "0200") }, { response(1, "abc") },
      { response(1, "099") }, { frames.headers(1, { { "a", "b" } }) }, { response(1, "100", LAST) },
      { frames.data(1, "x") }, { response(1, "200", nil, { { ":path", "/" } }) },
      { response(1, "200", LAST, { { "content-length", "4" } }) },
      { response(1, "200", nil, { { "content-length", "1" } }), frames.data(1, "ab") },
      { response(1, "200", nil, { { "transfer-encoding", "chunked" } }) },
      { response(1, "204"), frames.data(1, "x") }, { response(1, "200"), response(1, "200") },
    } do
      local t = client()
      core.talk_open(GET, true)
      t:sent()
      assert.equal("RST_STREAM 1 PROTOCOL_ERROR", last_of(t:play(unpack(wrong))))
    end
  end)

  it("takes a content-length without a body where there is none", function()
    local t = client()
    core.talk_open("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", true)
    core.talk_open(GET, true)
    t:sent()
    local length = { { "content-length", "9" } }
    assert.same({ "head 1 HTTP/1.1 200 |content-length: 9|| length=9 end",
      "head 3 HTTP/1.1 304 |content-length: 9|| length=9 end" },
      t:play(response(1, "200", LAST, length), response(3, "304", LAST, length)))
  end)

  it("hears which streams a GOAWAY has left untouched (6.8)", function()
    local t = client()
    for _ = 1, 3 do core.talk_open(GET, true) end
    t:sent()
    assert.same({ "reset 5 goaway NO_ERROR: GOAWAY", "goaway NO_ERROR" }, t:play(frames.goaway(3, "NO_ERROR")))
    assert.is_false(core.talk_may_open(9))
    assert.truthy(t:play(response(3, "200", LAST))[1]:find "^head 3")
  end)

  it("hears REFUSED_STREAM and other codes", function()
    local t = client()
    for _ = 1, 2 do core.talk_open(GET, true) end
    t:sent()
    assert.same({ "reset 1 peer REFUSED_STREAM: RST_STREAM", "reset 3 peer CANCEL: RST_STREAM" },
      t:play(frames.rst(1, "REFUSED_STREAM"), frames.rst(3, "CANCEL")))
  end)

  it("cancels what its owner gives up, and takes what is on its way", function()
    local t = client()
    core.talk_open(GET, true)
    core.talk_release_id(1)
    assert.equal("RST_STREAM 1 CANCEL", last_of(t:sent()))
    assert.same({}, t:play(response(1, "200"), frames.data(1, "x", LAST)))
  end)

  it("breaks a connection whose server opens streams, or pushes", function()
    for _, wrong in ipairs { response(2, "200"), response(9, "200"), frames.push(1, 2, "") } do
      local t = client()
      core.talk_open(GET, true)
      t:sent()
      local list = t:play(wrong)
      assert.truthy(last_of(list):find "^GOAWAY 0 PROTOCOL_ERROR")
    end
    local t = client()
    assert.truthy(t:play(frames.settings { { "ENABLE_PUSH", 1 } })[1]:find "^broken PROTOCOL_ERROR")
  end)

  it("pings, and hears the answer", function()
    local t = client()
    core.talk_ping()
    assert.same({ "PING lb: ping" }, t:sent())
    assert.same({ "pong" }, t:play(frames.ping("lb: ping", true)))
    assert.same({}, t:play(frames.ping("another!", true)))
  end)
end)

describe("a drain", function()
  after_each(function() core.talk_end() end)

  it("is two GOAWAYs with a PING between, and serves what was on its way (6.8)", function()
    local t = server()
    t:feed(get(1))
    core.talk_drain()
    assert.same({ "GOAWAY 2147483647 NO_ERROR", "PING lb drain" }, t:sent())
    t.events()
    assert.truthy(t:play(get(3))[1]:find "^head 3")
    assert.same({ "final", "GOAWAY 3 NO_ERROR" }, t:play(frames.ping("lb drain", true)))
    assert.same({}, t:play(post(5), frames.data(5, "x"), frames.window(5, 1), get(7)))
    answer(1)
    answer(3)
    assert.equal(4, #t:sent())
    assert.equal(0, core.talk_open_streams())
  end)

  it("does not wait for the PING if it is asked twice", function()
    local t = server()
    t:feed(get(1))
    t.events()
    core.talk_drain()
    core.talk_drain()
    core.talk_drain()
    assert.same({ "GOAWAY 2147483647 NO_ERROR", "PING lb drain", "GOAWAY 1 NO_ERROR" }, t:sent())
    assert.same({}, t:play(frames.ping("lb drain", true)))
  end)

  it("keeps the tables in step with what it ignores", function()
    local hpack = require "spec.support.hpack"
    local t = server()
    core.talk_drain()
    core.talk_drain()
    t:feed(get(1)) -- ignored
    assert.truthy(t:play(frames.headers(3, hpack.indexed(62), LAST))[1]:find "^broken COMPRESSION_ERROR")
  end)
end)
