-- What lb tells systemd, or whoever else gives it a NOTIFY_SOCKET.

local play = require "spec.support.play"

-- Prints each message in one line, and says where it listens.
local LISTENER = [[
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1].replace("@", "\0", 1)); print("listens", flush=True)
while True: print(s.recv(4096).decode().strip().replace("\n", " "), flush=True)
]]
local SCRIPT = "return { choose = function(ctx) return ctx:respond { body = 'ok' } end, %s }"

local function listener(name)
  local one = play.start { "/usr/bin/python3", "-c", LISTENER, name }
  play.wait("it to listen", function() return one.out[1] end)
  one.told = function() return table.concat(one.out, "\n", 2) end
  -- The first words of all that was told, without what keeps the watchdog quiet.
  one.words = function()
    local words = {}
    for i = 2, #one.out do
      local word = one.out[i]:match "^%u+=1"
      if word ~= "WATCHDOG=1" then words[#words + 1] = word end
    end
    return table.concat(words, " ")
  end
  one.stop = function()
    one:signal "sigkill"
    one:wait_exit()
  end
  return one
end

local function count(text, pattern) return select(2, text:gsub(pattern, "")) end

describe("systemd is told", function()
  after_each(play.curtain)

  local function tells(name)
    local systemd = listener(name)
    local path = play.file("some.lua", SCRIPT:format "")
    local lb = play.balancer { file = path, env = { NOTIFY_SOCKET = name, WATCHDOG_USEC = "300000" } }
    play.wait("READY", function() return systemd.words() == "READY=1" end)
    play.wait("WATCHDOG", function() return count(systemd.told(), "WATCHDOG=1") > 2 end)
    play.file("some.lua", SCRIPT:format "trace = true")
    lb:signal "sighup"
    play.wait("the reload", function() return systemd.words() == "READY=1 RELOADING=1 READY=1" end)
    assert.truthy(systemd.told():find("RELOADING=1 MONOTONIC_USEC=%d+ STATUS=loading another script: 1 worker"))
    assert.truthy(systemd.told():find("READY=1 STATUS=serving: 1 worker, edition 2", 1, true), systemd.told())
    play.file("some.lua", "return { wrong = true }")
    lb:signal "sighup"
    lb:event "reload_refused"
    play.wait("that one", function() return count(systemd.words(), "READY=1") == 3 end)
    assert.equal("ok", lb:fetch("/").body)
    lb:stop()
    play.wait("STOPPING", function() return systemd.words():find "STOPPING" end)
    assert.equal("READY=1 RELOADING=1 READY=1 RELOADING=1 READY=1 STOPPING=1", systemd.words())
    assert.falsy(systemd.told():find "MAINPID")
    systemd.stop()
  end

  it("when lb is ready, reloads and stops, over a socket with a path", function()
    tells(play.directory() .. "/notify")
  end)

  it("the same over a socket without one", function()
    tells("@lb-spec-" .. play.directory():match "[^/]+$")
  end)

  it("that all is well also after an upgrade, by the same process", function()
    local name = play.directory() .. "/notify"
    local systemd = listener(name)
    local lb = play.balancer { file = play.file("some.lua", SCRIPT:format ""),
      env = { NOTIFY_SOCKET = name, WATCHDOG_USEC = "300000" } }
    play.wait("READY", function() return systemd.words() == "READY=1" end)
    lb:signal "sigusr2"
    lb:event "upgrade"
    play.wait("READY again", function() return systemd.words() == "READY=1 READY=1" end)
    local before = count(systemd.told(), "WATCHDOG=1")
    play.wait("WATCHDOG", function() return count(systemd.told(), "WATCHDOG=1") > before + 2 end)
    lb:stop()
    play.wait("STOPPING", function() return systemd.words() == "READY=1 READY=1 STOPPING=1" end)
    systemd.stop()
  end)

  it("nothing before lb serves", function()
    local name, serve = play.directory() .. "/notify", false
    local systemd = listener(name)
    local backend = play.backend { serve = function(conn)
      conn:request()
      play.wait("the spec to let the check pass", function() return serve or conn.ended end)
      conn:send(play.text "it")
    end }
    local command = play.command { play.file("some.lua",
      ("return { backends = %q, health = { type = 'http', path = '/', timeout = 20 } }"):format(backend.address)),
      "--listen", "127.0.0.1:0" }
    command.env = { NOTIFY_SOCKET = name }
    local lb = play.start(command)
    play.wait("the check", function() return #backend:connections() > 0 end)
    assert.equal("", systemd.told())
    serve = true
    play.wait("READY", function() return systemd.words() == "READY=1" end)
    lb:signal "sigterm"
    lb:wait_exit()
    systemd.stop()
  end)

  it("that all is well only as long as a worker moves", function()
    local name = play.directory() .. "/notify"
    local systemd = listener(name)
    local lb = play.balancer { settings = "choose = function(ctx) return ctx:respond { body = 'ok' } end",
      env = { NOTIFY_SOCKET = name, WATCHDOG_USEC = "30000" }, may_lose_workers = true }
    play.wait("WATCHDOG", function() return systemd.told():find "WATCHDOG=1" end)
    local worker
    for _, pid in ipairs(lb:children()) do
      local file = assert(io.open(("/proc/%d/comm"):format(pid)))
      if file:read "*a":find "worker" then worker = pid end
      file:close()
    end
    require("luv").kill(worker, "sigstop")
    local before = count(systemd.told(), "WATCHDOG=1")
    lb:event "worker_hung" -- 5 s later, or more: 500 times 10 ms
    local meanwhile = count(systemd.told(), "WATCHDOG=1") - before
    assert.truthy(meanwhile < 250, meanwhile)
    local then_ = count(systemd.told(), "WATCHDOG=1")
    play.wait("the next worker to move", function() return count(systemd.told(), "WATCHDOG=1") > then_ end)
    lb:stop()
    systemd.stop()
  end)
end)

describe("without anybody to tell", function()
  after_each(play.curtain)

  for what, name in pairs { ["a socket that nobody has"] = "/nowhere/notify", ["no path"] = "notify",
    ["nothing"] = "", ["a path that is too long"] = "/" .. ("x"):rep(200) } do
    it("lb serves: " .. what, function()
      local lb = play.balancer { settings = "choose = function(ctx) return ctx:respond { body = 'ok' } end",
        env = { NOTIFY_SOCKET = name, WATCHDOG_USEC = "300000" } }
      assert.equal("ok", lb:fetch("/").body)
      lb:stop()
    end)
  end
end)
