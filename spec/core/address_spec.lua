-- Addresses to connect to and to listen on, as they are written and as they are shown.
local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef [[
struct address_seen { int kind; char host[256]; uint16_t port; uint32_t socket[64]; };
const char *address_parse(struct address_seen *, struct slice, bool any_port);
void address_format(struct buffer *, const uint32_t *socket);
void address_format_host(struct buffer *, const uint32_t *socket);
uint16_t address_port(const uint32_t *socket);
void address_set_port(uint32_t *socket, uint16_t port);
unsigned address_length(const uint32_t *socket);
const char *inet_ntop(int family, const void *bytes, char *out, unsigned room);
]]

local AF_INET, AF_INET6 = 2, 10

local KINDS = { [0] = "ip", "unix", "name" }

local function parse(text, any_port)
  local address = ffi.new "struct address_seen"
  local wrong = core.address_parse(address, ffi.new("struct slice", text, #text), any_port or false)
  if wrong ~= nil then return nil, ffi.string(wrong) end
  return address
end

local function written(format, address)
  local buffer = ffi.new "struct buffer"
  format(buffer, address.socket)
  local text = ffi.string(buffer.bytes + buffer.start, tonumber(buffer["end"] - buffer.start))
  core.buffer_dispose(buffer)
  return text
end

local function seen(address) return KINDS[address.kind], ffi.string(address.host), address.port end

describe("an address", function()
  describe("is taken as", function()
    local sockets = { -- text, host, port, as it is written again
      { "127.0.0.1:9001", "127.0.0.1", 9001, "127.0.0.1:9001" },
      { "0.0.0.0:1", "0.0.0.0", 1, "0.0.0.0:1" },
      { "255.255.255.255:65535", "255.255.255.255", 65535, "255.255.255.255:65535" },
      { " 127.0.0.1:80\t", "127.0.0.1", 80, "127.0.0.1:80" },
      { "http://127.0.0.1:80", "127.0.0.1", 80, "127.0.0.1:80" },
      { "HTTP://127.0.0.1:80", "127.0.0.1", 80, "127.0.0.1:80" },
      { "[::1]:80", "::1", 80, "[::1]:80" },
      { "[::]:3030", "::", 3030, "[::]:3030" },
      { "http://[fe80:0:0:0::1]:80", "fe80:0:0:0::1", 80, "[fe80::1]:80" },
      { "[::ffff:1.2.3.4]:80", "::ffff:1.2.3.4", 80, "1.2.3.4:80" },
    }
    for _, case in ipairs(sockets) do
      local text, host, port, again = unpack(case)
      it(("a socket: %q"):format(text), function()
        local address = assert(parse(text))
        assert.same({ "ip", host, port }, { seen(address) })
        assert.equal(again, written(core.address_format, address))
      end)
    end

    local names = { -- text, host, port
      { "backend1:8080", "backend1", 8080 },
      { "localhost:80", "localhost", 80 },
      { "http://my_app-1.Example.com:80", "my_app-1.Example.com", 80 },
      { "example.com.:80", "example.com.", 80 },
      { "1a.2b:80", "1a.2b", 80 },
      { ("a"):rep(63) .. ".b:80", ("a"):rep(63) .. ".b", 80 },
    }
    for _, case in ipairs(names) do
      local text, host, port = unpack(case)
      it(("a name: %q"):format(text), function()
        assert.same({ "name", host, port }, { seen(assert(parse(text))) })
      end)
    end

    local paths = { "/run/app.sock", "/a b,c:d", "/" .. ("p"):rep(106) }
    for _, path in ipairs(paths) do
      it(("a path: %q"):format(path), function()
        local address = assert(parse("unix:" .. path))
        assert.same({ "unix", path, 0 }, { seen(address) })
        assert.equal("unix:" .. path, written(core.address_format, address))
        assert.equal(110, core.address_length(address.socket))
      end)
    end
  end)

  describe("is refused, with the way out:", function()
    local PORT = "expected a port from 1 to 65535"
    local MISSING = "the port is missing: expected host:port"
    local LETTERS = "a host has only letters, digits, '-', '_' and '.'"
    local DOTS = "expected a host name, without empty parts between its dots"
    local FOUR = "expected an IPv4 address of four numbers from 0 to 255, or a name"
    local PATH = "a path behind the port is not possible: expected host:port alone"
    local SIX = "expected an IPv6 address between the brackets"
    local BRACKETS = "an IPv6 address needs brackets: [::1]:80"
    local SOCKET = "expected unix: and an absolute path, as in unix:/run/app.sock"
    local wrong = {
      { "", "expected host:port, found nothing" },
      { "  ", "expected host:port, found nothing" },
      { "http://", "expected host:port, found nothing" },
      { "backend1", MISSING },
      { "127.0.0.1", MISSING },
      { "backend1:", MISSING },
      { ":80", "the host is missing: expected host:port" },
      { "a:0", PORT },
      { "a:65536", PORT },
      { "a:123456", PORT },
      { "a:080", PORT },
      { "a:+80", PORT },
      { "a:-1", PORT },
      { "a: 80", PORT },
      { "a:80x", PORT },
      { "a:0x50", PORT },
      { "a:http", PORT },
      { "a:80\0", PORT },
      { "a:80/", PATH },
      { "http://a:80/index.html", PATH },
      { "http://a:80/b:c", PATH },
      { "http://a/", "expected host:port alone, or unix:/path" },
      { "/run/app.sock", "expected host:port alone, or unix:/path" },
      { "https://a:443", "https:// is not possible here" },
      { "ftp://a:21", "unknown scheme: expected host:port, with http:// in front at most" },
      { "http://http://a:80", "unknown scheme: expected host:port, with http:// in front at most" },
      { "me@a:80", "a user name is not possible: expected host:port alone" },
      { "a b:80", LETTERS },
      { "a\0b:80", LETTERS },
      { "a\r\nb:80", LETTERS },
      { "b\195\188cher:80", LETTERS },
      { "*:80", LETTERS },
      { ".a:80", DOTS },
      { "a..b:80", DOTS },
      { ".:80", DOTS },
      { ("a"):rep(64) .. ":80", "a part of a host name has 63 bytes at most" },
      { ("a."):rep(127) .. ":80", "a host name has 253 bytes at most" },
      { "127.1:80", FOUR },
      { "1.2.3.256:80", FOUR },
      { "1.2.3.4.5:80", FOUR },
      { "1.2.3.4.:80", FOUR },
      { "2130706433:80", FOUR },
      { "010.0.0.1:80", FOUR },
      { "::1", BRACKETS },
      { "::1:80", BRACKETS },
      { "fe80::1:80", BRACKETS },
      { "[::1]", "the port is missing: expected [address]:port" },
      { "[::1]80", "the port is missing: expected [address]:port" },
      { "[::1]:", MISSING },
      { "[::1]:80/", PATH },
      { "[::1:80", "the ']' behind the IPv6 address is missing" },
      { "[]:80", SIX },
      { "[1.2.3.4]:80", SIX },
      { "[::1::]:80", SIX },
      { "[" .. ("1"):rep(60) .. "]:80", SIX },
      { "[fe80::1%eth0]:80", "an IPv6 zone (%eth0) is not supported" },
      { "unix:", SOCKET },
      { "unix:/", SOCKET },
      { "unix:run/app.sock", SOCKET },
      { "unix:/" .. ("p"):rep(107), "the path of a unix socket has 107 bytes at most" },
      { "unix:/a\0b", "a path has no NUL byte in it" },
    }
    for _, case in ipairs(wrong) do
      local text, expected = unpack(case)
      it(("%q"):format(#text > 40 and text:sub(1, 40) .. ".." or text), function()
        assert.same({ nil, expected }, { parse(text) })
      end)
    end
  end)

  it("has port 0 only where any port will do", function()
    assert.equal(0, assert(parse("127.0.0.1:0", true)).port)
    assert.same({ nil, "expected a port from 0 to 65535" }, { parse("127.0.0.1:65536", true) })
    assert.same({ nil, "expected a port from 1 to 65535" }, { parse "127.0.0.1:0" })
  end)

  it("can be moved to another port", function()
    for _, text in ipairs { "127.0.0.1:80", "[::1]:80" } do
      local address = assert(parse(text))
      core.address_set_port(address.socket, 8081)
      assert.equal(8081, core.address_port(address.socket))
      assert.equal((text:gsub("80$", "8081")), written(core.address_format, address))
    end
    assert.equal(0, core.address_port(assert(parse "unix:/a").socket))
  end)

  it("shows its host alone, and an IPv4 peer of a dual stack socket as IPv4", function()
    local hosts = {
      ["127.0.0.1:80"] = "127.0.0.1", ["[::1]:80"] = "::1", ["[::ffff:10.0.0.9]:80"] = "10.0.0.9",
      ["unix:/run/a"] = "unix:/run/a",
    }
    for text, host in pairs(hosts) do
      assert.equal(host, written(core.address_format_host, assert(parse(text))))
    end
  end)

  it("is written as inet_ntop does", function()
    local address, room = ffi.new "struct address_seen", ffi.new "char[46]"
    local socket = ffi.cast("uint8_t *", address.socket)
    local function check(family, bytes, at, count)
      ffi.cast("uint16_t *", socket)[0] = family
      for i = 1, count do socket[at + i - 1] = bytes[i] end
      local expected = ffi.string(ffi.C.inet_ntop(family, socket + at, room, 46))
      expected = expected:match "^::ffff:(%d+%.%d+%.%d+%.%d+)$" or expected
      if expected ~= written(core.address_format_host, address) then
        assert.equal(expected, written(core.address_format_host, address))
      end
    end
    for n = 0, 255 do check(AF_INET, { n, 255 - n, n * 7 % 256, 255 - n * 3 % 256 }, 4, 4) end

    local words = { 1, 0xf, 0x10, 0xff, 0x100, 0xfff, 0x1000, 0xabcd, 0xffff }
    for zeros = 0, 255 do -- which of the eight words are
      for turn = 0, #words do
        local bytes = {}
        for i = 0, 7 do
          local is_zero = math.floor(zeros / 2 ^ i) % 2 == 1
          local word = is_zero and 0 or words[turn == #words and #words or (turn + i) % #words + 1]
          bytes[#bytes + 1], bytes[#bytes + 2] = math.floor(word / 256), word % 256
        end
        check(AF_INET6, bytes, 8, 16)
      end
    end
  end)
end)
