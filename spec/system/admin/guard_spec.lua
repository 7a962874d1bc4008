-- Who may ask the admin listener for what.
local uv = require "luv"
local admin = require "spec.support.admin"
local play = require "spec.support.play"

local TOKEN = "0123456789abcdef-token"
local BEARER = "Authorization: Bearer " .. TOKEN .. "\r\n"

describe("the admin listener over TCP", function()
  after_each(play.curtain)

  it("tells everybody whether lb lives and is ready, and nothing else", function()
    local lb = admin.balancer { backends = { play.hello "x" },
      admin = '{ listen = { "unix:$SOCKET", "127.0.0.1:0" } }' }
    local over = { over = admin.tcp(lb) }
    assert.equal(200, (admin.get(lb, "/live", over)))
    admin.ready(lb, over)
    assert.equal(200, (admin.get(lb, "/ready", { over = over.over, host = "anything.example" })))
    for _, target in ipairs { "/state", "/backends", "/backends/x", "/events", "/", "/nothing", "/log" } do
      local status, body, response = admin.get(lb, target, over)
      assert.equal(401, status, target)
      assert.truthy(body.error:find("admin.token", 1, true))
      assert.equal("Bearer", response:field "www-authenticate")
    end
    local status = admin.get(lb, "/state", { over = over.over, fields = "Authorization: Bearer \r\n" })
    assert.equal(401, status)
  end)

  it("tells who has the token everything", function()
    local lb = admin.balancer { backends = { play.hello "x" },
      admin = ('{ listen = { "unix:$SOCKET", "127.0.0.1:0" }, token = %q }'):format(TOKEN) }
    local over = admin.tcp(lb)
    assert.equal(200, (admin.get(lb, "/state", { over = over, fields = BEARER })))
    for _, wrong in ipairs { TOKEN .. "x", TOKEN:sub(1, -2), TOKEN:upper(), TOKEN .. TOKEN, "" } do
      local fields = "Authorization: Bearer " .. wrong .. "\r\n"
      assert.equal(401, (admin.get(lb, "/state", { over = over, fields = fields })))
    end
    local basic, cookie = "Authorization: Basic " .. TOKEN .. "\r\n", "Cookie: token=" .. TOKEN .. "\r\n"
    assert.equal(401, (admin.get(lb, "/state", { over = over, fields = basic })))
    assert.equal(401, (admin.get(lb, "/state?token=" .. TOKEN, { over = over, fields = cookie })))
  end)

  it("has names of its own, so that a name bound to its address by others learns nothing", function()
    local lb = admin.balancer { backends = { play.hello "x" },
      admin = ('{ listen = { "unix:$SOCKET", "127.0.0.1:0" }, token = %q, hosts = "Lb.Internal" }'):format(TOKEN) }
    local function status(host)
      return (admin.get(lb, "/state", { over = admin.tcp(lb), fields = BEARER, host = host }))
    end
    for _, host in ipairs {
      "localhost", "LOCALHOST:9131", "127.0.0.1:1", "[::1]:80", "[::1]", "lb.internal", "lb.internal:80",
    } do
      assert.equal(200, status(host), host)
    end
    for _, host in ipairs { "evil.example", "localhost.evil.example", "lb.internal.evil", "127.0.0.1.evil.example" } do
      assert.equal(421, status(host), host)
    end
    assert.equal(421, (admin.get(lb, "/state", { host = "evil.example" })))
  end)
end)

describe("the admin listener's socket", function()
  after_each(play.curtain)

  it("is for the user and the group of lb", function()
    local lb = admin.balancer { backends = { play.hello "x" } }
    assert.equal(tonumber("660", 8), uv.fs_stat(lb.admin_path).mode % 512)
  end)

  it("takes the place of a file that a killed lb has left", function()
    local path = play.directory() .. "/admin.sock"
    local left = uv.new_pipe(false)
    assert(left:bind(path))
    left:listen(1, function() end)
    uv.fs_rename(path, path .. ".kept") -- closing would remove it
    left:close()
    play.pause(0)
    uv.fs_rename(path .. ".kept", path)
    assert.truthy(uv.fs_stat(path))
    local lb = admin.balancer { backends = { play.hello "x" } }
    assert.equal(200, (admin.get(lb, "/live")))
  end)

  it("becomes that of the lb that replaces another one", function()
    local backend = play.hello "x"
    local first = admin.balancer { backends = { backend } }
    local second = admin.balancer { backends = { backend }, listen = first.address }
    second:event("beside", { other = first.pid })
    assert.equal(second.pid, select(2, admin.get(second, "/state")).pid)
    first:stop()
    assert.equal(second.pid, select(2, admin.get(second, "/state")).pid)
  end)

  it("is that of an lb again which has outlived one that was to replace it", function()
    local backend = play.hello "x"
    local first = admin.balancer { backends = { backend } }
    local second = admin.balancer { backends = { backend }, listen = first.address }
    assert.equal(second.pid, select(2, admin.get(second, "/state")).pid)
    second:stop()
    assert.truthy(first:event("admin_listening", { address = first.admin }, 2))
    play.wait("the first one to answer", function()
      local status, state = admin.get(first, "/state")
      return status == 200 and state.pid == first.pid
    end)
  end)

  it("is no other lb's, and no other file", function()
    local first = admin.balancer { backends = { play.hello "x" } }
    local script = play.file("second.lua", ("return { backends = '127.0.0.1:1', admin = %q }"):format(first.admin))
    local result = play.lb { script, "--listen", "127.0.0.1:0" }
    assert.equal(1, result.code)
    local words = "admin: cannot listen on " .. first.admin .. ": another program listens there"
    assert.truthy(result.err:find(words, 1, true), result.err)
    assert.equal(200, (admin.get(first, "/live")))
    local other = play.file("third.lua", ("return { backends = '127.0.0.1:1', admin = %q }"):format("unix:" .. script))
    result = play.lb { other, "--listen", "127.0.0.1:0" }
    assert.equal(1, result.code)
    assert.truthy(result.err:find("another file is there, which is no socket", 1, true), result.err)
    assert.truthy(uv.fs_stat(script))
  end)
end)

describe("the setting admin", function()
  local settings = require "spec.support.settings"

  local function script(admin_setting) return "return { backends = 'a:1', admin = " .. admin_setting .. " }" end

  local function refused(pattern, admin_setting)
    local printed, err = settings.printed(script(admin_setting))
    assert.is_nil(printed)
    assert.truthy(err:find(pattern, 1, true), err)
  end

  it("needs a token where others can reach it", function()
    refused("balancer.lua:1: admin: admin listens on 0.0.0.0:9131, which anybody can reach: add admin.token, or "
      .. "listen on 127.0.0.1 or unix:/run/lb/admin.sock", "'0.0.0.0:9131'")
    refused("which anybody can reach", "{ listen = ':9131' }")
    refused("which anybody can reach", "{ listen = { '127.0.0.1:9131', '10.1.1.1:9131' } }")
    assert.truthy(settings.printed(script("{ listen = ':9131', token = '" .. TOKEN .. "' }")))
  end)

  it("hides its token where it is shown", function()
    local printed = settings.printed(script("{ listen = ':9131', token = '" .. TOKEN .. "' }"))
    assert.is_nil(printed:find(TOKEN, 1, true))
    assert.truthy(settings.printed(printed))
  end)

  it("refuses what cannot be", function()
    refused("expected an address", "1")
    refused("admin listens nowhere", "{}")
    refused("listed twice", "{ listen = { 'unix:/a', 'unix:/a' } }")
    refused("expected 16 to 256 characters, got 5", "{ listen = 'unix:/a', token = 'short' }")
    refused("a token has only ASCII signs", "{ listen = 'unix:/a', token = '0123456789 abcdef' }")
    refused("a host name without a port", "{ listen = 'unix:/a', hosts = 'a:80' }")
    refused("unknown field 'tokens', did you mean 'token'?", "{ listen = 'unix:/a', tokens = '' }")
    refused("cannot listen on a name", "'somewhere:80'")
  end)

  it("is at no backend's address", function()
    local function is_refused(admin_setting, backend)
      local printed, err = settings.printed(("return { backends = %q, admin = %q }"):format(backend, admin_setting))
      assert.is_nil(printed)
      assert.truthy(err:find(("'%s': that is the admin address of this lb itself"):format(backend), 1, true), err)
    end
    is_refused("127.0.0.1:9131", "127.0.0.1:9131")
    is_refused("127.0.0.1:9131", "localhost:9131")
    is_refused("unix:/run/lb/admin.sock", "unix:/run/lb/admin.sock")
  end)
end)
