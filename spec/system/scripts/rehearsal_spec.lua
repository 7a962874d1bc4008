-- lb check tries the hooks, too, with a made-up request.
local play = require "spec.support.play"

describe("lb check", function()
  after_each(play.curtain)

  local function check(script)
    return play.lb { "check", play.file("mine.lua", script) }
  end

  local function choosing(body, more)
    return ([[return { backends = { "127.0.0.1:1", "127.0.0.1:2" }, %s choose = function(ctx, backends)
%s
end }]]):format(more or "", body)
  end

  for what, case in pairs {
    ["misspells a field"] = {
      "return ctx.clientip", ":2: unknown field 'clientip' of ctx, did you mean 'client_ip'%?",
    },
    ["takes a header for granted"] = { "return ctx.headers.cookie .. 'x'", ":2: attempt to concatenate" },
    ["returns what is no backend"] = { "return 'one'", ":1: choose returned a string, expected a backend" },
    ["never ends"] = { "\n\nwhile true do end", ":4: used more than its 10 ms of CPU time" },
    ["takes all memory"] = {
      "local t = {} while true do t[#t + 1] = {} end", ":2: needs more than the 1048576 bytes",
      "script = { memory = 2^20, budget_ms = 5000 },",
    },
    ["yields"] = { "coroutine.yield()", ":%d: yielded" },
    -- The error for a name of another balancer gives the name that lb has for it.
    ["asks for what has another name here"] = {
      "return ctx.remote_addr", ":2: unknown field 'remote_addr' of ctx, did you mean 'client_ip'%?",
    },
    ["calls with a dot"] = { "local no = ctx.reject(403) return no", ":2: write ctx:reject%(..%), with a colon" },
    ["gives something back with a dot"] = {
      "ctx.finally(print)", ":2: call it on ctx, with a colon: ctx:finally%(f%)",
    },
    ["explains with a dot"] = {
      "ctx.explain('a', 1)", ":2: call it on ctx, with a colon: ctx:explain%(key, value%)",
    },
    ["wants no log with a dot"] = { "ctx.no_log()", ":2: call it on ctx, with a colon: ctx:no_log%(%)" },
    ["allows a replay with a dot"] = {
      "ctx.allow_replay()", ":2: call it on ctx, with a colon: ctx:allow_replay%(%)",
    },
    ["asks for its time with a dot"] = {
      "local left = ctx.remaining() return left", ":2: call it on ctx, with a colon: ctx:remaining%(%)",
    },
    ["calls a list with a dot"] = {
      "local one = backends.min(print) return one", ":2: write backends:min%(f%), with a colon",
    },
    ["samples a list with a dot"] = {
      "return (backends.sample(2))", ":2: write backends:sample%(n%), with a colon",
    },
    ["looks for a name with a dot"] = {
      "local one = backends.by_name 'a' return one", ":2: write backends:by_name%(name%), with a colon",
    },
    ["sets a field of the request"] = {
      "ctx.headers['X-A'] = 'b' return backends[1]",
      ":2: ctx.headers is read%-only: what sets 'X%-A' is return backend, { request_headers = { .. } }, in choose",
    },
    ["sets the path"] = {
      "ctx.path = '/b' return backends[1]",
      ":2: ctx is read%-only; .*; what the backend sees is return backend, { path = .. }, in choose",
    },
    ["gives a table of a backend and options"] = {
      "return { backends[1], why = 'a' }",
      ":1: choose returned a table .*: return one of the list, and options behind it",
    },
    ["gives no list element"] = { "return backends", ":1: choose returned a table .*: return one of the list" },
    ["names a backend"] = { "return '127.0.0.1:2'", ':1: .*, such as backends:by_name%("127.0.0.1:2"%)' },
    ["gives an index"] = { "return 2", ":1: choose returned a number, expected a backend, such as backends%[2%]" },
    ["gives a status"] = { "return 403", ":1: choose returned a number, .*; an answer is ctx:reject%(403%)" },
    ["returns nothing"] = {
      "ctx:reject(403)", ":1: choose returned nothing, and there are backends: return one, an answer",
    },
  } do
    it("finds that choose " .. what, function()
      local ended = check(choosing(case[1], case[3]))
      assert.equal(2, ended.code, ended.err)
      assert.matches("mine%.lua" .. case[2]:gsub("%%d", "%%d+"), ended.err)
      assert.matches("%(in choose, tried with a made%-up request%)\n$", ended.err)
      assert.equal("", ended.out)
    end)
  end

  it("finds that on_response sets fields in the wrong way", function()
    for body, wanted in pairs {
      ["return { response_headers = { A = 'b' } }"] =
        ":1: on_response returned a table, .*; options are the second value: return nil, { .. }",
      ["res.headers.A = 'b'"] =
        ":2: res.headers is read%-only: what sets 'A' is return nil, { response_headers = { .. } } %(",
    } do
      local ended = check('return { backends = "127.0.0.1:1", on_response = function(ctx, backend, res)\n'
        .. body .. "\nend }")
      assert.equal(2, ended.code, ended.err)
      assert.matches("mine%.lua" .. wanted, ended.err)
    end
  end)

  it("finds that on_failure is wrong", function()
    local ended = check [[return { backends = "127.0.0.1:1", on_failure = function(ctx, backend, err)
      return err.kinds end }]]
    assert.equal(2, ended.code)
    assert.matches("mine%.lua:2: unknown field 'kinds' of err, did you mean 'kind'%? %(in on_failure, tried", ended.err)
  end)

  for what, case in pairs {
    ["on_response, for any response"] = {
      "on_response = function(ctx, backend, res) return res.statuss == 503 end",
      "unknown field .statuss. of res, did you mean .status.%? %(in on_response, .* made%-up response of status 200%)",
    },
    ["on_response, for an error"] = {
      "on_response = function(ctx, backend, res) if res.status >= 500 then return 'again' end end",
      'on_response returned "again".* %(in on_response, tried with a made%-up response of status 503%)',
    },
    ["on_done"] = {
      "on_done = function(ctx) return ctx.result.stats end",
      "unknown field 'stats' of ctx.result, did you mean 'status'%? %(in on_done, tried with a made%-up request%)",
    },
    ["health"] = {
      "health = { check = function(backend) return backend.adress ~= nil end }",
      "unknown field 'adress' of a backend, did you mean 'address'%? %(in health, tried with the first backend%)",
    },
    ["on_health"] = {
      "on_health = function(backend, up, reason) return backend.nme end",
      "unknown field 'nme' .* %(in on_health, tried with the first backend, said to be down%)",
    },
  } do
    it("finds what is wrong in " .. what, function()
      local ended = check("return { backends = '127.0.0.1:1',\n" .. case[1] .. " }")
      assert.equal(2, ended.code)
      assert.matches("mine%.lua:2: " .. case[2], ended.err)
    end)
  end

  it("shows all hooks what they get", function()
    local ended = check [[return { backends = { "127.0.0.1:1", { address = "127.0.0.1:2", name = "b" } },
      choose = function(ctx, backends) ctx.vars.seen = 1 return backends[2] end,
      on_response = function(ctx, backend, res)
        assert(backend.name == "b" and res.headers["content-type"] and ctx.vars.seen)
        return "next"
      end,
      on_done = function(ctx)
        local r = ctx.result
        assert(r.status == 200 and r.backend == "b" and r.attempts == 1 and r.ms > 0 and ctx.vars.seen)
      end,
      health = function(backend) return false, "not today" end,
      on_health = function(backend, up, reason) assert(not up and reason == "connection refused") end,
    }]]
    assert.equal(0, ended.code, ended.err)
  end)

  it("finds that init is wrong", function()
    local ended = check "return { backends = '127.0.0.1:1', init = function() error 'no' end }"
    assert.equal(2, ended.code)
    assert.matches("mine%.lua:1: no %(in init%)", ended.err)
  end)

  for what, body in pairs {
    ["chooses"] = "return backends[1]",
    ["sees all backends, and that they are up"] = [[
      for i = 1, 2 do assert(backends[i].state == "up") end
      assert(#backends == 2)
      return backends[2] ]],
    ["refuses"] = "return nil, 'not today'",
    ["answers"] = "return ctx:reject(401)",
    ["awaits"] = "lb.sleep(3600) error 'never'",
    ["asks for every field"] = [[
      for _, name in ipairs { "id", "method", "path", "query", "host", "scheme", "client", "client_ip" } do
        assert(type(ctx[name]) == "string", name)
      end
      assert(ctx.client_port + ctx.attempts + ctx.retries + ctx.tries > 0 and ctx.idempotent and ctx.replayable)
      assert(ctx.headers.host == ctx.host and ctx.headers["user-agent"] and not ctx.headers.cookie)
      return backends[1] ]],
  } do
    it("finds nothing wrong with a script that " .. what, function()
      local ended = check(choosing(body))
      assert.equal(0, ended.code, ended.err)
    end)
  end

  it("finds nothing wrong with a script without backends that copes", function()
    local ended = check "return { backends = {}, choose = function(ctx, backends) return backends[1] end }"
    assert.equal(0, ended.code, ended.err)
  end)

  it("draws other numbers each time that a script is loaded", function()
    local function drawn() return check(choosing "error(math.random(2 ^ 31))").err:match ":2: (%d+)" end
    local first, second, third = drawn(), drawn(), drawn()
    assert.truthy(first and (first ~= second or first ~= third), first)
  end)

  it("tells an error of any length, of a very long one the beginning", function()
    local ended = check(choosing "error(('x'):rep(1000000), 0)")
    assert.equal(2, ended.code)
    assert.truthy(ended.err:find(":2: xxxxx", 1, true))
    assert.truthy(#ended.err < 10000, #ended.err)
  end)

  it("counts nothing that a running balancer would see", function()
    local script = play.file("counts.lua", [[
      local calls = lb.counter "calls"
      return { listen = "127.0.0.1:0", backends = "127.0.0.1:1", choose = function(ctx, backends)
        return ctx:respond { body = tostring(calls:add(1)) }
      end }]])
    local lb = play.balancer { file = script, backends = { play.hello "x" } }
    assert.equal("1", lb:fetch("/").body)
    assert.equal(0, play.lb({ "check", script }).code)
    assert.equal("2", lb:fetch("/").body)
  end)
end)
