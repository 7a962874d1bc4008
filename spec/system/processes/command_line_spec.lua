-- The command line: what it refuses, shows and checks, and what it sets.
local play = require "spec.support.play"

-- One line on standard error and nothing on standard output.
local function refuses(status, pattern, arguments, options)
  local result = play.lb(arguments, options)
  local seen = ("status %d, out %q, err %q"):format(result.code, result.out, result.err)
  assert.equal(status, result.code, seen)
  assert.equal("", result.out, seen)
  assert.truthy(result.err:find "^[^\n]+\n$", seen)
  assert.truthy(result.err:find(pattern), seen)
  assert.falsy(result.err:find "listening", seen)
end

local function script(text, name) return play.file(name or "some.lua", text) end

local ok = "return { listen = '127.0.0.1:0', backends = '127.0.0.1:9' }\n"

describe("the command line", function()
  after_each(play.curtain)

  describe("refuses with status 2", function()
    it("an unknown option", function()
      refuses(2, "%-%-bakend", { "--bakend", "127.0.0.1:1" })
    end)

    it("an option without its value", function()
      refuses(2, "%-%-listen", { "--listen" })
    end)

    it("a listen address that is none", function()
      refuses(2, "nonsense", { script(ok), "--listen", "nonsense" })
      refuses(2, "99999", { script(ok), "--listen", "127.0.0.1:99999" })
    end)

    it("a backend address that is none", function()
      refuses(2, "127%.0%.0%.1", { script(ok), "--backend", "127.0.0.1" })
      refuses(2, "127%.0%.0%.1:0", { script(ok), "--backend", "127.0.0.1:0" })
    end)

    it("a number of workers that is none", function()
      refuses(2, "many", { script(ok), "--workers", "many" })
      refuses(2, "workers", { script(ok), "--workers", "0" })
    end)

    it("a log format that is none", function()
      refuses(2, "xml", { script(ok), "--log-format", "xml" })
      refuses(2, "loud", { script(ok), "--log-level", "loud" })
    end)

    it("a script that is not there", function()
      refuses(2, "nowhere%.lua", { "nowhere.lua" })
    end)

    it("a syntax error, and says where", function()
      refuses(2, "some%.lua:3:", { script "return {\n  choose = function(ctx)\n  }\n}\n" })
    end)

    it("an error while the script is loaded, and says where", function()
      refuses(2, "some%.lua:2:.*no such luck", { script "\nerror 'no such luck'\n" })
    end)

    it("a field that it does not know, and says which one was meant", function()
      refuses(2, "some%.lua:4:.*'chose'.*did you mean 'choose'",
        { script "return {\n  listen = '127.0.0.1:0',\n  backends = '127.0.0.1:9',\n  chose = function() end,\n}\n" })
      refuses(2, "some%.lua:2:.*'intervall'.*'interval'",
        { script "return { backends = '127.0.0.1:9',\n  health = { intervall = 1 } }\n" })
    end)

    it("a setting of the wrong type or out of its range", function()
      for _, value in ipairs { "'x'", "-1", "0/0", "{}" } do
        refuses(2, "some%.lua:2:.*interval",
          { script("return { backends = '127.0.0.1:9',\nhealth = { interval = " .. value .. " } }") })
      end
    end)

    it("a script that returns no table", function()
      refuses(2, "some%.lua", { script "return 7\n" })
    end)

    it("the same from check", function()
      refuses(2, "some%.lua:1:.*'chose'", { "check", script "return { chose = 1, backends = '127.0.0.1:9' }" })
      refuses(2, "nowhere%.lua", { "check", "nowhere.lua" })
    end)

    it("an address in the environment that is none, and says where it is", function()
      refuses(2, "LISTEN", { script(ok) }, { env = { LISTEN = "nonsense" } })
    end)
  end)

  it("refuses with status 1 a port in use, and names it", function()
    local other = play.hello "x"
    refuses(1, "127%.0%.0%.1:" .. other.port, { script(ok), "--listen", other.address })
  end)

  it("listens nowhere if one of two addresses cannot be had", function()
    local other = play.hello "x"
    local result = play.lb { script(ok), "--listen", "127.0.0.1:0", "--listen", other.address }
    assert.equal(1, result.code)
    assert.falsy(result.err:find "listening")
  end)

  it("shows the version, and its libraries' versions", function()
    local result = play.lb { "version" }
    assert.equal(0, result.code)
    for _, name in ipairs { "lb", "libuv", "llhttp", "LuaJIT" } do
      assert.truthy(result.out:find(name .. " %S*%d"), name .. ": " .. result.out)
    end
  end)

  it("shows every option with --help", function()
    local result = play.lb { "--help" }
    assert.equal(0, result.code)
    for _, name in ipairs { "--listen", "--backend", "--workers", "--log-format", "--log-level", "--pid-file",
      "--drain-timeout", "check", "demo", "version" } do
      assert.truthy(result.out:find(name, 1, true), name)
    end
  end)

  describe("checks a script", function()
    local function check(path, arguments, env)
      local result = play.lb({ "check", path, unpack(arguments or {}) }, { env = env })
      assert.equal(0, result.code, result.err)
      return result.out
    end

    it("and prints the settings that are in effect, defaults too", function()
      local out = check(script "return { backends = '127.0.0.1:9', timeouts = { connect = 0.7 } }")
      assert.truthy(out:find "connect = 0%.7", out)
      assert.truthy(out:find "response_head = 30", out)
      assert.truthy(out:find "127%.0%.0%.1:9", out)
    end)

    it("and what it prints is a script with the same settings", function()
      local out = check(script "return { backends = '127.0.0.1:9, [::1]:8', health = { fall = 7 } }")
      local again = check(script(out, "again.lua"))
      assert.equal(out:match "^.*\n}\n", again:match "^.*\n}\n")
      assert.truthy(again:find("\n-- fallback: \"round_robin\", as the script says so\n", 1, true), again)
    end)

    it("and says what serves if it fails, and why", function()
      local path = script "return { backends = '127.0.0.1:9', choose = function(ctx)\nreturn ctx:reject(403) end }"
      local out = check(path)
      assert.truthy(out:find("  fallback = \"fail\",\n", 1, true), out)
      assert.truthy(out:find("\n-- fallback: \"fail\", as " .. path .. ":2 calls ctx:reject\n", 1, true), out)
      out = check(script "return require 'rate_limit' { backends = '127.0.0.1:9' }")
      assert.truthy(out:find("\n-- fallback: \"round_robin\", as the script says so\n", 1, true), out)
      out = check(script "return { backends = '127.0.0.1:9', choose = require('rate_limit').choose }")
      assert.truthy(out:find("\n-- fallback: \"fail\", as scripts/rate_limit.lua (built in):", 1, true), out)
    end)

    it("where options win over the environment, and that over the script", function()
      local path = script "return { listen = '127.0.0.1:1001', backends = '127.0.0.1:2001', workers = 1 }"
      local env = { LISTEN = "127.0.0.1:1002", BACKENDS = "127.0.0.1:2002,127.0.0.1:2003", WORKERS = "2" }

      local out = check(path)
      assert.truthy(out:find "127%.0%.0%.1:1001" and out:find "127%.0%.0%.1:2001" and out:find "workers = 1", out)

      out = check(path, {}, env)
      assert.falsy(out:find "1001" or out:find "2001", out)
      assert.truthy(out:find "127%.0%.0%.1:1002" and out:find "127%.0%.0%.1:2003" and out:find "workers = 2", out)

      out = check(path, { "--listen", "127.0.0.1:1004", "--backend", "127.0.0.1:2004", "--backend", "127.0.0.1:2005",
        "--workers", "4" }, env)
      assert.falsy(out:find "1002" or out:find "2002", out)
      assert.truthy(out:find "127%.0%.0%.1:1004" and out:find "127%.0%.0%.1:2005" and out:find "workers = 4", out)
    end)
  end)

  it("says which settings of the script are not used, in check and at the start", function()
    local path = script "return { listen = '127.0.0.1:0', backends = { { address = '127.0.0.1:9', weight = 2 } } }"
    local env = { BACKENDS = "127.0.0.1:8" }
    local words = "backends by BACKENDS without the script's names, weights and tags"
    local result = play.lb({ "check", path }, { env = env })
    assert.truthy(result.out:find("\n-- not as the script says: " .. words .. "\n", 1, true), result.out)
    assert.falsy(play.lb({ "check", path }).out:find("not as the script says", 1, true))
    local lb = play.balancer { file = path, listen = false, env = env }
    assert.equal(words, lb:event("start").overridden)
    lb:stop()
  end)

  local function in_empty_folder(arguments)
    local command = play.command(arguments)
    command.cwd = play.directory()
    return command
  end

  it("serves with the built-in policy if there are backends and no script", function()
    local one, two = play.hello "1", play.hello "2"
    local lb = play.start(in_empty_folder { "--log-format", "json", "--listen", "127.0.0.1:0", "--workers", "1",
      "--backend", one.address, "--backend", two.address })
    local function line_with(pattern)
      return play.wait("the event " .. pattern, function()
        for _, text in ipairs(lb.err) do
          if text:find(pattern, 1, true) then return text end
        end
      end)
    end
    local address = line_with('"listening"'):match '"address":"([^"]+)"'
    local seen = { play.fetch(address).body, play.fetch(address).body }
    table.sort(seen)
    assert.same({ "1", "2" }, seen)
    line_with '"script":"balancer.lua (built in)"'
    lb:signal "sigterm"
    assert.equal(0, lb:wait_exit().code)
  end)

  it("says what to give it if there is neither", function()
    local command = in_empty_folder {}
    local result = play.run(command)
    assert.equal(2, result.code)
    assert.truthy(result.err:find("balancer.lua: cannot read the script: No such file or directory; " ..
      "give one, or backends alone: lb --backend host:port", 1, true), result.err)
  end)

  it("takes WORKERS with the line end that an .env file leaves", function()
    local result = play.lb({ "check", script(ok) }, { env = { WORKERS = "2\r", BACKENDS = "127.0.0.1:8\r" } })
    assert.equal(0, result.code, result.err)
    assert.truthy(result.out:find "workers = 2", result.out)
  end)

  it("has three ways out where a port is root's", function()
    local first = io.open "/proc/sys/net/ipv4/ip_unprivileged_port_start"
    local command, words = { "setpriv", "--bounding-set=-net_bind_service" }, play.command {
      script(ok), "--listen", "127.0.0.1:80" }
    if not first or first:read "*n" < 81 or tonumber(io.popen("id -u"):read "*a") ~= 0 then return end
    for _, word in ipairs(words) do command[#command + 1] = word end
    local result = play.run(command)
    assert.equal(1, result.code, result.err)
    for _, way in ipairs { "take another one", "setcap cap_net_bind_service", "net.ipv4.ip_unprivileged_port_start",
      "%-p 80:3030" } do
      assert.truthy(result.err:find(way), result.err)
    end
  end)

  it("runs ./balancer.lua if no script is named", function()
    local backend = play.hello "found"
    play.file("balancer.lua", ("return { listen = '127.0.0.1:0', backends = %q, workers = 1 }"):format(backend.address))
    local command = play.command { "--log-format", "json" }
    command.cwd = play.directory()
    local lb = play.start(command)
    local line = play.wait("lb to listen", function()
      for _, text in ipairs(lb.err) do
        if text:find '"listening"' then return text end
      end
    end)
    assert.equal("found", play.fetch(line:match '"address":"([^"]+)"').body)
    lb:signal "sigterm"
    assert.same({ code = 0, signal = 0 }, lb:wait_exit())
  end)

  it("writes its pid where --pid-file says, and takes it away at the end", function()
    local path = play.directory() .. "/lb.pid"
    local lb = play.balancer { backends = { play.hello "x" }, args = { "--pid-file", path } }
    local file = assert(io.open(path))
    assert.equal(lb.pid, tonumber((file:read "*a")))
    file:close()
    lb:stop()
    assert.is_nil(io.open(path))
  end)
end)
