-- contestants - the proxies of the bench, each in processes of its own on a free port of
-- loopback, pinned to one core.
--
--   contestants.order            the names of all that there are, in the order of the tables
--   contestants.titles[name]     as the tables call it
--   contestants.prepare(given)   before anything is started: { lb =, lb2 =, tools =,
--                                cores = { contestant =, load = }, connections = }: paths, lists of
--                                cores for taskset or nil, and how many clients at most
--   contestants.of_load(words)   the command, on the cores of the load
--   contestants.tool(name)       the path of one of the bench's own programs
--   contestants.backends()       starts the origins, two listeners in one process, and two of gRPC
--   contestants.start(name)      { name =, address =, url =, process = }, when it listens
--   contestants.stop(it)

local uv = require "luv"
local loop = require "spec.support.loop"
local process = require "spec.support.process"
local wire = require "spec.support.wire"
local certificates = require "spec.support.certificates"

local contestants = {
  order = {
    "relay", "haproxy", "haproxy-lua", "haproxy-splice", "nginx-lua", "lb", "lb-c", "lb-log",
    "lb-traced", "lb2",
    "haproxy-tls", "nginx-tls", "lb-tls", "lb2-tls",
    "haproxy-h2c", "nginx-h2c", "lb-h2c", "lb2-h2c",
    "haproxy-grpc", "nginx-grpc", "lb-grpc", "lb2-grpc",
  },
  titles = {
    relay = "byte relay", haproxy = "HAProxy", ["haproxy-lua"] = "HAProxy, Lua pick",
    ["haproxy-splice"] = "HAProxy, splice",
    ["nginx-lua"] = "nginx, Lua balancer", lb = "lb", ["lb-c"] = "lb, pick in C", ["lb-log"] = "lb, access log on",
    ["lb-traced"] = "lb, all spans",
    lb2 = "lb, other build",
    ["haproxy-tls"] = "HAProxy, TLS", ["nginx-tls"] = "nginx, TLS", ["lb-tls"] = "lb, TLS",
    ["lb2-tls"] = "lb, other build, TLS",
    ["haproxy-h2c"] = "HAProxy, h2c", ["nginx-h2c"] = "nginx, h2c", ["lb-h2c"] = "lb, h2c",
    ["lb2-h2c"] = "lb, other build, h2c",
    ["haproxy-grpc"] = "HAProxy, gRPC", ["nginx-grpc"] = "nginx, gRPC", ["lb-grpc"] = "lb, gRPC",
    ["lb2-grpc"] = "lb, other build, gRPC",
  },
}

local FOLDER = "infra/bench/"
local MODULES = "/usr/lib/nginx/modules/"
local NAME = "%f[%w]%u+%d?%f[%W]"
local given, backends, grpc_backends

function contestants.prepare(what) given = what end

-- The command on these cores; it ends when this does, whatever that ends of.
local function pinned(cores, command)
  local all = { name = command.name or command[1], "setpriv", "--pdeathsig", "TERM" }
  for _, word in ipairs(cores and { "taskset", "-c", cores } or {}) do table.insert(all, word) end
  for _, word in ipairs(command) do table.insert(all, tostring(word)) end
  return all
end

function contestants.of_load(command) return pinned(given.cores.load, command) end
function contestants.tool(name) return given.tools .. "/" .. name end

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "*a"
  file:close()
  return text
end

-- A configuration with the values in the place of their names, which are in capitals.
local function filled(name, as, values)
  return process.file(as, (read(FOLDER .. name):gsub(NAME, values)))
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

-- One certificate for all: ECDSA, P-256.
local function certificate() return certificates.new { names = { "bench.test" } } end

local function both_in_one(pair)
  local parts = {}
  for i, path in ipairs { pair.cert, pair.key } do parts[i] = read(path) end
  return process.file("bench.pem", table.concat(parts))
end

-- options: what stands in the configuration, and secure, h2c, grpc.
local function haproxy(name, options)
  options = options or {}
  return function()
    local to = options.grpc and grpc_backends or backends
    local secure = options.secure and "alpn h2,http/1.1 ssl crt " .. both_in_one(certificate()) or ""
    if options.h2c or options.grpc then secure = "proto h2" end
    return start_on_port(name, function(port)
      return { "haproxy", "-db", "-f", filled("haproxy.cfg", name .. ".cfg", {
        PORT = port, CONNECTIONS = given.connections, BACKEND1 = to[1], BACKEND2 = to[2],
        PROTOCOL = options.grpc and "proto h2" or "",
        LUA = options.fetches and "lua-load " .. options.fetches or "", PICK = options.pick or "",
        SPLICE = options.splice or "", SECURE = secure,
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

local function nginx_on_port(name, modules, pick, how)
  how = how or {}
  local secure, listens = how.secure, {}
  if secure then table.insert(listens, "ssl") end
  if secure or how.h2c then table.insert(listens, "http2") end
  return start_on_port(name, function(port)
    return { "nginx", "-p", process.directory() .. "/", "-c", filled("nginx.conf", name .. ".conf", {
      PORT = port, CONNECTIONS = given.connections * 2, MODULES = modules, PICK = pick, PID = name .. ".pid",
      SECURE = table.concat(listens, " "), PASS = how.grpc and "grpc_pass grpc" or "proxy_pass http",
      CERTIFICATE = secure and ("ssl_protocols TLSv1.3; ssl_certificate %s; ssl_certificate_key %s;"):format(
        secure.cert, secure.key) or "",
    }) }
  end)
end

local ROUND_ROBIN = "    upstream backends { server BACKEND1; server BACKEND2;"

local function round_robin(to) return (ROUND_ROBIN:gsub(NAME, { BACKEND1 = to[1], BACKEND2 = to[2] })) end

local function nginx_tls() return nginx_on_port("nginx-tls", "", round_robin(backends), { secure = certificate() }) end
local function nginx_h2c() return nginx_on_port("nginx-h2c", "", round_robin(backends), { h2c = true }) end
local function nginx_grpc()
  return nginx_on_port("nginx-grpc", "", round_robin(grpc_backends), { h2c = true, grpc = true })
end

local function nginx()
  local modules, pick = "", ROUND_ROBIN
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
  return nginx_on_port("nginx", modules, pick)
end

-- balancer.lua with the spans of all requests; a backend is the collector, too.
local function traced()
  local setting = ("return { tracing = { to = 'http://%s/100', part = 1 },"):format(backends[1])
  local text, replaced = read("balancer.lua"):gsub("\nreturn {", "\n" .. setting)
  assert(replaced == 1, "balancer.lua has no line that is its table's beginning")
  return process.file("traced.lua", text)
end

-- balancer.lua without a log, in HTTP/2 without TLS.
local function lb_h2c(name, build, is_grpc)
  return function()
    return start_on_port(name, function(port)
      local scheme, to = is_grpc and "h2c://" or "", is_grpc and grpc_backends or backends
      return {
        given[build], "--workers", "1", "--listen", "h2c://127.0.0.1:" .. port, "--log-level", "warn",
        "--backend", scheme .. to[1], "--backend", scheme .. to[2], "balancer.lua",
      }
    end)
  end
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

-- balancer.lua, but that it listens with TLS.
local function lb_tls(name, build)
  return function()
    local text = read "balancer.lua"
    return start_on_port(name, function(port)
      local listen = ("listen = { { '127.0.0.1:%d', tls = true } }, %s"):format(port,
        certificates.settings { certificate() })
      local script, replaced = text:gsub("\n  listen [^\n]*\n", function() return "\n" .. listen .. "\n" end)
      assert(replaced == 1, "balancer.lua has no line that begins with listen")
      return {
        given[build], "--workers", "1", "--log-level", "warn", "--backend", backends[1], "--backend", backends[2],
        process.file(name .. ".lua", script),
      }
    end)
  end
end

local starters = {
  relay = function()
    local started, addresses = start_tool("relay", given.cores.contestant, 1, unpack(backends))
    return started, addresses[1]
  end,
  haproxy = haproxy("haproxy"),
  ["haproxy-lua"] = haproxy("haproxy-lua", {
    fetches = FOLDER .. "haproxy.lua", pick = "use-server %[lua.pick] if TRUE",
  }),
  ["haproxy-splice"] = haproxy("haproxy-splice", { splice = "option splice-response" }),
  ["haproxy-tls"] = haproxy("haproxy-tls", { secure = true }),
  ["nginx-lua"] = nginx,
  lb = lb("lb", "lb", "balancer.lua"),
  ["lb-c"] = lb("lb-c", "lb", nil),
  ["lb-log"] = lb("lb-log", "lb", "balancer.lua", true),
  ["lb-traced"] = function() return lb("lb-traced", "lb", traced())() end,
  lb2 = lb("lb2", "lb2", "balancer.lua"),
  ["nginx-tls"] = nginx_tls,
  ["lb-tls"] = lb_tls("lb-tls", "lb"),
  ["lb2-tls"] = lb_tls("lb2-tls", "lb2"),
  ["haproxy-h2c"] = haproxy("haproxy-h2c", { h2c = true }),
  ["haproxy-grpc"] = haproxy("haproxy-grpc", { grpc = true }),
  ["nginx-h2c"] = nginx_h2c,
  ["nginx-grpc"] = nginx_grpc,
  ["lb-h2c"] = lb_h2c("lb-h2c", "lb"),
  ["lb2-h2c"] = lb_h2c("lb2-h2c", "lb2"),
  ["lb-grpc"] = lb_h2c("lb-grpc", "lb", true),
  ["lb2-grpc"] = lb_h2c("lb2-grpc", "lb2", true),
}

function contestants.backends()
  backends = select(2, start_tool("origin", given.cores.load, 2, 2))
  grpc_backends = select(2, start_tool("calls", given.cores.load, 2, 2))
end

function contestants.start(name)
  local started, address = starters[name]()
  local url = (name:find "%-tls$" and "https://" or "http://") .. address
  return { name = name, address = address, url = url, process = started }
end

function contestants.stop(contestant)
  contestant.process:signal "sigterm"
  contestant.process:wait_exit(20)
end

return contestants
