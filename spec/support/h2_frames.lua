-- h2_frames - frames of HTTP/2 as bytes, right or wrong as the caller likes (RFC 9113, 4 and 6).
-- Pure.
--
--   frames.PREFACE                       3.4
--   frames.frame(type, flags, stream, payload, more)   type: a name or a number; flags: a list of
--                                        names or a number. more: length = what the head says,
--                                        reserved = true: the bit in front of the stream's id
--   frames.data(stream, bytes, more)     more: last = END_STREAM, padding = bytes of it,
--                                        pad_length = what its field says, flags = more of them
--   frames.headers(stream, block, more)  bytes, or a list of { name, value }. more: as before,
--                                        open = true: without END_HEADERS; depends, weight,
--                                        exclusive: with priority
--   frames.continuation(stream, block, more)
--   frames.priority(stream, depends, weight, exclusive)
--   frames.rst(stream, code)             code: a name or a number
--   frames.settings(list)                of { id or name, value };  frames.settings_ack()
--   frames.push(stream, promised, block)
--   frames.ping(eight, is_ack)
--   frames.goaway(last, code, debug)
--   frames.window(stream, increment)
--   frames.next(bytes, from)             the frame there, or nil if it is cut: type (a name, or a
--                                        number if unknown), flags, stream, payload, reserved, stop
--                                        (the first byte behind); has(name of a flag)
--   frames.body(frame)                   the payload of DATA, HEADERS, PUSH_PROMISE without padding
--                                        and priority; nil if these are wrong
--   frames.u16(n), frames.u32(n), frames.number(bytes, from, count)
--   frames.TYPES, FLAGS, ERRORS, SETTINGS  numbers by name;  frames.error_name(n), setting_name(n)

local bit = require "bit"
local hpack = require "spec.support.hpack"

local frames = {}

frames.PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

frames.TYPES = {
  DATA = 0, HEADERS = 1, PRIORITY = 2, RST_STREAM = 3, SETTINGS = 4, PUSH_PROMISE = 5, PING = 6, GOAWAY = 7,
  WINDOW_UPDATE = 8, CONTINUATION = 9,
}
frames.FLAGS = { END_STREAM = 1, ACK = 1, END_HEADERS = 4, PADDED = 8, PRIORITY = 32 }
frames.ERRORS = {
  NO_ERROR = 0, PROTOCOL_ERROR = 1, INTERNAL_ERROR = 2, FLOW_CONTROL_ERROR = 3, SETTINGS_TIMEOUT = 4,
  STREAM_CLOSED = 5, FRAME_SIZE_ERROR = 6, REFUSED_STREAM = 7, CANCEL = 8, COMPRESSION_ERROR = 9,
  CONNECT_ERROR = 10, ENHANCE_YOUR_CALM = 11, INADEQUATE_SECURITY = 12, HTTP_1_1_REQUIRED = 13,
}
frames.SETTINGS = {
  HEADER_TABLE_SIZE = 1, ENABLE_PUSH = 2, MAX_CONCURRENT_STREAMS = 3, INITIAL_WINDOW_SIZE = 4, MAX_FRAME_SIZE = 5,
  MAX_HEADER_LIST_SIZE = 6, ENABLE_CONNECT_PROTOCOL = 8,
}

local function turned(list)
  local names = {}
  for name, number in pairs(list) do names[number] = name end
  return names
end
local type_names, error_names, setting_names = turned(frames.TYPES), turned(frames.ERRORS), turned(frames.SETTINGS)

function frames.error_name(n) return error_names[n] or n end
function frames.setting_name(n) return setting_names[n] or n end

local function number_of(list, value) return type(value) == "number" and value or assert(list[value], value) end

function frames.u16(n) return string.char(math.floor(n / 256) % 256, n % 256) end
function frames.u32(n) return frames.u16(math.floor(n / 65536)) .. frames.u16(n % 65536) end

function frames.number(bytes, from, count)
  local n = 0
  for i = from, from + count - 1 do n = n * 256 + bytes:byte(i) end
  return n
end

local function flags_of(flags)
  if type(flags) ~= "table" then return flags or 0 end
  local sum = 0
  for _, name in ipairs(flags) do sum = bit.bor(sum, number_of(frames.FLAGS, name)) end
  return sum
end

function frames.frame(kind, flags, stream, payload, more)
  more, payload = more or {}, payload or ""
  local length = more.length or #payload
  return string.char(math.floor(length / 65536)) .. frames.u16(length % 65536)
    .. string.char(number_of(frames.TYPES, kind), flags_of(flags))
    .. frames.u32(stream + (more.reserved and 2 ^ 31 or 0)) .. payload
end

-- The flags and the two ends of a payload that may be padded.
local function padded(more, flags)
  flags = bit.bor(flags, flags_of(more.flags), more.last and 1 or 0)
  if not more.padding and not more.pad_length then return flags, "", "" end
  return bit.bor(flags, 8), string.char(more.pad_length or more.padding), ("\0"):rep(more.padding or 0)
end

function frames.data(stream, bytes, more)
  local flags, before, behind = padded(more or {}, 0)
  return frames.frame("DATA", flags, stream, before .. bytes .. behind, more)
end

local function dependency(depends, weight, exclusive)
  return frames.u32(depends + (exclusive and 2 ^ 31 or 0)) .. string.char((weight or 16) - 1)
end

local function block_of(block) return type(block) == "table" and hpack.block(block) or block end

function frames.headers(stream, block, more)
  more = more or {}
  local flags, before, behind = padded(more, more.open and 0 or 4)
  if more.depends then
    flags = bit.bor(flags, 32)
    before = before .. dependency(more.depends, more.weight, more.exclusive)
  end
  return frames.frame("HEADERS", flags, stream, before .. block_of(block) .. behind, more)
end

function frames.continuation(stream, block, more)
  more = more or {}
  local flags = bit.bor(more.open and 0 or 4, flags_of(more.flags))
  return frames.frame("CONTINUATION", flags, stream, block_of(block), more)
end

function frames.priority(stream, depends, weight, exclusive)
  return frames.frame("PRIORITY", 0, stream, dependency(depends, weight, exclusive))
end

function frames.rst(stream, code)
  return frames.frame("RST_STREAM", 0, stream, frames.u32(number_of(frames.ERRORS, code)))
end

function frames.settings(list)
  local out = {}
  for i, pair in ipairs(list or {}) do
    out[i] = frames.u16(number_of(frames.SETTINGS, pair[1])) .. frames.u32(pair[2])
  end
  return frames.frame("SETTINGS", 0, 0, table.concat(out))
end

function frames.settings_ack() return frames.frame("SETTINGS", 1, 0) end

function frames.push(stream, promised, block)
  return frames.frame("PUSH_PROMISE", 4, stream, frames.u32(promised) .. block_of(block))
end

function frames.ping(eight, is_ack) return frames.frame("PING", is_ack and 1 or 0, 0, eight or "lb-ping.") end

function frames.goaway(last, code, debug)
  return frames.frame("GOAWAY", 0, 0, frames.u32(last) .. frames.u32(number_of(frames.ERRORS, code)) .. (debug or ""))
end

function frames.window(stream, increment) return frames.frame("WINDOW_UPDATE", 0, stream, frames.u32(increment)) end

-- --- from bytes ---

local Frame = {}
Frame.__index = Frame

function Frame:has(flag) return bit.band(self.flags, frames.FLAGS[flag]) ~= 0 end

function frames.next(bytes, from)
  from = from or 1
  if #bytes < from + 8 then return nil end
  local length = frames.number(bytes, from, 3)
  if #bytes < from + 8 + length then return nil end
  local kind, stream = bytes:byte(from + 3), frames.number(bytes, from + 5, 4)
  return setmetatable({
    type = type_names[kind] or kind, flags = bytes:byte(from + 4), stream = stream % 2 ^ 31,
    reserved = stream >= 2 ^ 31 or nil, payload = bytes:sub(from + 9, from + 8 + length), stop = from + 9 + length,
  }, Frame)
end

function frames.body(frame)
  local from, to = 1, #frame.payload
  if frame:has "PADDED" then
    if to < 1 then return nil end
    from, to = 2, to - frame.payload:byte(1)
  end
  if frame.type == "HEADERS" and frame:has "PRIORITY" then from = from + 5 end
  if frame.type == "PUSH_PROMISE" then from = from + 4 end
  if to < from - 1 then return nil end
  return frame.payload:sub(from, to)
end

return frames
