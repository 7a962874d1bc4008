-- What backends in HTTP/2 do to requests: they refuse them, break off, go away, break rules.
local frames = require "spec.support.h2_frames"
local h2 = require "spec.support.h2"
local certificates = require "spec.support.certificates"
local h2_backends = require "spec.support.h2_backends"
local h2_lb = require "spec.support.h2_lb"
local play = require "spec.support.play"
local reloading = require "spec.support.reloading"

local balancer, echo, of, outcomes = h2_backends.balancer, h2_backends.echo, h2_backends.of, h2_backends.outcomes

local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
local POST = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"

describe("a backend in HTTP/2", function()
  after_each(play.curtain)

  it("that refuses a stream gets the request once more, POST too, on another connection", function()
    local refused = 0
    local backend = h2.backend(function(s)
      s:whole()
      if refused < 1 then
        refused = refused + 1
        return s:abort "REFUSED_STREAM"
      end
      s:answer(s.method .. " " .. s.body)
    end)
    local lb = balancer({ backend }, "health = { interval = 60, timeout = 5, eject_after = 1 },")
    local client = play.client(lb)
    client:send(POST)
    assert.equal("POST abc", client:response().body)
    assert.equal("unprocessed ok", outcomes(lb:exchange {}))
    assert.same({}, lb:events "backend_ejected")
  end)

  it("that refuses always has the request taken by the next one, and is not blamed", function()
    local refused = 0
    local one = h2.backend(function(s)
      s:whole()
      refused = refused + 1
      s:abort "REFUSED_STREAM"
    end)
    local lb = balancer({ one, echo() }, [[
      health = { interval = 60, timeout = 5, eject_after = 1 },
      choose = function(ctx, backends) return backends[1] end,
    ]])
    local client = play.client(lb)
    client:send(POST)
    assert.equal("POST / abc", client:response().body)
    assert.equal("unprocessed unprocessed unprocessed unprocessed ok", outcomes(lb:exchange {}))
    assert.equal(4, refused)
    assert.same({}, lb:events "backend_ejected")
  end)

  it("that says GOAWAY finishes what it began, and what it left out goes to a new connection once", function()
    local held, posts, gone = {}, 0
    local backend = h2.backend(function(s, p)
      if s.path == "/held" then
        held[#held + 1] = s
        return
      end
      posts = posts + 1
      if not gone then
        gone = p
        return p:send(frames.goaway(held[1].id, "NO_ERROR"))
      end
      s:whole()
      s:answer(s.method .. " " .. s.body)
    end)
    local lb = balancer { backend }
    local first = play.client(lb)
    first:send "GET /held HTTP/1.1\r\nHost: x\r\n\r\n"
    play.wait("the first", function() return #held == 1 end)
    local second = play.client(lb)
    second:send(POST)
    assert.equal("POST abc", second:response().body)
    assert.equal(2, posts)
    assert.equal("unprocessed ok", outcomes(lb:exchange { method = "POST" }))
    held[1]:answer "held"
    assert.equal("held", first:response().body)
    assert.equal(2, backend.served)
    play.wait("the end of the first", function() return #backend:connections() == 1 end)
  end)

  for code, outcome in pairs { INTERNAL_ERROR = "reset", CANCEL = "reset", ENHANCE_YOUR_CALM = "reset" } do
    it("that resets a stream with " .. code .. " has failed a try", function()
      local backend = h2.backend(function(s)
        s:whole()
        if s.path == "/" then return s:abort(code) end
        s:answer "x"
      end)
      local lb = balancer({ backend }, "on_failure = function() return 'fail' end,")
      assert.equal(502, lb:fetch("/").status)
      assert.equal(outcome, outcomes(lb:exchange {}))
      assert.matches(code, lb:exchange({}).note)
      assert.equal("x", lb:fetch("/x").body)
      assert.equal(1, backend.served)
    end)
  end

  it("that resets a stream in its body cuts the client, as does one that closes", function()
    for _, ending in ipairs { "abort", "close" } do
      local backend = h2.backend(function(s, p)
        s:whole()
        s:say { { ":status", "200" }, { "content-length", "10" } }
        s:write "12345"
        if ending == "abort" then s:abort "INTERNAL_ERROR" else p:close() end
      end)
      local lb = balancer({ backend }, nil, { name = "lb " .. ending })
      local client = play.client(lb)
      client:send(GET)
      local response = client:response()
      assert.equal("12345", response.body)
      assert.is_false(response.complete)
      assert.equal("reset", outcomes(lb:exchange {}))
    end
  end)

  it("that closes an idle connection costs no request", function()
    local backend
    backend = h2.backend(function(s, p)
      s:whole()
      s:answer(s.method)
      p:ping()
      p:close()
    end)
    local lb = balancer { backend }
    local client = play.client(lb)
    for _ = 1, 5 do
      client:send(GET)
      assert.equal("GET", client:response().body)
      play.wait("no connection", function() return #backend:connections() == 0 end)
      client:send(POST)
      assert.equal("POST", client:response().body)
      play.wait("no connection", function() return #backend:connections() == 0 end)
    end
  end)

  for what, send in pairs {
    ["a body that is longer than its content-length"] = function(s)
      s:say { { ":status", "200" }, { "content-length", "2" } }
      s.peer:send(frames.data(s.id, "12345", { last = true }))
    end,
    ["a head without a status"] = function(s) s:say { { "x", "y" } } end,
    ["a status that is none"] = function(s) s:say { { ":status", "2000" } } end,
    ["a field of the connection"] = function(s) s:say { { ":status", "200" }, { "connection", "close" } } end,
    ["an upper-case field"] = function(s) s:say { { ":status", "200" }, { "X-A", "close" } } end,
    ["DATA before a head"] = function(s) s.peer:send(frames.data(s.id, "1")) end,
    ["DATA after 204"] = function(s)
      s:say { { ":status", "204" } }
      s.peer:send(frames.data(s.id, "1"))
    end,
    ["two lengths"] = function(s)
      s:say { { ":status", "200" }, { "content-length", "2" }, { "content-length", "3" } }
    end,
  } do
    it("that sends " .. what .. " gets no answer through", function()
      local backend = h2.backend(function(s)
        if s.path == "/x" then return s:answer "x" end
        s:whole()
        send(s)
      end)
      local lb = balancer({ backend }, "on_failure = function() return 'fail' end,")
      local client = play.client(lb)
      client:send(GET)
      local response = client:response()
      assert.is_true(response.status == 502 or response.status == 204 or not response.complete)
      assert.matches("protocol", outcomes(lb:exchange {}))
      assert.equal("x", lb:fetch("/x").body)
    end)
  end

  it("that speaks HTTP/1.1 only is a protocol error", function()
    local backend = play.backend(function(conn)
      conn:send "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
      conn:rest()
    end)
    local lb = balancer({ backend }, "on_failure = function() return 'fail' end,")
    assert.equal(502, lb:fetch("/").status)
    assert.equal("protocol", outcomes(lb:exchange {}))
  end)

  it("that breaks a connection without GOAWAY is asked again for a GET, and not for a POST", function()
    local held, posts, breaking = {}, 0, nil
    local backend = h2.backend(function(s, p)
      s:whole()
      posts = posts + (s.method == "POST" and 1 or 0)
      breaking = breaking or p
      if p ~= breaking or s.path == "/first" then return s:answer "again" end
      held[#held + 1] = s
      if #held == 2 then p:close() end
    end)
    local lb = balancer { backend }
    assert.equal("again", lb:fetch("/first").body)
    local one, two = play.client(lb), play.client(lb)
    one:send(GET)
    play.wait("the GET", function() return #held == 1 end)
    two:send(POST)
    assert.equal("again", one:response().body)
    assert.equal(502, two:response().status)
    assert.equal(1, posts)
  end)

  -- What is said before and after a reload, and what becomes of the next request.
  for what, case in pairs {
    ["verify = false and then true"] = { "verify = false", "ca = $CA", "502 mismatch" },
    ["a name and then another"] = { "ca = $CA, name = 'a.test'", "ca = $CA, name = 'b.test'", "502 mismatch" },
    ["the same rules"] = { "ca = $CA, name = 'a.test'", "ca = $CA, name = 'a.test'", "200 hello" },
  } do
    it("over TLS is not asked by " .. what .. " on a connection of other rules, which finishes its own", function()
      local may_end, connections = true, {}
      local behind = h2_lb.start { name = "behind", tls = true, backends = {
          play.backend(function(conn)
            while conn:request() do
              conn:send "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"
              play.wait("the reload", function() return may_end end)
              conn:send "lo"
            end
          end),
        } }
      local ca = certificates.new({ names = { "a.test" } }).cert
      local function text(options)
        return ([[return { health = function() return true end, backends = { { name = "one", address = %q,
          tls = { %s } } } }]]):format("h2://" .. behind.address, (options:gsub("%$CA", ("%q"):format(ca))))
      end
      local lb, say = reloading.start(text(case[1]))
      assert.equal("hello", lb:fetch("/").body)
      may_end = false
      local client = lb:connect()
      client:send "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
      local head = client:head()
      assert.equal("reload", say(text(case[2]) .. " -- again").event)
      may_end = true
      assert.equal("hello", client:body_of(head).body)
      client:send "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
      local response = client:response()
      local status, word = case[3]:match "(%d+) (%w+)"
      assert.equal(status, tostring(response.status))
      if status == "502" then assert.matches(word, lb:exchange({ status = 502 }).note) end
      for _, line in ipairs(behind:exchanges()) do connections[line.client_port] = true end
      local count = 0
      for _ in pairs(connections) do count = count + 1 end
      assert.equal(1, count) -- no other one was asked, or the same
    end)
  end

  it("that refuses connects leaves requests to the next one", function()
    local gone = echo()
    local lb = balancer({ gone, echo() }, [[
      health = { interval = 60, timeout = 5 },
      choose = function(ctx, backends) return backends[1] end,
    ]])
    gone:refuse()
    local clients = {}
    for i = 1, 5 do
      clients[i] = play.client(lb)
      clients[i]:send(POST)
    end
    for i = 1, 5 do assert.equal("POST / abc", clients[i]:response().body) end
  end)

  it("counts its streams for max_in_flight", function()
    local held = {}
    local backend = h2.backend(function(s) held[#held + 1] = s end)
    local lb = play.balancer { script = ([[
      return {
        backends = { { address = "%s", max_in_flight = 2 } }, body_first = "never",
        health = { interval = 60, timeout = 5 },
      }
    ]]):format(of(backend)) }
    local clients = {}
    for i = 1, 2 do
      clients[i] = play.client(lb)
      clients[i]:send(GET)
    end
    play.wait("two", function() return #held == 2 end)
    assert.equal(503, lb:fetch("/").status)
    for _, s in ipairs(held) do s:answer "x" end
    for i = 1, 2 do assert.equal("x", clients[i]:response().body) end
  end)

  it("answers checks of health", function()
    local status, checks = 200, 0
    local backend = h2.backend(function(s)
      s:whole()
      checks = checks + (s.path == "/healthz" and 1 or 0)
      s:answer("x", { { ":status", tostring(status) } })
    end)
    local lb = balancer({ backend },
      "health = { type = 'http', path = '/healthz', interval = 0.05, timeout = 5, fall = 1 },")
    play.wait("checks", function() return checks >= 3 end)
    assert.equal("x", lb:fetch("/").body)
    status = 500
    assert.matches("500", lb:event("backend_down").reason)
    status = 204
    lb:event "backend_up"
  end)
end)
