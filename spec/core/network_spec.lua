-- Networks as they are written in trusted_proxies, and which addresses are in them.
local bit = require "bit"
local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef [[
struct network_seen { uint8_t address[16]; uint8_t prefix; };
struct network_peer { uint16_t family; uint16_t port; uint8_t rest[24]; };
const char *network_parse(struct network_seen *, struct slice);
bool network_has(const struct network_seen *, const struct network_peer *);
bool network_read_address(struct slice, struct network_peer *);
int inet_pton(int family, const char *text, void *out);
]]

local AF_UNIX, AF_INET, AF_INET6 = 1, 2, 10

local function slice(text) return ffi.new("struct slice", text, #text) end

local function has_text(network, text)
  local address = ffi.new "struct network_peer"
  return core.network_read_address(text, address) and core.network_has(network, address)
end

local function parse(text)
  local network = ffi.new "struct network_seen"
  local wrong = core.network_parse(network, slice(text))
  if wrong ~= nil then return nil, ffi.string(wrong) end
  return network
end

-- As the kernel gives the other end of a connection.
local function peer(text)
  local at = ffi.new "struct network_peer"
  local is_v6 = text:find ":" ~= nil
  at.family, at.port = is_v6 and AF_INET6 or AF_INET, 0x5000
  assert.equal(1, ffi.C.inet_pton(at.family, text, at.rest + (is_v6 and 4 or 0)))
  return at
end

local function hex(network)
  local bytes = {}
  for i = 0, 15 do bytes[i + 1] = bit.tohex(network.address[i], 2) end
  return table.concat(bytes) .. "/" .. network.prefix
end

describe("a network", function()
  local V4 = "00000000000000000000ffff"
  local taken = { -- text, bytes and prefix
    { "127.0.0.1", V4 .. "7f000001/128" },
    { "127.0.0.1/32", V4 .. "7f000001/128" },
    { " 10.0.0.0/8\t", V4 .. "0a000000/104" },
    { "192.168.4.0/22", V4 .. "c0a80400/118" },
    { "128.0.0.0/1", V4 .. "80000000/97" },
    { "1.2.3.254/31", V4 .. "010203fe/127" },
    { "0.0.0.0/0", V4 .. "00000000/96" },
    { "0.0.0.0", V4 .. "00000000/128" },
    { "255.255.255.255", V4 .. "ffffffff/128" },
    { "::1", ("0"):rep(31) .. "1/128" },
    { "::", ("0"):rep(32) .. "/128" },
    { "::/0", ("0"):rep(32) .. "/0" },
    { "2001:db8::/32", "20010db8" .. ("0"):rep(24) .. "/32" },
    { "2001:DB8:0:0::/33", "20010db8" .. ("0"):rep(24) .. "/33" },
    { "2001:db8:8000::/33", "20010db88000" .. ("0"):rep(20) .. "/33" },
    { "fe80::/10", "fe8" .. ("0"):rep(29) .. "/10" },
    { "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", ("f"):rep(32) .. "/128" },
    { "::ffff:10.0.0.0/104", V4 .. "0a000000/104" },
    { "::ffff:1.2.3.4", V4 .. "01020304/128" },
  }
  for _, case in ipairs(taken) do
    it(("is taken as %q"):format(case[1]), function() assert.equal(case[2], hex(assert(parse(case[1])))) end)
  end

  local ADDRESS, BITS = "^expected an address or a network, as in ", "^bits beyond the prefix are set: expected "
  local V4_PREFIX, V6_PREFIX = "^expected a prefix from 0 to 32 ", "^expected a prefix from 0 to 128 "
  local refused = { -- text, why
    { "", ADDRESS }, { " ", ADDRESS }, { "/", ADDRESS }, { "/8", ADDRESS }, { "unix", ADDRESS }, { "*", ADDRESS },
    { "localhost", ADDRESS }, { "10", ADDRESS }, { "10.0.0", ADDRESS }, { "10.0.0.0.0", ADDRESS },
    { "10.0.0.256", ADDRESS }, { "10.0.0.01", ADDRESS }, { "0x7f.0.0.1", ADDRESS }, { "10.0.0.1:80", ADDRESS },
    { "10.0.0.0 /8", ADDRESS }, { "10.0.0.0\0", ADDRESS }, { "10.0.0.0\0/8", ADDRESS }, { "1.2.3.4, 1.2.3.5", ADDRESS },
    { "[::1]", ADDRESS }, { "[::1]/128", ADDRESS }, { ":", ADDRESS }, { ":::", ADDRESS }, { "::g", ADDRESS },
    { "1::2::3", ADDRESS }, { "fe80::1%lo", ADDRESS }, { ("1"):rep(46), ADDRESS }, { ("1"):rep(5000), ADDRESS },
    { "10.0.0.0/", V4_PREFIX }, { "10.0.0.0/33", V4_PREFIX }, { "10.0.0.0/-1", V4_PREFIX },
    { "10.0.0.0/+8", V4_PREFIX }, { "10.0.0.0/08", V4_PREFIX }, { "10.0.0.0/8/8", V4_PREFIX },
    { "10.0.0.0/ 8", V4_PREFIX }, { "10.0.0.0/255.0.0.0", V4_PREFIX }, { "10.0.0.0/4294967304", V4_PREFIX },
    { "10.0.0.0/65544", V4_PREFIX }, { "10.0.0.0/8x", V4_PREFIX }, { "10.0.0.0/8\0", V4_PREFIX },
    { "::/", V6_PREFIX }, { "::/129", V6_PREFIX }, { "::/1280", V6_PREFIX }, { "::/a", V6_PREFIX },
    { "10.0.0.1/8", BITS }, { "10.128.0.0/8", BITS }, { "0.0.0.1/0", BITS }, { "128.0.0.0/0", BITS },
    { "1.2.3.5/31", BITS }, { "2001:db8::1/32", BITS }, { "2001:db8:8000::/32", BITS }, { "::1/127", BITS },
    { "8000::/0", BITS }, { "::ffff:0.0.0.0/95", BITS },
  }
  for _, case in ipairs(refused) do
    local text, why = unpack(case)
    it(("is not taken as %q"):format(#text > 100 and text:sub(1, 100) .. "..." or text), function()
      local network, wrong = parse(text)
      assert.is_nil(network)
      assert.truthy(wrong:find(why), wrong)
    end)
  end
end)

describe("an address is", function()
  local cases = { -- network, those in it, those not
    { "127.0.0.1", { "127.0.0.1", "::ffff:127.0.0.1" }, { "127.0.0.0", "127.0.0.2", "126.0.0.1", "::1" } },
    { "10.0.0.0/8", { "10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3" },
      { "9.255.255.255", "11.0.0.0", "::10.1.2.3", "a00::", "::a00:0" } },
    { "192.168.4.0/22", { "192.168.4.0", "192.168.7.255" }, { "192.168.3.255", "192.168.8.0" } },
    { "128.0.0.0/1", { "128.0.0.0", "255.255.255.255" }, { "127.255.255.255", "8000::" } },
    { "1.2.3.254/31", { "1.2.3.254", "1.2.3.255" }, { "1.2.3.253", "1.2.4.254" } },
    { "0.0.0.0/0", { "0.0.0.0", "1.2.3.4", "::ffff:1.2.3.4" }, { "::", "::1", "::1.2.3.4", "2001:db8::" } },
    { "::/0", { "::", "::1", "::1.2.3.4", "::fffe:1.2.3.4", "ffff::" }, { "1.2.3.4", "::ffff:1.2.3.4" } },
    { "::1", { "::1" }, { "::", "::2", "127.0.0.1", "0.0.0.1", "1::1" } },
    { "2001:db8::/32", { "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff" }, { "2001:db7::", "2001:db9::" } },
    { "2001:db8:8000::/33", { "2001:db8:8000::", "2001:db8:ffff::1" }, { "2001:db8:7fff::", "2001:db8::" } },
    { "fe80::/10", { "fe80::1", "febf::" }, { "fec0::", "fe40::" } },
    { "::ffff:10.0.0.0/104", { "10.1.2.3", "::ffff:10.0.0.0" }, { "11.0.0.0", "::10.0.0.0" } },
  }
  for _, case in ipairs(cases) do
    local network = assert(parse(case[1]))
    for _, which in ipairs { { case[2], true, "in" }, { case[3], false, "not in" } } do
      local addresses, expected, word = unpack(which)
      for _, address in ipairs(addresses) do
        it(("%s %s: %s"):format(word, case[1], address), function()
          local bracketed = address:find ":" and "[" .. address .. "]" or address
          assert.equal(expected, core.network_has(network, peer(address)))
          assert.equal(expected, has_text(network, slice(address)))
          assert.equal(expected, has_text(network, slice(bracketed)))
          assert.equal(expected, has_text(network, slice(bracketed .. ":80")))
        end)
      end
    end
  end

  it("in none, if it is of another family", function()
    local at = peer "::"
    at.family = AF_UNIX
    for _, text in ipairs { "::/0", "0.0.0.0/0", "::" } do
      assert.is_false(core.network_has(assert(parse(text)), at))
    end
  end)
end)

describe("a text that is no address", function()
  local everything = { assert(parse "::/0"), assert(parse "0.0.0.0/0") }
  local function is_in_any(text)
    local copy = ffi.new("char[?]", #text + 1) -- and what is behind it is no part of it
    ffi.copy(copy, text, #text)
    copy[#text] = ("1"):byte()
    for _, network in ipairs(everything) do
      if has_text(network, ffi.new("struct slice", copy, #text)) then return true end
    end
    return false
  end

  for _, text in ipairs { "1.2.3.4", "1.2.3.4:1", "1.2.3.4:65535", "::1", "[::1]", "[::1]:80", "::ffff:1.2.3.4",
    "[::ffff:1.2.3.4]:80", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:1.2.3.4" } do
    it("is not this: " .. text, function() assert.is_true(is_in_any(text)) end)
  end

  local others = {
    "", " ", "unknown", "_hidden", "localhost", "1.2.3", "1.2.3.4.5", "1.2.3.4:", "1.2.3.4:x", "1.2.3.4:65536",
    "1.2.3.4:080", "1.2.3.4:-1", "1.2.3.4:80:80", "1.2.3.4 ", " 1.2.3.4", "1.2.3.4/32", "1.2.3.4,1.2.3.4", "[1.2.3.4]",
    "[1.2.3.4]:80", "[", "]", "[]", "[]:80", "[:]", "[::1", "::1]", "[::1]80", "[::1]:", "[::1]:x", "[::1]:65536",
    "[::1]:80:80", "[[::1]]", "::1%lo", "[::1%lo]", ":80", ":", ":::", "1:2:3:4:5:6:7:8:9", "\"[::1]\"", "1.2.3.4\0",
    "::1\0", "[::1\0]", ("1"):rep(45), ("1"):rep(46), ("1"):rep(10000), ("[::1]"):rep(100),
  }
  for _, text in ipairs(others) do
    it(("is in no network: %q"):format(#text > 60 and text:sub(1, 60) .. "..." or text), function()
      assert.is_false(is_in_any(text))
    end)
  end
end)
