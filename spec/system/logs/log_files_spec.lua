-- Log files that others rotate, shorten or have no room for.
local json = require "dkjson"
local play = require "spec.support.play"
local uv = require "luv"

local function contents(path)
  local file = io.open(path)
  if not file then return "" end
  local text = file:read "*a"
  file:close()
  return text
end

local function lines(path)
  local list = {}
  for line in contents(path):gmatch "[^\n]*\n" do list[#list + 1] = line:sub(1, -2) end
  return list
end

-- Each line has to be JSON, and the paths of the requests come back.
local function paths(path)
  local list = {}
  for i, line in ipairs(lines(path)) do list[i] = assert(json.decode(line), line).path end
  return list
end

local function wait_for(path, target)
  return play.wait(target .. " in " .. path, function()
    for _, found in ipairs(paths(path)) do
      if found == target then return true end
    end
  end)
end

describe("a log file", function()
  after_each(play.curtain)

  local path

  before_each(function() path = play.directory() .. "/access.log" end)

  -- options.redirect: how the shell that starts it opens the file.
  local function balancer(options)
    options.backends = { play.hello "x" }
    options.through = { "sh", "-c", (options.redirect or 'exec "$@" >"$0"'), path }
    return play.balancer(options)
  end

  it("that is copied and truncated begins with a line", function()
    local lb = balancer { workers = 2 }
    for i = 1, 10 do lb:fetch("/before" .. i) end
    play.wait("ten lines", function() return #lines(path) == 10 end)
    assert(io.open(path, "w")):close()
    lb:fetch "/after"
    wait_for(path, "/after")
    assert.same({ "/after" }, paths(path))
  end)

  it("that was renamed is made again at SIGUSR1, with its rights, and all processes write there", function()
    local lb = balancer { workers = 2, may_lose_workers = true }
    lb:fetch "/old"
    wait_for(path, "/old")
    assert(uv.fs_chmod(path, 416)) -- 0640
    assert(uv.fs_rename(path, path .. ".1"))
    lb:fetch "/meanwhile"
    wait_for(path .. ".1", "/meanwhile")
    lb:signal "sigusr1"
    assert.equal(path, lb:event("log_reopened").files)
    assert.equal(416, assert(uv.fs_stat(path)).mode % 512)
    play.wait("all processes to have let go of the old file", function()
      for _, pid in ipairs(lb:children()) do
        if uv.fs_readlink(("/proc/%d/fd/1"):format(pid)) ~= path then return false end
      end
      return true
    end)
    for i = 1, 20 do lb:fetch("/new" .. i) end
    play.wait("every line", function() return #paths(path) == 20 end)
    assert.same({ "/old", "/meanwhile" }, paths(path .. ".1"))

    -- A process that starts later writes to the new file, too.
    local before = lb:children()
    for _, pid in ipairs(before) do uv.kill(pid, "sigkill") end
    play.wait("others in their places", function()
      local now = lb:children()
      for _, pid in ipairs(now) do
        for _, old in ipairs(before) do
          if pid == old then return false end
        end
      end
      return #now == 3
    end)
    play.wait("an answer", function()
      local _, answer = pcall(lb.fetch, lb, "/later")
      return type(answer) == "table" and answer.status == 200
    end)
    wait_for(path, "/later")
  end)

  it("may be asked for to the end: the signal ends no process", function()
    local lb = balancer { workers = 4 }
    local children = lb:children()
    lb:signal "sigterm"
    play.wait("its end", function()
      for _, pid in ipairs(children) do uv.kill(pid, "sigusr1") end
      return lb.process.exit
    end)
    assert.same({ code = 0, signal = 0 }, lb.process.exit)
    assert.same({}, lb:events "worker_died")
  end)

  it("of events is opened again, too", function()
    local command = play.command {
      play.file("events.lua", "return { listen = '127.0.0.1:0', backends = '127.0.0.1:9', workers = 1 }"),
      "--log-format", "json",
    }
    for i, word in ipairs { "sh", "-c", 'exec "$@" 2>"$0"', path } do table.insert(command, 3 + i, word) end
    local lb = play.start(command)
    local function has(file, event)
      return function() return contents(file):find(('"event":"%s"'):format(event), 1, true) end
    end
    play.wait("it to listen", has(path, "listening"))
    assert(uv.fs_rename(path, path .. ".1"))
    lb:signal "sigusr1"
    play.wait("the new file", has(path, "log_reopened"))
    lb:signal "sigterm"
    assert.same({ code = 0, signal = 0 }, lb:wait_exit())
    assert.truthy(has(path, "stop")())
    assert.falsy(has(path .. ".1", "stop")())
  end)

  it("stays as it is if it cannot be opened again, and an event says so", function()
    local folder = play.directory() .. "/logs"
    assert(uv.fs_mkdir(folder, 493))
    path = folder .. "/access.log"
    local lb = balancer {}
    lb:fetch "/a"
    wait_for(path, "/a")
    assert(uv.fs_rename(folder, folder .. ".old"))
    lb:signal "sigusr1"
    local event = lb:event "log_reopen_failed"
    assert.equal("error", event.level)
    assert.equal(path, event.file)
    assert.truthy(event.message:find("No such file or directory", 1, true), event.message)
    lb:fetch "/b"
    wait_for(folder .. ".old/access.log", "/b")
    assert.same({}, lb:events "log_reopened")

    assert(uv.fs_mkdir(folder, 493)) -- and is not waited for, if it is a FIFO
    os.execute("mkfifo " .. path)
    lb:signal "sigusr1"
    lb:event("log_reopen_failed", {}, 2)
    lb:fetch "/c"
    wait_for(folder .. ".old/access.log", "/c")
  end)

  it("that was deleted before the start is not made again", function()
    local lb = balancer { redirect = 'exec 3>"$0"; rm "$0"; exec "$@" >&3' }
    lb:signal "sigusr1"
    assert.truthy(lb:event("log_reopened").message:find "nothing")
    assert.is_nil(uv.fs_stat(path))
  end)

  it("is nothing that a pipe is", function()
    local lb = play.balancer { backends = { play.hello "x" } }
    lb:signal "sigusr1"
    assert.truthy(lb:event("log_reopened").message:find "no log is a file")
    lb:fetch "/a"
    assert.equal("/a", lb:exchange().path)
  end)

  it("that is full loses whole lines, and an event says why", function()
    local lb = balancer { workers = 2 }
    local function may_have(bytes)
      for _, pid in ipairs(lb:children()) do
        assert.equal(0, os.execute(("prlimit --pid %d --fsize=%s:"):format(pid, bytes)))
      end
    end
    lb:fetch "/first"
    wait_for(path, "/first")
    may_have(uv.fs_stat(path).size + 1000)
    for i = 1, 40 do lb:fetch("/lost" .. i) end
    may_have "unlimited"
    local count = 0
    play.wait("lines again, and the count of those that were lost", function()
      lb:fetch "/again"
      count = count + 1
      local dropped = 0
      for _, event in ipairs(lb:events "log_dropped") do dropped = dropped + event.count end
      return dropped > 0 and dropped + #paths(path) == 41 + count
    end)
    for _, event in ipairs(lb:events "log_dropped") do
      assert.truthy(event.reason:find "as large as it may be", event.reason)
      assert.truthy(event.message:find(path, 1, true), event.message)
    end
  end)
end)
