-- modules - require, and lb.script for scripts that are taken as they are.
--
-- modules.c finds the text of a module and compiles it in the scripts' environment; it runs here,
-- once in each VM.
local inside, lb, env, parts = ...

local error, next, pairs, pcall, setmetatable = error, next, pairs, pcall, setmetatable
local tostring, type = tostring, type
local byte, concat, find_text, format = string.byte, table.concat, string.find, string.format
local sub = string.sub
local ffi = inside.ffi
local C = ffi.C
local getinfo = inside.getinfo
local did_you_mean, names_of, find = inside.did_you_mean, inside.names_of, parts.find_module
local read_file = parts.read_file

-- Raises an error at the script's line, two calls up. After a tail call such as
-- "return require 'x' { .. }" Lua does not know that line: then config/load.c looks for the option
-- in the script's text, or for what the script returns.
local function refuse(option, text, ...)
  local caller = getinfo(3, "l")
  local message = format(text, ...)
  if not caller or caller.currentline <= 0 then inside.lost_message, inside.lost_option = message, option end
  error(message, 3)
end

-- require -----------------------------------------------------------------------------------------

local NAME_MAX = 100 -- MODULES_NAME_MAX
-- A file and a script of lb may have one name. The key of a file is its name, and no name has a
-- space in it.
local BUILT_IN = " (built in)"
local loaded = {} -- by key
local key_of = { [true] = {}, [false] = {} } -- by whether a script of lb requires it: by name
local loading, loading_keys = {}, {} -- names and keys, the innermost last

local function is_name(name)
  return type(name) == "string" and #name <= NAME_MAX and find_text(name, "^[%w_%-%.]+$")
    and not find_text(name, "..", 1, true) and byte(name) ~= 46 and byte(name, #name) ~= 46
end

function env.require(name)
  local for_built_in = loading_keys[#loading_keys] ~= loading[#loading]
  local key = key_of[for_built_in][name]
  if key and loaded[key] ~= nil then return loaded[key] end
  if not is_name(name) then
    refuse("", "no module can be called '%s': letters, digits, '_', '-' and, between them, '.' for a folder",
      tostring(name))
  end
  local run, is_built_in = find(name, for_built_in)
  if not run then
    key = key_of[true][name] -- a hook of a script of lb may ask, too
    if key and loaded[key] ~= nil then return loaded[key] end
    refuse("", "no module '%s': %s", name, is_built_in)
  end
  key = is_built_in and name .. BUILT_IN or name
  key_of[for_built_in][name] = key
  if loaded[key] ~= nil then return loaded[key] end
  for i = 1, #loading do
    if loading_keys[i] == key then
      refuse("", "module '%s' requires itself: %s > %s", name, concat(loading, " > ", i), name)
    end
  end
  loading[#loading + 1], loading_keys[#loading + 1] = name, key
  local ok, value = pcall(run, name)
  loading[#loading], loading_keys[#loading] = nil, nil
  if not ok then error(value, 0) end
  if value == nil then value = true end
  loaded[key] = value
  return value
end

-- lb.file -----------------------------------------------------------------------------------------

function lb.file(path)
  if type(path) ~= "string" then refuse("", "lb.file needs the path of a file, got %s", type(path)) end
  return read_file(path)
end

-- lb.script ---------------------------------------------------------------------------------------

local LISTEN, BACKENDS = "0.0.0.0:3030", "127.0.0.1:9001, 127.0.0.1:9002"
local getenv = env.os.getenv

-- Every setting and hook (config/read.c checks them): a script's own options must not have these
-- names, and its table may have them besides.
local SETTINGS = {}
for _, name in ipairs {
  "listen", "admin", "backends", "workers", "fallback", "trusted_proxies", "forwarded", "trace", "via", "body_first",
  "tracing", "reuse", "pages", "log", "tls", "health", "timeouts", "limits", "script", "init", "choose",
  "on_response", "on_failure", "on_done", "on_health", "drain", "h2", "explain", "discovery",
} do
  SETTINGS[name] = true
end

local MERGED = {
  health = true, timeouts = true, limits = true, script = true, pages = true, log = true, tls = true,
  explain = true,
}

local function kind_of(value) return type(value) == "nil" and "nothing" or "a " .. type(value) end

local function with_environment(made)
  if made.listen == nil then made.listen = getenv "LISTEN" or LISTEN end
  if made.backends == nil then made.backends = getenv "BACKENDS" or BACKENDS end
  return made
end

local function merged(below, above)
  local both = {}
  for name, value in pairs(below) do both[name] = value end
  for name, value in pairs(above) do both[name] = value end
  return both
end

-- A function alone is the check, next to other settings of health: neither takes the other away.
local function as_group(health) return type(health) == "function" and { check = health } or health end

-- The name of what make returns, of which a script may have several: the module, and a number in
-- the order in which they were made. It is the same in all workers, and after a reload with other
-- options, so what they share under this name survives.
local SHORT, HEX = 24, 12
local made_count = {} -- by module
local hex = ffi.new "char[64]"

local function new_name(module)
  if #module > SHORT then -- for a name of lb.bucket or lb.counter there is not much room
    C.codes_hmac("", 0, module, #module, hex)
    -- No module has a "~" in its name.
    module = sub(module, 1, SHORT - HEX - 1) .. "~" .. ffi.string(hex, HEX)
  end
  made_count[module] = (made_count[module] or 0) + 1
  return format("%s:%d", module, made_count[module])
end

local function make_with(make, options, module)
  local made = make(options, new_name(module))
  if type(made) ~= "table" then
    error(format("the function given to lb.script has to return a script's table, got %s", kind_of(made)), 0)
  end
  local copied = {}
  for name, value in next, made do copied[name] = value end
  return with_environment(copied)
end

local function check_defaults(defaults)
  for name in pairs(defaults) do
    if type(name) ~= "string" then
      error(format("an option's name is a text, got %s", kind_of(name)), 3)
    elseif SETTINGS[name] then
      error(format("an option cannot be called '%s', which is a setting or a hook of lb", name), 3)
    end
  end
end

function lb.script(defaults, make)
  if type(defaults) ~= "table" or type(make) ~= "function" then
    error(format("lb.script(options, make) needs a table and a function, got %s and %s", kind_of(defaults),
      kind_of(make)), 2)
  end
  check_defaults(defaults)
  defaults = merged(defaults, {})
  local module = loading[#loading] or "script"

  local function customize(_, given)
    if type(given) ~= "table" then refuse("", "expected a table of options, got %s", kind_of(given)) end
    local options, settings = merged(defaults, {}), {}
    for name, value in next, given do
      local default = defaults[name]
      if default == nil then
        if not SETTINGS[name] then
          refuse(tostring(name), "unknown option '%s'%s", tostring(name),
            type(name) == "string" and did_you_mean(name, names_of(defaults, SETTINGS)) or "")
        end
        settings[name] = value
      else
        if default ~= false and type(value) ~= type(default) then
          refuse(name, "option '%s': expected %s, got %s", name, kind_of(default), kind_of(value))
        end
        options[name] = value
      end
    end
    local made = make_with(make, options, module)
    for name, value in pairs(settings) do
      local below = made[name]
      if name == "health" then below, value = as_group(below), as_group(value) end
      local is_group = MERGED[name] and type(value) == "table" and type(below) == "table"
      made[name] = is_group and merged(below, value) or value
    end
    return made
  end

  local made = make_with(make, merged(defaults, {}), module)
  return setmetatable(made, { __call = customize })
end
