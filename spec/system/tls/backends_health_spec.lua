-- Checks of backends over TLS: the same handshake by the same rules as for requests.
local authority = require "spec.support.authority"
local play = require "spec.support.play"
local reloading = require "spec.support.reloading"
local tls = require "spec.support.tls"

local HELLO = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"

describe("checks of a backend over TLS", function()
  after_each(function()
    play.curtain()
    tls.clear()
  end)

  local ca

  before_each(function() ca = authority.make { ca = true, common_name = "spec ca" } end)

  local function made(more)
    local options = { by = ca, names = { "IP:127.0.0.1" } }
    for name, value in pairs(more or {}) do options[name] = value end
    return authority.make(options)
  end

  local function settings(backend, health, file)
    return ([[health = { interval = 0.1, fall = 1, rise = 1, %s },
      backends = { { address = %q, tls = { ca = %q } } },]]):format(
      health, "https://" .. backend.address, file or ca.cert)
  end

  for _, health in ipairs { "type = 'tcp'", "type = 'http', path = '/healthz'" } do
    it("shake hands, with " .. health, function()
      local asked = {}
      local backend = tls.backend({ both = made().both }, function(conn)
        asked[#asked + 1] = conn:request().target
        conn:send(HELLO)
      end)
      local lb = play.balancer { settings = settings(backend, health) }
      lb:up(backend)
      assert.truthy(backend.opened > 0)
      assert.equal(health:find "http" and "/healthz" or nil, asked[1])
      assert.equal("hello", lb:fetch("/").body)
    end)

    it("find what is wrong with its certificate, with " .. health, function()
      local backend = tls.backend({ both = made({ days = 0 }).both }, function(conn)
        conn:request()
        conn:send(HELLO)
      end)
      local lb = play.balancer { settings = settings(backend, health) }
      assert.equal("TLS: certificate has expired", lb:down(backend).reason)
      assert.equal(502, lb:fetch("/").status)
    end)
  end

  it("find out that nobody answers the hello", function()
    local backend = play.blocked()
    local lb = play.balancer { settings = settings(backend, "timeout = 0.3") }
    assert.equal("no answer within 0.3 s", lb:down(backend).reason)
  end)

  it("take its new certificate, and refuse its old one after a reload with another ca", function()
    local pair = made()
    local backend = tls.backend({ both = pair.both }, function(conn)
      while conn:request() do conn:send "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" end
    end)
    local other = authority.make { ca = true, common_name = "other ca" }
    local file = play.file("trusted.pem", assert(io.open(ca.cert)):read "*a")
    local text = "return { " .. settings(backend, "type = 'tcp'", file) .. " }"
    local lb, say = reloading.start(text)
    lb:up(backend)
    assert.equal("hello", lb:fetch("/").body)
    play.file("trusted.pem", assert(io.open(other.cert)):read "*a")
    assert.equal("tls", say(text).changed)
    assert.matches("^TLS: ", lb:down(backend).reason)
    assert.equal(502, lb:fetch("/").status)
    play.file("trusted.pem", assert(io.open(ca.cert)):read "*a")
    say(text)
    lb:up(backend)
    assert.equal("hello", lb:fetch("/").body)
  end)
end)
