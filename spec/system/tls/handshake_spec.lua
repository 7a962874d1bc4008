-- A listener with tls = true: who completes a handshake, and what the others are sent.
local certificates = require "spec.support.certificates"
local hello = require "spec.support.hello"
local play = require "spec.support.play"
local tls = require "spec.support.tls"

local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
local LISTEN = "listen = { { '127.0.0.1:0', tls = true } }, "
local HELLO = "choose = function(ctx) return ctx:respond { body = ctx.scheme } end,"

describe("a listener with tls = true", function()
  after_each(function()
    tls.clear()
    play.curtain()
  end)

  local function start(more, settings, options)
    options = options or {}
    local pair = certificates.new { names = { "a.test", "*.b.test" } }
    options.script = "return { " .. LISTEN .. certificates.settings({ pair }, more) .. (settings or HELLO) .. " }"
    options.listen = false
    return play.balancer(options), pair
  end

  local function asks(lb, options)
    local client = tls.client(lb, options)
    client:send(GET)
    return client:response().body, client
  end

  for _, version in ipairs { "1.2", "1.3" } do
    it("speaks TLS " .. version, function()
      local lb = start()
      local body, client = asks(lb, { version = version, name = "a.test" })
      assert.equal("https", body)
      assert.equal("TLSv" .. version, tls.said(client).version)
      assert.equal("/CN=a.test", tls.said(client).certificate)
    end)

    it("takes a hello of TLS " .. version .. " byte by byte", function()
      assert.equal("https", (asks(start(), { version = version, name = "a.test", drip = true })))
    end)

    it("serves curl over TLS " .. version, function()
      local lb, pair = start()
      local result = play.run { "curl", "-sS", "--tlsv" .. version, "--tls-max", version, "--cacert", pair.cert,
        "--resolve", "a.test:" .. lb.port .. ":127.0.0.1", "https://a.test:" .. lb.port .. "/" }
      assert.equal("https", result.out, result.err)
      assert.equal(0, result.code)
    end)
  end

  it("speaks no TLS 1.2 if min_version says so, and no TLS 1.1 in any case", function()
    local lb = start "min_version = '1.3'"
    local client, why = tls.client(lb, { version = "1.2", may_fail = true })
    assert.is_nil(client)
    assert.truthy(why:find "protocol version", why)
    assert.equal("https", (asks(lb)))
    assert.equal(1, lb:event "tls_refused".handshake)
  end)

  it("agrees to the first protocol of alpn that the client offers, too", function()
    local both = { "http/1.1", "h2" }
    assert.equal("h2", tls.said(tls.client(start(), { alpn = both })).alpn)
    assert.equal("http/1.1", tls.said(tls.client(start 'alpn = { "http/1.1", "h2" }', { alpn = both })).alpn)
    assert.equal("h2", tls.said(tls.client(start 'alpn = { "http/1.1", "h2" }', { alpn = { "h2" } })).alpn)
  end)

  it("agrees to http/1.1 by ALPN, to nothing without it, and refuses a client that speaks others only", function()
    local lb = start 'alpn = { "http/1.1" }'
    local _, client = asks(lb, { alpn = { "h2", "http/1.1" } })
    assert.equal("http/1.1", tls.said(client).alpn)
    _, client = asks(lb)
    assert.is_nil(tls.said(client).alpn)
    for _, others in ipairs { { "h2" }, { "spdy/3", "http/0.9" } } do
      local none, why = tls.client(lb, { alpn = others, may_fail = true })
      assert.is_nil(none)
      assert.truthy(why:find "no application protocol", why)
    end
  end)

  it("agrees to http/1.0 if the client offers that and no http/1.1, as some curl --http1.0 do", function()
    local lb = start(nil, "choose = function(ctx) return ctx:respond { body = ctx.tls.alpn } end,")
    local body, client = asks(lb, { alpn = { "spdy/3", "http/1.0" } })
    assert.same({ "http/1.0", "http/1.0" }, { body, tls.said(client).alpn })
    body, client = asks(lb, { alpn = { "http/1.0", "http/1.1" } })
    assert.same({ "http/1.1", "http/1.1" }, { body, tls.said(client).alpn })
    local curl = play.run { "curl", "-sSk", "--http1.0", "https://" .. lb.address .. "/" }
    -- curl from 8.5 on offers http/1.1 here, too
    assert.truthy(curl.out:find "^http/1%.[01]$", curl.err)
  end)

  for _, version in ipairs { "1.2", "1.3" } do
    it("says what kind of program the client is, with TLS " .. version, function()
      local lb = start(nil, [[choose = function(ctx)
        local first = ctx.tls
        return ctx:respond { body = first.fingerprint .. " " .. ctx.tls.fingerprint } end,]])
      local options = { version = version, name = "a.test", alpn = { "http/1.1" } }
      assert.equal("ready", (hello.read(tls.hello(options))))
      local fingerprint = hello.fingerprint()
      assert.matches("^t" .. version:gsub("%.", "") .. "d%d%d%d%dh1_%x+_%x+$", fingerprint)
      local _, client = asks(lb, options)
      client:send(GET)
      assert.equal(fingerprint .. " " .. fingerprint, client:response().body)
      options.session = tls.session(client)
      assert.matches("^t", (asks(lb, options)))
    end)
  end

  it("does not say it of a ctx.tls from another call", function()
    local lb = start(nil, [[choose = function(ctx)
      if kept then return ctx:respond { body = tostring(select(2, pcall(function() return kept.fingerprint end))) } end
      kept = ctx.tls
      return ctx:respond { body = kept.version } end,]])
    asks(lb)
    assert.matches("this ctx.tls was kept from another call", (asks(lb)), 1, true)
  end)

  -- Of a hundred sites none is tried when the script is read, so only a client finds out.
  it("says what the library has against a certificate, which is not that memory is full", function()
    local first = certificates.new { names = { "a.test" } }
    local small = certificates.new { names = { "small.test" }, kind = "rsa" }
    local many = {}
    local command = [[for i in $(seq 100); do openssl req -x509 -key %s -days 30 -subj /CN=$i \
      -addext subjectAltName=DNS:s$i.test -out %s$i.crt || exit 1; done]]
    local base = first.key:gsub("[^/]*$", "many")
    local made = play.run { "sh", "-c", command:format(first.key, base) }
    assert.equal(0, made.code, made.err)
    for i = 1, 100 do many[i] = { cert = base .. i .. ".crt", key = first.key } end
    many[101] = small
    local lb = play.balancer { listen = false, script = "return { " .. LISTEN ..
      certificates.settings(many, "ciphers = 'ECDHE+AESGCM:@SECLEVEL=3'") .. HELLO .. " }" }
    assert.is_nil((tls.client(lb, { name = "small.test", may_fail = true })))
    local event = lb:event "tls_refused"
    assert.same({ 1, 0, "ee key too small" }, { event.handshake, event.memory, event.why })
    assert.equal("small.test", event.asked)
    assert.matches(": no TLS with 127.0.0.1 for small.test: ee key too small", event.message, 1, true)
  end)

  it("shows an RSA or an ECDSA certificate of the same name, as the client can", function()
    local rsa = certificates.new { names = { "a.test" }, kind = "rsa" }
    local ecdsa = certificates.new { names = { "a.test" } }
    local lb = play.balancer { listen = false, script = "return { " .. LISTEN ..
      certificates.settings { rsa, ecdsa } .. HELLO .. " }" }
    -- OpenSSL 3.0 says RSA-PSS or ECDSA, 3.5 rsa_pss_rsae_sha256 or ecdsa_secp256r1_sha256.
    for algorithms, shown in pairs { ["RSA-PSS+SHA256"] = "rsa[-_]pss", ["ECDSA+SHA256"] = "ecdsa" } do
      local result = play.run { "sh", "-c", ("openssl s_client -connect %s -servername a.test -sigalgs %s </dev/null")
        :format(lb.address, algorithms) }
      assert.truthy(result.out:lower():find("peer signature type: " .. shown), result.out)
    end
  end)

  it("chooses the cipher: AES-128, or ChaCha20 for a client that prefers that", function()
    local lb = start()
    local function chosen(suites)
      return play.run { "sh", "-c", ("openssl s_client -connect %s -servername a.test -ciphersuites %s </dev/null")
        :format(lb.address, suites) }.out:match "New, TLSv1.3, Cipher is (%S+)"
    end
    assert.equal("TLS_AES_128_GCM_SHA256", chosen("TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:" ..
      "TLS_AES_128_GCM_SHA256"))
    assert.equal("TLS_CHACHA20_POLY1305_SHA256", chosen "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256")
  end)

  it("tells a client of plain HTTP what is wrong", function()
    local lb = start()
    local client = play.client(lb)
    client:send(GET)
    local response = client:response()
    assert.equal(400, response.status)
    assert.truthy(response.body:find "https://")
    assert.equal("end", client:ended_by_peer())
    local event = lb:event "tls_refused"
    assert.equal(1, event.http)
    assert.same({ "127.0.0.1", "" }, { event.client, event.asked })
  end)

  it("answers what is no hello with an alert, and reports how many", function()
    local lb = start()
    for _, bytes in ipairs { "\22\3\1\0\4\1\0\0\0", "\22\3\1\255\255" .. ("x"):rep(1000),
      "\128\46\1\3\1" .. ("x"):rep(50), "\21\3\1\0\2\1\0", -- an alert
      ("\0"):rep(40), "\22\3\1\64\0\1\0\255\255" .. ("x"):rep(40000) } do
      local client = play.client(lb)
      client:send(bytes)
      local answer = client:rest()
      assert.equal("end", client.ended)
      assert.equal("\21\3", answer:sub(1, 2))
    end
    assert.equal("https", (asks(lb)))
  end)

  it("closes a client that does not finish its handshake within timeouts.tls_handshake", function()
    local lb = start(nil, "timeouts = { tls_handshake = 0.3 }, " .. HELLO)
    local silent, half = play.client(lb), play.client(lb)
    half:send "\22\3\1\1\0\1\0\0\252\3\3"
    assert.equal("end", silent:ended_by_peer())
    assert.equal("end", half:ended_by_peer())
    assert.equal("https", (asks(lb)))
    assert.truthy(lb:event "tls_refused".why:find "tls_handshake")
  end)

  it("has the time of a first request begin with the end of the handshake", function()
    local lb = start(nil, "timeouts = { request_head = 0.3 }, " .. HELLO)
    local client = tls.client(lb)
    client:ended_by_peer()
    assert.is_true(tls.was_told(client))
  end)

  it("refuses a name that no certificate has, if strict says so", function()
    local lb = start "strict = true"
    local client, why = tls.client(lb, { name = "c.test", may_fail = true })
    assert.is_nil(client)
    assert.truthy(why:find "unrecognized name", why)
    assert.equal("https", (asks(lb, { name = "x.b.test" })))
    local event = lb:event "tls_refused"
    assert.same({ 1, "no site has the name that it asked for" }, { event.name, event.why })
    lb = start "strict = true"
    assert.is_nil((tls.client(lb, { may_fail = true })))
    event = lb:event "tls_refused"
    assert.same({ 1, "it asked for no name" }, { event.name, event.why })
  end)

  it("takes the first certificate for a name that none has, if strict does not", function()
    local _, client = asks(start(), { name = "c.test" })
    assert.equal("/CN=a.test", tls.said(client).certificate)
  end)

  it("does not renegotiate", function()
    local lb = start()
    local result = play.run { "sh", "-c",
      ("(sleep 0.2; echo R; sleep 0.5) | openssl s_client -tls1_2 -connect %s 2>&1"):format(lb.address) }
    assert.truthy(result.out:find "no renegotiation" or result.out:find "RENEGOTIATING")
    assert.equal("https", (asks(lb)))
  end)

  it("follows a KeyUpdate in both directions", function()
    local lb = start()
    local _, client = asks(lb, { version = "1.3" })
    for _ = 1, 5 do
      tls.update(client)
      client:send(GET)
      assert.equal("https", client:response().body)
    end
  end)

  it("stands next to one without", function()
    local pair = certificates.new { names = { "a.test" } }
    local lb = play.balancer { listen = false, script = "return { listen = { '127.0.0.1:0', " ..
      "{ '127.0.0.1:0', tls = true } }, " .. certificates.settings { pair } .. HELLO .. " }" }
    lb:event("listening", nil, 2)
    assert.equal("http", play.fetch(lb:events "listening"[1].address).body)
    assert.equal("https", (asks(lb:events "listening"[2].address)))
  end)

  it("reads a PROXY header before the hello, in one piece with it or not", function()
    local pair = certificates.new { names = { "a.test" } }
    local lb = play.balancer { listen = false, script = "return { " ..
      "listen = { { '127.0.0.1:0', tls = true, proxy = true } }, trusted_proxies = '127.0.0.1', " ..
      certificates.settings { pair } .. "choose = function(ctx) return ctx:respond { body = ctx.client_ip } end }" }
    local body = asks(lb, { before = "PROXY TCP4 203.0.113.9 198.51.100.1 56324 443\r\n" })
    assert.equal("203.0.113.9", body)
    body = asks(lb, { before = "PROXY TCP4 203.0.113.9 198.51.100.1 56324 443\r\n", drip = true })
    assert.equal("203.0.113.9", body)
  end)

  it("says https to backends", function()
    local backend = play.answering(function(request)
      return request:field "x-forwarded-proto" .. " " .. request:field "forwarded"
    end)
    local lb = start(nil, "forwarded = true", { backends = { backend } })
    assert.truthy(asks(lb):find "^https .*proto=https")
  end)
end)
