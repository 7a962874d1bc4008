-- wire - a raw connection, either side: what is sent is what is on the wire.
--
--   conn:send(...)            sends the strings as they are; does not wait
--   conn:drained()            waits until the kernel has taken all of it
--   conn:line()               one line without its end; nil when the peer ended
--   conn:exactly(n)           n bytes; fewer if the peer ended
--   conn:rest()               everything until the peer ends
--   conn:request()            the next request, body included; quits a backend's script at the end
--   conn:response(method)     the next response, 1xx too, framed as for that request method
--   conn:responses(n)         the next n final ones
--   conn:head()               only a head: first line and fields
--   conn:body_of(message, method)  the body that belongs to a head just read
--   conn:ended_by_peer()      waits for the end: "end" (FIN) or "reset"
--   conn:hold(), conn:go_on() stops and resumes reading, so that the kernel's buffers fill up
--   conn:sip(seconds)         reads slowly, but steadily, for so long: 64 KiB at most, ten
--                             times a second; then it holds
--   conn:finish()             no more from us (half closed); conn:close(); conn:reset() (RST)
--   conn.ended                "end", "reset", or nil while it is open
--   conn.on_bytes             a function that gets what comes from now on, instead of those above
--
-- A message has first, fields (a list of { name, value } in order and case as
-- received), field "name" (the first value, case does not matter), values "name"
-- (all of them), body, complete (false if the peer ended in the middle of it), chunks
-- (sizes, if it was chunked), trailers; a request also method, target, version;
-- a response also version, status, reason.

local ffi = require "ffi"
local uv = require "luv"
local loop = require "spec.support.loop"

local wire = {}

local Message = {}
Message.__index = Message

function Message:values(name)
  local found = {}
  for _, field in ipairs(self.fields) do
    if field[1]:lower() == name:lower() then found[#found + 1] = field[2] end
  end
  return found
end

function Message:field(name) return self:values(name)[1] end

local Conn = {}
Conn.__index = Conn

-- Takes a connected handle, or a listening handle with a connection to accept.
function wire.wrap(handle, who)
  local conn = setmetatable({ handle = handle, who = who, parts = {}, size = 0, taken = 0, unsent = 0 }, Conn)
  conn:go_on()
  return conn
end

ffi.cdef "int getsockopt(int fd, int level, int option, void *value, unsigned *length);"

-- libuv takes a hang-up behind the last bytes for an end, a reset too: SOL_SOCKET, SO_ERROR tells.
local function was_reset(handle)
  local value, length = ffi.new "int[1]", ffi.new("unsigned[1]", 4)
  return ffi.C.getsockopt(handle:fileno(), 1, 4, value, length) == 0
    and value[0] == 104 -- ECONNRESET
end

local function take_bytes(conn, err, bytes)
  if bytes then
    loop.note(conn.who, "got   " .. (#bytes > 160 and #bytes .. " bytes: " .. bytes:sub(1, 120) or bytes))
    if conn.on_bytes then return conn.on_bytes(bytes) end
    conn.parts[#conn.parts + 1] = bytes
    conn.size = conn.size + #bytes
    conn.total = (conn.total or 0) + #bytes
    if conn.on_first then
      local on_first = conn.on_first
      conn.on_first = nil
      on_first()
    end
  else
    conn.ended = conn.ended or ((err or was_reset(conn.handle)) and "reset" or "end")
    if not conn.total and conn.origin then return end -- a health check
    loop.note(conn.who, "got   its peer's " .. conn.ended .. (err and " (" .. err .. ")" or ""))
  end
end

function Conn:go_on()
  self.handle:read_start(loop.callback(function(err, bytes) take_bytes(self, err, bytes) end))
end

function Conn:hold() self.handle:read_stop() end

function Conn:sip(seconds)
  local deadline = loop.now() + seconds
  self:hold()
  while loop.now() < deadline and not self.ended do
    self.on_first = function() self:hold() end
    self:go_on()
    loop.pause(0.1)
  end
  self.on_first = nil
  self:hold()
end

function Conn:send(...)
  local bytes = table.concat({ ... })
  if self.handle:is_closing() then return false end
  loop.note(self.who, "sends " .. (#bytes > 160 and #bytes .. " bytes: " .. bytes:sub(1, 120) or bytes))
  self.unsent = self.unsent + 1
  self.handle:write(bytes, loop.callback(function(err)
    self.unsent = self.unsent - 1
    if err then self.broken = err end
  end))
  return true
end

function Conn:drained()
  loop.wait(self.who .. " to send everything", function() return self.unsent == 0 end)
  return not self.broken
end

-- What is there: all of it as one text, and how much of it was taken already. Taking
-- many small pieces copies the rest only now and then.
local function gather(conn)
  if #conn.parts ~= 1 or conn.taken > 1024 * 1024 then
    conn.parts = { table.concat(conn.parts):sub(conn.taken + 1) }
    conn.taken = 0
  end
  return conn.parts[1], conn.taken
end

local function peek(conn)
  local all, taken = gather(conn)
  return all:sub(taken + 1)
end

local function take(conn, n)
  local all, taken = gather(conn)
  conn.taken = taken + n
  conn.size = conn.size - n
  return all:sub(taken + 1, taken + n)
end

local function find_line_end(conn)
  local all, taken = gather(conn)
  local stop = all:find("\n", taken + 1, true)
  return stop and stop - taken
end

function Conn:line()
  local seen = -1
  loop.wait("a line on " .. self.who, function()
    if self.ended then return true end
    if self.size == seen then return false end
    seen = self.size
    return find_line_end(self)
  end)
  local stop = find_line_end(self)
  if not stop then return nil end
  return (take(self, stop):gsub("\r?\n$", ""))
end

function Conn:exactly(n, seconds)
  loop.wait(n .. " bytes on " .. self.who, function() return self.size >= n or self.ended end, seconds)
  return take(self, math.min(n, self.size))
end

function Conn:rest()
  self:ended_by_peer()
  return take(self, self.size)
end

function Conn:ended_by_peer(seconds)
  return loop.wait("the end of " .. self.who, function() return self.ended end, seconds)
end

-- Waits until n bytes have come in, without taking them.
function Conn:has(n)
  return loop.wait(n .. " bytes on " .. self.who, function() return self.size >= n end)
end

function Conn:peek() return peek(self) end

local function read_fields(conn)
  local fields = {}
  while true do
    local line = conn:line()
    if not line then return fields, false end
    if line == "" then return fields, true end
    local name, value = line:match "^([^:]*):[ \t]*(.-)[ \t]*$"
    fields[#fields + 1] = { name or line, value or "" }
  end
end

-- nil and how it ended if the peer ended before a whole head.
function Conn:head()
  local first = self:line()
  if not first then return nil, self.ended end
  local fields, whole = read_fields(self)
  if not whole then return nil, self.ended end
  return setmetatable({ first = first, fields = fields, body = "", complete = true }, Message)
end

local function read_chunks(conn, message)
  local body = {}
  message.chunks, message.complete = {}, false
  while true do
    local line = conn:line()
    local size = line and tonumber(line:match "^%x+" or "", 16)
    if not size then break end
    if size == 0 then
      message.trailers, message.complete = read_fields(conn)
      break
    end
    local bytes = conn:exactly(size)
    body[#body + 1] = bytes
    if #bytes < size or conn:line() ~= "" then break end
    table.insert(message.chunks, size)
  end
  message.body = table.concat(body)
end

function Conn:body_of(message, method)
  local coding, length = message:field "transfer-encoding", message:field "content-length"
  local status = message.status
  if status and (method == "HEAD" or status < 200 or status == 204 or status == 304) then
    message.framing = "none"
  elseif coding and coding:lower() == "chunked" then
    message.framing = "chunked"
    read_chunks(self, message)
  elseif length then
    message.framing = "length"
    message.body = self:exactly(tonumber(length))
    message.complete = #message.body == tonumber(length)
  elseif status then
    message.framing = "close"
    message.body = self:rest()
    message.complete = self.ended == "end"
  end
  message.ended = not message.complete and self.ended or nil
  return message
end

-- The head alone, with its first line taken apart; a backend's script quits if
-- there is none.
function Conn:request_head()
  local message = self:head()
  if not message then
    if loop.is_beside() then loop.quit() end
    return nil
  end
  message.method, message.target, message.version = message.first:match "^(%S+) (%S+) HTTP/(%S+)$"
  return message
end

function Conn:request()
  local message = self:request_head()
  return message and self:body_of(message)
end

function Conn:response_head()
  local message, how = self:head()
  if not message then
    error(("%s: the peer's %s came instead of a response, after %q:\n%s"):format(
      self.who, how or "nothing", peek(self), loop.story()), 2)
  end
  local version, status, reason = message.first:match "^HTTP/(%S+) (%d%d%d) ?(.*)$"
  message.version, message.status, message.reason = version, tonumber(status), reason
  if not status then error("not a response: " .. message.first, 2) end
  return message
end

function Conn:response(method) return self:body_of(self:response_head(), method) end

function Conn:responses(n)
  local list = {}
  while #list < n do
    local message = self:response()
    if message.status >= 200 then list[#list + 1] = message end
  end
  return list
end

function Conn:finish()
  if not self.handle:is_closing() then
    loop.note(self.who, "sends its end")
    self.handle:shutdown(loop.callback(function() end))
  end
end

function Conn:close()
  if not self.handle:is_closing() then
    loop.note(self.who, "closes")
    self.handle:close()
  end
  self.ended = self.ended or "closed"
end

function Conn:reset()
  if not self.handle:is_closing() then
    loop.note(self.who, "resets")
    if self.handle.close_reset then self.handle:close_reset() else self.handle:close() end
  end
  self.ended = self.ended or "closed"
end

local clients = {}

-- "127.0.0.1:80", "[::1]:80" or "unix:/path" to a handle that is connecting.
local function begin(address, from, done)
  local path = address:match "^unix:(.+)$"
  if path then
    local pipe = uv.new_pipe(false)
    pipe:connect(path, done)
    return pipe
  end
  local host, port = address:match "^%[?(.-)%]?:(%d+)$"
  local tcp = uv.new_tcp()
  if from then assert(tcp:bind(from, 0)) end
  assert(tcp:connect(host, tonumber(port), done))
  return tcp
end

-- A connection, or nil and the error's name ("ECONNREFUSED").
-- options: from (the address to come from), receive_buffer (bytes), name, seconds
function wire.connect(address, options)
  options = options or {}
  local connected, failed
  local handle = begin(address, options.from, loop.callback(function(err)
    connected, failed = not err, err
  end))
  if options.receive_buffer then uv.recv_buffer_size(handle, options.receive_buffer) end
  loop.wait("a connection to " .. address, function() return connected or failed end, options.seconds)
  if failed then
    handle:close()
    return nil, failed
  end
  local conn = wire.wrap(handle, options.name or "client")
  clients[#clients + 1] = conn
  return conn
end

-- Closes what wire.connect has opened.
function wire.clear()
  for _, conn in ipairs(clients) do
    if not conn.handle:is_closing() then conn.handle:close() end
  end
  clients = {}
  loop.settle()
end

-- Sends one request on a connection of its own and gives the response.
-- options: method, fields (text, each line ended), body, version, host, connect (for wire.connect)
function wire.fetch(address, target, options)
  options = options or {}
  local conn, err = wire.connect(address, options)
  if not conn then error(("no connection to %s: %s\n%s"):format(address, err, loop.story()), 2) end
  local body = options.body or ""
  local length = options.body and ("Content-Length: %d\r\n"):format(#body) or ""
  conn:send(("%s %s HTTP/%s\r\nHost: %s\r\nConnection: close\r\n%s%s\r\n"):format(
    options.method or "GET", target or "/", options.version or "1.1", options.host or "example.test",
    options.fields or "", length), body)
  local response = conn:response(options.method)
  conn:close()
  return response
end

return wire
