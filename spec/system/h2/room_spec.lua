-- What a connection of HTTP/2 holds counts for room: heads that are not complete for limits.memory,
-- and streams whose exchange is over and whose answer the client has not taken yet for all limits.
local frames = require "spec.support.h2_frames"
local h2_lb = require "spec.support.h2_lb"
local hpack = require "spec.support.hpack"
local play = require "spec.support.play"

local PIECE = ("&"):rep(16000)
local ANSWER = ("a"):rep(8000) -- lb has it whole by one read
local NO_CREDIT = { credit = false, settings = { { "INITIAL_WINDOW_SIZE", 0 } } }

-- Two frames of a head that has a third one.
local block = hpack.block {
  { ":method", "GET" }, { ":scheme", "http" }, { ":authority", "x" }, { ":path", "/" }, { "x-large", PIECE:rep(2) },
}
local HALF_HEAD = frames.headers(1, block:sub(1, #PIECE), { open = true, last = true })
  .. frames.continuation(1, block:sub(#PIECE + 1, 2 * #PIECE), { open = true })

-- A client that has asked for such answers, and got their heads alone. Their exchanges are over: lb
-- has said so in its log.
local function with_answers(lb, count, path)
  local client = h2_lb.client(lb, NO_CREDIT)
  client:settled()
  local ids, before = {}, #lb:exchanges()
  for i = 1, count do ids[i] = client:get(path or "/") end
  for _, id in ipairs(ids) do
    assert.equal(200, client:head(id).status)
    assert.equal(0, client:stream(id).length)
  end
  play.wait("lines in the log", function() return #lb:exchanges() == before + count end)
  return client, ids
end

local function take(client, id)
  client:send(frames.window(0, #ANSWER), frames.window(id, #ANSWER))
  assert.equal(#ANSWER, #client:response(id).body)
end

describe("a head of HTTP/2 that is not complete", function()
  after_each(h2_lb.clear)

  it("counts for limits.memory: its connection ends, its line has 503, and others are served", function()
    local lb = h2_lb.start { backends = { play.hello "a" }, settings = [[
      limits = { memory = 16 * 1024 * 1024 }, timeouts = { request_head = 600, keep_alive = 600 },]] }
    local other = play.client(lb)
    local function served()
      other:send "GET /other HTTP/1.1\r\nHost: x\r\n\r\n"
      return other:response().status
    end
    assert.equal(200, served())
    local clients = {}
    for i = 1, 700 do
      clients[i] = h2_lb.client(lb)
      clients[i]:settled() -- no ACK may follow within the head
      clients[i]:send(HALF_HEAD)
    end
    assert.equal(16 * 2 ^ 20, lb:event("memory_full").limit)
    local line = lb:exchange { status = 503 }
    assert.same({ 1, "limits.memory" }, { line.stream, line.note })
    local ended
    play.wait("the end of one", function()
      for _, client in ipairs(clients) do
        if client.conn.ended then ended = client end
      end
      return ended
    end)
    assert.equal(200, served())
  end)
end)

describe("an answer of HTTP/2 that waits for its client, whose exchange is over,", function()
  after_each(h2_lb.clear)

  it("keeps its connection from being given up for another one", function()
    local lb = h2_lb.start { backends = { play.hello(ANSWER) }, settings = "limits = { connections = 1 }," }
    local sends, ids = with_answers(lb, 1)
    play.pause(0.1) -- so long is nobody given up
    local other = play.client(lb)
    other:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    play.pause(0.3)
    assert.same({}, sends.goaways)
    take(sends, ids[1])
    assert.equal(ANSWER, other:response().body)
    assert.equal("NO_ERROR", sends:goaway().code)
  end)

  it("counts for h2.streams", function()
    local lb = h2_lb.start { backends = { play.hello(ANSWER) }, settings = "h2 = { streams = 2 }," }
    local client, ids = with_answers(lb, 2)
    assert.equal("REFUSED_STREAM", client:response(client:get "/").reset)
    take(client, ids[1])
    assert.equal(200, client:head(client:get "/").status)
  end)

  it("counts for limits.per_client_requests", function()
    local lb = h2_lb.start { backends = { play.hello(ANSWER) }, settings = "limits = { per_client_requests = 2 }," }
    local client, ids = with_answers(lb, 2)
    assert.equal(429, play.fetch(lb.address, "/").status)
    take(client, ids[1])
    assert.equal(200, play.fetch(lb.address, "/").status)
  end)

  it("counts for limits.memory: such streams are reset, those that hold most first", function()
    local small = "small"
    local backend = play.answering(function(request) return request.target == "/small" and small or ANSWER end)
    local lb = h2_lb.start { backends = { backend }, settings = [[
      limits = { memory = 16 * 1024 * 1024 }, timeouts = { response_body = 600 },]] }
    local largest = {}
    for i = 1, 4 do largest[i] = with_answers(lb, 100) end
    local slow, kept = with_answers(lb, 2, "/small")
    local others = 0
    repeat
      others = others + 1
      local client = h2_lb.client(lb, NO_CREDIT)
      for _ = 1, 100 do client:get "/small" end
      client:head(199)
    until #lb:events "memory_full" > 0 or others == 40
    assert.equal(16 * 2 ^ 20, lb:event("memory_full").limit)
    play.wait("a reset", function()
      for _, client in ipairs(largest) do
        for id = 1, 199, 2 do
          if client:stream(id).reset then return client:stream(id).reset == "CANCEL" end
        end
      end
    end)
    for _, id in ipairs(kept) do
      slow:send(frames.window(id, #small))
      assert.equal(small, slow:response(id).body)
    end
  end)
end)
