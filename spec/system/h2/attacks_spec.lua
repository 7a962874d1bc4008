-- A client of HTTP/2 that is a burden loses its connection, with one event, and others notice
-- nothing. How many frames each attack has is in spec/cases/h2_floods.lua.
local frames = require "spec.support.h2_frames"
local h2_lb = require "spec.support.h2_lb"
local hpack = require "spec.support.hpack"
local play = require "spec.support.play"

local BATCH = 50

local function head(id, more)
  return frames.headers(id, hpack.block {
    { ":method", "GET" }, { ":scheme", "http" }, { ":authority", "x" }, { ":path", "/slow" },
  }, more or { last = true })
end

local attacks = {
  ["requests that are cancelled at once"] = function(i) return head(2 * i + 1) .. frames.rst(2 * i + 1, "CANCEL") end,
  ["faults that lb has to reset"] = function(i) return head(2 * i + 1) .. frames.window(2 * i + 1, 0) end,
  ["more requests than it may"] = function(i) return head(2 * i + 1) end,
  ["CONTINUATION without end"] = function(i)
    return i == 0 and head(1, { open = true }) or frames.continuation(1, hpack.block { { "a", "b" } }, { open = true })
  end,
  ["PING"] = function() return frames.ping "12345678" end,
  ["SETTINGS"] = function() return frames.settings { { "INITIAL_WINDOW_SIZE", 65535 } } end,
  ["empty DATA"] = function(i)
    return (i == 0 and head(1, {}) or "") .. frames.data(1, "")
  end,
  ["WINDOW_UPDATE of 1"] = function() return frames.window(0, 1) end,
  ["PRIORITY"] = function(i) return frames.priority(2 * i + 1, 0) end,
}

describe("a connection of HTTP/2 that sends", function()
  after_each(h2_lb.clear)

  local backend, lb

  before_each(function()
    backend = play.answering(function(request, conn)
      if request.target == "/slow" then play.wait("its end", function() return conn.ended end) end
      return "a"
    end)
    lb = h2_lb.start { backends = { backend } }
  end)

  for what, make in pairs(attacks) do
    it(what .. " is ended, and others are served", function()
      local honest = h2_lb.client(lb)
      assert.equal("a", honest:fetch("/").body)
      local before = play.memory(lb)
      local attacker = h2_lb.client(lb, { acks = false, credit = false })
      local i = 0
      while not attacker.conn.ended and i < 30000 do
        local batch = {}
        for _ = 1, BATCH do
          batch[#batch + 1] = make(i)
          i = i + 1
        end
        attacker:send(table.concat(batch))
        if i % (4 * BATCH) == 0 then assert.equal("a", honest:fetch("/").body) end
      end
      attacker.conn:ended_by_peer()
      assert.is_true(i < 30000)
      local calm = 0
      for _, goaway in ipairs(attacker.goaways) do
        calm = calm + (goaway.code == "ENHANCE_YOUR_CALM" and 1 or 0)
      end
      assert.is_true(calm <= 1) -- a reset may have overtaken it
      assert.equal("a", honest:fetch("/").body)
      assert.equal("127.0.0.1", lb:event("h2_abuse").client)
      assert.equal(1, #lb:events "h2_abuse")
      assert.is_true(play.memory(lb) - before < 8 * 1024, play.memory(lb) - before)
    end)
  end

  it("heads that decode to far more than they are long is answered 431 or ended", function()
    local client = h2_lb.client(lb)
    client:settled()
    local before = play.memory(lb)
    local fields = hpack.block { { ":method", "GET" }, { ":scheme", "http" }, { ":authority", "x" }, { ":path", "/" } }
    local bomb = fields .. hpack.literal("a", ("b"):rep(4000), { how = "kept" })
    client:send(frames.headers(1, bomb .. hpack.indexed(62):rep(40), { last = true }))
    assert.equal(431, client:response(1).status)
    client:send(frames.headers(3, fields .. hpack.indexed(62):rep(40), { last = true }))
    assert.equal(431, client:response(3).status)
    client:send(frames.headers(5, fields .. hpack.indexed(62):rep(10000), { last = true }))
    assert.truthy(client:goaway().code)
    client:ended_by_peer()
    assert.is_true(play.memory(lb) - before < 8 * 1024, play.memory(lb) - before)
    assert.equal("a", h2_lb.client(lb):fetch("/").body)
  end)
end)
