-- h2_mutate - seeded conversations of HTTP/2 that a client might have, and mutations of them, the
-- same on every machine.
--
--   h2_mutate.conversation(r, id)   what a client sends: a list of frames (bytes), the preface
--                                   first, then SETTINGS, one to four requests and what goes with
--                                   them. Each request has the token "/ID.N" in its path
--   h2_mutate.mutate(r, list)       the same after zero to four mutations: of whole frames, of
--                                   their heads, of their bytes; and whether there were any
-- r is of spec.support.mutate.

local frames = require "spec.support.h2_frames"
local hpack = require "spec.support.hpack"

local h2_mutate = {}

local HIDDEN = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"

-- --- requests ---

local MORE = {
  {}, {}, { { "accept", "*/*" }, { "user-agent", "m/1" } }, { { "cookie", "a=1" }, { "x-a", "1" },
    { "cookie", "b=2" } },
  { { "te", "trailers" } }, { { "host", "a" } }, { { "x-empty", "" } }, { { "expect", "100-continue" } },
  { { "x-forwarded-for", "1.2.3.4" }, { "forwarded", "for=1.2.3.4" }, { "via", "1.1 x" } },
  { { "content-type", "application/grpc" }, { "te", "trailers" }, { "grpc-timeout", "1S" } },
  { { "priority", "u=1" } }, { { "max-forwards", "3" } }, { { "proxy-authorization", "Basic x" } },
}
-- What must never pass as it is.
local BAD = {
  { "X-Upper", "1" }, { "connection", "close" }, { "transfer-encoding", "chunked" }, { "upgrade", "h2c" },
  { "te", "gzip" }, { "x-a", "1\r\nx-b: 2" }, { "x-a: 1\r\nx-b", "2" }, { "x-a", "\0" }, { "x-a", " 1" },
    { "x a", "1" },
  { "host", "b" }, { ":path", "/other" }, { ":test", "1" }, { "content-length", "5, 5" }, { "content-length", "+5" },
  { "content-length", "5" }, { "content-length", "99999999999999999999" }, { "content_length", "5" }, { "", "x" },
  { "x-a", HIDDEN }, { "keep-alive", "5" }, { "proxy-connection", "x" }, { ":status", "200" }, { "expect", "x" },
}
local PSEUDO = {
  [":method"] = { "GET\r\n", "G T", "", "get", "CONNECT", "HEAD", "TRACE", "GET / HTTP/1.1\r\nX: y\r\n\r\n" },
  [":path"] = { "", "*", "x", "/ HTTP/1.1\r\nX: y", "/a b", "/\0", "http://b/", "/#a", "//" },
  [":authority"] = { "", "b@a", "a b", "a\r\nX: y", "a:99999", "b", "a,b", "[::1]" },
  [":scheme"] = { "", "https", "ftp", "http\r\n", "http://b/?" },
}

local function fields_of(r, token, body)
  local method = body and r:pick { "POST", "PUT", "GET", "DELETE" } or r:pick { "GET", "GET", "HEAD", "OPTIONS",
    "POST" }
  local list = {
    { ":method", method }, { ":scheme", "http" }, { ":authority", "a" },
      { ":path", token .. r:pick { "", "?a=b", "/%20" } },
  }
  for _, field in ipairs(r:pick(MORE)) do list[#list + 1] = field end
  if body and r:one_in(2) then list[#list + 1] = { "content-length", tostring(#body) } end
  if r:one_in(6) then table.insert(list, 1 + r:below(#list + 1), r:pick(BAD)) end
  if r:one_in(12) then
    local field = list[1 + r:below(4)]
    if PSEUDO[field[1]] then field[2] = r:pick(PSEUDO[field[1]]) end
  end
  if r:one_in(20) then table.remove(list, 1 + r:below(#list)) end
  if r:one_in(20) then table.insert(list, 1 + r:below(#list), r:pick(list)) end
  return list
end

local function block_of(r, fields)
  local out = {}
  if r:one_in(12) then out[1] = hpack.resize(r:pick { 0, 64, 4096, 4097 }) end
  for _, field in ipairs(fields) do
    local index
    for i, known in ipairs(hpack.static) do
      if known[1] == field[1] and known[2] == field[2] then index = i end
    end
    if index and r:one_in(2) then
      out[#out + 1] = hpack.indexed(index)
    else
      out[#out + 1] = hpack.literal(field[1], field[2],
        { how = r:pick { "plain", "kept", "never" }, huffman = r:one_in(2) })
    end
  end
  return table.concat(out)
end

-- HEADERS, and what is left of the block in frames behind.
local function add_head(r, list, id, block, last)
  local more = { last = last }
  if r:one_in(6) then more.padding = r:below(30) end
  if r:one_in(8) then more.depends, more.weight = r:below(9), 1 + r:below(256) end
  if r:one_in(5) and #block > 2 then
    local cut = 1 + r:below(#block - 1)
    more.open = true
    list[#list + 1] = frames.headers(id, block:sub(1, cut), more)
    list[#list + 1] = frames.continuation(id, block:sub(cut + 1))
  else
    list[#list + 1] = frames.headers(id, block, more)
  end
end

local function add_between(r, list, id)
  if not r:one_in(4) then return end
  list[#list + 1] = r:pick {
    frames.ping(), frames.settings(), frames.settings { { "INITIAL_WINDOW_SIZE", r:pick { 0, 1, 65535 } } },
    frames.window(0, 1 + r:below(1000)), frames.window(id, 1 + r:below(1000)), frames.priority(id, r:below(20)),
    frames.frame(100, r:below(256), r:below(9), "unknown"), frames.data(id, ""), frames.rst(id, 8),
    frames.settings { { "HEADER_TABLE_SIZE", r:pick { 0, 100, 4096 } } }, frames.goaway(0, "NO_ERROR"),
  }
end

local function add_request(r, list, id, token)
  local body = r:one_in(2) and r:pick { "body" .. token, HIDDEN, "0\r\n\r\n" .. HIDDEN, "",
    ("x"):rep(r:below(3000)) } or nil
  local trailers = body and r:one_in(5)
  add_head(r, list, id, block_of(r, fields_of(r, token, body)), not body)
  add_between(r, list, id)
  if not body then return end
  local at = 1
  repeat
    local size = 1 + r:below(#body + 1)
    local is_last = at + size > #body
    list[#list + 1] = frames.data(id, body:sub(at, at + size - 1),
      { last = is_last and not trailers, padding = r:one_in(6) and r:below(20) or nil })
    at = at + size
    add_between(r, list, id)
  until is_last
  if trailers then add_head(r, list, id, block_of(r, { { "x-sum", "1" }, { "x-other", "2" } }), true) end
end

function h2_mutate.conversation(r, number)
  local list = { frames.PREFACE, frames.settings(r:one_in(3) and { { "INITIAL_WINDOW_SIZE", 1000 } } or nil) }
  if r:one_in(3) then list[#list + 1] = frames.window(0, 100000) end
  local id = 1
  for n = 1, 1 + r:below(4) do
    add_request(r, list, id, ("/%07d.%d"):format(number % 1e7, n))
    id = id + (r:one_in(10) and 4 or 2)
  end
  return list
end

-- --- mutations ---

local function swapped(list, a, b) list[a], list[b] = list[b], list[a] end

local function changed(text, at, value) return text:sub(1, at - 1) .. string.char(value % 256) .. text:sub(at + 1) end

local OF_FRAMES = {
  function(r, list) table.remove(list, 1 + r:below(#list)) end,
  function(r, list) table.insert(list, 1 + r:below(#list + 1), r:pick(list)) end,
  function(r, list) swapped(list, 1 + r:below(#list), 1 + r:below(#list)) end,
  function(r, list) list[#list] = nil end,
  function(r, list) -- a type
    local at = 1 + r:below(#list)
    list[at] = changed(list[at], 4, r:below(11))
  end,
  function(r, list) -- flags
    local at = 1 + r:below(#list)
    local flags = list[at]:byte(5) or 0
    local flag = r:pick { 1, 4, 8, 32 }
    list[at] = changed(list[at], 5, math.floor(flags / flag) % 2 == 1 and flags - flag or flags + flag)
  end,
  function(r, list) -- a stream
    local at = 1 + r:below(#list)
    list[at] = changed(list[at], 9, r:pick { 0, 1, 2, 3, 5, 7, 9, 255 })
  end,
  function(r, list) -- a length
    local at = 1 + r:below(#list)
    list[at] = changed(list[at], 3, r:below(256))
  end,
  function(r, list) -- a length that is right again
    local at = 1 + r:below(#list)
    local payload = list[at]:sub(10)
    local size = math.min(#payload, r:below(#payload + 3))
    list[at] = string.char(0, math.floor(size / 256), size % 256) .. list[at]:sub(4, 9) .. payload:sub(1, size)
  end,
  function(r, list) -- a frame of another kind between
    table.insert(list, 1 + r:below(#list + 1), r:pick {
      frames.ping(), frames.frame("PING", 0, 0, "short"), frames.settings_ack(), frames.window(0, 0),
        frames.window(1, 0),
      frames.window(0, 2 ^ 31 - 1), frames.rst(1, 8), frames.rst(3, 1), frames.rst(0, 1), frames.priority(1, 1),
      frames.push(1, 2, ""), frames.continuation(1, ""), frames.settings { { "MAX_FRAME_SIZE", 1 } },
      frames.settings { { "INITIAL_WINDOW_SIZE", 2 ^ 31 } }, frames.settings { { "ENABLE_PUSH", 2 } },
      frames.goaway(1, 2, "debug"), frames.data(1, "surplus"), frames.data(1, "", { last = true }),
      frames.headers(1, { { "x-late", "1" } }, { last = true }), frames.PREFACE, HIDDEN,
    })
  end,
}
local OF_BYTES = {
  function(r, text)
    local at = 1 + r:below(#text)
    return changed(text, at, r:below(256))
  end,
  function(r, text)
    local at = 1 + r:below(#text)
    return changed(text, at, text:byte(at) + r:pick { 1, 255, 128, 32, 2 })
  end,
  function(r, text)
    local at = 1 + r:below(#text)
    return text:sub(1, at - 1) .. text:sub(at + 1 + r:below(3))
  end,
  function(r, text)
    local at = r:below(#text + 1)
    return text:sub(1, at) .. r:pick { "\0", "\255", "\r\n", "\128", "\64", "\32", ":", "\0\0\0\4\0\0\0\0\0" }
      .. text:sub(at + 1)
  end,
}

function h2_mutate.mutate(r, list)
  local count = r:below(8)
  count = count < 2 and 0 or count < 6 and 1 or count - 4
  for _ = 1, count do
    if #list == 0 then break end
    if r:one_in(2) then
      r:pick(OF_FRAMES)(r, list)
    else
      -- Seldom in the preface: there is little to find behind that.
      local at = #list > 2 and not r:one_in(20) and 2 + r:below(#list - 1) or 1 + r:below(#list)
      if #list[at] > 0 then list[at] = r:pick(OF_BYTES)(r, list[at]) end
    end
  end
  return list, count > 0
end

return h2_mutate
