-- lb.http and lb.tcp over TLS.
local authority = require "spec.support.authority"
local play = require "spec.support.play"
local tls = require "spec.support.tls"

local HELLO = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

describe("a script", function()
  after_each(function()
    play.curtain()
    tls.clear()
  end)

  local ca, both

  before_each(function()
    ca = authority.make { ca = true, common_name = "spec ca" }
    both = authority.make({ by = ca, names = { "IP:127.0.0.1", "api.internal" } }).both
  end)

  local function hello(conn)
    while conn:request() do conn:send(HELLO) end
  end

  -- What `code`, in which $PEER is the peer's address and $CA the file, answers to a request. env:
  -- without SSL_CERT_FILE, whose certificates are the system's in this spec.
  local function start(peer, code, env)
    code = code:gsub("%$(%u+)", { PEER = peer.address, CA = ca.cert })
    return play.balancer { env = env, settings = ("choose = function(ctx) %s end,"):format(code) }
  end

  local GET = [[local res, why = lb.http.get("https://$PEER/x", { tls = { %s } })
    return ctx:respond { body = res and res.body or why }]]

  it("asks by https, verified by the system's certificates", function()
    local peer = tls.backend({ both = both }, hello)
    local code = [[local res, why = lb.http.get "https://$PEER/x"
      return ctx:respond { body = res and res.status .. " " .. res.body or why }]]
    local lb = start(peer, code, { SSL_CERT_FILE = ca.cert })
    assert.equal("200 hello", lb:fetch("/").body)
    assert.matches("^tls: 127%.0%.0%.1:%d+: .*certificate", start(peer, code):fetch("/").body)
  end)

  it("keeps a connection by https, and its session", function()
    local peer = tls.backend({ both = both }, function(conn, n)
      conn:request()
      conn:send(HELLO)
      if n > 1 or not conn:request() then return end
      conn:send "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    end)
    local lb = start(peer, GET:format 'ca = "$CA"')
    for _, body in ipairs { "hello", "", "hello" } do assert.equal(body, lb:fetch("/").body) end
    assert.same({ false, true }, { peer.handshakes[1].resumed, peer.handshakes[2].resumed })
  end)

  it("does not take a connection that was secured in another way", function()
    local peer = tls.backend({ both = both }, hello)
    local lb = start(peer, [[local said = {}
      for i, options in ipairs { { ca = "$CA" }, { ca = "$CA" }, { verify = false },
        { ca = "$CA", name = "api.internal" } } do
        local res, why = lb.http.get("https://$PEER/", { tls = options })
        said[i] = res and res.body or why
      end
      return ctx:respond { body = table.concat(said, " ") }]])
    assert.equal("hello hello hello hello", lb:fetch("/").body)
    assert.equal(3, #peer.handshakes)
    assert.equal("api.internal", peer.handshakes[3].name)
  end)

  for _, case in ipairs {
    { 'ca = "$CA"', "hello" },
    { 'ca = "$CA", name = "api.internal"', "hello" },
    { 'ca = "$CA", name = "web.internal"', "^tls: 127%.0%.0%.1:%d+: hostname mismatch$" },
    { "verify = false", "hello" },
    { "", "^tls: .*certificate" },
    { 'ca = "/nowhere.pem"', "^tls: /nowhere%.pem: No such file or directory$" },
    { 'ca = "/dev/null"', "^tls: /dev/null: " },
    { 'name = "a b"', "^tls: name is neither a host name nor an IP address$" },
  } do
    it("asks with tls = { " .. case[1] .. " }", function()
      local peer = tls.backend({ both = both }, hello)
      assert.matches(case[2], start(peer, GET:format(case[1])):fetch("/").body)
    end)
  end

  it("shows a certificate", function()
    local own = authority.make { by = ca, common_name = "lb", file = "own" }
    local peer = tls.backend({ both = both, ca = ca.cert }, hello)
    local options = 'ca = "$CA", cert = %q, key = %q'
    assert.equal("hello", start(peer, GET:format(options:format(own.cert, own.key))):fetch("/").body)
    assert.equal("hello", start(peer, GET:format(('ca = "$CA", cert = %q'):format(own.both))):fetch("/").body)
    assert.matches("^tls: .*alert", start(peer, GET:format 'ca = "$CA"'):fetch("/").body)
  end)

  it("reads a file again that has changed", function()
    local other = authority.make { ca = true, common_name = "other ca" }
    local function contents(path) return assert(io.open(path)):read "*a" end
    local path = play.file("trusted.pem", contents(other.cert))
    local peer = tls.backend({ both = both }, hello)
    local lb = start(peer, GET:format(("ca = %q"):format(path)))
    assert.matches("^tls: ", lb:fetch("/").body)
    play.file("trusted.pem", contents(ca.cert))
    play.wait("the new file", function() return lb:fetch("/").body == "hello" end)
  end)

  it("is told of mistakes with options", function()
    for _, case in ipairs {
      { "lb.http.get('https://a/', { tls = true })", "tls is a table, not a boolean" },
      { "lb.http.get('https://a/', { tls = { cacert = 'x' } })", "unknown option 'cacert'" },
      { "lb.http.get('https://a/', { tls = { ca = 1 } })", "tls.ca is a text, not a number" },
      { "lb.http.get('https://a/', { tls = { ca = '' } })", "tls.ca is empty" },
      { "lb.http.get('https://a/', { tls = { key = 'a' } })", "tls.cert is missing" },
      { "lb.tcp.connect('a:1', { tls = 1 })", "tls is a table, not a number" },
      { "lb.tcp.connect('a:1', { tls = { verify = 'no' } })", "tls.verify is a boolean, not a string" },
    } do
      local lb = play.balancer { settings = ("choose = function(ctx) return %s end,"):format(case[1]) }
      lb:fetch "/"
      assert.truthy(lb:event("policy_error").message:find(case[2], 1, true), case[1])
    end
  end)

  it("asks in more ways at once than are kept for later", function()
    local ways, came = 70, 0
    local peer = tls.backend({ both = both }, function(conn)
      conn:request()
      came = came + 1
      play.wait("all to be under way", function() return came == ways end)
      conn:send(HELLO)
    end)
    local lb = start(peer, [[local options = { name = ctx.path:sub(2) .. ".internal", verify = false }
      local res, why = lb.http.get("https://$PEER/", { tls = options, timeout = 60 })
      return ctx:respond { body = res and res.body or why }]])
    local clients, got, names = {}, 0, {}
    for i = 1, ways do
      clients[i] = lb:connect()
      clients[i]:send(("GET /n%d HTTP/1.1\r\nHost: a\r\n\r\n"):format(i))
    end
    for i = 1, ways do got = got + (clients[i]:response().body == "hello" and 1 or 0) end
    for _, handshake in ipairs(peer.handshakes) do names[handshake.name] = true end
    for i = 1, ways do assert.is_true(names[("n%d.internal"):format(i)]) end
    assert.equal(ways, got)
  end)

  it("cannot give options of TLS to http://", function()
    local peer = play.hello "plain"
    local lb = start(peer, [[local _, why = lb.http.get("http://$PEER/", { tls = { verify = false } })
      return ctx:respond { body = why }]])
    assert.equal("tls: these options are for https:// only", lb:fetch("/").body)
  end)

  it("talks over TLS with lb.tcp", function()
    local peer = tls.backend({ both = both }, function(conn)
      while true do
        local line = conn:line()
        if not line then return end
        conn:send("+" .. line .. "\r\n")
      end
    end)
    local lb = start(peer, [[local conn, why = lb.tcp.connect("$PEER", { tls = { ca = "$CA" } })
      if not conn then return ctx:respond { body = why } end
      conn:send "ping\r\n"
      local answer = conn:line()
      conn:send "pong\r\n"
      local other = conn:line()
      conn:close()
      return ctx:respond { body = answer .. " " .. other }]])
    assert.equal("+ping +pong", lb:fetch("/").body)
    assert.matches("^tls: ", start(peer, [[local conn, why = lb.tcp.connect("$PEER", { tls = true, timeout = 30 })
      return ctx:respond { body = why or "open" }]]):fetch("/").body)
  end)

  for _, version in ipairs { "1.2", "1.3" } do
    it("reads with lb.tcp what comes behind a handshake of TLS " .. version .. " while it sleeps", function()
      local peer = play.backend { accept = function(conn)
        if not tls.accept(conn, { both = both, version = version, greeting = "220 ready\r\n" }) then return end
        conn:send("221 " .. (conn:line() or "") .. "\r\n")
      end }
      local lb = start(peer, [[local conn, why = lb.tcp.connect("$PEER", { tls = { ca = "$CA" } })
        if not conn then return ctx:respond { body = why } end
        lb.sleep(0.05)
        local greeting, err = conn:line()
        conn:send "bye\n"
        local answer, other = conn:line()
        conn:close()
        return ctx:respond { body = (greeting or err) .. ", " .. (answer or other) }]])
      assert.equal("220 ready, 221 bye", lb:fetch("/").body)
    end)
  end

  it("sees that an answer over TLS was cut", function()
    local peer = tls.backend({ both = both }, function(conn)
      conn:request()
      conn:send "HTTP/1.1 200 OK\r\n\r\nhalf"
      conn:drained()
      tls.raw(conn):shutdown()
      conn.stays_open = true
    end)
    assert.matches("^closed: without a close_notify", start(peer, GET:format 'ca = "$CA"'):fetch("/").body)
  end)

  it("does not wait for a handshake for ever", function()
    local peer = play.blocked()
    local lb = start(peer, [[local _, why = lb.http.get("https://$PEER/", { timeout = 0.2 })
      return ctx:respond { body = why }]])
    assert.matches("^timeout: ", lb:fetch("/").body)
  end)
end)
