-- dns_wire - messages of DNS byte by byte, as specs want them: right, odd or broken.
--
--   wire.message(m)       bytes of { id=, name=, type=, rcode=, tc=, answer=, authority=,
--                         additional= }; question = false leaves it out, counts = { an = 9 }
--                         says what is not true
--   wire.question(bytes)  what a client asks: { id=, name=, type=, bytes= }
--   wire.a(owner, "10.0.0.1", ttl)   wire.aaaa(owner, "::1", ttl)   wire.txt(owner, ttl, text ..)
--   wire.srv(owner, priority, weight, port, target, ttl)             wire.cname(owner, target, ttl)
--   wire.soa(owner, minimum, ttl)    wire.record(owner, type, ttl, data)
--   wire.name(text)       the labels; "@" is a pointer to the question's name

local bit = require "bit"
local uv = require "luv"

local wire = {}

wire.types = { A = 1, NS = 2, CNAME = 5, SOA = 6, TXT = 16, AAAA = 28, SRV = 33, OPT = 41 }
local names = {}
for name, number in pairs(wire.types) do names[number] = name end

local function u16(n) return string.char(math.floor(n / 256) % 256, n % 256) end
local function u32(n) return u16(math.floor(n / 65536)) .. u16(n % 65536) end
wire.u16, wire.u32 = u16, u32

function wire.name(text)
  if text == "@" then return "\192\12" end
  local out = {}
  for label in text:gmatch "[^.]+" do out[#out + 1] = string.char(#label) .. label end
  return table.concat(out) .. "\0"
end

function wire.record(owner, type, ttl, data)
  return wire.name(owner) .. u16(wire.types[type] or type) .. u16(1) .. u32(ttl or 5) .. u16(#data) .. data
end

function wire.a(owner, address, ttl)
  return wire.record(owner, "A", ttl, (address:gsub("(%d+)%.?", function(n) return string.char(tonumber(n)) end)))
end

-- Groups as they stand, "::" once.
function wire.aaaa(owner, address, ttl)
  local function groups(text)
    return (text:gsub("(%x+):?", function(n) return u16(tonumber(n, 16)) end))
  end
  local head, tail = address:match "^(.-)::(.*)$"
  local front, back = groups(head or address), groups(tail or "")
  return wire.record(owner, "AAAA", ttl, front .. ("\0"):rep(16 - #front - #back) .. back)
end

function wire.srv(owner, priority, weight, port, target, ttl)
  return wire.record(owner, "SRV", ttl, u16(priority) .. u16(weight) .. u16(port) .. wire.name(target))
end

function wire.cname(owner, target, ttl) return wire.record(owner, "CNAME", ttl, wire.name(target)) end

function wire.txt(owner, ttl, ...)
  local parts = {}
  for i, text in ipairs { ... } do parts[i] = string.char(#text) .. text end
  return wire.record(owner, "TXT", ttl, table.concat(parts))
end

function wire.soa(owner, minimum, ttl)
  return wire.record(owner, "SOA", ttl or minimum, wire.name "ns.test" .. wire.name "root.test" ..
    u32(1) .. u32(60) .. u32(60) .. u32(60) .. u32(minimum))
end

function wire.message(m)
  local answer, authority, additional = m.answer or {}, m.authority or {}, m.additional or {}
  local counts = m.counts or {}
  local flags = bit.bor(0x8180, m.tc and 0x200 or 0, m.rcode or 0)
  local asked = m.question ~= false and (wire.name(m.name) .. u16(wire.types[m.type] or m.type) .. u16(1)) or ""
  return u16(m.id or 0) .. u16(m.flags or flags) .. u16(counts.qd or (m.question ~= false and 1 or 0)) ..
    u16(counts.an or #answer) .. u16(counts.ns or #authority) .. u16(counts.ar or #additional) .. asked ..
    table.concat(answer) .. table.concat(authority) .. table.concat(additional)
end

function wire.question(bytes)
  local labels, at = {}, 13
  while bytes:byte(at) ~= 0 do
    local length = bytes:byte(at)
    labels[#labels + 1] = bytes:sub(at + 1, at + length)
    at = at + length + 1
  end
  local type = bytes:byte(at + 1) * 256 + bytes:byte(at + 2)
  return { id = bytes:byte(1) * 256 + bytes:byte(2), name = table.concat(labels, "."), type = names[type] or type,
           bytes = bytes }
end

-- --- a server ---

local Server = {}
Server.__index = Server

-- What goes out for a question: nothing, bytes, or a message, which UDP cuts to its first records.
local function reply(server, question)
  server.asked[#server.asked + 1] = question
  local answer = server.script(question)
  if answer == nil or type(answer) == "string" then return answer end
  answer.id, answer.name = question.id, answer.name or question.name
  answer.type = answer.type or question.type
  local bytes = wire.message(answer)
  if question.over == "tcp" or answer.whole then return bytes end
  while #bytes > 512 do
    answer.tc, answer.additional = true, nil
    local fewer = {}
    for i = 1, math.min(#(answer.answer or {}) - 1, 20) do fewer[i] = answer.answer[i] end
    answer.answer = fewer
    bytes = wire.message(answer)
  end
  return bytes
end

local function serve_tcp(server, listener)
  local client, held = uv.new_tcp(), ""
  assert(listener:accept(client))
  server.clients[client] = true
  client:read_start(function(err, bytes)
    if err or not bytes then
      server.clients[client] = nil
      if not client:is_closing() then client:close() end
      return
    end
    held = held .. bytes
    while #held >= 2 and #held >= 2 + held:byte(1) * 256 + held:byte(2) do
      local length = held:byte(1) * 256 + held:byte(2)
      local question = wire.question(held:sub(3, 2 + length))
      held = held:sub(3 + length)
      question.over = "tcp"
      local answer = reply(server, question)
      if answer then client:write(u16(#answer) .. answer) end
    end
  end)
end

-- script(question): what it answers, { answer = { wire.a(..) } .. }, bytes, or nil for silence.
-- Listens for UDP and TCP on a port of its own; server.address, server.asked.
function wire.server(script)
  local server = setmetatable({ script = script, asked = {}, clients = {} }, Server)
  for _ = 1, 20 do
    server.udp, server.tcp = uv.new_udp(), uv.new_tcp()
    assert(server.udp:bind("127.0.0.1", 0))
    server.port = server.udp:getsockname().port
    if server.tcp:bind("127.0.0.1", server.port)
      and server.tcp:listen(128, function() serve_tcp(server, server.tcp) end) then break end
    server.udp:close()
    server.tcp:close()
  end
  server.address = "127.0.0.1:" .. server.port
  server.udp:recv_start(function(err, bytes, from)
    if err or not bytes or #bytes < 17 then return end
    local question = wire.question(bytes)
    question.over, question.from = "udp", from.port
    local answer = reply(server, question)
    if answer then server.udp:send(answer, from.ip, from.port, function() end) end
  end)
  return server
end

-- How often the name was asked for: of a type, over "udp" or "tcp"; nil is any.
function Server:count(name, type, over)
  local count = 0
  for _, question in ipairs(self.asked) do
    if (not name or question.name == name) and (not type or question.type == type)
      and (not over or question.over == over) then count = count + 1 end
  end
  return count
end

function Server:close()
  for client in pairs(self.clients) do
    if not client:is_closing() then client:close() end
  end
  for _, handle in ipairs { self.udp, self.tcp } do
    if not handle:is_closing() then handle:close() end
  end
end

return wire
