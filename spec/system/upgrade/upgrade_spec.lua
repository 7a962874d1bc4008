-- SIGUSR2 puts another program in the place of the one that runs.
local admin = require "spec.support.admin"
local h2_lb = require "spec.support.h2_lb"
local play = require "spec.support.play"
local tunnels = require "spec.support.tunnels"
local upgrading = require "spec.support.upgrading"
local certificates = require "spec.support.certificates"

-- None of these processes is there any more.
local function are_gone(pids)
  play.wait("the processes before to end", function()
    for _, pid in ipairs(pids) do
      if play.exists(pid) then return false end
    end
    return true
  end)
end

local function title_of(pid)
  local file = assert(io.open(("/proc/%d/comm"):format(pid)))
  local title = file:read "*l"
  file:close()
  return title
end

local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

local COUNTING = [[
local asked, bucket = lb.counter "asked", lb.bucket("half", { rate = 1e-6, burst = 10 })
local recent = lb.window("recent", 3600)
return {
  health = { interval = 0.2, timeout = 5 },
  choose = function(ctx, backends)
    asked:add(1)
    recent:add(1)
    if ctx.path == "/set" then lb.set("kept", "a value") end
    local took = bucket:take "all"
    return ctx:respond { status = 200, body = ("%d %d %s %s"):format(asked:get(), recent:get(), tostring(took),
      tostring(lb.get "kept")) }
  end,
}]]

-- A backend that answers when the spec asks it to.
local function patient()
  local goes_on = false
  local backend = play.answering(function()
    play.wait("the word", function() return goes_on end)
    return "answer"
  end)
  return backend, function() goes_on = true end
end

describe("an upgrade", function()
  after_each(h2_lb.clear)

  it("keeps the process, its descriptors and its pid file, and has other workers", function()
    local pid_file = play.directory() .. "/lb.pid"
    local lb, put = upgrading.start {
      backends = { play.hello "one" }, workers = 2, args = { "--pid-file", pid_file },
    }
    local before, files = lb:children(), upgrading.descriptors(lb)
    for _ = 1, 3 do
      local event = put.upgrade()
      assert.equal("0.1.0", event.before)
      assert.equal("0.1.0", event.version)
      assert.equal("one", lb:fetch("/").body)
      play.wait("the same descriptors", function() return upgrading.descriptors(lb) == files end)
      assert.equal(#before, #lb:children())
    end
    for _, pid in ipairs(before) do assert.is_false(play.exists(pid)) end
    assert.equal(lb.pid, tonumber(io.open(pid_file):read "*a"))
    lb:stop()
    assert.is_nil(io.open(pid_file))
  end)

  it("keeps counters, values, windows and buckets", function()
    local lb, put = upgrading.start { script = COUNTING, workers = 2 }
    for _ = 1, 4 do lb:fetch "/" end
    assert.equal("5 5 true a value", lb:fetch("/set").body)
    assert.is_true(put.upgrade().same_memory)
    for i = 6, 10 do assert.equal(i .. " " .. i .. " true a value", lb:fetch("/").body) end
    assert.equal("11 11 false a value", lb:fetch("/").body)
  end)

  it("asks a script that was mended, although the one before is parked", function()
    local path = play.file("parked.lua", [[return { listen = "127.0.0.1:0", workers = 1,
      choose = function() error "not today" end }]])
    local lb, put = upgrading.start { file = path, listen = false, workers = false }
    play.wait("the script to be parked", function()
      lb:fetch "/"
      return #lb:events "policy_parked" > 0
    end)
    local file = io.open(path, "w")
    file:write [[return { listen = "127.0.0.1:0", workers = 1,
      choose = function(ctx) return ctx:respond { body = "mended" } end }]]
    file:close()
    assert.is_true(put.upgrade().same_memory)
    for _ = 1, 3 do assert.equal("mended", lb:fetch("/").body) end
    assert.equal(0, #lb:events "policy_resumed")
  end)

  it("keeps what is known of a backend, also where it stands elsewhere in the list", function()
    local one, two = play.hello "one", play.hello "two"
    local gone = "127.0.0.1:" .. play.unused_port()
    local text = [[return { health = { interval = 0.2, timeout = 5 }, backends = { %s },
      choose = function(ctx, backends)
        local list = {}
        for i, b in ipairs(backends.all) do list[i] = b.name .. "=" .. b.requests .. b.state end
        if ctx.path == "/" then return backends[1] end
        return ctx:respond { status = 200, body = table.concat(list, " ") }
      end }]]
    local function named(name, address) return ("{ name = %q, address = %q }"):format(name, address) end
    local function with(...) return text:format(table.concat({ ... }, ", ")) end
    local path = play.file("moved.lua", with(named("a", one.address), named("b", gone)))
    local lb, put = upgrading.start { file = path }
    lb:down(gone)
    for _ = 1, 3 do lb:fetch "/" end
    assert.equal("a=3up b=0down", lb:fetch("/list").body)
    local file = io.open(path, "w")
    file:write(with(named("c", two.address), named("b", gone), named("a", one.address)))
    file:close()
    put.upgrade()
    lb:up(two)
    assert.equal("c=0up b=0down a=3up", lb:fetch("/list").body)
    assert.equal(1, #lb:events("backend_down"))
    lb:signal "sighup"
    lb:event "reload"
    assert.equal("c=0up b=0down a=3up", lb:fetch("/list").body)
  end)

  it("keeps connections that rest, whether they have asked or not", function()
    local lb, put = upgrading.start { backends = { play.hello "one" }, workers = 2 }
    local clients = {}
    for i = 1, 40 do
      clients[i] = play.client(lb)
      if i % 2 == 0 then
        clients[i]:send(GET)
        assert.equal(200, clients[i]:response().status)
      end
    end
    for _ = 1, 3 do
      put.upgrade()
      for _, client in ipairs(clients) do
        client:send(GET)
        local response = client:response()
        assert.equal("one", response.body)
        assert.is_nil(response:field "connection")
      end
    end
  end)

  it("answers what is under way, and then keeps the connection", function()
    local backend, go_on = patient()
    local lb, put = upgrading.start { backends = { backend } }
    local client = play.client(lb)
    client:send(GET)
    play.wait("the backend", function() return #backend.requests == 1 end)
    assert.equal("upgrade", put.asked().event)
    client:send(GET) -- ahead of its turn
    go_on()
    for _ = 1, 3 do
      local response = client:response()
      assert.equal("answer", response.body)
      assert.is_nil(response:field "connection")
      client:send(GET)
    end
    assert.equal("answer", client:response().body)
  end)

  it("moves a connection that sends its head while the worker hands over", function()
    local lb, put = upgrading.start { backends = { play.hello "one" } }
    local client = play.client(lb)
    client:send "GET / HTTP/1.1\r\n"
    local first = lb:children()
    assert.equal("upgrade", put.asked().event)
    client:send "Host: x\r\n\r\n"
    assert.equal("one", client:response().body)
    are_gone(first)
    client:send(GET)
    assert.equal("one", client:response().body)
  end)

  it("keeps whom a PROXY header named", function()
    local backend = play.answering(function(request) return request:field "x-forwarded-for" end)
    local lb, put = upgrading.start {
      listen = false, backends = { backend },
      settings = "listen = { { '127.0.0.1:0', proxy = true } }, trusted_proxies = '127.0.0.1',",
    }
    local named, unnamed = play.client(lb), play.client(lb)
    named:send("PROXY TCP4 192.0.2.7 192.0.2.8 1234 80\r\n" .. GET)
    assert.equal("192.0.2.7", named:response().body)
    put.upgrade()
    named:send(GET)
    assert.equal("192.0.2.7", named:response().body)
    unnamed:send("PROXY TCP4 192.0.2.9 192.0.2.8 1234 80\r\n" .. GET)
    assert.equal("192.0.2.9", unnamed:response().body)
  end)

  it("counts connections of an address on", function()
    local lb, put = upgrading.start {
      backends = { play.hello "one" }, settings = "limits = { per_client = 2 },",
    }
    local one, two = play.client(lb), play.client(lb)
    for _, client in ipairs { one, two } do
      client:send(GET)
      client:response()
    end
    put.upgrade()
    assert.equal(429, lb:fetch("/").status)
    two:close()
    play.wait("its place", function() return lb:fetch("/").status == 200 end)
    one:send(GET)
    assert.equal(200, one:response().status)
  end)

  it("lets a tunnel go on until it ends", function()
    local lb, put = upgrading.start { backends = { tunnels.switching() } }
    local client = play.client(lb)
    client:send(tunnels.UPGRADE)
    client:head()
    local before = lb:children()
    assert.equal("upgrade", put.asked().event)
    client:send "ping"
    assert.equal("ping", client:exactly(4))
    local event = put.asked()
    assert.equal("upgrade_refused", event.event)
    assert.truthy(event.error:find("workers of the last upgrade", 1, true))
    client:send "pong"
    assert.equal("pong", client:exactly(4))
    client:close()
    are_gone(before)
    put.upgrade()
  end)

  it("ends a tunnel after --drain-timeout", function()
    local lb, put = upgrading.start { backends = { tunnels.switching() }, args = { "--drain-timeout", "0.1" } }
    local client = play.client(lb)
    client:send(tunnels.UPGRADE)
    client:head()
    put.upgrade()
    assert.truthy(client:ended_by_peer())
  end)

  it("sends GOAWAY to a client of HTTP/2, and finishes its streams", function()
    local backend, go_on = patient()
    local pair = certificates.new { names = { "a.test" } }
    local lb, put = upgrading.start {
      listen = false, backends = { backend },
      settings = "listen = { { '127.0.0.1:0', tls = true } }, " .. certificates.settings { pair },
    }
    lb.speaks_tls = true
    local client = h2_lb.client(lb)
    local stream = client:get "/"
    play.wait("the backend", function() return #backend.requests == 1 end)
    assert.equal("upgrade", put.asked().event)
    assert.equal("NO_ERROR", client:goaway().code)
    go_on()
    assert.equal("answer", client:response(stream).body)
    assert.equal("end", client:ended_by_peer())
  end)

  it("is what a reload follows as before", function()
    local path = play.file("again.lua", [[return { choose = function(ctx)
      return ctx:respond { status = 200, body = "first" } end }]])
    local lb, put = upgrading.start { file = path, workers = 2 }
    put.upgrade()
    local file = io.open(path, "w")
    file:write [[return { choose = function(ctx) return ctx:respond { status = 200, body = "second" } end }]]
    file:close()
    lb:signal "sighup"
    lb:event "reload"
    for _ = 1, 6 do assert.equal("second", lb:fetch("/").body) end
    put.upgrade()
    assert.equal("second", lb:fetch("/").body)
  end)

  it("ends whole when it is stopped in the middle", function()
    local backend, go_on = patient()
    local lb, put = upgrading.start { backends = { backend } }
    local client = play.client(lb)
    client:send(GET)
    play.wait("the backend", function() return #backend.requests == 1 end)
    assert.equal("upgrade", put.asked().event)
    lb:signal "sigterm"
    lb:event "drain"
    go_on()
    assert.equal("answer", client:response().body)
    assert.same({ code = 0, signal = 0 }, lb:wait_exit())
  end)
end)

describe("the admin listener", function()
  after_each(play.curtain)

  for layout, program in pairs { ["the same"] = upgrading.program, another = upgrading.other } do
    it("refuses nobody during an upgrade to " .. layout .. " layout of memory", function()
      local options = { backends = { play.hello "one" }, workers = 2 }
      local put
      local lb = admin.balancer(options, function(o)
        local started, more = upgrading.start(o)
        put = more
        return started
      end)
      admin.ready(lb)
      local asked, going, is_over = 0, true, false
      play.beside(function()
        while going do
          assert.equal(200, (admin.get(lb, "/live")))
          asked = asked + 1
        end
        is_over = true
      end)
      for i = 1, 4 do
        put(i % 2 == 0 and upgrading.program or program)
        local before, count = asked, #lb:events "admin_listening"
        put.upgrade()
        play.wait("answers", function() return asked > before end)
        assert.equal(count + 1, #lb:events "admin_listening")
      end
      going = false
      play.wait("the last answer", function() return is_over end)
      assert.equal(0, #lb:events "admin_failed")
      lb:stop()
      assert.is_nil(io.open(lb.admin_path))
    end)
  end

  it("is gone if the script has another one at the upgrade", function()
    local folder = play.directory()
    local text = [[return { admin = "unix:%s/%s", listen = "127.0.0.1:0", workers = 1,
      choose = function(ctx) return ctx:respond { body = "x" } end }]]
    local path = play.file("admin.lua", text:format(folder, "first"))
    local lb, put = upgrading.start { file = path, listen = false, workers = false }
    lb.admin = "unix:" .. folder .. "/first"
    admin.ready(lb)
    local file = io.open(path, "w")
    file:write(text:format(folder, "second"))
    file:close()
    put.upgrade()
    lb.admin = "unix:" .. folder .. "/second"
    admin.ready(lb)
    assert.is_nil(require("luv").fs_lstat(folder .. "/first"))
  end)
end)

describe("a process before", function()
  after_each(h2_lb.clear)

  for layout, program in pairs { ["the same"] = upgrading.program, another = upgrading.other } do
    it("that stands still is killed, also with " .. layout .. " layout of memory", function()
      local backend, go_on = patient()
      local lb, put = upgrading.start { backends = { backend }, workers = 1, may_lose_workers = true }
      local client = play.client(lb)
      client:send(GET)
      play.wait("the backend", function() return #backend.requests == 1 end)
      local before = lb:children()
      put(program)
      for _, pid in ipairs(before) do
        if title_of(pid) == "lb monitor" then require("luv").kill(pid, "sigstop") end
      end
      assert.equal("upgrade", put.asked().event)
      for _, pid in ipairs(before) do
        if title_of(pid) == "lb worker 1" then require("luv").kill(pid, "sigstop") end
      end
      play.wait("both to be found", function()
        return #lb:events "worker_hung" == 1 and #lb:events "monitor_hung" == 1
      end, 30)
      assert.equal("old worker 1", lb:events("worker_hung")[1].child)
      assert.equal("old monitor", lb:events("monitor_hung")[1].child)
      are_gone(before)
      assert.truthy(client:ended_by_peer())
      go_on()
      assert.equal("answer", lb:fetch("/").body)
      put(upgrading.program)
      put.upgrade()
    end)
  end

  it("that is killed is missed by nobody else", function()
    local backend, go_on = patient()
    local lb, put = upgrading.start { backends = { backend }, may_lose_workers = true }
    local client = play.client(lb)
    client:send(GET)
    play.wait("the backend", function() return #backend.requests == 1 end)
    local before = {}
    for _, pid in ipairs(lb:children()) do before[pid] = true end
    assert.equal("upgrade", put.asked().event)
    local old
    play.wait("one old worker", function()
      local found = {}
      for _, pid in ipairs(lb:children()) do
        if before[pid] then found[#found + 1] = pid end
      end
      old = found[1]
      return #found == 1
    end)
    require("luv").kill(old, "sigkill")
    lb:event("worker_died", { child = "old worker 1" })
    assert.truthy(client:ended_by_peer())
    go_on()
    assert.equal("answer", lb:fetch("/").body)
    put.upgrade()
  end)
end)
