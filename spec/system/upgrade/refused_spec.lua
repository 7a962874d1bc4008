-- An upgrade to a program that cannot take over changes nothing.
local admin = require "spec.support.admin"
local play = require "spec.support.play"
local upgrading = require "spec.support.upgrading"

local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

-- Which processes it has, and how many descriptors.
local function as_it_is(lb)
  local pids = lb:children()
  table.sort(pids)
  return table.concat(pids, " ") .. ", " .. upgrading.descriptors(lb)
end

-- The program that put leads to is refused, in words that have these, and all is as before.
local function is_refused(lb, put, words)
  local client = play.client(lb)
  client:send(GET)
  client:response()
  local before = as_it_is(lb)
  local event = put.asked()
  assert.equal("upgrade_refused", event.event)
  assert.truthy(event.error:find(words, 1, true), event.error)
  play.wait("all to be as before", function() return as_it_is(lb) == before end)
  client:send(GET)
  assert.equal(200, client:response().status)
end

describe("an upgrade is refused", function()
  after_each(play.curtain)

  for name, case in pairs {
    ["there is no program"] = { "/nowhere/lb", "No such file or directory" },
    ["it is no program"] = { "not a program", "Exec format error" },
    ["it is another program, which ends well"] = { "/bin/true", "is no lb that can take over" },
    ["it is another program, which does not"] = { "#!/bin/sh\necho broken; exit 7", "broken" },
    ["it says nothing"] = { "#!/bin/sh\nexit 7", "it ended with status 7 and said nothing" },
    ["it crashes"] = { "#!/bin/sh\nkill -SEGV $$", "it crashed when it was tried (signal 11" },
  } do
    it("if " .. name, function()
      local lb, put = upgrading.start { backends = { play.hello "one" }, workers = 2 }
      put(case[1])
      is_refused(lb, put, case[2])
      put(upgrading.program)
      put.upgrade()
    end)
  end

  for name, case in pairs {
    ["is wrong"] = { "return { choices = 1 }", "unknown field" },
    ["fails in a worker"] = { [[return { backends = "127.0.0.1:1", listen = "127.0.0.1:0",
      workers = 2,
      init = function() error "not today" end }]], "not today" },
    ["listens elsewhere"] = { [[return { backends = "127.0.0.1:1", listen = "127.0.0.1:2" }]],
      "listen is not as it was" },
    ["has other workers"] = { [[return { backends = "127.0.0.1:1", listen = "127.0.0.1:0",
      workers = 3 }]], "workers is 3, and 2 run" },
  } do
    it("if the script " .. name, function()
      local answer = "choose = function(ctx) return ctx:respond { status = 200, body = 'first' } end }"
      local path = play.file("first.lua", "return { listen = '127.0.0.1:0', workers = 2, " .. answer)
      local lb, put = upgrading.start { file = path, listen = false, workers = false }
      local file = io.open(path, "w")
      file:write(case[1])
      file:close()
      is_refused(lb, put, case[2])
      assert.equal("first", lb:fetch("/").body)
    end)
  end

  it("in a demo", function()
    local lb = play.start { upgrading.program, "demo", "--listen", "127.0.0.1:0" }
    local pid
    play.wait("the demo", function()
      for _, line in ipairs(lb.err) do pid = pid or line:match "listening on 127.0.0.1.*" and lb.pid end
      return pid
    end)
    for _, child in ipairs(play.children(lb.pid)) do require("luv").kill(child, "sigusr2") end
    play.wait("the refusal", function()
      return table.concat(lb.err, "\n"):find("a demo stays as it is", 1, true)
    end)
  end)
end)

-- A script that a spec can break for new processes only, by what it keeps in their memory.
local function breakable(where)
  local check = [[if lb.get "breaks" then error "not in earnest" end]]
  return ([[%s
  return { health = { interval = 0.2, timeout = 5 }, init = function() %s end,
    choose = function(ctx)
      if ctx.path == "/break" then lb.set("breaks", true) end
      if ctx.path == "/mend" then lb.set("breaks", nil) lb.set("mended", true) end
      if ctx.path == "/mended" then return ctx:respond { body = tostring(lb.get "mended") } end
      return ctx:respond { status = 200, body = "served" }
    end }]]):format(where == "top" and check or "", where == "init" and check or "")
end

describe("an upgrade fails", function()
  after_each(play.curtain)

  it("if no worker becomes ready; the workers before serve on, until another one does", function()
    local lb, put = upgrading.start { script = breakable "init", workers = 2, may_lose_workers = true }
    lb:fetch "/break"
    local client, before = play.client(lb), lb:children()
    client:send(GET)
    client:response()
    assert.equal("upgrade_failed", put.asked().event)
    for _ = 1, 2 do
      client:send(GET)
      local response = client:response()
      assert.equal("served", response.body)
      assert.is_nil(response:field "connection")
      assert.equal("served", lb:fetch("/").body)
      for _, pid in ipairs(before) do assert.is_true(play.exists(pid)) end
      assert.equal("upgrade_failed", put.asked().event)
    end
    lb:fetch "/mend"
    put.upgrade()
    client:send(GET)
    assert.equal("served", client:response().body)
    assert.equal("served", lb:fetch("/").body)
    for _, pid in ipairs(before) do assert.is_false(play.exists(pid)) end
  end)

  it("and a child that dies then has a successor, also a second time", function()
    local lb, put = upgrading.start {
      script = breakable "init", backends = { play.hello "one" }, may_lose_workers = true,
    }
    local before = lb:children()
    lb:fetch "/break"
    assert.equal("upgrade_failed", put.asked().event)
    lb:fetch "/mend"
    for _ = 1, 2 do
      for _, pid in ipairs(lb:children()) do require("luv").kill(pid, "sigkill") end
      play.wait("the successors", function()
        local ok, response = pcall(lb.fetch, lb, "/")
        return ok and response.status == 200 and #lb:children() == #before
      end)
    end
  end)

  it("and an upgrade that goes well then has places for all, also if some were taken since", function()
    local path = play.directory() .. "/admin.sock"
    local lb, put = upgrading.start {
      script = breakable("init"):gsub("health =", ("admin = 'unix:%s', %%0"):format(path)), workers = 2,
      may_lose_workers = true,
    }
    lb.admin = "unix:" .. path
    local function workers() return select(2, admin.get(lb, "/state")).workers end
    local function are_ready()
      local ready = 0
      for _, worker in ipairs(workers()) do ready = ready + (worker.ready and 1 or 0) end
      return ready
    end
    lb:fetch "/break"
    assert.equal("upgrade_failed", put.asked().event)
    lb:fetch "/mend"
    local killed = workers()[1].pid
    require("luv").kill(killed, "sigkill")
    play.wait("the successor", function() return not play.exists(killed) and are_ready() == 2 end)
    put.upgrade()
    play.wait("places of those before", function() return #workers() == 2 end)
    assert.equal(2, are_ready())
    assert.not_equal(workers()[1].pid, workers()[2].pid)
    assert.equal("served", lb:fetch("/").body)
  end)

  for name, program in pairs { same = upgrading.program, other = upgrading.other } do
    it("and what stops lb then ends all children, with the " .. name .. " layout, too", function()
      local lb, put = upgrading.start {
        script = breakable "init", backends = { play.hello "one" }, workers = 2, may_lose_workers = true,
      }
      lb:fetch "/break"
      put(program)
      assert.equal("upgrade_failed", put.asked().event)
      local children = lb:children()
      lb:signal "sigterm"
      assert.same({ code = 0, signal = 0 }, lb:wait_exit())
      assert.equal(0, #lb:events "quit") -- nothing had to be ended by force
      for _, pid in ipairs(children) do assert.is_false(play.exists(pid)) end
    end)
  end

  it("if it cannot go on at all; it tries again, and the workers before serve on", function()
    local lb, put = upgrading.start { script = breakable "top", workers = 2 }
    lb:fetch "/break"
    local client, before = play.client(lb), lb:children()
    client:send(GET)
    client:response()
    local event = put.asked()
    assert.equal("upgrade_failed", event.event)
    assert.truthy(event.message:find("not in earnest", 1, true))
    for _, pid in ipairs(before) do assert.is_true(play.exists(pid)) end
    client:send(GET)
    assert.equal("served", client:response().body)
    lb:fetch "/mend"
    put.upgrade()
    client:send(GET)
    assert.equal("served", client:response().body)
  end)

  for where, words in pairs { init = "^no worker of lb [%d.]+ serves", top = "not in earnest" } do
    it("and who has asked over the admin listener is told, if the script fails in its " .. where, function()
      local path = play.directory() .. "/admin.sock"
      local lb, put = upgrading.start {
        script = breakable(where):gsub("health =", ("admin = 'unix:%s', %%0"):format(path)), may_lose_workers = true,
      }
      lb.admin = "unix:" .. path
      admin.ready(lb)
      lb:fetch "/break"
      local status, body = admin.ask(lb, "POST", "/upgrade")
      assert.equal(422, status)
      assert.truthy(body.error:find(words), body.error)
      lb:event "upgrade_failed" -- put.upgrade would take it for the answer to its own
      lb:fetch "/mend"
      put.upgrade()
      assert.equal("served", lb:fetch("/").body)
    end)
  end

  -- Is this signal caught in the process? Then the next program has begun, and has a way back.
  local function catches(pid, number)
    local file = assert(io.open(("/proc/%d/status"):format(pid)))
    local mask = file:read("*a"):match "SigCgt:%s*%x*(%x%x%x%x%x%x%x%x)"
    file:close()
    return require("bit").band(tonumber(mask, 16), 2 ^ (number - 1)) ~= 0
  end

  -- Seconds of the CPU that it has used.
  local function cpu(pid)
    local file = assert(io.open(("/proc/%d/stat"):format(pid)))
    local user, system = file:read("*a"):match "%) %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ (%d+) (%d+)"
    file:close()
    return (user + system) / 100
  end

  -- How often it has waited for something.
  local function waits(pid)
    local file = assert(io.open(("/proc/%d/status"):format(pid)))
    local count = tonumber(file:read("*a"):match "\nvoluntary_ctxt_switches:%s*(%d+)")
    file:close()
    return count
  end

  for when, script in pairs {
    ["loads the script"] = breakable "top":gsub('error "not in earnest"', "local t = os.clock() + 0.5 "
      .. "while os.clock() < t do end"),
    ["starts its workers"] = breakable "init":gsub('error "not in earnest"', "local t = os.clock() + 0.5 "
      .. "while os.clock() < t do end"),
  } do
    for name, program in pairs { same = upgrading.program, other = upgrading.other } do
      it("if the next program crashes as it " .. when .. "; the one before goes on, " .. name .. " layout", function()
        local lb, put = upgrading.start {
          script = script:gsub("return {", "return { script = { budget_ms = 2000 },", 1), workers = 2,
          backends = { play.hello "one" },
        }
        local files = upgrading.descriptors(lb)
        lb:fetch "/break"
        local client, before = play.client(lb), lb:children()
        client:send(GET)
        client:response()
        put(program)
        lb:signal "sigusr2"
        play.wait("the next program", function()
          local file = assert(io.open(("/proc/%d/environ"):format(lb.pid)))
          local environment = file:read "*a"
          file:close()
          return environment:find "LB_HANDOVER=%d" and catches(lb.pid, 11)
        end)
        local used = cpu(lb.pid) -- the script takes 0.5 s
        play.wait("its script", function() return when ~= "loads the script" or cpu(lb.pid) >= used + 0.2 end)
        if when == "starts its workers" then
          play.wait("its workers", function() return #lb:children() >= #before + 2 end)
          local count = waits(lb.pid) -- a crash between fork and the next line is none that can be
          play.wait("it to know them", function() return waits(lb.pid) >= count + 2 end)
        end
        lb:signal "sigsegv"
        assert.truthy(lb:event("upgrade_failed").message:find("the one before goes on", 1, true))
        put(upgrading.program)
        client:send(GET)
        assert.equal("served", client:response().body)
        play.wait("other workers of the program before", function()
          for _, pid in ipairs(before) do
            if play.exists(pid) then return false end
          end
          return #lb:children() == #before and upgrading.descriptors(lb) == files
        end)
        assert.equal(0, #lb:events "upgrade")
        client:send(GET)
        assert.equal("served", client:response().body)
        lb:fetch "/mend"
        put.upgrade()
        client:send(GET)
        assert.equal("served", client:response().body)
      end)
    end
  end

  it("and SIGUSR1 lets the workers before open their logs again", function()
    local path = play.directory() .. "/access.log"
    local lb, put = upgrading.start {
      script = (breakable("top"):gsub("health =", ("log = { file = %q }, %%0"):format(path))),
    }
    lb:fetch "/break"
    assert.equal("upgrade_failed", put.asked().event)
    assert(os.rename(path, path .. ".1"))
    lb:signal "sigusr1"
    play.wait("a line in the new file", function()
      lb:fetch "/after"
      local file = io.open(path)
      local text = file and file:read "*a" or ""
      if file then file:close() end
      return text:find("/after", 1, true)
    end)
  end)

  it("and the program before finds its memory again, although another layout was tried", function()
    local lb, put = upgrading.start { script = breakable "top", workers = 2 }
    lb:fetch "/break"
    local client = play.client(lb)
    client:send(GET)
    client:response()
    put(upgrading.other)
    assert.equal("upgrade_failed", put.asked().event)
    lb:fetch "/mend"
    put(upgrading.program)
    assert.is_true(put.upgrade().same_memory)
    assert.equal("true", lb:fetch("/mended").body)
    client:send(GET)
    assert.equal("served", client:response().body)
  end)

  it("and what stops lb then drains the workers before", function()
    local pid_file = play.directory() .. "/lb.pid"
    local lb, put = upgrading.start {
      script = breakable "top", workers = 2, args = { "--pid-file", pid_file },
    }
    lb:fetch "/break"
    assert.equal("upgrade_failed", put.asked().event)
    local children = lb:children()
    lb:signal "sigterm"
    assert.same({ code = 0, signal = 0 }, lb:wait_exit())
    assert.is_nil(io.open(pid_file))
    for _, pid in ipairs(children) do assert.is_false(play.exists(pid)) end
  end)
end)
