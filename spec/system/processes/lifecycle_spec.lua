-- What happens to the processes of lb: at the start, when a signal asks them to end, and
-- when somebody else ends them.

local uv = require "luv"
local play = require "spec.support.play"

local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
local SIGTERM = 15

-- Does the process handle it (SigCgt), or keep it for later (SigBlk)?
local function minds(pid, signal)
  local file = io.open(("/proc/%d/status"):format(pid))
  local text = file and file:read "*a" or ""
  if file then file:close() end
  for _, name in ipairs { "SigCgt", "SigBlk" } do
    local mask = tonumber((text:match(name .. ":%s*(%x+)") or "0"):sub(-8), 16)
    if math.floor(mask / 2 ^ (signal - 1)) % 2 == 1 then return true end
  end
  return false
end

local function workers(lb)
  local found = {}
  for _, pid in ipairs(lb:children()) do
    local file = io.open(("/proc/%d/comm"):format(pid))
    if file and file:read "*a":find "worker" then found[#found + 1] = pid end
    if file then file:close() end
  end
  return found
end

local function refused(status, pattern, arguments)
  local result = play.lb(arguments)
  local seen = ("status %d, out %q, err %q"):format(result.code, result.out, result.err)
  assert.equal(status, result.code, seen)
  assert.equal("", result.out, seen)
  assert.truthy(result.err:find "^[^\n]+\n$", seen)
  assert.truthy(result.err:find(pattern), seen)
end

local function refuses_script(pattern, text)
  local path = play.file("some.lua", text)
  refused(2, pattern, { path, "--listen", "127.0.0.1:0", "--workers", "4" })
  refused(2, pattern, { "check", path })
end

describe("before anything listens, one line and status 2 tell of", function()
  after_each(play.curtain)

  it("an init that raises an error", function()
    refuses_script("some%.lua:2: boom", "return { backends = '127.0.0.1:9', init = function()\nerror 'boom' end }")
  end)

  it("an init that takes too long", function()
    refuses_script("some%.lua:2: ", "return { backends = '127.0.0.1:9', init = function()\nwhile true do end end }")
  end)

  it("an init that needs more memory than the script may use", function()
    refuses_script("some%.lua", [[
      return { backends = "127.0.0.1:9", script = { memory = 2 ^ 20 }, init = function()
        kept = {} for i = 1, 1e6 do kept[i] = { i } end
      end }
    ]])
  end)

  it("a script that is a pipe", function()
    local path = play.directory() .. "/pipe.lua"
    assert.equal(0, play.run({ "mkfifo", path }).code)
    refused(2, "pipe%.lua: a script has to be a regular file", { path })
  end)
end)

describe("the first look at a script", function()
  after_each(play.curtain)

  it("leaves no trace in what all workers share", function()
    local lb = play.balancer {
      script = [[
        local calls = lb.counter "calls"
        return {
          init = function() calls:next(1000) end,
          choose = function(ctx) return ctx:respond { status = 200, body = tostring(calls:get()) } end,
        }
      ]],
    }
    assert.equal("1", lb:fetch("/").body)
  end)
end)

describe("SIGTERM", function()
  after_each(play.curtain)

  local function start(script, ...)
    return play.start(play.command { play.file("some.lua", script), "--log-format", "text", "--workers", "3", ... })
  end

  it("ends lb well while it still loads its script", function()
    local lb = start "while true do end" -- has a second, and would end with status 2
    play.wait("it to mind the signal", function() return minds(lb.pid, SIGTERM) end)
    lb:signal "sigterm"
    assert.same({ code = 0, signal = 0 }, lb:wait_exit())
  end)

  it("ends it, and SIGUSR2 does not: nothing serves yet that another program could take over", function()
    local lb = start "while true do end"
    play.wait("it to mind the signals", function() return minds(lb.pid, SIGTERM) end)
    lb:signal "sigusr2"
    assert.same({ code = 2, signal = 0 }, lb:wait_exit())
  end)

  it("ends lb well at any moment of its start", function()
    local script = "return { listen = '127.0.0.1:0', backends = '127.0.0.1:9' }"
    for round = 0, 19 do
      local lb = start(script, "--drain-timeout", "5")
      play.wait("it to start", function() return lb.err[1] end)
      play.pause(round * 0.002)
      lb:signal "sigterm"
      assert.same({ code = 0, signal = 0 }, lb:wait_exit())
      local said = table.concat(lb.err, "\n")
      assert.falsy(said:find "error" or said:find "ended by", said)
    end
  end)

  it("at a worker is the supervisor's to send: the worker continues, and says so", function()
    local goes_on
    local backend = play.backend(function(conn)
      conn:request()
      conn:send "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nfirst"
      play.wait("the word", function() return goes_on end)
      conn:send "-last"
    end)
    local lb = play.balancer {
      backends = { backend },
      script = [[
        return { health = { interval = 0.2, timeout = 5 }, choose = function(ctx, backends)
          if ctx.path == "/at-once" then return ctx:respond { status = 200, body = "here" } end
          return backends[1]
        end }
      ]],
    }
    local client = play.client(lb)
    client:send(GET)
    client:has(20)
    local pids = lb:children()
    for _, pid in ipairs(pids) do uv.kill(pid, "sigterm") end
    lb:event("signal_ignored", { process = "worker 1" })
    assert.equal("here", lb:fetch("/at-once").body)
    goes_on = true
    assert.equal("first-last", client:response().body)
    assert.same(pids, lb:children())
  end)

  it("at the whole process group ends it as at lb alone", function()
    local lb = play.balancer { backends = { play.hello "x" }, workers = 3 }
    for _, pid in ipairs(lb:children()) do uv.kill(pid, "sigterm") end
    lb:signal "sigterm"
    assert.same({ code = 0, signal = 0 }, lb:wait_exit())
    assert.same({}, lb:events "signal_ignored")
  end)
end)

describe("when the supervisor is killed", function()
  after_each(play.curtain)

  it("a worker ends with its last response, or when the time to drain is over", function()
    local backend = play.backend(function(conn)
      conn:request()
      conn:send "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst"
      conn:ended_by_peer()
    end)
    local lb = play.balancer { backends = { backend }, args = { "--drain-timeout", "0.3" }, may_fail = true }
    local client = play.client(lb)
    client:send(GET)
    client:has(20)
    local pids = lb:children()
    lb:signal "sigkill"
    local seconds = play.timed(play.wait, "all to end", function()
      for _, pid in ipairs(pids) do
        if play.exists(pid) then return false end
      end
      return true
    end)
    assert.truthy(seconds >= 0.3, seconds)
    assert.truthy(client:ended_by_peer())
  end)
end)

describe("a worker that is not ready", function()
  after_each(play.curtain)

  it("is missed when the others begin without it", function()
    local lb = play.start(play.command {
      play.file("some.lua", [[
        local calls = lb.counter "calls"
        return { listen = "127.0.0.1:0", backends = "127.0.0.1:9", script = { budget_ms = 0 }, init = function()
          while calls:next(2) == 2 do repeat until false end
        end }
      ]]), "--log-format", "text", "--workers", "2", "--drain-timeout", "0.1",
    })
    play.wait("it to be missed", function()
      return table.concat(lb.err, "\n"):find "1 of 2 workers are not ready"
    end, 15)
    lb:signal "sigterm"
    lb:wait_exit()
  end)
end)

describe("the limit on open files", function()
  after_each(play.curtain)

  -- The search for leaks of a sanitized build wants more.
  local START = [[ulimit -n "$0"; ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 exec "$@"]]
  local function under(limit) return { "sh", "-c", START, tostring(limit) } end

  -- What is needed, as it says when it is refused.
  local function needed(limit)
    local command = under(limit)
    local path = play.file("some.lua", "return { listen = '127.0.0.1:0', backends = '127.0.0.1:9', workers = 1 }")
    for _, word in ipairs(play.command { path, "--log-format", "text" }) do command[#command + 1] = word end
    -- A search for leaks needs descriptors of its own, and hangs without.
    command.env = { ASAN_OPTIONS = (os.getenv "ASAN_OPTIONS" or "") .. ":detect_leaks=0" }
    local result = play.run(command)
    assert.same({ 1, 0 }, { result.code, result.signal }, result.err)
    local said = ("^lb: the limit of %d open files %%(ulimit %%-n%%) is too low: 1 worker needs (%%d+)\n$")
    return tonumber(result.err:match(said:format(limit))) or error(result.err)
  end

  for limit = 8, 14 do
    it(("is too low if it is %d, which a sentence says"):format(limit), function()
      assert.truthy(needed(limit) > limit)
    end)
  end

  it("may be as low as it says", function()
    local lb = play.balancer { backends = { play.hello "x" }, through = under(needed(14)) }
    assert.equal("x", lb:fetch("/").body)
  end)
end)

describe("--pid-file", function()
  after_each(play.curtain)

  local script = "return { listen = '127.0.0.1:0', backends = '127.0.0.1:9', workers = 1 }"

  it("is known to be writable before anything listens", function()
    local path = play.file("some.lua", script)
    refused(1, "%-%-pid%-file: cannot write /nowhere/lb%.pid: No such file", { path, "--pid-file", "/nowhere/lb.pid" })
    refused(1, "%-%-pid%-file: cannot write /tmp: Is a directory", { path, "--pid-file", "/tmp" })
  end)

  it("is left to another process that has put its own there", function()
    local path = play.directory() .. "/lb.pid"
    local lb = play.balancer { backends = { play.hello "x" }, args = { "--pid-file", path } }
    play.file("lb.pid", "1\n")
    lb:stop()
    local file = assert(io.open(path))
    assert.equal("1\n", file:read "*a")
    file:close()
  end)

  it("is no way to write to a file of somebody else's", function()
    local path, other = play.directory() .. "/lb.pid", play.file("other", "theirs\n")
    local lb = play.balancer {
      backends = { play.hello "x" }, args = { "--pid-file", path },
      through = { "sh", "-c", 'ln -s "$0" "$1.$$"; ln -s "$0" "$1"; shift; exec "$@"', other, path },
    }
    play.wait("the pid file", function() return io.open(path):read "*a" == lb.pid .. "\n" end)
    assert.equal("theirs\n", io.open(other):read "*a")
  end)

  it("may be read by others", function()
    local path = play.directory() .. "/lb.pid"
    play.balancer { backends = { play.hello "x" }, args = { "--pid-file", path },
      through = { "sh", "-c", 'umask 027; exec "$@"', "sh" } }
    assert.equal("640\n", play.run({ "stat", "-c", "%a", path }).out)
  end)

  it("is left alone at the end if it is a pipe by now", function()
    local path = play.directory() .. "/lb.pid"
    local lb = play.balancer { backends = { play.hello "x" }, args = { "--pid-file", path } }
    play.run { "sh", "-c", 'rm "$0"; mkfifo "$0"', path }
    assert.same({ code = 0, signal = 0 }, lb:stop())
    assert.truthy(uv.fs_stat(path))
  end)

  it("leaves no draft behind when lb ends before it serves", function()
    local path = play.directory() .. "/lb.pid"
    local lb = play.start(play.command {
      play.file("some.lua", "return { listen = '127.0.0.1:0', backends = 'name.invalid:80', workers = 1 }"),
      "--pid-file", path,
    })
    play.wait("it to start", function() return lb.err[1] end)
    lb:signal "sigterm"
    lb:wait_exit()
    assert.equal("", play.run({ "find", play.directory(), "-name", "lb.pid*" }).out)
  end)
end)

describe("workers", function()
  after_each(play.curtain)

  it("that SIGQUIT ends at once are replaced", function()
    local lb = play.balancer { backends = { play.hello "x" }, workers = 2, may_lose_workers = true }
    local before = workers(lb)
    for _, pid in ipairs(before) do uv.kill(pid, "sigquit") end
    play.wait("others", function()
      local now = workers(lb)
      return #now == 2 and now[1] ~= before[1] and now[1] ~= before[2] and now[2] ~= before[2] and now[2] ~= before[1]
    end)
    assert.equal("x", lb:fetch("/").body)
  end)
end)
