-- lb.after and lb.every, in the workers of a running lb.
local play = require "spec.support.play"
local reloading = require "spec.support.reloading"

local SCRIPT = [[
local count, other = lb.counter "count", lb.counter "other"
%s
return {
  health = { interval = 0.2, timeout = 5 }, script = { budget_ms = 20, await = 0.5, park = 0 },
  choose = function(ctx, backends)
    if ctx.path == "/numbers" then return ctx:respond { body = count:get() .. " " .. other:get() } end
    %s
    return backends[1]
  end,
}
]]

describe("a timer", function()
  after_each(play.curtain)

  local function start(top, choose, options)
    options = options or {}
    options.script, options.backends = SCRIPT:format(top, choose or ""), { play.hello "one" }
    return play.balancer(options)
  end

  local function numbers(lb)
    local count, other = lb:fetch("/numbers").body:match "^(%d+) (%d+)$"
    return tonumber(count), tonumber(other)
  end

  local function until_count(lb, least)
    return play.wait("count " .. least, function()
      local count, other = numbers(lb)
      return count >= least and { count, other }
    end)
  end

  it("made by lb.every runs again and again", function()
    local lb = start "lb.every(0.01, function() count:add(1) end)"
    until_count(lb, 5)
    until_count(lb, 10)
  end)

  it("runs in each worker", function()
    local lb = start("lb.after(0, function() count:add(1) end)", nil, { workers = 3 })
    until_count(lb, 3)
    assert.equal(3, (numbers(lb)))
  end)

  it("made by lb.after runs once", function()
    local lb = start [[
      lb.after(0.01, function() other:add(1) end)
      lb.every(0.01, function() count:add(1) end)]]
    assert.equal(1, until_count(lb, 10)[2])
  end)

  it("may be made in a hook", function()
    local lb = start("", "lb.after(0.01, function() count:add(1) end)")
    lb:fetch "/a"
    until_count(lb, 1)
  end)

  it("may be cancelled, also by itself, and more than once", function()
    local lb = start [[
      lb.after(0.01, function() other:add(100) end):cancel()
      local me
      me = lb.every(0.01, function() other:add(1) me:cancel() me:cancel() end)
      local long = lb.every(0.01, function() other:add(10) lb.sleep(0.1) end)
      lb.after(0.05, function() long:cancel() end)
      lb.every(0.02, function() count:add(1) end)]]
    assert.equal(11, until_count(lb, 15)[2])
  end)

  it("whose run is still going on skips the next", function()
    local lb = start [[
      lb.every(0.01, function()
        if other:get() > 0 then count:add(1000) end
        other:add(1) lb.sleep(0.05) other:add(-1)
        count:add(1)
      end)]]
    assert.truthy(until_count(lb, 4)[1] < 1000)
  end)

  it("that raises an error is logged, and runs again", function()
    local lb = start "\nlb.every(0.01, function()\ncount:add(1)\nerror 'no'\nend)"
    until_count(lb, 3)
    local event = lb:event("policy_error", { hook = "timer", kind = "error" })
    assert.equal(5, event.line)
    assert.equal("one", lb:fetch("/a").body)
  end)

  it("that raises an error after an await is logged, too", function()
    local lb = start "lb.every(0.01, function() lb.sleep(0.01) count:add(1) error 'no' end)"
    until_count(lb, 2)
    assert.equal(2, lb:event("policy_error", { hook = "timer", kind = "error" }).line)
  end)

  it("that never ends is stopped, and requests are served", function()
    local lb = start "lb.after(0.01, function()\nwhile true do end\nend)"
    assert.equal(3, lb:event("policy_error", { hook = "timer", kind = "timeout" }).line)
    assert.equal("one", lb:fetch("/a").body)
    assert.falsy(lb:exchange({ path = "/a" }).policy.fallback)
  end)

  it("that awaits for longer than script.await is ended", function()
    local lb = start "lb.after(0.01, function() lb.sleep(60) end)"
    assert.matches("script.await", lb:event("policy_error", { hook = "timer", kind = "timeout" }).message, 1, true)
  end)

  it("ends when its script is replaced, and timers of the new script run", function()
    local backends = { play.hello "one" }
    local function script(top, choose)
      local listed = ("\nreturn { backends = %q,"):format(backends[1].address)
      return SCRIPT:format(top, choose or ""):gsub("\nreturn {", listed)
    end
    local lb, say = reloading.start((script "lb.every(0.01, function() count:add(1) end)"))
    until_count(lb, 3)
    assert.equal("reload", say((script "lb.every(0.01, function() other:add(1) end)")).event)
    local before, others = numbers(lb)
    play.wait("the new timer", function() return select(2, numbers(lb)) >= others + 10 end)
    assert.equal(before, (numbers(lb)))
  end)

  it("does not hold up the end of lb", function()
    local lb = start "lb.every(0.01, function() count:add(1) lb.sleep(0.4) end)"
    until_count(lb, 1)
    lb:stop()
  end)

  it("that is wrong is an error at its line, also in a check", function()
    for call, message in pairs {
      ["lb.after('soon', print)"] = "lb.after(s, f) needs a number of seconds from 0 to",
      ["lb.every(0, print)"] = "lb.every(s, f) needs a number of seconds from 0.001 to",
      ["lb.every(1)"] = "lb.every(s, f) needs a function, got nil",
      ["lb.every(1, print, { onc = true })"] = "lb.every: unknown option 'onc'",
      ["lb.every(1, print, { once = 1 })"] = "lb.every: once is true or false",
      ["lb.every(1, print):stop()"] = "unknown field 'stop' of a timer",
    } do
      local file = play.file("wrong.lua", "\n" .. call .. "\nreturn {}\n")
      local ended = play.lb { "check", file, "--backend", "127.0.0.1:1" }
      assert.equal(2, ended.code, ended.err)
      assert.truthy(ended.err:find("wrong.lua:2: " .. message, 1, true), ended.err)
    end
  end)

  -- Each run is within its budget, all together take two seconds.
  it("is one of many that are due at once, and clients are served between them", function()
    local lb = start([[
      local function work()
        count:add(1)
        local begun = lb.now()
        while lb.now() - begun < 0.004 do end
      end
      for i = 1, 500 do lb.every(0.001, work) end]])
    local most, before = 0, numbers(lb)
    for _ = 1, 10 do
      local now = numbers(lb)
      most, before = math.max(most, now - before), now
    end
    assert.truthy(most < 250, most .. " runs between two requests")
  end)

  it("beyond the thousandth is an error", function()
    local lb = start("", "for i = 1, 1001 do lb.after(60, print) end")
    assert.equal("one", lb:fetch("/a").body)
    assert.matches("there are 1000 timers already", lb:event("policy_error").message, 1, true)
  end)

  -- lb knows a ctx by the number of its call, which is in it, and a script may change that.
  it("show nothing of a request, whatever a script makes of a ctx that it has kept", function()
    local lb = play.balancer { backends = { play.hello "one" }, script = [[
      local kept, shown = nil, 0
      local function try(read) if pcall(read) then shown = shown + 1 end end
      lb.every(0.02, function()
        if not kept then return end
        for n = 1, 200 do
          for _, one in ipairs(kept) do one[1] = n end
          local ctx, headers, cookies = kept[1], kept[2], kept[3]
          try(function() return ctx.path end)
          try(function() return ctx.vars.a end)
          try(function() return ctx:remaining() end)
          try(function() return headers.host end)
          try(function() return cookies.a end)
        end
        lb.log.info("shown: " .. shown)
        kept = nil
      end)
      return { health = { interval = 60, timeout = 5 }, script = { budget_ms = 5000 },
        choose = function(ctx, backends)
          kept = { ctx, ctx.headers, ctx.cookies }
          return backends[1]
        end }]] }
    assert.equal("one", lb:fetch("/").body)
    assert.equal("shown: 0", lb:event("script").message)
  end)
end)
