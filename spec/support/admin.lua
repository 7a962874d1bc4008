-- admin - the admin listener of a balancer, asked by a spec.
--
--   local lb = admin.balancer { settings =, backends = .. }   with admin = "unix:..", in lb.admin
--   admin.get(lb, "/state")          the status, the decoded body, the response
--   admin.told(lb, "/state")         only the status and the body
--   admin.ask(lb, method, target, body, options)   of any method; body: a table, or a text
--     options: over (an address; lb.admin), host ("localhost"), fields, type ("application/json")
--   admin.tcp(lb, n)                 the n-th address over TCP at which it listens
--   admin.ready(lb, options)         waits until /ready says so

local json = require "dkjson"
local play = require "spec.support.play"
local wire = require "spec.support.wire"

local admin = {}

-- start: play.balancer, or another function that starts one.
-- options as of play.balancer; admin: the setting as text, in which $SOCKET is the path.
function admin.balancer(options, start)
  local path = play.directory() .. "/admin.sock"
  local setting = (options.admin or '"unix:$SOCKET"'):gsub("%$SOCKET", path)
  options.settings = ("admin = %s, %s"):format(setting, options.settings or "")
  local lb, more = (start or play.balancer)(options)
  lb.admin, lb.admin_path = "unix:" .. path, path
  return lb, more
end

function admin.tcp(lb, n)
  local found = {}
  play.wait("the admin listener over TCP", function()
    found = {}
    for _, event in ipairs(lb:events "admin_listening") do
      if not event.address:find "^unix:" then found[#found + 1] = event.address end
    end
    return found[n or 1]
  end)
  return found[n or 1]
end

function admin.ask(lb, method, target, body, options)
  options = options or {}
  local fields = options.fields or ""
  if method ~= "GET" and options.type ~= false then
    fields = fields .. ("Content-Type: %s\r\n"):format(options.type or "application/json")
  end
  if type(body) == "table" then body = next(body) and json.encode(body) or "{}" end
  local response = wire.fetch(options.over or lb.admin, target,
    { method = method, body = body, fields = fields, host = options.host or "localhost" })
  return response.status, json.decode(response.body or ""), response
end

function admin.get(lb, target, options) return admin.ask(lb, "GET", target, nil, options) end

function admin.told(...)
  local status, body = admin.get(...)
  return status, body
end

-- It listens before the first round of checks is over.
function admin.ready(lb, options)
  play.wait("lb to be ready", function() return admin.get(lb, "/ready", options) == 200 end)
end

return admin
