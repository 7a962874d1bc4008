-- Scripts' own find, match, gmatch, gsub and format (core/lua/strings.lua on core/lua/patterns.c):
-- they give every result and complaint of the library's, and can be stopped.
local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef [[
void patterns_stop(bool);
void patterns_stop_at(uint64_t thread_cpu_us);
]]

local STOPPED = {}
local strings = assert(loadfile("core/lua/strings.lua"))(ffi, STOPPED)

-- What a call does, as one text: its results with their types, or its complaint without the place.
local function outcome(f, ...)
  local function told(ok, ...)
    local words = { tostring(ok) }
    for i = 1, select("#", ...) do
      local value = select(i, ...)
      if not ok then value = tostring(value):gsub("^[^:]*:%d+: ", ""):gsub("to '[^']*'", "to '?'") end
      words[#words + 1] = type(value) .. " " .. tostring(value)
    end
    return table.concat(words, ", ")
  end
  return told(pcall(f, ...))
end

local function all_matches(gmatch)
  return function(text, pattern)
    local all = {}
    for a, b, c in gmatch(text, pattern) do
      all[#all + 1] = ("<%s|%s|%s>"):format(tostring(a), tostring(b), tostring(c))
      if #all > 100 then break end
    end
    return table.concat(all, " ")
  end
end

local function same(name, ...)
  local theirs, ours = string[name], strings[name]
  if name == "gmatch" then theirs, ours = all_matches(theirs), all_matches(ours) end
  local wanted, got = outcome(theirs, ...), outcome(ours, ...)
  -- The library looks at it only if it is used.
  if name == "gsub" and got == "false, string unfinished capture" then return end
  if wanted ~= got then
    local given = {}
    for i = 1, select("#", ...) do given[i] = ("%q"):format(tostring((select(i, ...)))) end
    error(("string.%s(%s): expected %s, got %s"):format(name, table.concat(given, ", "), wanted, got), 0)
  end
end

describe("patterns", function()
  local ITEMS = {
    "a", "b", "c", "1", " ", ".", "%a", "%A", "%d", "%D", "%s", "%w", "%W", "%p", "%x", "%l", "%u", "%c", "%z", "%Z",
    "%g", "%%", "%.", "%-", "[abc]", "[^a]", "[a-c]", "[%a1]", "[]]", "[^]]", "[a-]", "[%-a]", "[-a]", "[a%]", "[^%s]",
    "[%w_]", "(", ")", "()", "(a)", "(.-)", "(%a*)", "(", ")", "%1", "%2", "%0", "%bab", "%b()", "%baa", "%f[a]",
    "%f[%w]", "%f[^%w]", "%f", "%b", "%", "[", "]", "[a", "[^", "^", "$", "*", "+", "-", "?", "\255", "\200",
    "[\200-\255]",
  }
  local QUANTIFIERS = { "", "", "", "*", "+", "-", "?" }
  local LETTERS = { "a", "b", "c", "1", " ", "(", ")", "-", ".", "%", "]", "A", "\0", "\255", "\n" }

  -- The same texts in each run.
  local seed = 12345
  local function random(n)
    seed = (seed * 16807) % 2147483647
    return seed % n + 1
  end

  local function random_text(length)
    local letters = {}
    for i = 1, random(length) - 1 do letters[i] = LETTERS[random(random(2) == 1 and 3 or #LETTERS)] end
    return table.concat(letters)
  end

  local function random_pattern()
    local items = { random(5) == 1 and "^" or "" }
    for i = 1, random(6) - 1 do items[#items + 1] = ITEMS[random(#ITEMS)] .. QUANTIFIERS[random(#QUANTIFIERS)] end
    items[#items + 1] = random(6) == 1 and "$" or ""
    return table.concat(items)
  end

  it("mean what they mean to the library, whatever text and pattern", function()
    for _ = 1, 40000 do
      local text, pattern = random_text(16), random_pattern()
      local init = random(4) == 1 and random(24) - 12 or nil
      same("find", text, pattern, init)
      same("match", text, pattern, init)
      same("gmatch", text, pattern)
    end
  end)

  it("are replaced by what the library would put there", function()
    local replacements = {
      "", "x", "<%0>", "<%1>", "%2%1", "%%", "%", "%x", 7, { a = "A", b = false, c = 3, [""] = "empty" }, { a = {} },
      function(a, b) return b and b .. a or nil end, function(a) return a end, function() return false end,
      function() return {} end, function() error("no", 0) end,
    }
    for _ = 1, 20000 do
      local text, pattern = random_text(16), random_pattern()
      same("gsub", text, pattern, replacements[random(#replacements)], random(3) == 1 and random(5) - 2 or nil)
    end
  end)

  it("take and refuse the arguments that the library takes and refuses", function()
    for _, name in ipairs { "find", "match" } do
      for _, init in ipairs { 0, 1, 2, 3.7, -1, -2.9, 100, -100, "2", "x", {} } do same(name, "abcabc", "b.", init) end
      for _, text in ipairs { 12321, {}, true, print } do
        same(name, text, "2")
        same(name, "123", text)
      end
      same(name, nil, "a")
      same(name, "a", nil)
    end
    for _, plain in ipairs { true, 1, "x", false } do
      same("find", "a.b(c", ".", 1, plain)
      same("find", "a.b(c", "(", 2, plain)
    end
    for _, pair in ipairs {
      { "", "" }, { "abc", "" }, { "", "^$" }, { "a\0b", "%z" }, { "a\0b", "b" }, { "abc", "]" },
    } do
      same("find", pair[1], pair[2])
      same("find", pair[1], pair[2], 3)
      same("gmatch", pair[1], pair[2])
      same("gsub", pair[1], pair[2], "x")
    end
    same("gsub", "abc", "b", nil)
    same("gsub", "abc", "b", true)
    same("gsub", 123, 2, 5, "1")
    same("gsub", "abc", "%w", "%9")
  end)

  it("have 32 captures at most", function()
    for _, count in ipairs { 1, 3, 31, 32, 33 } do
      same("match", ("x"):rep(40), ("(x)"):rep(count))
      same("find", ("x"):rep(40), ("()"):rep(count))
    end
  end)

  it("are complained about when they are nested too deeply", function()
    for _, count in ipairs { 100, 400, 100000 } do same("find", ("a"):rep(300), ("a?"):rep(count)) end
  end)

  it("find plain text in long texts at once", function()
    local text = ("a"):rep(2e6)
    local began = os.clock()
    assert.is_nil(strings.find(text, ("a"):rep(1e6) .. "b", 1, true))
    assert.equal(2e6, (strings.find(text .. "b", ("a"):rep(10) .. "b", 1, true)) + 9)
    assert.truthy(os.clock() - began < 10) -- or minutes
  end)

  describe("format", function()
    it("is the library's", function()
      for _, values in ipairs { {}, { 1 }, { "a", 2 }, { "a", 2, 3 }, { nil, 2 }, { true, false, print, 1.5 } } do
        for _, template in ipairs { "", "%s", "%s %s", "%d", "%5.2f|%s", "%q", "%s %s %s %s", "%y" } do
          same("format", template, unpack(values, 1, table.maxn(values)))
        end
      end
    end)

    it("shows a table as its __tostring says", function()
      local shown = setmetatable({}, { __tostring = function() return "shown" end })
      assert.equal("shown", strings.format("%s", shown))
      assert.equal("1 shown shown", strings.format("%d %s %s", 1, shown, shown))
      assert.matches("^table: ", strings.format("%s", {}))
    end)
  end)

  describe("that take for ever", function()
    after_each(function()
      core.patterns_stop(false)
      core.patterns_stop_at(0)
    end)

    for what, search in pairs {
      ["repetitions"] = function() strings.find(("a"):rep(20000), ".-.-.-.-b$") end,
      ["greedy repetitions"] = function() strings.match(("a"):rep(20000), ".*.*.*.*b") end,
      ["optional items"] = function() strings.find(("a"):rep(300), ("a?"):rep(60) .. ("a"):rep(60) .. "b") end,
      ["captures"] = function() strings.gsub(("a"):rep(20000), "(.-)(.-)(.-)%3b", "") end,
      ["balanced brackets"] = function() strings.gsub(("("):rep(1e6), "%b()", "") end,
    } do
      it("because of " .. what .. " are stopped in time", function()
        local began = os.clock()
        core.patterns_stop_at((began + 0.05) * 1e6) -- one thread here, so its time is the process's
        local ok, err = pcall(search)
        assert.is_false(ok)
        assert.equal(STOPPED, err)
        assert.truthy(os.clock() - began < 5) -- or hours
      end)
    end

    it("are stopped by a flag", function()
      core.patterns_stop(true)
      local ok, err = pcall(strings.find, "abc", "a.")
      assert.same({ false, STOPPED }, { ok, err })
      core.patterns_stop(false)
      assert.equal(1, (strings.find("abc", "a.")))
    end)
  end)
end)
