-- Sockets that systemd has opened for lb: LISTEN_FDS.

local play = require "spec.support.play"

-- Opens the sockets of its first argument ("127.0.0.1:0 [::1]:0 unix"), and becomes the program of
-- the others.
local LAUNCHER = [[
import os, socket, sys
wanted = sys.argv[1].split()
fds = []
for one in wanted:
    if one == "unix":
        s = socket.socket(socket.AF_UNIX); s.bind("\0" + str(os.getpid()))
    else:
        host, port = one.rsplit(":", 1)
        s = socket.socket(socket.AF_INET6 if "[" in host else socket.AF_INET)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((host.strip("[]"), int(port)))
    s.listen()
    fds.append(os.dup(s.fileno()))
fds = [os.dup2(fd, 100 + i) for i, fd in enumerate(fds)]
for i, fd in enumerate(fds): os.dup2(fd, 3 + i)
for fd in fds: os.close(fd)
os.environ.update(LISTEN_PID=os.environ.get("PID", str(os.getpid())), LISTEN_FDS=str(len(fds)),
                  LISTEN_FDNAMES="web:other")
os.closerange(3 + len(fds), 64)
os.execv(sys.argv[2], sys.argv[2:])
]]

local SCRIPT = "return { choose = function(ctx) return ctx:respond { body = ctx.listener } end, %s }"

local function through(sockets) return { "/usr/bin/python3", "-c", LAUNCHER, sockets } end

-- An address that is free, unless somebody else takes it meanwhile.
local function free_address()
  local socket = require("luv").new_tcp()
  socket:bind("127.0.0.1", 0)
  local port = socket:getsockname().port
  socket:close()
  play.wait("it to be free", function() return socket:is_closing() end)
  return "127.0.0.1:" .. port
end

-- The inodes of the sockets that the process has.
local function sockets_of(pid)
  local inodes = {}
  for fd = 0, 63 do
    local target = require("luv").fs_readlink(("/proc/%d/fd/%d"):format(pid, fd))
    if target and target:find "^socket:" then inodes[target] = (inodes[target] or 0) + 1 end
  end
  return inodes
end

-- The inode of what listens at the port.
local function listening_at(address)
  local found, port = {}, ("%04X"):format(address:match "%d+$")
  for line in io.lines "/proc/net/tcp" do
    local inode = line:match("^ *%d+: %x+:" .. port .. " %x+:%x+ 0A .- .- .- +%d+ +%d+ (%d+)")
    if inode then found[#found + 1] = "socket:[" .. inode .. "]" end
  end
  return found
end

describe("a socket of systemd", function()
  after_each(play.curtain)

  it("is taken where lb listens there, by all workers; other addresses are opened as ever", function()
    local address = free_address()
    local lb = play.balancer { listen = { address, "127.0.0.1:0" }, workers = 3, through = through(address),
      script = SCRIPT:format "" }
    local found = listening_at(address)
    assert.equal(1, #found)
    local holders = 0
    for _, pid in ipairs(lb:children()) do
      local inodes = sockets_of(pid)
      if inodes[found[1]] then
        holders = holders + 1
        assert.equal(1, inodes[found[1]])
      end
    end
    assert.equal(3, holders)
    for _ = 1, 20 do assert.equal(address, play.fetch(address).body) end
    assert.equal("127.0.0.1:0", play.fetch(lb.addresses[2]).body)
    assert.same({}, lb:events "spread_failed")
    assert.same({}, lb:events "beside")
  end)

  it("survives a reload, a worker's death and a worker that stands still", function()
    local address = free_address()
    local path = play.file("some.lua", SCRIPT:format "")
    local lb = play.balancer { listen = address, workers = 2, through = through(address), file = path,
      may_lose_workers = true }
    play.file("some.lua", SCRIPT:format "trace = true")
    lb:signal "sighup"
    lb:event "reload"
    local workers = {}
    for _, pid in ipairs(lb:children()) do
      local file = assert(io.open(("/proc/%d/comm"):format(pid)))
      if file:read "*a":find "worker" then workers[#workers + 1] = pid end
      file:close()
    end
    require("luv").kill(workers[1], "sigkill")
    require("luv").kill(workers[2], "sigstop")
    lb:event "worker_died"
    for _ = 1, 20 do assert.equal(address, play.fetch(address).body) end
    require("luv").kill(workers[2], "sigcont")
    assert.same({}, lb:events "spread_failed")
  end)

  it("is served on after an upgrade", function()
    local address = free_address()
    local lb = play.balancer { listen = address, workers = 2, through = through(address), script = SCRIPT:format "" }
    local before = listening_at(address)
    lb:signal "sigusr2"
    lb:event "upgrade"
    for _ = 1, 20 do assert.equal(address, play.fetch(address).body) end
    assert.same(before, listening_at(address))
    lb:stop()
    assert.same({}, lb:events "spread_failed")
  end)

  it("that no listen names is refused, and what to do is said", function()
    local address, other = free_address(), free_address()
    local script = play.file("some.lua", SCRIPT:format "")
    local function says(sockets)
      local command = play.command { script, "--listen", address, "--log-format", "text" }
      for i, word in ipairs(through(sockets)) do table.insert(command, 3 + i, word) end
      local result = play.run(command)
      assert.equal(1, result.code, result.err)
      return result.err
    end
    assert.equal(("lb: systemd hands over a socket, descriptor 4 ('other'), for %s, where lb is not to listen: " ..
      "add that address to listen, or take it out of the .socket unit\n"):format(other),
      says(address .. " " .. other))
    assert.equal("lb: systemd hands over a socket, descriptor 3 ('web'), which is none that listens for TCP: " ..
      "take it out of the .socket unit\n", says "unix")
  end)

  it("is left alone if it is for another process", function()
    local address = free_address()
    local lb = play.balancer { listen = "127.0.0.1:0", through = through(address), env = { PID = "1" },
      script = SCRIPT:format "" }
    assert.equal("127.0.0.1:0", lb:fetch("/").body)
  end)
end)
