-- example_policy - a policy of scripts/examples/ in a running lb, with the spec's backends in place
-- of its addresses.
--
--   example.start("tiers", { origin, origin }, options)
--     The first origin is 127.0.0.1:9001 of the script, and so on; one at [9] is its service (9009
--     or Redis).
--     options: env and workers of lb; change = { ["text of the script"] = "what replaces it" }
--   lb.admin                    where it listens in place of 127.0.0.1:9000, if the script has that
--   example.names()             of all of them
--   example.answer(response)    the body of a 200, else the status
--   example.curtain(lb)         ends a spec; no hook of lb, if there is one, may have failed

local asking = require "spec.support.asking"
local files = require "spec.support.files"
local play = require "spec.support.play"

local example = {}

local ADMIN = "127.0.0.2:0"

function example.names()
  local names, list = {}, io.popen "ls scripts/examples/*.lua"
  for path in list:lines() do names[#names + 1] = path:match "([^/]+)%.lua$" end
  list:close()
  return names
end

function example.read(name) return files.read("scripts/examples/" .. name .. ".lua") end

local function replace(text, from, to)
  local first, last = text:find(from, 1, true)
  assert(first, "the example has no " .. from)
  return text:sub(1, first - 1) .. to .. text:sub(last + 1)
end

local function with_addresses(text, origins)
  return (text:gsub("127%.0%.0%.1:(%d+)", function(port)
    if port == "9000" then return ADMIN end
    local origin = origins[port == "6379" and 9 or tonumber(port) - 9000]
    return origin and origin.address or "127.0.0.1:" .. play.unused_port()
  end))
end

function example.start(name, origins, options)
  options = options or {}
  local text = example.read(name)
  local has_admin = text:find("127.0.0.1:9000", 1, true)
  for from, to in pairs(options.change or {}) do text = replace(text, from, to) end
  text = with_addresses(text, origins)
  if not text:find "health =" then
    text = replace(text, "\nreturn {", "\nreturn { health = { interval = 0.2, timeout = 5 },")
  end
  local lb = play.balancer {
    script = text, env = options.env, workers = options.workers,
    listen = has_admin and { "127.0.0.1:0", ADMIN } or nil,
  }
  for _, address in ipairs(lb.addresses) do
    if has_admin and address:find("127.0.0.2", 1, true) then lb.admin = address else lb.address = address end
  end
  return lb
end

function example.answer(response) return response.status == 200 and response.body or response.status end

function example.curtain(lb)
  if lb then asking.no_errors(lb) end
  play.curtain()
end

return example
