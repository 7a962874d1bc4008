-- What policies see of the backends, and do to them, over all workers of a running lb.
local play = require "spec.support.play"
local reloading = require "spec.support.reloading"
local uv = require "luv"

-- "/see/FIELD" answers that field of each backend; "/do/NAME/METHOD" calls that method of one.
local SCRIPT = [[
return {
  health = { interval = 0.2, timeout = 5, %s },
  choose = function(ctx, backends)
    local field = ctx.path:match "^/see/(.*)"
    if field == "panic" then return ctx:respond { body = tostring(backends.panic) .. " " .. #backends } end
    if field then
      local values = {}
      for i, one in ipairs(backends.all) do values[i] = tostring(one[field]) end
      return ctx:respond { body = table.concat(values, " ") }
    end
    local number, method = ctx.path:match "^/do/(%%d+)/(.*)"
    if number then
      local one = backends.all[tonumber(number)]
      return ctx:respond { body = tostring(one[method](one, tonumber(ctx.query) or nil, "as told")) }
    end
    %s
  end,
}
]]

local IN_TURN = "return lb.policy.round_robin(ctx, backends)"

describe("the numbers of the backends", function()
  after_each(play.curtain)

  local function start(backends, options)
    options = options or {}
    options.backends = backends
    options.script = SCRIPT:format(options.health or "", options.choose or "return backends[1]")
    return play.balancer(options)
  end

  local function see(lb, field) return lb:fetch("/see/" .. field).body end

  local function until_seen(lb, field, wanted)
    return play.wait(field .. " to be " .. wanted, function() return see(lb, field):find("^" .. wanted .. "$") end)
  end

  local function held() -- a backend that answers when it is let
    local state = {}
    return play.backend(function(conn)
      while true do
        play.receive(conn)
        state.got = (state.got or 0) + 1
        play.wait("leave to answer", function() return state.go end, 30)
        conn:send(play.text "late")
      end
    end), state
  end

  it("are true over 4 workers", function()
    local backend, state = held()
    local lb = start({ backend }, { workers = 4 })
    local clients = {}
    for i = 1, 12 do
      clients[i] = play.client(lb)
      clients[i]:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    end
    play.wait("all requests", function() return state.got == 12 end)
    for _ = 1, 8 do assert.equal("12", see(lb, "in_flight")) end
    assert.equal("12", see(lb, "pending"))
    state.go = true
    for i = 1, 12 do assert.equal("late", clients[i]:response().body) end
    until_seen(lb, "in_flight", "0")
    assert.equal("0 12 0", see(lb, "pending") .. " " .. see(lb, "requests") .. " " .. see(lb, "failures"))
    assert(tonumber(see(lb, "ewma_ms")) > 0)
  end)

  it("lose what a worker that is killed had in flight", function()
    local backend, state = held()
    local lb = start({ backend }, { workers = 2, may_lose_workers = true })
    local clients, found = {}, {}
    for i = 1, 12 do
      clients[i] = play.client(lb)
      clients[i]:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    end
    play.wait("all requests", function() return state.got == 12 end)
    assert.equal("12", see(lb, "in_flight"))
    for _, pid in ipairs(lb:children()) do uv.kill(pid, "sigkill") end
    play.wait("all to be replaced", function()
      found = lb:events "worker_died"
      return #found >= 2
    end)
    play.wait("workers again", function()
      local ok, seen = pcall(see, lb, "in_flight")
      return ok and seen == "0"
    end)
    assert.equal("0", see(lb, "pending"))
    state.go = true
  end)

  it("have failures with their text, and 5xx as errors", function()
    local lb = start { play.answering(function() return "no", 503 end) }
    lb:fetch "/"
    assert.equal("1 0 nil", see(lb, "error_rate") .. " " .. see(lb, "failures") .. " " .. see(lb, "last_error"))
    local broken = start({ play.backend(function(conn)
      play.receive(conn)
      conn:send "nonsense\r\n\r\n"
    end) }, { name = "other" })
    assert.equal(502, broken:fetch("/").status)
    assert.equal("1", see(broken, "failures"))
    assert.truthy(#see(broken, "last_error") > 3)
    assert(tonumber(see(broken, "ewma_ms")) >= 99)
  end)

  describe("by what a script does", function()
    it("drain and come back, in every worker", function()
      local lb = start({ play.hello "one", play.hello "two" }, { workers = 3, choose = IN_TURN })
      assert.equal("true", lb:fetch("/do/1/drain").body)
      assert.equal("false", lb:fetch("/do/1/drain").body)
      for _ = 1, 12 do assert.equal("two", lb:fetch("/").body) end
      assert.equal("draining up", see(lb, "state"))
      lb:event "backend_draining"
      assert.equal("true", lb:fetch("/do/1/undrain").body)
      lb:event "backend_undrained"
      local seen = {}
      for _ = 1, 12 do seen[lb:fetch("/").body] = true end
      assert.same({ one = true, two = true }, seen)
      assert.equal(1, #lb:events "backend_draining")
    end)

    it("are out for a while, but never the last one", function()
      local lb = start({ play.hello "one", play.hello "two" }, { workers = 2 })
      assert.equal("true", lb:fetch("/do/1/eject?0.5").body)
      assert.equal("false", lb:fetch("/do/2/eject?0.5").body)
      assert.equal("as told", lb:event("backend_ejected").reason)
      assert.equal("two", lb:fetch("/").body)
      assert.equal("ejected up", see(lb, "state"))
      play.wait("it to be tried again", function() return lb:fetch("/").body == "one" end)
      lb:event "backend_readmitted"
      assert.equal(1, #lb:events "backend_ejected")
    end)

    it("have another weight", function()
      local lb = start({ play.hello "one", play.hello "two" }, { workers = 2 })
      lb:fetch "/do/2/set_weight?7"
      for _ = 1, 4 do assert.equal("1 7", see(lb, "weight")) end
      assert.equal("1 7", see(lb, "effective_weight"))
      assert.equal(7, lb:event("backend_weight").weight)
    end)
  end)

  it("ramp the weight of a backend that came back, not at the start", function()
    local backend = play.hello "one"
    local lb = start({ backend, play.hello "two" }, { health = "slow_start = 3" })
    lb:up(backend)
    assert.equal("1 1", see(lb, "effective_weight"))
    backend:stop()
    lb:down(backend)
    backend:start()
    lb:up(backend)
    local low = tonumber(see(lb, "effective_weight"):match "^%S+")
    assert(low >= 0.1 and low < 1, low)
    local last = low
    play.wait("its whole weight", function()
      local now = tonumber(see(lb, "effective_weight"):match "^%S+")
      assert(now >= last)
      last = now
      return now == 1
    end)
  end)

  it("below health.panic have everybody in the list, and say so once", function()
    local backends = { play.hello "a", play.hello "b", play.hello "c" }
    local lb = start(backends, { health = "panic = 0.5", workers = 2 })
    for _, one in ipairs(backends) do lb:up(one) end
    assert.equal("false 3", see(lb, "panic"))
    for i = 1, 2 do backends[i]:stop() end
    for i = 1, 2 do lb:down(backends[i]) end
    for _ = 1, 6 do assert.equal("true 3", see(lb, "panic")) end
    lb:event "panic_begin"
    assert.equal("c", lb:fetch("/").body) -- the request continues to the backend that answers
    for i = 1, 2 do
      backends[i]:start()
      lb:up(backends[i])
    end
    for _ = 1, 6 do assert.equal("false 3", see(lb, "panic")) end
    lb:event "panic_end"
    assert.same({ 1, 1 }, { #lb:events "panic_begin", #lb:events "panic_end" })
  end)

  it("say that the panic is over when the script or the worker that was in it is gone", function()
    local dead, one = "127.0.0.1:" .. play.unused_port(), play.hello "one"
    local function script(panic)
      return ("return { health = { interval = 0.2, panic = %s }, backends = { %q, %q, %q } }"):format(panic,
        dead, "127.0.0.1:" .. play.unused_port(), one.address)
    end
    local lb, say = reloading.start(script "0.5", { may_lose_workers = true })
    lb:down(dead)
    play.wait("panic", function()
      lb:fetch "/"
      return lb:events("panic_begin")[1]
    end)
    say(script "0")
    lb:fetch "/"
    lb:event "panic_end"
    say(script "0.5")
    lb:fetch "/"
    lb:event("panic_begin", nil, 2)
    lb:stop()
  end)
end)
