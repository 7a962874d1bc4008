-- contestants - the proxies of the bench, each in processes of its own on a free port of
-- loopback, pinned to one core.
--
--   contestants.order            the names of all that there are, in the order of the tables
--   contestants.titles[name]     as the tables call it
--   contestants.prepare(given)   before anything is started: { lb =, lb2 =, tools =,
--                                cores = { contestant =, load = }, connections = }: paths, lists of
--                                cores for taskset or nil, and how many clients at most
--   contestants.of_load(words)   the command, on the cores of the load
--   contestants.backends()       starts the origins, two listeners in one process
--   contestants.start(name)      { name =, address =, process = }, when it listens
--   contestants.stop(it)

local uv = require "luv"
local loop = require "spec.support.loop"
local process = require "spec.support.process"
local wire = require "spec.support.wire"

local contestants = {
  order = { "relay", "haproxy", "haproxy-lua", "haproxy-splice", "nginx-lua", "lb", "lb-c", "lb-log", "lb2" },
  titles = {
    relay = "byte relay", haproxy = "HAProxy", ["haproxy-lua"] = "HAProxy, Lua pick",
    ["haproxy-splice"] = "HAProxy, splice",
    ["nginx-lua"] = "nginx, Lua balancer", lb = "lb", ["lb-c"] = "lb, pick in C", ["lb-log"] = "lb, access log on",
    lb2 = "lb, other build",
  },
}

local FOLDER = "infra/bench/"
local MODULES = "/usr/lib/nginx/modules/"
local NAME = "%f[%w]%u+%d?%f[%W]"
local given, backends

function contestants.prepare(what) given = what end

-- The command on these cores; it ends when this does, whatever that ends of.
local function pinned(cores, command)
  local all = { name = command.name or command[1], "setpriv", "--pdeathsig", "TERM" }
  for _, word in ipairs(cores and { "taskset", "-c", cores } or {}) do table.insert(all, word) end
  for _, word in ipairs(command) do table.insert(all, tostring(word)) end
  return all
end

function contestants.of_load(command) return pinned(given.cores.load, command) end

-- A configuration with the values in the place of their names, which are in capitals.
local function filled(name, as, values)
  local file = assert(io.open(FOLDER .. name))
  local text = file:read "*a"
  file:close()
  return process.file(as, (text:gsub(NAME, values)))
end

local function free_port()
  local handle = uv.new_tcp()
  assert(handle:bind("127.0.0.1", 0))
  local port = handle:getsockname().port
  handle:close()
  loop.settle()
  return port
end

local function refuse(name, started)
  error(("%s does not start:\n%s"):format(name, table.concat(started.err, "\n")), 0)
end

-- The origins and the relay find a port themselves, and say which.
local function start_tool(name, cores, listeners, ...)
  local started = process.start(pinned(cores, { name = name, given.tools .. "/" .. name, ... }))
  local addresses = {}
  loop.wait(name .. " to listen", function()
    for i, line in ipairs(started.out) do addresses[i] = line:match "^listening (%S+)$" end
    return started.exit or #addresses == listeners
  end)
  if started.exit then refuse(name, started) end
  return started, addresses
end

-- The others get a port that was free a moment ago. If another process takes it the start
-- fails, and is tried again.
local function start_on_port(name, command)
  local started
  for _ = 1, 5 do
    local port = free_port()
    local address = "127.0.0.1:" .. port
    started = process.start(pinned(given.cores.contestant, command(port)))
    loop.wait(name .. " to listen", function()
      local conn = not started.exit and wire.connect(address)
      if conn then conn:close() end
      return conn or started.exit
    end)
    if not started.exit then return started, address end
  end
  refuse(name, started)
end

local function haproxy(name, fetches, pick, splice)
  return function()
    return start_on_port(name, function(port)
      return { "haproxy", "-db", "-f", filled("haproxy.cfg", name .. ".cfg", {
        PORT = port, CONNECTIONS = given.connections, BACKEND1 = backends[1], BACKEND2 = backends[2],
        LUA = fetches and "lua-load " .. fetches or "", PICK = pick or "", SPLICE = splice or "",
      }) }
    end)
  end
end

local NGINX_LUA = [[
    init_by_lua_block {
        balancer = require "ngx.balancer"
        backends, turn = { {"127.0.0.1", PORT1}, {"127.0.0.1", PORT2} }, 0
    }
    upstream backends {
        server 0.0.0.1;
        balancer_by_lua_block {
            turn = turn % #backends + 1
            assert(balancer.set_current_peer(backends[turn][1], backends[turn][2]))
        }]]

local function nginx()
  local modules, pick = "", "    upstream backends { server BACKEND1; server BACKEND2;"
  if uv.fs_stat(MODULES .. "ngx_http_lua_module.so") then
    pick = NGINX_LUA
    for _, module in ipairs { "ndk_http_module", "ngx_http_lua_module" } do
      modules = modules .. ("load_module %s%s.so;\n"):format(MODULES, module)
    end
  else
    contestants.titles["nginx-lua"] = "nginx, round robin" -- Debian 12: infra/install.sh says why
  end
  local values = {
    PORT1 = backends[1]:match "%d+$", PORT2 = backends[2]:match "%d+$", BACKEND1 = backends[1], BACKEND2 = backends[2],
  }
  pick = pick:gsub(NAME, values)
  return start_on_port("nginx", function(port)
    return { "nginx", "-p", process.directory() .. "/", "-c", filled("nginx.conf", "nginx.conf", {
      PORT = port, CONNECTIONS = given.connections * 2, MODULES = modules, PICK = pick,
    }) }
  end)
end

-- With its log in a file, or without one; its errors are seen in either case.
local function lb(name, build, script, logs)
  return function()
    return start_on_port(name, function(port)
      local command = {
        given[build], "--workers", "1", "--listen", "127.0.0.1:" .. port, "--log-format", "json",
        "--log-level", logs and "info" or "warn", "--backend", backends[1], "--backend", backends[2],
        script or process.file("empty.lua", "return {}\n"),
      }
      if not logs then return command end
      return { "sh", "-c", 'exec "$@" >>"$0"', process.directory() .. "/access.log", unpack(command) }
    end)
  end
end

local starters = {
  relay = function()
    local started, addresses = start_tool("relay", given.cores.contestant, 1, unpack(backends))
    return started, addresses[1]
  end,
  haproxy = haproxy("haproxy"),
  ["haproxy-lua"] = haproxy("haproxy-lua", FOLDER .. "haproxy.lua", "use-server %[lua.pick] if TRUE"),
  ["haproxy-splice"] = haproxy("haproxy-splice", nil, nil, "option splice-response"),
  ["nginx-lua"] = nginx,
  lb = lb("lb", "lb", "balancer.lua"),
  ["lb-c"] = lb("lb-c", "lb", nil),
  ["lb-log"] = lb("lb-log", "lb", "balancer.lua", true),
  lb2 = lb("lb2", "lb2", "balancer.lua"),
}

function contestants.backends()
  local _, addresses = start_tool("origin", given.cores.load, 2, 2)
  backends = addresses
end

function contestants.start(name)
  local started, address = starters[name]()
  return { name = name, address = address, process = started }
end

function contestants.stop(contestant)
  contestant.process:signal "sigterm"
  contestant.process:wait_exit(20)
end

return contestants
