-- on_done: a script hears of a request that is over, and delays nobody.
local play = require "spec.support.play"

local SCRIPT = [[
local count, other = lb.counter "count", lb.counter "other"
return {
  health = { interval = 0.2, timeout = 5 }, %s
  choose = function(ctx, backends)
    if ctx.path == "/numbers" then return ctx:respond { body = count:get() .. " " .. other:get() } end
    if ctx.path == "/go" then lb.set("go", true) return ctx:respond { body = "gone" } end
    if ctx.path == "/own" then return ctx:respond { status = 418, body = "tea" } end
    if ctx.path == "/nobody" then return nil, "nobody" end
    ctx.vars.mark = ctx.path
    return backends[1]
  end,
  on_done = function(ctx)
    if ctx.path == "/numbers" or ctx.path == "/go" then return end
    %s
  end,
}
]]

describe("on_done", function()
  after_each(play.curtain)

  local one

  local function start(on_done, settings, options)
    options = options or {}
    one = options.backend or play.hello "one"
    options.script, options.backends = SCRIPT:format(settings or "", on_done), { one }
    return play.balancer(options)
  end

  local function numbers(lb) return lb:fetch("/numbers").body end

  local function told(lb, n) return lb:event("script", nil, n).message end

  it("is shown the request and its result", function()
    local lb = start [[
      local r = ctx.result
      lb.log.info(table.concat({ ctx.path, ctx.vars.mark, ctx.headers["x-user"], ctx.method, r.status,
        r.backend == ctx.headers["x-backend"] and "backend" or "none", r.bytes_in, r.bytes_out, r.attempts, r.retries,
        r.ms >= 0 and r.ms < 5000 and "ms" or "?" }, " "))]]
    lb:fetch("/a", { method = "POST", body = "12345",
      fields = ("X-User: anna\r\nX-Backend: %s\r\n"):format(one.address) })
    assert.equal("/a /a anna POST 200 backend 5 3 1 0 ms", told(lb, 1))
  end)

  it("is called for answers of lb's own and of the script's", function()
    local lb = start "lb.log.info(ctx.path .. ctx.result.status .. tostring(ctx.result.backend))"
    lb:fetch "/own"
    assert.equal("/own418nil", told(lb, 1))
    lb:fetch "/nobody"
    assert.equal("/nobody503nil", told(lb, 2))
  end)

  it("is called for a client that has left", function()
    local lb = start("lb.log.info(ctx.result.status)", nil, { backend = play.backend(function(conn)
      conn:request()
      conn:rest()
    end) })
    local client = play.client(lb)
    client:send "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
    play.wait("the backend", function() return one.served == 1 end)
    client:reset()
    assert.equal("499", told(lb, 1))
  end)

  it("may await, and does not keep the next request of its client waiting", function()
    local lb = start [[
      count:add(1)
      lb.sleep(0.3)
      assert(ctx.path:sub(1, 2) == '/a' and ctx.vars.mark == ctx.path)
      other:add(1)]]
    local client = play.client(lb)
    for i = 1, 20 do
      client:send(("GET /a%d HTTP/1.1\r\nHost: x\r\n\r\n"):format(i))
      assert.equal("one", client:response().body)
    end
    client:close()
    play.wait("all to begin", function() return numbers(lb):match "^20 " end)
    play.wait("all to end", function() return numbers(lb) == "20 20" end)
    assert.same({}, lb:events "policy_error")
  end)

  it("that raises an error is logged, and no request is any worse", function()
    for _, wait in ipairs { "", "lb.sleep(0.01)" } do
      local lb = start(wait .. "\nerror 'no'")
      assert.equal("one", lb:fetch("/a").body)
      assert.truthy(lb:event("policy_error", { hook = "on_done", kind = "error" }).line > 10)
      assert.falsy(lb:exchange({ path = "/a" }).policy.fallback)
    end
  end)

  it("that never ends is stopped", function()
    local lb = start "while true do end"
    assert.equal("one", lb:fetch("/a").body)
    lb:event("policy_error", { hook = "on_done", kind = "timeout" })
    assert.equal("one", lb:fetch("/b").body)
  end)

  it("of the last request before the end is called", function()
    local lb = start "lb.log.info('told of ' .. ctx.path)"
    local client = play.client(lb)
    client:send "GET /last HTTP/1.1\r\nHost: x\r\n\r\n"
    lb:signal "sigterm"
    assert.equal("one", client:response().body)
    lb:wait_exit()
    assert.equal("told of /last", told(lb, 1))
  end)

  it("that awaits does not hold up the end", function()
    local lb = start("count:add(1) lb.sleep(500)", "script = { await = 600 },")
    lb:fetch "/a"
    play.wait("it to wait", function() return numbers(lb) == "1 0" end)
    lb:stop()
  end)

  it("sees the whole request until it awaits, and then 8 KiB of it", function()
    local lb = start [[
      local function seen()
        return #(ctx.headers["x-large"] or "") .. ctx.headers["x-small"] .. ctx.path .. ctx.query
      end
      local before = seen()
      lb.sleep(0.01)
      lb.log.info(before .. " " .. seen())]]
    lb:fetch("/path?a=b", { fields = "X-Large: " .. ("y"):rep(9000) .. "\r\nX-Small: s\r\n" })
    assert.equal("9000s/patha=b 0s/patha=b", told(lb, 1))
    assert.same({}, lb:events "policy_error")
  end)

  it("is not made where others that await hold too many bytes, and requests are served as ever", function()
    local lb = start([[
      count:add(1)
      while not lb.get "go" do lb.sleep(0.1) end
      other:add(1)]], "limits = { memory = 16 * 1024 * 1024 }, script = { await = 600 },")
    local client = play.client(lb)
    for i = 1, 400 do
      client:send(("GET /%d HTTP/1.1\r\nHost: x\r\nX-Large: %s\r\n\r\n"):format(i, ("y"):rep(7000)))
      assert.equal("one", client:response().body)
    end
    lb:event "on_done_skipped"
    lb:fetch "/go"
    local begun
    play.wait("those that were begun to end", function()
      local ended
      begun, ended = numbers(lb):match "^(%d+) (%d+)$"
      return begun == ended
    end)
    assert.is_true(tonumber(begun) > 50 and tonumber(begun) < 400)
    lb:fetch "/again"
    play.wait("another one", function() return tonumber((numbers(lb):match "^%d+")) == begun + 1 end)
  end)

  -- Both requests are read into the same memory, one after the other.
  it("explains nothing more, least of all the next request", function()
    one = play.hello "one"
    local lb = play.balancer { backends = { one }, script = [[
      local begun, told = lb.counter "begun", lb.counter "told"
      return {
        health = { interval = 0.2, timeout = 5 },
        choose = function(ctx, backends)
          ctx:explain("who", ctx.path)
          if ctx.path == "/2" then
            begun:add(1)
            while told:get() == 0 do lb.sleep(0.01) end
          end
          return backends[1]
        end,
        on_done = function(ctx)
          if ctx.path ~= "/1" then return end
          while begun:get() == 0 do lb.sleep(0.01) end
          ctx:explain("who", "/!")
          told:add(1)
        end,
      }]] }
    local client = play.client(lb)
    for _, path in ipairs { "/1", "/2" } do
      client:send("GET " .. path .. " HTTP/1.1\r\nHost: x\r\n\r\n")
      assert.equal("one", client:response().body)
      assert.same({ who = path }, lb:exchange({ path = path }).explain)
    end
  end)

  it("has a result that is no one's to change, and none elsewhere", function()
    local lb = start [[
      assert(not pcall(function() ctx.result.new = 1 end))
      lb.log.info(select(2, pcall(function() return ctx.result.stauts end)))]]
    lb:fetch "/a"
    assert.matches("unknown field 'stauts' of ctx.result, did you mean 'status'?", told(lb, 1), 1, true)
    assert.same({}, lb:events "policy_error")
    local other = play.balancer { backends = { one }, script = [[
      return { choose = function(ctx, backends)
        return backends[1], { why = "result " .. tostring(ctx.result) } end }]] }
    assert.equal("one", other:fetch("/a").body)
    assert.equal("result nil", other:exchange({ path = "/a" }).why)
  end)
end)
