-- origin - a backend as a script of raw bytes, and a backend that swallows connects.
--
--   origin.new(fn)            fn(conn, n) plays one connection; n counts those that carried a byte.
--                             When fn returns, the connection is closed.
--   origin.new { serve = fn, accept = fn, host = "::1", path = "/a/socket" }
--                             accept(conn) plays a connection from its first moment, before any
--                             byte (health checks too); serve from its first byte.
--   origin.answering(fn)      answers every request; fn(request, conn) gives body, status, fields
--   origin.hello(text)        answers every request with the text
--   origin.text(body, status, fields)   such an answer's bytes
--
--   o.address                 "127.0.0.1:4321"
--   o.requests                every request that was read, in order, each with .connection
--   o.served                  connections that carried a byte;  o.accepted: all of them
--   o:stop()                  stops listening and closes every connection: connects are refused
--   o:refuse()                stops listening, keeps the connections
--   o:start()                 listens again, on the same port
--   o:connections()           those that are open
--
--   origin.blackhole()        listens, but its queue holds few and nobody accepts: connects
--                             hang, as to a container that vanished
--   b:fill()                  fills the queue with b.own connections; from now on connects hang
--   b:hanging()               how many hang, besides b.own of b:fill()
--   b:drain(options)          accepts from now on; gives the backend, with options as of origin.new
--   origin.unused_port()      a port where nobody listens
--   origin.blocked()          accepts into the queue and never answers: passes every TCP check

local ffi = require "ffi"
local uv = require "luv"
local loop = require "spec.support.loop"
local wire = require "spec.support.wire"

local origin = {}

local Origin = {}
Origin.__index = Origin

local count = 0

local function play(self, conn, script, n)
  loop.go(function()
    script(conn, n)
    if not conn.stays_open then conn:close() end
  end)
end

local function on_connection(self)
  local handle = self.path and uv.new_pipe(false) or uv.new_tcp()
  if self.listener:accept(handle) ~= 0 then return handle:close() end
  self.accepted = self.accepted + 1
  local conn = wire.wrap(handle, self.who .. "." .. self.accepted)
  conn.origin = self
  self.conns[conn] = true
  if self.accept then return play(self, conn, self.accept, self.accepted) end
  conn.on_first = function()
    self.served = self.served + 1
    conn.number = self.served
    loop.note(conn.who, "is connection " .. self.served .. " that carries something")
    play(self, conn, self.serve, self.served)
  end
end

function Origin:start()
  if self.path then
    os.remove(self.path)
    self.listener = uv.new_pipe(false)
    assert(self.listener:bind(self.path))
  else
    self.listener = uv.new_tcp()
    if self.fd then
      assert(self.listener:open(self.fd))
      self.fd = nil
    else
      assert(self.listener:bind(self.host, self.port or 0))
    end
  end
  assert(self.listener:listen(128, loop.callback(function(err)
    assert(not err, err)
    on_connection(self)
  end)))
  if not self.path then self.port = self.listener:getsockname().port end
  loop.note(self.who, "listens on " .. (self.path or self.port))
end

function Origin:refuse()
  if self.listener and not self.listener:is_closing() then
    self.listener:close()
    loop.note(self.who, "listens no more")
  end
  loop.settle()
end

function Origin:connections()
  local open = {}
  for conn in pairs(self.conns) do
    if not conn.ended and not conn.handle:is_closing() then open[#open + 1] = conn end
  end
  return open
end

function Origin:stop()
  self:refuse()
  for conn in pairs(self.conns) do conn:close() end
  loop.settle()
end

function origin.new(script)
  count = count + 1
  local options = type(script) == "table" and script or { serve = script }
  local self = setmetatable({
    who = options.name or "backend " .. count, host = options.host or "127.0.0.1", path = options.path,
    fd = options.fd, accept = options.accept, serve = options.serve or function() end,
    accepted = 0, served = 0, conns = {}, requests = {},
  }, Origin)
  self:start()
  self.address = self.path and "unix:" .. self.path
    or (self.host:find(":", 1, true) and "[%s]:%d" or "%s:%d"):format(self.host, self.port)
  return self
end

function origin.text(body, status, fields)
  return ("HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s"):format(status or "200 OK", #body, fields or "", body)
end

-- Reads a request and keeps it in o.requests.
function origin.receive(conn)
  local request = conn:request()
  request.connection = conn.number
  table.insert(conn.origin.requests, request)
  return request
end

function origin.answering(answer, options)
  options = options or {}
  options.serve = function(conn)
    while true do conn:send(origin.text(answer(origin.receive(conn), conn))) end
  end
  return origin.new(options)
end

function origin.hello(text, options) return origin.answering(function() return text end, options) end

ffi.cdef [[
int socket(int domain, int type, int protocol);
int bind(int fd, const void *address, unsigned length);
int listen(int fd, int backlog);
int getsockname(int fd, void *address, unsigned *length);
int close(int fd);
]]

local raw_sockets = {}

local function raw_socket()
  local fd = ffi.C.socket(2, 1 + 0x80000, 0) -- AF_INET, SOCK_STREAM | SOCK_CLOEXEC
  assert(fd >= 0, "socket")
  raw_sockets[#raw_sockets + 1] = fd
  local address, length = ffi.new "uint8_t[16]", ffi.new("unsigned[1]", 16)
  address[0], address[4], address[7] = 2, 127, 1
  assert(ffi.C.bind(fd, address, 16) == 0, "bind")
  assert(ffi.C.getsockname(fd, address, length) == 0, "getsockname")
  return fd, address[2] * 256 + address[3]
end

local Blackhole = {}
Blackhole.__index = Blackhole

-- How many connections wait to be accepted: of a listening socket that is the kernel's rx_queue.
function Blackhole:queued()
  local listening = (" 0100007F:%04X 00000000:0000 0A %%x+:(%%x+) "):format(self.port)
  for line in io.lines "/proc/net/tcp" do
    local queued = line:match(listening)
    if queued then return tonumber(queued, 16) end
  end
  error("nothing listens on port " .. self.port)
end

-- A full queue on loopback drops what comes, so connects hang and are tried
-- again by the kernel after a second. It is full with one more than its backlog.
function Blackhole:fill()
  self.own, self.own_ports = self.backlog + 1, {}
  for _ = 1, self.own do
    local tcp = uv.new_tcp()
    tcp:connect("127.0.0.1", self.port, loop.callback(function() end))
    self.own_ports[tcp:getsockname().port] = true
  end
  loop.wait("a full queue", function() return self:queued() == self.backlog + 1 end)
  loop.note("blackhole", "swallows connects to " .. self.port)
  return self
end

function Blackhole:hanging()
  local found, pattern = 0, ("^ *%%d+: %%x+:(%%x+) %%x+:%04X 02 "):format(self.port) -- SYN_SENT
  for line in io.lines "/proc/net/tcp" do
    local port = line:match(pattern)
    if port and not self.own_ports[tonumber(port, 16)] then found = found + 1 end
  end
  return found
end

local function forget(hole)
  for i, fd in ipairs(raw_sockets) do
    if fd == hole.fd then table.remove(raw_sockets, i) break end
  end
end

function Blackhole:close()
  forget(self)
  ffi.C.close(self.fd)
end

function Blackhole:drain(options)
  forget(self)
  options.fd = self.fd
  return origin.new(options)
end

local function unaccepting(backlog)
  local fd, port = raw_socket()
  assert(ffi.C.listen(fd, backlog) == 0, "listen")
  return setmetatable({ fd = fd, port = port, backlog = backlog, address = "127.0.0.1:" .. port }, Blackhole)
end

function origin.blackhole() return unaccepting(4) end
function origin.blocked() return unaccepting(512) end

-- Bound and never listening, so that nobody else gets the port.
function origin.unused_port()
  local _, port = raw_socket()
  return port
end

function origin.clear()
  for _, fd in ipairs(raw_sockets) do ffi.C.close(fd) end
  raw_sockets, count = {}, 0
end

return origin
