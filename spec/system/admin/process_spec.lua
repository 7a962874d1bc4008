-- The admin process: it harms nobody, and nobody notices its end.
local uv = require "luv"
local admin = require "spec.support.admin"
local play = require "spec.support.play"

local function comm_of(pid)
  local file = io.open(("/proc/%d/comm"):format(pid))
  local text = file and file:read "*a"
  if file then file:close() end
  return text
end

local function admin_process(lb)
  for _, pid in ipairs(lb:children()) do
    if comm_of(pid) == "lb admin\n" then return pid end
  end
end

-- lb listens before all of its processes are there.
local function await_admin(lb)
  return play.wait("the admin process", function() return admin_process(lb) end)
end

local function descriptors(pid)
  local count, scan = 0, uv.fs_scandir(("/proc/%d/fd"):format(pid))
  while scan and uv.fs_scandir_next(scan) do count = count + 1 end
  return count
end

describe("the admin process", function()
  after_each(play.curtain)

  it("is there with the setting only", function()
    local without = play.balancer { backends = { play.hello "x" } }
    assert.equal("x", without:fetch("/").body)
    assert.is_nil(admin_process(without))
    assert.equal(2, #without:children())
    assert.truthy(await_admin(admin.balancer { backends = { play.hello "x" } }))
  end)

  it("is replaced while requests are served and clients wait for it", function()
    local lb = admin.balancer { backends = { play.hello "x" } }
    for _ = 1, 3 do
      local before = await_admin(lb)
      uv.kill(before, "sigkill")
      assert.equal(200, lb:fetch("/").status)
      assert.equal(200, (admin.get(lb, "/live"))) -- it waits, and is not refused
      assert.are_not.equal(before, admin_process(lb))
    end
    assert.equal(0, #lb:events "worker_died")
    assert.equal(3, #lb:events "admin_died")
  end)

  it("loses no request and no connection of the load when it is killed", function()
    local lb = admin.balancer { backends = { play.hello "x" }, workers = 2 }
    local done, bad = 0, 0
    local clients = {}
    for i = 1, 16 do clients[i] = play.client(lb) end
    for round = 1, 20 do
      for _, client in ipairs(clients) do client:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n" end
      if round % 5 == 0 then uv.kill(await_admin(lb), "sigkill") end
      for _, client in ipairs(clients) do
        local response = client:response()
        if response and response.status == 200 then done = done + 1 else bad = bad + 1 end
      end
    end
    assert.same({ 320, 0 }, { done, bad })
    assert.equal(320, (select(2, admin.get(lb, "/state"))).requests)
  end)

  it("has as many descriptors after many clients as before", function()
    local lb = admin.balancer { backends = { play.hello "x" } }
    admin.get(lb, "/live")
    local before = descriptors(await_admin(lb))
    for _ = 1, 30 do
      admin.get(lb, "/state")
      local client = play.client(lb.admin)
      client:send "GET /st"
      client:reset()
    end
    play.wait("all to be closed", function() return descriptors(admin_process(lb)) <= before end)
  end)

  it("has no other process's descriptors of traffic, and they have none of its own", function()
    local lb = admin.balancer { backends = { play.hello "x" } }
    local function sockets_of(pid)
      local found, scan = {}, uv.fs_scandir(("/proc/%d/fd"):format(pid))
      while scan do
        local name = uv.fs_scandir_next(scan)
        if not name then break end
        local link = uv.fs_readlink(("/proc/%d/fd/%s"):format(pid, name))
        if link and link:find "^socket:" then found[link] = true end
      end
      return found
    end
    admin.get(lb, "/live")
    local its_own = sockets_of(await_admin(lb))
    for _, pid in ipairs(lb:children()) do
      if pid ~= admin_process(lb) then
        for link in pairs(sockets_of(pid)) do assert.is_nil(its_own[link], link) end
      end
    end
  end)

  it("serves others while 64 clients take a byte now and then", function()
    local list = {}
    for i = 1, 1000 do list[i] = ('"127.0.0.1:%d"'):format(i) end
    local lb = admin.balancer {
      admin = '{ listen = { "unix:$SOCKET", "127.0.0.1:0" }, token = "0123456789abcdef" }',
      settings = "health = { interval = 3600 }, choose = function(ctx) return ctx:respond { body = 'x' } end,"
        .. "backends = { " .. table.concat(list, ", ") .. " }",
    }
    local slow = {}
    for i = 1, 64 do
      slow[i] = play.client(admin.tcp(lb), { receive_buffer = 4096 })
      slow[i]:send "GET /state HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer 0123456789abcdef\r\n\r\n"
      slow[i]:head()
      slow[i]:hold()
    end
    for _ = 1, 10 do assert.equal(200, lb:fetch("/").status) end
    local status, body = admin.get(lb, "/state")
    assert.equal(200, status)
    assert.equal(1000, #body.backends)
    slow[1]:close() -- one more comes in, when one has left
    assert.equal(200, (admin.get(lb, "/live", { over = admin.tcp(lb) })))
  end)
end)

describe("a reload", function()
  after_each(play.curtain)

  local function reload(lb, text, event)
    local file = assert(io.open(lb.script, "w"))
    file:write(text)
    file:close()
    local before = #lb:events(event or "reload")
    lb:signal "sighup"
    return lb:event(event or "reload", nil, before + 1)
  end

  local function start(setting)
    local path = play.directory() .. "/admin.sock"
    local backend = play.hello "x"
    local function text(admin_setting)
      return ("return { health = { interval = 0.2 }, backends = { { name = 'one', address = %q } }, %s }")
        :format(backend.address, (admin_setting:gsub("%$SOCKET", path)))
    end
    local script = play.file("changing.lua", text(setting))
    local lb = play.balancer { file = script }
    lb.script, lb.admin, lb.admin_path = script, "unix:" .. path, path
    return lb, text
  end

  it("lets the listener appear, move and go", function()
    local lb, text = start ""
    assert.is_nil(admin_process(lb))
    local event = reload(lb, text 'admin = "unix:$SOCKET"')
    assert.truthy(event.changed:find "admin")
    assert.equal(200, (admin.get(lb, "/backends/one")))
    local _, state = admin.get(lb, "/state")
    assert.equal(2, state.edition)
    reload(lb, text 'admin = "unix:$SOCKET2"')
    assert.is_nil(uv.fs_stat(lb.admin_path))
    assert.equal(200, (admin.get(lb, "/live", { over = lb.admin .. "2" })))
    reload(lb, text "")
    play.wait("its end", function() return not admin_process(lb) end)
    assert.is_nil(uv.fs_stat(lb.admin_path .. "2"))
  end)

  it("keeps the process if nothing of it changes, and tells of the new backends", function()
    local lb, text = start 'admin = "unix:$SOCKET"'
    admin.get(lb, "/live")
    local before = await_admin(lb)
    reload(lb, (text('admin = "unix:$SOCKET"'):gsub("'one'", "'two', weight = 5")))
    assert.equal(before, admin_process(lb))
    assert.equal(404, (admin.get(lb, "/backends/one")))
    assert.equal(5, select(2, admin.get(lb, "/backends/two")).weight.script)
  end)

  it("changes the token, and says so", function()
    local lb, text = start "admin = { listen = { 'unix:$SOCKET', '127.0.0.1:0' }, token = '0123456789abcdef' }"
    local function status(token)
      return (admin.get(lb, "/state", { over = admin.tcp(lb), fields = "Authorization: Bearer " .. token .. "\r\n" }))
    end
    assert.equal(200, status "0123456789abcdef")
    local event = reload(lb, text "admin = { listen = { 'unix:$SOCKET', '127.0.0.1:0' }, token = 'fedcba9876543210' }")
    assert.equal("admin.token, text", event.changed)
    play.wait("the new token", function()
      local ok, seen = pcall(status, "fedcba9876543210")
      return ok and seen == 200
    end)
    assert.equal(401, status "0123456789abcdef")
  end)

  it("that changes the listener is answered there", function()
    local lb, text = start "admin = { listen = 'unix:$SOCKET' }"
    local file = assert(io.open(lb.script, "w"))
    file:write(text "admin = { listen = 'unix:$SOCKET', hosts = 'lb.internal' }")
    file:close()
    local status, body = admin.ask(lb, "POST", "/reload")
    assert.same({ 200, 2, "admin.hosts" }, { status, body.edition, body.changed[1] })
    play.wait("the new name", function() return admin.get(lb, "/state", { host = "lb.internal" }) == 200 end)
  end)

  it("is refused if its address cannot be had", function()
    local lb, text = start 'admin = "unix:$SOCKET"'
    local event = reload(lb, text 'admin = "unix:/nowhere/at/all.sock"', "reload_refused")
    local words = "admin: cannot listen on unix:/nowhere/at/all.sock: no such file"
    assert.truthy(event.error:find(words, 1, true), event.error)
    assert.equal(200, (admin.get(lb, "/backends/one")))
  end)
end)
