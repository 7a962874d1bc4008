-- What a request that is forwarded says of its client: X-Forwarded-* and Forwarded.
local forwarded = require "spec.support.forwarded_heads"

local request, requests, get, with = forwarded.request, forwarded.requests, forwarded.get, forwarded.with
local FOR, PROTO, HOST, PORT = forwarded.FOR, forwarded.PROTO, forwarded.HOST, forwarded.PORT
local VIA = forwarded.VIA

describe("the head of a request that is forwarded", function()
  describe("from a peer that is not trusted", function()
    local LINES = { "GET / HTTP/1.1", "Host: x" }
    requests {
      { "has that peer alone as its client", get("Host: x", "X-Forwarded-For: 1.1.1.1"), LINES },
      { "whatever came",
        get("x-forwarded-for: 1.1.1.1, 2.2.2.2", "Host: x", "X-FORWARDED-FOR:", "X-Forwarded-For: 3"), LINES },
      { "has no other proto, host and port of its making",
        get("X-Forwarded-Proto: https", "Host: x", "x-forwarded-host: evil", "X-FORWARDED-PORT: 1"), LINES },
      { "has no Forwarded of its making",
        get("Host: x", "Forwarded: for=1.1.1.1;proto=https", "forwarded: for=_a"), LINES },
      { "has nothing else of that kind", get("Host: x", "X-Forwarded-Prefix: /a", "x-forwarded-ssl: on",
        "X-Forwarded-Server: a", "X-Forwarded-Scheme: https", "X-Forwarded-: b"), LINES },
      { "has nothing that a backend behind CGI takes for it",
        get("Host: x", "X_Forwarded_For: 1.1.1.1", "X-Forwarded_For: 1", "x_forwarded-proto: https",
          "X.Forwarded.Host: a", "X_FORWARDED_PORT: 1", "X_Forwarded_Prefix: a"), LINES },
      { "has no certificate of a client", get("Host: x", "Client-Cert: :a:", "client-cert-chain: :b:",
        "Client_Cert: :c:", "CLIENT.CERT_CHAIN: :d:", "X-Forwarded-Client-Cert: e"), LINES },
      { "has what only looks like it to us",
        get("Host: x", "X-Forwarded: a", "XForwarded-For: b", "X-Forward-For: c", "Forwarded-For: d", "X-Real-IP: e",
          "Forwarde: f"),
        { "GET / HTTP/1.1", "Host: x", "X-Forwarded: a", "XForwarded-For: b", "X-Forward-For: c", "Forwarded-For: d",
          "X-Real-IP: e", "Forwarde: f" } },
      { "has an address of IPv6 without brackets", with(get "Host: x", { peer_ip = "2001:db8::1" }), LINES,
        { "X-Forwarded-For: 2001:db8::1", PROTO, HOST, PORT, VIA } },
      { "has the protocol and the host of the request", with(get "Host: y", { proto = "https", host = "h:8080" }),
        { "GET / HTTP/1.1", "Host: h:8080" },
        { FOR, "X-Forwarded-Proto: https", "X-Forwarded-Host: h:8080", "X-Forwarded-Port: 8080", VIA } },
    }
  end)

  describe("from a trusted peer", function()
    local function trusted(...) return with(get(...), { trusted = true }) end
    local LINES = { "GET / HTTP/1.1", "Host: x" }
    requests {
      { "has its clients, then itself", trusted("Host: x", "X-Forwarded-For: 1.1.1.1"), LINES,
        { "X-Forwarded-For: 1.1.1.1, 10.0.0.9", PROTO, HOST, PORT, VIA } },
      { "has them in order, in one field",
        with(trusted("X-Forwarded-For: 1.1.1.1", "Host: x", "x-forwarded-for:", "X-FORWARDED-FOR: 2.2.2.2,3.3.3.3"),
          { peer_ip = "2001:db8::1" }), LINES,
        { "X-Forwarded-For: 1.1.1.1, 2.2.2.2,3.3.3.3, 2001:db8::1", PROTO, HOST, PORT, VIA } },
      { "has itself alone if it says nothing", trusted "Host: x", LINES },
      { "has its proto, where it stands", trusted("x-forwarded-PROTO: https", "Host: x"),
        { "GET / HTTP/1.1", "x-forwarded-PROTO: https", "Host: x" }, { FOR, HOST, "X-Forwarded-Port: 443", VIA } },
      { "has its host", trusted("Host: x", "X-Forwarded-Host: a, b"),
        { "GET / HTTP/1.1", "Host: x", "X-Forwarded-Host: a, b" }, { FOR, PROTO, PORT, VIA } },
      { "has its port", trusted("Host: x", "X-Forwarded-Port: 443"),
        { "GET / HTTP/1.1", "Host: x", "X-Forwarded-Port: 443" }, { FOR, PROTO, HOST, VIA } },
      { "has all of them, several times",
        trusted("X-Forwarded-Proto: https", "X-Forwarded-Proto: http", "Host: x", "X-Forwarded-Host: a", "A: b",
          "X-Forwarded-Port: 1", "x-forwarded-host: c"),
        { "GET / HTTP/1.1", "X-Forwarded-Proto: https", "X-Forwarded-Proto: http", "Host: x", "X-Forwarded-Host: a",
          "A: b", "X-Forwarded-Port: 1", "x-forwarded-host: c" }, { FOR, VIA } },
      { "has its others of that kind", trusted("Host: x", "X-Forwarded-Prefix: /a"),
        { "GET / HTTP/1.1", "Host: x", "X-Forwarded-Prefix: /a" } },
      { "has its client's certificate, by no other name",
        trusted("Host: x", "Client-Cert: :a:", "Client-Cert-Chain: :b:", "Client_Cert: :c:"),
        { "GET / HTTP/1.1", "Host: x", "Client-Cert: :a:", "Client-Cert-Chain: :b:" } },
      { "has no look-alikes, which no honest proxy writes",
        trusted("Host: x", "X_Forwarded_Proto: https", "X!Forwarded!For: 1.1.1.1", "X_Forwarded_Prefix: /a"), LINES },
      { "has its Forwarded", trusted("Forwarded: for=1.1.1.1;by=_a", "Host: x", "forwarded: for=2"),
        { "GET / HTTP/1.1", "Forwarded: for=1.1.1.1;by=_a", "Host: x", "forwarded: for=2" } },
      { "has its Forwarded, and ours behind it",
        with(trusted("Forwarded: for=1.1.1.1", "Host: x"), { forwarded = true }),
        { "GET / HTTP/1.1", "Forwarded: for=1.1.1.1", "Host: x" },
        { FOR, PROTO, HOST, PORT, "Forwarded: for=10.0.0.9;host=x;proto=http", VIA } },
    }
  end)

  describe("has as X-Forwarded-Port, that is, where the client asked,", function()
    local function says(what, port, given)
      it(what, function()
        local found
        for _, line in ipairs(request(given)) do
          if line:find "^X%-Forwarded%-Port" then found = assert(not found and line:match "%d+$") end
        end
        assert.equal(port, found)
      end)
    end
    local function asked(host, ...) return with(get("Host: y", ...), { host = host }) end
    local function from_trusted(host, ...) return with(asked(host, ...), { trusted = true }) end

    says("the port of Host", "8080", asked "shop.example:8080")
    says("the port of a Host that is an address", "8080", asked "[2001:db8::1]:8080")
    says("the scheme's, if Host has none", "80", asked "shop.example")
    says("the scheme's, if Host ends with its colon", "80", asked "shop.example:")
    says("the scheme's, if Host is an address", "80", asked "[2001:db8::80]")
    says("the scheme's, if Host ends with digits", "80", asked "192.0.2.1")
    says("one without leading zeros", "81", asked "x:0081")
    says("none that there is not", "80", asked "x:0")
    says("the port of Host, whatever somebody says of the scheme", "8080",
      asked("x:8080", "X-Forwarded-Proto: https", "X-Forwarded-Host: y:81"))
    says("the scheme's, of a request without a Host", "80", with(asked "10.0.0.1:8000", { names_no_host = true }))
    says("what a trusted one says", "5", from_trusted("x:1", "X-Forwarded-Port: 5", "X-Forwarded-Host: h:6"))
    says("that of the scheme that a trusted one says", "443", from_trusted("x", "X-Forwarded-Proto: http, HTTPS"))
    says("that of the scheme that a trusted one says last", "80",
      from_trusted("x", "X-Forwarded-Proto: https", "X-Forwarded-Proto: http"))
    says("that of a WebSocket over TLS", "443", from_trusted("x", "X-Forwarded-Proto: wss"))
    says("none of a scheme that has none", nil, from_trusted("x", "X-Forwarded-Proto: gopher"))
    says("the port of Host, if a trusted one says only the scheme", "8443",
      from_trusted("x:8443", "X-Forwarded-Proto: https"))
    says("that of the host that a trusted one says", "8443",
      from_trusted("10.0.0.1:3030", "X-Forwarded-Proto: https", "X-Forwarded-Host: shop.example:8443"))
    says("that of the host that a trusted one says last", "82", from_trusted("x", "X-Forwarded-Host: a:81, b:82"))
    says("the scheme's, if the host that a trusted one says has none", "443",
      from_trusted("10.0.0.1:3030", "X-Forwarded-Proto: https", "X-Forwarded-Host: shop.example"))
    says("the scheme's, if what a trusted one says is no host", "80", from_trusted("x:1", "X-Forwarded-Host: ::5"))
    says("that of the host that the script says", "84",
      with(from_trusted("x:81", "X-Forwarded-Host: y:82"), { changes = { "X-Forwarded-Host", "z:84" } }))
    says("that of the scheme that the script says", "443",
      with(from_trusted("x", "X-Forwarded-Proto: http"), { changes = { "x-forwarded-proto", "https" } }))
    says("what the script says", "7", with(asked "x:81", { changes = { "X-Forwarded-Port", "7" } }))
    says("nothing, if the script says so", nil, with(asked "x:81", { changes = { "X-Forwarded-Port", false } }))
  end)

  describe("with Forwarded", function()
    local function says(given, element)
      return { element, with(given, { forwarded = true }), { "GET / HTTP/1.1", "Host: " .. (given.host or "x") },
        { "X-Forwarded-For: " .. (given.peer_ip or "10.0.0.9"), "X-Forwarded-Proto: " .. (given.proto or "http"),
          "X-Forwarded-Host: " .. (given.host or "x"), given.proto == "https" and "X-Forwarded-Port: 443" or PORT,
          "Forwarded: " .. element, VIA } }
    end
    requests {
      says(get "Host: x", "for=10.0.0.9;host=x;proto=http"),
      says(get("Host: x", "Forwarded: for=1.1.1.1"), "for=10.0.0.9;host=x;proto=http"),
      says(with(get "Host: x", { peer_ip = "2001:db8::1" }), "for=\"[2001:db8::1]\";host=x;proto=http"),
      says(with(get "Host: x", { peer_ip = "unknown" }), "for=unknown;host=x;proto=http"),
      says(with(get "Host: x", { peer_ip = "a b" }), "for=\"a b\";host=x;proto=http"),
      says(with(get "Host: x", { host = "a.b-c_d~" }), "for=10.0.0.9;host=a.b-c_d~;proto=http"),
      says(with(get "Host: x", { host = "a:80" }), "for=10.0.0.9;host=\"a:80\";proto=http"),
      says(with(get "Host: x", { host = "[::1]:80" }), "for=10.0.0.9;host=\"[::1]:80\";proto=http"),
      says(with(get "Host: x", { host = "a,b;c=(d)" }), "for=10.0.0.9;host=\"a,b;c=(d)\";proto=http"),
      says(with(get "Host: x", { host = "a\"b\\" }), "for=10.0.0.9;host=\"a\\\"b\\\\\";proto=http"),
      says(with(get "Host: x", { host = "" }), "for=10.0.0.9;host=\"\";proto=http"),
      says(with(get "Host: x", { proto = "https" }), "for=10.0.0.9;host=x;proto=https"),
    }
  end)
end)
