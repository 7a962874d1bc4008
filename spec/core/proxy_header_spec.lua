-- The header of the PROXY protocol, byte by byte: which connection it names, and
-- which bytes cannot be one.
local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef [[
struct proxy_header_seen {
  size_t length;
  bool names_client;
  struct { uint16_t family; uint8_t port[2]; uint32_t flow; uint8_t address[16]; uint32_t scope; } client;
  const char *why;
};
int proxy_header_read(struct slice, struct proxy_header_seen *);
const char *inet_ntop(int family, const void *from, char *out, uint32_t room);
]]

local AF_INET, AF_INET6 = 2, 10
local MORE, WHOLE = 0, 1

local function text_of(address)
  local room, mapped = ffi.new "char[64]", true
  for i = 0, 11 do mapped = mapped and address[i] == (i < 10 and 0 or 0xff) end
  ffi.C.inet_ntop(mapped and AF_INET or AF_INET6, address + (mapped and 12 or 0), room, 64)
  return ffi.string(room)
end

-- { "more" }, { "wrong", why = }, or { "whole", length =, client = "address port" or nil }
local function read_at_once(bytes)
  local out = ffi.new "struct proxy_header_seen"
  local kept = ffi.new("char[?]", #bytes)
  ffi.copy(kept, bytes, #bytes)
  local step = core.proxy_header_read(ffi.new("struct slice", kept, #bytes), out)
  assert(kept)
  if step == MORE then return { "more" } end
  if step ~= WHOLE then return { "wrong", why = ffi.string(out.why) } end
  local from = out.client
  if out.names_client then assert.equal(AF_INET6, from.family) end
  return { "whole", length = tonumber(out.length),
    client = out.names_client and text_of(from.address) .. " " .. from.port[0] * 256 + from.port[1] or nil }
end

-- As they come: the first verdict that is not "more" holds, whatever bytes follow.
local function read(bytes)
  local last = { "more" }
  for length = 1, #bytes do
    last = read_at_once(bytes:sub(1, length))
    if last[1] ~= "more" then
      assert.same(last, read_at_once(bytes))
      return last, length
    end
  end
  return last, #bytes
end

local SIGNATURE = "\r\n\r\n\0\r\nQUIT\n"

local function number(value) return string.char(math.floor(value / 256), value % 256) end

-- A header of version 2; length: if it is not that of what stands behind it.
local function binary(version_and_command, kinds, rest, length)
  return SIGNATURE .. string.char(version_and_command, kinds) .. number(length or #rest) .. rest
end

local V4 = "\192\0\2\1\198\51\100\1" .. number(56324) .. number(443)
local V6 = "\32\1\13\184" .. ("\0"):rep(11) .. "\1" .. "\32\1\13\184" .. ("\0"):rep(11) .. "\2" ..
  number(56324) .. number(443)
local UNIX = "/run/client.sock" .. ("\0"):rep(92) .. "/run/server.sock" .. ("\0"):rep(92)
local function tlv(kind, value) return string.char(kind) .. number(#value) .. value end

local right = { -- what, bytes, the client
  { "IPv4", "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n", "192.0.2.1 56324" },
  { "IPv4 at its longest", "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255 65535" },
  { "IPv4 at its shortest", "PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "0.0.0.0 0" },
  { "IPv6", "PROXY TCP6 2001:db8::1 2001:DB8::2 56324 443\r\n", "2001:db8::1 56324" },
  { "IPv6 at its longest", "PROXY TCP6 " .. ("ffff:"):rep(7) .. "ffff " .. ("ffff:"):rep(7) .. "ffff 65535 65535\r\n",
    ("ffff:"):rep(7) .. "ffff 65535" },
  { "an IPv4 address as IPv6", "PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.1 56324 443\r\n", "192.0.2.1 56324" },
  { "UNKNOWN", "PROXY UNKNOWN\r\n" },
  { "UNKNOWN, with addresses", "PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n" },
  { "UNKNOWN, with anything", "PROXY UNKNOWN \1\255 ?!\r\n" },
  { "UNKNOWN, with as much as there may be", "PROXY UNKNOWN " .. ("f"):rep(91) .. "\r\n" },
  { "2: IPv4", binary(0x21, 0x11, V4), "192.0.2.1 56324" },
  { "2: IPv4, of a datagram", binary(0x21, 0x12, V4), "192.0.2.1 56324" },
  { "2: IPv6", binary(0x21, 0x21, V6), "2001:db8::1 56324" },
  { "2: IPv6, of a datagram", binary(0x21, 0x22, V6), "2001:db8::1 56324" },
  { "2: an IPv4 address as IPv6", binary(0x21, 0x21, ("\0"):rep(10) .. "\255\255\192\0\2\1" .. V6:sub(17)),
    "192.0.2.1 56324" },
  { "2: a unix socket", binary(0x21, 0x31, UNIX) },
  { "2: a unix socket of datagrams", binary(0x21, 0x32, UNIX) },
  { "2: nobody", binary(0x21, 0x00, "") },
  { "2: nobody, and something behind it", binary(0x21, 0x00, "whatever") },
  { "2: a transport of no family", binary(0x21, 0x01, "") },
  { "2: a family of no transport", binary(0x21, 0x10, "") },
  { "2: LOCAL", binary(0x20, 0x00, "") },
  { "2: LOCAL, with addresses", binary(0x20, 0x11, V4) },
  { "2: LOCAL, with half of them", binary(0x20, 0x11, "\1\2\3") },
  { "2: LOCAL, with kinds that there are not", binary(0x20, 0xff, "") },
  { "2: an empty TLV", binary(0x21, 0x11, V4 .. tlv(4, "")), "192.0.2.1 56324" },
  { "2: several TLVs", binary(0x21, 0x21, V6 .. tlv(1, "h2") .. tlv(2, "shop.example") .. tlv(0xea, ("v"):rep(300))),
    "2001:db8::1 56324" },
  { "2: TLVs of a unix socket", binary(0x21, 0x31, UNIX .. tlv(5, "id")) },
  { "2: as much as there may be", binary(0x21, 0x11, V4 .. tlv(4, ("0"):rep(505))), "192.0.2.1 56324" },
}

describe("a PROXY header", function()
  for _, case in ipairs(right) do
    local what, bytes, client = unpack(case)
    it("may be " .. what .. ", and ends where it ends", function()
      local found, at = read(bytes)
      assert.same({ "whole", length = #bytes, client = client }, found)
      assert.equal(#bytes, at)
      for _, behind in ipairs { "G", "GET / HTTP/1.1\r\n\r\n", "\r\n", "\0", "PROXY UNKNOWN\r\n", ("x"):rep(2000) } do
        assert.same(found, read_at_once(bytes .. behind))
      end
    end)

    it("of " .. what .. " is not complete before its last byte", function()
      for length = 0, #bytes - 1 do assert.same({ "more" }, read_at_once(bytes:sub(1, length))) end
    end)
  end
end)

local LINE, LONG = "a malformed PROXY header of version 1", "a PROXY header of version 1 that is longer than 107 bytes"
local NONE, VERSION = "no PROXY header", "a PROXY header of a version other than 1 and 2"
local COMMAND, KIND = "a PROXY header with an unknown command", "a PROXY header with an unknown kind of address"
local LARGE, SHORT = "a PROXY header that is longer than 536 bytes", "a PROXY header that is shorter than its addresses"
local TLV = "a PROXY header with a malformed TLV"

local wrong = { -- what, the bytes up to where it shows, why
  { "a request", "G", NONE },
  { "a TLS handshake", "\22", NONE },
  { "an empty line", "\r\nG", NONE },
  { "the preface of HTTP/2", "PRI", NONE },
  { "another method that begins so", "PROXYX", NONE },
  { "lower case", "p", NONE },
  { "a tab behind its name", "PROXY\t", NONE },
  { "a line of its name alone", "PROXY\r", NONE },
  { "another signature", "\r\n\r\n\0\r\nQUIX", NONE },
  { "two spaces", "PROXY  ", LINE },
  { "another family", "PROXY TCP5", LINE },
  { "UDP", "PROXY UD", LINE },
  { "a family in lower case", "PROXY t", LINE },
  { "a longer family", "PROXY TCP46", LINE },
  { "something like UNKNOWN", "PROXY UNKNOWNS", LINE },
  { "no addresses", "PROXY TCP4\r", LINE },
  { "no addresses but their space", "PROXY TCP4 \r\n", LINE },
  { "one address", "PROXY TCP4 192.0.2.1\r\n", LINE },
  { "no ports", "PROXY TCP4 192.0.2.1 198.51.100.1\r\n", LINE },
  { "one port", "PROXY TCP4 192.0.2.1 198.51.100.1 1\r\n", LINE },
  { "an empty port", "PROXY TCP4 192.0.2.1 198.51.100.1 1 \r\n", LINE },
  { "a third port", "PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3\r\n", LINE },
  { "a space at its end", "PROXY TCP4 192.0.2.1 198.51.100.1 1 2 \r\n", LINE },
  { "two spaces between addresses", "PROXY TCP4 192.0.2.1  198.51.100.1 1 2\r\n", LINE },
  { "a port beyond 65535", "PROXY TCP4 192.0.2.1 198.51.100.1 65536 2\r\n", LINE },
  { "a port of six digits", "PROXY TCP4 192.0.2.1 198.51.100.1 1 100000\r\n", LINE },
  { "a port with a leading zero", "PROXY TCP4 192.0.2.1 198.51.100.1 01 2\r\n", LINE },
  { "a port that is none", "PROXY TCP4 192.0.2.1 198.51.100.1 a 2\r\n", LINE },
  { "a port with a sign", "PROXY TCP4 192.0.2.1 198.51.100.1 +", LINE },
  { "IPv6 as IPv4", "PROXY TCP4 2001:db8::1 198.51.100.1 1 2\r\n", LINE },
  { "IPv4 as IPv6", "PROXY TCP6 192.0.2.1 2001:db8::1 1 2\r\n", LINE },
  { "a destination of the other family", "PROXY TCP4 192.0.2.1 2001:db8::1 1 2\r\n", LINE },
  { "an address that is short", "PROXY TCP4 192.0.2 198.51.100.1 1 2\r\n", LINE },
  { "an address with a number beyond 255", "PROXY TCP4 192.0.2.256 198.51.100.1 1 2\r\n", LINE },
  { "an address with a leading zero", "PROXY TCP4 192.0.2.01 198.51.100.1 1 2\r\n", LINE },
  { "a name", "PROXY TCP4 l", LINE },
  { "a zone", "PROXY TCP6 fe80::1%", LINE },
  { "brackets", "PROXY TCP6 [", LINE },
  { "a NUL", "PROXY TCP4 192.0.2.1\0", LINE },
  { "a NUL behind UNKNOWN", "PROXY UNKNOWN \0", LINE },
  { "a bare LF", "PROXY TCP4 192.0.2.1 198.51.100.1 1 2\n", LINE },
  { "a bare LF behind UNKNOWN", "PROXY UNKNOWN\n", LINE },
  { "a bare CR", "PROXY TCP4 192.0.2.1 198.51.100.1 1 2\rG", LINE },
  { "a bare CR behind UNKNOWN", "PROXY UNKNOWN\rG", LINE },
  { "two CRs", "PROXY UNKNOWN\r\r", LINE },
  { "a line without an end", "PROXY TCP4 " .. ("1"):rep(96), LONG },
  { "a line of a byte too many", "PROXY UNKNOWN " .. ("f"):rep(92) .. "\r", LONG },
  { "2: version 1", SIGNATURE .. "\17", VERSION },
  { "2: version 3", SIGNATURE .. "\49", VERSION },
  { "2: version 0", SIGNATURE .. "\1", VERSION },
  { "2: another command", SIGNATURE .. "\34", COMMAND },
  { "2: another family", SIGNATURE .. "\33\65", KIND },
  { "2: another transport", SIGNATURE .. "\33\19", KIND },
  { "2: a byte too many", SIGNATURE .. "\33\17\2\9", LARGE },
  { "2: 64 KiB", SIGNATURE .. "\33\17\255\255", LARGE },
  { "2: a byte too many of LOCAL", SIGNATURE .. "\32\0\2\9", LARGE },
  { "2: no addresses", SIGNATURE .. "\33\17\0\0", SHORT },
  { "2: a byte of IPv4 too few", SIGNATURE .. "\33\17\0\11", SHORT },
  { "2: a byte of IPv6 too few", SIGNATURE .. "\33\33\0\35", SHORT },
  { "2: a byte of a unix socket too few", SIGNATURE .. "\33\49\0\215", SHORT },
  { "2: one byte for a TLV", binary(0x21, 0x11, V4 .. "\4"), TLV },
  { "2: two bytes for a TLV", binary(0x21, 0x11, V4 .. "\4\0"), TLV },
  { "2: a TLV beyond its end", binary(0x21, 0x11, V4 .. "\4\0\2x"), TLV },
  { "2: a second TLV beyond its end", binary(0x21, 0x21, V6 .. tlv(4, "x") .. "\4\255\255x"), TLV },
}

describe("no PROXY header is", function()
  for _, case in ipairs(wrong) do
    local what, bytes, why = unpack(case)
    it(what, function()
      assert.same({ "more" }, read_at_once(bytes:sub(1, -2)))
      assert.same({ "wrong", why = why }, read(bytes))
      for _, behind in ipairs { "\n", "\r\n", "\0", ("x"):rep(2000), bytes } do
        assert.same({ "wrong", why = why }, read_at_once(bytes .. behind))
      end
    end)
  end

  -- Whatever one byte is changed to: the whole is read as its bytes are one by one, and nothing is
  -- read beyond the end.
  it("anything that depends on how it is cut", function()
    for _, case in ipairs(right) do
      local bytes = case[2]
      for at = 1, math.min(#bytes, 40) do
        for _, value in ipairs { 0, 13, 32, 58, 255 } do
          read(bytes:sub(1, at - 1) .. string.char(value) .. bytes:sub(at + 1))
        end
      end
    end
  end)
end)
