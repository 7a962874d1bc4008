-- Targets of requests in all their forms, and hosts.
local ffi = require "ffi"
local http = require "spec.support.http"
local core = require "spec.support.core"

ffi.cdef [[
struct target_parts { int form; struct slice authority, origin, path, query; };
bool target_parse(struct slice method, struct slice text, struct arena_seen *, struct target_parts *out);
bool host_is_valid(struct slice);
struct slice host_without_port(struct slice);
size_t host_compared(struct slice host, char *out);
]]

local FORMS = { [0] = "origin", "absolute", "authority", "asterisk" }

-- form, authority, origin, path, query; nil if it is refused
local function parse(method, text)
  local target = ffi.new "struct target_parts"
  local arena = http.arena()
  if not core.target_parse(http.slice(method), http.slice(text), arena, target) then return nil end
  local function part(name) return target[name].length > 0 and http.text(target[name]) or "" end
  return { FORMS[target.form], part "authority", part "origin", part "path", part "query" }
end

describe("a target", function()
  local taken = {
    { "GET", "/", "origin", "", "/", "/", "" },
    { "GET", "/a/b", "origin", "", "/a/b", "/a/b", "" },
    { "POST", "/a?b=c&d", "origin", "", "/a?b=c&d", "/a", "b=c&d" },
    { "GET", "/?", "origin", "", "/?", "/", "" },
    { "GET", "/a??b?", "origin", "", "/a??b?", "/a", "?b?" },
    { "GET", "//a/../b;c=%2f%00", "origin", "", "//a/../b;c=%2f%00", "//a/../b;c=%2f%00", "" },
    { "GET", "/http://b/", "origin", "", "/http://b/", "/http://b/", "" },
    { "OPTIONS", "/a", "origin", "", "/a", "/a", "" },
    { "OPTIONS", "*", "asterisk", "", "*", "*", "" },
    { "GET", "http://a/", "absolute", "a", "/", "/", "" },
    { "GET", "http://a", "absolute", "a", "/", "/", "" },
    { "GET", "http://a.b:8080/c/d?e", "absolute", "a.b:8080", "/c/d?e", "/c/d", "e" },
    { "GET", "HTTP://A/B", "absolute", "A", "/B", "/B", "" },
    { "GET", "http://[::1]:80/a", "absolute", "[::1]:80", "/a", "/a", "" },
    { "GET", "http://a//b", "absolute", "a", "//b", "//b", "" },
    { "GET", "http://a/http://b/", "absolute", "a", "/http://b/", "/http://b/", "" },
    { "GET", "http://a?b=c", "absolute", "a", "/?b=c", "/", "b=c" },
    { "GET", "http://a:80?/b?", "absolute", "a:80", "/?/b?", "/", "/b?" },
    { "GET", "http://a?", "absolute", "a", "/?", "/", "" },
    { "GET", "HtTp://a:/", "absolute", "a:", "/", "/", "" },
    { "GET", "/?a=\"<>\\^`{|}", "origin", "", "/?a=\"<>\\^`{|}", "/", "a=\"<>\\^`{|}" },
    { "OPTIONS", "http://a?b", "absolute", "a", "/?b", "/", "b" },
    { "OPTIONS", "http://a:80", "absolute", "a:80", "*", "*", "" },
    { "OPTIONS", "http://a:80/", "absolute", "a:80", "/", "/", "" },
    { "CONNECT", "a:443", "authority", "a:443", "a:443", "a:443", "" },
    { "CONNECT", "[::1]:443", "authority", "[::1]:443", "[::1]:443", "[::1]:443", "" },
  }
  for _, case in ipairs(taken) do
    local method, text = case[1], case[2]
    it(("%s %s is taken apart"):format(method, text), function()
      assert.same({ unpack(case, 3) }, parse(method, text))
    end)
  end

  local refused = {
    { "GET", "" }, { "GET", "*" }, { "POST", "*" }, { "options", "*" }, { "OPTIONS", "**" }, { "GET", "*/" },
    { "GET", "a" }, { "GET", "a/b" }, { "GET", "?a" }, { "GET", "a:80" }, { "GET", "." },
    { "GET", "http:" }, { "GET", "http:/" }, { "GET", "http:/a" }, { "GET", "http:a" }, { "GET", "http://" },
    { "GET", "http:///" }, { "GET", "http:///a" }, { "GET", "http://:80/" }, { "GET", "http://?a" },
    { "GET", "http://me@a/" }, { "GET", "http://me:secret@a/" }, { "GET", "http://a@/" },
    { "GET", "http://a:b/" }, { "GET", "http://a:80:80/" }, { "GET", "http://[::1/" }, { "GET", "http://::1/" },
    { "GET", "http://a b/" }, { "GET", "http://a\\b/" }, { "GET", "http://a\0/" }, { "GET", "http://a\195\188/" },
    { "GET", "https://a/" }, { "GET", "ftp://a/" }, { "GET", "httpx://a/" }, { "GET", "xhttp://a/" },
    { "CONNECT", "/" }, { "CONNECT", "/a" }, { "CONNECT", "http://a:80/" }, { "CONNECT", "a:443/" },
    { "CONNECT", "a" }, { "CONNECT", "a:" }, { "CONNECT", "a:65536" }, { "CONNECT", "[::1]" }, { "CONNECT", "*" },
    { "GET", "http://a:65536/" }, { "GET", "http://a%4/" }, { "GET", "http://[:::::]/" }, { "GET", "HTTPS://a/" },
    { "GET", "http://a#b/" }, { "GET", "http://me@a?b" }, { "GET", "http:\\\\a/" },
    { "CONNECT", "me@a:443" }, { "CONNECT", ":443" }, { "CONNECT", "a:443?b" },
  }
  for _, case in ipairs(refused) do
    local method, text = unpack(case)
    it(("%s %q is refused"):format(method, text), function() assert.is_nil(parse(method, text)) end)
  end
end)

describe("a host", function()
  local hosts = { -- text, without its port
    { "a", "a" }, { "a.b.c", "a.b.c" }, { "A-b_c.1", "A-b_c.1" }, { "a:80", "a" }, { "a:", "a" }, { "a:0", "a" },
    { "a:65535", "a" }, { "1.2.3.4", "1.2.3.4" }, { "1.2.3.4:80", "1.2.3.4" }, { "[::]", "[::]" },
    { "[::1]:80", "[::1]" }, { "[::1]:", "[::1]" }, { "[2001:DB8::A:b]", "[2001:DB8::A:b]" },
    { "[::ffff:1.2.3.4]:80", "[::ffff:1.2.3.4]" }, { "a.", "a." }, { "%41:80", "%41" },
    { "a%2D%aFb", "a%2D%aFb" }, { "a:00080", "a" }, { "[1:2:3:4:5:6:7:8]", "[1:2:3:4:5:6:7:8]" },
    { "x!$&'()*+;=~", "x!$&'()*+;=~" },
  }
  for _, case in ipairs(hosts) do
    local text, host = unpack(case)
    it(("%q is valid"):format(text), function()
      assert.is_true(core.host_is_valid(http.slice(text)))
      assert.equal(host, http.text(core.host_without_port(http.slice(text))))
    end)
  end

  local compared = {
    { "a.example.com", "a.example.com" }, { "A.Example.COM", "a.example.com" }, { "a.example.com.", "a.example.com" },
    { "A..", "a" }, { ".", "" }, { "%41dmin.%65xample%2Ecom", "admin.example.com" }, { "a%2fB%C3%A9", "a%2fb%c3%a9" },
    { "1.2.3.4", "1.2.3.4" }, { "[::1]", "[::1]" }, { "[0:0:0:0:0:0:0:1]", "[::1]" },
    { "[2001:DB8::000A:b]", "[2001:db8::a:b]" }, { "[::FFFF:1.2.3.4]", "[::ffff:1.2.3.4]" },
    { "[::ffff:102:304]", "[::ffff:1.2.3.4]" }, { "[1:2:3:4:5:6:7:8]", "[1:2:3:4:5:6:7:8]" },
    { "[1111:2222:3333:4444:5555:6666:255.255.255.255]", "[1111:2222:3333:4444:5555:6666:ffff:ffff]" },
    { "x!$&'()*+;=~", "x!$&'()*+;=~" },
  }
  for _, case in ipairs(compared) do
    local text, wanted = unpack(case)
    it(("%q is compared as %q"):format(text, wanted), function()
      local out = ffi.new("char[?]", math.max(#text, 64))
      assert.is_true(core.host_is_valid(http.slice(text)))
      assert.equal(wanted, ffi.string(out, core.host_compared(http.slice(text), out)))
    end)
  end

  local wrong = {
    "", ":", ":80", "a:x", "a:8x", "a: 80", "a:80 ", "a:-1", "a:+80", "a:0x50", "a:123456", "a:80:80", "::1", "a b",
    " a", "a ", "a\tb", "a/b", "a/", "/a", "a?b", "a#b", "a@b", "me:secret@a", "a\\b", "a\0", "a\0b", "a\127",
    "a\195\188", "a\"b", "<a>", "a^b", "a`b", "{a}", "a|b", "[", "]", "[]", "[]:80", "[::1", "::1]", "[::1]80",
    "[::1]a", "[::1]:x", "[::1]:123456", "[[::1]]", "[::g]", "[::1 ]", "[fe80::1%eth0]", "[v1.a]", "a[::1]",
    "http://a", "a\r\nb", "a\nb", "a:65536", "a:99999", "a:18446744073709551696",
    "%", "a%", "a%4", "a%4:80", "a%4g", "a%%41",
    "[:::::]", "[:]", "[1]", "[1:2:3:4:5:6:7]", "[1:2:3:4:5:6:7:8:9]", "[::1::]", "[12345::]", "[1.2.3.4]",
    "[::a.b.c.d]",
    "[::256.1.1.1]", "[::1\0]", "[::1%25eth0]", "[::1]:65536", "[" .. ("0"):rep(60) .. "::1]", "[v1.x]", "a,b:c", "a,b",
  }
  for _, text in ipairs(wrong) do
    it(("%q is not valid"):format(text), function() assert.is_false(core.host_is_valid(http.slice(text))) end)
  end

  it("has only the bytes that a host may have", function()
    for byte = 0, 255 do
      local char = string.char(byte)
      local fits = char:find "^[%w%-._~!$&'()*+;=]$" ~= nil or char == ":" -- "a:" has an empty port
      assert.same({ byte, fits }, { byte, core.host_is_valid(http.slice("a" .. char)) })
    end
  end)
end)
