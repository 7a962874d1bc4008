-- proxies - lb and its peers, each a process in front of raw backends, on free loopback ports.
--
--   proxies.start(name, addresses)   name: "lb", "haproxy" or "nginx"; a listener for each of these
--                                    backends: { name =, version =, addresses =, process =
--                                    }, when all of them listen
--   proxies.lb(limits, address)      an lb with these settings;  proxies.names: all three, lb first
--   proxies.h2(name, address, limits)   { address =, address_h1 = }: the first by prior knowledge
--                                    of HTTP/2; lb has both in one. limits are lb's alone
--   proxies.start_pair(name, addresses, descriptors)
--                                    one listener in front of both backends, as an engineer would
--                                    set it up: { name =, version =, address =, process = }

local uv = require "luv"
local balancer = require "spec.support.balancer"
local loop = require "spec.support.loop"
local process = require "spec.support.process"
local wire = require "spec.support.wire"

local proxies = { names = { "lb", "haproxy", "nginx" } }

local FOLDER = "infra/peers/"

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "*a"
  file:close()
  return text
end

-- Ports that were free a moment ago. If another process takes one, the start fails and is retried.
local function free_ports(count)
  local handles, ports = {}, {}
  for i = 1, count do
    handles[i] = uv.new_tcp()
    assert(handles[i]:bind("127.0.0.1", 0))
    ports[i] = handles[i]:getsockname().port
  end
  for _, handle in ipairs(handles) do handle:close() end
  loop.settle()
  return ports
end

local function version_of(command, pattern)
  local said = process.run(command)
  return (said.out .. said.err):match(pattern) or error(command[1] .. " does not say its version")
end

local kinds = {}

function kinds.haproxy(ports, addresses)
  local lanes = {}
  for i, port in ipairs(ports) do
    lanes[i] = ("\nlisten lane%d\n    bind 127.0.0.1:%d\n    server backend %s\n"):format(i, port, addresses[i])
  end
  local path = process.file("haproxy.cfg", read(FOLDER .. "haproxy.cfg") .. table.concat(lanes))
  return { "haproxy", "-db", "-f", path }
end

function kinds.nginx(ports, addresses)
  local lanes = {}
  for i, port in ipairs(ports) do
    lanes[i] = (
      "    upstream lane%d { server %s max_fails=0; keepalive 8; }\n" ..
      "    server { listen 127.0.0.1:%d; location / { proxy_pass http://lane%d; } }\n"
    ):format(i, addresses[i], port, i)
  end
  local text = read(FOLDER .. "nginx.conf"):gsub("\nLANES\n", function() return "\n" .. table.concat(lanes) end)
  local path = process.file("nginx.conf", text)
  return { "nginx", "-p", process.directory() .. "/", "-c", path }
end

-- A configuration with values in the place of their names, which are in capitals.
local function filled(template, as, port, addresses)
  local values = { PORT = tostring(port), BACKEND1 = addresses[1], BACKEND2 = addresses[2] }
  return process.file(as, (read(FOLDER .. template):gsub("%f[%w]%u+%d?%f[%W]", values)))
end

local kinds_of_pairs = {
  lb = function(port, addresses)
    local script = process.file("pair.lua", "return {}\n")
    return { balancer.program, script, "--listen", "127.0.0.1:" .. port, "--log-level", "warn",
      "--backend", addresses[1], "--backend", addresses[2] }
  end,
  haproxy = function(port, addresses)
    return { "haproxy", "-db", "-f", filled("faults_haproxy.cfg", "pair.cfg", port, addresses) }
  end,
  nginx = function(port, addresses)
    return { "nginx", "-p", process.directory() .. "/", "-c",
      filled("faults_nginx.conf", "pair.conf", port, addresses) }
  end,
}

local versions = {
  lb = function() return version_of({ balancer.program, "version" }, "lb (%S+)") end,
  haproxy = function() return version_of({ "haproxy", "-v" }, "version (%S+)") end,
  nginx = function() return version_of({ "nginx", "-v" }, "nginx/(%S+)") end,
}

local function listens(address)
  local conn = wire.connect(address)
  if conn then conn:close() end
  return conn ~= nil
end

-- False if it ended, as a port was taken meanwhile.
local function is_up(started, addresses)
  local up
  loop.wait(started.name .. " to listen", function()
    up = not started.exit
    for _, address in ipairs(addresses) do up = up and listens(address) end
    return up or started.exit
  end)
  return up
end

local function start_on_ports(name, count, command_of, descriptors)
  for _ = 1, 5 do
    local ports, addresses = free_ports(count), {}
    for i, port in ipairs(ports) do addresses[i] = "127.0.0.1:" .. port end
    local command = { name = name, "setpriv", "--pdeathsig", "TERM" }
    if descriptors then
      for _, word in ipairs { "prlimit", "--nofile=" .. descriptors } do table.insert(command, word) end
    end
    for _, word in ipairs(command_of(ports)) do table.insert(command, word) end
    local started = process.start(command)
    if is_up(started, addresses) then
      return { name = name, version = versions[name](), addresses = addresses, process = started }
    end
  end
  error(name .. " does not start:\n" .. loop.story(), 0)
end

function proxies.lb(limits, backend)
  return balancer.start { settings = limits, backends = { backend } }.address
end

function proxies.start(name, backends)
  if name ~= "lb" then
    return start_on_ports(name, #backends, function(ports) return kinds[name](ports, backends) end)
  end
  local addresses = {}
  for i, backend in ipairs(backends) do addresses[i] = proxies.lb(nil, backend) end
  return { name = name, version = versions.lb(), addresses = addresses }
end

local h2_lanes = {
  haproxy = function(ports, address)
    local lane = "\nlisten lane\n    bind 127.0.0.1:%d proto h2\n    bind 127.0.0.1:%d\n    server backend %s\n"
    local text = lane:format(ports[1], ports[2], address)
    return { "haproxy", "-db", "-f", process.file("haproxy.cfg", read(FOLDER .. "haproxy.cfg") .. text) }
  end,
  nginx = function(ports, address)
    local text = ("\n    upstream lane { server %s max_fails=0; keepalive 8; }\n" ..
      "    server { listen 127.0.0.1:%d http2; listen 127.0.0.1:%d; location / { proxy_pass http://lane; } }\n"):format(
      address, ports[1], ports[2])
    local config = read(FOLDER .. "nginx.conf"):gsub("\nLANES\n", function() return text end)
    return { "nginx", "-p", process.directory() .. "/", "-c", process.file("nginx.conf", config) }
  end,
}

function proxies.h2(name, backend, limits)
  if name == "lb" then
    local settings = "listen = { { \"127.0.0.1:0\", h2c = true } }, " .. (limits or "")
    return { address = balancer.start({ settings = settings, listen = false, backends = { backend } }).address }
  end
  local started = start_on_ports(name, 2, function(ports) return h2_lanes[name](ports, backend) end)
  return { address = started.addresses[1], address_h1 = started.addresses[2] }
end

function proxies.start_pair(name, backends, descriptors)
  local started = start_on_ports(name, 1, function(ports) return kinds_of_pairs[name](ports[1], backends) end,
    descriptors)
  started.address = started.addresses[1]
  return started
end

return proxies
