-- Scripts that are hard to read: where a setting is found in them, and what lb survives while it
-- loads them.
local settings = require "spec.support.settings"

describe("a script's settings", function()
  describe("are found in a script", function()
    local WRONG = "health.fall: expected a whole number from 1 to 100, got 0"
    local cases = { -- what it looks like, line, script
      { "after comments that show the same", 5,
        "-- return { health = { fall = 0 } }\n--[[ health = { fall = 0 }\n]] --[==[ ]] ]==]\n" ..
        "return { health = {\n fall = 0 } }" },
      { "after strings that show the same", 4,
        "local a, b = 'return { health = {', \"\\\"{\"\nlocal c = [[\n{{ fall = 0 ]] .. [=[ ]] ]=]\n" ..
        "return { health = { fall = 0 } }" },
      { "behind functions with blocks of all kinds", 9, [[
local function f(x)
  if x then return { health = { fall = 9 } } elseif y then for i = 1, 2 do g() end else while true do break end end
  repeat x = 1 until x == 1
end
return {
  choose = function(a, b) local health = { fall = 2 } return b[1] end,
  fallback = "fail",
  health = { rise = 1;
    fall = 0 },
}]] },
      { "with a key in brackets", 2, "return { ['health'] = {\n ['fall'] = 0 } }" },
      { "in a variable", 2, "local health = {\n fall = 0 }\nreturn { health = health }" },
      { "in a field that is set later", 3, "local M = { health = {\n fall = 2 } }\nM.health = { fall = 0 }\nreturn M" },
      { "in a field of a field", 3, "local health = {}\nlocal M = { health = health }\nhealth.fall = 0\nreturn M" },
      { "in a table with a metatable", 2, "return setmetatable({ health = {\n fall = 0 } }, {})" },
      { "as far as it can be read", 3, "local function make() return { fall = 0 } end\nreturn {\n health = make() }" },
      { "that ends in the middle of a table", 1,
        "return { health = { fall = 0 }, backends = 'a:1' } -- {" },
      { "that returns what cannot be read", 1, "return (function() return { health = { fall = 0 } } end)()" },
    }
    for _, case in ipairs(cases) do
      local name, line, script = unpack(case)
      it(name, function()
        assert.same({ nil, ("balancer.lua:%d: %s"):format(line, WRONG) }, { settings.printed(script) })
      end)
    end

    it("and named without a line if nothing is there to find", function()
      assert.same({ nil, "balancer.lua: " .. WRONG },
        { settings.printed "do return { health = { fall = 0 } } end" })
    end)
  end)

  describe("survive a script that", function()
    local cases = { -- what it does, script, message without "balancer.lua"
      { "is not Lua", "return {\n choose = function(ctx)\n }\n}", ":3: unexpected symbol near '}'" },
      { "is bytecode", string.dump(function() return {} end), ": attempt to load chunk with wrong mode" },
      { "raises an error", "\nerror 'no such luck'", ":2: no such luck" },
      { "raises an error without a line", "error('no such luck', 0)", ": no such luck" },
      { "raises several lines", "error('a\\nb\\27', 0)", ": a\\nb\\x1b" },
      { "raises a table", "error({})", ": the script raised an error that is not a text but a table" },
      { "raises nothing", "error()", ": the script raised an error that is not a text but a nil" },
      { "raises a number", "error(7)", ":1: 7" },
      { "raises a number without a line", "error(7, 0)", ": 7" },
      { "raises what fails to become a text", "error(setmetatable({}, { __tostring = function() error 'x' end }))",
        ": the script raised an error that is not a text but a table" },
      { "uses what is not there", "os.exit(0)", ":1: attempt to call field 'exit' (a nil value)" },
      { "uses a file", "\nio.open 'x'", ":2: attempt to index global 'io' (a nil value)" },
      { "recurses for ever", "local function f() return 1 + f() end\nf()", ": stack overflow" },
      { "returns a table that raises an error on each use", [[
        local function bad() error "touched" end
        return setmetatable({ fallback = setmetatable({}, { __tostring = bad }) },
          { __index = bad, __newindex = bad, __len = bad, __call = bad, __pairs = bad })]],
        ":2: fallback: expected 'round_robin' or 'fail', got a table" },
      { "returns a table within itself", "local t = {}\nt.health = t\nreturn t",
        ":2: health: unknown field 'health'" },
      { "hides its defaults behind a metatable", "return setmetatable({}, { __index = { backends = 'a:1' } })",
        ':1: no backends: set backends = "host:port, host:port", or use --backend' },
      { "takes all memory", "local t = {} while true do t[#t + 1] = ('x'):rep(1e6) .. #t end",
        ": not enough memory: a script may use 256 MiB while it loads" },
      { "takes more memory than its hooks could have",
        "\nreturn { backends = 'a:1', script = { memory = 2 ^ 20 }, init = (function()\n" ..
        "local t = ('x'):rep(2 ^ 20) return function() return t end end)() }", ":2: the script takes " },
      { "takes all memory at once", "return { listen = ('x'):rep(2 ^ 30) }",
        ": not enough memory: a script may use 256 MiB while it loads" },
      { "hides a long text in a setting", "return { fallback = ('x'):rep(1e6) }",
        ":1: fallback: expected 'round_robin' or 'fail', got '" .. ("x"):rep(40) .. "'" },
      { "hides a long name in a setting", "return { [('x'):rep(1e6)] = 1 }",
        ":1: unknown field '" .. ("x"):rep(40) .. "'" },
    }
    for _, case in ipairs(cases) do
      local name, script, message = unpack(case)
      it(name, function()
        local printed, err = settings.printed(script)
        assert.is_nil(printed)
        assert.equal("balancer.lua" .. message, err:sub(1, #message + #"balancer.lua"))
        assert.is_true(#err < 1200)
      end)
    end

    local endless = { -- what it does, line, script
      { "loops for ever", 2, "\nwhile true do end" },
      { "loops for ever in a function", 2, "local function f()\n while true do end end\n\nf()" },
      { "catches that it is stopped", 1, "while true do pcall(function() while true do end end) end" },
      { "loops for ever in a coroutine", 2, "coroutine.wrap(function()\n while true do end end)()" },
      { "loops for ever in what handles the error", 1,
        "while true do xpcall(function() while true do end end, function() while true do end end) end" },
    }
    for _, case in ipairs(endless) do
      local name, line, script = unpack(case)
      it(name, function()
        local before = os.clock()
        local _, err = settings.printed(script)
        assert.equal(("balancer.lua:%d: "):format(line), err:match "^balancer.lua:%d+: ")
        assert.truthy(err:find("time", 1, true), err)
        assert.is_true(os.clock() - before < 5)
      end)
    end
  end)
end)
