-- Loads a script as lb does, but with an lb of plain Lua, so that a policy can be tried without any
-- balancer:
--
--   local policy, world = script.load("balancer.lua", { env = { LISTEN = "127.0.0.1:80" } })
--   script.load_text("return { .. }", options)     from a text; it requires from options.folder
--
-- Every load has counters and a clock of its own: `world`, which spec/support/fake_lb.lua
-- describes. `require` looks next to the script, in scripts/ next to it, then in the scripts that
-- come with lb; these find each other first.

local fake_codes = require "spec.support.fake_codes"
local fake_lb = require "spec.support.fake_lb"

local script = {}

-- Of the tree that this file is in: .. of spec/support.
local ROOT = (debug.getinfo(1, "S").source:match "^@(.*)spec/support/script%.lua$") or ""

-- What scripts see of Lua (core/lua/prelude.lua has the real list).
local NAMES = {
  "assert", "error", "getmetatable", "ipairs", "next", "pairs", "pcall", "print", "rawequal", "rawget", "select",
  "setmetatable", "tonumber", "tostring", "type", "unpack", "xpcall", "bit", "coroutine", "math", "string", "table",
  "_VERSION",
}

local function new_require(env, folder)
  local loaded, is_of_lb = {}, false -- by path; whether a script of lb is being loaded
  return function(name)
    local file = name:gsub("%.", "/") .. ".lua"
    local of_lb = ROOT .. "scripts/" .. file
    for _, path in ipairs(is_of_lb and { of_lb } or { folder .. file, folder .. "scripts/" .. file, of_lb }) do
      if loaded[path] ~= nil then return loaded[path] end
      local found = io.open(path)
      if found then
        found:close()
        local before = is_of_lb
        is_of_lb = path == of_lb
        local value = setfenv(assert(loadfile(path)), env)(name)
        is_of_lb = before
        loaded[path] = value == nil and true or value
        return loaded[path]
      end
    end
    error("no module '" .. name .. "'", 2)
  end
end

local function new_environment(lb, variables, folder)
  local env = { lb = lb, os = { clock = os.clock, date = fake_codes.date, time = fake_codes.time } }
  for _, name in ipairs(NAMES) do env[name] = _G[name] end
  env._G = env
  env.os.getenv = function(name) return variables[name] end
  env.require = new_require(env, folder)
  return env
end

local function run(chunk, name, folder, options)
  local variables = options and options.env or {}
  local lb, world = fake_lb.new { env = variables }
  local env = new_environment(lb, variables, folder)
  local before = {}
  for global in pairs(env) do before[global] = true end
  local policy = setfenv(chunk, env)()
  for global in pairs(env) do assert(before[global], name .. " sets the global '" .. global .. "'") end
  return policy, world
end

function script.load(path, options)
  return run(assert(loadfile(path)), path, path:match "^(.*/)" or "", options)
end

function script.load_text(text, options)
  return run(assert(loadstring(text, "=script")), "the script", options and options.folder or "", options)
end

return script
