-- tls_relay - lets a client without TLS talk to lb with TLS, so that cases of bytes can be played.
--
--   tls_relay.start(address, options)   its own address; options as of tls.client
--   tls_relay.balancer(settings, backend, version)   lb behind one: what conformance.play needs
--   tls_relay.sample(cases, each)       each so-and-so-many-th, but none that spells out what lb
--                                       adds without TLS
--
-- It listens on loopback. Each connection gets one to lb; bytes pass as they come. An end that lb
-- has announced (close_notify) is an end, one that it has not is a reset: so a cut shows. The
-- client's end is announced to lb.

local uv = require "luv"
local balancer = require "spec.support.balancer"
local certificates = require "spec.support.certificates"
local loop = require "spec.support.loop"
local tls = require "spec.support.tls"

local tls_relay = {}

local function join(client, conn)
  local secure = conn.handle
  local function close()
    for _, handle in ipairs { client, secure } do
      if not handle:is_closing() then handle:close() end
    end
  end
  secure:read_stop()
  secure:read_start(function(_, bytes)
    if client:is_closing() then return end
    if bytes then return client:write(bytes) end
    if secure.was_told then
      client:shutdown(close)
    else
      client:close_reset()
      close()
    end
  end)
  client:read_start(loop.callback(function(err, bytes)
    if secure:is_closing() then return end
    if bytes then
      secure:write(bytes, function() end)
    elseif err then
      secure:close_reset()
      close()
    else
      secure:shutdown(function() end)
    end
  end))
end

function tls_relay.start(address, options)
  local server = uv.new_tcp()
  assert(server:bind("127.0.0.1", 0))
  server:listen(128, loop.callback(function()
    local client = uv.new_tcp()
    server:accept(client)
    client:nodelay(true)
    loop.go(function() join(client, tls.client(address, options)) end)
  end))
  return "127.0.0.1:" .. server:getsockname().port
end

function tls_relay.balancer(settings, backend, version)
  local lb = balancer.start {
    listen = false, backends = { backend.address }, settings = ("%s %s %s"):format(
      "listen = { { '127.0.0.1:0', tls = true } },", settings or "",
      certificates.settings { certificates.new { names = { "x" } } }),
  }
  return { address = tls_relay.start(lb.address, { version = version, name = "x" }), scheme = "https" }
end

function tls_relay.sample(cases, each)
  local some = {}
  for i = 1, #cases, each do
    local wanted = cases[i].backend or ""
    wanted = type(wanted) == "table" and table.concat(wanted) or wanted
    if not wanted:find("Proto: http", 1, true) then some[#some + 1] = cases[i] end
  end
  return some
end

return tls_relay
