-- lb and the terminal that it was started from: script (of util-linux) opens one, and
-- closes it when it is killed.

local play = require "spec.support.play"

local function script_of(backend)
  return play.file("balancer.lua", ("return { listen = '127.0.0.1:0', backends = %q, workers = 1 }"):format(
    backend.address))
end

-- Starts it with a terminal of its own. Its log goes to a file, as nobody reads the terminal's end.
local function in_terminal(words)
  local log = play.directory() .. "/events"
  local command = {}
  for i, word in ipairs(play.command(words)) do command[i] = "'" .. word .. "'" end
  local line = table.concat(command, " ", 4)
  local terminal = play.start { "script", "-q", "-e", "-c", ("exec %s%s%s 2>%s"):format(
    words.before or "", line, words.behind or "", log), "/dev/null" }
  local function said(pattern)
    local file = io.open(log)
    local text = file and file:read "*a" or ""
    if file then file:close() end
    return text:match(pattern)
  end
  local pid = tonumber(play.wait("lb to listen", function() return said '"listening"' and said '"pid":(%d+)' end))
  return terminal, pid, said
end

local function is_there(pid)
  return require("luv").kill(pid, 0) == 0
end

describe("the terminal", function()
  after_each(play.curtain)

  it("ends lb when it is closed", function()
    local terminal, pid, said = in_terminal { "--log-format", "json", script_of(play.hello "x") }
    terminal:signal "sigkill"
    play.wait("lb to end", function() return not is_there(pid) end)
    assert.truthy(said '"event":"drain"')
    assert.truthy(said '"event":"stop"')
    assert.falsy(said '"event":"reload"')
  end)

  it("does not make a SIGHUP of somebody else an end", function()
    local terminal, pid, said = in_terminal { "--log-format", "json", script_of(play.hello "x") }
    require("luv").kill(pid, "sighup")
    play.wait("the reload", function() return said '"event":"reload"' end)
    assert.is_true(is_there(pid))
    terminal:signal "sigkill"
    play.wait("lb to end", function() return not is_there(pid) end)
  end)

  it("leaves alone what nohup has started, which still reloads", function()
    local terminal, pid, said = in_terminal {
      before = "nohup ", behind = " >/dev/null", "--log-format", "json", script_of(play.hello "x"),
    }
    terminal:signal "sigkill"
    terminal:wait_exit()
    require("luv").kill(pid, "sighup")
    play.wait("the reload", function() return said '"event":"reload"' end)
    require("luv").kill(pid, "sigterm")
    play.wait("lb to end", function() return not is_there(pid) end)
    assert.truthy(said '"event":"stop"')
  end)
end)
