-- Scripts that run on, or take what time they can get: a call ends, and the next one is as ever.
local core = require "spec.support.core"
local host = require "spec.support.policy_host"
local loop = require "spec.support.loop"

local load_choose, choose, text = host.load_choose, host.choose, host.text

describe("a policy", function()
  after_each(host.unload)

  it("whose memory is full spends little time on collections", function()
    load_choose("local more = {} for i = 1, 1e6 do more[i] = {} end return backends[#live > 0 and 1 or 2]", {
      settings = "script = { memory = 32 * 2^20, budget_ms = 1000, park = 0 },",
      before = "local live = {} for i = 1, 200000 do live[i] = { i } end",
    })
    -- A twentieth of the time that passes is theirs, and after each a call fills the memory anew.
    local began, clock = os.clock(), loop.now()
    for _ = 1, 200 do assert.is_true(choose().by_fallback) end
    local took, passed = os.clock() - began, loop.now() - clock
    assert.truthy(took < 2 + passed / 5, took .. " s of CPU in " .. passed)
  end)

  for what, body in pairs {
    ["a table that formats itself"] = [[
      local t = setmetatable({}, { __tostring = function(t) return ('%s'):format(t) end })
      return ('%s'):format(t)]],
    ["a time that asks for the time"] = "local meta = {} meta.__index = os.time os.time(setmetatable({}, meta))",
    ["a call of pcall by itself"] = "local meta = {} meta.__call = pcall return (setmetatable({}, meta)())",
    ["pcall with itself, over and over"] = "local t = {} for i = 1, 5000 do t[i] = pcall end return pcall(unpack(t))",
  } do
    it("is not held up by " .. what, function()
      load_choose(body)
      local began = os.clock()
      for _ = 1, 3 do assert.is_true(choose().by_fallback) end
      assert.truthy(os.clock() - began < 5)
    end)
  end

  describe("is stopped when it runs on in", function()
    for _, body in ipairs {
      "while true do end",
      "for i = 1, math.huge do end",
      "repeat until false",
      "local function f() return f() end f()",
      "local n = 0 while true do n = n + 1 if n % 2 == 0 then n = n + 1 else n = n + 3 end end",
      "while true do for k, v in pairs(string) do end end",
      "local t = setmetatable({}, { __index = function() while true do end end }) return t.x",
      "local t = setmetatable({}, { __lt = function() while true do end end }) return t < t",
      "while true do pcall(function() while true do end end) end",
      "local function f(n) if n > 0 then pcall(f, n - 1) end while true do end end f(50)",
      "xpcall(function() while true do end end, function() while true do end end)",
      "xpcall(function() error 'x' end, function() while true do end end)",
      "local co = coroutine.create(function() while true do end end) while true do coroutine.resume(co) end",
      "local co = coroutine.wrap(function() while true do coroutine.yield() end end) while true do co() end",
      "('aaa'):gsub('a', function() while true do end end)",
      "table.sort({ 3, 2, 1 }, function() while true do end end)",
      "backends:min(function() while true do end end)",
      "while true do local x = ctx.headers.host end",
      "while true do pcall(function() return ctx.nope end) end",
      "while true do local s = 'a' .. math.random() end",
      "local t = {} while true do t[#t + 1] = {} end",
      "local s = 'x' while true do s = s .. s end",
      "(('a'):rep(20000)):find '.-.-.-.-b$'",
      "(('a'):rep(20000)):match '.*.*.*.*b'",
      "(('a'):rep(20000)):gsub('.-.-.-.-b', '')",
      "for _ in (('a'):rep(20000)):gmatch '.-.-.-.-b' do end",
      "while true do pcall(string.find, ('a'):rep(3000), '.-.-.-b') end",
      "xpcall(string.find, function() while true do end end, ('a'):rep(20000), '.-.-.-.-b')",
      "local meta = {} meta.__tostring = tostring while true do tostring(setmetatable({}, meta)) end",
      "local t = {} while true do pcall(function() while true do t[#t + 1] = ('x'):rep(1e5) .. #t end end) end",
    } do
      it(body, function()
        load_choose("if ctx.attempts == 2 then return backends[3] end if true then " .. body .. " end",
          { settings = "script = { memory = 8 * 2^20, budget_ms = 5 }," })
        for _ = 1, 3 do
          host.request.attempts = 1
          assert.is_true(choose().by_fallback)
          host.request.attempts = 2
          assert.is_false(choose().by_fallback)
        end
      end)
    end
  end)

  it("is stopped as well when it still runs next to a newer one, and so is that one", function()
    local body = [[local n = 0
      for i = 1, 1e4 do n = n + i % 3 end -- compiled before the other one comes
      if ctx.attempts == 2 then return backends[3], { why = tostring(n) } end
      while true do n = n + 1 end]]
    local function runs_on_and_recovers()
      host.request.attempts = 1
      assert.is_true(choose().by_fallback)
      host.request.attempts = 2
      local decision = choose()
      assert.is_false(decision.by_fallback)
      assert.equal("10000", text(decision.why))
    end
    load_choose(body)
    runs_on_and_recovers()
    local old_policy, old_config = host.policy, host.config
    load_choose(body)
    local new_policy = host.policy
    for _ = 1, 3 do
      for _, each in ipairs { old_policy, new_policy } do
        host.policy = each
        runs_on_and_recovers()
      end
    end
    core.policy_free(old_policy)
    core.config_free(old_config)
    host.policy = new_policy
    runs_on_and_recovers()
  end)
end)
