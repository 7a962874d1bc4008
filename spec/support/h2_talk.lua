-- h2_talk - a wire/h2 whose peer and owner the spec plays: bytes in, events and frames out.
--
--   local t = talk.begin { role = "server" or "client", streams = 100, window = 65535,
--                          connection = 65535, head = 4096, connect = true, answers = true,
--                          consumes = true, sndbuf = bytes }
--     answers: the owner answers each request as soon as it is complete; consumes: it takes all
--   t:greet()            preface and SETTINGS of the peer; what comes of that is thrown away
--   t:feed(bytes, ..)    one read; t:bytes(text) one read for each byte
--   t:events()           what the owner has seen since, a list of lines
--   t:sent()             the frames that went out since, a list of lines, each with type, stream,
--                        flags and payload; of heads all fields: ":status: 200|server: x"
--   t:play(bytes, ..)    feed, then events and sent in one list
--   talk.core            the functions of spec/support/h2_talk.c

local ffi = require "ffi"
require "spec.support.core"
local frames = require "spec.support.h2_frames"
local hpack = require "spec.support.hpack"

pcall(ffi.cdef, [[
void talk_begin(bool is_client, unsigned streams_max, unsigned stream_window, unsigned connection_window,
                unsigned head_max, bool offers_connect, bool acts, bool takes, int send_buffer);
void talk_end(void);
void talk_feed(const char *bytes, size_t length);
void talk_turn(void);
size_t talk_read(char *out, size_t most);
const char *talk_report(void);
bool talk_has(unsigned id);
unsigned talk_open(const char *lines, bool is_end);
void talk_connect(const char *lines);
bool talk_may_open(unsigned first);
void talk_head(unsigned id, const char *lines, bool is_end);
void talk_body(unsigned id, const char *bytes, size_t length);
void talk_end_body(unsigned id, const char *trailers);
size_t talk_backlog(unsigned id);
void talk_consumed(unsigned id, size_t bytes);
void talk_reset(unsigned id, unsigned code);
void talk_release_id(unsigned id);
void talk_drain(void);
void talk_ping(void);
void talk_refuse(bool does);
unsigned talk_open_streams(void);
bool talk_is_paused(void);
bool talk_is_alive(void);
int talk_window(void);
void talk_age(unsigned ms);
void talk_move_time(unsigned seconds);
]])

local talk = {}
local Talk = {}
Talk.__index = Talk

local function load_core()
  local path = os.tmpname()
  local command = ("%s -std=c11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Werror -Icore $(pkg-config --cflags libuv) %s " ..
    "-shared -fPIC -Wl,-Bsymbolic -o %s spec/support/h2_talk.c"):format(
    os.getenv "CC" or "gcc", os.getenv "TALK_CFLAGS" or "", path)
  local status = os.execute(command)
  assert(status == 0 or status == true, command)
  local library = ffi.load(path)
  os.remove(path)
  return library
end

talk.core = load_core()
local core = talk.core
local ROOM = 1048576
local room = ffi.new("char[?]", ROOM)

function talk.begin(options)
  options = options or {}
  local self = setmetatable({ decoder = hpack.decoder(4096), rest = "" }, Talk)
  self.is_client = options.role == "client"
  core.talk_begin(self.is_client, options.streams or 100, options.window or 65535, options.connection or 65535,
    options.head or 4096, options.connect or false, options.answers or false, options.consumes ~= false,
    options.sndbuf or 0)
  return self
end

function Talk:feed(...)
  local bytes = table.concat { ... }
  core.talk_feed(bytes, #bytes)
end

function Talk:bytes(text)
  for i = 1, #text do core.talk_feed(text:sub(i, i), 1) end
end

function Talk.events()
  local list = {}
  for line in ffi.string(core.talk_report()):gmatch "[^\n]+" do list[#list + 1] = line end
  return list
end

function Talk.raw()
  local pieces = {}
  repeat
    core.talk_turn()
    local length = tonumber(core.talk_read(room, ROOM))
    pieces[#pieces + 1] = ffi.string(room, length)
  until length == 0
  return table.concat(pieces)
end

local FLAGS = {
  DATA = { "END_STREAM" }, HEADERS = { "END_STREAM", "END_HEADERS" }, CONTINUATION = { "END_HEADERS" },
  SETTINGS = { "ACK" }, PING = { "ACK" },
}

local function fields_of(self, frame)
  local list, why = self.decoder:decode(self.block .. frame.payload)
  local texts = {}
  for _, field in ipairs(assert(list, why)) do texts[#texts + 1] = field[1] .. ": " .. field[2] end
  return table.concat(texts, "|")
end

local function said(self, frame)
  local payload, kind = frame.payload, frame.type
  if kind == "HEADERS" or kind == "CONTINUATION" then
    self.block = kind == "HEADERS" and "" or self.block
    if frame:has "END_HEADERS" then return fields_of(self, frame) end
    self.block = self.block .. payload
    return #payload
  elseif kind == "DATA" then
    return #payload > 40 and #payload or payload
  elseif kind == "RST_STREAM" then
    return frames.error_name(frames.number(payload, 1, 4))
  elseif kind == "WINDOW_UPDATE" then
    return frames.number(payload, 1, 4)
  elseif kind == "GOAWAY" then
    return ("%d %s %s"):format(frames.number(payload, 1, 4), frames.error_name(frames.number(payload, 5, 4)),
      payload:sub(9))
  elseif kind == "SETTINGS" then
    local list = {}
    for at = 1, #payload, 6 do
      list[#list + 1] = frames.setting_name(frames.number(payload, at, 2)) .. "=" .. frames.number(payload, at + 2, 4)
    end
    return table.concat(list, ",")
  end
  return payload
end

function Talk:sent()
  local bytes, list = self.rest .. self.raw(), {}
  if bytes:sub(1, #frames.PREFACE) == frames.PREFACE then bytes = bytes:sub(#frames.PREFACE + 1) end
  local at = 1
  while true do
    local frame = frames.next(bytes, at)
    if not frame then break end
    at = frame.stop
    local words = { frame.type, frame.stream ~= 0 and frame.stream or nil }
    for _, flag in ipairs(FLAGS[frame.type] or {}) do
      if frame:has(flag) then words[#words + 1] = flag end
    end
    local text = tostring(said(self, frame))
    if text ~= "" then words[#words + 1] = text end
    list[#list + 1] = table.concat(words, " "):gsub(" $", "")
  end
  self.rest = bytes:sub(at)
  return list
end

function Talk:greet(settings)
  self:feed((self.is_client and "" or frames.PREFACE) .. frames.settings(settings or {}))
  self:feed(frames.settings_ack())
  self:sent()
  self.events()
end

function Talk:play(...)
  self:feed(...)
  local list = self.events()
  for _, line in ipairs(self:sent()) do list[#list + 1] = line end
  return list
end

-- What a client of specs sends: the fields of a request, a whole GET, the head of a POST.
function talk.fields(method)
  return { { ":method", method or "GET" }, { ":scheme", "https" }, { ":authority", "x" }, { ":path", "/" } }
end

function talk.get(id) return frames.headers(id, talk.fields(), { last = true }) end
function talk.post(id) return frames.headers(id, talk.fields "POST") end

-- A server whose client has said its preface and settings.
function talk.server(options)
  local t = talk.begin(options)
  t:greet()
  return t
end

return talk
