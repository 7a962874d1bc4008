-- What a person set is there again after a restart, by the file of --state.
local admin = require "spec.support.admin"
local play = require "spec.support.play"

local function read(path)
  local file = io.open(path)
  local text = file and file:read "*a"
  if file then file:close() end
  return text
end

describe("--state", function()
  local a, b, path

  before_each(function()
    a, b, path = play.hello "a", play.hello "b", play.directory() .. "/state"
  end)
  after_each(play.curtain)

  local function start(weight, may_fail, more)
    local lb = admin.balancer {
      settings = (more or "")
        .. ("backends = { { name = 'a', address = %q, weight = %d }, { name = 'b', address = %q } }")
        :format(a.address, weight or 1, b.address),
      may_fail = may_fail, args = { "--state", path },
    }
    lb:event("backend_up", { backend = "a" })
    lb:event("backend_up", { backend = "b" })
    return lb
  end

  local function seen(lb, name) return select(2, admin.get(lb, "/backends/" .. name)) end

  it("keeps drains and weights, and who and why", function()
    local lb = start()
    assert.equal(200, (admin.ask(lb, "POST", "/backends/a/drain", { why = "deploy 812" })))
    assert.equal(200, (admin.ask(lb, "POST", "/backends/b/weight", { weight = 7, why = "bigger" })))
    lb:stop()
    assert.equal("600\n", play.run({ "stat", "-c", "%a", path }).out)
    assert.is_nil(read(path .. ".new"))
    lb = start()
    assert.equal("draining", seen(lb, "a").state)
    for _ = 1, 6 do assert.equal("b", lb:fetch("/").body) end
    local found
    for _, change in ipairs(seen(lb, "a").changes) do found = change.by == "admin" and change or found end
    assert.same({ "draining", "deploy 812" }, { found.to, found.why })
    local weight = seen(lb, "b").weight
    assert.same({ 7, 1, "admin" }, { weight.now, weight.script, weight.set_by })
    admin.ask(lb, "POST", "/backends/a/undrain")
    admin.ask(lb, "POST", "/backends/b/weight", '{"weight":null}')
    lb:stop()
    lb = start()
    assert.same({ "up", 1 }, { seen(lb, "a").state, seen(lb, "b").weight.now })
  end)

  it("lets a script have the last word that says another weight", function()
    local lb = start()
    admin.ask(lb, "POST", "/backends/a/weight", { weight = 7 })
    lb:stop()
    lb = start(3)
    assert.equal(3, seen(lb, "a").weight.now)
  end)

  it("keeps an ejection until it would have ended", function()
    local lb = start()
    assert.equal(200, (admin.ask(lb, "POST", "/backends/a/eject", { seconds = 600 })))
    lb:stop()
    lb = start()
    assert.equal("ejected", seen(lb, "a").state)
    assert.equal(200, (admin.ask(lb, "POST", "/backends/a/readmit")))
    lb:stop()
    assert.equal("up", seen(start(), "a").state)
  end)

  it("is written while lb runs", function()
    local lb = start(1, true)
    play.wait("the first file", function() return read(path) end)
    admin.ask(lb, "POST", "/backends/a/drain", { why = "before the crash" })
    play.wait("the change", function() return read(path):find("before the crash", 1, true) end, 20)
    lb:signal "sigkill"
    lb:wait_exit()
    assert.equal("draining", seen(start(), "a").state)
  end)

  it("is kept by an upgrade and a reload, which do not read it", function()
    local lb = start()
    play.wait("the first file", function() return read(path) end)
    local before = read(path)
    admin.ask(lb, "POST", "/backends/a/drain", {})
    lb:signal "sigusr2"
    lb:event "upgrade"
    assert.equal("draining", seen(lb, "a").state)
    lb:stop()
    assert.is_true(#read(path) > #before)
  end)

  local wrong = { -- what is there instead, and why it cannot be used
    { "a file of something else", function() return "return {}\n" end, "no state of this lb" },
    { "an empty file", function() return "" end, "no state of this lb" },
    { "a part", function(text) return text:sub(1, -2) end, "damaged" },
    { "another byte", function(text) return text:sub(1, -2) .. "\255" end, "damaged" },
  }
  for _, case in ipairs(wrong) do
    it("moves aside " .. case[1], function()
      local lb = start()
      admin.ask(lb, "POST", "/backends/a/drain", { why = "x" })
      lb:stop()
      local text = case[2](read(path))
      local file = assert(io.open(path, "w"))
      file:write(text)
      file:close()
      lb = start()
      local event = lb:event "state_damaged"
      assert.same({ path, path .. ".bad" }, { event.file, event.moved_to })
      assert.truthy(event.reason:find(case[3], 1, true), event.reason)
      assert.equal("up", seen(lb, "a").state)
      assert.is_true(text == read(path .. ".bad"))
      play.wait("another file", function() return read(path) end)
    end)
  end

  it("moves aside a file that is too long", function()
    assert.equal(0, play.run({ "truncate", "-s", "1G", path }).code)
    assert.equal("File too large", start():event("state_damaged").reason)
  end)

  it("keeps values that a script wants to be kept", function()
    local settings = [[choose = function(ctx, all)
      local how = ctx.path:match "^/set/(.*)"
      if how == "keep" then
        lb.set("mode", "closed", { keep = true })
        lb.set("lost", 1)
        lb.set("later", 5, { keep = true, ttl = 600 })
        lb.add("sum", 1, { keep = true })
        lb.incr("sum", 2)
      elseif how == "leave" then
        lb.set("mode", "open")
      end
      return ctx:respond { body = ("%s %s %s %s"):format(tostring(lb.get "mode"), tostring(lb.get "lost"),
        tostring(lb.get "later"), tostring(lb.get "sum")) }
    end, ]]
    local lb = start(1, false, settings)
    assert.equal("closed 1 5 3", lb:fetch("/set/keep").body)
    assert.equal(200, (admin.ask(lb, "PUT", "/values/mode", { value = "by hand" })))
    lb:stop()
    lb = start(1, false, settings)
    assert.equal("by hand nil 5 3", lb:fetch("/").body)
    assert.is_true(select(2, admin.get(lb, "/values/later")).ttl_s > 500)
    assert.equal("open nil 5 3", lb:fetch("/set/leave").body)
    lb:stop()
    assert.equal("nil nil 5 3", start(1, false, settings):fetch("/").body)
  end)

  it("is left alone if it is a folder", function()
    assert.equal(0, play.run({ "mkdir", path }).code)
    local lb = start()
    assert.is_nil(lb:event("state_damaged").moved_to)
    lb:stop()
    assert.equal(0, play.run({ "rmdir", path }).code)
  end)

  it("goes on without it, says so once, and tries again", function()
    local folder = play.directory() .. "/later"
    path = folder .. "/state"
    local lb = start()
    assert.truthy(lb:event("state_failed", { file = path }).reason:find "No such file")
    admin.ask(lb, "POST", "/backends/a/drain", {})
    assert.equal(0, play.run({ "mkdir", folder }).code)
    lb:event("state_written", { file = path }, 1, 20)
    assert.equal(1, #lb:events "state_failed")
    lb:stop()
    assert.equal("draining", seen(start(), "a").state)
  end)

  it("is looked at by lb check", function()
    local script = play.file("some.lua", "return { listen = '127.0.0.1:0', backends = '127.0.0.1:9' }")
    local result = play.lb { "check", script, "--state", "/nowhere/state" }
    assert.equal(1, result.code)
    assert.truthy(result.err:find "%-%-state: cannot write /nowhere/state: No such file", result.err)
    assert.equal(0, play.lb({ "check", script, "--state", path }).code)
    assert.is_nil(read(path))
  end)
end)
