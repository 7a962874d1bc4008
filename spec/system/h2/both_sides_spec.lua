-- HTTP/2 from the client and to the backend: streams end to end.
local frames = require "spec.support.h2_frames"
local h2 = require "spec.support.h2"
local h2_backends = require "spec.support.h2_backends"
local h2_lb = require "spec.support.h2_lb"
local play = require "spec.support.play"

local function start(backend, options)
  options = options or {}
  options.backends = { h2_backends.of(backend) }
  return h2_lb.start(options)
end

describe("a stream of a client on a stream of a backend", function()
  after_each(play.curtain)

  it("carries both bodies at once, piece by piece, and trailers both ways", function()
    local seen
    local backend = h2.backend(function(s, p)
      s:say { { ":status", "200" }, { "content-type", "application/grpc" } }
      for n = 1, 3 do
        p:wait("piece " .. n, function() return s.of.length >= n end)
        s:write("answer " .. n)
      end
      seen = s:whole().of
      s:say({ { "grpc-status", "0" }, { "x-end", "yes" } }, { last = true })
    end)
    local p = h2.client(start(backend))
    local fields = { { "te", "trailers" }, { "content-type", "application/grpc" } }
    local id = p:get("/talk", { open = true, fields = fields })
    local stream = p:head(id)
    assert.equal(200, stream.status)
    for n = 1, 3 do
      p:write(id, "x")
      p:wait("answer " .. n, function() return stream.length >= n * #"answer 1" end)
    end
    p:send(frames.headers(id, { { "x-sum", "3" } }, { last = true }))
    assert.equal("answer 1answer 2answer 3", p:response(id).body)
    assert.same({ { "grpc-status", "0" }, { "x-end", "yes" } }, stream.trailers)
    assert.equal("xxx", seen.body)
    assert.equal("trailers", h2.field(seen.fields, "te"))
    p:check()
  end)

  it("that its client gave up with many others takes nothing from other clients", function()
    local held, other, peer = {}, nil, nil
    local backend = h2.backend(function(s, p)
      peer = p
      if s.path == "/many" then held[#held + 1] = s else other = s end
    end)
    local lb = start(backend)
    local leaving, staying = h2.client(lb), h2.client(lb)
    local id = staying:get "/"
    play.wait("the other stream", function() return other end)
    for _ = 1, 80 do leaving:get "/many" end
    play.wait("many streams", function() return #held == 80 end)
    leaving:close()
    for _, s in ipairs(held) do play.wait("its reset", function() return s.of.reset end) end
    for _, s in ipairs(held) do -- they were on their way
      s:say { { ":status", "200" } }
      peer:send(frames.data(s.id, "late", { last = true }))
    end
    other:answer "x"
    assert.equal("x", staying:response(id).body)
    id, other = staying:get "/", nil
    play.wait("one more stream", function() return other end)
    other:answer "y"
    assert.equal("y", staying:response(id).body)
    assert.same({ {}, {}, 1 }, { peer.goaways, lb:events "backend_ejected", backend.served })
    staying:check()
  end)

  it("is given up with 80 others, again and again, and lb behind lb takes that for no attack", function()
    local held = {}
    local backend = h2.backend(function(s) held[#held + 1] = s end)
    local behind = start(backend, { name = "behind" })
    local lb = h2_lb.start { backends = { "h2c://" .. behind.address } }
    local staying = h2.client(lb)
    local id = staying:get "/"
    play.wait("the one that stays", function() return #held == 1 end)
    for round = 1, 3 do
      local leaving = h2.client(lb)
      for _ = 1, 80 do leaving:get "/" end
      play.wait("many streams", function() return #held == 1 + 80 * round end)
      play.pause(0.15) -- so long they have waited
      leaving:close()
      for i = 2, #held do play.wait("its reset", function() return held[i].of.reset end) end
    end
    held[1]:answer "x"
    assert.equal("x", staying:response(id).body)
    assert.same({}, behind:events "h2_abuse")
    staying:check()
  end)

  it("that is a watch may be ended by its client, and the next one, 150 times", function()
    local backend = h2.backend(function(s)
      if s.path == "/" then return s:answer "x" end
      s:say { { ":status", "200" }, { "content-type", "application/grpc" } }
    end)
    local lb = start(backend)
    local p = h2.client(lb)
    for _ = 1, 150 do
      local id = p:get "/watch"
      assert.equal(200, p:head(id).status)
      p:send(frames.rst(id, "CANCEL"))
    end
    assert.equal("x", p:fetch("/").body)
    assert.same({ {}, {}, 1 }, { p.goaways, lb:events "h2_abuse", backend.served })
    p:check()
  end)

  it("passes a trailers-only answer on", function()
    local backend = h2.backend(function(s)
      s:whole()
      s:say({ { ":status", "200" }, { "content-type", "application/grpc" }, { "grpc-status", "5" } }, { last = true })
    end)
    local p = h2.client(start(backend))
    local stream = p:fetch("/call", { body = "x", fields = { { "content-type", "application/grpc" } } })
    assert.equal("5", h2.field(stream.fields, "grpc-status"))
    assert.equal(0, stream.length)
    assert.is_nil(stream.trailers)
    p:check()
  end)

  it("is reset at the backend when the client resets it, and the others go on", function()
    local held = {}
    local backend = h2.backend(function(s)
      held[s.path] = s
    end)
    local p = h2.client(start(backend))
    local one, two = p:get "/one", p:get "/two"
    play.wait("both", function() return held["/one"] and held["/two"] end)
    p:send(frames.rst(one, "CANCEL"))
    play.wait("the reset", function() return held["/one"].of.reset end)
    assert.equal("CANCEL", held["/one"].of.reset)
    held["/two"]:answer "two"
    assert.equal("two", p:response(two).body)
    assert.equal(1, backend.served)
    p:check()
  end)

  it("is reset at the client when the backend resets it behind its head", function()
    local backend = h2.backend(function(s)
      s:whole()
      if s.path == "/" then return s:answer "x" end
      s:say { { ":status", "200" } }
      s:write "some"
      s:abort "INTERNAL_ERROR"
    end)
    local p = h2.client(start(backend))
    local stream = p:fetch "/cut"
    assert.truthy(stream.reset)
    assert.is_nil(stream.ended)
    assert.equal("x", p:fetch("/").body)
    p:check()
  end)

  it("ends as UNAVAILABLE when that happens to a gRPC call, which its client may try again", function()
    local backend = h2.backend(function(s)
      s:say { { ":status", "200" }, { "content-type", "application/grpc" } }
      s:write "some"
      s:abort "INTERNAL_ERROR"
    end)
    local lb = start(backend)
    local p = h2.client(lb)
    local fields = { { "te", "trailers" }, { "content-type", "application/grpc" } }
    local id = p:get("/a.B/C", { body = "x", fields = fields })
    assert.equal("some", p:response(id).body)
    assert.same({ { "grpc-status", "14" }, { "grpc-message", "the answer broke off" } }, p.streams[id].trailers)
    assert.is_nil(p.streams[id].reset)
    assert.truthy(lb:exchange { grpc_status = 14 })
    p:check()
  end)

  it("waits for a client that gives no credit, while others of both connections are served", function()
    local backend = h2.backend(function(s)
      s:whole()
      s:answer(s.path == "/big" and ("x"):rep(3000000) or "small")
    end)
    local lb = start(backend)
    local slow = h2.client(lb, { credit = false })
    local big = slow:get "/big"
    slow:head(big)
    slow:wait("its window", function() return slow.streams[big].length >= 65535 end)
    local p = h2.client(lb)
    for _ = 1, 10 do assert.equal("small", p:fetch("/").body) end
    assert.equal(3000000, #p:fetch("/big").body)
    assert.equal(65535, slow.streams[big].length)
    assert.equal(1, backend.served)
    slow:close()
    p:check()
  end)

  it("holds back a client when the backend takes nothing", function()
    local backend = h2.backend(function(s)
      if s.path == "/big" then return end
      s:whole()
      s:answer "small"
    end, { credit = false })
    local lb = start(backend, { settings = "limits = { replay = 1024 }," })
    local p = h2.client(lb)
    local id = p:get("/big", { open = true })
    local sent = 0
    play.beside(function()
      for _ = 1, 100 do
        if not p:write(id, ("x"):rep(16384)) then return end
        sent = sent + 16384
      end
    end)
    play.until_still(function() return sent end)
    assert.is_true(sent < 1000000)
    assert.equal("small", p:fetch("/").body)
    p:send(frames.rst(id, "CANCEL"))
    p:check()
  end)
end)
