-- ctx:finally: however a request ends, what a script has counted or locked
-- for it is given back once.
local examples = require "spec.support.examples"
local pages = require "spec.support.pages"
local play = require "spec.support.play"
local reloading = require "spec.support.reloading"

local GET = "GET %s HTTP/1.1\r\nHost: x\r\n\r\n"
local QUICK = "health = { interval = 60, timeout = 5 },"

-- choose calls ctx:finally and then does `body`; /numbers says how often the end has come.
local SCRIPT = [[
local held, ended = lb.counter "held", lb.counter "ended"
return {
  health = { interval = 0.2, timeout = 5 }, %s
  choose = function(ctx, backends)
    if ctx.path == "/numbers" then return ctx:respond { body = held:get() .. " " .. ended:get() } end
    if ctx.vars.path == nil then
      ctx.vars.path = ctx.path
      held:add(1)
      ctx:finally(function() held:add(-1) ended:add(1) end)
    end
    %s
    return backends[1]
  end,
}
]]

describe("what ctx:finally was given", function()
  after_each(play.curtain)

  local one

  local function start(body, settings, options)
    options = options or {}
    one = options.backend or play.hello "one"
    options.script, options.backends = SCRIPT:format(settings or "", body or ""), { one }
    return play.balancer(options)
  end

  local function numbers(lb) return lb:fetch("/numbers").body end

  local function comes_to(lb, expected)
    play.wait("the numbers to be " .. expected, function() return numbers(lb) == expected end)
  end

  local function sending(lb, path)
    local client = play.client(lb)
    client:send(GET:format(path))
    return client
  end

  it("is called once when the answer is sent", function()
    local lb = start()
    for i = 1, 3 do assert.equal("one", lb:fetch("/" .. i).body) end
    comes_to(lb, "0 3")
  end)

  it("is called when the client leaves while choose awaits", function()
    local lb = start "lb.sleep(8) error 'it must not get here'"
    local client = sending(lb, "/a")
    play.wait("the call to await", function() return numbers(lb) == "1 0" end)
    client:reset()
    comes_to(lb, "0 1")
    assert.equal(499, lb:exchange({ path = "/a" }).status)
    assert.same({}, lb:events "policy_error")
  end)

  it("is called when the client leaves while its backend works", function()
    local lb = start(nil, nil, { backend = play.backend(function(conn)
      conn:request()
      conn:rest()
    end) })
    local client = sending(lb, "/a")
    play.wait("the backend", function() return one.served == 1 end)
    assert.equal("1 0", numbers(lb))
    client:reset()
    comes_to(lb, "0 1")
  end)

  it("is called after an error, a call that took too long, and a call that awaited too long", function()
    local lb = start([[
      if ctx.path == "/error" then error "no" end
      if ctx.path == "/budget" then while true do end end
      if ctx.path == "/await" then lb.sleep(60) end]], "script = { await = 0.1, park = 0 },")
    for i, path in ipairs { "/error", "/budget", "/await" } do
      assert.equal("one", lb:fetch(path).body)
      comes_to(lb, "0 " .. i)
    end
    assert.equal(3, #lb:events "policy_error")
  end)

  it("is called after a call that wanted too much memory", function()
    local lb = start([[
      if ctx.path == "/memory" then
        local all = {}
        for i = 1, 1e9 do all[i] = ("x"):rep(1000) .. i end
      end]], "script = { memory = 16 * 2^20, budget_ms = 5000, park = 0 },")
    assert.equal("one", lb:fetch("/memory").body)
    comes_to(lb, "0 1")
  end)

  it("is called when the deadline has passed", function()
    local lb = start("lb.sleep(9)", "timeouts = { request = 0.2 },")
    assert.equal(504, lb:fetch("/a").status)
    comes_to(lb, "0 1")
  end)

  it("is called last first, with ctx as it was, and the result; an error in one does not keep the others", function()
    local lb = start([[
      for i = 1, 3 do
        ctx:finally(function(again)
          lb.log.info(table.concat({ i, ctx.path, again.vars.path, ctx.headers['x-user'], ctx.result.status }, " "))
          if i == 2 then error "the second one" end
        end)
      end]], "script = { park = 0 },")
    lb:fetch("/a", { fields = "X-User: anna\r\n" })
    for i = 1, 3 do assert.equal(4 - i .. " /a /a anna 200", lb:event("script", nil, i).message) end
    comes_to(lb, "0 1")
    local failed = lb:event("policy_error", { hook = "finally" })
    assert.truthy(failed.message:find("the second one", 1, true))
    assert.equal(1, #lb:events "policy_error")
  end)

  it("may not await, and runs for a millisecond", function()
    local lb = start([[
      ctx:finally(function() lb.sleep(0) end)
      ctx:finally(function() while true do end end)]], "script = { park = 0 },")
    lb:fetch "/a"
    comes_to(lb, "0 1")
    local slow = lb:event("policy_error", { kind = "timeout" })
    assert.truthy(slow.message:find("its 1 ms of CPU time", 1, true), slow.message)
    local awaits = lb:event("policy_error", { kind = "error" })
    assert.truthy(awaits.message:find("balancer.lua:11: lb.sleep may not be called in ctx:finally", 1, true),
      awaits.message)
    assert.equal("one", lb:fetch("/b").body)
  end)

  it("is no more than 16 functions, and nothing after the end", function()
    local lb = start([[
      if ctx.path == "/many" then for _ = 1, 16 do ctx:finally(function() end) end end
      if ctx.path == "/wrong" then ctx:finally "what?" end
      if ctx.path == "/late" then ctx:finally(function() ctx:finally(function() end) end) end]],
      "on_done = function(ctx) if ctx.path == '/done' then ctx:finally(function() end) end end, script = { park = 0 },")
    local function says(path, n, text)
      lb:fetch(path)
      local message = lb:event("policy_error", nil, n).message
      assert.truthy(message:find(text, 1, true), message)
    end
    says("/many", 1, "a request has 16 of them at most")
    says("/wrong", 2, "ctx:finally(f) needs a function, got string")
    says("/late", 3, "the request is over")
    says("/done", 4, "the request is over")
    comes_to(lb, "0 4")
  end)

  it("may come from any hook, and is called before on_done", function()
    local lb = start(nil, [[
      on_response = function(ctx, _, res)
        ctx:finally(function()
          lb.log.info("response " .. tostring(pcall(function() return res.status end)) ..
            tostring(pcall(function() return res.headers.date end)))
        end)
      end,
      on_done = function(ctx) lb.log.info("done " .. ended:get()) end,]])
    lb:fetch "/a"
    assert.truthy(lb:event("script", nil, 1).message:find "^response false")
    assert.equal("done 1", lb:event("script", nil, 2).message)
  end)

  it("is called although the script is parked", function()
    local lb = start([[
      if ctx.path == "/wait" then lb.sleep(1.5) return backends[1] end
      error "no"]], "script = { park = 5 },")
    local waiting = sending(lb, "/wait")
    play.wait("the call to await", function() return numbers(lb) == "1 0" end)
    for i = 1, 20 do lb:fetch("/" .. i) end
    lb:event "policy_parked"
    assert.equal("one", waiting:response().body)
    play.wait("all to end", function() return numbers(lb):match "^0 " end)
  end)

  it("is called by an old script whose request is still under way after a reload", function()
    local backend = play.backend(function(conn)
      if conn:request().target == "/slow" then play.wait("the reload", function() return conn.ended end, 60) end
      conn:send(play.text "one")
    end)
    local function version(n)
      return ([[return { %s backends = %q, choose = function(ctx, backends)
        if ctx.path == "/version" then return ctx:respond { body = "%d" } end
        ctx:finally(function() lb.log.info "over %d" end)
        return backends[1] end }]]):format(QUICK, backend.address, n, n)
    end
    local lb, say = reloading.start(version(1))
    local client = sending(lb, "/slow")
    play.wait("the backend", function() return backend.served == 1 end)
    assert.equal("reload", say(version(2)).event)
    play.wait("the new script", function() return lb:fetch("/version").body == "2" end)
    client:reset()
    assert.equal("over 1", lb:event("script", nil, 1).message)
  end)

  it("is found wrong by lb check", function()
    local file = play.file("wrong.lua", [[return { backends = "127.0.0.1:9001", choose = function(ctx, backends)
      ctx:finally(function() error "not like this" end)
      return backends[1] end }]])
    local said = play.lb { "check", file }
    assert.equal(2, said.code)
    assert.truthy(said.err:find("not like this (in finally, tried with a made-up request)", 1, true), said.err)
  end)

  -- The examples of scripts/reference/ctx.md do what they say.

  local function example(of)
    for _, one_of in ipairs(examples.of(pages.policies)) do
      if one_of.text:find(of, 1, true) then return one_of.script end
    end
    error("no example with " .. of)
  end

  it("keeps a queue free of clients that left", function()
    local reports = {}
    one = play.backend(function(conn)
      local id = conn:request().target
      reports[id] = "begun"
      play.wait("the end", function() return reports[id] == "go" end, 60)
      conn:send(play.text "report")
    end)
    local lb = play.balancer { script = example "report:", backends = { one } }
    local function begun()
      local n = 0
      for _, state in pairs(reports) do if state == "begun" then n = n + 1 end end
      return n
    end
    local clients = {}
    for i = 1, 6 do clients[i] = sending(lb, "/report?" .. i) end
    play.wait("four to begin", function() return begun() == 4 end)
    for i = 1, 6 do
      if not reports["/report?" .. i] then clients[i]:reset() end -- those that wait have had enough
    end
    play.wait("two to leave", function() return #lb:exchanges { status = 499 } == 2 end)
    for i = 1, 6 do
      local id = "/report?" .. i
      if reports[id] then
        reports[id] = "go"
        assert.equal("report", clients[i]:response().body)
      end
    end
    for i = 7, 10 do clients[i] = sending(lb, "/report?" .. i) end
    play.wait("four more to begin", function() return begun() == 4 end)
    for i = 7, 10 do reports["/report?" .. i] = "go" end
    for i = 7, 10 do assert.equal("report", clients[i]:response().body) end
  end)

  it("lets the next request ask if the request that asks for all has left", function()
    local asked = 0
    local service = play.backend(function(conn)
      conn:request()
      asked = asked + 1
      if asked == 1 then conn:rest() return end
      conn:send(play.text(one.address))
    end)
    one = play.hello "one"
    local text = example("flight:"):gsub("127%.0%.0%.1:9009", service.address)
    local lb = play.balancer { script = text, backends = { one } }
    local first = sending(lb, "/a")
    play.wait("the first question", function() return asked == 1 end)
    local others = {}
    for i = 1, 5 do others[i] = sending(lb, "/a") end
    first:reset()
    for i = 1, 5 do assert.equal("one", others[i]:response().body) end
    assert.equal(2, asked)
  end)
end)
