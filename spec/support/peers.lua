-- peers - HTTP programs that are not ours, at one end of the balancer or at both.
--
--   peers.plays()                     the names of the files of spec/peers for varnishtest
--   peers.varnishtest(name)           plays one of them, both ends, around a balancer of its own
--   peers.curl(lb, { ... })           runs curl with these arguments; "%s" in them is lb's address
--   peers.h2load(lb, { ... })         runs h2load --h1; gives its summary in numbers, its output
--   peers.python(name, ...)           runs that file of spec/peers
--   peers.server { ... }              starts a server that says its port; its address and process
--   peers.folder                      where these files are
--
-- A program that runs to its end gives what it wrote. It fails, with all of that, if its status is
-- not 0 (or one of `ends`), or if it does not end within its bound. A program that is not installed
-- is a failure, too.

local loop = require "spec.support.loop"
local play = require "spec.support.play"
local uv = require "luv"

local peers = {}

peers.folder = "spec/peers/"

local PYTHON = "/usr/bin/python3" -- the system's: its modules are Debian's
local SECONDS = 60

local function is_among(value, list)
  for _, one in ipairs(list) do
    if one == value then return true end
  end
  return false
end

local function run(command, ends)
  command.seconds = SECONDS
  local result = play.run(command)
  if result.signal ~= 0 or not is_among(result.code, ends or { 0 }) then
    error(("%s ended with status %d, signal %d:\n%s%s"):format(
      table.concat(command, " "), result.code, result.signal, result.out, result.err), 0)
  end
  return result
end

local function with_address(lb, arguments)
  local list = {}
  for i, argument in ipairs(arguments) do list[i] = (tostring(argument):gsub("%%s", lb.address)) end
  return list
end

function peers.plays()
  local names = {}
  local scan = assert(uv.fs_scandir(peers.folder))
  for name in function() return uv.fs_scandir_next(scan) end do
    if name:find "%.vtc$" then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

-- varnishtest's servers take one connection at a time and expect a request on it, so no check of
-- the balancer's may come by: somebody else stands in for the first one, and the next one is hours
-- away. The server has an address of its own, as nobody connects from there: its port stays free.
function peers.varnishtest(name)
  local stand_in = play.backend { host = "127.0.0.2" }
  local lb = play.balancer { backends = { stand_in }, settings = "health = { interval = 86400, timeout = 5 }" }
  lb:up(stand_in)
  stand_in:stop()
  return run {
    "varnishtest", "-b", "4M", "-t", tostring(SECONDS * loop.slow),
    "-D", "lb=127.0.0.1 " .. lb.port,
    "-D", "backend=127.0.0.2 " .. stand_in.port, "-D", "backend_host=" .. stand_in.address, peers.folder .. name,
  }
end

function peers.curl(lb, arguments)
  local command = { "curl", "-q", "-sS", "--noproxy", "*", unpack(with_address(lb, arguments)) }
  return run(command, arguments.ends)
end

function peers.h2load(lb, arguments)
  local said = run({ "h2load", "--h1", unpack(with_address(lb, arguments)) }).out
  local summary = {}
  for _, line in ipairs { said:match "\nrequests: ([^\n]*)", said:match "\nstatus codes: ([^\n]*)" } do
    for number, what in line:gmatch "(%d+) (%w+)" do summary[what] = tonumber(number) end
  end
  return summary, said
end

function peers.python(name, ...)
  return run { PYTHON, "-B", peers.folder .. name, env = { NO_PROXY = "*" }, ... }
end

function peers.server(arguments)
  local server = play.start { PYTHON, "-B", "-u", name = arguments.name, unpack(arguments) }
  local port = loop.wait("a port of " .. arguments.name, function()
    if server.exit then error(arguments.name .. " ended at once:\n" .. loop.story(), 0) end
    for _, line in ipairs(server.out) do
      local port = line:match "%f[%d]%d%d%d%d+%f[^%d]"
      if port then return port end
    end
  end)
  return "127.0.0.1:" .. port, server
end

return peers
