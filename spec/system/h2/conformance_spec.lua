-- HTTP/2, byte for byte, on both sides: spec/cases/h2_*.lua, played by a raw client in front of lb
-- and a raw HTTP/1.1 backend behind it (spec/support/h2_conformance.lua), in one piece and byte by
-- byte; and a part of them over TLS.
local certificates = require "spec.support.certificates"
local h2_conformance = require "spec.support.h2_conformance"
local play = require "spec.support.play"
local tls = require "spec.support.tls"

h2_conformance.specs("over HTTP/2", {
  start = function(limits, backends)
    local settings = 'listen = { { "127.0.0.1:0", h2c = true } }, ' .. (limits or "")
    return { address = play.balancer({ settings = settings, listen = false, backends = backends }).address }
  end,
})

local function over_tls(alpn)
  return function(address) return tls.client(address, { name = "a.test", alpn = alpn }) end
end

h2_conformance.specs("over HTTP/2 and TLS", {
  every = 7, is_tls = true,
  start = function(limits, backends)
    local pair = certificates.new { names = { "a.test" } }
    local settings = "listen = { { '127.0.0.1:0', tls = true } }, " .. certificates.settings { pair } .. (limits or "")
    return {
      address = play.balancer({ settings = settings, listen = false, backends = backends }).address, proto = "https",
      connect = over_tls { "h2" }, connect_h1 = over_tls { "http/1.1" },
    }
  end,
})
