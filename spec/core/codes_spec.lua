-- Functions for scripts that read and write texts of others (core/lua/codes.lua): lb's own, while
-- a script is loaded, and the builders' in spec/support.
local core = require "spec.support.core"
local loaded = require "spec.support.loaded"
local script = require "spec.support.script"

-- Each is the inside of a script; "same" compares two lists of values.
local HOLDS = {
  ["base64, as RFC 4648 has it"] = [[
    local words = { "", "f", "fo", "foo", "foob", "fooba", "foobar" }
    local coded = { "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy" }
    for i, word in ipairs(words) do
      same({ lb.base64.encode(word), lb.base64.decode(coded[i]) }, { coded[i], word })
      local plain = coded[i]:gsub("=", "")
      same({ lb.base64url.encode(word), lb.base64url.decode(plain), lb.base64url.decode(coded[i]) },
        { plain, word, word })
    end
    same({ lb.base64.encode "\251\255\254", lb.base64url.encode "\251\255\254" }, { "+//+", "-__-" })
    same({ lb.base64.decode "+//+", lb.base64url.decode "-__-" }, { "\251\255\254", "\251\255\254" })
    local all = {}
    for i = 0, 255 do all[i + 1] = string.char(i) end
    all = table.concat(all)
    same({ lb.base64.decode(lb.base64.encode(all)), lb.base64url.decode(lb.base64url.encode(all)) }, { all, all })]],
  ["no base64 that another text would mean as well"] = [[
    local function fails(decode, text, at)
      local value, why = decode(text)
      same({ tostring(value), why:match "^no base%d+u?r?l? at byte (%d+)$" }, { "nil", tostring(at) })
    end
    fails(lb.base64.decode, "Zg", 3)
    fails(lb.base64.decode, "Zg=", 3)
    fails(lb.base64.decode, "Zg==Zg==", 3)
    fails(lb.base64.decode, "Zh==", 2)
    fails(lb.base64.decode, "Z===", 2)
    fails(lb.base64.decode, "====", 1)
    fails(lb.base64.decode, "Zm9v\n", 5)
    fails(lb.base64.decode, "Zm-v", 3)
    fails(lb.base64url.decode, "Zm+v", 3)
    fails(lb.base64url.decode, "Z", 2)
    fails(lb.base64url.decode, "Zg=", 3)
    fails(lb.base64url.decode, "\0g", 1)]],
  ["hex"] = [[
    same({ lb.hex.encode "\0a\255", lb.hex.encode "" }, { "0061ff", "" })
    same({ lb.hex.decode "0061FF", lb.hex.decode "0061ff", lb.hex.decode "" }, { "\0a\255", "\0a\255", "" })
    same({ select(2, lb.hex.decode "0") }, { "no hex at byte 2" })
    same({ select(2, lb.hex.decode "0g") }, { "no hex at byte 2" })]],
  ["SHA-256, as FIPS 180 has it"] = [[
    same({ lb.sha256 "abc", lb.sha256 "" }, {
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" })]],
  ["a signature of a JWT, as RFC 7515 has it"] = [[
    local key = lb.base64url.decode
      "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
    local text = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9l"
      .. "eGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    same({ lb.base64url.encode(lb.hex.decode(lb.hmac(key, text))) },
      { "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" })]],
  ["texts in URLs"] = [[
    same({ lb.url.encode "a b/%C3?\255~-._Z9" }, { "a%20b%2F%25C3%3F%FF~-._Z9" })
    same({ lb.url.decode "a%20b%2f+%00%C3%a9", lb.url.decode "" }, { "a b/+\0\195\169", "" })
    for _, text in ipairs { "ab%", "ab%2", "ab%zz", "ab%2x" } do
      local value, why = lb.url.decode(text)
      same({ tostring(value), why }, { "nil", "no percent-encoding at byte 3" })
    end]],
  ["queries"] = [[
    local q = lb.query "a=1&b=x+y%26z&a=2&c&=e&&all=w&d=%zz%2&e==3&%61=3"
    same({ q.a, q.b, q.c, q[""], q.d, q.e, tostring(q.f) }, { "1", "x y&z", "", "e", "%zz%2", "=3", "nil" })
    same(q:all "a", { "1", "2", "3" })
    same(q:all "all", { "w" })
    same(q:all "nobody", {})
    local seen = {}
    for name, value in q:each() do seen[#seen + 1] = name .. ":" .. value end
    same(seen, { "a:1", "b:x y&z", "a:2", "c:", ":e", "all:w", "d:%zz%2", "e:=3", "a:3" })
    same({ tostring(lb.query("").a) }, { "nil" })
    q:all("a")[1] = "changed"
    same({ q.a }, { "1" })
    same({ pcall(function() q.a = "2" end) and "set" or "not" }, { "not" })]],
  ["a hundred pairs of a query, and says if there are more"] = [[
    local parts = {}
    for i = 1, 101 do parts[i] = "k" .. i .. "=" .. i end
    local q, why = lb.query(table.concat(parts, "&", 1, 100))
    same({ q.k1, q.k100, tostring(why) }, { "1", "100", "nil" })
    q, why = lb.query(table.concat(parts, "&"))
    same({ q.k100, tostring(q.k101), why }, { "100", "nil", "more than 100 pairs" })]],
  ["networks"] = [[
    local net = lb.net("10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "::1")
    for _, text in ipairs { "10.0.0.0", "10.255.255.255", "192.0.2.7", "2001:db8::", "2001:DB8:ffff::1", "::1",
      "::ffff:10.1.2.3", "2001:db8:1:2::/64" } do
      same({ text, net:has(text) }, { text, true })
    end
    for _, text in ipairs { "11.0.0.0", "192.0.2.8", "2001:db9::", "::2", "", "nobody", "10.0.0.1:80", "10.0.0.0/8",
      "10", "10.1", "010.0.0.1", "0x0a000001", "[::1]", "::1%eth0", "10.0.0.1\0", "2001:db8::/32", "2001:db9::/64",
      "2001:db8::/129", ("1"):rep(1000) } do
      same({ text, net:has(text) }, { text, false })
    end
    for _, value in ipairs { 10, 1e300, true, {}, print } do same({ net:has(value) }, { false }) end
    same({ net:has(nil), net:has() }, { false, false })
    same({ lb.net("::/0"):has "10.0.0.1", lb.net("0.0.0.0/0"):has "10.0.0.1", lb.net("0.0.0.0/0"):has "::1" },
      { false, true, false })
    same({ lb.net({ "10.0.0.0/8", "::1" }):has "::1" }, { true })]],
  ["dates, in UTC"] = [[
    same({ os.date("!%Y-%m-%dT%H:%M:%SZ", 1795348801), os.date("!%Y-%m-%d", 1795348801) },
      { "2026-11-22T12:00:01Z", "2026-11-22" })
    same({ os.date("!%a %A %b %B %d %H %I %j %m %M %p %S %w %y %%", 0) },
      { "Thu Thursday Jan January 01 00 12 001 01 00 AM 00 4 70 %" })
    same({ os.date("!%F %T %R %D %e %u %V %G", 951782400) }, { "2000-02-29 00:00:00 00:00 02/29/00 29 2 09 2000" })
    same({ os.date("!", 0), os.date("!no letters", -1.5) }, { "", "no letters" })
    same({ os.date("!%H:%M:%S", -1), os.date("!%S", 1.9) }, { "23:59:59", "01" })
    local t = os.date("!*t", 1795348801)
    same({ t.year, t.month, t.day, t.hour, t.min, t.sec, t.wday, t.yday, t.isdst },
      { 2026, 11, 22, 12, 0, 1, 1, 326, false })
    same({ os.date("!*t", 0).year, os.time(t), os.time { year = 1970, month = 1, day = 1, hour = 0 } },
      { 1970, 1795348801, 0 })
    local february = { year = 2025, month = 2, day = 1, hour = 0 }
    same({ os.time { year = 2024, month = 14, day = 1, hour = 0 }, os.date "!%Y" >= "2024", type(os.time()) },
      { os.time(february), true, "number" })]],
}

-- An error at the line of the script that called it; `lb` says it in these words.
local REFUSED = {
  ["lb.net '10.0.0.1/8'"] = "lb.net: '10.0.0.1/8': bits beyond the prefix are set",
  ["lb.net('::1', 'nobody')"] = "lb.net: 'nobody': expected an address or a network",
  ["lb.net()"] = "lb.net needs 1 to 10000 networks",
  ["lb.net {}"] = "lb.net needs 1 to 10000 networks",
  ["lb.net('::1', 7)"] = "lb.net: network 2 is a text, not a number",
  ["lb.net('::1').has('::1')"] = "call it on a net, with a colon",
  ["lb.net('::1').had"] = "unknown field 'had' of a net",
  ["lb.base64.encode(nil)"] = "lb.base64.encode needs a text, got nil",
  ["lb.base64url.decode {}"] = "lb.base64url.decode needs a text, got table",
  ["lb.hex.decode(7)"] = "lb.hex.decode needs a text, got number",
  ["lb.sha256(('x'):rep(2^18 + 1))"] = "lb.sha256: a text has 262144 bytes at most",
  ["lb.url.decode()"] = "lb.url.decode needs a text, got nil",
  ["lb.query(7)"] = "lb.query needs a text, got number",
  ["lb.query('a').each()"] = "call it on a query, with a colon",
  ["lb.query('a').all('a')"] = "call it on a query, with a colon",
  ["os.date '*t'"] = "os.date gives UTC only, for which a '!' stands in front: os.date \"!*t\"; os.time() gives",
  ["os.date()"] = "os.date gives UTC only, for which a '!' stands in front: os.date \"!%c\"",
  ["os.date('!%Q')"] = "os.date: there is no '%Q'",
  ["os.date('!100%')"] = "os.date: there is no '%'",
  ["os.date('!%Ey')"] = "os.date: there is no '%E'",
  ["os.date('!%s')"] = "os.date: there is no '%s'",
  ["os.date('!%' .. ('a'):rep(300))"] = "os.date: a format has 256 bytes at most",
  ["os.date('!%\\0')"] = "os.date: a format has 256 bytes at most, and no NUL",
  ["os.date('!%Y', 0/0)"] = "os.date: a time is a number of seconds in the years 1 to 9999",
  ["os.date('!%Y', 1e300)"] = "os.date: a time is a number of seconds in the years 1 to 9999",
  ["os.date({})"] = "os.date needs a format, got table",
  ["os.time { year = 2026 }"] = "os.time: the field 'month' is missing",
  ["os.time { year = 1e10, month = 1, day = 1 }"] = "os.time: the field 'year' is out of bounds",
}

local SAME = [[
local function same(is, wanted)
  assert(#is == #wanted, #is .. " values, not " .. #wanted)
  for i = 1, #wanted do
    if is[i] ~= wanted[i] then
      error(("value %d is <%s>, not <%s>"):format(i, tostring(is[i]), tostring(wanted[i])), 2)
    end
  end
end
]]

describe("lb knows", function()
  local segment

  setup(function() segment = core.segment_new() end)
  teardown(function() core.segment_free(segment) end)

  for what, text in pairs(HOLDS) do
    it(what, function() assert.is_nil(loaded.run(segment, SAME .. text)) end)
    it(what .. ", in the builders, too", function() script.load_text(SAME .. text) end)
  end

  for text, wanted in pairs(REFUSED) do
    it("better than " .. text, function()
      local said = loaded.run(segment, "\nlocal _ = " .. text)
      assert.equal("t.lua:2: " .. wanted, tostring(said):sub(1, #wanted + 9))
      assert.has_error(function() script.load_text("local _ = " .. text) end)
    end)
  end

  it("better than pairs of a query", function()
    assert.equal("t.lua:2: pairs(query) finds nothing: write for name, value in query:each() do",
      loaded.run(segment, "\nfor _ in pairs(lb.query 'a=1') do end"))
  end)

  it("the time in UTC whatever the time zone is called", function()
    local function date_in(zone)
      local pipe = assert(io.popen(("TZ=%s luajit -e %q"):format(zone, [[
        package.path = "./?.lua;" .. package.path
        local core, loaded = require "spec.support.core", require "spec.support.loaded"
        print(loaded.run(core.segment_new(), "error(os.date('!%H %Z', 0) .. os.time(os.date('!*t', 0)), 0)"))]])))
      local said = pipe:read "*l"
      pipe:close()
      return said
    end
    assert.equal("t.lua: 00 GMT0", date_in "Asia/Tokyo")
    assert.equal("t.lua: 00 GMT0", date_in "XYZ-7")
  end)
end)
