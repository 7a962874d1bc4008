-- h2_verdict - what was wrong with a mutated conversation of HTTP/2 (spec/support/campaign.lua), by
-- the independent reader of spec/support/h2_peer.lua.
--
--   h2_verdict.conversations(run, lane)   a list of { what, detail }
--   h2_verdict.asked(bytes)               what the client has sent, as a server's h2_peer reads it
--   h2_verdict.has_all(lane)              has every whole request an end?

local frames = require "spec.support.h2_frames"
local h2_peer = require "spec.support.h2_peer"
local mutate = require "spec.support.mutate"
local reader = require "spec.support.reader"

local h2_verdict = {}

-- Even of what was not mutated: it has frames behind an end, and blocks that are none.
local MAY_END = { NO_ERROR = true, STREAM_CLOSED = true, COMPRESSION_ERROR = true }

-- A frame of DATA that is cut has carried bytes all the same. If only its padding is cut, its end,
-- too.
local function take_begun(peer)
  local bytes = peer.pending
  if #bytes < 10 or bytes:byte(4) ~= frames.TYPES.DATA then return end
  local flags = bytes:byte(5)
  local is_padded = math.floor(flags / frames.FLAGS.PADDED) % 2 == 1
  local stream = peer:stream(frames.number(bytes, 6, 4) % 2 ^ 31)
  if stream.ended then return end
  local last = 9 + frames.number(bytes, 1, 3) - (is_padded and bytes:byte(10) or 0)
  stream.body = h2_peer.body(stream) .. bytes:sub(is_padded and 11 or 10, last)
  stream.parts = { stream.body }
  stream.ended = #bytes >= last and flags % 2 == 1 or nil
end

function h2_verdict.asked(bytes)
  local peer = h2_peer.new { role = "server", send = function() end, acks = false, credit = false }
  if bytes:sub(1, #frames.PREFACE) == frames.PREFACE then
    local ok, err = pcall(peer.take, peer, bytes)
    if not ok then peer:fault("the reader: %s", tostring(err)) end
    take_begun(peer)
  else
    peer:fault "no preface"
  end
  return peer
end

function h2_verdict.has_all(lane)
  local peer = lane.client.peer
  if #peer.goaways > 0 then return true end
  for id, sent in pairs(lane.asked.streams) do
    if sent.fields and sent.ended then
      local got = peer:stream(id)
      if not got.ended and not got.reset then return false end
    end
  end
  return true
end

local function shown_of(lane)
  return ("sent %s; ended: %s, %s\n        got %s"):format(mutate.escaped(lane.bytes), lane.ending,
    lane.exchange and lane.exchange.ended or "?", mutate.escaped(lane.exchange and lane.exchange.got or ""))
end

-- The stream whose request this is. A body that is not whole is a beginning.
local function stream_of(lane, seen)
  for _, stream in pairs(lane.asked.streams) do
    if stream.path == seen.target and (stream.method == seen.method or stream.protocol) then
      local body = h2_peer.body(stream)
      local has_come = seen.body or ""
      -- Of a known length it is whole with its last byte, whatever comes behind that.
      local may_be_part = not seen.is_whole or reader.value(seen, "content-length")
      if body == has_come or may_be_part and body:sub(1, #has_come) == has_come then return stream end
    end
  end
end

local NEVER = { "keep-alive", "proxy-connection", "proxy-authorization", "http2-settings" }

local function judge_backend(find, lane)
  for _, record in ipairs(lane.records) do
    local seen = record.message
    if not record.is_canary and seen.has_head then
      local stream = stream_of(lane, seen)
      if not stream then
        find("a backend saw a request that the client did not send: %s %s, %s", seen.method,
          mutate.escaped(seen.target),
          mutate.escaped(seen.body or ""))
      elseif seen.is_whole and not stream.ended and not reader.value(seen, "content-length") then
        find("a request looks whole that the client did not end: %s", seen.target)
      end
      for _, name in ipairs(NEVER) do
        if reader.value(seen, name) then find("%s reached a backend", name) end
      end
      for _, name in ipairs { "host", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host" } do
        if #reader.values(seen, name) ~= 1 then find("%d fields %s", #reader.values(seen, name), name) end
      end
    end
  end
end

local function judge_answers(run, find, lane)
  local client = lane.exchange
  for id, got in pairs(client.peer.streams) do
    local serial = tonumber(h2_peer.field(got.fields, "x-serial") or "")
    local sent, record = lane.asked.streams[id], lane.by_serial[serial or 0]
    if got.status and not serial then
      run:count("lb answered " .. got.status)
    elseif serial and (not record or record.is_canary or not sent or record.message.target ~= sent.path) then
      find("stream %d has the answer to another request", id)
    elseif record and got.ended and not got.reset then
      local is_whole = got.asked == "HEAD" or h2_peer.body(got) == record.answer_body
      if record.style == "truncated" and got.asked ~= "HEAD" then find "a body that was cut short looks whole" end
      if record.style ~= "truncated" and not is_whole then find("another body than the backend's: %s",
        h2_peer.body(got)) end
    end
    if got.reset then run:count("RST_STREAM " .. got.reset) end
  end
end

function h2_verdict.conversations(run, lane)
  local list = {}
  local function find(what, ...) list[#list + 1] = { what:format(...), shown_of(lane) } end
  local client = lane.exchange
  if lane.sent:sub(1, 4) ~= "PRI " then return {} end -- it is HTTP/1.1
  -- With its own words behind the mutated ones: they may have become a part of a frame.
  lane.asked = h2_verdict.asked(lane.sent)
  run:count(#lane.asked.faults == 0 and "sent: right" or "sent: wrong")
  for _, fault in ipairs(client.peer.faults) do find("against RFC 9113: %s", fault) end
  judge_backend(find, lane)
  judge_answers(run, find, lane)
  local last = client.peer.goaways[#client.peer.goaways]
  if last then run:count("GOAWAY " .. last.code) end
  if last and last.code == "INTERNAL_ERROR" then find "GOAWAY INTERNAL_ERROR" end
  if not lane.is_mutated and last and not MAY_END[last.code] then
    find("a conversation that is right was ended by GOAWAY %s %s", last.code, last.debug)
  end
  return list
end

return h2_verdict
