-- Backends over TLS that others have written, and lb itself: openssl s_server, lb, asked by curl.
local authority = require "spec.support.authority"
local play = require "spec.support.play"

describe("a backend over TLS", function()
  after_each(play.curtain)

  local ca, pair

  before_each(function()
    ca = authority.make { ca = true, common_name = "spec ca" }
    pair = authority.make { by = ca, names = { "IP:127.0.0.1", "api.internal" } }
  end)

  local function s_server(...)
    local command = { "openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", pair.cert, "-key", pair.key, "-www",
      name = "s_server" }
    for _, word in ipairs { ... } do command[#command + 1] = word end
    local server = play.start(command)
    return play.wait("s_server to accept", function()
      for _, line in ipairs(server.out) do
        if line:find "^ACCEPT" then return line:match "127.0.0.1:%d+" end
      end
    end)
  end

  local function start(address, more)
    return play.balancer { settings = ([[health = { interval = 0.5 },
      backends = { { address = %q, tls = { ca = %q, %s } } },]]):format("https://" .. address, ca.cert, more or "") }
  end

  for _, version in ipairs { "1_2", "1_3" } do
    it("by OpenSSL's s_server is asked with TLS " .. version .. ", and resumed", function()
      local address = s_server("-tls" .. version, "-alpn", "http/1.1")
      local lb = start(address)
      local body
      play.wait("a session to be resumed", function()
        body = lb:fetch("/").body
        return body:find "Reused, "
      end)
      assert.matches("Reused, TLSv" .. version:gsub("_", "%%."), body)
    end)
  end

  it("by OpenSSL's s_server is told the name, and shown the certificate of lb", function()
    local own = authority.make { by = ca, common_name = "lb" }
    -- for clients that ask for no name
    local other = authority.make { by = ca, names = { "other.internal" } }
    local address = s_server("-cert", other.cert, "-key", other.key, "-alpn", "http/1.1", "-Verify", "2",
      "-CAfile", ca.cert, "-servername", "api.internal", "-cert2", pair.cert, "-key2", pair.key, "-verify_return_error")
    local lb = start(address, ("name = 'api.internal', cert = %q"):format(own.both))
    assert.matches("CN ?= ?lb", lb:fetch("/").body)
  end)

  it("by OpenSSL's s_server without a common protocol is refused", function()
    local address = s_server("-alpn", "h3")
    local lb = start(address)
    assert.equal(502, lb:fetch("/").status)
    assert.matches("no application protocol", lb:exchange({ status = 502 }).note)
  end)

  it("may be lb, and curl gets all bytes both ways", function()
    local origin = play.answering(function(request) return request.body or "" end)
    local behind = play.balancer { name = "behind", listen = false, settings = ([[
      listen = { "127.0.0.1:0", { "127.0.0.1:0", tls = true } }, limits = { body = 0 },
      tls = { certificates = %q }, backends = %q,]]):format(pair.both, origin.address) }
    local lb = play.balancer { settings = ([[limits = { body = 0 },
      backends = { { address = %q, tls = { ca = %q } } },]]):format(
      "https://" .. behind:event("listening", { tls = true }).address, ca.cert) }
    local body = ("0123456789abcdef"):rep(3 * 65536)
    local path = play.file("body", body)
    local said = play.run { "curl", "-s", "-H", "Expect:", "--data-binary", "@" .. path,
      "http://" .. lb.address .. "/" }
    assert.equal(0, said.code)
    assert.truthy(said.out == body)
  end)
end)
