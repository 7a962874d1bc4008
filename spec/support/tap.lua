-- tap - a raw connection that keeps every byte that came over it.
--
--   tap.wrap(handle, who, on_bytes)   reads from now on
--   tap.connect(address, who)         that of a client, connected
--   t:text(from)              what came, from byte from on (1);  t:length()
--   tap.dateless(text)        without the Date that lb adds to a response, before its Via
--   t.ended                   "end", "reset", or nil while it is open
--   t:send(bytes)             does not wait;  t:sent(): waits until the peer has read all of it
--   t:dribble(bytes, cuts)    in many small pieces: cut behind each byte, or where cuts says
--   t:play(pieces, from, peer)  a case's pieces, as spec/support/conformance.lua has them; it waits
--                             for text from byte from on, or in peer(): what the other side has
--   t:finish()  t:close()  t:reset();  tap.clear(): closes what tap.connect has opened

local uv = require "luv"
local loop = require "spec.support.loop"
local unread = require "spec.support.unread"

local tap = {}
local opened = setmetatable({}, { __mode = "k" })

local Tap = {}
Tap.__index = Tap

function tap.wrap(handle, who, on_bytes)
  local self = setmetatable({ handle = handle, who = who, parts = {}, unsent = 0 }, Tap)
  handle:nodelay(true)
  handle:read_start(loop.callback(function(err, bytes)
    if bytes then
      loop.note(who, "got   " .. bytes:sub(1, 160))
      self.parts[#self.parts + 1] = bytes
    else
      self.ended = self.ended or (err and "reset" or "end")
    end
    if on_bytes then on_bytes(self, bytes) end
  end))
  return self
end

function tap.connect(address, who)
  local host, port = address:match "^%[?(.-)%]?:(%d+)$"
  local connected, failed
  local handle = uv.new_tcp()
  handle:connect(host, tonumber(port), loop.callback(function(err) connected, failed = not err, err end))
  loop.wait("a connection to " .. address, function() return connected or failed end)
  assert(connected, failed)
  local self = tap.wrap(handle, who)
  opened[self] = true
  return self
end

function tap.dateless(text)
  return (text:gsub("Date: %u%l%l, %d%d %u%l%l %d%d%d%d %d%d:%d%d:%d%d GMT\r\n(Via: 1%.[01] lb\r\n)", "%1"))
end

function Tap:text(from)
  if #self.parts > 1 then self.parts = { table.concat(self.parts) } end
  return tap.dateless(self.parts[1] or ""):sub(from or 1)
end

function Tap:length() return #self:text() end

function Tap:send(bytes)
  if self.handle:is_closing() then return end
  loop.note(self.who, "sends " .. bytes:sub(1, 160))
  local taken = self.unsent == 0 and self.handle:try_write(bytes) or 0
  if taken == #bytes then return end
  self.unsent = self.unsent + 1
  self.handle:write(bytes:sub(taken + 1), loop.callback(function(err)
    self.unsent = self.unsent - 1
    self.broken = self.broken or err
  end))
end

local function is_read(self)
  return self.broken or self.ended or self.handle:is_closing()
    or self.unsent == 0 and (unread(self.handle) or 0) == 0
end

-- Usually this takes only a moment, and no event reports it.
function Tap:sent()
  local soon = loop.now() + 0.001
  while loop.now() < soon do
    if is_read(self) then return end
  end
  loop.wait(self.who .. "'s bytes to be read", function() return is_read(self) end)
end

-- Each piece is a write of its own, and usually a read of its own, too.
function Tap:dribble(bytes, cuts)
  loop.note(self.who, ("sends in pieces: %s"):format(bytes:sub(1, 160)))
  local from = 1
  for n = 1, cuts and #cuts + 1 or #bytes do
    local to = not cuts and n or cuts[n] or #bytes
    local piece = bytes:sub(from, to)
    while #piece > 0 and not self.ended do
      local taken, _, name = self.handle:try_write(piece)
      if not taken and name ~= "EAGAIN" then return end
      piece = piece:sub((taken or 0) + 1)
      if not taken then uv.run "nowait" end
    end
    from = to + 1
    if n % 4 == 0 then uv.run "nowait" end
  end
end

local function play_piece(self, piece, from, peer)
  if type(piece) == "string" then
    self:send(piece)
    self:sent()
  elseif piece.got then
    loop.wait(("%s to get %q"):format(self.who, piece.got), function()
      return self.ended or self:text(from):find(piece.got, 1, true)
    end)
  elseif piece.peer_got then
    loop.wait(("%s's peer to get %q"):format(self.who, piece.peer_got), function()
      return self.ended or peer():find(piece.peer_got, 1, true)
    end)
  elseif piece.finish then
    self:finish()
  elseif piece.pause then
    loop.pause(piece.pause)
  else
    error "a piece of a case is bytes, or has got, peer_got, finish or pause"
  end
end

function Tap:play(pieces, from, peer)
  if type(pieces) == "string" then return self:send(pieces) end
  for _, piece in ipairs(pieces) do play_piece(self, piece, from, peer) end
end

function Tap:finish()
  if self.handle:is_closing() then return end
  loop.note(self.who, "sends its end")
  self.handle:shutdown(loop.callback(function() end))
end

function Tap:close()
  if not self.handle:is_closing() then self.handle:close() end
  self.ended = self.ended or "closed"
end

function Tap:reset()
  if not self.handle:is_closing() then self.handle:close_reset() end
  self.ended = self.ended or "closed"
end

function tap.clear()
  for one in pairs(opened) do one:close() end
end

return tap
