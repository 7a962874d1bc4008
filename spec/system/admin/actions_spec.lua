-- What a person changes over the admin listener.
local admin = require "spec.support.admin"
local play = require "spec.support.play"

local TOKEN = "0123456789abcdef-token"

-- Two backends that answer, called a and b.
local function pair(more)
  local a, b = play.hello "a", play.hello "b"
  local lb = admin.balancer { settings = (more or "")
    .. ("backends = { { name = 'a', address = %q }, { name = 'b', address = %q } }"):format(a.address, b.address) }
  lb:event("backend_up", { backend = "a" })
  lb:event("backend_up", { backend = "b" })
  return lb, a, b
end

local function bodies(lb, n)
  local seen = {}
  for _ = 1, n do seen[lb:fetch("/").body] = true end
  return (seen.a and "a" or "") .. (seen.b and "b" or "")
end

local function newest(lb, name)
  local change = select(2, admin.get(lb, "/backends/" .. name)).changes[1]
  return { change.from, change.to, change.by, change.why }
end

describe("a person over the admin listener", function()
  after_each(play.curtain)

  it("drains a backend and undrains it", function()
    local lb = pair()
    local status, body = admin.ask(lb, "POST", "/backends/a/drain", { why = "deploy 812" })
    assert.same({ 200, "draining", 0 }, { status, body.state, body.in_flight })
    assert.equal("b", bodies(lb, 6))
    assert.same({ "up", "draining", "admin", "deploy 812" }, newest(lb, "a"))
    assert.equal("admin: deploy 812", select(2, admin.get(lb, "/backends/a")).why)
    assert.equal("deploy 812", lb:event("backend_draining", { backend = "a", by = "admin" }).reason)
    status, body = admin.ask(lb, "POST", "/backends/a/undrain")
    assert.same({ 200, "up" }, { status, body.state })
    assert.equal("ab", bodies(lb, 6))
  end)

  it("is warned when no backend is left that requests could go to", function()
    local lb = pair()
    local _, body = admin.ask(lb, "POST", "/backends/a/drain")
    assert.is_nil(body.warning)
    _, body = admin.ask(lb, "POST", "/backends/b/drain")
    assert.equal("no backend is available: requests are answered 503", body.warning)
    assert.equal(503, lb:fetch("/").status)
    assert.is_nil(select(2, admin.ask(lb, "POST", "/backends/a/undrain")).warning)
  end)

  it("is told when the last request of a drained backend has ended", function()
    local release
    local a = play.backend(function(conn)
      conn:request()
      play.wait("the release", function() return release end)
      conn:send "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"
    end)
    local lb = admin.balancer { settings = ("backends = { { name = 'a', address = %q } }"):format(a.address) }
    lb:event "backend_up"
    local client = play.client(lb)
    client:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    play.wait("the request", function() return select(2, admin.get(lb, "/backends/a")).in_flight == 1 end)
    local status, body = admin.ask(lb, "POST", "/backends/a/drain?wait_s=0.05", {})
    assert.same({ 202, 1 }, { status, body.in_flight })
    local asked = play.client(lb.admin)
    asked:send("POST /backends/a/drain?wait_s=60 HTTP/1.1\r\nHost: lb\r\nContent-Type: application/json\r\n",
      "Content-Length: 2\r\n\r\n{}")
    assert.equal(200, (admin.get(lb, "/live"))) -- others are answered meanwhile
    release = true
    assert.equal(200, client:response().status)
    local answer = asked:response()
    assert.equal(200, answer.status)
    assert.truthy(answer.body:find('"in_flight":0', 1, true))
    assert.truthy(answer.body:find('"waited_s":', 1, true))
  end)

  it("sets a weight, and takes it back", function()
    local lb = pair "choose = function(ctx, all) return all:sample(1, function(b) return b.weight end) or all[1] end,"
    local status, body = admin.ask(lb, "POST", "/backends/a/weight", { weight = 5, why = "bigger" })
    assert.same({ 200, 5 }, { status, body.weight })
    assert.same({ now = 5, script = 1, effective = 5, set_by = "admin" },
      select(2, admin.get(lb, "/backends/a")).weight)
    assert.same({ "1", "5", "admin", "bigger" }, newest(lb, "a"))
    assert.equal(200, (admin.ask(lb, "POST", "/backends/a/weight", '{"weight":null}')))
    assert.same({ now = 1, script = 1, effective = 1, set_by = "script" },
      select(2, admin.get(lb, "/backends/a")).weight)
    for _, wrong in ipairs { '{"weight":-1}', '{"weight":1.5}', '{"weight":65536}', '{"weight":"3"}', "{}" } do
      assert.equal(400, (admin.ask(lb, "POST", "/backends/a/weight", wrong)), wrong)
    end
  end)

  it("ejects a backend and readmits it, but not the last one", function()
    local lb = pair()
    local status, body = admin.ask(lb, "POST", "/backends/a/eject", { seconds = 60, why = "slow" })
    assert.same({ 200, "ejected" }, { status, body.state })
    assert.equal("b", bodies(lb, 6))
    assert.same({ "up", "ejected", "admin", "slow" }, newest(lb, "a"))
    assert.equal(409, (admin.ask(lb, "POST", "/backends/b/eject", { seconds = 60 })))
    status, body = admin.ask(lb, "POST", "/backends/a/readmit")
    assert.same({ 200, "up" }, { status, body.state })
    assert.equal("ab", bodies(lb, 6))
    assert.equal(409, (admin.ask(lb, "POST", "/backends/a/readmit")))
  end)

  it("ejects a backend for as long as it said, whatever comes of the requests there", function()
    local go
    local a = play.answering(function(request)
      if request.target == "/slow" then play.wait("the word", function() return go end) end
      return "a"
    end)
    local lb = admin.balancer { settings = ([[
      backends = { { name = "a", address = %q }, { name = "b", address = %q } },
      choose = function(ctx, all)
        return ctx.path == "/slow" and all[1] or all:min(function(b) return b.requests end)
      end,
    ]]):format(a.address, play.hello("b").address) }
    lb:event("backend_up", { backend = "a" })
    lb:event("backend_up", { backend = "b" })
    local client = play.client(lb)
    client:send "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"
    play.wait("it to be there", function() return select(2, admin.get(lb, "/backends/a")).in_flight == 1 end)
    assert.equal(200, (admin.ask(lb, "POST", "/backends/a/eject", { seconds = 60 })))
    go = true
    assert.equal("a", client:response().body)
    play.wait("its end", function() return select(2, admin.get(lb, "/backends/a")).in_flight == 0 end)
    assert.equal("ejected", select(2, admin.get(lb, "/backends/a")).state)
    assert.equal("b", bodies(lb, 6))
  end)

  it("has a backend checked at once", function()
    local backend = play.hello "x"
    local lb = admin.balancer { settings = ("health = { interval = 3600, fall = 1 }, "
      .. "backends = { { name = 'a', address = %q } }"):format(backend.address) }
    lb:event "backend_up"
    backend:stop()
    assert.equal(202, (admin.ask(lb, "POST", "/backends/a/check")))
    lb:event "backend_down"
  end)

  it("sees the last eight changes of a backend, by whom and why", function()
    local lb = pair()
    for i = 1, 9 do admin.ask(lb, "POST", "/backends/a/weight", { weight = i + 1, why = "step " .. i }) end
    local changes = select(2, admin.get(lb, "/backends/a")).changes
    assert.equal(8, #changes)
    for i, change in ipairs(changes) do assert.equal("step " .. 10 - i, change.why) end
    local first = select(2, admin.get(lb, "/backends/b")).changes
    assert.same({ "new", "up", "check" }, { first[1].from, first[1].to, first[1].by })
  end)

  it("has the last word until the script says something else", function()
    local lb = pair [[choose = function(ctx, all)
      local a = all[1]
      if a.name == "a" and ctx.path == "/same" then a:undrain() a:set_weight(1) end
      if a.name == "a" and ctx.path == "/other" then a:set_weight(7) end
      return all[#all]
    end,]]
    admin.ask(lb, "POST", "/backends/a/weight", { weight = 5 })
    lb:fetch "/same"
    assert.equal(5, select(2, admin.get(lb, "/backends/a")).weight.now)
    lb:fetch "/other"
    local weight = select(2, admin.get(lb, "/backends/a")).weight
    assert.same({ 7, "script" }, { weight.now, weight.set_by })
  end)

  it("loads a script and gets the result", function()
    local lb = pair()
    local status, body = admin.ask(lb, "POST", "/reload")
    assert.same({ 200, 2, {} }, { status, body.edition, body.changed })
    assert.is_nil(body.kept)
    local path = play.directory() .. "/balancer.lua"
    local file = assert(io.open(path))
    local text = file:read "*a"
    file:close()
    file = assert(io.open(path, "w"))
    file:write((text:gsub("return {", "return { log = { file = 'access.log' }, h2 = { streams = 7 },", 1)))
    file:close()
    status, body = admin.ask(lb, "POST", "/reload")
    assert.same({ 200, { "h2.streams", "text" }, { "log.file", "log.format" } }, { status, body.changed, body.kept })
    file = assert(io.open(path, "a"))
    file:write "\nx"
    file:close()
    status, body = admin.ask(lb, "POST", "/reload")
    assert.equal(422, status)
    assert.truthy(body.line > 1)
    assert.truthy(body.error:find "expected near 'x'")
    assert.equal(3, select(2, admin.get(lb, "/state")).edition)
  end)

  it("changes the level of the log, which goes back by itself", function()
    local lb = pair()
    lb:fetch "/"
    local function lines() return #lb:exchanges() end
    lb:exchange { path = "/" }
    assert.equal(200, (admin.ask(lb, "POST", "/log", { level = "error", seconds = 3600 })))
    local seen
    play.wait("no more lines", function()
      seen = lines()
      lb:fetch "/quiet"
      play.pause(0.05)
      return lines() == seen
    end)
    assert.equal(200, (admin.ask(lb, "POST", "/log", { level = "error", seconds = 0 })))
    play.wait("lines again", function()
      lb:fetch "/loud"
      return #lb:exchanges { path = "/loud" } > 0
    end)
    assert.equal(400, (admin.ask(lb, "POST", "/log", { level = "loud", seconds = 1 })))
  end)

  it("reads, sets and removes what scripts keep", function()
    local lb = admin.balancer { settings = [[choose = function(ctx)
      lb.counter("asked"):add(1)
      return ctx:respond { body = tostring(lb.get "k/1") .. ":" .. type(lb.get "k/1") }
    end]] }
    assert.equal(404, (admin.get(lb, "/values/k%2F1")))
    assert.equal(200, (admin.ask(lb, "PUT", "/values/k%2F1", '{"value":"a\\u00e4\\n"}')))
    assert.equal("aä\n:string", lb:fetch("/").body)
    assert.equal(200, (admin.ask(lb, "PUT", "/values/k%2F1", { value = 12 })))
    assert.same({ 200, { value = 12 } }, { admin.told(lb, "/values/k%2F1") })
    assert.equal("12:number", lb:fetch("/").body)
    admin.ask(lb, "PUT", "/values/k%2F1", '{"value":true,"ttl_s":60}')
    assert.equal("true:boolean", lb:fetch("/").body)
    assert.truthy(select(2, admin.get(lb, "/values/k%2F1")).ttl_s <= 60)
    assert.equal(200, (admin.ask(lb, "DELETE", "/values/k%2F1")))
    assert.equal("nil:nil", lb:fetch("/").body)
    assert.equal(4, select(2, admin.get(lb, "/counters")).asked)
    assert.equal(6, select(2, admin.ask(lb, "POST", "/counters/asked", { add = 2 })).value)
  end)

  it("lists values by the beginning of their keys, however many there are", function()
    local lb = pair [[init = function()
      for i = 1, 3000 do lb.set("user:" .. i, ("x"):rep(100)) end
      lb.set("other", true, { ttl = 60 })
      lb.set("us er%", 1)
      lb.set(("long"):rep(40), 1)
      lb.window("user:w", 10):add(1)
    end,]]
    admin.ready(lb)
    local _, all = admin.get(lb, "/values")
    assert.equal(3002, #all.values)
    local _, body = admin.get(lb, "/values?prefix=user%3A")
    local seen = {}
    for _, one in ipairs(body.values) do
      assert.equal(("x"):rep(100), one.value)
      seen[one.key] = true
    end
    assert.equal(3000, #body.values)
    for i = 1, 3000 do assert.is_true(seen["user:" .. i]) end
    _, body = admin.get(lb, "/values?prefix=other")
    assert.same({ 1, "other", true }, { #body.values, body.values[1].key, body.values[1].value })
    assert.truthy(body.values[1].ttl_s <= 60)
    assert.same({ values = { { key = "us er%", value = 1 } } }, (select(2, admin.get(lb, "/values?prefix=us%20er%25"))))
    assert.same({}, select(2, admin.get(lb, "/values?prefix=nothing")).values)
    assert.equal(400, (admin.get(lb, "/values?prefix=%zz")))
    assert.equal(400, (admin.get(lb, "/values?prefix=" .. ("a"):rep(300))))
  end)

  it("reads numbers with all their digits", function()
    local lb = admin.balancer { settings = [[choose = function(ctx) return ctx:respond { body = "x" } end]] }
    for _, number in ipairs { 1234567, 2 ^ 53 - 1, -1234567.25, 0.1, 1e300 } do
      local text = ("%.17g"):format(number)
      admin.ask(lb, "PUT", "/values/k", ('{"value":%s}'):format(text))
      assert.equal(number, select(2, admin.get(lb, "/values/k")).value, text)
    end
    assert.equal(1234567, select(2, admin.ask(lb, "POST", "/counters/many", { add = 1234567 })).value)
    assert.equal(1234567, select(2, admin.get(lb, "/counters")).many)
  end)
end)

describe("a foreign page", function()
  after_each(play.curtain)

  local function start()
    local a = play.hello "a"
    return admin.balancer {
      admin = ('{ listen = { "unix:$SOCKET", "127.0.0.1:0" }, token = %q }'):format(TOKEN),
      settings = ("backends = { { name = 'a', address = %q } }"):format(a.address),
    }
  end

  it("changes nothing, whatever it sends", function()
    local lb = start()
    lb:event "backend_up"
    local over = admin.tcp(lb)
    local bearer = "Authorization: Bearer " .. TOKEN .. "\r\n"
    local function status(options)
      options.over, options.fields = over, bearer .. (options.fields or "")
      return (admin.ask(lb, options.method or "POST", "/backends/a/drain", {}, options))
    end
    assert.equal(403, status { fields = "Origin: http://evil.example\r\n" })
    assert.equal(403, status { fields = "Origin: null\r\n" })
    assert.equal(421, status { host = "evil.example", fields = "Origin: http://evil.example\r\n" })
    for _, kind in ipairs { "application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x" } do
      assert.equal(415, status { type = kind })
    end
    assert.equal(415, status { type = false })
    assert.equal(405, status { method = "GET" }) -- an image
    assert.equal(401, (admin.ask(lb, "POST", "/backends/a/drain", {}, { over = over })))
    for _, method in ipairs { "PUT", "DELETE" } do
      assert.equal(403, (admin.ask(lb, method, "/values/x", { value = 1 }, { over = over, fields = bearer })))
    end
    assert.equal("up", select(2, admin.get(lb, "/backends/a")).state)
    assert.equal(404, (admin.get(lb, "/values/x")))
    assert.equal(200, status { fields = "Origin: http://localhost\r\n" })
    assert.equal("draining", select(2, admin.get(lb, "/backends/a")).state)
  end)

  it("finds no way in by a body that is no object", function()
    local lb = start()
    for _, body in ipairs { "[]", "{", '{"why"', '{"why":}', '{"why":"a}', '{"why":"\\x"}', '{"why":"\\u12"}', "{} {}",
      '{"why":1}', '{"why":"' .. ("x"):rep(300) .. '"}', ("[" ):rep(3000), '{"weight":1e}' } do
      assert.equal(400, (admin.ask(lb, "POST", "/backends/a/drain", body)), body)
    end
    assert.equal(413, (admin.ask(lb, "POST", "/backends/a/drain", '{"why":"' .. ("x"):rep(40000) .. '"}')))
    assert.not_equal("draining", select(2, admin.get(lb, "/backends/a")).state)
  end)
end)
