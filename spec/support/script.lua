-- Loads a script as lb does, but with an lb of plain Lua, so that a policy can be tried without any
-- balancer:
--
--   local policy = script.load("balancer.lua", { env = { LISTEN = "127.0.0.1:80" } })
--   script.load_text("return { .. }", options)     the same of a text
--
-- Every load has counters of its own. `logged` in the result's second value has the lines of lb.log.

local script = {}

local function new_lb()
  local counts, logged = {}, {}
  local lb = { log = {}, policy = {} }

  local counter = {}
  counter.__index = counter
  function counter:next(n)
    if n == 0 then return 0 end
    counts[self.name] = counts[self.name] + 1
    return (counts[self.name] - 1) % n + 1
  end
  function counter:add(amount)
    counts[self.name] = counts[self.name] + amount
    return counts[self.name]
  end
  function counter:get() return counts[self.name] end

  local counters = {}
  function lb.counter(name)
    counts[name] = counts[name] or 0
    counters[name] = counters[name] or setmetatable({ name = name }, counter)
    return counters[name]
  end
  function lb.now() return os.clock() end
  for _, level in ipairs { "info", "warn", "error" } do
    lb.log[level] = function(text) logged[#logged + 1] = level .. ": " .. text end
  end

  local turn = lb.counter "lb:round_robin"
  function lb.policy.round_robin(_, backends) return backends[turn:next(#backends)] end
  return lb, logged
end

-- What scripts see of Lua (core/lua/prelude.lua has the real list).
local function new_environment(lb, variables)
  local env = { lb = lb, os = { clock = os.clock, time = os.time } }
  for _, name in ipairs {
    "assert", "error", "getmetatable", "ipairs", "next", "pairs", "pcall", "print", "rawequal", "rawget", "select",
    "setmetatable", "tonumber", "tostring", "type", "unpack", "xpcall", "bit", "coroutine", "math", "string", "table",
  } do
    env[name] = _G[name]
  end
  env._G = env
  env.os.getenv = function(name) return variables[name] end
  return env
end

local function run(chunk, name, options)
  local lb, logged = new_lb()
  local env = new_environment(lb, options and options.env or {})
  local before = {}
  for global in pairs(env) do before[global] = true end
  local policy = setfenv(chunk, env)()
  for global in pairs(env) do assert(before[global], name .. " sets the global '" .. global .. "'") end
  return policy, logged
end

function script.load(path, options) return run(assert(loadfile(path)), path, options) end

function script.load_text(text, options) return run(assert(loadstring(text, "=script")), "the script", options) end

return script
