-- h2_cases - shorthand for tables of cases of HTTP/2 (spec/support/h2_conformance.lua says what a
-- case has). The request of a case is on stream 3: stream 1 is the canary's.
--
--   local cases = require("spec.support.h2_cases").new()
--   cases:passes(rule, name, send, backend, more)     reaches the backend so, is answered
--   cases:stream_error(rule, name, send, code, more)  RST_STREAM, and nothing for the backend
--   cases:connection_error(rule, name, send, code, more)   GOAWAY, the end, and nothing there
--   cases:own(rule, name, send, status, more)         an answer of lb's, and nothing there
--   cases:add(case)
--   fields(text)               "name: value" lines to a list of pairs
--   head(text, more)           HEADERS on stream 3, or more.stream, with GET http / x and these
--                              fields. text: lines or a list of pairs. more: method, scheme, path,
--                              authority (false: none), and what frames.headers takes; ends the
--                              stream unless more.open_end
--   block(text, more)          the block of such a head
--   forwarded(text, method, path)   how a head reaches the backend; text: lines with their ends
--   length(n), CHUNKED, chunks(body, trailers)   its framing there
--   HELD                       an answer that never comes
--   answer(body, more)         what stream 3 gets for it: as the recorder answers
--   after.settings(), acked(n), head(id), done(id), data(id, n), backend(text), frame(type, n)
--                              pieces that wait;  after.ping(text): two pieces, the first one bytes

local frames = require "spec.support.h2_frames"
local h2_peer = require "spec.support.h2_peer"
local hpack = require "spec.support.hpack"

local cases = {}
cases.__index = cases

function cases.new() return setmetatable({}, cases) end

function cases:add(case) self[#self + 1] = case end

local function with(case, more)
  for name, value in pairs(more or {}) do case[name] = value end
  return case
end

function cases.answer(body, more)
  return with({
    status = 200, body = body,
    fields = { { ":status", "200" }, { "via", "1.1 lb" }, { "content-length", tostring(#body) } },
  }, more)
end

local function answers_to(backend)
  local text = type(backend) == "table" and backend[1] or backend
  return cases.answer(text:match "^%S+ %S+")
end

function cases:passes(rule, name, send, backend, more)
  self:add(with({ rule = rule, name = name, send = send, backend = backend,
    streams = { [3] = not (more and more.streams) and answers_to(backend) or nil } }, more))
end

function cases:stream_error(rule, name, send, code, more)
  self:add(with({ rule = rule, name = name, send = send, backend = false, streams = { [3] = { reset = code } } }, more))
end

function cases:connection_error(rule, name, send, code, more)
  self:add(with({ rule = rule, name = name, send = send, backend = false, goaway = code }, more))
end

function cases:own(rule, name, send, status, more)
  self:add(with({ rule = rule, name = name, send = send, backend = false, streams = { [3] = { own = status } } }, more))
end

function cases.fields(text)
  if type(text) == "table" then return text end
  local list = {}
  for line in (text or ""):gmatch "[^\n]+" do
    local name, value = line:match "^(:?[^:]*): ?(.*)$"
    list[#list + 1] = { name, value }
  end
  return list
end

local function all_fields(text, more)
  local list = {}
  local function add(name, value)
    if value then list[#list + 1] = { name, value } end
  end
  local function given(name, default)
    if more[name] == nil then return default end
    return more[name]
  end
  add(":method", given("method", "GET"))
  add(":scheme", given("scheme", "http"))
  add(":path", given("path", "/"))
  add(":authority", given("authority", "x"))
  for _, field in ipairs(cases.fields(text)) do list[#list + 1] = field end
  return list
end

function cases.block(text, more) return hpack.block(all_fields(text, more or {}), more) end

function cases.head(text, more)
  more = with({ last = true }, more)
  if more.open_end then more.last = false end
  return frames.headers(more.stream or 3, cases.block(text, more), more)
end

function cases.forwarded(text, method, path)
  return ("%s %s HTTP/1.1\r\nHost: x\r\n%s%%added%%\r\n"):format(method or "GET", path or "/", text or "")
end

function cases.length(n) return ("Content-Length: %d\r\n"):format(n) end
cases.CHUNKED = "Transfer-Encoding: chunked\r\n"

-- A body as it reaches the backend when its length was not known.
function cases.chunks(body, trailers)
  local chunk = #body > 0 and ("%x\r\n%s\r\n"):format(#body, body) or ""
  return chunk .. "0\r\n" .. (trailers or "") .. "\r\n"
end

cases.HELD = { "", { peer_got = "\255never\255" } }

local after = {}
cases.after = after

function after.settings() return function(peer) return #peer.frames > 0 end end
function after.acked(n) return function(peer) return peer.acks >= (n or 1) end end
function after.head(id) return function(peer) return peer:stream(id).fields end end

function after.done(id)
  return function(peer) return (peer:stream(id).ended or peer:stream(id).reset) ~= nil end
end

function after.data(id, n)
  return function(peer) return #h2_peer.body(peer:stream(id)) >= n end
end

function after.backend(text)
  return function(_, backend) return backend:text():find(text, 1, true) end
end

function after.frame(kind, n)
  return function(peer)
    local count = 0
    for _, frame in ipairs(peer.frames) do
      if frame.type == kind then count = count + 1 end
    end
    return count >= (n or 1)
  end
end

-- lb has read, and acted upon, all that was sent before.
function after.ping(text)
  local payload = ((text or "piece") .. "........"):sub(1, 8)
  return frames.ping(payload), function(peer)
    for _, pong in ipairs(peer.pongs) do
      if pong == payload then return true end
    end
  end
end

return cases
