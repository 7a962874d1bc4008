-- mutated_h2 - conversations of HTTP/2, made of frames that are mostly right, their bytes mutated,
-- through wire/h2 of both roles. The same seeds give the same bytes on every machine.
--
--   mutated_h2.run { seed = 1, from = 1, to = 1000 }   findings, counts: a finding has seed,
--                              number, what, bytes; counts has whole (connections that were still
--                              there at the end) and broken
--
-- Each is played twice with an owner that answers at once, cut differently: what it sees must not
-- differ. Then once with an owner that does anything at any time: nothing may come of that but
-- what its peer can decode.

local frames = require "spec.support.h2_frames"
local hpack = require "spec.support.hpack"
local mutate = require "spec.support.mutate"
local talk = require "spec.support.h2_talk"

local mutated_h2 = {}
local core = talk.core

-- --- frames ---

local NAMES = { ":method", ":scheme", ":path", ":authority", ":status", ":protocol", "host", "cookie", "x-a", "te",
  "content-length", "connection", "X-B", "" }
local VALUES = { "GET", "POST", "CONNECT", "HEAD", "http", "https", "/", "/a b", "x", "200", "103", "204", "websocket",
  "5", "trailers", "a=1", "", "\r\n", ("v"):rep(300) }

local function fields(r, is_client)
  local list = is_client and { { ":status", r:pick { "200", "200", "204", "103", "304", "404" } } }
    or { { ":method", r:pick { "GET", "POST", "HEAD" } }, { ":scheme", "http" }, { ":path", "/a" },
      { ":authority", "x" } }
  for _ = 1, r:below(3) do list[#list + 1] = { r:pick { "x-a", "x-b", "cookie", "accept" }, r:pick(VALUES) } end
  if r:one_in(6) then list[#list + 1] = { "content-length", tostring(r:below(8)) } end
  if r:one_in(8) then list[r:below(#list) + 1] = { r:pick(NAMES), r:pick(VALUES) } end
  if r:one_in(12) then table.remove(list, r:below(#list) + 1) end
  return list
end

local function block(r, is_client)
  local parts = {}
  if r:one_in(20) then parts[1] = hpack.resize(r:below(5000)) end
  for _, field in ipairs(fields(r, is_client)) do
    parts[#parts + 1] = hpack.literal(field[1], field[2],
      { how = r:pick { "plain", "kept", "never" }, huffman = r:one_in(2) })
    if r:one_in(10) then parts[#parts + 1] = hpack.indexed(r:below(70)) end
  end
  return table.concat(parts)
end

local function any_stream(r, state)
  if r:one_in(12) then return r:below(40) end
  return 2 * r:below(math.max(1, state.opened)) + 1
end

local function number(r) return r:pick { 0, 1, 2, 100, 16384, 65535, 65536, 2 ^ 31 - 1, 2 ^ 31, 2 ^ 32 - 1 } end

local makers = {
  function(r, state) -- a head: several of these, as all begins with one
    if not state.is_client and not r:one_in(5) then state.opened = state.opened + 1 end
    local id = state.is_client and any_stream(r, state) or 2 * state.opened - 1
    local bytes = block(r, state.is_client)
    local more = { last = r:one_in(2), padding = r:one_in(8) and r:below(20) or nil,
      depends = r:one_in(10) and r:below(9) or nil }
    if not r:one_in(6) then return frames.headers(id, bytes, more) end
    local at = r:below(#bytes + 1)
    more.open = true
    return frames.headers(id, bytes:sub(1, at), more)
      .. frames.continuation(id, bytes:sub(at + 1), { open = r:one_in(10) })
  end,
  function(r, state)
    return frames.data(any_stream(r, state), ("d"):rep(r:below(r:one_in(20) and 16384 or 12)),
      { last = r:one_in(3), padding = r:one_in(5) and r:below(30) or nil })
  end,
  function(r, state) return frames.rst(any_stream(r, state), r:below(16)) end,
  function(r, state) return frames.window(r:one_in(2) and 0 or any_stream(r, state), number(r) % 2 ^ 31) end,
  function(r, state)
    local setting = r:below(9)
    if setting == 4 then state.holds_back = true end
    return frames.settings { { setting, number(r) }, r:one_in(2) and { 5, 16384 } or nil }
  end,
  function(r) return r:one_in(2) and frames.settings_ack() or frames.settings() end,
  function(r) return frames.ping(r:pick { "12345678", "lb drain", "lb: ping" }, r:one_in(3)) end,
  function(r, state) return frames.goaway(any_stream(r, state), r:below(14), "why") end,
  function(r, state) return frames.priority(any_stream(r, state), r:below(9)) end,
  function(r, state) return frames.continuation(any_stream(r, state), "") end,
  function(r, state) return frames.push(any_stream(r, state), 2, "") end,
  function(r, state) return frames.frame(r:below(256), r:below(256), r:below(5), ("f"):rep(r:below(40)), state) end,
}
-- How often each of these is taken.
local WEIGHTS = { 9, 8, 2, 3, 1, 1, 2, 1, 1, 0.1, 0.05, 1 }

local function pick_maker(r)
  local total = 0
  for _, weight in ipairs(WEIGHTS) do total = total + weight * 100 end
  local at = r:below(math.floor(total))
  for i, weight in ipairs(WEIGHTS) do
    at = at - weight * 100
    if at < 0 then return makers[i] end
  end
  return makers[1]
end

function mutated_h2.conversation(r, is_client)
  local state = { is_client = is_client, opened = is_client and 4 or 0 }
  local parts = { not is_client and frames.PREFACE or "", frames.settings {} }
  for _ = 1, 3 + r:below(20) do parts[#parts + 1] = pick_maker(r)(r, state) end
  local bytes = table.concat(parts)
  -- When bytes leave that a window has held back depends on how the read was cut, and with it when
  -- their stream ends.
  return r:one_in(3) and mutate.mutate(r, bytes, parts[r:below(#parts) + 1]) or bytes, state.holds_back
end

-- --- players ---

local GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

local function begin(r, is_client, answers)
  local t = talk.begin { role = is_client and "client" or "server", streams = 1 + r:below(8), head = 500,
    connect = r:one_in(2), answers = answers and not is_client, window = 65535, connection = 65535 }
  if is_client then
    for i = 1, 4 do core.talk_open(i == 3 and GET:gsub("GET", "HEAD") or GET, i % 2 == 0) end
  end
  return t
end

-- Pieces of one body together, in the order of their streams.
local function seen(list)
  local out, bodies = {}, {}
  for _, line in ipairs(list) do
    local id, piece = line:match "^body (%d+) (.*)"
    if id then bodies[id] = (bodies[id] or "") .. piece else out[#out + 1] = line end
  end
  for id, body in pairs(bodies) do out[#out + 1] = "body " .. id .. " " .. body end
  table.sort(out, function(a, b) return a < b end)
  return table.concat(out, "\n")
end

local function pieces_of(r, bytes)
  local list, at = {}, 1
  while at <= #bytes do
    local size = 1 + r:below(r:one_in(3) and 3 or 60)
    list[#list + 1] = bytes:sub(at, at + size - 1)
    at = at + size
  end
  return list
end

local function play(r, is_client, pieces, acts)
  local t = begin(r, is_client, true)
  local events = {}
  for _, piece in ipairs(pieces) do
    t:feed(piece)
    for _, line in ipairs(t.events()) do events[#events + 1] = line end
    if acts then acts(t) end
  end
  t:sent() -- raises what cannot be decoded
  return seen(events), core.talk_is_alive()
end

local owner_acts = {
  function(_, id) core.talk_head(id, "HTTP/1.1 200 OK\r\nA: b\r\n\r\n", false) end,
  function(_, id) core.talk_head(id, "HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n", false) end,
  function(r, id)
    local size = r:below(r:one_in(10) and 60000 or 30)
    core.talk_body(id, ("b"):rep(size), size)
  end,
  function(r, id) core.talk_end_body(id, r:one_in(2) and "X-Sum: 1\r\n" or "") end,
  function(r, id) core.talk_consumed(id, r:below(100)) end,
  function(r, id) core.talk_reset(id, r:below(14)) end,
  function(_, id) core.talk_release_id(id) end,
}

local function wild_owner(r)
  return function(t)
    for _ = 1, r:below(4) do
      local id = 2 * r:below(8) + 1
      if core.talk_has(id) then r:pick(owner_acts)(r, id) end
    end
    if r:one_in(60) then core.talk_drain() end
    if r:one_in(60) then core.talk_ping() end
    if r:one_in(10) then t:sent() end
  end
end

-- An owner that answers heads with heads alone must not send DATA before: the judge is the decoder.
function mutated_h2.one(seed, count)
  local is_client = count % 3 == 0
  local r = mutate.random(seed, count)
  local bytes, holds_back = mutated_h2.conversation(r, is_client)
  local function again(salt) return mutate.random(seed, count, salt) end
  local whole, is_alive = play(again(1), is_client, { bytes })
  local cut = play(again(1), is_client, pieces_of(again(2), bytes))
  local what = whole ~= cut and not holds_back and ("cut otherwise it is\n" .. cut .. "\nand not\n" .. whole) or nil
  local r3 = again(3)
  local ok, wrong = pcall(play, again(1), is_client, pieces_of(r3, bytes), wild_owner(r3))
  core.talk_end()
  return what or (not ok and tostring(wrong)) or nil, bytes, is_alive
end

function mutated_h2.run(options)
  local findings, counts = {}, { whole = 0, broken = 0 }
  for i = options.from, options.to do
    local what, bytes, is_alive = mutated_h2.one(options.seed, i)
    if what then findings[#findings + 1] = { seed = options.seed, number = i, what = what, bytes = bytes } end
    counts[is_alive and "whole" or "broken"] = counts[is_alive and "whole" or "broken"] + 1
  end
  return findings, counts
end

return mutated_h2
