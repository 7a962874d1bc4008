-- campaign_peers - the connections of a campaign (spec/support/campaign.lua): clients, and the
-- backends of lanes.
--
-- The backend of a lane reads with the strict reader what comes, says at once what is malformed or
-- has two readings, and answers each request with a number of its own. The client that gets an
-- answer can say by this number which request it belongs to.

local ffi = require "ffi"
local uv = require "luv"
local mutate = require "spec.support.mutate"
local reader = require "spec.support.reader"
local readings = require "spec.support.readings"

local peers = { CANARY = "/canary-" }

-- An error in a callback would end the process without a word.
local function guarded(self, lane, fn)
  return function(...)
    local ok, err = xpcall(fn, debug.traceback, ...)
    if not ok then
      self:find(lane, "an error in the campaign itself", err)
      self.is_over = true
    end
  end
end

function peers.close(handle)
  if not handle:is_closing() then handle:close() end
end

function peers.reset(handle)
  if handle:is_closing() then return end
  local called, done = pcall(handle.close_reset, handle)
  if not (called and done) then handle:close() end -- it was shut already
end

-- libuv says EOF, too, of a reset that came together with the last bytes. A broken pipe is an end
-- that came first.
ffi.cdef "int getsockopt(int socket, int level, int option, void *value, unsigned *length);"
local SOL_SOCKET, SO_ERROR, EPIPE = 1, 4, 32
local value, length = ffi.new "int[1]", ffi.new("unsigned[1]", 4)

local function how_it_ended(handle, failure)
  if failure then return "reset" end
  value[0] = 0
  local asked = ffi.C.getsockopt(uv.fileno(handle), SOL_SOCKET, SO_ERROR, value, length)
  return asked == 0 and value[0] ~= 0 and value[0] ~= EPIPE and "reset" or "end"
end

-- Sends pieces, each in a turn of its own, then calls done.
local function send_pieces(self, lane, handle, pieces, done, at)
  at = at or 1
  if handle:is_closing() then return end
  if at > #pieces then return done and done() end
  handle:write(pieces[at], guarded(self, lane, function(err)
    if not err then send_pieces(self, lane, handle, pieces, done, at + 1) end
  end))
end

-- --- clients ---

-- A connection from the lane's address that reads until its end; on_end(client).
function peers.open_client(self, lane, who, on_open, on_end)
  local handle = uv.new_tcp()
  local client = { handle = handle, parts = {}, who = who, began = uv.now() }
  lane.client = client
  lane.connections = lane.connections + 1
  local nth = lane.connections
  handle:bind(("127.%d.%d.%d"):format(lane.index, math.floor(nth / 250) % 250, nth % 250 + 1), 0)
  local function ended(how)
    if client.ended then return end
    client.ended = how
    client.got = table.concat(client.parts)
    self:note(lane, who, "sees the " .. how)
    peers.close(handle)
    on_end(client)
  end
  client.finish = ended
  local ok, fault = handle:connect(self.host, self.port, guarded(self, lane, function(err)
    if err then return ended("refusal: " .. err) end
    handle:nodelay(true)
    handle:read_start(guarded(self, lane, function(failure, bytes)
      if handle:is_closing() then return end
      if not bytes then return ended(how_it_ended(handle, failure)) end
      self:note(lane, who, "gets", bytes)
      table.insert(client.parts, bytes)
      if client.on_bytes then client.on_bytes(client) end
    end))
    on_open(client)
  end))
  if not ok then ended("refusal: " .. fault) end
end

function peers.client_sends(self, lane, client, pieces, done)
  for _, piece in ipairs(pieces) do self:note(lane, client.who, "sends", piece) end
  send_pieces(self, lane, client.handle, pieces, done)
end

function peers.shut(handle)
  if not handle:is_closing() then handle:shutdown(function() end) end
end

-- --- backends ---

-- The number of the answer to a request: the client that gets it can say whose answer it is.
local function serial_of(self, lane, record, style)
  self.serial = self.serial + 1
  self:count("answered: " .. style)
  record.serial = self.serial
  lane.by_serial[self.serial] = record
  record.answer_body = "answer " .. self.serial
  return self.serial, record.answer_body
end

local ANSWERS = {
  counted = "HTTP/1.1 200 OK\r\nX-Serial: %d\r\nContent-Length: %d\r\n\r\n%s",
  closing = "HTTP/1.1 200 OK\r\nX-Serial: %d\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s",
  hinted = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" ..
    "HTTP/1.1 200 OK\r\nX-Serial: %d\r\nContent-Length: %d\r\n\r\n%s",
  chunked = "HTTP/1.1 200 OK\r\nX-Serial: %d\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n" ..
    "%x;a=b\r\n%s\r\n0\r\nX: y\r\n\r\n",
  until_close = "HTTP/1.1 200 OK\r\nX-Serial: %d\r\nX-Length: %d\r\n\r\n%s",
  early = "HTTP/1.1 413 Too Much\r\nX-Serial: %d\r\nContent-Length: %d\r\n\r\n%s",
  truncated = "HTTP/1.1 200 OK\r\nX-Serial: %d\r\nContent-Length: 1%d\r\n\r\n%s",
}
local STYLES = {
  "counted", "counted", "counted", "closing", "hinted", "chunked", "chunked", "until_close", "early", "truncated",
}
local ENDS = { closing = true, until_close = true, truncated = true }

local function backend_writes(self, conn, bytes)
  self:note(conn.lane, conn.who, "sends", bytes)
  conn.handle:write(bytes)
end

function peers.backend_ends(self, conn)
  self:note(conn.lane, conn.who, "ends")
  conn.has_ended = true
  peers.shut(conn.handle)
end

local function answer(self, conn, record, style)
  local serial, body = serial_of(self, conn.lane, record, style)
  local is_head = record.message.method == "HEAD"
  if is_head then style = "counted" end
  local bytes = ANSWERS[style]:format(serial, #body, body)
  record.style = style
  if is_head then bytes = bytes:match "^(.-\r\n\r\n)" end
  backend_writes(self, conn, bytes)
  if ENDS[style] then
    conn.is_spoiled = true
    peers.backend_ends(self, conn)
  end
end

local SWITCHING = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: %s\r\nX-Serial: %d\r\n\r\nhello"

local function switch(self, conn, record)
  local serial = serial_of(self, conn.lane, record, "tunnel")
  local protocol = reader.value(record.message, "upgrade"):match "[^, ]+"
  record.style = "tunnel"
  conn.tunnel = record
  record.tunnelled = {}
  backend_writes(self, conn, SWITCHING:format(protocol, serial))
end

-- The bytes of the mutated response, then what the number decides of its connection.
local function misbehave(self, conn, record)
  local lane = conn.lane
  record.is_mutated = true
  conn.is_spoiled = lane.spoils
  conn.is_sending = true
  for _, piece in ipairs(lane.pieces) do self:note(lane, conn.who, "sends", piece) end
  send_pieces(self, lane, conn.handle, lane.pieces, function()
    conn.is_sending = false
    lane.sent_at = uv.now()
    lane.answering = conn
    if lane.ending == "fin" then
      peers.backend_ends(self, conn)
    elseif lane.ending == "reset" then
      self:note(lane, conn.who, "resets")
      peers.reset(conn.handle)
    end
  end)
end

local function take_request(self, conn, message)
  local lane = conn.lane
  local record = { message = message, conn = conn }
  table.insert(lane.records, record)
  conn.record = nil
  if message.target:find(peers.CANARY, 1, true) == 1 then
    record.is_canary = true
    return answer(self, conn, record, "counted")
  end
  if self.kind == "responses" then
    if message.target:find("/mutated-", 1, true) == 1 then return misbehave(self, conn, record) end
    return answer(self, conn, record, "counted")
  end
  local early = conn.early
  if early then
    conn.early, early.message = nil, message
    return
  end
  local style = STYLES[lane.behaviour:below(#STYLES) + 1]
  if reader.value(message, "upgrade") and lane.behaviour:below(3) > 0 then return switch(self, conn, record) end
  answer(self, conn, record, style == "early" and "counted" or style)
end

-- The head is here, the body is not whole yet.
local function take_head(self, conn, message)
  local lane = conn.lane
  conn.head_seen = true
  if message.target:find(peers.CANARY, 1, true) == 1 or self.kind == "responses" then return end
  local what = lane.behaviour:below(6)
  if reader.value(message, "expect") and what < 4 then
    backend_writes(self, conn, "HTTP/1.1 100 Continue\r\n\r\n")
  elseif what == 5 then
    conn.early = { message = message, conn = conn }
    answer(self, conn, conn.early, "early")
  end
end

local function feed(self, conn)
  local lane = conn.lane
  while conn.bytes ~= "" and not conn.tunnel do
    local list, how, why = reader.requests(conn.bytes, nil, 0)
    local message = list[1]
    if how == "bad" and not message.is_whole then
      self:find(lane, "malformed bytes at a backend: " .. why, mutate.escaped(conn.bytes))
      return peers.reset(conn.handle)
    end
    if not message.is_whole then
      if message.has_head and not conn.head_seen then take_head(self, conn, message) end
      return
    end
    local rest = conn.bytes:sub(message.to + 1)
    local disagreement = readings.of_requests(conn.bytes:sub(1, message.to), { message }, "whole")
    if disagreement then
      self:find(lane, "two readings of a request at a backend: " .. disagreement, mutate.escaped(conn.bytes))
    end
    if rest ~= "" and not conn.early then
      self:find(lane, "bytes behind a request, before its answer", mutate.escaped(conn.bytes))
    end
    conn.bytes, conn.head_seen = rest, false
    take_request(self, conn, message)
  end
end

local function on_backend_bytes(self, conn, bytes)
  local lane = conn.lane
  self:note(lane, conn.who, "gets", bytes)
  if conn.is_spoiled and lane.expected and lane.expected.how == "tunnel" then
    table.insert(lane.tunnelled, bytes)
    return
  end
  if conn.is_spoiled and conn.bytes == "" and not conn.is_sending and not conn.early then
    self:find(lane, "a request over a connection that takes no more", mutate.escaped(bytes))
  end
  if conn.tunnel then
    table.insert(conn.tunnel.tunnelled, bytes)
    return
  end
  conn.bytes = conn.bytes .. bytes
  feed(self, conn)
end

local function on_backend_end(self, conn, how)
  local lane = conn.lane
  self:note(lane, conn.who, "sees the " .. how)
  lane.conns[conn] = nil
  if conn.bytes ~= "" then
    local list = reader.requests(conn.bytes, nil, 0)
    table.insert(lane.records, { message = list[1], conn = conn, is_cut = true })
  end
  if conn.tunnel then conn.tunnel.how = how end
  peers.close(conn.handle)
end

function peers.open_backend(self, lane)
  local server = uv.new_tcp()
  assert(server:bind("127.0.0.1", 0))
  assert(server:listen(128, guarded(self, lane, function(err)
    assert(not err, err)
    local handle = uv.new_tcp()
    assert(server:accept(handle))
    handle:nodelay(true)
    lane.accepted = lane.accepted + 1
    local conn = { lane = lane, handle = handle, bytes = "", who = "backend" .. lane.accepted }
    lane.conns[conn] = true
    handle:read_start(guarded(self, lane, function(failure, bytes)
      if bytes then return on_backend_bytes(self, conn, bytes) end
      if not handle:is_closing() then on_backend_end(self, conn, how_it_ended(handle, failure)) end
    end))
  end)))
  lane.server = server
  lane.port = server:getsockname().port
end

return peers
