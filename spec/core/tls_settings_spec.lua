-- The settings of TLS: what a script says, and what is wrong with it.
local settings = require "spec.support.settings"

local LISTEN = "listen = { ':80', { ':443', tls = true } }, "

local function script(tls, listen)
  return ("return { %s\n tls = { certificates = 'a.pem',\n %s },\n backends = 'a:1' }"):format(listen or LISTEN, tls)
end

local function refused(source)
  local printed, why = settings.printed(source)
  assert.is_nil(printed)
  return (why:gsub("^balancer%.lua:", ":"))
end

describe("the setting tls", function()
  it("has its defaults, and is printed as it was given", function()
    local seen = settings.of(script "")
    assert.same({ ":80", { ":443", tls = true } }, seen.listen)
    assert.same({
      certificates = { "a.pem" }, min_version = "1.2", alpn = { "h2", "http/1.1" }, strict = false, tickets = 1,
      records = "own",
    }, seen.tls)
    assert.equal(10, seen.timeouts.tls_handshake)
  end)

  it("is in effect", function()
    local seen = settings.of [[return { listen = { { ":443", tls = true, proxy = true } }, trusted_proxies = "::1",
      tls = { certificates = { "*.pem", { cert = "b.crt", key = "b.key" } }, min_version = "1.3", ciphers = "A:B",
              groups = "X25519", alpn = { "http/1.1" }, strict = true, tickets = 0, records = "openssl" },
      timeouts = { tls_handshake = 2 }, backends = "a:1" }]]
    assert.same({ { ":443", tls = true, proxy = true } }, seen.listen)
    assert.same({
      certificates = { "*.pem", { cert = "b.crt", key = "b.key" } }, min_version = "1.3", ciphers = "A:B",
      groups = "X25519", alpn = { "http/1.1" }, strict = true, tickets = 0, records = "openssl",
    }, seen.tls)
    assert.equal(2, seen.timeouts.tls_handshake)
  end)

  it("offers protocols in the order of its list", function()
    for _, list in ipairs { { "h2" }, { "http/1.1", "h2" }, { "h2", "http/1.1" } } do
      assert.same(list, settings.of(script(('alpn = { "%s" }'):format(table.concat(list, '", "')))).tls.alpn)
    end
  end)

  it("says whose certificates clients have to show, for all names and for some", function()
    local seen = settings.of(script [[client = { ca = "a.pem", depth = 2 }, sites = {
      ["b.example"] = { client = { verify = "none" } },
      ["*.a.example"] = { client = { ca = "b.pem", crl = "b.crl", verify = "require" } } }]])
    assert.same({ verify = "request", ca = "a.pem", depth = 2 }, seen.tls.client)
    assert.same({
      ["*.a.example"] = { client = { verify = "require", ca = "b.pem", crl = "b.crl" } },
      ["b.example"] = { client = { verify = "none" } },
    }, seen.tls.sites)
    assert.is_nil(settings.of(script "client = {}, sites = {}").tls.sites)
  end)

  it("is not printed where no listener has TLS, by an option", function()
    local seen = settings.of(script "", settings.overridden { listen = { ":81" }, listen_source = "--listen" })
    assert.is_nil(seen.tls)
  end)

  it("is refused with its place and the way out", function()
    local cases = {
      { script("", "listen = ':80',"), ":2: tls: no listener has TLS: write listen = " ..
        '{ ":80", { ":443", tls = true } }' },
      { "return {\n listen = { { ':443', tls = true } }, backends = 'a:1' }", ":2: listen: tls = true needs " ..
        'certificates: tls = { certificates = { "/etc/lb/*.pem" } }' },
      { "return {\n listen = { ':443', tls = true }, backends = 'a:1' }", ":2: listen: an address with options is " ..
        'a table in the list: { { ":443", tls = true } }' },
      { "return { listen = {\n { ':443', tls = {} } }, backends = 'a:1' }",
        ":2: listen[1].tls: expected true or false, got a table" },
      { "return { " .. LISTEN .. "\n tls = {}, backends = 'a:1' }", ":2: tls: no certificates: write " ..
        'certificates = { "/etc/lb/certs/*.pem" }, or { { cert = "shop.crt", key = "shop.key" } }' },
      { script("", "listen = 'https://:443',"), ":1: listen: 'https://:443': an address with TLS is a table in " ..
        'the list: { { ":443", tls = true } }' },
      { script "alpn = { 'spdy/3' }", ":3: tls.alpn[1]: lb speaks \"h2\" and \"http/1.1\", got 'spdy/3'" },
      { script "alpn = {}", ':3: tls.alpn: expected { "h2", "http/1.1" }' },
      { "return {\n listen = { { ':443', tls = true, h2c = true } }, backends = 'a:1' }",
        ":2: listen[1].h2c: HTTP/2 over TLS needs no h2c: leave it out" },
      { script "min_version = '1.1'", ":3: tls.min_version: expected '1.2' or '1.3', got '1.1'" },
      { script "records = 'mine'", ":3: tls.records: expected 'own' or 'openssl', got 'mine'" },
      { script "tickets = 5", ":3: tls.tickets: expected a whole number from 0 to 4, got 5" },
      { script "ticket_keys = 7", ":3: tls.ticket_keys: expected a string, got a number" },
      { script "client = { verify = 'require' }", ":3: tls.client: ca is missing, the file of those who sign " ..
        'certificates of clients: ca = "clients.pem"' },
      { script "client = { verify = 'none', ca = 'a' }", ":3: tls.client: nothing is asked of clients: write " ..
        'verify = "request" or "require"' },
      { script "client = { ca = 'a', verify = 'must' }",
        ":3: tls.client.verify: expected 'none', 'request' or 'require', got 'must'" },
      { script "client = { ca = 'a', depth = 0 }",
        ":3: tls.client.depth: expected a whole number from 1 to 20, got 0" },
      { script "client = { forward = true }", ":3: tls.client: nothing is asked of clients: write " ..
        'verify = "request" or "require"' },
      { script "client = { ca = 'a', forward = 1 }", ":3: tls.client.forward: expected true or false, got a number" },
      { script "sites = { ['a b'] = {} }", ":3: tls.sites.a b: expected a host name, or \"*.\" and a host name" },
      { script "sites = { ['a.b'] = { min_version = '1.3' } }",
        ":3: tls.sites.a.b: unknown field 'min_version': there is client" },
      { script "sites = { { client = {} } }",
        ':3: tls.sites: expected names, as in { ["admin.example"] = { client = { .. } } }' },
      { script "sites = { ['a.b'] = { client = {} }, ['A.b.'] = { client = {} } }",
        ":3: tls.sites: 'A.b.' and 'a.b' are the same name" },
      { "return { " .. LISTEN .. "\n tls = { cert = 'a', key = 'b' }, backends = 'a:1' }", ":2: tls: cert and key " ..
        'are of a certificate: write certificates = { { cert = "shop.crt", key = "shop.key" } }' },
      { script "sni = 1", ":3: tls: unknown field 'sni'" },
      { script "ciphers = ''", ":3: tls.ciphers: expected a list as OpenSSL writes it: 'A:B:C'" },
      { "return { " .. LISTEN .. "tls = { certificates = {\n { cert = 'a' } } }, backends = 'a:1' }",
        ":2: tls.certificates[1]: expected { cert = \"shop.crt\", key = \"shop.key\" }; " ..
        "for one file with both write its path alone" },
      { "return { " .. LISTEN .. "tls = {\n certificates = { cert = 'a', key = 'b' } }, backends = 'a:1' }",
        ':2: tls.certificates: expected a list: { { cert = "shop.crt", key = "shop.key" } }' },
      { "return { " .. LISTEN .. "tls = {\n certificates = { 1 } }, backends = 'a:1' }",
        ":2: tls.certificates[1]: expected the path of a file, or { cert = .., key = .. }, got a number" },
      { "return { " .. LISTEN .. "tls = {\n certificates = '~/a.pem' }, backends = 'a:1' }",
        ":2: tls.certificates: only a shell knows what '~' is: write the whole path" },
      { "return { " .. LISTEN .. "tls = {\n certificates = '' }, backends = 'a:1' }",
        ":2: tls.certificates: expected the path of a file" },
    }
    for _, case in ipairs(cases) do assert.equal(case[2], refused(case[1])) end
  end)
end)
