-- h2_peer - one end of an HTTP/2 connection: reads what the other side sends, and judges it by
-- RFC 9113 alone. It does no input or output of its own.
--
--   h2_peer.new { role = "client" or "server", send = fn(bytes), acks = false, credit = false }
--     role      what it is itself;  send: takes bytes that it wants to say: an ACK of SETTINGS and
--               of PING (not if acks is false), credit for DATA (not if credit is false)
--   p:take(bytes)      what has come from the other side
--   p:said(bytes)      what was sent to it besides: it is read, too, as far as it is right
--   p.frames           all frames that came, in order
--   p.faults           what the other side did wrong: a list of texts
--   p.settings         its settings by name;  p.acks: how many of our SETTINGS it has acknowledged
--   p.pongs            payloads of PINGs that it has answered
--   p.goaways          a list of { last, code (a name), debug }
--   p.streams[id]      what is known of a stream:
--     .heads           lists of fields { name, value }: interim ones, the final one;  .fields: that
--     .status          of the final response;  .method, .path, .. of a request, by pseudo-fields
--     .body, .trailers, .ended (END_STREAM), .reset (the code's name), .sizes (of each DATA frame)
--   p.order            ids of streams in the order in which the other side opened them
--   p:window(id)       how many bytes of DATA it takes there now, by stream and connection
--   h2_peer.field(fields, name)   the first value

local frames = require "spec.support.h2_frames"
local hpack = require "spec.support.hpack"

local h2_peer = {}

local Peer = {}
Peer.__index = Peer

local DEFAULTS = { HEADER_TABLE_SIZE = 4096, INITIAL_WINDOW_SIZE = 65535, MAX_FRAME_SIZE = 16384 }
local CONNECTION_FIELDS = {
  connection = true, ["proxy-connection"] = true, ["keep-alive"] = true, ["transfer-encoding"] = true, upgrade = true,
}

function h2_peer.field(fields, name)
  for _, field in ipairs(fields or {}) do
    if field[1] == name then return field[2] end
  end
end

function h2_peer.new(options)
  return setmetatable({
    role = options.role, send = options.send, says_acks = options.acks ~= false, gives_credit = options.credit ~= false,
    pending = "", frames = {}, faults = {}, streams = {}, order = {}, settings = {}, acks = 0, pongs = {}, goaways = {},
    decoder = hpack.decoder(), said_pending = "", said_decoder = hpack.decoder(), highest = 0,
    ours = {}, unacknowledged = {}, room = 65535, credit = 65535,
  }, Peer)
end

function Peer:fault(...)
  table.insert(self.faults, select("#", ...) > 1 and string.format(...) or (...))
end

function Peer:stream(id)
  local stream = self.streams[id]
  if not stream then
    stream = {
      id = id, heads = {}, body = "", sizes = {}, length = 0,
      room = self.ours.INITIAL_WINDOW_SIZE or DEFAULTS.INITIAL_WINDOW_SIZE,
      credit = self.settings.INITIAL_WINDOW_SIZE or DEFAULTS.INITIAL_WINDOW_SIZE,
    }
    self.streams[id] = stream
  end
  return stream
end

function Peer:window(id) return math.min(self.credit, self:stream(id).credit) end

-- --- what was said to it ---

local own = {}

function own.SETTINGS(self, frame)
  if frame:has "ACK" then return end
  local list = {}
  for at = 1, #frame.payload - 5, 6 do
    list[frames.setting_name(frames.number(frame.payload, at, 2))] = frames.number(frame.payload, at + 2, 4)
  end
  table.insert(self.unacknowledged, list)
end

function own.WINDOW_UPDATE(self, frame)
  if #frame.payload ~= 4 then return end
  local increment = frames.number(frame.payload, 1, 4) % 2 ^ 31
  if frame.stream == 0 then
    self.room = self.room + increment
  else
    local stream = self:stream(frame.stream)
    stream.room = stream.room + increment
  end
end

function own.DATA(self, frame)
  local stream = self:stream(frame.stream)
  stream.credit = stream.credit - #frame.payload
  self.credit = self.credit - #frame.payload
end

function own.RST_STREAM(self, frame) self:stream(frame.stream).was_reset_by_us = true end

function own.HEADERS(self, frame)
  self.block, self.block_stream = frames.body(frame) or "", frame.stream
  self.highest = math.max(self.highest, frame.stream)
  if frame:has "END_HEADERS" then own.end_of_block(self) end
end

function own.CONTINUATION(self, frame)
  self.block = (self.block or "") .. frame.payload
  if frame:has "END_HEADERS" then own.end_of_block(self) end
end

function own.end_of_block(self)
  local fields = self.said_decoder:decode(self.block)
  local stream = self:stream(self.block_stream or 0)
  self.block = nil
  if self.role == "client" and fields and not stream.asked then
    stream.asked = h2_peer.field(fields, ":method") or ""
  end
end

function Peer:said(bytes)
  bytes = self.said_pending .. bytes
  local at = 1
  if bytes:sub(1, #frames.PREFACE) == frames.PREFACE then at = #frames.PREFACE + 1 end
  while true do
    local frame = frames.next(bytes, at)
    if not frame then break end
    at = frame.stop
    if own[frame.type] then own[frame.type](self, frame) end
  end
  self.said_pending = bytes:sub(at)
end

function Peer:say(bytes)
  self.send(bytes)
end

-- --- what it says ---

local SIZES = { PRIORITY = 5, RST_STREAM = 4, PING = 8, WINDOW_UPDATE = 4 }
local ON_CONNECTION = { SETTINGS = true, PING = true, GOAWAY = true }
local on = {}

local function judge_head_of_frame(self, frame)
  if #self.frames == 1 and (frame.type ~= "SETTINGS" or frame:has "ACK") then
    self:fault("its first frame is no SETTINGS but %s", frame.type)
  end
  if #frame.payload > (self.ours.MAX_FRAME_SIZE or DEFAULTS.MAX_FRAME_SIZE) then
    self:fault("a frame of %d bytes", #frame.payload)
  end
  if SIZES[frame.type] and SIZES[frame.type] ~= #frame.payload then
    self:fault("%s of %d bytes", frame.type, #frame.payload)
  end
  if frame.reserved then self:fault("the reserved bit of %s", frame.type) end
  if type(frame.type) == "number" then return self:fault("a frame of type %d", frame.type) end
  if ON_CONNECTION[frame.type] and frame.stream ~= 0 then self:fault("%s on a stream", frame.type) end
  if not ON_CONNECTION[frame.type] and frame.type ~= "WINDOW_UPDATE" and frame.stream == 0 then
    self:fault("%s on stream 0", frame.type)
  end
  if self.open_block and frame.type ~= "CONTINUATION" then self:fault("%s within a block of fields", frame.type) end
end

local function judge_setting(self, name, value)
  if name == "ENABLE_PUSH" and value > 1 or name == "ENABLE_CONNECT_PROTOCOL" and value > 1
    or name == "ENABLE_PUSH" and value == 1 and self.role == "client"
    or name == "INITIAL_WINDOW_SIZE" and value >= 2 ^ 31
    or name == "MAX_FRAME_SIZE" and (value < 16384 or value >= 2 ^ 24) then
    self:fault("%s = %d", name, value)
  end
end

local function apply_ours(self)
  self.acks = self.acks + 1
  local list = table.remove(self.unacknowledged, 1)
  if not list then return self:fault "an ACK of no SETTINGS" end
  local before = self.ours.INITIAL_WINDOW_SIZE or DEFAULTS.INITIAL_WINDOW_SIZE
  for name, value in pairs(list) do self.ours[name] = value end
  local change = (self.ours.INITIAL_WINDOW_SIZE or before) - before
  for _, stream in pairs(self.streams) do stream.room = stream.room + change end
  if list.HEADER_TABLE_SIZE then self.decoder:set_limit(list.HEADER_TABLE_SIZE) end
end

function on.SETTINGS(self, frame)
  if frame:has "ACK" then
    if #frame.payload > 0 then self:fault "an ACK with a payload" end
    return apply_ours(self)
  end
  if #frame.payload % 6 ~= 0 then return self:fault("SETTINGS of %d bytes", #frame.payload) end
  local before = self.settings.INITIAL_WINDOW_SIZE or DEFAULTS.INITIAL_WINDOW_SIZE
  for at = 1, #frame.payload, 6 do
    local name = frames.setting_name(frames.number(frame.payload, at, 2))
    self.settings[name] = frames.number(frame.payload, at + 2, 4)
    judge_setting(self, name, self.settings[name])
  end
  local change = (self.settings.INITIAL_WINDOW_SIZE or before) - before
  for _, stream in pairs(self.streams) do stream.credit = stream.credit + change end
  if self.says_acks then self:say(frames.settings_ack()) end
end

function on.PING(self, frame)
  if frame:has "ACK" then
    table.insert(self.pongs, frame.payload)
  elseif self.says_acks then
    self:say(frames.ping(frame.payload, true))
  end
end

function on.GOAWAY(self, frame)
  if #frame.payload < 8 then return self:fault("GOAWAY of %d bytes", #frame.payload) end
  local last = frames.number(frame.payload, 1, 4)
  local before = self.goaways[#self.goaways]
  if before and last > before.last then self:fault("GOAWAY of stream %d after one of %d", last, before.last) end
  table.insert(self.goaways, {
    last = last, code = frames.error_name(frames.number(frame.payload, 5, 4)), debug = frame.payload:sub(9),
  })
end

function on.WINDOW_UPDATE(self, frame)
  if #frame.payload ~= 4 then return end
  local increment = frames.number(frame.payload, 1, 4)
  if increment == 0 or increment >= 2 ^ 31 then return self:fault("WINDOW_UPDATE of %d", increment) end
  local owner = frame.stream == 0 and self or self:stream(frame.stream)
  owner.credit = owner.credit + increment
  if owner.credit >= 2 ^ 31 then self:fault("a window of %d", owner.credit) end
end

function on.RST_STREAM(self, frame)
  if #frame.payload ~= 4 then return end
  local stream = self:stream(frame.stream)
  if self.role == "client" and frame.stream > self.highest then self:fault("RST_STREAM of idle %d", frame.stream) end
  if stream.reset then self:fault("a second RST_STREAM of %d", frame.stream) end
  stream.reset = frames.error_name(frames.number(frame.payload, 1, 4))
end

function on.PRIORITY() end
function on.PUSH_PROMISE(self) self:fault "PUSH_PROMISE" end

-- May a frame of a message come there?
local function judge_state(self, stream, what)
  if stream.reset then
    self:fault("%s on stream %d behind its RST_STREAM", what, stream.id)
  elseif stream.ended then
    self:fault("%s on stream %d behind its END_STREAM", what, stream.id)
  end
  if self.role == "client" and (stream.id % 2 == 0 or stream.id > self.highest) then
    self:fault("%s on stream %d, which we have not opened", what, stream.id)
  end
end

local function end_stream(self, stream)
  stream.ended = true
  local length = h2_peer.field(stream.fields, "content-length")
  local has_none = stream.asked == "HEAD" or stream.status == 304
  if length and tonumber(length) ~= stream.length and not (has_none and stream.length == 0) then
    self:fault("stream %d ends after %d bytes; its content-length is %s", stream.id, stream.length, length)
  end
end

local function give_credit(self, stream, size)
  if not self.gives_credit or size == 0 then return end
  local bytes = frames.window(0, size)
  if not stream.ended and not stream.reset and not stream.was_reset_by_us then
    bytes = bytes .. frames.window(stream.id, size)
  end
  self:say(bytes)
end

function on.DATA(self, frame)
  local stream, bytes = self:stream(frame.stream), frames.body(frame)
  judge_state(self, stream, "DATA")
  if not bytes then return self:fault("the padding of DATA on stream %d", frame.stream) end
  if not stream.fields then self:fault("DATA on stream %d before a head", frame.stream) end
  if stream.ended then return end
  stream.room, self.room = stream.room - #frame.payload, self.room - #frame.payload
  if #frame.payload > 0 and (stream.room < 0 or self.room < 0) then
    self:fault("DATA on stream %d beyond its window by %d", frame.stream, -math.min(stream.room, self.room))
  end
  stream.parts = stream.parts or {}
  table.insert(stream.parts, bytes)
  stream.body = nil -- of so many pieces, put together when it is looked at
  stream.length = stream.length + #bytes
  table.insert(stream.sizes, #bytes)
  if frame:has "END_STREAM" then end_stream(self, stream) end
  give_credit(self, stream, #frame.payload)
end

local function judge_fields(self, stream, fields, pseudo)
  local seen, is_behind = {}, false
  for _, field in ipairs(fields) do
    local name, value = field[1], field[2]
    if name:find "^:" then
      if is_behind then self:fault("%s behind a field", name) end
      if not pseudo[name] then self:fault("%s is no pseudo-field here", name) end
      if seen[name] then self:fault("two %s", name) end
      seen[name] = true
    else
      is_behind = true
      if not name:find "^[%w!#$%%&'*+.^_`|~-]+$" or name:find "%u" then self:fault("a field %q", name) end
      if CONNECTION_FIELDS[name] then self:fault("a field %s on stream %d", name, stream.id) end
      if name == "te" and value ~= "trailers" then self:fault("te: %s", value) end
    end
    if value:find "[%z\r\n]" or value:find "^[ \t]" or value:find "[ \t]$" then self:fault("%s: %q", name, value) end
  end
  return seen
end

local RESPONSE = { [":status"] = true }
local REQUEST = {
  [":method"] = true, [":scheme"] = true, [":authority"] = true, [":path"] = true, [":protocol"] = true,
}

local function take_response(self, stream, fields, is_last)
  judge_fields(self, stream, fields, RESPONSE)
  local status = h2_peer.field(fields, ":status") or ""
  if not status:find "^[1-5]%d%d$" or status == "101" then self:fault(":status %q", status) end
  table.insert(stream.heads, fields)
  if status:find "^1" then
    if is_last then self:fault("%s with END_STREAM", status) end
    return
  end
  stream.status, stream.fields = tonumber(status), fields
end

local function take_request(self, stream, fields)
  local seen = judge_fields(self, stream, fields, REQUEST)
  stream.fields = fields
  table.insert(stream.heads, fields)
  for name in pairs(REQUEST) do stream[name:sub(2)] = h2_peer.field(fields, name) end
  local is_connect = stream.method == "CONNECT" and not stream.protocol
  for _, name in ipairs { ":method", ":scheme", ":path" } do
    if not seen[name] and not (is_connect and name ~= ":method") then self:fault("no %s", name) end
  end
  if stream.id % 2 == 0 or stream.id <= self.highest then self:fault("a request on stream %d", stream.id) end
  self.highest = math.max(self.highest, stream.id)
  table.insert(self.order, stream.id)
end

local function take_block(self)
  local open = self.open_block
  self.open_block = nil
  local stream = self:stream(open.stream)
  judge_state(self, stream, "HEADERS")
  local fields, why = self.decoder:decode(table.concat(open.parts))
  if not fields then return self:fault("a block that HPACK does not know: %s", why) end
  if stream.fields then
    judge_fields(self, stream, fields, {})
    if not open.is_last then self:fault("trailers without END_STREAM on stream %d", stream.id) end
    stream.trailers = fields
  elseif self.role == "client" then
    take_response(self, stream, fields, open.is_last)
  else
    take_request(self, stream, fields)
  end
  if open.is_last then end_stream(self, stream) end
end

function on.HEADERS(self, frame)
  local block = frames.body(frame)
  if not block then return self:fault "the padding of HEADERS" end
  self.open_block = { stream = frame.stream, parts = { block }, is_last = frame:has "END_STREAM" }
  if frame:has "END_HEADERS" then take_block(self) end
end

function on.CONTINUATION(self, frame)
  if not self.open_block or self.open_block.stream ~= frame.stream then return self:fault "CONTINUATION of nothing" end
  table.insert(self.open_block.parts, frame.payload)
  if frame:has "END_HEADERS" then take_block(self) end
end

function Peer:take(bytes)
  bytes = self.pending .. bytes
  local at = 1
  if self.role == "server" and not self.has_preface then
    if #bytes < #frames.PREFACE then
      self.pending = bytes
      return
    end
    if bytes:sub(1, #frames.PREFACE) ~= frames.PREFACE then self:fault "no preface" end
    self.has_preface, at = true, #frames.PREFACE + 1
  end
  while true do
    local frame = frames.next(bytes, at)
    if not frame then break end
    at = frame.stop
    table.insert(self.frames, frame)
    judge_head_of_frame(self, frame)
    if on[frame.type] then on[frame.type](self, frame) end
    if self.on_frame then self.on_frame(frame) end
  end
  self.pending = bytes:sub(at)
end

-- The body of a stream so far.
function h2_peer.body(stream)
  if not stream.body then
    stream.parts = { table.concat(stream.parts) }
    stream.body = stream.parts[1]
  end
  return stream.body
end

return h2_peer
