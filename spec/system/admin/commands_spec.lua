-- lb status, lb drain and the others: at the command line, of an lb that runs.
local admin = require "spec.support.admin"
local balancer = require "spec.support.balancer"
local play = require "spec.support.play"

describe("at the command line", function()
  after_each(play.curtain)

  local function start()
    local backend = play.hello "x"
    local lb = admin.balancer { settings = ("backends = { { name = 'a b', address = %q } }"):format(backend.address) }
    lb:event "backend_up"
    local function run(...)
      local words = { ... }
      table.insert(words, "--admin")
      table.insert(words, lb.admin)
      return play.lb(words)
    end
    return lb, run
  end

  it("lb status shows lb and its backends", function()
    local lb, run = start()
    local result = run "status"
    assert.equal(0, result.code)
    assert.truthy(result.out:find("process " .. lb.pid, 1, true), result.out)
    assert.truthy(result.out:find "\nready\n", result.out)
    assert.truthy(result.out:find "\na b +up ", result.out)
    assert.truthy(run("backends").out:find "^backend +state")
    assert.equal(0, run("ready").code)
  end)

  it("lb drain waits, and says so; lb undrain takes it back", function()
    local lb, run = start()
    local result = run("drain", "a b", "--wait", "5", "--why", 'a "reason"')
    assert.equal(0, result.code)
    assert.truthy(result.out:find('"waited_s":', 1, true), result.out)
    local event = lb:event "backend_draining"
    assert.equal('a "reason"', event.reason)
    assert.equal('a b drains: it gets no more requests, as a person says: a "reason"', event.message)
    assert.equal(1, run("ready").code)
    assert.truthy(run("status").out:find('\na b +draining [^\n]* admin: a "reason"\n'), run("status").out)
    assert.equal(0, run("undrain", "a b").code)
    assert.equal(0, run("ready").code)
  end)

  it("lb drain --wait fails if requests are still in flight then", function()
    local release
    local backend = play.backend(function(conn)
      conn:request()
      play.wait("the release", function() return release end)
      conn:send "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"
    end)
    local lb = admin.balancer { settings = ("backends = { { name = 'a', address = %q } }"):format(backend.address) }
    lb:event "backend_up"
    local client = play.client(lb)
    client:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    play.wait("the request", function() return select(2, admin.get(lb, "/backends/a")).in_flight == 1 end)
    local words = { "drain", "a", "--wait", "0.05", "--admin", lb.admin }
    local result = play.lb(words)
    assert.equal(1, result.code)
    assert.truthy(result.out:find('"in_flight":1', 1, true), result.out)
    assert.truthy(result.err:find("still in flight there", 1, true), result.err)
    release = true
    assert.equal(200, client:response().status)
    words[4] = "60"
    assert.equal(0, play.lb(words).code)
  end)

  it("lb weight, get, set, log and reload do what they say", function()
    local _, run = start()
    assert.truthy(run("weight", "a b", "5").out:find '"weight":5')
    assert.truthy(run("backends").out:find " 5%*")
    assert.truthy(run("weight", "a b", "script").out:find '"weight":1')
    assert.equal('{"value":12}\n', run("set", "key", "12").out)
    assert.equal('{"value":"1 2"}\n', run("set", "key", "1 2").out)
    assert.equal('{"value":"1 2"}\n', run("get", "key").out)
    assert.truthy(run("set", "key", "true", "60").out:find '{"value":true,"ttl_s":%d')
    assert.equal(0, run("log", "debug", "1").code)
    assert.truthy(run("reload").out:find '^{"edition":2,"changed":%[%],"ms":%d+}\n$')
    assert.equal(1, run("eject", "a b", "5").code)
    assert.equal(1, run("readmit", "a b").code)
  end)

  it("what is wrong is said on standard error", function()
    local _, run = start()
    local result = run("drain", "nobody")
    assert.same({ 1, "" }, { result.code, result.out })
    assert.truthy(result.err:find "no backend is called 'nobody'")
    for _, word in ipairs { "many", "3x", "script\"" } do
      result = run("weight", "a b", word)
      assert.same({ 1, "" }, { result.code, result.out })
      assert.truthy(result.err:find("a whole number from 0 to 65535", 1, true), result.err)
    end
    assert.truthy(run("eject", "a b", "long").err:find("more than 0 and at most", 1, true))
    assert.truthy(run("log", "debug", "1m").err:find("for at most 86400 s", 1, true))
    assert.equal(2, run("drain").code)
    assert.equal(2, run("weight", "a").code)
    assert.equal(2, run("status", "more").code)
    result = play.lb { "status", "--admin", "unix:/nowhere/admin.sock" }
    assert.equal(1, result.code)
    assert.truthy(result.err:find("no lb listens there", 1, true))
    assert.equal(1, play.lb({ "status", "--admin", "localhost:1" }).code)
  end)

  it("lb top is lb status, once if nobody watches, again and again on a terminal", function()
    local lb, run = start()
    local once = run "top"
    assert.equal(0, once.code)
    assert.truthy(once.out:find "\na b +up ", once.out)
    assert.falsy(once.out:find "\27")
    local screen = play.start { "script", "-q", "-e", "-c",
      ("stty rows 8 cols 40; exec %s top --admin %s"):format(balancer.program, lb.admin), "/dev/null" }
    local function shown()
      local text = table.concat(screen.out, "\n")
      return text, select(2, text:gsub("\27%[H", ""))
    end
    play.wait("the table, twice", function() return select(2, shown()) >= 2 end)
    assert.truthy((shown()):find "a b +up ")
    for line in (shown()):gmatch "[^\n]+" do
      assert.is_true(#line:gsub("\27%[%a", ""):gsub("\r", "") <= 40, line)
    end
    lb:signal "sigterm"
    play.wait("its end", function() return screen.exit end)
    assert.equal(1, screen.exit.code)
  end)

  it("--admin takes names", function()
    local backend = play.hello "x"
    local lb = admin.balancer { backends = { backend }, admin = '"127.0.0.1:0"' }
    local port = admin.tcp(lb):match ":(%d+)$"
    admin.ready(lb, { over = admin.tcp(lb) })
    local result = play.lb { "ready", "--admin", "localhost:" .. port }
    assert.equal(0, result.code, result.err)
    result = play.lb { "status", "--admin", "localhost:" .. port }
    assert.truthy(result.err:find('"status":401', 1, true), result.err)
    assert.truthy(result.err:find("LB_ADMIN_TOKEN", 1, true), result.err)
    result = play.lb { "ready", "--admin", "nobody.invalid:1" }
    assert.equal(1, result.code)
    assert.truthy(result.err:find "^lb: nobody.invalid:1: ", result.err)
  end)
end)
