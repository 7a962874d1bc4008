-- GET /metrics: a page that a strict reader takes, and numbers that are true.
local uv = require "luv"
local admin = require "spec.support.admin"
local grafana = require "spec.support.grafana"
local metrics = require "spec.support.metrics"
local pages = require "spec.support.pages"
local play = require "spec.support.play"
local reloading = require "spec.support.reloading"
local upgrading = require "spec.support.upgrading"

local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

local function worker(lb)
  for _, pid in ipairs(lb:children()) do
    local file = io.open(("/proc/%d/comm"):format(pid))
    local name = file and file:read "*l" or ""
    if file then file:close() end
    if name:find "^lb worker" then return pid end
  end
end

-- A script with the admin listener in lb.admin, for reloads.
local function start(text, options)
  local path = play.directory() .. "/admin.sock"
  local function script(one) return (one:gsub("return {", ("return { admin = 'unix:%s',"):format(path), 1)) end
  local lb, say = reloading.start(script(text), options)
  lb.admin = "unix:" .. path
  return lb, function(one) return say(script(one)) end
end

-- Sends requests over many connections, one after the other on each, until `over()`; a connection
-- that ends is opened again. Gives a function: how many were sent, how many were answered with 200,
-- and how many connections still are at it.
local function load(lb, over)
  local sent, good, running = 0, 0, 8
  for _ = 1, running do
    play.beside(function()
      local client
      while not over() do
        client = client or lb:connect()
        sent = sent + 1
        client:send(GET)
        local answered, response = pcall(client.response, client)
        if answered and response.status == 200 then
          good = good + 1
        else
          client = nil
        end
      end
      running = running - 1
    end)
  end
  return function() return sent, good, running end
end

describe("the page of metrics", function()
  after_each(play.curtain)

  it("is well-formed in both formats, and says the same in both", function()
    local lb = admin.balancer { backends = { play.hello "x" }, workers = 2 }
    for _ = 1, 5 do lb:fetch "/" end
    local plain, response = metrics.of(lb)
    local open, other = metrics.of(lb, { open = true })
    assert.equal("text/plain; version=0.0.4; charset=utf-8", response:field "content-type")
    assert.equal("application/openmetrics-text; version=1.0.0; charset=utf-8", other:field "content-type")
    for key in pairs(plain.values) do assert(open.values[key], key) end
    for key in pairs(open.values) do assert(plain.values[key], key) end
    assert.equal(5, open.values['lb_requests_total{code="2xx"}'])
    assert.equal("info", open.families.lb_build.type)
  end)

  it("is there for everybody over TCP", function()
    local setting = '{ listen = "127.0.0.1:0", token = "secretsecretsecret" }'
    local lb = admin.balancer { backends = { play.hello "x" }, admin = setting }
    local over = { over = admin.tcp(lb) }
    admin.ready(lb, over)
    assert.equal(1, metrics.of(lb, over).values.lb_ready)
  end)

  it("has every name of the reference, and no other", function()
    local lb = admin.balancer {
      backends = { play.hello "x" },
    }
    local there, written = {}, {}
    for name in pairs(metrics.of(lb).families) do
      if not name:find "^lb_script_" then there[name] = true end
    end
    for line in pages.read("core/reference/metrics.md"):gmatch "[^\n]+" do
      for name in (line:match "^| (.-) |" or ""):gmatch "`([%l_%d]+)`" do written[name] = true end
    end
    assert(written.lb_requests_total and not written.lb_script_NAME)
    assert.same(there, written)
  end)

  it("says how many clients there may be by limits.connections", function()
    local lb = admin.balancer { backends = { play.hello "x" }, workers = 2,
      settings = "limits = { connections = 100 }," }
    admin.ready(lb)
    play.wait("the limit", function() return metrics.of(lb).values.lb_clients_limit == 100 end)
  end)

  it("says how many clients there may be by the limit on open files", function()
    local lb = admin.balancer { backends = { play.hello "x" }, workers = 2, descriptors = 2000 }
    admin.ready(lb)
    play.wait("both workers", function() return metrics.of(lb).values['lb_workers{state="ready"}'] == 2 end)
    local limit = metrics.of(lb).values.lb_clients_limit
    assert.is_true(limit > 1000 and limit < 2000, limit)
  end)

  it("has what the dashboard for Grafana asks for: names, labels and their fixed values", function()
    local lb = admin.balancer { backends = { play.hello "x" } }
    lb:fetch "/"
    local families, asked = metrics.of(lb).families, 0
    local OFTEN = { job = true, instance = true, outcome = true } -- Prometheus adds two
    local function has(family, label, value)
      for _, sample in ipairs(family.samples) do
        if sample.labels[label] and (not value or sample.labels[label] == value) then return true end
      end
    end
    for _, text in ipairs(grafana.queries()) do
      for name, selector in text:gmatch "(%l+_[%l_%d]+)(%b{})" do
        local family = assert(families[name] or families[name:gsub("_bucket$", "")], name)
        for label, how, value in selector:gmatch '([%l_]+)([!=~]+)"([^"]*)"' do
          local wanted = how ~= "=~" and value or nil
          assert(OFTEN[label] or has(family, label, wanted), ("%s has no %s %s"):format(name, label, value))
        end
        asked = asked + 1
      end
    end
    assert(asked > 40, asked)
  end)

  it("counts requests by class, bytes and durations", function()
    local lb = admin.balancer {
      backends = { play.answering(function() return "abc", "404 Not Found" end) },
      settings = [[choose = function(ctx, backends)
        if ctx.path == "/ok" then return ctx:respond { status = 200, body = "four" } end
        return backends[1]
      end]],
    }
    for _ = 1, 3 do lb:fetch "/ok" end
    lb:fetch("/other", { method = "POST", body = "12345" })
    play.client(lb):send "nonsense\r\n\r\n"
    lb:exchange { status = 400 }
    local page = metrics.of(lb)
    local function code(class) return page.values[('lb_requests_total{code="%s"}'):format(class)] end
    assert.same({ 3, 2, 0 }, { code "2xx", code "4xx", code "5xx" })
    assert.equal(5, page.values.lb_request_duration_seconds_count)
    assert.equal(5, page.values.lb_request_body_bytes_total)
    assert(page.values.lb_response_body_bytes_total >= 15)
    assert.equal(5, page.values.lb_connections_total)
    assert.equal(1, metrics.sum(page, "lb_tries_total", { outcome = "ok" }))
  end)

  it("counts tries by backend and outcome, retries, and clients that left", function()
    local refuses, slow = play.unused_port(), play.backend(function(conn) conn:request() conn:rest() end)
    local lb = admin.balancer {
      backends = { ("127.0.0.1:%d"):format(refuses), slow }, settings = [[health = { interval = 60 },
        choose = function(ctx, backends) return backends.all[ctx.attempts] end,
        on_failure = function() return "next" end]],
    }
    local client = play.client(lb)
    client:send(GET)
    local name = slow.address
    play.wait("the second try", function()
      return metrics.of(lb).values[('lb_backend_in_flight{backend="%s"}'):format(name)] == 1
    end)
    client:close()
    lb:exchange { status = 499 }
    local page = metrics.of(lb)
    assert.equal(1, page.values['lb_requests_total{code="499"}'])
    assert.equal(1, page.values['lb_retries_total{kind="next"}'])
    assert.equal(1, page.values[('lb_tries_total{backend="127.0.0.1:%d",outcome="refused"}'):format(refuses)])
    assert.equal(1, page.values[('lb_tries_total{backend="%s",outcome="cancelled"}'):format(name)])
    assert.equal(0, page.values[('lb_tries_total{backend="%s",outcome="ok"}'):format(name)])
    assert.equal(0, page.values[('lb_backend_in_flight{backend="%s"}'):format(name)])
  end)

  it("escapes the names of backends", function()
    local address = play.hello("x").address
    local lb = admin.balancer { settings = ([[backends = { { name = 'a"b\\c', address = %q } }]]):format(address) }
    assert.equal(1, metrics.sum(metrics.of(lb), "lb_backend_weight", { backend = 'a"b\\c' }))
  end)

  it("comes in pieces for a thousand backends, and is whole", function()
    local list = {}
    for i = 1, 1000 do list[i] = ("{ name = 'backend-%04d', address = '127.0.0.1:%d' }"):format(i, 10000 + i) end
    local lb = admin.balancer {
      workers = 2,
      settings = ("health = { interval = 60, timeout = 1 }, backends = { %s }"):format(table.concat(list, ", ")),
    }
    local page, response = metrics.of(lb)
    assert(#response.chunks > 5, #response.chunks)
    for _, size in ipairs(response.chunks) do assert(size < 70000, size) end
    assert.equal(1000, #page.families.lb_backend_weight.samples)
    assert.equal(4000, #page.families.lb_backend_state.samples)
    assert.equal(1000, metrics.sum(page, "lb_backends"))
  end)
end)

describe("counters", function()
  after_each(play.curtain)

  it("do not fall, and miss nothing that was answered, when workers are killed under load", function()
    local lb = admin.balancer { backends = { play.hello "x" }, workers = 2, may_lose_workers = true }
    local is_over = false
    local counts = load(lb, function() return is_over end)
    local before = metrics.of(lb)
    for _ = 1, 4 do
      local pid = worker(lb)
      local _, good = counts()
      play.wait("some more requests", function() return select(2, counts()) >= good + 50 end)
      uv.kill(pid, "sigkill")
      for _ = 1, 10 do
        local page = metrics.of(lb)
        local fell = metrics.fell(before, page)
        assert(not fell, fell)
        before = page
      end
      play.wait("another worker", function() return metrics.of(lb).values['lb_workers{state="ready"}'] == 2 end)
    end
    is_over = true
    play.wait("the load to end", function() return select(3, counts()) == 0 end)
    local sent, good = counts()
    local seen
    play.wait("all to be counted", function()
      seen = metrics.of(lb)
      return metrics.sum(seen, "lb_backend_in_flight") == 0
    end)
    local counted = metrics.sum(seen, "lb_requests_total", { code = "2xx" })
    assert(counted >= good and counted <= sent, ("%d of %d, %d sent"):format(counted, good, sent))
    assert.equal(4, seen.values['lb_worker_restarts_total{why="died"}'])
  end)

  it("do not fall when another script is loaded, and equal what was sent", function()
    local backend = play.hello "x"
    local lb, say = start(reloading.in_turn { backend }, { workers = 2 })
    local before = metrics.of(lb)
    for round = 1, 3 do
      for _ = 1, 20 do assert.equal(200, lb:fetch("/").status) end
      local limits = ("limits = { fields = %d },"):format(100 + round)
      assert.equal("reload", say(reloading.in_turn({ backend }, limits)).event)
      local page = metrics.of(lb)
      local fell = metrics.fell(before, page)
      assert(not fell, fell)
      before = page
    end
    say "return {"
    local page = metrics.of(lb)
    assert.equal(60, page.values['lb_requests_total{code="2xx"}'])
    assert.equal(60, metrics.sum(page, "lb_tries_total"))
    assert.equal(60, page.values['lb_request_duration_seconds_count'])
    assert.equal(3, page.values['lb_reloads_total{result="ok"}'])
    assert.equal(1, page.values['lb_reloads_total{result="refused"}'])
    assert.equal(4, page.values.lb_edition)
  end)

  it("do not fall when another program takes over", function()
    local path = play.directory() .. "/admin.sock"
    local lb, put = upgrading.start {
      backends = { play.hello "x" }, workers = 2,
      settings = ([[admin = "unix:%s", init = function() lb.total "begun":add(1) end,]]):format(path),
    }
    lb.admin = "unix:" .. path
    local before = metrics.of(lb)
    for round = 1, 3 do
      for _ = 1, 10 do assert.equal(200, lb:fetch("/").status) end
      put.upgrade()
      local page = metrics.of(lb)
      local fell = metrics.fell(before, page)
      assert(not fell, fell)
      assert.equal(10 * round, page.values['lb_requests_total{code="2xx"}'])
      assert.same({ 2, 0 }, { page.values['lb_workers{state="ready"}'], page.values['lb_workers{state="not_ready"}'] })
      before = page
    end
  end)

  it("of a backend go with it, and begin anew for who has its place", function()
    local one, two, three = play.hello "1", play.hello "2", play.hello "3"
    local lb, say = start(reloading.in_turn { one, two })
    local function tries(backend)
      local sum, page = 0, metrics.of(lb)
      for _, sample in ipairs(page.families.lb_tries_total.samples) do
        if sample.labels.backend == backend.address then sum = sum + sample.value end
      end
      return sum, metrics.sum(page, "lb_backend_weight", { backend = backend.address })
    end
    for _ = 1, 6 do lb:fetch "/" end
    assert.same({ 3, 1 }, { tries(two) })
    say(reloading.in_turn { one })
    assert.same({ 0, 0 }, { tries(two) })
    play.wait("the slot to be free", function()
      say(reloading.in_turn { one })
      return true
    end)
    say(reloading.in_turn { one, three })
    assert.same({ 0, 1 }, { tries(three) })
    assert.same({ 3, 1 }, { tries(one) })
  end)

  it("are there once while a backend's name gets another address", function()
    local one, two = play.hello "1", play.hello "2"
    local function text(backend)
      return ([[return { health = { interval = 0.2, timeout = 5 }, backends = { { name = "a", address = %q } },
        choose = function(ctx, backends) return backends[1] end }]]):format(backend.address)
    end
    local lb, say = start(text(one))
    local is_over, read, has_ended = false, 0, false
    play.beside(function()
      while not is_over do
        metrics.of(lb) -- an error, if a line is there twice
        read = read + 1
      end
      has_ended = true
    end)
    for i = 1, 6 do say(text(i % 2 == 1 and two or one)) end
    is_over = true
    play.wait("the reader to end", function() return has_ended end)
    assert(read > 6, read)
  end)
end)

describe("a script's own metrics", function()
  after_each(play.curtain)

  local function script(more)
    return ([[
      local asked, depth = lb.total("asked", { "path", max = 3 }), lb.gauge "depth"
      return { health = { interval = 0.2 }, %s choose = function(ctx)
        asked:add(1, ctx.path)
        depth:set(#ctx.path)
        return ctx:respond { body = "x" }
      end }
    ]]):format(more or "")
  end

  it("are exact over workers, reloads and the end of a worker", function()
    local lb, say = start(script(), { workers = 3, may_lose_workers = true })
    local function ask(path, times)
      for _ = 1, times do assert.equal(200, lb:fetch(path).status) end
    end
    ask("/a", 20)
    say(script "limits = { fields = 99 },")
    ask("/b", 10)
    local pid = worker(lb)
    uv.kill(pid, "sigkill")
    play.wait("another worker", function()
      local now = metrics.of(lb).values
      return now['lb_workers{state="ready"}'] == 3 and now['lb_worker_restarts_total{why="died"}'] == 1
    end)
    ask("/a", 5)
    for i = 1, 12 do ask("/x" .. i, 1) end
    local values = metrics.of(lb).values
    assert.same({ 25, 10, 1, 11, 4 }, {
      values['lb_script_asked_total{path="/a"}'], values['lb_script_asked_total{path="/b"}'],
      values['lb_script_asked_total{path="/x1"}'], values['lb_script_asked_total{path="(other)"}'],
      values.lb_script_depth,
    })
    assert.equal(1, #lb:events "metric_full")
    assert.equal("asked", lb:event("metric_full").metric)
  end)

  it("stay out of sight if the script that has them was refused", function()
    local lb, say = start(script())
    say [[
      lb.total("never"):add(1)
      return { health = { interval = 0.2 }, wrong = true }
    ]]
    assert.is_nil(metrics.of(lb).families.lb_script_never_total)
  end)

  it("stand together where a script has changed the labels of one", function()
    local lb, say = start(script())
    lb:fetch "/a"
    say(script():gsub('"path", max = 3', '"place", max = 3'))
    lb:fetch "/a"
    local family = metrics.of(lb).families.lb_script_asked_total
    assert.equal(2, #family.samples)
  end)
end)
