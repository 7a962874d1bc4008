-- What a script cannot reach, and how its mistakes are logged: each tried in a running balancer.
local play = require "spec.support.play"

-- A name in a list as text, or a piece of Lua that must raise an error, and what it says.
local ABSENT = {
  "newproxy", "debug", "ffi", "jit", "io", "package", "module", "load", "loadstring", "loadfile", "dofile", "rawset",
  "getfenv", "setfenv", "collectgarbage", "gcinfo", "rawlen", "os.execute", "os.exit", "os.remove", "os.rename",
  "os.tmpname", "os.setlocale", "os.getpid", "string.dump", "table.dump", "coroutine.close", "_G.debug", "_G.io",
}

-- Must be an error, with this in it.
local REFUSED = {
  ["changes the string metatable"] = { "getmetatable('').__index = {}", "attempt to index" },
  ["replaces the string metatable"] = { "setmetatable('', {})", "table expected" },
  ["asks for ffi by require"] = { "require 'ffi'", "" },
  ["asks for jit.util by require"] = { "require 'jit.util'", "" },
  ["loads bytecode"] = { "require '\\27LJ'", "" },
  ["sets a field of ctx"] = { "ctx.path = '/'", "read%-only" },
  ["sets a field of a backend"] = { "backends[1].weight = 7", "read%-only" },
  ["sets a field of lb"] = { "lb.counter = 1", "read%-only" },
  ["takes the metatable off a backend"] = { "setmetatable(backends[1], nil)", "protected metatable" },
  ["takes the metatable off ctx"] = { "setmetatable(ctx, {})", "protected metatable" },
  ["misspells a field of ctx"] = { "return ctx.clientip", "did you mean 'client_ip'" },
  ["misspells a field of a backend"] = { "return backends[1].inflight", "did you mean 'in_flight'" },
  ["misspells a function of lb"] = { "lb.countr 'x'", "did you mean 'counter'" },
  ["keeps a ctx"] = { "if kept then return kept.path end kept = ctx return backends[1]", "kept from another" },
  ["keeps ctx.headers"] = {
    "if kept then return kept.host end kept = ctx.headers return backends[1]", "kept from another",
  },
  ["nests coroutines"] = { "local function f(n) return coroutine.wrap(f)(n + 1) end f(0)", "nested too deeply" },
  ["nests pcall"] = {
    "local function f() local ok, err = pcall(f) if not ok then error(err, 0) end end f()", "nested too deeply",
  },
  ["nests xpcall"] = {
    "local function f() local ok, err = xpcall(f, tostring) if not ok then error(err, 0) end end f()",
    "nested too deeply",
  },
  ["recurses without end"] = { "local function f() return 1 + f() end f()", "stack overflow" },
  ["wants a huge text"] = { "return ('x'):rep(1e10)", "" },
  ["wants a huge format"] = { "return ('%1000000000d'):format(1)", "" },
  ["wants a huge list"] = { "return table.concat({}, 'x', 1, 1e9)", "" },
  ["wants a huge unpack"] = { "return unpack({}, 1, 1e8)", "" },
  ["counts in no counter"] = { "local c = lb.counter 'a' c[0] = 5000 return backends[c:next(2)]", "" },
  ["counts in a text"] = { "local c = lb.counter 'a' c[0] = 'x' return backends[c:next(2)]", "" },
  ["counts to less than nothing"] = { "lb.counter('a'):next(-1)", "needs 0 to" },
  ["counts to what is no number"] = { "lb.counter('a'):next(0 / 0)", "needs 0 to" },
}

describe("a script", function()
  after_each(play.curtain)

  local function start(body)
    return play.balancer { backends = { play.hello "one" }, script = ([[local kept
return {
  health = { interval = 0.2 }, script = { park = 0, memory = 16 * 2^20 },
  choose = function(ctx, backends) %s end,
}]]):format(body) }
  end

  it("finds nothing of what could harm", function()
    local lb = start([[
      local found = {}
      for name in ("]] .. table.concat(ABSENT, " ") .. [["):gmatch "%S+" do
        local value = _G
        for part in name:gmatch "[^.]+" do value = type(value) == "table" and rawget(value, part) or nil end
        if value ~= nil then found[#found + 1] = name end
      end
      return ctx:respond { body = "found: " .. table.concat(found, " ") } ]])
    assert.equal("found: ", lb:fetch("/").body)
  end)

  it("calls protected as deep as Lua does, whatever other calls await meanwhile", function()
    local lb = start [[
      local function down(n) return n == 0 or pcall(down, n - 1) end
      local function sleep() lb.sleep(ctx.path == "/awaits" and 5 or 0) end
      local co = coroutine.create(function() pcall(coroutine.yield) end)
      for _ = 1, 300 do coroutine.resume(coroutine.create(function() pcall(coroutine.yield) end)) end
      coroutine.resume(co)
      local deep = { pcall(down, 150) }
      xpcall(sleep, tostring)
      return ctx:respond { body = tostring(deep[1] and pcall(down, 150)) } ]]
    local waiting = {}
    for i = 1, 60 do
      waiting[i] = lb:connect()
      waiting[i]:send "GET /awaits HTTP/1.1\r\nHost: x\r\n\r\n"
    end
    for _ = 1, 3 do assert.equal("true", lb:fetch("/").body) end
    for i = 1, 60 do waiting[i]:close() end
    assert.equal("true", lb:fetch("/").body)
  end)

  it("finds locked metatables only", function()
    local lb = start [[
      local seen = {}
      for _, value in ipairs { "", ctx, backends[1], lb, lb.log, lb.counter "a", ctx.headers, backends[1].tags, 1LL } do
        seen[#seen + 1] = tostring(getmetatable(value))
      end
      return ctx:respond { body = table.concat(seen, " ") } ]]
    assert.equal("false false false false false false false false ffi", lb:fetch("/").body)
  end)

  for what, case in pairs(REFUSED) do
    it("that " .. what .. " is logged, and its request answered", function()
      local lb = start(case[1])
      for _ = 1, 3 do assert.equal("one", lb:fetch("/").body) end
      assert.matches(case[2], lb:event("policy_error").message)
      assert.same({}, lb:events "worker_died")
    end)
  end
end)
