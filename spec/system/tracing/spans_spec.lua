-- The spans of requests at a collector: ids, parents, times and attributes; and which are kept.
local collector = require "spec.support.collector"
local h2 = require "spec.support.h2"
local h2_backends = require "spec.support.h2_backends"
local play = require "spec.support.play"

local TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
local QUICK = "health = { interval = 0.2, timeout = 5, eject_after = 0 },"

local function settings(c, more, others)
  return ("tracing = { to = '%s', %s }, %s %s"):format(c.url, more or "part = 1", QUICK, others or "")
end

local function balancer(c, backends, more, others)
  return play.balancer { settings = settings(c, more, others), backends = backends }
end

-- What is compared as a text of digits.
local function is_within(inner, outer)
  assert.is_true(#inner.from == #outer.from and inner.from >= outer.from, inner.from .. " " .. outer.from)
  assert.is_true(#inner.to == #outer.to and inner.to <= outer.to, inner.to .. " " .. outer.to)
  assert.is_true(inner.from <= inner.to)
end

describe("the spans of a request", function()
  after_each(play.curtain)

  it("are one of lb, and within it one of its try, whose id the backend has", function()
    local c, backend = collector.new(), play.hello "x"
    local lb = balancer(c, { backend }, "part = 1, service = 'shop', trust = 'all'")
    local fields = ("traceparent: 00-%s-%s-01\r\n"):format(TRACE, SPAN)
    assert.equal(200, lb:fetch("/a/b?secret=1", { fields = fields, host = "shop.test:81" }).status)
    local server, tries = collector.trace(c:wait(2))
    local line = lb:exchange()
    assert.same({ TRACE, SPAN, "GET", "shop" }, { server.trace, server.parent, server.name, server.service })
    assert.same({
      ["http.request.method"] = "GET", ["url.path"] = "/a/b", ["url.scheme"] = "http", ["server.address"] = "shop.test",
      ["server.port"] = 81, ["client.address"] = "127.0.0.1", ["http.response.status_code"] = 200,
      ["network.protocol.version"] = "1.1",
    }, server.attributes)
    assert.equal(1, #tries)
    local try = tries[1]
    assert.same({ TRACE, server.span, "GET" }, { try.trace, try.parent, try.name })
    assert.same({
      ["http.request.method"] = "GET", ["url.scheme"] = "http", ["server.address"] = "127.0.0.1",
      ["server.port"] = tonumber(backend.address:match "%d+$"), ["http.response.status_code"] = 200,
      ["network.protocol.version"] = "1.1", ["lb.backend"] = line.backend,
    }, try.attributes)
    assert.equal(("00-%s-%s-01"):format(TRACE, try.span), backend.requests[1]:field "traceparent")
    is_within(try, server)
    assert.is_false(server.has_failed or try.has_failed)
    assert.equal("application/json", c.requests[1]:field "content-type")
    assert.equal("/v1/traces", c.requests[1].target)
  end)

  it("have a try for each, with its number, its error and why it was chosen", function()
    local c, spans = collector.new(), {}
    local broken = play.backend(function(conn) spans[#spans + 1] = conn:request():field "traceparent" end)
    local well = play.backend(function(conn)
      spans[#spans + 1] = conn:request():field "traceparent"
      conn:send(play.text "x")
    end)
    local lb = balancer(c, { broken, well }, "part = 0, always = 'retried'",
      "choose = function(ctx, backends) return backends[1], { why = 'the first of ' .. #backends } end,")
    lb:up(broken)
    lb:up(well)
    assert.equal(200, lb:fetch("/").status)
    local server, tries = collector.trace(c:wait(3))
    assert.equal(2, #tries)
    assert.is_nil(server.parent)
    assert.is_false(server.has_failed)
    for i, try in ipairs(tries) do
      assert.same({ server.trace, server.span }, { try.trace, try.parent })
      assert.equal(("00-%s-%s-%s"):format(try.trace, try.span, i == 1 and "02" or "03"), spans[i])
      is_within(try, server)
    end
    assert.same({ "reset", "the first of 2" },
      { tries[1].attributes["error.type"], tries[1].attributes["lb.why"] })
    assert.is_nil(tries[1].attributes["http.response.status_code"])
    assert.is_nil(tries[1].attributes["http.request.resend_count"])
    assert.is_true(tries[1].has_failed)
    assert.same({ 1, 200, "the first of 1" }, { tries[2].attributes["http.request.resend_count"],
      tries[2].attributes["http.response.status_code"], tries[2].attributes["lb.why"] })
    assert.is_false(tries[2].has_failed)
    assert.is_true(tries[1].to <= tries[2].from)
    assert.not_equal(tries[1].span, tries[2].span)
  end)

  it("have the status of an answer that on_response throws away", function()
    local c = collector.new()
    local busy, well = play.answering(function() return "busy", 503 end), play.hello "x"
    local lb = balancer(c, { busy, well }, "part = 1",
      [[choose = function(ctx, backends) return backends[1] end,
        on_response = function(ctx, backend, res) return res.status == 503 and "next" or nil end,]])
    lb:up(busy)
    lb:up(well)
    assert.equal(200, lb:fetch("/").status)
    local _, tries = collector.trace(c:wait(3))
    assert.same({ 503, "503" }, { tries[1].attributes["http.response.status_code"], tries[1].attributes["error.type"] })
    assert.equal(200, tries[2].attributes["http.response.status_code"])
  end)

  it("are kept if it failed, though part is 0", function()
    local c = collector.new()
    local lb = balancer(c, { play.answering(function(request) return "x", tonumber(request.target:match "%d+") end) },
      "part = 0, always = 'failed'")
    assert.equal(200, lb:fetch("/200").status)
    assert.equal(404, lb:fetch("/404").status)
    assert.equal(500, lb:fetch("/500").status)
    local server, tries = collector.trace(c:wait(2))
    assert.equal("/500", server.attributes["url.path"])
    assert.equal("500", server.attributes["error.type"])
    assert.is_true(server.has_failed and tries[1].has_failed)
    play.pause(0.3)
    assert.equal(2, #c:spans())
  end)

  it("are kept if it was slow", function()
    local c = collector.new()
    local lb = balancer(c, { play.answering(function(request)
      if request.target == "/slow" then play.pause(0.1) end
      return "x"
    end) }, "part = 0, always = { 'slow' }, slow_s = 0.1")
    lb:fetch("/slow")
    assert.equal("/slow", (collector.trace(c:wait(2))).attributes["url.path"])
  end)

  it("are kept as their caller has decided, and those that failed besides", function()
    local c = collector.new()
    local lb = balancer(c, { play.answering(function(request) return "x", tonumber(request.target:match "%d+") end) },
      "part = 1, trust = 'all', always = 'failed'")
    for _, path in ipairs { "/200", "/500" } do
      lb:fetch(path, { fields = ("traceparent: 00-%s-%s-00\r\n"):format(TRACE, SPAN) })
    end
    local server = collector.trace(c:wait(2))
    assert.same({ "/500", SPAN }, { server.attributes["url.path"], server.parent })
  end)

  it("are named HTTP, if their method is none that is known", function()
    local c = collector.new()
    local lb = balancer(c, { play.hello "x" })
    lb:fetch("/", { method = "BREW" })
    local server = collector.trace(c:wait(2))
    assert.same({ "HTTP", "_OTHER", "BREW" }, { server.name, server.attributes["http.request.method"],
      server.attributes["http.request.method_original"] })
  end)

  it("say that an answer broke off", function()
    local c = collector.new()
    local lb = balancer(c, { play.backend(function(conn)
      conn:request()
      conn:send "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx"
    end) }, "part = 0")
    local client = play.client(lb)
    client:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    client:rest()
    local server, tries = collector.trace(c:wait(2))
    assert.same({ "cut", "reset" }, { server.attributes["error.type"], tries[1].attributes["error.type"] })
  end)

  it("are there for what lb answers itself", function()
    local c = collector.new()
    local lb = balancer(c, { play.hello "x" }, "part = 1", "choose = function(ctx) return ctx:reject(403) end,")
    assert.equal(403, lb:fetch("/").status)
    local server, tries = collector.trace(c:wait(1))
    assert.same({ 403, 0 }, { server.attributes["http.response.status_code"], #tries })
    assert.is_false(server.has_failed)
  end)

  it("have texts that are cut, and JSON that is whole, whatever a client sends", function()
    local c = collector.new()
    local lb = balancer(c, { play.hello "x" })
    local long = "/" .. ("x"):rep(4000)
    lb:fetch(long, { host = ("h"):rep(250) .. ":1" })
    lb:fetch "/%22\"\\<>"
    local paths = {}
    for _, span in ipairs(c:wait(2)) do paths[#paths + 1] = span.attributes["url.path"] end
    assert.equal(long:sub(1, 256), paths[1])
  end)

  it("have what lb says whole, however long the client's texts are", function()
    local c = collector.new()
    local lb = balancer(c, { play.hello "x" }, "part = 1", [[
      choose = function(ctx) return ctx:reject(503, { why = ("w"):rep(60) }) end,]])
    local host = ("h"):rep(120)
    lb:fetch("/" .. ("x"):rep(4000), { method = ("M"):rep(32), host = host .. ":65535" })
    local server = collector.trace(c:wait(1)).attributes
    assert.same({ host, 65535, "127.0.0.1", ("w"):rep(60), "503" },
      { server["server.address"], server["server.port"], server["client.address"], server["lb.why"],
        server["error.type"] })
    assert.matches("^/x+$", server["url.path"])
    lb:fetch("/", { host = ("h"):rep(124) .. ":65535" })
    server = c:wait(2)[2].attributes
    assert.same({ ("h"):rep(124), nil }, { server["server.address"], server["server.port"] })
  end)

  it("say which version of HTTP the backend speaks", function()
    local c = collector.new()
    local backend = h2.backend(function(s)
      s:whole()
      s:answer "x"
    end)
    local lb = play.balancer { backends = { h2_backends.of(backend) }, settings = settings(c) }
    assert.equal(200, lb:fetch("/").status)
    local server, tries = collector.trace(c:wait(2))
    assert.same({ "1.1", "2" },
      { server.attributes["network.protocol.version"], tries[1].attributes["network.protocol.version"] })
  end)
end)
