-- What is said of a script that is none, or that means something else: the message has the way out.
local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef [[
struct config *config_load_text(const char *name, struct slice source, const void *, struct segment *,
                                struct buffer *error);
void config_free(struct config *);
const char *foreign_guess(struct slice text);
const char *instead_of(struct slice message);
bool place_begins(struct slice message, const char *path, struct slice *behind);
unsigned place_line(struct slice behind);
]]

local function slice(text) return ffi.new("struct slice", text, #text) end
local function text_of(pointer) return pointer ~= nil and ffi.string(pointer) or nil end

describe("a script", function()
  local segment
  setup(function() segment = core.segment_new() end)
  teardown(function() core.segment_free(segment) end)

  -- nil if it is well.
  local function message(source)
    local err = ffi.new "struct buffer"
    local config = core.config_load_text("b.lua", slice(source), nil, segment, err)
    local text = err.bytes ~= nil and ffi.string(err.bytes + err.start, tonumber(err["end"] - err.start)) or ""
    core.buffer_dispose(err)
    if config ~= nil then core.config_free(config) end
    return text ~= "" and text or nil
  end

  local INSTEAD = ": lb takes a Lua script, as in return { backends = \"host:port\" }"
  local wrong = { -- what it is, the text, the message
    { "in UTF-16", "\255\254r\0e\0t\0", "b.lua:1: '=' expected: this is UTF-16: save it as UTF-8" },
    { "in UTF-16 of the other order", "\254\255\0r\0e\0t", "b.lua:1: '=' expected: this is UTF-16: save it as UTF-8" },
    { "in UTF-16 without a mark", "r\0e\0t\0u\0r\0n\0 \0{\0}\0",
      "b.lua:1: '=' expected: this is UTF-16 without its mark: save it as UTF-8" },
    { "in JSON", "{ \"backends\": [\"a:1\"] }",
      "b.lua:1: unexpected symbol near '{': this looks like JSON" .. INSTEAD },
    { "that forgets to return", "{ backends = 'a:1' }",
      "b.lua:1: unexpected symbol near '{': a script returns its table: return { ... }" },
    { "in YAML", "# lb\n---\nlisten: 80\nbackends:\n  - a:1\n",
      "b.lua:3: '<name>' expected near '80': this looks like YAML" .. INSTEAD },
    { "in TOML", "[lb]\nlisten = 80\n", "b.lua:1: unexpected symbol near '[': this looks like TOML" .. INSTEAD },
    { "of nginx", "# lb\nuser www;\nhttp {\n",
      "b.lua:2: '=' expected near 'www': this looks like a configuration of nginx" .. INSTEAD },
    { "of HAProxy", "global\n  daemon\n\nfrontend web\n",
      "b.lua:2: '=' expected near 'daemon': this looks like a configuration of HAProxy" .. INSTEAD },
    { "that is a page", "<!doctype html>\n",
      "b.lua:1: unexpected symbol near '<': this looks like a page or XML" .. INSTEAD },
    { "with a list in one text of a list", "return { backends = { 'a:1',\n'b:2, c:3, d:4, e:5' } }",
      "b.lua:2: backends[2]: 'b:2, c:3, d:4, e:5': " ..
        "a list has one address in each text: { \"b:2\", \"c:3\", \"d:4\", ... }" },
    { "with semicolons between addresses", "return { backends = 'a:1;b:2' }",
      "b.lua:1: backends: 'a:1;b:2': a semicolon is in it: separate addresses by commas" },
    { "with line ends between addresses", "return { backends = [[a:1\nb:2]] }",
      "b.lua:1: backends: 'a:1\\nb:2': a line end is in it: separate addresses by commas" },
    { "with a table in place of a hook", "return { backends = 'a:1',\nchoose = require 'p2c_ewma' }",
      "b.lua:2: choose: expected a function, got a table that has one: " ..
        "write .choose behind it, as in (require \"round_robin\").choose" },
    { "that opens a file", "local f = io.open 'x'", "b.lua:1: attempt to index global 'io' (a nil value): " ..
      "scripts have no files: require loads modules, print and lb.log write the log" },
    { "that runs a program", "\nos.execute 'ls'", "b.lua:2: attempt to call field 'execute' (a nil value): " ..
      "os.execute: scripts start no programs: lb.http and lb.tcp ask a service" },
    { "of OpenResty", "local h = ngx.var.host", "b.lua:1: attempt to index global 'ngx' (a nil value): " ..
      "that is of OpenResty: what a request has is in ctx, which each hook gets (scripts/README.md)" },
    { "that compiles a text", "loadstring 'x'()", "b.lua:1: attempt to call global 'loadstring' (a nil value): " ..
      "scripts compile no texts: require \"name\" loads name.lua next to the script" },
  }
  for _, case in ipairs(wrong) do
    local what, source, expected = unpack(case)
    it(what .. " is refused with the way out", function() assert.equal(expected, message(source)) end)
  end

  local twice = { -- what it returns, the line and the name
    { "{ backends = 'a:1',\nbackends = 'b:2' }", 2, "backends", 1 },
    { "{ backends = 'a:1',\nhealth = { interval = 1, timeout = 1,\n  ['interval'] = 2 } }", 3, "interval", 2 },
    { "{ backends = {\n{ address = 'a:1', weight = 2, weight = 3 } } }", 2, "weight", 2 },
    { "require 'round_robin' { backends = 'a:1',\nbackends = 'b:2' }", 2, "backends", 1 },
    { "{ backends = 'a:1', choose = function() local t = { a = 1, a = 2 } end, choose = print }", 1, "choose", 1 },
  }
  for _, case in ipairs(twice) do
    local returned, line, name, first = unpack(case)
    it(("is refused for %s twice: %q"):format(name, returned), function()
      assert.equal(("b.lua:%d: '%s' is given twice in one table, first in line %d"):format(line, name, first),
        message("return " .. returned))
    end)
  end

  it("may have one name in several tables, and in what its functions make", function()
    assert.is_nil(message [[return { backends = { { address = 'a:1', tags = { a = '1' } }, { address = 'b:2' } },
      timeouts = { request = 1, queue = 1 }, limits = { queue = 1 },
      choose = function(_, b) if b then local x = { a = 1, a = 2 } end return b[1] end }]])
    assert.is_nil(message "local M = { backends = 'a:1' }\nM.backends = 'b:2'\nreturn M")
    assert.is_nil(message [[local zone = 'area'
      return { backends = { { address = 'a:1', tags = { [zone] = '1', zone = '2' } } } }]])
    assert.is_nil(message "return { backends = { { address = 'a:1', tags = { note = 'one \\z\n, note = two' } } } }")
    assert.is_nil(message "return { backends = { { address = 'a:1', tags = { note = 'one \\\r\n, note = two' } } } }")
  end)

  it("in UTF-8 with a mark is well", function()
    assert.is_nil(message "\239\187\191return { backends = 'a:1' }")
  end)

  it("that cannot be mistaken for anything else is shown the compiler's message alone", function()
    assert.equal("b.lua:2: '}' expected (to close '{' at line 1) near 'b'", message "return { a = 1\nb = 2 }")
    assert.equal("b.lua:1: attempt to call global 'mine' (a nil value)", message "mine()")
    assert.equal("b.lua:1: attempt to index local 'http' (a nil value)", message "local http; local x = http.x")
  end)

  describe("with lb itself as a backend is refused:", function()
    local selves = { -- listen, backends, the line, its place, the address that listens
      { "'127.0.0.1:3030'", "'127.0.0.1:3030'", 2, "backends", "127.0.0.1:3030" },
      { "'0.0.0.0:3030'", "{ 'a:1',\n'127.1.2.3:3030' }", 3, "backends[2]", "0.0.0.0:3030" },
      { "':3030'", "{ { address = '127.0.0.1:3030' } }", 2, "backends[1]", "[::]:3030" },
      { "':3030'", "'a:1, [::1]:3030'", 2, "backends", "[::]:3030" },
      { "'[::1]:80, 127.0.0.1:3030'", "'localhost:3030'", 2, "backends", "127.0.0.1:3030" },
      { "'127.0.0.1:3030'", "'0.0.0.0:3030'", 2, "backends", "127.0.0.1:3030" },
    }
    for _, case in ipairs(selves) do
      local listen, backends, line, place, own = unpack(case)
      it(("%s behind %s"):format(backends, listen), function()
        local said = message(("return { listen = %s,\nbackends = %s }"):format(listen, backends))
        assert.truthy(said and said:find(("^b.lua:%d: %s: '"):format(line, (place:gsub("[%[%]]", "%%%0")))), said)
        assert.equal("that is lb itself, which listens on " .. own, said:match "': (.*)$")
      end)
    end

    local others = {
      { "'127.0.0.1:3030'", "'127.0.0.2:3030'" },
      { "'0.0.0.0:3030'", "'127.0.0.1:3031'" },
      { "'0.0.0.0:3030'", "'[::1]:3030'" },
      { "'0.0.0.0:3030'", "'192.0.2.1:3030'" },
      { "'[::]:3030, 192.0.2.1:3030'", "'127.0.0.1:3030'" },
      { "'127.0.0.1:0'", "'127.0.0.1:3030'" },
      { "':3030'", "'web:3030, unix:/run/web'" },
    }
    for _, case in ipairs(others) do
      local listen, backends = unpack(case)
      it(("not %s behind %s"):format(backends, listen), function()
        assert.is_nil(message(("return { listen = %s, backends = %s }"):format(listen, backends)))
      end)
    end
  end)
end)

describe("a guess at what a file is", function()
  local function guess(text) return text_of(core.foreign_guess(slice(text))) end

  for what, text in pairs {
    ["Lua"] = "local x = 1\nreturn { backends = 'a:1' }", ["nothing"] = "",
    ["a call of a method"] = "lb.counter('a'):next(1)\nreturn {", ["a comment"] = "-- listen: 80",
    ["a wrong end"] = "return { backends = 'a:1'", ["a variable called listen"] = "listen = 80\nreturn {",
  } do
    it("is none of " .. what, function() assert.is_nil(guess(text)) end)
  end

  it("knows what is compiled, and what is no text", function()
    assert.equal("this is compiled Lua: lb takes the source", guess(string.dump(function() end)))
    assert.truthy(guess "\127ELF\2\1\1\0":find "^this is a binary file")
    assert.equal("there are NUL bytes in it: this is no text", guess "return {}\0")
  end)
end)

describe("the place of a message", function()
  local function at(message, path)
    local behind = ffi.new "struct slice"
    if not core.place_begins(slice(message), path, behind) then return nil end
    return core.place_line(behind), ffi.string(behind.start, behind.length)
  end

  local long = ("folder/"):rep(20) .. "balancer.lua"

  it("is a file and a line", function()
    assert.same({ 7, ":7: oh" }, { at("b.lua:7: oh", "b.lua") })
    assert.is_nil(at("b.lua: oh", "b.lua"))
    assert.is_nil(at("c.lua:7: oh", "b.lua"))
    assert.is_nil(at("", "b.lua"))
  end)

  it("is found in a path that Lua has shortened", function()
    assert.same({ 12, ":12: oh" }, { at("..." .. long:sub(-56) .. ":12: oh", long) })
    assert.is_nil(at("...other/" .. long:sub(-50) .. "x:12: oh", long))
    assert.is_nil(at("...lua:12: oh", long)) -- too little to be sure
  end)
end)
