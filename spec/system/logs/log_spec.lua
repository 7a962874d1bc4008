-- The access log: a line for each exchange, with everything about it.
local bit = require "bit"
local json = require "dkjson"
local play = require "spec.support.play"

local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

describe("the access log", function()
  after_each(play.curtain)

  it("has one JSON line for each exchange, with everything about it", function()
    local backend = play.answering(function() return "hello", "201 Created" end)
    local lb = play.balancer { backends = { backend } }
    local client = play.client(lb, { from = "127.0.0.8" })
    client:send "POST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
    client:response()
    local line = lb:exchange()
    assert.equal("POST", line.method)
    assert.equal("/a?b=c", line.path)
    assert.equal(201, line.status)
    assert.truthy(line.client:find "^127%.0%.0%.8", line.client)
    assert.equal(backend.address, line.backend)
    assert.equal(1, line.attempts)
    assert.equal(0, line.retries)
    assert.equal(1, #line.tries)
    assert.equal("ok", line.tries[1].outcome)
    assert.equal(backend.address, line.tries[1].backend)
    assert.equal("number", type(line.tries[1].ms))
    for _, phase in ipairs { "queue", "policy", "connect", "first_byte", "total" } do
      assert.equal("number", type(line.ms[phase]), phase)
    end
    assert.truthy(line.time:find "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d", line.time)
    assert.truthy(#line.id > 0)
    assert.equal("string", type(line.policy.script))
    assert.equal("boolean", type(line.policy.fallback))
    assert.truthy(line.bytes_in >= 3 and line.bytes_out >= 5)
  end)

  it("counts the bytes of bodies", function()
    local backend = play.hello(("x"):rep(100000))
    local lb = play.balancer { backends = { backend } }
    lb:fetch("/", { method = "PUT", body = ("y"):rep(50000) })
    local line = lb:exchange()
    assert.truthy(line.bytes_in >= 50000 and line.bytes_in < 51000, line.bytes_in)
    assert.truthy(line.bytes_out >= 100000 and line.bytes_out < 101000, line.bytes_out)
  end)

  it("measures the phases", function()
    local backend = play.answering(function()
      play.pause(1)
      return "late"
    end)
    local lb = play.balancer { backends = { backend } }
    lb:fetch "/"
    local ms = lb:exchange().ms
    assert.truthy(ms.first_byte >= 990, ms.first_byte)
    assert.truthy(ms.total >= ms.first_byte, ms.total)
    assert.truthy(ms.connect < 990, ms.connect)
  end)

  it("tells the time of the script, awaits included, apart from that in the queue", function()
    local lb = play.balancer {
      backends = { play.answering(function(request) return request.target, "200 OK" end) },
      settings = [[
        choose = function(ctx, backends)
          if ctx.path == "/choose" then lb.sleep(0.3) end
          return backends[1]
        end,
        on_response = function(ctx) if ctx.path == "/on_response" then lb.sleep(0.3) end end,
      ]],
    }
    for _, target in ipairs { "/choose", "/on_response", "/neither" } do lb:fetch(target) end
    for _, target in ipairs { "/choose", "/on_response" } do
      local ms = lb:exchange({ path = target }).ms
      assert.truthy(ms.policy >= 300 and ms.policy <= ms.total, ms.policy)
      assert.truthy(ms.queue < 300, ms.queue)
    end
    local ms = lb:exchange({ path = "/neither" }).ms
    assert.truthy(ms.policy > 0 and ms.policy < 300, ms.policy)
  end)

  it("tells the time of a script whose client left while it awaited", function()
    local lb = play.balancer {
      backends = { play.hello "x" },
      settings = "choose = function() lb.log.info 'asked' lb.sleep(30) end, script = { await = 60 },",
    }
    local client = play.client(lb)
    client:send(GET)
    lb:event "script"
    client:close()
    local line = lb:exchange { status = 499 }
    assert.truthy(line.ms.policy > 0 and line.ms.policy <= line.ms.total)
  end)

  it("has a line for what never became a request, too", function()
    local lb = play.balancer { backends = { play.hello "x" } }
    local client = play.client(lb)
    client:send "nonsense\r\n\r\n"
    client:response()
    assert.equal(400, lb:exchange().status)
  end)

  it("says of a head that was refused whose it was, once its first line had come", function()
    local lb = play.balancer { backends = { play.hello "x" } }
    for i, case in ipairs {
      { "GET /known?x=1 HTTP/1.1\r\nHost: x\r\nBad : y\r\n\r\n", "GET", "/known?x=1", "1.1" },
      { "PUT /old HTTP/1.0\r\nBad : y\r\n\r\n", "PUT", "/old", "1.0" },
      { "GET /new HTTP/1.2\r\n\r\n", "", "", json.null },
      { "\22\3\1\2\0", "", "", json.null },
    } do
      local bytes, method, path, version = unpack(case)
      local client = play.client(lb)
      for at = 1, #bytes do client:send(bytes:sub(at, at)) end
      client:rest()
      local line = lb:exchange(nil, i)
      assert.same({ method, path }, { line.method, line.path })
      assert.equal(version == json.null and "nil" or version, tostring(line.version))
    end
  end)

  it("as text is made for eyes", function()
    local backend = play.hello "hello"
    local lb = play.balancer { backends = { backend }, format = "text" }
    lb:fetch "/path"
    local line = play.wait("a line", function() return lb.process.out[1] end)
    for _, part in ipairs { "127.0.0.1", "GET", "/path", "200", backend.address } do
      assert.truthy(line:find(part, 1, true), part .. " in " .. line)
    end
    assert.truthy(line:find "^%d+%-%d%d%-%d%d %d%d:%d%d:%d%d%.%d%d%d[+-]%d%d:%d%d 127", line)
    assert.truthy(line:find(" " .. ("%x"):rep(16) .. "$"), line)
    assert.falsy(line:find "retries", line)
    assert.is_nil(json.decode(line))
  end)

  it("as text shows every try if there was more than one", function()
    local bad = play.backend(function(conn)
      conn:request()
      conn:reset()
    end)
    local good = play.hello "x"
    local lb = play.balancer { backends = { bad, good }, format = "text" }
    lb:fetch "/"
    local line = play.wait("a line", function() return lb.process.out[1] end)
    assert.truthy(line:find(bad.address, 1, true) and line:find "reset" and line:find(good.address, 1, true), line)
  end)

  it("cannot be forged by a path with control bytes or quotes, in either format", function()
    for _, format in ipairs { "json", "text" } do
      local lb = play.balancer { backends = { play.hello "x" }, format = format, name = "lb " .. format }
      for _, byte in ipairs { "\1", "\27[31m", "\127", "\"", "\\", "\200", "\9", "%0a" } do
        local client = play.client(lb)
        client:send("GET /a" .. byte .. "b HTTP/1.1\r\nHost: x\r\n\r\n")
        client:response()
        client:close()
      end
      lb:fetch "/last"
      play.wait("all lines", function() return #lb.process.out >= 9 end)
      assert.equal(9, #lb.process.out)
      for _, line in ipairs(lb.process.out) do
        assert.falsy(line:find "%c", line)
        if format == "json" then assert.truthy(json.decode(line), line) end
      end
      assert.truthy(lb.process.out[9]:find "/last")
    end
  end)

  it("has the script's words as they are, in any language, and no line that they forge", function()
    local says = 'f\195\188r \228\184\173 \240\159\152\128'
    for _, format in ipairs { "json", "text" } do
      local lb = play.balancer {
        backends = { play.hello "x" }, format = format, name = "lb " .. format,
        settings = ([[
          choose = function(ctx, backends)
            lb.log.info { message = %q, who = %q }
            ctx:explain(%q, %q)
            ctx:explain("broken", "\255\195\n\27[31m")
            return backends[1], { why = %q .. "\n\200" }
          end,]]):format(says, says, says, says, says),
      }
      lb:fetch "/"
      local line = play.wait("a line", function() return lb.process.out[1] end)
      if format == "json" then
        local decoded = assert(json.decode(line), line)
        assert.equal(says .. "\n\195\136", decoded.why) -- the broken byte as U+00C8
        assert.same({ [says] = says, broken = "\195\191\195\131\n\27[31m" }, decoded.explain)
        assert.same({ says, says }, { lb:event("script").message, lb:event("script").who })
      else
        local explained = ("(%s %s, broken \\xff\\xc3\\n\\x1b[31m)"):format(says, says)
        assert.truthy(line:find(("(%s\\n\\xc8) %s"):format(says, explained), 1, true), line)
        assert.equal(1, #lb.process.out)
      end
    end
  end)

  it("shows the start of a path that is very long", function()
    local lb = play.balancer { backends = { play.hello "x" } }
    lb:fetch("/" .. ("a"):rep(7000))
    assert.truthy(lb:exchange().path:find "^/aaaa")
  end)

  it("has whole lines with eight workers under load", function()
    local lb = play.balancer { backends = { play.hello "x" }, workers = 8 }
    local clients = {}
    for i = 1, 40 do clients[i] = play.client(lb) end
    local path = ("long"):rep(100)
    for round = 1, 50 do
      for i, client in ipairs(clients) do
        client:send(("GET /%s/%d/%d HTTP/1.1\r\nHost: x\r\n\r\n"):format(path, round, i))
      end
      for _, client in ipairs(clients) do assert.equal(200, client:response().status) end
    end
    play.wait("every line", function() return #lb.process.out >= 2000 end)
    local seen, count = {}, 0
    for _, line in ipairs(lb:exchanges()) do
      if not seen[line.path] then seen[line.path], count = true, count + 1 end
    end
    assert.equal(2000, count)
    assert.same({}, lb.odd)
  end)

  it("drops lines that nobody reads, without holding up a request, and says how many", function()
    local lb = play.balancer { backends = { play.hello "x" }, stdout = "unread" }
    local client = play.client(lb)
    local path = ("long"):rep(500)
    local total = 3000
    for i = 1, total do
      client:send(("GET /%s/%d HTTP/1.1\r\nHost: x\r\n\r\n"):format(path, i))
      assert.equal(200, client:response().status)
    end
    lb:read_stdout()
    -- The next lines find room again, and the log says how many were lost.
    local again = 0
    play.wait("the count of what was dropped", function()
      lb:fetch "/again"
      again = again + 1
      return lb:events "log_dropped"[1]
    end)
    play.wait("every line, written or counted as dropped", function()
      local dropped = 0
      for _, event in ipairs(lb:events "log_dropped") do dropped = dropped + tonumber(event.count) end
      return dropped > 0 and dropped + #lb:exchanges() == total + again
    end)
  end)

  it("stops no request when its reader is gone", function()
    local lb = play.balancer { backends = { play.hello "x" } }
    assert.equal("x", lb:fetch("/").body)
    lb:exchange()
    lb.process.pipes.out:close()
    lb.process.open = lb.process.open - 1
    for _ = 1, 20 do assert.equal("x", lb:fetch("/").body) end
  end)
end)

describe("the note of an access line", function()
  after_each(play.curtain)

  local function silent(conn)
    conn:request()
    conn:ended_by_peer()
  end

  local function stops_in_the_middle(conn)
    conn:request()
    conn:send "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"
    conn:ended_by_peer()
  end

  local POST = "POST / HTTP/1.1\r\nHost: x\r\n"
  local cases = { -- the limit, its setting, status, what the client sends, what the backend does
    { "limits.request_line", "100", 414, "GET /" .. ("a"):rep(100) .. " HTTP/1.1\r\nHost: x\r\n\r\n" },
    { "limits.head", "300, request_line = 100", 431,
      "GET / HTTP/1.1\r\nHost: x\r\nX: " .. ("a"):rep(300) .. "\r\n\r\n" },
    { "limits.fields", "3", 431, "GET / HTTP/1.1\r\nHost: x\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n" },
    { "limits.body", "10", 413, POST .. "Content-Length: 11\r\n\r\n" },
    { "limits.body", "3", 413, POST .. "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", silent },
    { "timeouts.request_head", "0.1", 408, "GET / HTTP/1.1\r\n" },
    { "timeouts.request_body", "0.1", 408, POST .. "Content-Length: 5\r\n\r\nhe", silent },
    { "timeouts.response_head", "0.1", 504, GET, silent },
    { "timeouts.response_body", "0.1", 200, GET, stops_in_the_middle },
    { "timeouts.request", "0.1", 504, GET, silent },
  }
  for _, case in ipairs(cases) do
    local limit, value, status, bytes, plays = unpack(case)
    it(("of status %d names %s"):format(status, limit), function()
      local group, name = limit:match "(%w+)%.([%w_]+)"
      local lb = play.balancer {
        backends = { plays and play.backend(plays) or play.hello "x" },
        settings = ("%s = { %s = %s }"):format(group, name, value),
      }
      local client = play.client(lb)
      client:send(bytes)
      local line = lb:exchange()
      assert.equal(status, line.status)
      assert.truthy((line.note .. " "):find(limit .. "[^%w_]"), line.note)
    end)
  end

  it("is not there when all is well, nor a line for a connection that was idle", function()
    local lb = play.balancer { backends = { play.hello "x" }, settings = "timeouts = { keep_alive = 0.1 }" }
    local before = #lb.all_events
    local client = play.client(lb)
    client:send(GET)
    assert.equal(200, client:response().status)
    assert.equal("end", client:ended_by_peer())
    assert.is_nil(lb:exchange().note)
    assert.equal("x", lb:fetch("/").body)
    lb:exchange({}, 2)
    assert.equal(2, #lb:exchanges())
    assert.equal(before, #lb.all_events)
  end)
end)

describe("the event log", function()
  after_each(play.curtain)

  it("tells the life of a balancer, in order", function()
    local backend = play.hello "x"
    local lb = play.balancer { backends = { backend } }
    lb:up(backend)
    backend:stop()
    lb:down(backend)
    backend:start()
    lb:up(backend)
    lb:stop()
    local seen = {}
    for _, event in ipairs(lb.all_events) do
      assert.equal("string", type(event.time))
      assert.equal("string", type(event.level))
      seen[#seen + 1] = event.event
    end
    local order = table.concat(seen, " ")
    assert.truthy(order:find "^start .*backend_up.*backend_down backend_up drain stop$", order)
    assert.truthy(order:find "listening.*backend_down", order)
  end)

  it("says why a backend is down", function()
    local dead = "127.0.0.1:" .. play.unused_port()
    local lb = play.balancer { backends = { dead, play.hello "x" } }
    local event = lb:down(dead)
    assert.truthy(event.reason:find "refused", event.reason)
  end)

  it("says once that clients wait, and names the limit", function()
    local lb = play.balancer { backends = { play.hello "x" }, settings = "limits = { connections = 2 }" }
    local served = {}
    for i = 1, 2 do
      served[i] = play.client(lb)
      served[i]:send(GET)
      assert.equal(200, served[i]:response().status)
      served[i]:send "GET /" -- it is in the middle of something
    end
    assert.same({}, lb:events "connections_full")
    local waiting = {}
    for i = 1, 5 do
      waiting[i] = play.client(lb)
      waiting[i]:send(GET)
    end
    local event = lb:event "connections_full"
    assert.equal("warn", event.level)
    assert.equal(2, event.limit)
    assert.truthy(event.message:find("limits.connections", 1, true), event.message)
    for _, client in ipairs(served) do client:close() end
    for _, client in ipairs(waiting) do
      assert.equal(200, client:response().status)
      client:close()
    end
    assert.equal(1, #lb:events "connections_full")
  end)

  it("loses lines when a file may grow no more, and no process", function()
    local path = play.directory() .. "/access.log"
    local lb = play.balancer {
      backends = { play.hello "x" }, through = { "sh", "-c", 'ulimit -f 1; exec "$@" >"$0"', path },
    }
    for _ = 1, 20 do assert.equal("x", lb:fetch("/").body) end
    assert.truthy(require("luv").fs_stat(path).size <= 1024)
    assert.same({}, lb:events "worker_died")
  end)

  it("as text has the request of a failed hook, and the way to the line", function()
    local lb = play.balancer {
      backends = { play.hello "x" }, format = "text",
      script = [[
local function rank(backend) return backend.nothing.weight end
local function best(backends) local value = rank(backends[1]) return value and backends[1] end
return { choose = function(ctx, backends) local found = best(backends) return found end }]],
    }
    lb:fetch "/"
    local access = play.wait("a line", function() return lb.process.out[1] end)
    local event = play.wait("the event", function()
      for _, line in ipairs(lb.process.err) do
        if line:find "choose failed" then return line end
      end
    end)
    assert.truthy(event:find("(request " .. access:match "%x+$" .. ")", 1, true), event)
    local way = event:match "%[(.*)%]$"
    assert.truthy(way and way:find "balancer.lua:1: .* < .*balancer.lua:2: .* < .*balancer.lua:3: ", event)
  end)

  it("says nothing below --log-level", function()
    local path = play.file("quiet.lua", "return { listen = '127.0.0.1:0', backends = '127.0.0.1:9', workers = 1 }")
    local quiet = play.start(play.command { path, "--log-level", "error", "--log-format", "json" })
    play.wait("its processes", function() return #play.children(quiet.pid) == 2 end)
    quiet:signal "sigterm"
    assert.same({ code = 0, signal = 0 }, quiet:wait_exit())
    assert.same({}, quiet.err)
    assert.same({}, quiet.out)
  end)
end)

describe("a request", function()
  after_each(play.curtain)

  it("has an id that is unlike any other", function()
    local lb = play.balancer { backends = { play.hello "x" } }
    local client = play.client(lb)
    for _ = 1, 20 do
      client:send(GET)
      client:response()
    end
    lb:exchange({}, 20)
    local ids = {}
    for _, line in ipairs(lb:exchanges()) do
      assert.is_nil(ids[line.id])
      assert.truthy(line.id:find "^%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x$", line.id)
      ids[line.id] = true
    end
  end)

  -- The steps of a mixer that everybody knows, backwards (splitmix64's finisher).
  local function unmixed(id)
    local x = tonumber(id:sub(1, 8), 16) * 0x100000000ULL + tonumber(id:sub(9), 16)
    local function unshifted(v, n) return bit.bxor(v, bit.rshift(v, n), bit.rshift(v, 2 * n)) end
    x = unshifted(x, 31) * 0x319642b2d24d8ec3ULL
    x = unshifted(x, 27) * 0x96de1b173f119089ULL
    return unshifted(x, 30)
  end

  it("has an id that does not follow from the one before", function()
    local lb = play.balancer { backends = { play.hello "x" } }
    local client, steps = play.client(lb), {}
    for _ = 1, 8 do
      client:send(GET)
      client:response()
    end
    lb:exchange({}, 8)
    local lines = lb:exchanges()
    for i = 2, #lines do
      for kind, number in pairs { plain = function(id) return tonumber(id:sub(9), 16) end, mixed = unmixed } do
        local step = kind .. tostring(number(lines[i].id) - number(lines[i - 1].id))
        assert.is_nil(steps[step])
        steps[step] = true
      end
    end
  end)
end)
