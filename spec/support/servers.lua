-- servers - other programs as servers, each on a free port of loopback.
--
--   servers.start(words, name, config)   a program; config is in a file for it. In the words, PORT,
--                                        CONFIG (that file) and FOLDER (process.directory()) are
--                                        filled in, PORT in config, too. words.node_path: for node.
--                                        Its address, when it listens, and the process
--   servers.nginx(name, server, more)    server: what is in server { }; more: other blocks of http
--   servers.haproxy(name, sections)

local loop = require "spec.support.loop"
local process = require "spec.support.process"
local uv = require "luv"
local wire = require "spec.support.wire"

local servers = {}

local function free_port()
  local handle = uv.new_tcp()
  assert(handle:bind("127.0.0.1", 0))
  local port = handle:getsockname().port
  handle:close()
  loop.settle()
  return port
end

function servers.start(words, name, config)
  local port = free_port()
  local path = process.file(name .. ".conf", (config:gsub("PORT", tostring(port))))
  local command = { name = name, env = { PATH = os.getenv "PATH" .. ":/usr/sbin", NODE_PATH = words.node_path } }
  for i, word in ipairs(words) do
    command[i] = word:gsub("CONFIG", path):gsub("FOLDER", process.directory()):gsub("PORT", tostring(port))
  end
  local server = process.start(command)
  loop.wait(name .. " to listen", function()
    local conn = not server.exit and wire.connect("127.0.0.1:" .. port)
    if conn then conn:close() end
    return conn or server.exit
  end, 30)
  assert(not server.exit, table.concat(server.err, "\n"))
  return "127.0.0.1:" .. port, server
end

local NGINX = [[
daemon off; worker_processes 1; error_log stderr crit; pid FOLDER/NAME.pid; events { }
http {
  access_log off; client_max_body_size 0; client_body_buffer_size 1m; proxy_request_buffering off;
  client_body_temp_path FOLDER/body; proxy_temp_path FOLDER/proxy;
  fastcgi_temp_path FOLDER/fastcgi; uwsgi_temp_path FOLDER/uwsgi; scgi_temp_path FOLDER/scgi;
  MORE
  server { SERVER }
}
]]

function servers.nginx(name, server, more)
  local config = NGINX:gsub("MORE", function() return more or "" end):gsub("SERVER", function() return server end)
    :gsub("NAME", name):gsub("FOLDER", process.directory())
  return servers.start({ "nginx", "-p", "FOLDER/", "-c", "CONFIG" }, name, config)
end

local HAPROXY = "defaults\n mode http\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n%s\n"

function servers.haproxy(name, sections)
  return servers.start({ "haproxy", "-db", "-f", "CONFIG" }, name, HAPROXY:format(sections))
end

return servers
