-- Which words a worker writes for a request, looked at from outside, line by line: what lies on a
-- line that two workers write goes back and forth between their CPUs with each request.
local shared_lines = require "spec.support.shared_lines"
local play = require "spec.support.play"
local uv = require "luv"

local WORKERS, CONNECTIONS, REQUESTS = 3, 32, 8

local function named(lb)
  local by_name = {}
  for _, pid in ipairs(lb:children()) do
    local file = assert(io.open(("/proc/%d/comm"):format(pid)))
    by_name[file:read "*l"] = pid
    file:close()
  end
  return by_name
end

local function sockets_of(pid)
  local found, scan = {}, assert(uv.fs_scandir(("/proc/%d/fd"):format(pid)))
  for name in function() return uv.fs_scandir_next(scan) end do
    local inode = (uv.fs_readlink(("/proc/%d/fd/%s"):format(pid, name)) or ""):match "^socket:%[(%d+)%]$"
    if inode then found[inode] = true end
  end
  return found
end

-- By a client's port: the inode of the balancer's end of the connection.
local function inodes(lb)
  local found, port = {}, ("%04X"):format(lb.port)
  for line in io.lines "/proc/net/tcp" do
    local here, there, inode = line:match "^%s*%d+: %x+:(%x+) %x+:(%x+) %x+ %S+ %S+ %S+%s+%d+%s+%d+ (%d+)"
    if here == port then found[tonumber(there, 16)] = inode end
  end
  return found
end

local function request(client)
  client:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
  assert.equal(200, client:response().status)
end

local function stand_still(pids, but)
  for name, pid in pairs(pids) do
    if name ~= but then
      uv.kill(pid, "sigstop")
      play.wait(name .. " to stand still", function() return require("spec.support.process").is_stopped(pid) end)
    end
  end
end

-- By worker: the lines that change when it serves requests, while all others stand still.
local function lines_by_worker(script)
  local lb = play.balancer { script = script, backends = { play.hello "1", play.hello "2" }, workers = WORKERS }
  local pids, clients, lines = named(lb), {}, {}
  for i = 1, CONNECTIONS do
    clients[i] = play.client(lb)
    for _ = 1, REQUESTS do request(clients[i]) end
  end
  local inode_of = inodes(lb)
  for which = 1, WORKERS do
    local name = "lb worker " .. which
    local sockets, one = sockets_of(pids[name])
    for _, client in ipairs(clients) do
      if sockets[inode_of[client.handle:getsockname().port]] then one = client end
    end
    assert(one, name .. " got no connection")
    stand_still(pids, name)
    local before = shared_lines.read(pids[name])
    for _ = 1, REQUESTS do request(one) end
    lines[which] = shared_lines.written(before, shared_lines.read(pids[name]))
    for _, pid in pairs(pids) do uv.kill(pid, "sigcont") end
  end
  return lines
end

local function expect_common(count, lines)
  for one = 1, WORKERS do
    assert.is_truthy(next(lines[one]), "a worker writes nothing at all: is this the right memory?")
    for other = one + 1, WORKERS do
      local common = shared_lines.common(lines[one], lines[other])
      assert(#common == count, ("workers %d and %d both write %s"):format(one, other, table.concat(common, " ")))
    end
  end
  return shared_lines.common(lines[1], lines[2])
end

describe("two workers", function()
  after_each(play.curtain)

  it("write no cache line in common for a request", function()
    expect_common(0, lines_by_worker [[
      return { health = { interval = 30 }, choose = function(ctx, backends) return (backends:sample(1)) end }
    ]])
  end)

  it("write one in common if the script counts in one turn for all, and that is the counter's", function()
    local lines = lines_by_worker [[
      local turn = lb.counter "turn"
      return { health = { interval = 30 }, choose = function(ctx, backends) return backends[turn:next(#backends)] end }
    ]]
    local common = expect_common(1, lines)
    assert.same(common, shared_lines.common(lines[2], lines[3]))
  end)
end)
