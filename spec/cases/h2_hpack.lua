-- HPACK (RFC 7541): every representation, what is wrong, and blocks that grow.
local frames = require "spec.support.h2_frames"
local hpack = require "spec.support.hpack"
local cases = require("spec.support.h2_cases").new()
local head, block, forwarded, answer = cases.head, cases.block, cases.forwarded, cases.answer

local SEEN = forwarded()
local LAST = { last = true }
-- :method GET, :scheme http, :path / by their indexes, and :authority x.
local STATIC = hpack.indexed(2) .. hpack.indexed(6) .. hpack.indexed(4)
local BASE = STATIC .. hpack.literal(1, "x")

local function passes(name, bytes, backend, more)
  cases:passes("hpack", name, frames.headers(3, bytes, LAST), backend or SEEN, more)
end
local function wrong(name, bytes, more)
  cases:connection_error("hpack-errors", name, frames.headers(3, bytes, LAST), "COMPRESSION_ERROR", more)
end

-- --- representations (6) ---

passes("indexed fields and a literal with an indexed name", BASE)
passes("literals with new names", block())
for _, how in ipairs { "plain", "kept", "never" } do
  for _, huffman in ipairs { false, true } do
    passes(("literals, %s%s"):format(how, huffman and ", Huffman" or ""),
      STATIC .. hpack.literal(1, "x", { how = how, huffman = huffman })
      .. hpack.literal("x-custom", "Value 1", { how = how, huffman = huffman })
      .. hpack.literal(58, "agent", { how = how, huffman = huffman }),
        forwarded "x-custom: Value 1\r\nuser-agent: agent\r\n")
  end
end
passes("a name in Huffman code, and a value without", BASE .. "\0" .. hpack.text("x-a", true) .. hpack.text "1",
  forwarded "x-a: 1\r\n")
passes("an empty value in Huffman code", BASE .. "\0" .. hpack.text "x-a" .. "\128", forwarded "x-a: \r\n")
local ALL = {}
for byte = 33, 126 do ALL[#ALL + 1] = string.char(byte) end
for byte = 128, 255 do ALL[#ALL + 1] = string.char(byte) end
passes("all bytes of values in Huffman code", BASE .. hpack.literal("x-a", table.concat(ALL), { huffman = true }),
  forwarded("x-a: " .. table.concat(ALL) .. "\r\n"))
passes("an integer with zeros behind it", BASE .. "\0\127\128\128\0" .. ("n"):rep(127) .. "\1" .. "1",
  forwarded(("n"):rep(127) .. ": 1\r\n"))

-- --- the dynamic table (2.3, 4) ---

cases:add { rule = "hpack", name = "a field from the dynamic table in a second request",
  send = frames.headers(3, BASE .. hpack.literal("x-a", "1", { how = "kept" }), LAST)
    .. frames.headers(5, BASE .. hpack.indexed(62), LAST), backend_all = { forwarded "x-a: 1\r\n",
      forwarded "x-a: 1\r\n" },
  streams = { [3] = answer "GET /", [5] = answer "GET /" } }
passes("a field from the dynamic table in the same block",
  BASE .. hpack.literal("x-a", "1", { how = "kept" }) .. hpack.indexed(62), forwarded "x-a: 1\r\nx-a: 1\r\n")
passes("a name from the dynamic table", BASE .. hpack.literal("x-a", "1", { how = "kept" }) .. hpack.literal(62, "2"),
  forwarded "x-a: 1\r\nx-a: 2\r\n")
passes("the newest entry is the first", BASE .. hpack.literal("x-a", "1", { how = "kept" })
  .. hpack.literal("x-b", "2", { how = "kept" }) .. hpack.indexed(63) .. hpack.indexed(62),
  forwarded "x-a: 1\r\nx-b: 2\r\nx-a: 1\r\nx-b: 2\r\n")
cases:add { rule = "hpack", name = "a refused head fills the table, too",
  send = frames.headers(3, BASE .. hpack.literal("x-a", "1", { how = "kept" }) .. hpack.literal("X-B", "1"), LAST)
    .. frames.headers(5, BASE .. hpack.indexed(62), LAST), backend = forwarded "x-a: 1\r\n",
  streams = { [3] = { reset = "PROTOCOL_ERROR" }, [5] = answer "GET /" } }
cases:add { rule = "hpack", name = "trailers of a stream that was reset fill the table, too",
  send = head(nil, { method = "POST", open_end = true }) .. frames.rst(3, "CANCEL")
    .. frames.headers(5, BASE .. hpack.literal("x-a", "1", { how = "kept" }), LAST)
    .. frames.headers(7, BASE .. hpack.indexed(62), LAST), backend_any = true,
  streams = { [5] = answer "GET /", [7] = answer "GET /" } }
passes("a field larger than the table empties it", hpack.resize(50) .. BASE
  .. hpack.literal("x-a", "1", { how = "kept" })
  .. hpack.literal("x-b", ("v"):rep(100), { how = "kept" }) .. hpack.literal("x-c", "3", { how = "kept" })
    .. hpack.indexed(62),
  forwarded("x-a: 1\r\nx-b: " .. ("v"):rep(100) .. "\r\nx-c: 3\r\nx-c: 3\r\n"))
passes("size updates in front of the fields", hpack.resize(0) .. hpack.resize(4096) .. BASE)
passes("size updates to nothing", hpack.resize(0) .. BASE .. hpack.literal("x-a", "1", { how = "kept" }),
  forwarded "x-a: 1\r\n")
passes("a size update within a long integer", "\63\225\31" .. BASE)

-- --- errors ---

wrong("index 0", BASE .. "\128")
wrong("an index beyond the static table", BASE .. hpack.indexed(62))
wrong("an index far beyond", BASE .. hpack.indexed(100000))
wrong("the index of a name beyond the table", BASE .. hpack.literal(70, "x"))
wrong("an entry that was driven out", hpack.resize(40) .. BASE .. hpack.literal("x-a", "1", { how = "kept" })
  .. hpack.literal("x-b", "2", { how = "kept" }) .. hpack.indexed(63))
wrong("an entry behind a size update to nothing", hpack.resize(0) .. BASE
  .. hpack.literal("x-a", "1", { how = "kept" }) .. hpack.indexed(62))
wrong("an integer that is cut", BASE .. "\255")
wrong("an integer that does not end", BASE .. "\255" .. ("\255"):rep(20))
wrong("an integer that does not end, of zeros", BASE .. "\255" .. ("\128"):rep(40) .. "\1")
wrong("an integer beyond 2^32", BASE .. "\255\255\255\255\255\127")
wrong("a string that is cut", BASE .. "\0\3x-")
wrong("a value that is missing", BASE .. "\0\3x-a")
wrong("a string of 2^31 bytes", BASE .. "\0\127\128\255\255\255\7x")
wrong("a block that ends behind a literal's first byte", BASE .. "\64")
wrong("padding of eight ones", BASE .. "\0\3x-a\130" .. "\31\255")
wrong("padding of zeros", BASE .. "\0\3x-a\129\24")
wrong("EOS in a string", BASE .. "\0\3x-a" .. hpack.integer(4, 7, 128) .. "\255\255\255\255")
wrong("EOS behind text", BASE .. "\0\3x-a" .. (function()
  local coded = hpack.huffman { 97, 256, 97 }
  return hpack.integer(#coded, 7, 128) .. coded
end)())
wrong("a size update behind a field", BASE .. hpack.resize(100))
wrong("a size update between fields", STATIC .. hpack.resize(100) .. hpack.literal(1, "x"))
wrong("a size update above the setting", hpack.resize(4097) .. BASE)
wrong("a size update far above the setting", hpack.resize(2 ^ 30) .. BASE)
cases:connection_error("hpack-errors", "a block that is cut between two frames, and goes on wrongly",
  frames.headers(3, BASE:sub(1, 3), { open = true, last = true }) .. frames.continuation(3, "\255\255"),
    "COMPRESSION_ERROR")
cases:connection_error("hpack-errors", "a bad block on a stream that was reset",
  head(nil, { method = "POST", open_end = true }) .. frames.rst(3, "CANCEL") .. frames.headers(5, "\128", LAST),
  "COMPRESSION_ERROR", { backend = forwarded(cases.CHUNKED, "POST") .. "0", backend_cut = true })

-- --- our own table ---

for _, size in ipairs { 0, 32, 64, 100, 4096, 65536 } do
  cases:add { rule = "hpack", name = ("a client with a table of %d bytes"):format(size),
    settings = { { "HEADER_TABLE_SIZE", size } },
    send = head() .. head(nil, { stream = 5 }) .. head(nil, { stream = 7 }), backend = SEEN:rep(3),
    streams = { [3] = answer "GET /", [5] = answer "GET /", [7] = answer "GET /" } }
end
cases:add { rule = "hpack", name = "a client whose table shrinks to nothing and grows again",
  send = { head(), function(peer) return peer:stream(3).ended end,
    frames.settings { { "HEADER_TABLE_SIZE", 0 }, { "HEADER_TABLE_SIZE", 4096 } }, head(nil, { stream = 5 }),
    function(peer) return peer:stream(5).ended end, frames.settings { { "HEADER_TABLE_SIZE", 0 } },
      head(nil, { stream = 7 }) },
  backend = SEEN:rep(3), streams = { [3] = answer "GET /", [5] = answer "GET /", [7] = answer "GET /" } }

-- --- blocks that grow: a few bytes that are many fields ---

local BOMB = hpack.literal("x-a", ("v"):rep(2000), { how = "kept" })
cases:own("hpack-bombs", "a field of 2000 bytes, 40 times by its index",
  frames.headers(3, BASE .. BOMB .. ("\190"):rep(40), LAST), 431)
cases:own("hpack-bombs", "100 fields beyond the limit of them",
  frames.headers(3, BASE .. BOMB:sub(1, 0) .. ("\0\1a\1b"):rep(228), LAST), 431)
for _, count in ipairs { 400, 8000, 16000 } do
  cases:add { rule = "hpack-bombs", name = ("a field of 2000 bytes, %d times by its index"):format(count),
    backend = false,
    send = frames.headers(3, BASE .. BOMB, { open = true, last = true }) .. frames.continuation(3, ("\190"):rep(count)),
    may_end = true, beside = false, ways = { "whole" }, streams = { [3] = { any = true } },
    check = function(peer, complain)
      local last = peer.goaways[#peer.goaways]
      if not last and peer:stream(3).status ~= 431 then complain "  and nothing stopped it" end
    end }
end

return cases
