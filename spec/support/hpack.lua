-- hpack - RFC 7541, written from its text: blocks of header fields in and out. Pure.
--
--   hpack.integer(n, bits, first)     5.1; first: what stands above the prefix (0)
--   hpack.text(text, huffman)         5.2: a string literal; huffman: true codes it
--   hpack.indexed(index)              6.1
--   hpack.literal(name, value, more)  6.2; name: a text, or an index. more: how = "plain" (without
--                                     indexing, as without more), "kept" (incremental indexing) or
--                                     "never"; huffman = true
--   hpack.resize(n)                   6.3: a dynamic table size update
--   hpack.block(fields, more)         a list of { name, value } as literals, as they are
--   hpack.huffman(text)               coded, and padded with ones
--   hpack.unhuffman(bytes)            the text; or nil and what is wrong
--   hpack.decoder(limit)              limit: SETTINGS_HEADER_TABLE_SIZE (4096)
--   d:decode(block)                   a list of { name, value, never = true }; or nil, and what
--                                     is wrong (then the decoder is of no use any more)
--   d:set_limit(n)                    the setting has changed
--   d.entries, d.size, d.max          the dynamic table: newest first, as RFC 7541, 4.1, counts it
--   hpack.static                      61 pairs

local bit = require "bit"

local hpack = {}

local STATIC = [[
:authority
:method=GET
:method=POST
:path=/
:path=/index.html
:scheme=http
:scheme=https
:status=200
:status=204
:status=206
:status=304
:status=400
:status=404
:status=500
accept-charset
accept-encoding=gzip, deflate
accept-language
accept-ranges
accept
access-control-allow-origin
age
allow
authorization
cache-control
content-disposition
content-encoding
content-language
content-length
content-location
content-range
content-type
cookie
date
etag
expect
expires
from
host
if-match
if-modified-since
if-none-match
if-range
if-unmodified-since
last-modified
link
location
max-forwards
proxy-authenticate
proxy-authorization
range
referer
refresh
retry-after
server
set-cookie
strict-transport-security
transfer-encoding
user-agent
vary
via
www-authenticate
]]

hpack.static = {}
for line in STATIC:gmatch "[^\n]+" do
  local name, value = line:match "^(:?[^=]*)=?(.*)$"
  table.insert(hpack.static, { name, value })
end

-- --- Huffman: Appendix B is canonical, so the lengths of its codes say all ---

local LENGTHS = {
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
  28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12,
  10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6,
  5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22,
  22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20,
  22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28,
  27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28,
  27, 27, 27, 27, 27, 26, 30,
}
local EOS = 256
local codes, symbols = {}, {} -- symbol to code; "length:code" to symbol

do
  local code = 0
  for length = 5, 30 do
    symbols[length] = {}
    for symbol = 0, EOS do
      if LENGTHS[symbol + 1] == length then
        codes[symbol], symbols[length][code] = code, symbol
        code = code + 1
      end
    end
    code = code * 2
  end
  assert(code == 2 ^ 31, "the codes are not complete")
end

local function bits_of(out, code, length)
  for at = length - 1, 0, -1 do out[#out + 1] = bit.band(bit.rshift(code, at), 1) end
end

local function packed(bits)
  local bytes = {}
  for at = 1, #bits, 8 do
    local value = 0
    for i = at, at + 7 do value = value * 2 + (bits[i] or 1) end
    bytes[#bytes + 1] = string.char(value)
  end
  return table.concat(bytes)
end

-- symbol 256 is EOS, for those who want to be wrong: a list of symbols does instead of a text.
function hpack.huffman(text)
  local bits = {}
  local list = type(text) == "table" and text or { text:byte(1, -1) }
  for _, symbol in ipairs(list) do bits_of(bits, codes[symbol], LENGTHS[symbol + 1]) end
  return packed(bits)
end

function hpack.unhuffman(bytes)
  local out, code, length = {}, 0, 0
  for i = 1, #bytes do
    local byte = bytes:byte(i)
    for at = 7, 0, -1 do
      code, length = code * 2 + bit.band(bit.rshift(byte, at), 1), length + 1
      local symbol = symbols[length] and symbols[length][code]
      if symbol == EOS then return nil, "EOS in a string" end
      if symbol then
        out[#out + 1] = string.char(symbol)
        code, length = 0, 0
      end
    end
  end
  if length > 7 then return nil, "padding of a byte or more" end
  if code ~= 2 ^ length - 1 then return nil, "padding that is not ones" end
  return table.concat(out)
end

-- --- to bytes ---

function hpack.integer(n, bits, first)
  local most = 2 ^ bits - 1
  if n < most then return string.char((first or 0) + n) end
  local out = { string.char((first or 0) + most) }
  n = n - most
  while n >= 128 do
    out[#out + 1] = string.char(n % 128 + 128)
    n = math.floor(n / 128)
  end
  return table.concat(out) .. string.char(n)
end

function hpack.text(text, huffman)
  if huffman then
    text = hpack.huffman(text)
    return hpack.integer(#text, 7, 128) .. text
  end
  return hpack.integer(#text, 7) .. text
end

function hpack.indexed(index) return hpack.integer(index, 7, 128) end
function hpack.resize(n) return hpack.integer(n, 5, 32) end

local HOW = { plain = { 4, 0 }, kept = { 6, 64 }, never = { 4, 16 } }

function hpack.literal(name, value, more)
  more = more or {}
  local bits, first = unpack(HOW[more.how or "plain"])
  if type(name) == "number" then return hpack.integer(name, bits, first) .. hpack.text(value, more.huffman) end
  return string.char(first) .. hpack.text(name, more.huffman) .. hpack.text(value, more.huffman)
end

function hpack.block(fields, more)
  local out = {}
  for i, field in ipairs(fields) do out[i] = hpack.literal(field[1], field[2], more) end
  return table.concat(out)
end

-- --- from bytes: what is wrong is raised as a text, within d:decode ---

local Decoder = {}
Decoder.__index = Decoder

function hpack.decoder(limit)
  limit = limit or 4096
  return setmetatable({ entries = {}, size = 0, max = limit, limit = limit }, Decoder)
end

local function evict(self)
  while self.size > self.max do
    local last = table.remove(self.entries)
    self.size = self.size - #last[1] - #last[2] - 32
  end
end

function Decoder:set_limit(n)
  self.limit = n
  self.must_shrink = n < self.max or nil
end

local function add(self, field)
  table.insert(self.entries, 1, field)
  self.size = self.size + #field[1] + #field[2] + 32
  -- A field that is larger than the table empties it (4.4).
  evict(self)
end

local function wrong(what) error({ wrong = what }, 0) end

local function read_integer(block, at, bits)
  if at > #block then wrong "an integer is missing" end
  local most = 2 ^ bits - 1
  local value = block:byte(at) % 2 ^ bits
  if value < most then return value, at + 1 end
  local factor = 1
  repeat
    at = at + 1
    local byte = block:byte(at) or wrong "an integer is cut"
    value = value + byte % 128 * factor
    factor = factor * 128
    if value > 2 ^ 31 or factor > 2 ^ 42 then wrong "an integer is too large" end
  until byte < 128
  return value, at + 1
end

local function read_text(block, at)
  if at > #block then wrong "a string is missing" end
  local is_coded = block:byte(at) >= 128
  local length
  length, at = read_integer(block, at, 7)
  if at + length - 1 > #block then wrong "a string is cut" end
  local text = block:sub(at, at + length - 1)
  if is_coded then
    local plain, why = hpack.unhuffman(text)
    text = plain or wrong(why)
  end
  return text, at + length
end

local function entry(self, index)
  local found = index > 0 and (hpack.static[index] or self.entries[index - #hpack.static])
  return found or wrong("no entry " .. index)
end

local function read_literal(self, block, at, bits)
  local index, name, value
  index, at = read_integer(block, at, bits)
  if index > 0 then name = entry(self, index)[1] else name, at = read_text(block, at) end
  value, at = read_text(block, at)
  return { name, value }, at
end

local function read_resize(self, block, at, fields)
  if #fields > 0 then wrong "a size update behind a field" end
  local size
  size, at = read_integer(block, at, 5)
  if size > self.limit then wrong "a table larger than the setting" end
  self.max, self.must_shrink = size, nil
  evict(self)
  return at
end

local function read_field(self, block, at, fields)
  local byte = block:byte(at)
  local field
  if byte < 128 and byte >= 32 and byte < 64 then return read_resize(self, block, at, fields) end
  if self.must_shrink then wrong "no size update after the setting went down" end
  if byte >= 128 then
    local index
    index, at = read_integer(block, at, 7)
    local found = entry(self, index)
    field = { found[1], found[2] }
  elseif byte >= 64 then
    field, at = read_literal(self, block, at, 6)
    add(self, { field[1], field[2] })
  else
    field, at = read_literal(self, block, at, 4)
    field.never = byte >= 16 or nil
  end
  fields[#fields + 1] = field
  return at
end

function Decoder:decode(block)
  local fields, at = {}, 1
  local ok, err = pcall(function()
    while at <= #block do at = read_field(self, block, at, fields) end
  end)
  if ok then return fields end
  if type(err) ~= "table" then error(err, 0) end
  return nil, err.wrong
end

return hpack
