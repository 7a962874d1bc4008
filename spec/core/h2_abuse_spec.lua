-- What a peer of wire/h2 may not do at length: each flood ends its connection within so many
-- frames, and who does not read gets no more replies.
local frames = require "spec.support.h2_frames"
local talk = require "spec.support.h2_talk"

local core = talk.core
local LAST = { last = true }

local fields, get, post, server = talk.fields, talk.get, talk.post, talk.server

local function last_of(list) return list[#list] end

describe("abuse", function()
  after_each(function() core.talk_end() end)

  -- How many pieces it takes until the connection is broken.
  local function pieces(t, make, most)
    for i = 1, most do
      t:feed(make(i))
      if not core.talk_is_alive() then
        local events = t.events()
        assert.truthy(last_of(events):find "^broken ENHANCE_YOUR_CALM", last_of(events))
        return i
      end
    end
    return nil
  end

  local floods = {
    { "PING", 1300, function() return frames.ping() end },
    { "SETTINGS", 1000, function() return frames.settings() end },
    { "an acknowledgement of nothing", 1000, function() return frames.settings_ack() end },
    { "PRIORITY", 1000, function(i) return frames.priority(2 * i + 1, 0) end },
    { "an unknown frame", 1000, function() return frames.frame(99, 0, 0, "") end },
    { "WINDOW_UPDATE", 1300, function() return frames.window(0, 1) end },
    { "GOAWAY", 1000, function() return frames.goaway(0, 0) end },
    { "empty DATA", 201, function(i) return i == 1 and post(1) or frames.data(1, "") end },
    { "DATA of padding", 201, function(i) return i == 1 and post(1) or frames.data(1, "", { padding = 200 }) end },
    { "a request and its reset", 100, function(i) return get(2 * i - 1) .. frames.rst(2 * i - 1, "CANCEL") end },
    { "a request and a fault", 100, function(i) return get(2 * i - 1) .. frames.window(2 * i - 1, 0) end },
    { "a malformed request", 100, function(i) return frames.headers(2 * i - 1, { { "x", "y" } }, LAST) end },
    { "RST_STREAM of a stream that is closed", 1000, function(i)
      return i == 1 and post(1) .. frames.rst(1, 8) or frames.rst(1, 8)
    end },
    { "CONTINUATION", 10, function(i)
      return i == 1 and frames.headers(1, fields(), { open = true }) or frames.continuation(1, "", { open = true })
    end },
    { "requests beyond the limit", 201, function(i) return post(2 * i - 1) end },
  }
  for _, flood in ipairs(floods) do
    it(("by %s ends the connection within %d of them"):format(flood[1], flood[2]), function()
      local t = server()
      local count = pieces(t, flood[3], flood[2])
      assert.truthy(count)
      assert.truthy(count > flood[2] * 0.9 - 1, count)
      assert.truthy(last_of(t:sent()):find "^GOAWAY %d+ ENHANCE_YOUR_CALM")
    end)
  end

  it("by a head of four times the limit ends the connection", function()
    local t = server { head = 1000 }
    local count = pieces(t, function(i)
      local part = ("\0\1a\1b"):rep(200)
      return i == 1 and frames.headers(1, part, { open = true }) or frames.continuation(1, part, { open = true })
    end, 10)
    assert.equal(5, count)
  end)

  it("is forgiven with time, and with use", function()
    local t = server { answers = true }
    for _ = 1, 990 do t:feed(frames.ping()) end
    core.talk_move_time(100)
    for _ = 1, 990 do t:feed(frames.ping()) end
    assert.is_true(core.talk_is_alive())
    for i = 1, 2000 do t:feed(get(2 * i - 1), frames.ping()) end
    assert.is_true(core.talk_is_alive())
    t:sent()
  end)

  it("is not a PING or two WINDOW_UPDATEs for each DATA that is received", function()
    local t = server()
    t:feed(get(1))
    core.talk_head(1, "HTTP/1.1 200 OK\r\n\r\n", false)
    for _ = 1, 5000 do
      core.talk_body(1, "0123456789", 10)
      t:feed(frames.ping(), frames.window(0, 10), frames.window(1, 10))
    end
    assert.is_true(core.talk_is_alive())
    t:sent()
  end)

  it("is not what a server does that resets many streams", function()
    local t = talk.begin { role = "client" }
    t:greet()
    for _ = 1, 3000 do
      local id = core.talk_open("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true)
      t:feed(frames.rst(id, "REFUSED_STREAM"))
    end
    assert.is_true(core.talk_is_alive())
    t:sent()
  end)

  it("is not what a client does that ends many watches", function()
    local t = server()
    for id = 1, 299, 2 do
      t:feed(get(id))
      core.talk_head(id, "HTTP/1.1 200 OK\r\n\r\n", false)
      t:feed(frames.rst(id, "CANCEL"))
      assert.is_true(core.talk_is_alive())
    end
    t:sent()
  end)

  it("is not what a client does that loses its patience with all of its requests", function()
    local t = server()
    for id = 1, 5999, 200 do
      for i = id, id + 198, 2 do t:feed(get(i)) end
      core.talk_age(100)
      for i = id, id + 198, 2 do t:feed(frames.rst(i, "CANCEL")) end
      assert.is_true(core.talk_is_alive())
    end
    t:sent()
  end)

  it("is what it does if it never had any", function()
    local t = server()
    for id = 1, 199, 2 do t:feed(get(id)) end
    core.talk_age(50)
    for id = 1, 199, 2 do t:feed(frames.rst(id, "CANCEL")) end
    assert.is_false(core.talk_is_alive())
    t:sent()
  end)

  it("is not what a client does that uploads in small pieces", function()
    local t = server { connection = 1000000 }
    t:feed(post(1))
    for _ = 1, 20000 do t:feed(frames.data(1, "x")) end
    assert.is_true(core.talk_is_alive())
  end)
end)

describe("a peer that does not read", function()
  after_each(function() core.talk_end() end)

  it("gives no backlog to a stream whose head alone went out", function()
    local t = server { sndbuf = 4608 }
    t:feed(get(1), get(3), get(5))
    core.talk_head(1, "HTTP/1.1 200 OK\r\n\r\n", false)
    core.talk_body(1, ("x"):rep(60000), 60000)
    core.talk_head(3, "HTTP/1.1 204 No Content\r\n\r\n", true)
    core.talk_head(5, "HTTP/1.1 200 OK\r\n\r\n", false)
    assert.equal(0, tonumber(core.talk_backlog(3)))
    assert.equal(0, tonumber(core.talk_backlog(5)))
    core.talk_body(5, "ok", 2)
    assert.truthy(tonumber(core.talk_backlog(5)) > 0)
    t.events()
    t:sent()
    assert.same({ "drained 1", "drained 5" }, t.events())
    assert.equal(0, tonumber(core.talk_backlog(5)))
  end)

  it("is not read if it asks for more and more that has no body", function()
    local t = server { sndbuf = 4608 }
    t:feed(get(1))
    core.talk_head(1, "HTTP/1.1 200 OK\r\n\r\n", false)
    core.talk_body(1, ("x"):rep(60000), 60000)
    for id = 3, 19, 2 do
      assert.is_false(core.talk_is_paused())
      t:feed(frames.headers(id, fields "HEAD", LAST))
      core.talk_head(id, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", true)
    end
    assert.is_true(core.talk_is_paused())
    t.events()
    t:sent()
    assert.is_false(core.talk_is_paused())
  end)

  it("has no more than a few replies waiting: then it is not read", function()
    local t = server { sndbuf = 4608 }
    t:feed(get(1))
    core.talk_head(1, "HTTP/1.1 200 OK\r\n\r\n", false)
    core.talk_body(1, ("x"):rep(60000), 60000)
    assert.truthy(tonumber(core.talk_backlog(1)) > 0)
    t:feed(frames.ping():rep(7))
    assert.is_false(core.talk_is_paused())
    t:feed(frames.ping())
    assert.is_true(core.talk_is_paused())
    t.events()
    local list = t:sent()
    assert.is_false(core.talk_is_paused())
    assert.equal("PING ACK", last_of(list):sub(1, 8))
    assert.same({ "drained 1" }, t.events())
  end)
end)
