-- Backends with names, and a resolver that says what the spec wants.

local h2 = require "spec.support.h2"
local play = require "spec.support.play"
local resolver = require "spec.support.names"

local HEALTH = "health = { interval = 0.1, timeout = 2, fall = 1 },"

describe("a backend with a name", function()
  setup(resolver.build)
  teardown(resolver.remove)
  after_each(play.curtain)

  local names = resolver.are

  local function resolving(options)
    options.settings = options.settings or HEALTH
    options.env = resolver.environment()
    return play.balancer(options)
  end

  local function on(host, text)
    return play.backend { host = host, serve = function(conn)
      while conn:request() do conn:send(play.text(text)) end
    end }
  end

  it("is where the resolver says, also when that changes", function()
    local first = play.hello "first"
    names "web 127.0.0.1"
    local name = "web:" .. first.port
    local lb = resolving { backends = { name } }
    assert.equal("first", lb:fetch("/").body)

    names "web unknown"
    local event = lb:down(name)
    assert.equal("the name is not known", event.reason)
    assert.equal("first", lb:fetch("/").body) -- there is no other, and it may be where it was

    names "web 127.0.0.1"
    lb:up(name)
    assert.equal("first", lb:fetch("/").body)
  end)

  it("may move to another address, which no request notices", function()
    local old = play.hello "old"
    local new = on("127.0.0.2", "new")
    new:stop()
    new.port = old.port
    new:start()
    names "web 127.0.0.1"
    local lb = resolving { backends = { "web:" .. old.port } }
    assert.equal("old", lb:fetch("/").body)
    names "web 127.0.0.2"
    play.wait("the check to have found it", function() return new.accepted >= 2 end)
    old:stop()
    assert.equal("new", lb:fetch("/").body)
    assert.same({}, lb:events "backend_down")
  end)

  it("is served at its last address while the resolver fails or hangs", function()
    local backend = play.hello "x"
    names "web 127.0.0.1"
    local name = "web:" .. backend.port
    local lb = resolving { backends = { name } }
    for _, trouble in ipairs { "failing", "hanging" } do
      names("web " .. trouble)
      local checks = backend.accepted
      play.wait("some more checks", function() return backend.accepted >= checks + 3 end)
      assert.equal("x", lb:fetch("/").body)
    end
    assert.same({}, lb:events "backend_down")
  end)

  it("whose lookup hangs from the start holds up nobody", function()
    local alive = play.hello "alive"
    names "web hanging"
    local lb = resolving { backends = { "web:80", alive } }
    for _ = 1, 4 do
      assert.equal("alive", lb:fetch("/").body)
    end
    assert.equal("the resolver does not answer", lb:down("web:80").reason)
  end)

  it("that leads nowhere ends no worker when a request's time is over as it is tried again", function()
    names "web unknown"
    local lb = resolving { backends = { "web:80" },
      settings = HEALTH .. 'timeouts = { request = 0.2 }, on_failure = function() return "retry" end,' }
    lb:down "web:80"
    local conn = lb:connect()
    conn:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    lb:freeze() -- the pause before the next try and timeouts.request pass in one turn of the loop
    play.pause(0.3)
    lb:thaw()
    assert.equal(504, conn:response().status)
  end)

  it("is tried at its next address if one refuses, or cannot even be tried", function()
    local backend = play.hello "x"
    local name = "web:" .. backend.port
    for _, first in ipairs { "127.0.0.3", "127.0.0.4" } do -- nobody there; unusable
      names("web " .. first .. " 127.0.0.1", "- 127.0.0.4")
      local lb = resolving { backends = { name }, name = "lb " .. first }
      lb:up(name)
      assert.equal("x", lb:fetch("/").body)
    end
  end)

  it("is down if one address refuses and another cannot even be tried, in any order", function()
    local backend = play.hello "x"
    local name = "web:" .. backend.port
    for _, list in ipairs { "127.0.0.1 127.0.0.4", "127.0.0.4 127.0.0.1" } do
      names("web " .. list, "- 127.0.0.4")
      local lb = resolving { backends = { name }, name = "lb " .. list }
      lb:up(name)
      backend:stop()
      assert.equal("connection refused", lb:down(name).reason)
      backend:start()
      lb:up(name)
    end
  end)

  it("is asked at its next address if one answers a check by HTTP badly, and served there", function()
    local sick = play.answering(function() return "sick", "503 Service Unavailable" end)
    local well = on("127.0.0.2", "well")
    well:stop()
    well.port = sick.port
    well:start()
    names "web 127.0.0.1 127.0.0.2"
    local name = "web:" .. sick.port
    local lb = resolving { backends = { name }, settings = 'health = { type = "http", interval = 0.1, timeout = 2 }' }
    assert.equal("status 200", lb:up(name).reason)
    assert.equal("well", lb:fetch("/").body)
    assert.equal(name, sick.requests[1]:field "host")
    well:stop()
    assert.equal("connection refused", lb:down(name).reason) -- of the address that was good
  end)

  -- The second one is at the first one's port.
  local function two()
    local first, second = on("127.0.0.1", "first"), on("127.0.0.2", "second")
    second:stop()
    second.port = first.port
    second:start()
    names "web 127.0.0.1 127.0.0.2 127.0.0.3"
    return first, second, "web:" .. first.port
  end

  local RARELY = "health = { interval = 60 }, on_failure = function() return 'fail' end,"

  it("serves the request whose connect fails at its next address, and stays there", function()
    local first, second, name = two()
    local lb = resolving { backends = { name }, settings = RARELY, workers = 2 }
    assert.equal("first", lb:fetch("/").body)
    first:stop()
    for _ = 1, 20 do
      local answer = lb:fetch "/"
      assert.same({ 200, "second" }, { answer.status, answer.body })
    end
    first:start()
    assert.equal("second", lb:fetch("/").body)
    second:stop()
    for _ = 1, 20 do assert.equal("first", lb:fetch("/").body) end
    assert.same({}, lb:events "backend_down")
  end)

  it("fails if nobody listens at any of its addresses", function()
    local first, second, name = two()
    local lb = resolving { backends = { name }, settings = RARELY }
    assert.equal("first", lb:fetch("/").body)
    first:stop()
    second:stop()
    assert.equal(503, lb:fetch("/").status)
    assert.equal("refused", lb:exchange({ status = 503 }).tries[1].outcome)
  end)

  it("is one backend however many addresses it has, which is said once", function()
    local _, _, name = two()
    local lb = resolving { backends = { name }, settings = "health = { interval = 0.05 }" }
    local event = lb:event "backend_addresses"
    assert.same({ name, 3, "warn" }, { event.backend, event.addresses, event.level })
    lb:signal "sighup"
    lb:event "reload"
    lb:signal "sighup"
    lb:event("reload", {}, 2)
    assert.equal(1, #lb:events "backend_addresses")
  end)

  it("has an IPv4 and an IPv6 address without a word", function()
    local backend = play.hello "x"
    names "web 127.0.0.1 ::1"
    local lb = resolving { backends = { "web:" .. backend.port } }
    lb:up("web:" .. backend.port)
    assert.equal("x", lb:fetch("/").body)
    assert.same({}, lb:events "backend_addresses")
  end)

  it("is as it was, and that is said, if no address can be tried", function()
    local backend = play.hello "x"
    names "web 127.0.0.1"
    local lb = resolving { backends = { "web:" .. backend.port } }
    assert.equal("x", lb:fetch("/").body)
    names("web 127.0.0.1", "- 127.0.0.1")
    local event = lb:event "check_skipped"
    assert.equal("Cannot assign requested address", event.reason)
    assert.same({}, lb:events "backend_down")
  end)

  it("serves over HTTP/2 where it is now while a connection to where it was is under way", function()
    local hole = play.blackhole():fill()
    local now = h2.backend(function(s) s:answer "now" end, { host = "127.0.0.2" })
    now:stop()
    now.port = hole.port
    now:start()
    names "web 127.0.0.1"
    local lb = resolving {
      backends = { "h2c://web:" .. hole.port }, settings = HEALTH .. "timeouts = { connect = 30 },",
    }
    local first = play.client(lb)
    first:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    play.wait("a connection under way", function() return hole:hanging() > 0 end)
    names "web 127.0.0.2"
    lb:up("web:" .. hole.port)
    assert.equal("now", lb:fetch("/").body)
    assert.equal("now", first:response().body) -- over the connection that there is now
    first:close()
    lb:signal "sigterm" -- what is under way for nobody ends with the rest
    assert.same({ code = 0, signal = 0 }, lb:wait_exit(5))
  end)

  it("may have an IPv6 address", function()
    local backend = on("::1", "six")
    names "web ::1"
    local lb = resolving { backends = { "web:" .. backend.port } }
    assert.equal("six", lb:fetch("/").body)
  end)
end)
