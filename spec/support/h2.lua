-- h2 - clients and backends that speak HTTP/2, by scripts. Every frame that lb sends is judged
-- (spec.support.h2_peer): p:check() raises what was wrong; spec.support.h2_frames makes frames.
--
--   local p = h2.client(lb or address, options)
--     tls        options for tls.client: then over TLS, with ALPN h2
--     settings   a list of { name, value };  preface = false: nothing is sent at first
--     acks, credit   false: neither is given by itself
--     connect    options for wire.connect
--   p:send(bytes, ..)            as they are
--   p:get(path, more)            a request; its stream. more: method, host, scheme, fields (pairs
--                                behind the others), body (ends the request), open = true: it
--                                does not end, block = hpack.block's options
--   p:ask(fields, more)          the same with all fields given
--   p:write(stream, bytes, last) DATA in frames of 16 KiB at most, as the windows allow
--   p:head(stream)               waits for the final head;  p:response(stream): for the end, or the
--                                reset: the stream as spec.support.h2_peer has it, body as a text
--   p:fetch(path, more)          both
--   p:ping()                     waits for its answer: lb has read all that was sent before
--   p:settled()                  waits for lb's SETTINGS and its ACK of ours
--   p:goaway()                   waits for one, and gives the last one
--   p:ended_by_peer(seconds)     "end" or "reset"
--   p:check()                    p:close()  p:reset()  p:finish()
--   p.streams, p.goaways, p.settings, .. as in h2_peer; p.conn: the connection below
--
--   h2.backend(fn, options)      a backend for h2c (prior knowledge), as of origin.new: fn(s, p)
--                                plays each stream, beside the others, from its head on. options:
--                                settings, acks, credit; accept = fn(p): when its connection
--                                begins; on_frame = fn(frame, p)
--   s:whole()                    waits for the request's end or reset; s, body as a text
--   s.of                         the stream as spec.support.h2_peer has it; s has its members, too
--   s:answer(body, fields, trailers)   200 unless fields has a :status
--   s:say(fields, more)          HEADERS;  s:write(bytes, last)  s:abort(code)
--   h2.serve(conn, fn, options)  the same for one connection

local frames = require "spec.support.h2_frames"
local h2_peer = require "spec.support.h2_peer"
local hpack = require "spec.support.hpack"
local loop = require "spec.support.loop"
local origin = require "spec.support.origin"
local wire = require "spec.support.wire"

local h2 = { field = h2_peer.field }

local Peer = {}

-- What is not found here is the judge's.
local function index(self, key)
  if Peer[key] ~= nil then return Peer[key] end
  local value = self.peer[key]
  if type(value) ~= "function" then return value end
  return function(_, ...) return value(self.peer, ...) end
end

local Stream = {}
Stream.__index = function(self, key) return Stream[key] or self.of[key] end

local function new(conn, role, options)
  local self = setmetatable({ conn = conn }, { __index = index })
  self.peer = h2_peer.new {
    role = role, acks = options.acks, credit = options.credit, send = function(bytes) self:send(bytes) end,
  }
  self.next = 1
  local tcp = conn.handle.tcp or conn.handle
  if tcp.nodelay then tcp:nodelay(true) end
  self.early = conn:peek()
  if #self.early > 0 then conn:exactly(#self.early) end
  conn.on_bytes = function(bytes) self.peer:take(bytes) end
  if options.on_frame then self.peer.on_frame = function(frame) options.on_frame(frame, self) end end
  return self
end

local function begin(self, options)
  if options.preface ~= false then
    self:send((self.peer.role == "client" and frames.PREFACE or "") .. frames.settings(options.settings))
  end
  self.peer:take(self.early)
  self.early = nil
end

function Peer:send(...)
  local bytes = table.concat { ... }
  self.peer:said(bytes)
  return self.conn:send(bytes)
end

function Peer:wait(what, ready, seconds)
  return loop.wait(("%s on %s"):format(what, self.conn.who), function() return ready() or self.conn.ended end, seconds)
end

function Peer:ask(fields, more)
  more = more or {}
  local id = more.stream or self.next
  self.next = math.max(self.next, id + 2)
  local block = hpack.block(fields, more.block)
  self:send(frames.headers(id, block, { last = not more.body and not more.open }))
  if more.body then self:write(id, more.body, not more.open) end
  return id
end

function Peer:get(path, more)
  more = more or {}
  local fields = {
    { ":method", more.method or (more.body or more.open) and "POST" or "GET" }, { ":scheme", more.scheme or "http" },
    { ":authority", more.host or "example.test" }, { ":path", path or "/" },
  }
  for _, field in ipairs(more.fields or {}) do fields[#fields + 1] = field end
  return self:ask(fields, more)
end

function Peer:write(id, bytes, last)
  local at = 1
  repeat
    local stream = self.peer:stream(id)
    local room = #bytes < at and 1 or self:wait("a window", function()
      if stream.reset then return -1 end
      local window = self.peer:window(id)
      return window > 0 and window
    end)
    if type(room) ~= "number" or room < 0 then return false end
    local piece = bytes:sub(at, at + math.min(room, 16384) - 1)
    at = at + #piece
    self:send(frames.data(id, piece, { last = last and at > #bytes }))
  until at > #bytes
  return true
end

local function raise(self, what)
  error(("%s: %s; it was wrong in: %s\n%s"):format(self.conn.who, what, table.concat(self.peer.faults, ", "),
    loop.story()), 0)
end

function Peer:head(id)
  local stream = self.peer:stream(id)
  self:wait("a head of stream " .. id, function() return stream.fields or stream.reset end)
  if not stream.fields and not stream.reset then raise(self, "no head of stream " .. id) end
  return stream
end

function Peer:response(id, seconds)
  local stream = self.peer:stream(id)
  self:wait("the end of stream " .. id, function() return stream.ended or stream.reset end, seconds)
  if not stream.ended and not stream.reset then raise(self, "no end of stream " .. id) end
  h2_peer.body(stream)
  return stream
end

function Peer:fetch(path, more) return self:response(self:get(path, more)) end

function Peer:ping()
  self.pings = (self.pings or 0) + 1
  local payload = ("ping%04d"):format(self.pings % 10000)
  self:send(frames.ping(payload))
  self:wait("the answer to a PING", function()
    for _, pong in ipairs(self.peer.pongs) do
      if pong == payload then return true end
    end
  end)
end

function Peer:settled()
  self:wait("SETTINGS", function() return next(self.peer.settings) and self.peer.acks > 0 end)
end

function Peer:goaway()
  self:wait("GOAWAY", function() return #self.peer.goaways > 0 end)
  return self.peer.goaways[#self.peer.goaways]
end

function Peer:ended_by_peer(seconds) return self.conn:ended_by_peer(seconds) end
function Peer:close() self.conn:close() end
function Peer:reset() self.conn:reset() end
function Peer:finish() self.conn:finish() end

function Peer:check()
  if #self.peer.faults > 0 then raise(self, "frames that are wrong") end
end

function h2.client(target, options)
  options = options or {}
  local address = type(target) == "table" and target.address or target
  local conn, err
  if options.tls then
    local given = { alpn = { "h2" } }
    for name, value in pairs(options.tls) do given[name] = value end
    conn, err = require("spec.support.tls").client(address, given)
  else
    conn, err = wire.connect(address, options.connect)
  end
  if not conn then error(("no connection to %s: %s\n%s"):format(address, err, loop.story()), 2) end
  local self = new(conn, "client", options)
  begin(self, options)
  return self
end

-- --- backends ---

function Stream:say(fields, more) self.peer:send(frames.headers(self.id, fields, more)) end
function Stream:write(bytes, last) return self.peer:write(self.id, bytes, last) end
function Stream:abort(code) self.peer:send(frames.rst(self.id, code)) end

function Stream:whole()
  self.peer:wait("a whole request", function() return self.of.ended or self.of.reset end)
  h2_peer.body(self.of)
  return self
end

function Stream:answer(body, fields, trailers)
  local all = {}
  if not h2_peer.field(fields, ":status") then all[1] = { ":status", "200" } end
  for _, field in ipairs(fields or {}) do all[#all + 1] = field end
  local is_empty = body == nil or body == ""
  self:say(all, { last = is_empty and not trailers })
  if not is_empty then self:write(body, not trailers) end
  if trailers then self:say(trailers, { last = true }) end
end

function h2.serve(conn, fn, options)
  options = options or {}
  local self = new(conn, "server", options)
  local begun = 0
  begin(self, options)
  if options.accept then loop.go(options.accept, self) end
  while true do
    self:wait("a stream", function() return #self.peer.order > begun end)
    if #self.peer.order <= begun then break end
    begun = begun + 1
    local id = self.peer.order[begun]
    loop.go(fn, setmetatable({ id = id, of = self.peer:stream(id), peer = self }, Stream), self)
  end
  return self
end

function h2.backend(fn, options)
  options = options or {}
  local made = { host = options.host, name = options.name }
  made.serve = function(conn)
    local self = h2.serve(conn, fn, options)
    if #self.peer.faults > 0 then raise(self, "frames that are wrong") end
  end
  return origin.new(made)
end

return h2
