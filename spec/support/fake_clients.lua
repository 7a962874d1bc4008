-- fake_clients - lb.http, lb.tcp and lb.dns, answered by the spec.
--
--   world.http = function(request) return { status = 200, body = "ok" } end
--       the response; or nil, "what went wrong"
--   world.tcp  = function(address) return function(sent) return "+PONG\r\n" end end
--       what the peer answers to each send (nil: nothing); or no peer: nil, "what went wrong"
--   world.dns  = function(name, type) return { { address = "10.0.0.1", ttl = 5 } } end
--       the records; or nil, "what went wrong"
--   world.requests     what went out: { method, url, headers, body, timeout, .. } each
--
-- Without them nothing is there: nil, "refused" or "timeout".

local fake_headers = require "spec.support.fake_headers"

local fake_clients = {}

local REQUEST = { method = true, url = true, headers = true, body = true, timeout = true, max_body = true,
  tls = true, via = true }
local LINES = { headers = true, timeout = true, silence = true, max_line = true, tls = true, via = true }

-- The lines of an answer, or none and why.
local function lines_of(answer, why)
  local rest = answer and answer.body or ""
  local lines = { status = answer and answer.status, headers = answer and answer.headers, why = why }
  function lines.close() rest = "" end
  return setmetatable(lines, { __call = function()
    if rest == "" then return nil end
    local line, after = rest:match "^([^\n]*)\n?(.*)$"
    rest = after
    return (line:gsub("\r$", ""))
  end })
end

function fake_clients.http(world)
  local http = {}
  function http.request(given)
    for name in pairs(given) do
      assert(REQUEST[name], "lb.http.request has no option '" .. tostring(name) .. "'")
    end
    assert(type(given.url) == "string" and given.url:find "^https?://",
      "lb.http needs a URL that begins with http:// or https://")
    local request = { method = "GET" }
    for name, value in pairs(given) do request[name] = value end
    table.insert(world.requests, request)
    if not world.http then return nil, "connect: connection refused" end
    local answer, err = world.http(request)
    if not answer then return nil, err end
    return { status = answer.status or 200, headers = fake_headers(answer.headers), body = answer.body or "" }
  end
  local function with(method)
    return function(url, given)
      local request = { method = method, url = url }
      for name, value in pairs(given or {}) do request[name] = value end
      return http.request(request)
    end
  end
  http.get, http.post = with "GET", with "POST"
  function http.lines(url, given)
    for name in pairs(given or {}) do
      assert(LINES[name], "lb.http.lines has no option '" .. tostring(name) .. "'")
    end
    local request = { url = url }
    for name, value in pairs(given or {}) do
      if REQUEST[name] then request[name] = value end
    end
    return lines_of(http.request(request))
  end
  return http
end

local conn_methods = {}
local conn_meta = {
  __index = function(_, key)
    return conn_methods[key] or error("unknown field '" .. tostring(key) .. "' of a connection", 2)
  end,
  fields = conn_methods, -- for specs that list them
}
local inside = setmetatable({}, { __mode = "k" }) -- by connection: { peer, pending, is_closed }

function conn_methods.send(self, text)
  local conn = inside[self]
  if conn.is_closed then return nil, "closed" end
  conn.pending = conn.pending .. (conn.peer(text) or "")
  return true
end

function conn_methods.line(self, max)
  local conn = inside[self]
  local line, rest = conn.pending:match "^(.-)\r?\n(.*)$"
  if conn.is_closed or not line then return nil, "closed" end
  if max and #line > max then return nil, "line too long" end
  conn.pending = rest
  return line
end

function conn_methods.read(self, count)
  local conn = inside[self]
  if conn.is_closed or #conn.pending < count then return nil, "closed" end
  local bytes = conn.pending:sub(1, count)
  conn.pending = conn.pending:sub(count + 1)
  return bytes
end

function conn_methods.close(self) inside[self].is_closed = true end

function fake_clients.tcp(world)
  return {
    connect = function(address, given)
      for name in pairs(given or {}) do
        assert(name == "timeout" or name == "tls", "lb.tcp.connect has no option '" .. tostring(name) .. "'")
      end
      if not world.tcp then return nil, "connection refused" end
      local peer, err = world.tcp(address)
      if not peer then return nil, err end
      local conn = setmetatable({}, conn_meta)
      inside[conn] = { peer = peer, pending = "" }
      return conn
    end,
  }
end

local DNS_TYPES = { A = true, AAAA = true, SRV = true, TXT = true }

function fake_clients.dns(world)
  return {
    lookup = function(name, kind)
      assert(type(name) == "string" and DNS_TYPES[kind], "lb.dns.lookup needs a name and a type")
      if not world.dns then return nil, "timeout: " .. name end
      return world.dns(name, kind)
    end,
  }
end

return fake_clients
