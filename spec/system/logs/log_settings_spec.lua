-- The setting log, and ctx:no_log().
local json = require "dkjson"
local play = require "spec.support.play"
local reloading = require "spec.support.reloading"
local uv = require "luv"

local function lines(path)
  local list, file = {}, io.open(path)
  if not file then return list end
  for line in file:lines() do list[#list + 1] = line end
  file:close()
  return list
end

local function ask(lb, target, more)
  local client = play.client(lb)
  client:send(("GET %s HTTP/1.1\r\n%s\r\n"):format(target, more or "Host: example.test:81\r\n"))
  local response = client:response()
  client:close()
  return response
end

describe("the setting log", function()
  after_each(play.curtain)

  local AGENT = "User-Agent: curl/8.0 \"x\"\\\r\n"

  it("adds headers and the host to a line of JSON", function()
    local lb = play.balancer {
      backends = { play.hello "x" },
      settings = "log = { headers = { 'User-Agent', 'referer', 'x-many' }, host = true },",
    }
    ask(lb, "/a", "Host: Example.test:81\r\n" .. AGENT .. "X-Many: 1\r\nx-Other: n\r\nX-MANY: 2\r\n")
    local line = lb:exchange { path = "/a" }
    assert.equal("example.test", line.host:lower())
    assert.same({ ["user-agent"] = 'curl/8.0 "x"\\', ["x-many"] = "1, 2" }, line.headers)
    ask(lb, "/b", "Host: x\r\n")
    assert.same({}, lb:exchange({ path = "/b" }).headers)
  end)

  it("adds them to a line of text, in quotes", function()
    local lb = play.balancer {
      backends = { play.hello "x" }, format = "text",
      settings = "log = { headers = { 'user-agent', 'referer' }, host = true },",
    }
    ask(lb, "/a", "Host: example.test\r\n" .. AGENT)
    local line = play.wait("a line", function() return lb.process.out[1] end)
    assert.truthy(line:find([[ host=example.test user-agent="curl/8.0 \"x\"\\" referer=- ]], 1, true), line)
  end)

  it("shows of a header what is short enough, and no control byte or half character", function()
    for _, format in ipairs { "json", "text" } do
      local lb = play.balancer {
        backends = { play.hello "x" }, format = format, name = "lb " .. format,
        settings = "log = { headers = { 'a', 'b' }, host = true },",
      }
      for _, value in ipairs { ("x"):rep(5000), ("\9\195\188\200\""):rep(900), ("y"):rep(509), "" } do
        local fields = ("A: %s\r\nB: 1\r\nB: %s\r\nB: %s\r\n"):format(value, value, value)
        assert.equal(200, ask(lb, "/" .. ("p"):rep(2000), "Host: x\r\n" .. fields).status)
      end
      play.wait("all lines", function() return #lb.process.out == 4 end)
      for _, line in ipairs(lb.process.out) do
        assert.truthy(#line < 4096 and not line:find "[%c\128-\255]", line)
        if format == "json" then
          local headers = assert(json.decode(line), line).headers
          assert.truthy(#headers.a <= 515 and #headers.b <= 520)
        end
      end
      if format == "json" then
        assert.equal("1, , ", lb:exchanges()[4].headers.b)
        assert.truthy(lb:exchanges()[1].headers.a:find "^x+%.%.%.$")
      end
    end
  end)

  it("skips paths by their name or what they are in, whatever becomes of the request", function()
    local backend = play.backend(function(conn)
      while true do
        conn:request()
        conn:send "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
      end
    end)
    local lb = play.balancer {
      backends = { backend }, settings = "log = { skip = { '/healthz', '/static/', '/' } },",
    }
    for _, target in ipairs {
      "/healthz", "/healthz?deep=1", "/static/", "/static/a.css", "/", "/?x", -- skipped
      "/healthz/", "/healthzz", "/static", "/%68ealthz", "/x/static/", "/a",
    } do
      assert.equal(500, ask(lb, target).status)
    end
    lb:exchange { path = "/a" }
    local seen = {}
    for i, line in ipairs(lb:exchanges()) do seen[i] = line.path end
    assert.same({ "/healthz/", "/healthzz", "/static", "/%68ealthz", "/x/static/", "/a" }, seen)
    assert.same({}, lb:events "log_dropped")
  end)

  it("skips no path that leaves a folder, however it is written", function()
    local lb = play.balancer {
      backends = { play.hello "one" }, settings = "log = { skip = { '/static/' } },",
    }
    local below = { "/static/a/../b", "/static//a;x", "/static/a..b", "/static/%61/", "/static/" .. ("a"):rep(4088) }
    local others = {
      "/static/../admin", "/static/%2e%2E/admin", "/static/..;/admin", "/static/a/../../admin", "/static/..",
      "/static//../../admin", "/static/..%2fadmin", "/static/%5c..%5cadmin", "/static/%c0%ae%c0%ae/admin",
      "/static/..%00/admin",
    }
    for _, target in ipairs(below) do assert.equal(200, ask(lb, target).status) end
    for _, target in ipairs(others) do assert.equal(200, ask(lb, target).status) end
    lb:exchange { path = others[#others] }
    local seen = {}
    for i, line in ipairs(lb:exchanges()) do seen[i] = line.path end
    assert.same(others, seen)
  end)

  it("changes with a reload, but for file and format, and says so", function()
    local function script(log)
      return reloading.answering("x", ("log = { %s },"):format(log))
    end
    local lb, say = reloading.start(script "skip = '/a'")
    ask(lb, "/a")
    ask(lb, "/b")
    lb:exchange { path = "/b" }
    assert.equal("reload", say(script "skip = '/b', host = true, file = '/nowhere/at/all'").event)
    local kept = lb:event "reload_kept"
    assert.equal("log.file and log.format", kept.kept)
    ask(lb, "/b")
    ask(lb, "/a")
    assert.equal("example.test", lb:exchange({ path = "/a" }).host)
    assert.equal(1, #lb:exchanges { path = "/b" })
    assert.equal("log", lb:event("reload").changed:match "^%w+")
  end)
end)

describe("log.file", function()
  after_each(play.curtain)

  local path

  before_each(function() path = play.directory() .. "/lines.log" end)
  after_each(function()
    if path:find "lines" then os.remove(path) end
  end)

  local function balancer(log, more)
    local options = { backends = { play.hello "x" }, settings = ("log = { file = %q, %s },"):format(path, log or "") }
    for name, value in pairs(more or {}) do options[name] = value end
    return play.balancer(options)
  end

  it("has the lines of requests, behind those that it had, and events stay where they were", function()
    local file = assert(io.open(path, "w"))
    file:write("before\n")
    file:close()
    local lb = balancer(nil, { workers = 2 })
    for i = 1, 5 do lb:fetch("/" .. i) end
    play.wait("six lines", function() return #lines(path) == 6 end)
    assert.equal("before", lines(path)[1])
    for i = 2, 6 do assert.truthy(json.decode(lines(path)[i]).path) end
    assert.same({}, lb.process.out)
    assert.equal(1, #lb:events "listening")
  end)

  it("is opened again at SIGUSR1 by its own path, also behind a link", function()
    local folder = play.directory()
    for _, name in ipairs { "one.log", "two.log", "now.log" } do os.remove(folder .. "/" .. name) end
    path = folder .. "/now.log"
    assert(uv.fs_symlink("one.log", path))
    local lb = balancer()
    lb:fetch "/one"
    play.wait("a line", function() return #lines(folder .. "/one.log") == 1 end)
    assert(os.remove(path) and uv.fs_symlink("two.log", path))
    lb:signal "sigusr1"
    assert.equal(path, lb:event("log_reopened").files)
    play.wait("a line in the other", function()
      lb:fetch "/two"
      return #lines(folder .. "/two.log") > 0
    end)
  end)

  it("may be relative to the folder in which lb was started", function()
    local lb = balancer(nil, {
      cwd = play.directory(), settings = "log = { file = 'lines.log' },",
    })
    lb:fetch "/"
    play.wait("a line", function() return #lines(path) == 1 end)
  end)

  it("may be /dev/stdout, whatever that is", function()
    path = "/dev/stdout"
    local lb = balancer()
    lb:fetch "/a"
    assert.equal("/a", lb:exchange().path)
  end)

  it("that cannot be opened is said before anything listens", function()
    local script = play.file("wrong.lua", "return { backends = 'a:1', log = { file = '/nowhere/at.log' } }")
    local result = play.run(play.command { script, "--listen", "127.0.0.1:0", "--log-format", "text" })
    assert.equal(1, result.code)
    assert.equal("lb: log.file: cannot open /nowhere/at.log: No such file or directory\n", result.err)
  end)

  it("has the format that log.format says, but the command line wins", function()
    local script = ("return { listen = '127.0.0.1:0', log = { file = %q, format = 'text' }, %s }"):format(path,
      "health = { interval = 0.2 }, choose = function(ctx) return ctx:respond { body = 'x' } end")
    local function first_line(arguments)
      os.remove(path)
      local lb = play.start(play.command { play.file("format.lua", script), "--workers", "1", unpack(arguments) })
      local address = play.wait("it to listen", function()
        for _, line in ipairs(lb.err) do
          local found = line:match "listening on ([%d%.:]+)"
          if found then return found end
        end
      end)
      play.fetch(address, "/")
      local line = play.wait("a line", function() return lines(path)[1] end)
      lb:signal "sigterm"
      lb:wait_exit()
      return line, lb.err[1]
    end
    local line, event = first_line {}
    assert.truthy(line:find "^%d%d%d%d%-" and event:find "^%d%d%d%d%-", line .. event)
    line, event = first_line { "--log-format", "json" }
    assert.truthy(json.decode(line) and json.decode(event), line .. event)
  end)
end)

describe("ctx:no_log()", function()
  after_each(play.curtain)

  it("spares the log a request, in whatever hook it is called", function()
    local lb = play.balancer {
      backends = { play.hello "x" },
      settings = [[
        choose = function(ctx, backends)
          if ctx.path == "/1" then ctx:no_log() end
          return backends[1]
        end,
        on_response = function(ctx, response) if ctx.path == "/2" then ctx:no_log() end end,
        on_done = function(ctx) lb.log.info("over " .. ctx.path) end,]],
    }
    for _, target in ipairs { "/1", "/2", "/3" } do ask(lb, target) end
    lb:exchange { path = "/3" }
    assert.equal(1, #lb:exchanges())
    for i = 1, 3 do lb:event("script", { message = "over /" .. i }) end
  end)
end)
