-- campaign - mutated messages through a running lb, each with a canary behind it.
--
--   local run = campaign.new { kind = "requests", seed = 1, from = 1, to = 1000, lanes = 16 }
--   run.script                   the balancer.lua that the campaign needs
--   run:begin(address)           begins, against an lb with it; the caller drives luv's loop
--   run.is_over                  at the end
--   run.findings                 a list of { number, what, bytes, detail }, up to 100 of a kind
--   run:rest()                   closes all connections to the backends, so that what lb keeps can
--                                be compared
--   run:close()
--   run.canaries                 how many canaries there were
--   run.counts                   what happened how often, by name
--   run.refused                  valid ones that lb refused
--
-- kind "requests": clients send mutated requests; "responses": backends give mutated answers to
-- valid requests; "conversations": clients send mutated ones of HTTP/2 (then run.script has the
-- listener, too). That many lanes run side by side. A lane has a client address (127.LANE.x.y) and
-- a backend of its own, so a backend sees one mutation only.
-- A lane plays one mutation after the other: the mutated exchange on a connection of its own,
-- then the canary on another one, over the pooled connections that the first has left.
-- spec/support/verdict.lua says what was wrong.

local uv = require "luv"
local h2_mutate = require "spec.support.h2_mutate"
local h2_peer = require "spec.support.h2_peer"
local h2_verdict = require "spec.support.h2_verdict"
local mutate = require "spec.support.mutate"
local peers = require "spec.support.campaign_peers"
local verdict = require "spec.support.verdict"

local campaign = {}

local Campaign = {}
Campaign.__index = Campaign

local TICK_MS = 50
local FINDINGS_PER_KIND = 100
local JUDGES = {
  requests = verdict.requests, responses = verdict.responses, conversations = h2_verdict.conversations,
}

function Campaign:count(name) self.counts[name] = (self.counts[name] or 0) + 1 end

function Campaign:find(lane, what, detail)
  local kind = "found: " .. what:gsub("%d+", "N"):match "^[^:]*"
  self:count(kind)
  if self.counts[kind] > FINDINGS_PER_KIND then return end
  table.insert(self.findings, {
    kind = self.kind, seed = self.seed, number = lane.number, what = what, bytes = lane.bytes, detail = detail,
  })
end

function Campaign:note(lane, who, text, bytes)
  if self.on_note then
    self.on_note(("%-10s %s%s"):format(who, text, bytes and " " .. mutate.escaped(bytes) or ""), lane)
  end
end

-- --- a lane: one mutation after the other ---

local next_mutation

local function report(self, lane, list)
  for _, one in ipairs(list) do self:find(lane, one[1], one[2]) end
end

local function unfinished(lane)
  for conn in pairs(lane.conns) do
    if conn.bytes ~= "" or (conn.tunnel and not conn.has_ended) or conn.is_sending then return conn end
  end
end

-- Everything of the mutation is over, but for what the backends have not seen yet.
local function settle(self, lane)
  local conn = unfinished(lane)
  if conn and uv.now() - lane.settling_since < self.patience_ms then
    lane.is_settling = true
    return
  end
  lane.is_settling = false
  if conn then
    self:find(lane, "a connection to a backend was left in the middle of a request", mutate.escaped(conn.bytes))
    peers.reset(conn.handle)
    lane.conns[conn] = nil
  end
  report(self, lane, JUDGES[self.kind](self, lane))
  next_mutation(self, lane)
end

local function canary(self, lane)
  local token = peers.CANARY .. ("%d.%d"):format(self.seed, lane.number)
  local ask = "GET " .. token .. " HTTP/1.1\r\nHost: canary\r\nConnection: close\r\n\r\n"
  peers.open_client(self, lane, "canary", function(client)
    peers.client_sends(self, lane, client, { ask })
  end, function(client)
    self.canaries = self.canaries + 1
    report(self, lane, verdict.canary(lane, client, token))
    -- What lb wrote before is in our sockets, not all of it read.
    lane.settling_since = uv.now()
    lane.is_settling = true
    self.idle:start(function() end)
  end)
end

local function on_exchange_end(self, lane, client)
  lane.exchange = client
  if client.ended:find "refusal" then self:find(lane, "a connection was not accepted", client.ended) end
  canary(self, lane)
end

local SENTINEL = "GET /sentinel-%07d HTTP/1.1\r\nHost: sentinel\r\nConnection: close\r\n\r\n"

local function begin_request(self, lane, r)
  local original = mutate.request(r, lane.number)
  lane.bytes = mutate.mutate(r, original, mutate.request(r, lane.number, 7))
  local pieces = mutate.cuts(r, lane.bytes)
  local ending = r:below(16)
  if ending < 6 then pieces[#pieces + 1] = SENTINEL:format(lane.number) end
  lane.sent = table.concat(pieces)
  lane.ending = ending == 15 and "reset" or ending < 3 and "waits" or "shuts"
  peers.open_client(self, lane, "client", function(client)
    peers.client_sends(self, lane, client, pieces, function()
      client.sent_at = uv.now()
      self:note(lane, "client", lane.ending)
      if lane.ending == "reset" then
        peers.reset(client.handle)
        client.finish "own reset"
      elseif lane.ending == "shuts" then
        peers.shut(client.handle)
      end
    end)
  end, function(client) on_exchange_end(self, lane, client) end)
end

local ASKS = {
  "GET /mutated-%07d HTTP/1.1\r\nHost: a\r\n\r\n",
  "GET /mutated-%07d HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n",
  "GET /mutated-%07d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
  "HEAD /mutated-%07d HTTP/1.1\r\nHost: a\r\n\r\n",
  "POST /mutated-%07d HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody",
  "POST /mutated-%07d HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
  "GET /mutated-%07d HTTP/1.0\r\n\r\n",
  "GET /mutated-%07d HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
  "HEAD /mutated-%07d HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
  "GET /mutated-%07d HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
}

local function joined_behind(pieces, to)
  local list, at = {}, 0
  for i, piece in ipairs(pieces) do
    if at + #piece >= to then
      list[#list + 1] = table.concat(pieces, "", i)
      return list
    end
    list[#list + 1] = piece
    at = at + #piece
  end
  return list
end

local function begin_response(self, lane, r)
  lane.bytes = mutate.mutate(r, mutate.response(r, lane.number), mutate.response(r, lane.number, 7))
  lane.pieces = mutate.cuts(r, lane.bytes)
  if lane.bytes == "" then lane.pieces = {} end
  local ending = r:below(16)
  lane.ending = ending < 8 and "fin" or ending < 15 and "stays" or "reset"
  lane.ask = r:pick(ASKS):format(lane.number)
  if r:one_in(3) then lane.ask = lane.ask .. SENTINEL:format(lane.number) end
  lane.requests = verdict.asked(lane.ask)
  lane.expected = verdict.expected(lane)
  lane.spoils = not lane.expected.is_reusable
  -- Surplus that comes later may meet the next request on its way, which nobody can tell from an
  -- answer to it.
  if lane.expected.final and lane.expected.final.is_whole then
    lane.pieces = joined_behind(lane.pieces, lane.expected.final.to)
  end
  peers.open_client(self, lane, "client", function(client)
    client.on_bytes = function() if verdict.has_all(lane, client) then client.finish "own end" end end
    peers.client_sends(self, lane, client, { lane.ask })
  end, function(client) on_exchange_end(self, lane, client) end)
end

-- Its own words wait until the mutated ones are out.
local function new_peer(lane, client)
  local waiting = {}
  local peer = h2_peer.new { role = "client", send = function(bytes)
    if waiting then
      waiting[#waiting + 1] = bytes
    elseif not client.handle:is_closing() then
      client.peer:said(bytes)
      lane.sent = lane.sent .. bytes
      client.handle:write(bytes)
    end
  end }
  client.peer = peer
  pcall(peer.said, peer, lane.bytes)
  return function()
    local bytes = table.concat(waiting)
    waiting = nil
    if bytes ~= "" then peer:say(bytes) end
  end
end

local function begin_conversation(self, lane, r)
  local list
  list, lane.is_mutated = h2_mutate.mutate(r, h2_mutate.conversation(r, lane.number))
  local pieces = mutate.cuts(r, table.concat(list))
  lane.bytes = table.concat(pieces)
  lane.sent, lane.asked = lane.bytes, h2_verdict.asked(lane.bytes)
  local ending = r:below(16)
  lane.ending = ending == 15 and "reset" or ending < 3 and "shuts" or "answered"
  peers.open_client(self, lane, "client", function(client)
    local go_on = new_peer(lane, client)
    local function shut_if_answered()
      if client.sent_at and lane.ending == "answered" and h2_verdict.has_all(lane) then peers.shut(client.handle) end
    end
    client.on_bytes = function()
      client.peer:take(client.parts[#client.parts])
      shut_if_answered()
    end
    peers.client_sends(self, lane, client, pieces, function()
      client.sent_at = uv.now()
      if lane.ending == "reset" then
        peers.reset(client.handle)
        return client.finish "own reset"
      end
      go_on()
      if lane.ending == "shuts" then peers.shut(client.handle) else shut_if_answered() end
    end)
  end, function(client)
    client.peer = client.peer or h2_peer.new { role = "client", send = function() end }
    on_exchange_end(self, lane, client)
  end)
end

local BEGIN = { requests = begin_request, responses = begin_response, conversations = begin_conversation }
local SALT = { requests = 1, responses = 3, conversations = 4 }

function next_mutation(self, lane)
  if self.next > self.to or self.is_over then
    lane.is_over = true
    return
  end
  lane.number = self.next
  self.next = self.next + 1
  lane.records, lane.by_serial, lane.tunnelled = {}, {}, {}
  lane.exchange, lane.answering, lane.sent_at = nil, nil, nil
  lane.behaviour = mutate.random(self.seed, lane.number, 2)
  BEGIN[self.kind](self, lane, mutate.random(self.seed, lane.number, SALT[self.kind]))
end

-- --- what time brings ---

-- The one who waits for the other: after a while he ends it, as peers do.
local function end_what_waits(self, lane)
  local client = lane.client
  local now = uv.now()
  local waits = lane.ending == "waits" or lane.ending == "answered" -- what is cut has no answer
  if waits and client.sent_at and not client.ended and now - client.sent_at > self.patience_ms / 8 then
    client.sent_at = nil
    self:count("waited")
    peers.shut(client.handle)
  end
  local conn = lane.answering
  local bound = lane.answering and lane.expected.needs_end and TICK_MS or self.patience_ms / 8
  if lane.ending == "stays" and conn and now - lane.sent_at > bound and not lane.exchange then
    lane.answering = nil
    self:count(lane.expected.needs_end and "waited, as the response does" or "waited")
    lane.expected = verdict.expected(lane, "end")
    if lane.conns[conn] then peers.backend_ends(self, conn) end
  end
end

local function tick(self)
  local over = true
  for _, lane in ipairs(self.lanes) do
    if not lane.is_over then
      over = false
      end_what_waits(self, lane)
      for conn in pairs(lane.conns) do
        if conn.tunnel and not conn.has_ended and lane.exchange then peers.backend_ends(self, conn) end
      end
      if not lane.client.ended and uv.now() - lane.client.began > self.patience_ms then
        self:find(lane, "nothing came to an end: " .. lane.client.who, table.concat(lane.client.parts))
        lane.client.finish "own end"
      end
    end
  end
  self.is_over = self.is_over or over
end

-- Once in a turn of the loop, behind all reads.
local function check(self)
  local is_settling = false
  for _, lane in ipairs(self.lanes) do
    if lane.is_settling then
      is_settling = true
      if lane.settling_turn then
        lane.settling_turn = nil
        settle(self, lane)
      else
        lane.settling_turn = true
      end
    end
  end
  if not is_settling then self.idle:stop() end
end

-- --- the whole ---

local SCRIPT = [[
-- The lane is in the client's address. A failure is answered at once, so each backend sees one try.
return {
  %s
  backends = { %s },
  health = { interval = 1, timeout = 5, eject_after = 0 },
  timeouts = { request_head = 5, request_body = 5, response_head = 5, response_body = 5 },
  limits = { retry_budget = 1 },
  trace = true,
  script = { budget_ms = 0 }, -- a slow machine must not send a request to another lane
  choose = function(ctx, backends)
    return backends:by_name("lane" .. (ctx.client_ip:match "^127%%.(%%d+)%%." or ""))
  end,
  on_failure = function() return "fail" end,
}
]]

function campaign.new(options)
  local self = setmetatable({
    kind = options.kind, seed = options.seed or 1, next = options.from or 1, to = options.to, on_note = options.on_note,
    patience_ms = options.patience_ms or 4000, findings = {}, counts = {}, refused = {}, lanes = {}, serial = 0,
    canaries = 0,
  }, Campaign)
  local backends = {}
  for i = 1, options.lanes or 16 do
    local lane = { index = i, conns = {}, accepted = 0, connections = 0, number = 0, records = {} }
    peers.open_backend(self, lane)
    self.lanes[i] = lane
    backends[i] = ('{ name = "lane%d", address = "127.0.0.1:%d" }'):format(i, lane.port)
  end
  local listen = self.kind == "conversations" and 'listen = { { "127.0.0.1:0", h2c = true } },' or ""
  self.script = SCRIPT:format(listen, table.concat(backends, ", "))
  return self
end

function Campaign:begin(address)
  self.host, self.port = address:match "^(.*):(%d+)$"
  self.port = tonumber(self.port)
  self.timer, self.check = uv.new_timer(), uv.new_check()
  self.idle = uv.new_idle() -- so that the loop does not sleep while a lane settles
  self.timer:start(TICK_MS, TICK_MS, function() tick(self) end)
  self.check:start(function() check(self) end)
  for _, lane in ipairs(self.lanes) do next_mutation(self, lane) end
end

function Campaign:rest()
  for _, lane in ipairs(self.lanes) do
    for conn in pairs(lane.conns) do peers.close(conn.handle) end
    lane.conns = {}
  end
end

function Campaign:close()
  self:rest()
  for _, lane in ipairs(self.lanes) do peers.close(lane.server) end
  if self.timer then
    peers.close(self.timer)
    peers.close(self.check)
    peers.close(self.idle)
  end
end

return campaign
