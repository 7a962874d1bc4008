-- h2_conformance - cases of HTTP/2, each played between a raw client, a proxy and a raw HTTP/1.1
-- backend (spec.support.recorder), as spec.support.conformance does it for HTTP/1.1.
--
-- spec/cases/h2_*.lua return lists of cases. A case has
--   rule, name   as there
--   send      what the client sends behind its preface, its SETTINGS and the canary's beginning:
--             bytes, or a list of pieces: bytes, or functions of spec.support.h2_cases that wait
--             for something, or that make bytes of what has come: fn(peer, backend)
--   raw       true: what is sent stands alone, without preface and canary
--   settings  of the client: a list of pairs;  credit = false: it gives none by itself; acks too
--   beside    false: no canary beside;  no_more = true: no request behind
--   answer, answers, answer_ends, answer_resets     of the backend, as in spec.support.conformance
--   backend   the exact bytes that the backend must see but for canaries, or a list of accepted
--             ones; false, or without: not one. %added% and %backend% as there
--             backend_all: a list of requests in any order;  backend_cut: as there;
--             backend_any: check looks at it
--   streams   what becomes of each stream, by id:
--             status, body, trailers, interim (text);  fields: all pairs but for date
--             own = a status: an answer of the proxy's;  refused = true: 400, or the next one with
--             PROTOCOL_ERROR;  reset = a code, or a list of them;  none: not one frame
--             unfinished = true: is still open at the end;  any = true: whatever comes
--   goaway    a code or a list: a GOAWAY with it must come, and then the connection's end. Streams
--             that have ended before are compared, and nothing is said of others
--             last: what its last stream id must be
--   may_end   true: the connection may end, and may not
--   ends      true: the connection must end, GOAWAY or not;  h1 = a status: by an HTTP/1.1 answer
--   check     fn(peer, complain, seen): what else must hold at the end
--   limits    settings that it needs (text of a script's table)
--   ways      how it is sent: "whole" and "bytes" (one at a time, long ones in a few pieces)
-- The canary beside, stream 1, has sent half of its body before the case begins; it must get its
-- answer when the other half has come, unless the connection is to end. A GET behind it, on a new
-- stream, must be served, too, and a request over HTTP/1.1 on another connection, to the same
-- backend.
--
--   h2_conformance.load()      the cases
--   h2_conformance.play(case, proxy, backend, way)   what was seen. proxy: { address,
--                              connect = fn(address), address_h1, connect_h1, proto = "http",
--                              is_lb, is_loose = true: a peer of lb's, not judged by bytes }
--   h2_conformance.judge(case, seen, proxy, backend) nil, or what is wrong
--   h2_conformance.specs(title, options)             as specs, against lb. options: ways, every = n
--                              (only each n-th case), is_tls, start = fn(limits, backends): a proxy

local uv = require "luv"
local conformance = require "spec.support.conformance"
local frames = require "spec.support.h2_frames"
local h2_judge = require "spec.support.h2_judge"
local h2_peer = require "spec.support.h2_peer"
local loop = require "spec.support.loop"
local messages = require "spec.support.messages"
local recorder = require "spec.support.recorder"
local wire = require "spec.support.wire"

local h2_conformance = { judge = h2_judge.judge }

local LONG = 1200 -- bytes; what is longer is not sent a byte at a time
local PATIENCE = tonumber(os.getenv "LB_PATIENCE") or 20
local FIRST, SECOND = "can", "ary"

local function list_of(value) return type(value) == "table" and value or { value } end

local function wait_up_to(seconds, what, ready)
  local deadline = loop.now() + seconds * loop.slow
  loop.wait(what, function() return ready() or loop.now() > deadline end, seconds + 5)
end

-- --- what was seen at the backend ---

-- The requests that came over one connection, but for canaries.
local function requests_of(bytes)
  local list, at = {}, 1
  while at <= #bytes do
    local message = messages.next(bytes, at)
    if not message then break end
    local _, head = bytes:find("\r\n\r\n", at, true)
    local stop = math.max(message.stop, head + 1)
    if not (message.target or ""):find "^/canary%-" then list[#list + 1] = bytes:sub(at, stop - 1) end
    at = stop
    if message.broken or not message.complete then break end
  end
  if at <= #bytes then
    if #list > 0 then list[#list] = list[#list] .. bytes:sub(at) else list[1] = bytes:sub(at) end
  end
  return list
end

local function backend_requests(backend)
  local all, bytes, conns = {}, {}, {}
  for _, entry in ipairs(backend.log) do
    if not bytes[entry.conn] then
      bytes[entry.conn] = {}
      conns[#conns + 1] = entry.conn
    end
    table.insert(bytes[entry.conn], entry.bytes)
  end
  for _, conn in ipairs(conns) do
    for _, request in ipairs(requests_of(table.concat(bytes[conn]))) do all[#all + 1] = messages.merge(request) end
  end
  return all
end

-- --- playing ---

local canaries = 0

local function canary_head(id, method, more)
  canaries = canaries + 1
  local fields = {
    { ":method", method }, { ":scheme", "http" }, { ":path", "/canary-" .. canaries }, { ":authority", "canary.test" },
  }
  for _, field in ipairs(more.fields or {}) do fields[#fields + 1] = field end
  return frames.headers(id, fields, { last = not more.open }), method .. " /canary-" .. canaries
end

local Play = {}
Play.__index = Play

local function begin(case, proxy)
  local self = setmetatable({ case = case, queue = {}, raw = {} }, Play)
  local conn, err = (proxy.connect or wire.connect)(proxy.address)
  if not conn then error("no connection: " .. tostring(err), 0) end
  self.conn = conn
  if conn.handle.nodelay then conn.handle:nodelay(true) end
  self.peer = h2_peer.new {
    role = "client", acks = case.acks, credit = case.credit,
    send = function(bytes)
      if self.is_sending then table.insert(self.queue, bytes) else self:say(bytes) end
    end,
  }
  local early = conn:peek()
  if #early > 0 then conn:exactly(#early) end
  local function take(bytes)
    self.raw[#self.raw + 1] = bytes
    if not case.h1 then self.peer:take(bytes) end
  end
  conn.on_bytes = take
  if #early > 0 then take(early) end
  return self
end

function Play:say(bytes)
  self.peer:said(bytes)
  self.conn:send(bytes)
end

-- Ends of pieces: the same ones for the same text.
local function cuts_of(text)
  local seed, cuts, at = #text, {}, 0
  while at < #text do
    seed = (seed * 1103515245 + 12345) % 2147483648
    at = at + 1 + seed % math.ceil(#text / 6)
    cuts[#cuts + 1] = math.min(at, #text)
  end
  return cuts
end

local function write_piece(self, piece)
  if self.conn.handle.tcp then return self.conn:send(piece) end -- TLS
  while #piece > 0 and not self.conn.ended do
    local taken, _, name = self.conn.handle:try_write(piece)
    if not taken and name ~= "EAGAIN" then return end
    piece = piece:sub((taken or 0) + 1)
    if not taken then uv.run "nowait" end
  end
end

function Play:dribble(bytes)
  self.peer:said(bytes)
  self.conn:drained()
  loop.note(self.conn.who, ("sends in pieces: %s"):format(bytes:sub(1, 160)))
  local cuts, from = #bytes > LONG and cuts_of(bytes), 1
  for n = 1, cuts and #cuts or #bytes do
    local to = cuts and cuts[n] or n
    write_piece(self, bytes:sub(from, to))
    from = to + 1
    if n % 4 == 0 then uv.run "nowait" end
  end
end

function Play:flush()
  local queued = table.concat(self.queue)
  self.queue = {}
  if #queued > 0 then self:say(queued) end
end

-- The pieces; bytes next to each other are one.
local function pieces_of(case)
  local opening = ""
  if not case.raw then
    opening = frames.PREFACE .. frames.settings(case.settings)
    if case.beside ~= false then
      local head, text = canary_head(1, "POST", { open = true,
        fields = { { "content-length", #FIRST + #SECOND .. "" } } })
      opening = opening .. head .. frames.data(1, FIRST)
      case.canary = text
    end
  end
  local pieces = { opening }
  for _, piece in ipairs(list_of(case.send)) do
    if type(piece) == "string" and type(pieces[#pieces]) == "string" then
      pieces[#pieces] = pieces[#pieces] .. piece
    else
      pieces[#pieces + 1] = piece
    end
  end
  return pieces
end

function Play:send(pieces, way, backend)
  for _, piece in ipairs(pieces) do
    if type(piece) == "function" then
      local bytes
      wait_up_to(PATIENCE, "a piece of the case", function()
        bytes = piece(self.peer, backend, self.conn)
        return bytes or self.conn.ended
      end)
      piece = type(bytes) == "string" and bytes or ""
    end
    if self.conn.ended then return end
    if #piece > 0 then
      self.is_sending = true
      if way == "bytes" then self:dribble(piece) else self:say(piece) end
      self.is_sending = false
      self:flush()
    end
  end
end

-- Is there something to judge of this stream?
local function has_come(stream, wanted)
  if wanted.none or wanted.any or wanted.unfinished then return true end
  return stream.ended or stream.reset
end

local function is_over(self, backend, wanted, proxy)
  local case, peer = self.case, self.peer
  if self.conn.ended then return true end
  if case.goaway or case.ends or case.h1 then return false end
  if #peer.goaways > 0 then return true end
  for id, one in pairs(case.streams or {}) do
    if not has_come(peer:stream(id), one) then return false end
    if one.reset and one.status and not peer.streams[id].reset then return false end
  end
  local seen = backend_requests(backend)
  -- What is cut may never have begun.
  if case.backend_any or case.backend_cut then return true end
  if case.backend_all then return #seen >= #case.backend_all end
  local text = table.concat(seen)
  local may_become = false
  for _, one in ipairs(wanted) do
    if text == one or proxy.is_loose and (text ~= "" or one == "") then return true end
    may_become = may_become or one:sub(1, #text) == text or one:find("chunked", 1, true)
  end
  return not may_become -- wrong already: not worth a wait
end

local function odd_above(n) return n % 2 == 0 and n + 1 or n + 2 end

-- The canaries on this connection, and a PING behind them.
local function end_canaries(self, seen)
  local peer, wanted = self.peer, {}
  local function add(id, text, bytes)
    wanted[#wanted + 1] = { id = id, text = text }
    self:say(bytes)
  end
  if self.case.canary then add(1, self.case.canary, frames.data(1, SECOND, { last = true })) end
  local id = odd_above(peer.highest)
  if not self.case.no_more then
    local head, text = canary_head(id, "GET", {})
    add(id, text, head)
  end
  self:say(frames.ping "barrier!")
  wait_up_to(PATIENCE, "the canaries' answers", function()
    if self.conn.ended then return true end
    for _, one in ipairs(wanted) do
      local stream = peer:stream(one.id)
      if not stream.ended and not stream.reset then return false end
    end
    return peer.pongs[#peer.pongs] == "barrier!"
  end)
  for _, one in ipairs(wanted) do
    local stream = peer:stream(one.id)
    if stream.status ~= 200 or h2_peer.body(stream) ~= one.text or not stream.ended then
      table.insert(seen.complaints, ("the canary on stream %d got %s %q%s, and not %q"):format(one.id,
        tostring(stream.status), h2_peer.body(stream), stream.reset and ", RST_STREAM " .. stream.reset or "",
          one.text))
    end
  end
  if peer.pongs[#peer.pongs] ~= "barrier!" then table.insert(seen.complaints, "the PING behind them has no answer") end
end

-- One more request over HTTP/1.1, to the same backend. What a flood has left may still be on its
-- way there, over connections of its own.
local function h1_canary(case, proxy, backend, seen)
  canaries = canaries + 1
  local target = "/canary-" .. canaries
  backend:mark()
  local conn = assert((proxy.connect_h1 or wire.connect)(proxy.address_h1 or proxy.address))
  local text = ""
  conn.on_bytes = function(bytes) text = text .. bytes end
  local request = ("GET %s HTTP/1.1\r\nHost: canary.test\r\n"):format(target)
  conn:send(request .. "\r\n")
  wait_up_to(PATIENCE, "the HTTP/1.1 canary", function() return conn.ended or text:find("GET " .. target, 1, true) end)
  conn:close()
  if not (text:find "^HTTP/1.1 200 OK\r\n" and text:sub(- #target - 8) == "\r\n\r\nGET " .. target) then
    table.insert(seen.complaints, ("the HTTP/1.1 canary got %q"):format(text))
  end
  local saw = case.backend_any and backend:text_near(target) or backend:text()
  if proxy.is_lb and saw:gsub("Via: [^\r]*\r\n", h2_judge.VIA) ~= h2_judge.expand(request .. "%added%\r\n", proxy,
    backend) then
    table.insert(seen.complaints, ("of the HTTP/1.1 canary the backend saw %q"):format(saw))
  end
end

-- A request that was cut ends its connection.
local function await_cuts(backend, seen)
  local function is_left(conn) return #requests_of(conn:text(conn.case_from)) > 0 and not conn.ended end
  wait_up_to(PATIENCE, "the backend's connections to end", function()
    for _, conn in ipairs(backend:connections()) do
      if is_left(conn) then return false end
    end
    return true
  end)
  for _, conn in ipairs(backend:connections()) do
    if is_left(conn) then table.insert(seen.complaints, "a connection with a request that was cut was not ended") end
  end
end

function h2_conformance.play(case, proxy, backend, way)
  case.canary = nil
  local pieces = pieces_of(case)
  local self, wanted = begin(case, proxy), h2_judge.wanted(case, proxy, backend)
  backend:begin(case, { text = function() return table.concat(self.raw) end })
  local seen = { way = way, complaints = {}, peer = self.peer }
  self:send(pieces, way, backend)
  wait_up_to(PATIENCE, "the client to be served", function() return is_over(self, backend, wanted, proxy) end)
  local may_end = case.goaway or case.ends or case.h1 or case.raw or case.may_end
  if not self.conn.ended and not may_end then end_canaries(self, seen) end
  if case.backend_cut then await_cuts(backend, seen) end
  seen.backend, seen.ended, seen.raw = backend_requests(backend), self.conn.ended, table.concat(self.raw)
  h1_canary(case, proxy, backend, seen)
  self.conn:close()
  return seen
end

-- --- as specs ---

function h2_conformance.load() return conformance.load "h2_" end

function h2_conformance.ways(case) return case.ways or { "whole", "bytes" } end

local function check(case, proxy, backend, ways)
  for _, way in ipairs(ways or h2_conformance.ways(case)) do
    local seen = h2_conformance.play(case, proxy, backend, way)
    local wrong = h2_conformance.judge(case, seen, proxy, backend)
    if wrong then error(wrong .. "\nthis has happened:\n" .. loop.story(16), 0) end
  end
end

function h2_conformance.specs(title, options)
  local play = require "spec.support.play"
  local busted = getfenv(2) -- describe and it are known to the spec's own file only
  local number = 0
  for _, group in ipairs(conformance.groups(h2_conformance.load())) do
    busted.describe(title .. (group.limits and " with " .. group.limits:gsub("%s+", " ") or ""), function()
      local proxy, backend
      busted.setup(function()
        backend = recorder.new()
        proxy = options.start(group.limits, { backend.address })
        proxy.is_lb = true
      end)
      busted.teardown(function()
        wire.clear()
        backend:stop()
        play.curtain()
      end)
      for _, case in ipairs(group) do
        number = number + 1
        if number % (options.every or 1) == 0 and not (case.h1 and options.is_tls) then
          busted.it(("%s: %s"):format(case.rule, case.name), function() check(case, proxy, backend, options.ways) end)
        end
      end
    end)
  end
end

return h2_conformance
