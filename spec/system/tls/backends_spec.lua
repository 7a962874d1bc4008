-- Backends over TLS: which certificates are taken, how a handshake can fail, and what a client sees
-- of that.
local authority = require "spec.support.authority"
local play = require "spec.support.play"
local reloading = require "spec.support.reloading"
local tls = require "spec.support.tls"

local HELLO = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

describe("a backend over TLS", function()
  after_each(function()
    play.curtain()
    tls.clear()
  end)

  local ca

  before_each(function() ca = authority.make { ca = true, common_name = "spec ca" } end)

  local function hello(conn)
    while conn:request() do conn:send(HELLO) end
  end

  -- settings: what is in the backend's table besides its address, without braces
  local function start(backend, settings, more)
    local address = type(backend) == "table" and backend.address or backend
    return play.balancer { settings = ("health = { interval = 0.5 }, backends = { { address = %q, %s } },\n%s")
      :format("https://" .. address, settings or "", more or "") }
  end

  local function trusting(file, name)
    return ("tls = { ca = %q, %s }"):format(file, name and ("name = %q"):format(name) or "")
  end

  local function reason_of(lb) return lb:exchange({ status = 502 }).note end

  local function outcomes(exchange)
    local list = {}
    for i, try in ipairs(exchange.tries) do list[i] = try.outcome end
    return table.concat(list, " ")
  end

  for _, version in ipairs { "1.2", "1.3" } do
    it("is asked with TLS " .. version .. ", and resumes its session", function()
      local pair = authority.make { by = ca, names = { "IP:127.0.0.1" } }
      local backend = tls.backend({ both = pair.both, version = version }, function(conn)
        conn:request()
        conn:send "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"
      end)
      local lb = start(backend, trusting(ca.cert))
      for _ = 1, 3 do
        local response = lb:fetch "/"
        assert.same({ 200, "hello" }, { response.status, response.body })
      end
      assert.equal("TLSv" .. version, backend.handshakes[1].version)
      assert.same({ false, true, true },
        { backend.handshakes[1].resumed, backend.handshakes[2].resumed, backend.handshakes[3].resumed })
    end)

    it("may ask for a certificate of lb, with TLS " .. version, function()
      local pair = authority.make { by = ca, names = { "IP:127.0.0.1" } }
      local own = authority.make { by = ca, common_name = "lb" }
      local backend = tls.backend({ both = pair.both, version = version, ca = ca.cert }, hello)
      local function settings(more) return ("tls = { ca = %q, %s }"):format(ca.cert, more) end
      local lb = start(backend, settings(("cert = %q, key = %q"):format(own.cert, own.key)))
      assert.equal(200, lb:fetch("/").status)
      lb = start(backend, settings(("cert = %q"):format(own.both)))
      assert.equal(200, lb:fetch("/").status)
      lb = start(backend, settings "")
      assert.equal(502, lb:fetch("/").status)
      local exchange = lb:exchange { status = 502 }
      assert.matches("alert", exchange.note)
      assert.equal("tls", exchange.tries[#exchange.tries].outcome)
    end)
  end

  it("is refused with the place of what is wrong", function()
    local pair = authority.make { by = ca, names = { "IP:127.0.0.1" } }
    local stranger = authority.make { common_name = "stranger" }
    for _, case in ipairs {
      { ('"https://a:1", { address = "https://b:1", tls = { ca = %q } }'):format(pair.key),
        ":1: backends[2].tls: " .. pair.key .. ": there is no certificate in it" },
      { '{ address = "https://b:1", tls = { ca = "/nowhere" } }', "/nowhere: No such file" },
      { ('{ address = "https://b:1", tls = { cert = %q, key = %q } }'):format(pair.cert, stranger.key),
        "the key is not that of the certificate" },
      { '{ address = "https://b:1", tls = { key = "k" } }', "backends[1].tls.key: cert is missing" },
      { '{ address = "https://b:1", tls = { name = "a b" } }', "backends[1].tls.name: expected a host name" },
      { '{ address = "https://b:1", tls = { name = "*.b" } }', "backends[1].tls.name: expected a host name" },
      { '{ address = "https://b:1", tls = { ca = "x", verify = false } }', "nothing is verified" },
      { '{ address = "https://b:1", tls = { sni = "x" } }', "unknown field 'sni'" },
      { '{ address = "http://b:1", tls = {} }', "backends[1].tls: the address has no TLS" },
      { '{ address = "https://unix:/a" }', "backends[1].address: a path has no host" },
      { '"https://http://a:1"', "two schemes" },
    } do
      local path = play.file("wrong.lua", ("return { backends = { %s } }"):format(case[1]))
      local said = play.run(play.command { "check", path })
      assert.equal(2, said.code)
      assert.truthy(said.err:find(case[2], 1, true), said.err)
    end
  end)

  it("is listed by lb check, with its certificate and a warning if it is not verified", function()
    local own = authority.make { by = ca, common_name = "lb", days = 5 } -- 4 days and 23 hours
    local path = play.file("right.lua", ([[return { backends = {
      { address = "https://127.0.0.1:1", tls = { ca = %q, cert = %q, name = "a.test" } },
      { address = "https://127.0.0.1:2", tls = { verify = false } } } }]]):format(ca.cert, own.both))
    local said = play.run(play.command { "check", path })
    assert.equal(0, said.code)
    for _, line in ipairs {
      ("address = \"https://127.0.0.1:1\", weight = 1, tls = { verify = true, name = \"a.test\", ca = %q, cert = %q }")
        :format(ca.cert, own.both),
      ("-- certificate %q: ECDSA 256, 4 days left, shown to backends"):format(own.both),
      ("-- warning: %q: 4 days left"):format(own.both),
      "-- warning: backends[2].tls: verify = false: anybody",
    } do
      assert.truthy(said.out:gsub("5 days", "4 days"):find(line, 1, true), line .. "\n" .. said.out)
    end
  end)

  it("is judged by a new ca as soon as that is saved, with --watch", function()
    local pair = authority.make { by = ca, names = { "IP:127.0.0.1" } }
    local other = authority.make { ca = true, common_name = "other ca" }
    local backend = tls.backend({ both = pair.both }, hello)
    local function contents(path) return assert(io.open(path)):read "*a" end
    local file = play.file("trusted.pem", contents(other.cert))
    local lb = play.balancer { args = { "--watch" }, settings = ([[health = function() return true end,
      backends = { { address = %q, tls = { ca = %q } } },]]):format("https://" .. backend.address, file) }
    assert.equal(502, lb:fetch("/").status)
    play.file("trusted.pem", contents(ca.cert))
    assert.equal("tls", lb:event("reload").changed)
    assert.equal(200, lb:fetch("/").status)
  end)

  it("that had no TLS before a reload is asked over TLS on a connection of its own", function()
    local pair = authority.make { by = ca, names = { "IP:127.0.0.1" } }
    local secure = false
    local backend = play.backend { accept = function(conn)
      if secure and not tls.accept(conn, { both = pair.both }) then return end
      while conn:has(1) and conn:request() do conn:send(HELLO) end
    end }
    local function text(scheme, more)
      return ([[return { health = function() return true end,
        backends = { { name = "one", address = "%s%s", %s } } }]]):format(scheme, backend.address, more)
    end
    local lb, say = reloading.start(text("http://", ""))
    assert.equal(200, lb:fetch("/").status)
    secure = true
    say(text("https://", trusting(ca.cert)))
    assert.equal(200, lb:fetch("/").status)
  end)

  -- names of the certificate, what is said before and after a reload, and what becomes of the
  -- next request
  for _, case in ipairs {
    { "verify = false and then true", { "other.test" }, "verify = false", "ca = $CA", 502 },
    { "a name and then another", { "a.test" }, "ca = $CA, name = 'a.test'", "ca = $CA, name = 'b.test'", 502 },
    { "a name and then another that it has, too", { "a.test", "b.test" }, "ca = $CA, name = 'a.test'",
      "ca = $CA, name = 'b.test'", 200 },
  } do
    local what, names, before, after, status = unpack(case)
    it("is not asked by " .. what .. " on the connection that a response was using", function()
      local pair = authority.make { by = ca, names = names }
      local asked, may_end = {}, false
      local backend = tls.backend({ both = pair.both }, function(conn, n)
        while conn:request() do
          asked[#asked + 1] = n
          conn:send "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"
          play.wait("the reload", function() return #asked ~= 2 or may_end end)
          conn:send "lo"
        end
      end)
      local function text(options)
        return ([[return { health = function() return true end,
          backends = { { name = "one", address = %q, tls = { %s } } } }]]):format(
          "https://" .. backend.address, (options:gsub("%$CA", ("%q"):format(ca.cert))))
      end
      local lb, say = reloading.start(text(before))
      assert.equal("hello", lb:fetch("/").body)
      local client = lb:connect()
      client:send "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
      local head = client:head()
      assert.equal("reload", say(text(after)).event)
      may_end = true
      assert.equal("hello", client:body_of(head).body)
      client:send "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
      assert.equal(status, client:response().status)
      assert.equal(asked[1], asked[2]) -- it was kept
      assert.not_equal(asked[1], asked[3])
      if status == 502 then assert.matches("mismatch", reason_of(lb)) end
    end)
  end

  it("keeps its connection for the next request", function()
    local pair = authority.make { by = ca, names = { "IP:127.0.0.1" } }
    local backend = tls.backend({ both = pair.both }, hello)
    local lb = start(backend, trusting(ca.cert))
    for _ = 1, 5 do assert.equal("hello", lb:fetch("/").body) end
    assert.equal(1, #backend.handshakes)
  end)

  -- what the certificate has, which name is wanted, and why it is not taken; nil: it is taken
  local cases = {
    { "its address", { "IP:127.0.0.1" }, nil, nil },
    { "another address", { "IP:127.0.0.2" }, nil, "IP address mismatch" },
    { "its address as a DNS name", { "DNS:127.0.0.1" }, nil, "IP address mismatch" },
    { "the wanted name", { "api.internal" }, "api.internal", nil },
    { "the wanted name in capitals", { "API.Internal" }, "api.internal", nil },
    { "the wanted name with a dot behind it", { "api.internal" }, "api.internal.", nil },
    { "another name", { "web.internal" }, "api.internal", "hostname mismatch" },
    { "several names", { "web.internal", "api.internal" }, "api.internal", nil },
    { "a wildcard above it", { "*.api.internal" }, "a.api.internal", nil },
    { "a wildcard of its own", { "*.api.internal" }, "api.internal", "hostname mismatch" },
    { "a wildcard two labels above it", { "*.api.internal" }, "a.b.api.internal", "hostname mismatch" },
    { "a wildcard above a single label", { "*.internal" }, "api.internal", "hostname mismatch" },
    { "a wildcard for everything", { "*" }, "api.internal", "hostname mismatch" },
    { "a wildcard for a part of a label", { "a*.corp.internal" }, "api.corp.internal", "hostname mismatch" },
    { "a wildcard in the middle", { "a.*.internal" }, "a.api.internal", "hostname mismatch" },
    { "the wanted name as common name only", {}, "api.internal", "hostname mismatch", "api.internal" },
    { "the wanted name and a NUL", { "DNS:api.internal\\0.evil.example" }, "api.internal", "hostname mismatch" },
    { "a URI of that name", { "URI:https://api.internal" }, "api.internal", "hostname mismatch" },
  }
  for _, case in ipairs(cases) do
    local what, names, wanted, why, common_name = unpack(case, 1, 5)
    it(("with a certificate for %s is %s"):format(what, why and "refused" or "taken"), function()
      local pair = authority.make { by = ca, names = names, common_name = common_name or "nobody" }
      local backend = tls.backend({ both = pair.both }, hello)
      local lb = start(backend, trusting(ca.cert, wanted))
      assert.equal(why and 502 or 200, lb:fetch("/").status)
      if why then assert.equal(why, reason_of(lb)) end
    end)
  end

  it("gets the name as SNI, but no address", function()
    local pair = authority.make { by = ca, names = { "api.internal", "IP:127.0.0.1" } }
    local backend = tls.backend({ both = pair.both }, hello)
    assert.equal(200, start(backend, trusting(ca.cert, "api.internal")):fetch("/").status)
    assert.equal(200, start(backend, trusting(ca.cert)):fetch("/").status)
    assert.same({ "api.internal" }, { backend.handshakes[1].name, backend.handshakes[2].name })
  end)

  it("is taken whatever it shows, with verify = false", function()
    local pair = authority.make { names = { "nobody" }, days = 0 }
    local backend = tls.backend({ both = pair.both }, hello)
    assert.equal(200, start(backend, "tls = { verify = false }"):fetch("/").status)
  end)

  it("is judged by the system's certificates without ca", function()
    local pair = authority.make { by = ca, names = { "IP:127.0.0.1" } }
    local backend = tls.backend({ both = pair.both }, hello)
    local lb = start(backend)
    assert.equal(502, lb:fetch("/").status)
    assert.matches("certificate", reason_of(lb))
    local settings = ("health = { interval = 0.5 }, backends = { %q }"):format("https://" .. backend.address)
    lb = play.balancer { settings = settings, env = { SSL_CERT_FILE = ca.cert } }
    assert.equal(200, lb:fetch("/").status)
  end)

  it("is trusted by its own certificate as ca", function()
    local alone = authority.make { names = { "IP:127.0.0.1" } }
    local backend = tls.backend({ both = alone.both }, hello)
    assert.equal(200, start(backend, trusting(alone.cert)):fetch("/").status)
  end)

  for _, case in ipairs {
    { "an expired certificate", { days = 0 }, "certificate has expired" },
    { "a certificate that signs itself", { by = false }, "self.signed certificate" },
    { "a certificate for clients only", { extensions = { "extendedKeyUsage=clientAuth" } }, "unsuitable" },
  } do
    local what, options, why = unpack(case)
    it("with " .. what .. " is refused, and only the log says why", function()
      local made = { names = { "IP:127.0.0.1" }, by = ca }
      for name, value in pairs(options) do made[name] = value or nil end
      if options.by == false then made.by = nil end
      local backend = tls.backend({ both = authority.make(made).both }, hello)
      local lb = start(backend, trusting(ca.cert))
      local response = lb:fetch "/"
      assert.equal(502, response.status)
      assert.is_nil(response.body:find "certificate")
      assert.matches(why, reason_of(lb))
      assert.matches("^tls", outcomes(lb:exchange { status = 502 }))
    end)
  end

  it("with a certificate of another authority is refused", function()
    local other = authority.make { ca = true, common_name = "other ca" }
    local backend = tls.backend({ both = authority.make { by = other, names = { "IP:127.0.0.1" } }.both }, hello)
    local lb = start(backend, trusting(ca.cert))
    assert.equal(502, lb:fetch("/").status)
    assert.matches("self.signed certificate in certificate chain", reason_of(lb))
  end)

  it("that speaks plain HTTP is refused", function()
    local backend = play.backend(function(conn)
      conn:send "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    end)
    local lb = start(backend, "tls = { verify = false }")
    assert.equal(502, lb:fetch("/").status)
    assert.equal("it answers in plain HTTP", reason_of(lb))
  end)

  it("that fails leaves the request to the next one", function()
    local good = tls.backend({ both = authority.make { by = ca, names = { "IP:127.0.0.1" } }.both }, hello)
    local bad = tls.backend({ both = authority.make { names = { "IP:127.0.0.1" } }.both }, hello)
    local lb = play.balancer { settings = ([[health = function() return true end,
      backends = { { address = %q, tls = { ca = %q } },
      { address = %q, tls = { ca = %q } } },
      choose = function(ctx, backends) return backends[1] end,
      on_failure = function(ctx, _, err) ctx:explain("kind", err.kind .. " " .. err.phase) return "next" end]]):format(
      "https://" .. bad.address, ca.cert, "https://" .. good.address, ca.cert) }
    local body = ("x"):rep(1000)
    local response = lb:fetch("/", { method = "POST", body = body })
    assert.same({ 200, "hello" }, { response.status, response.body })
    local exchange = lb:exchange { status = 200 }
    assert.equal("tls ok", outcomes(exchange))
    assert.equal("tls connect", exchange.explain.kind)
  end)

  it("that cuts an answer which ends with the connection is no whole answer", function()
    local backend = tls.backend({ both = authority.make { by = ca, names = { "IP:127.0.0.1" } }.both },
      function(conn)
        conn:request()
        conn:send "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf"
        conn:drained()
        tls.raw(conn):shutdown()
        conn.stays_open = true
      end)
    local lb = start(backend, trusting(ca.cert))
    local client = lb:connect()
    client:send "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    client:response_head()
    client:rest()
    assert.matches("close_notify", lb:exchange({ path = "/" }).note)
  end)

  it("may end an answer with a close_notify", function()
    local backend = tls.backend({ both = authority.make { by = ca, names = { "IP:127.0.0.1" } }.both },
      function(conn)
        conn:request()
        conn:send "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nwhole"
      end)
    assert.equal("whole", start(backend, trusting(ca.cert)):fetch("/").body)
  end)
end)
