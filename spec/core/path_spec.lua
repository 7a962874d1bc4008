-- What scripts compare of a path (core/http/path.c).
local ffi = require "ffi"
local clean_path = require "spec.support.clean_path"
local http = require "spec.support.http"
local core = require "spec.support.core"

ffi.cdef "const char *path_clean(struct slice path, char *out, size_t *length);"

-- The clean path; or nil and what is wrong. Nothing is written behind the room.
local function clean(path)
  local out, length = ffi.new("char[?]", #path + 2), ffi.new "size_t[1]"
  out[#path + 1] = 77
  local fault = core.path_clean(http.slice(path), out, length)
  assert(out[#path + 1] == 77, path)
  if fault ~= nil then return nil, ffi.string(fault) end
  assert(length[0] <= #path + 1)
  return ffi.string(out, length[0])
end

describe("a path to compare", function()
  for path, wanted in pairs {
    ["/"] = "/", ["*"] = "*", ["/a"] = "/a", ["/a/"] = "/a/", ["/a/b.c"] = "/a/b.c", ["/A"] = "/A",
    -- encoded
    ["/%61dmin"] = "/admin", ["/%41"] = "/A", ["/a%20b"] = "/a b", ["/%7Euser"] = "/~user", ["/100%25"] = "/100%",
    ["/%2561dmin"] = "/%61dmin", ["/%252f"] = "/%2f", ["/caf%C3%A9"] = "/caf\195\169", ["/a%3fb%23"] = "/a?b#",
    ["/a+b"] = "/a+b",
    -- slashes
    ["//admin"] = "/admin", ["///a////b//"] = "/a/b/", ["//"] = "/",
    -- dots
    ["/."] = "/", ["/./"] = "/", ["/./admin"] = "/admin", ["/a/."] = "/a/", ["/a/./b"] = "/a/b", ["/a/.."] = "/",
    ["/a/../admin"] = "/admin", ["/a/b/.."] = "/a/", ["/a/b/../.."] = "/", ["/a/b/c/./../../g"] = "/a/g",
    ["/%2e/a"] = "/a", ["/a/%2E%2e/b"] = "/b", ["/a/.%2e/b"] = "/b", ["/a//b/../c"] = "/a/c", ["/a/.//b"] = "/a/b",
    ["/..."] = "/...", ["/.a"] = "/.a", ["/a../b"] = "/a../b", ["/..a"] = "/..a", ["/a/.well-known"] = "/a/.well-known",
    -- parameters
    ["/a;b"] = "/a", ["/a;b=c;d/e;f"] = "/a/e", ["/;x/admin"] = "/admin", ["/a/;x"] = "/a/", ["/a/;x/b"] = "/a/b",
    ["/a%3bb"] = "/a;b", ["/a;%20"] = "/a",
  } do
    it(("of %s is %s"):format(path, wanted), function()
      assert.same({ wanted }, { clean(path) })
      assert.same({ wanted }, { (clean_path(path)) })
    end)
  end

  local ESCAPE, SLASH, BACKSLASH = "a '%' without two hex digits", "an encoded '/' (%2f)", "an encoded backslash (%5c)"
  local CONTROL, UTF8, DOTS = "an encoded control byte", "bytes that are not UTF-8", "dots before a ';'"
  local ROOT, OVER = "'..' above the root", "'..' over '//'"
  for path, wanted in pairs {
    ["/%"] = ESCAPE, ["/%4"] = ESCAPE, ["/%/a"] = ESCAPE, ["/%4g"] = ESCAPE, ["/%u0041"] = ESCAPE, ["/a;%"] = ESCAPE,
    ["/admin%2fx"] = SLASH, ["/%2F"] = SLASH, ["/a;b=%2f"] = SLASH,
    ["/a%5cb"] = BACKSLASH, ["/%5C"] = BACKSLASH, ["/a\\b"] = "a backslash", ["/\\..\\admin"] = "a backslash",
    ["/a%00"] = "an encoded NUL (%00)", ["/admin%00.css"] = "an encoded NUL (%00)",
    ["/a%0a"] = CONTROL, ["/a%0D%0ab"] = CONTROL, ["/%09admin"] = CONTROL, ["/%7f"] = CONTROL, ["/%1f"] = CONTROL,
    ["/%c0%ae%c0%ae/admin"] = UTF8, ["/%c0%afadmin"] = UTF8, ["/%e0%80%af"] = UTF8, ["/%f0%80%80%ae"] = UTF8,
    ["/%c1%9c"] = UTF8, ["/%ff"] = UTF8, ["/caf%e9"] = UTF8, ["/%ed%a0%80"] = UTF8, ["/%c3/%a9"] = UTF8,
    ["/a/..;/b"] = DOTS, ["/a/..;x=y/b"] = DOTS, ["/a/.;/b"] = DOTS, ["/a/..%3b/b"] = DOTS, ["/a/%2e%2e;/b"] = DOTS,
    ["/.."] = ROOT, ["/../"] = ROOT, ["/../admin"] = ROOT, ["/a/../.."] = ROOT, ["/%2e%2e/a"] = ROOT, ["/./.."] = ROOT,
    ["//.."] = ROOT, ["/a/../../a"] = ROOT,
    ["/a//../b"] = OVER, ["/admin//../x"] = OVER,
    ["/a//b/../../c"] = OVER, ["/a//./../b"] = OVER, ["/a/;x/../b"] = OVER,
  } do
    it(("of %q is none: %s"):format(path, wanted), function()
      assert.same({ n = 2, nil, wanted }, { n = select("#", clean(path)), clean(path) })
      assert.is_nil((clean_path(path)))
    end)
  end

  -- What a clean path is, however it came to be; and a second reader of the same text agrees.
  local function check(path)
    local got, fault = clean(path)
    local wanted = clean_path(path)
    local difference = ("%q: %s (%s), and not %s"):format(path, tostring(got), tostring(fault), tostring(wanted))
    assert(got == wanted, difference)
    if not got or got == "*" then return end
    assert(got:sub(1, 1) == "/", path)
    for segment in got:gmatch "[^/]+" do assert(segment ~= "." and segment ~= "..", path) end
    assert(not got:find("//", 1, true) and not got:find "[%z\1-\31\127\\]", path)
    local encoded = got:gsub("[^%w/]", function(c) return ("%%%02x"):format(c:byte()) end)
    local again, why = clean(encoded)
    assert(again == got or why == "dots before a ';'", path) -- "..;" may be a name only as it came
  end

  it("is the same to a second reader, whatever the bytes", function()
    local PIECES = { "/", "/", "/", ".", "..", "%2e", "%2E", "%2f", "%5c", "\\", ";", "%3b", "a", "admin", "%61", "%",
      "%4", "%c3%a9", "%c0%ae", "%e2%82%ac", "%f0%9f%98%80", "%00", "%0a", "%20", "%25", "?", "=", "~", "%7f", "%ff" }
    for seed = 1, 20000 do
      local path = { "/" }
      for i = 2, seed % 12 + 2 do path[i] = PIECES[math.random(#PIECES)] end
      check(table.concat(path))
    end
    for _ = 1, 5000 do
      local path = { "/" }
      for i = 2, math.random(20) do path[i] = string.char(math.random(0x21, 0x7e)) end
      check(table.concat(path))
    end
  end)

  it("does not cost more than a walk over a long one", function()
    local long = "/" .. ("a/../"):rep(20000) .. "b"
    assert.equal("/b", clean(long))
    assert.equal("/" .. ("a/"):rep(30000), clean("/" .. ("a//"):rep(30000)))
    assert.equal("/", clean(("/."):rep(30000)))
    local deep = ("/abcdefgh"):rep(5000)
    assert.equal("/", clean(deep .. ("/.."):rep(5000)))
  end)
end)
