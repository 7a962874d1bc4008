-- h2_lb - lb between clients of HTTP/2 and backends, for specs.
--
--   h2_lb.start { tls = true, backends =, settings =, .. }   over TLS, or h2c; settings: more of
--                                        the script's table
--   h2_lb.client(lb, more)               spec.support.h2's, over TLS if lb is
--   h2_lb.clear()                        in after_each: all of it ends, whatever lb said is judged

local certificates = require "spec.support.certificates"
local h2 = require "spec.support.h2"
local play = require "spec.support.play"
local tls = require "spec.support.tls"

local h2_lb = {}

local clients = {}

function h2_lb.start(options)
  options = options or {}
  local given = {}
  for name, value in pairs(options) do given[name] = value end
  given.tls, given.settings, given.listen = nil, nil, false
  local settings = play.settled(options.settings, { health = "{ interval = 0.2, timeout = 5 }" })
  if options.tls then
    local pair = certificates.new { names = { "a.test" } }
    given.script = ("return { listen = { { '127.0.0.1:0', tls = true } }, %s %s }"):format(
      certificates.settings { pair }, settings)
  else
    given.script = ("return { listen = { { '127.0.0.1:0', h2c = true } }, %s }"):format(settings)
  end
  local lb = play.balancer(given)
  lb.speaks_tls = options.tls
  return lb
end

function h2_lb.client(lb, more)
  more = more or {}
  more.tls = lb.speaks_tls and { name = "a.test" } or nil
  local client = h2.client(lb, more)
  clients[#clients + 1] = client
  return client
end

function h2_lb.clear()
  local list = clients
  clients = {}
  local is_fine, why = pcall(function()
    for _, client in ipairs(list) do client:check() end
  end)
  tls.clear()
  play.curtain()
  if not is_fine then error(why, 0) end
end

return h2_lb
