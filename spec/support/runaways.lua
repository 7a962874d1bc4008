-- runaways - scripts that never end, or end in the worst way. Each is the body of a
-- function(ctx, backends).
--
--   for _, runaway in ipairs(runaways.list) do runaway.name, runaway.body end
--   runaways.script     a whole script: a request for /run/7 meets number 7, others go to a backend
--
-- None of them ends by itself with a choice: what answers such a request is the built-in rule.

local runaways = { list = {} }

local function add(name, body) table.insert(runaways.list, { name = name, body = body }) end

-- Loops of every form, on one line and on several: compiled code looks for the end of its time at
-- each line.
add("while", "while true do end")
add("while over lines", "local n = 0\nwhile true do\nn = n + 1\nn = n % 7\nend")
add("repeat", "repeat until false")
add("for", "for i = 1, math.huge do end")
add("for downwards", "for i = 1, 0, 0 do end while true do end")
add("nested for", "for i = 1, 1e9 do for j = 1, 1e9 do for k = 1, 1e9 do end end end")
add("goto", "::again:: goto again")
add("branches", "local n = 0 while true do n = n + 1 if n % 2 == 0 then n = n + 1 else n = n + 3 end end")
add("tail calls", "local function f() return f() end f()")
add("two that call each other", "local g local function f() return g() end function g() return f() end f()")
add("closures", "while true do local n = 0 local f = function() n = n + 1 end f() end")
add("varargs", "local function f(...) return select('#', ...) end while true do f(1, 2, 3, nil) end")
add("pairs", "while true do for _ in pairs(string) do end end")
add("an iterator without end", "for _ in function() return 1 end do end")
add("numbers and texts", "local n = 0 while true do n = tonumber(tostring(n)) + 1 end")
add("hash of strings", "local t = {} local n = 0 while true do n = n + 1 t['k' .. n % 100] = n end")

-- Metamethods.
add("__index", "local t = setmetatable({}, { __index = function() while true do end end }) return t.x")
add("__index in a ring", "local t = {} setmetatable(t, { __index = function(s, k) return s[k] end }) return t.x")
add("__newindex", "local t = setmetatable({}, { __newindex = function() while true do end end }) t.x = 1")
add("__lt", "local t = setmetatable({}, { __lt = function() while true do end end }) return t < t")
add("__concat", "local t = setmetatable({}, { __concat = function() while true do end end }) return t .. t")
add("__call", "local t = setmetatable({}, { __call = function() while true do end end }) t()")
add("__call of pcall", "local m = {} m.__call = pcall while true do setmetatable({}, m)() end")
add("__tostring", "tostring(setmetatable({}, { __tostring = function() while true do end end }))")
add("__tostring of itself", "local m = {} m.__tostring = tostring return tostring(setmetatable({}, m))")
add("format of itself", [[
local t = setmetatable({}, { __tostring = function(t) return ('%s'):format(t) end }) return ('%s'):format(t)]])
add("__eq", [[local m = { __eq = function() while true do end end }
return setmetatable({}, m) == setmetatable({}, m)]])

-- Swallowed.
add("pcall in a loop", "while true do pcall(function() while true do end end) end")
add("pcall in pcall", [[
local function f(n) if n > 0 then pcall(f, n - 1) end while true do end end f(50)]])
add("xpcall and its handler", "xpcall(function() while true do end end, function() while true do end end)")
add("a handler", "xpcall(function() error 'x' end, function() while true do end end)")
add("a handler that fails", "while true do xpcall(error, function() error 'x' end) end")
add("errors that are tables", "while true do pcall(error, setmetatable({}, { __tostring = error })) end")
add("pcall of pcall", "local t = {} for i = 1, 5000 do t[i] = pcall end while true do pcall(unpack(t)) end")

-- Coroutines.
add("in a coroutine", "coroutine.wrap(function() while true do end end)()")
add("a coroutine that is resumed", [[
local co = coroutine.wrap(function() while true do coroutine.yield() end end) while true do co() end]])
add("resume that swallows", [[
while true do coroutine.resume(coroutine.create(function() while true do end end)) end]])
add("coroutine in coroutine", [[
local function f() return coroutine.wrap(function() f() end)() end while true do pcall(f) end]])
add("many coroutines", "local t = {} while true do t[#t + 1] = coroutine.create(function() end) end")
add("a yield", "coroutine.yield()")

-- Callbacks from inside the library, and the library itself.
add("insert far in front", "table.insert({ 1, 2 }, -1e9, 3)")
add("sort", "table.sort({ 3, 2, 1 }, function() while true do end end)")
add("sort without order", "local t = {} for i = 1, 1e5 do t[i] = i end while true do pcall(table.sort, t, \
function() return math.random() > 0.5 end) end")
add("gsub and its function", "('aaa'):gsub('a', function() while true do end end)")
add("gsub in gsub", "local function g() return (('a'):gsub('a', g)) end g()")
add("find", "(('a'):rep(20000)):find '.-.-.-.-b$'")
add("match", "(('a'):rep(20000)):match '.*.*.*.*b'")
add("gmatch", "for _ in (('a'):rep(20000)):gmatch '.-.-.-.-b' do end")
add("gsub", "(('a'):rep(20000)):gsub('.-.-.-.-b', '')")
add("a pattern, swallowed", "while true do pcall(string.find, ('a'):rep(3000), '.-.-.-b') end")
add("a plain find", "local s = ('a'):rep(1e6) while true do s:find(('a'):rep(1e5) .. 'b', 1, true) end")
add("min over backends", "backends:min(function() while true do end end)")
add("headers", "while true do local _ = ctx.headers.host end")
add("names that are none", "while true do pcall(function() return ctx.nope end) end")
add("a counter", "while true do lb.counter('spec'):add(1) end")

-- Memory.
add("a table", "local t = {} while true do t[#t + 1] = {} end")
add("a table of numbers", "local t = {} while true do t[#t + 1] = 1 end")
add("a doubled text", "local s = 'x' while true do s = s .. s end")
add("rep", "return ('x'):rep(1e9)")
add("rep of rep", "while true do local s = ('x'):rep(1e6) .. math.random() end")
add("concat", "local t = {} for i = 1, 1e4 do t[i] = ('x'):rep(1e4) end return table.concat(t)")
add("format", "local s = ('x'):rep(4e6) while true do s = ('%s%s'):format(s, s) end")
add("gsub that grows", "local s = ('x'):rep(1000) while true do s = s:gsub('x', 'xx') end")
add("closures that are kept", "local t = {} while true do local n = #t t[n + 1] = function() return n end end")
add("ctx.vars", "while true do ctx.vars[#ctx.vars + 1] = ('x'):rep(1000) .. #ctx.vars end")
add("memory, swallowed", [[
local t = {} while true do pcall(function() while true do t[#t + 1] = ('x'):rep(1e5) .. #t end end) end]])
add("unpack", "local t = {} for i = 1, 7000 do t[i] = i end while true do pcall(function() return unpack(t) end) end")

-- The stack.
add("recursion", "local function f() return 1 + f() end f()")
add("recursion, swallowed", "local function f() return 1 + f() end while true do pcall(f) end")
add("xpcall as deep as it goes", "local function f() xpcall(f, tostring) xpcall(f, tostring) end f()")
add("xpcall and a handler as deep", "local function f() xpcall(f, f) xpcall(f, f) end f()")
add("pcall as deep as it goes", "local function f() pcall(f) return 1 + 1 end f() while true do end")
add("concat of many", "local s = 'return ' while true do s = s .. 'x ..' end")

-- Errors of every type.
for _, value in ipairs { "nil", "true", "1", "{}", "print", "coroutine.create(print)", "ctx", "backends[1]",
  "setmetatable({}, { __tostring = function() while true do end end })" } do
  add("error " .. value, "error(" .. value .. ")")
end

local parts = {}
for i, runaway in ipairs(runaways.list) do
  local text = "[%d] = function(ctx, backends) -- %s\n%s\nend,\n"
  parts[i] = text:format(i, runaway.name, runaway.body)
end

runaways.script = ([[
local runaways = {
%s}
return {
  health = { interval = 0.2, fall = 100 },
  script = { park = 0, memory = 16 * 2^20 },
  choose = function(ctx, backends)
    local number = tonumber(ctx.path:match "^/run/(%%d+)")
    if number then runaways[number](ctx, backends) end
    return backends[1]
  end,
}
]]):format(table.concat(parts))

return runaways
