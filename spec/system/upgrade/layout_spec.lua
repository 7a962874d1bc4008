-- An upgrade to a program whose processes share memory of another layout: make layout builds one.
local admin = require "spec.support.admin"
local balancer = require "spec.support.balancer"
local metrics = require "spec.support.metrics"
local play = require "spec.support.play"
local upgrading = require "spec.support.upgrading"

local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

describe("an upgrade to another layout of memory, and back,", function()
  after_each(play.curtain)

  it("carries over counters, values, windows and buckets", function()
    local lb, put = upgrading.start { workers = 2, script = [[
      local asked, bucket = lb.counter "asked", lb.bucket("half", { rate = 1e-6, burst = 6 })
      local recent = lb.window("recent", 3600)
      return { choose = function(ctx)
        asked:add(1)
        recent:add(1)
        if ctx.path == "/set" then
          lb.set("text", ("long "):rep(100))
          lb.set("number", 0.5)
          lb.set("yes", true)
          lb.set("soon", 1, 3600)
        end
        local took = bucket:take "all"
        return ctx:respond { status = 200, body = ("%d %d %s %d %s %s %s"):format(asked:get(), recent:get(),
          tostring(took), #(lb.get "text" or ""), tostring(lb.get "number"), tostring(lb.get "yes"),
          tostring(lb.get "soon")) }
      end }]] }
    lb:fetch "/set"
    lb:fetch "/"
    assert.equal("3 3 true 500 0.5 true 1", lb:fetch("/").body)
    put(upgrading.other)
    assert.is_false(put.upgrade().same_memory)
    assert.equal("4 4 true 500 0.5 true 1", lb:fetch("/").body)
    put(upgrading.program)
    assert.is_false(put.upgrade().same_memory)
    assert.equal("5 5 true 500 0.5 true 1", lb:fetch("/").body)
    assert.is_true(put.upgrade().same_memory)
    assert.equal("6 6 true 500 0.5 true 1", lb:fetch("/").body)
    assert.equal("7 7 false 500 0.5 true 1", lb:fetch("/").body)
    assert.equal(0, #lb:events "upgrade_skipped")
  end)

  it("carries over a script's own metrics", function()
    local path = play.directory() .. "/admin.sock"
    local lb, put = upgrading.start { workers = 2, script = ([[
      local asked, plain = lb.total("asked", { "path", max = 2 }), lb.total "plain"
      local depth = lb.gauge "depth"
      return { admin = "unix:%s", choose = function(ctx)
        asked:add(1, ctx.path)
        plain:add(0.5)
        depth:set(-3)
        return ctx:respond { body = "x" }
      end }]]):format(path) }
    lb.admin = "unix:" .. path
    local function seen()
      local values = metrics.of(lb).values
      return { values['lb_script_asked_total{path="/a"}'], values['lb_script_asked_total{path="/b"}'],
        values['lb_script_asked_total{path="(other)"}'], values.lb_script_plain_total, values.lb_script_depth }
    end
    for _, target in ipairs { "/a", "/b", "/a", "/c", "/d" } do lb:fetch(target) end
    assert.same({ 2, 1, 2, 2.5, -3 }, seen())
    put(upgrading.other)
    assert.is_false(put.upgrade().same_memory)
    assert.same({ 2, 1, 2, 2.5, -3 }, seen())
    for _, target in ipairs { "/a", "/e" } do lb:fetch(target) end
    put(upgrading.program)
    put.upgrade()
    assert.same({ 3, 1, 3, 3.5, -3 }, seen())
  end)

  it("counts on what the workers before still count", function()
    local path, goes_on = play.directory() .. "/admin.sock", false
    local backend = play.answering(function(request)
      if request.target == "/slow" then play.wait("the word", function() return goes_on end) end
      return "answer"
    end)
    local lb, put = upgrading.start { workers = 1, backends = { backend }, script = ([[
      local asked, bucket = lb.counter "asked", lb.bucket("half", { rate = 1e-6, burst = 20 })
      local recent, total = lb.window("recent", 3600), lb.total("answers", { "path" })
      local last = lb.gauge "last"
      return { admin = "unix:%s", health = { interval = 60, timeout = 5 },
        choose = function(ctx, backends)
          if ctx.path ~= "/all" then return backends[1] end
          local left = 0
          while bucket:take "all" do left = left + 1 end
          return ctx:respond { status = 200, body = ("%%d %%d %%d %%s %%s %%s %%d"):format(asked:get(), recent:get(),
            lb.get "sum", tostring(lb.get "set"), tostring(lb.get "both"), tostring(lb.get "gone"), left) }
        end,
        on_response = function(ctx)
          asked:add(1)
          recent:add(1)
          lb.incr("sum")
          bucket:take "all"
          total:add(1, ctx.path)
          last:set(asked:get())
          lb.set("both", ctx.path)
          if ctx.path == "/first" then lb.set("gone", 1) end
          if ctx.path == "/slow" then
            lb.set("set", "by the one before")
            lb.set("gone", nil)
          end
        end }]]):format(path) }
    lb.admin = "unix:" .. path
    admin.ready(lb)
    lb:fetch "/first"
    local client = play.client(lb)
    client:send "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"
    play.wait("the backend", function() return #backend.requests == 2 end)
    local started = metrics.of(lb).values.lb_start_time_seconds
    put(upgrading.other)
    local before = lb:children()
    assert.is_false(put.asked().same_memory)
    lb:fetch "/second"
    local function seen()
      local values = metrics.of(lb).values
      return { values['lb_requests_total{code="2xx"}'], values['lb_script_answers_total{path="/slow"}'],
        values['lb_script_answers_total{path="/second"}'], values.lb_request_duration_seconds_count }
    end
    assert.same({ 2, nil, 1, 2 }, seen())
    goes_on = true
    assert.equal("answer", client:response().body)
    play.wait("the end of those before", function()
      for _, pid in ipairs(before) do
        if play.exists(pid) then return false end
      end
      return #lb:children() == #before
    end)
    assert.same({ 3, 1, 1, 3 }, seen())
    local values = metrics.of(lb).values
    local name = select(2, admin.get(lb, "/backends")).backends[1].name
    assert.equal(3, values[('lb_tries_total{backend="%s",outcome="ok"}'):format(name)])
    assert.equal(started, values.lb_start_time_seconds)
    assert.equal(3, select(2, admin.get(lb, "/backends")).backends[1].requests)
    assert.equal(2, values.lb_script_last) -- each of two has set it, and the newer program's stays
    -- 20 tokens, of which three are gone
    assert.equal("3 3 3 by the one before /second nil 17", lb:fetch("/all").body)
    assert.equal(0, #lb:events "upgrade_skipped")
  end)

  it("carries over drains, weights and ejections of backends", function()
    local one, two, three = play.hello "one", play.hello "two", play.hello "three"
    local lb, put = upgrading.start { backends = { one, two, three }, script = [[
      return { health = { interval = 60, timeout = 5 }, choose = function(ctx, backends)
        local all = backends.all
        if ctx.path == "/steer" then
          all[1]:drain()
          all[2]:set_weight(7)
          all[3]:eject(3600)
        end
        local said = {}
        for i, b in ipairs(all) do said[i] = b.state .. b.weight end
        return ctx:respond { status = 200, body = table.concat(said, " ") }
      end }]] }
    lb:fetch "/steer"
    local steered = "draining1 up7 ejected1"
    assert.equal(steered, lb:fetch("/").body)
    for _, program in ipairs { upgrading.other, upgrading.program } do
      put(program)
      put.upgrade()
      assert.equal(steered, lb:fetch("/").body)
    end
  end)

  it("carries over that it was a person who drained a backend, and gave it a weight", function()
    local path = play.directory() .. "/admin.sock"
    local lb, put = upgrading.start { backends = { play.hello "one", play.hello "two" }, script = ([[
      return { admin = "unix:%s", choose = function(ctx, backends)
        local one = backends.all[1]
        one:undrain()
        one:set_weight(1)
        return ctx:respond { status = 200, body = one.state .. one.weight }
      end }]]):format(path) }
    lb.admin = "unix:" .. path
    local name = select(2, admin.get(lb, "/backends")).backends[1].name
    assert.equal("up1", lb:fetch("/").body)
    assert.equal(200, (admin.ask(lb, "POST", ("/backends/%s/drain"):format(name))))
    assert.equal(200, (admin.ask(lb, "POST", ("/backends/%s/weight"):format(name), { weight = 5 })))
    assert.equal("draining5", lb:fetch("/").body)
    for _, program in ipairs { upgrading.other, upgrading.program } do
      put(program)
      assert.is_false(put.upgrade().same_memory)
      assert.equal("draining5", lb:fetch("/").body)
    end
  end)

  it("keeps connections, and the descriptors", function()
    local lb, put = upgrading.start { backends = { play.hello "one" }, workers = 2 }
    local client, files = play.client(lb), upgrading.descriptors(lb)
    for i = 1, 4 do
      client:send(GET)
      assert.equal("one", client:response().body)
      put(i % 2 == 0 and upgrading.program or upgrading.other)
      put.upgrade()
      play.wait("the same descriptors", function() return upgrading.descriptors(lb) == files end)
    end
    client:send(GET)
    assert.equal("one", client:response().body)
  end)
end)

describe("upgrades under load", function()
  after_each(play.curtain)

  for name, options in pairs {
    ["of the same program"] = { upgrading.program }, ["to another layout and back"] = { upgrading.other },
    ["over TLS"] = { upgrading.other, "tls" },
  } do
    it(name .. " lose no request and close no connection", function()
      local result = play.run {
        "luajit", "infra/upgrades.lua", balancer.program, options[1], "4", "8", "100", "2", options[2], seconds = 120,
      }
      assert.same(0, result.code, table.concat({ result.out or "", result.err or "" }, "\n"))
    end)
  end
end)
