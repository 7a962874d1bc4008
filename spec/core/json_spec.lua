-- lb.json (core/lua/json.lua), called as a script calls it while it is loaded.
local ffi = require "ffi"
local loaded = require "spec.support.loaded"
local core = require "spec.support.core"

ffi.cdef [[
]]

describe("lb.json", function()
  local segment

  setup(function() segment = core.segment_new() end)
  teardown(function() core.segment_free(segment) end)

  -- The message of what went wrong while it was loaded, or nil.
  local function run(body) return loaded.run(segment, "local json = lb.json " .. body) end

  -- Raised as an error, to be seen from here.
  local function result(expression)
    local said = run(("error('<' .. tostring(%s) .. '>', 0)"):format(expression))
    return (said:match "^t%.lua: <(.*)>$") or said
  end

  local function encoded(expression) return result("json.encode(" .. expression .. ")") end

  describe("encodes", function()
    it("values", function()
      assert.equal("null", encoded "nil")
      assert.equal("null", encoded "json.null")
      assert.equal("true", encoded "true")
      assert.equal("false", encoded "false")
      assert.equal("-7", encoded "-7")
      assert.equal("9007199254740991", encoded "2^53 - 1")
      assert.equal("0.1", encoded "0.1")
      assert.equal("1e+300", encoded "1e300")
      assert.equal("0.3333333333333333", encoded "1/3")
    end)

    it("texts, with what has to be escaped", function()
      assert.equal('"a/b"', encoded "'a/b'")
assert.is_nil(run [==[assert(json.encode '"\\\n\t\0\31' == [["\"\\\n\t\u0000\u001f"]])]==])
    end)

    it("UTF-8 as it is, and other bytes as U+FFFD", function()
      assert.is_nil(run [[
        assert(json.encode "\195\164\240\159\152\128" == '"\195\164\240\159\152\128"')
        assert(json.encode "a\255b\192\128" == '"a\239\191\189b\239\191\189\239\191\189"')
        assert(json.encode "\195" == '"\239\191\189"')
        assert(json.encode(("\255"):rep(100)) == '"' .. ("\239\191\189"):rep(100) .. '"')
      ]])
    end)

    it("objects by name, arrays by place", function()
      assert.equal('{"a":[1,"x",null],"b":{},"c":[]}',
        encoded "{ c = json.array(), b = {}, a = { 1, 'x', json.null } }")
      assert.equal('[[],[1]]', encoded "{ json.array {}, json.array { 1 } }")
    end)

    it("nothing that JSON has not, and says where it is", function()
      local function refuses(expression, wanted)
        local said = run("local text = json.encode(" .. expression .. ")")
        assert.equal("t.lua:1: lb.json.encode: " .. wanted, said)
      end
      refuses("0/0", "a number that JSON cannot have (nan, inf)")
      refuses("{ a = { 1, { b = -1/0 } } }", "a number that JSON cannot have (nan, inf) (at .a[2].b)")
      refuses("print", "a function, for which JSON has nothing")
      refuses("{ 1, nil, 3 }", "an array with a gap at 2")
      refuses("{ 1, x = 2 }", "an array that has other keys, too")
      refuses("{ [1] = 1, [1e9] = 2 }", "an array with gaps")
      refuses("{ [true] = 1 }", "a table with a boolean among its keys, and no array")
      refuses("lb.log", "an object of lb, which is no data")
      local said = run "local t = {} t.t = t local x = json.encode(t)"
      assert.truthy(said:find("more than 100 deep, or in a circle", 1, true), said)
      refuses("('x'):rep(2^20)", "that would be more than 1 MiB")
      -- That ends at once: nobody looks at all of it.
      refuses("('\\255'):rep(2^25)", "that would be more than 1 MiB")
      refuses("{ [('x'):rep(2^20 + 1)] = 1 }", "that would be more than 1 MiB")
    end)
  end)

  describe("decodes", function()
    local function decoded(text) return run(("error('<' .. json.encode((json.decode(%q))) .. '>', 0)"):format(text)) end

    it("what it encodes to the same", function()
      for _, text in ipairs {
        "null", "true", "false", "0", "-1.5", '""', "[]", "{}", '[1,2,[3,[]],{"a":{"b":null}}]',
        '{"a":"\195\164","b":[{}]}',
      } do
        assert.equal("t.lua: <" .. text .. ">", decoded(text))
      end
    end)

    it("white space, numbers and escapes of all forms", function()
      assert.is_nil(run [==[
        local v = json.decode ' \t\r\n{ "a" : [ 1 , -0.5e+2 , 1E3, 12345678901234567890 ] , "" : "x" } \n'
        assert(v.a[1] == 1 and v.a[2] == -50 and v.a[3] == 1000 and v.a[4] == 12345678901234567890 and v[""] == "x")
        assert(json.decode [["\"\\\/\b\f\n\r\t"]] == '"\\/\b\f\n\r\t')
        assert(json.decode [["\u0041\u00e4\u20AC\ud83d\uDE00\u0000"]] == "A\195\164\226\130\172\240\159\152\128\0")
        assert(json.decode "null" == json.null and tostring(json.null) == "null" and json.decode "false" == false)
        assert(json.decode '{"a":1,"a":2}'.a == 2)
      ]==])
    end)

    it("nothing else, and says where it is wrong", function()
      local function refuses(text, wanted)
        local said = run(("local v, wrong = json.decode(%q) assert(v == nil) error(wrong, 0)"):format(text))
        assert.equal("t.lua: " .. wanted, said, text)
      end
      refuses("", "byte 1: a value expected")
      refuses("nul", "byte 1: a value expected")
      refuses("[1,]", "byte 4: a value expected")
      refuses("[1 2]", "byte 4: ',' or ']' expected")
      refuses("{a:1}", "byte 2: a name in quotes expected")
      refuses('{"a" 1}', "byte 6: ':' expected")
      refuses('{"a":1,}', "byte 8: a name in quotes expected")
      refuses("01", "byte 1: a number that begins with 0")
      refuses("-", "byte 1: a value expected")
      refuses("+1", "byte 1: a value expected")
      refuses(".5", "byte 1: a value expected")
      refuses("1.", "byte 1: a digit expected behind the point")
      refuses("1e", "byte 1: an exponent without digits")
      refuses("1e999", "byte 1: a number too large")
      refuses("0x10", "byte 2: the end expected")
      refuses("NaN", "byte 1: a value expected")
      refuses("1 2", "byte 3: the end expected")
      refuses("'a'", "byte 1: a value expected")
      refuses('"a', "byte 2: a text without an end")
      refuses('"a\tb"', "byte 3: a control character in a text")
      refuses([["\x"]], "byte 2: an unknown escape")
      refuses([["\u12g4"]], "byte 4: four hexadecimal digits expected")
      refuses([["\ud83d"]], "byte 2: half of a surrogate pair")
      refuses([["\ude00"]], "byte 2: half of a surrogate pair")
      refuses([["\ud83d\u0041"]], "byte 2: half of a surrogate pair")
      refuses('"\255"', "byte 2: not UTF-8")
      refuses("\239\187\191{}", "byte 1: a value expected")
      refuses(("["):rep(101), "byte 101: nested more than 100 deep")
      refuses("[" .. (" "):rep(2 ^ 20), "more than 1 MiB")
    end)

    it("never raises and never hangs, whatever the text", function()
      assert.is_nil(run [==[
        local seed = 1
        local function random(n) seed = (seed * 16807) % 2147483647 return seed % n + 1 end
        local pieces = {
          "{", "}", "[", "]", ":", ",", '"', "\\u", "d83d", "\\", "1", "-", "e", ".", "0", "true", "nul", " ", "a",
          "\195", "\164", "\0",
        }
        for _ = 1, 20000 do
          local text = {}
          for i = 1, random(12) do text[i] = pieces[random(#pieces)] end
          local value, wrong = json.decode(table.concat(text))
          assert((value == nil) == (type(wrong) == "string"))
          if value ~= nil then assert(json.encode(value)) end
        end
      ]==])
    end)

    it("a large text within the time that a script has, or is stopped", function()
      local said = run [==[
        local text = "[" .. ("[1,{\"a\":\"b\"}],"):rep(60000) .. "0]"
        for _ = 1, 1000 do assert(json.decode(text)) end
      ]==]
      assert.truthy(said:find("did not end in the time", 1, true) or said:find("not enough memory", 1, true), said)
    end)
  end)
end)
