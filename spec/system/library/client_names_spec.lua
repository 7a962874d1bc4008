-- The names that lb.tcp and lb.http look up, with a resolver that says what the spec wants.
local asking = require "spec.support.asking"
local names = require "spec.support.names"
local play = require "spec.support.play"

local answer = asking.answer

describe("a name that a script asks for", function()
  setup(names.build)
  teardown(names.remove)
  after_each(play.curtain)

  local CONNECT = [[
    local conn, why = lb.tcp.connect(ctx.path:sub(2) .. ":$PORT", { timeout = tonumber(ctx.headers.timeout) or 20 })
    if not conn then return why end
    return conn:line()]]

  local peer

  local function start(body, options)
    options = options or {}
    peer = play.backend { accept = function(conn)
      conn:send "hello\n"
      conn:ended_by_peer(60)
    end }
    options.peers, options.env = { PORT = tostring(peer.port) }, names.environment()
    options.settings = "script = { await = 60 }," .. (options.settings or "")
    return asking.start(body, options)
  end

  local function asked(lb, name)
    local client = play.client(lb)
    client:send(("GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"):format(name))
    return client
  end

  it("is connected to at the first address that accepts", function()
    names.are("redis 127.0.0.3 127.0.0.4 127.0.0.1", "- 127.0.0.4")
    local lb = start(CONNECT)
    assert.equal("hello", answer(lb, "/redis"))
    asking.no_errors(lb)
  end)

  it("may hide an address that swallows connects: the next one has its share of the time", function()
    local hole = play.blackhole():fill()
    local well = play.backend { host = "127.0.0.2", accept = function(conn) conn:send "well\n" end }
    well:stop()
    well.port = hole.port
    well:start()
    names.are "redis 127.0.0.1 127.0.0.2"
    local lb = asking.start(([[return assert(lb.tcp.connect("redis:%d", { timeout = 5 })):line()]])
      :format(hole.port), { env = names.environment() })
    assert.equal("well", answer(lb))
  end)

  it("and that is not known, or not for now, is reported as it is", function()
    names.are("a unknown", "b failing")
    local lb = start(CONNECT)
    assert.equal(("resolve: a:%d: unknown node or service"):format(peer.port), answer(lb, "/a"))
    assert.equal(("resolve: b:%d: temporary failure"):format(peer.port), answer(lb, "/b"))
    asking.no_errors(lb)
  end)

  it("and that hangs is given up in time, and holds up no other name and no other request", function()
    names.are("a hanging", "b hanging", "c hanging", "d hanging", "redis 127.0.0.1")
    local lb = start(CONNECT)
    local waiting = {}
    for _, name in ipairs { "a", "a", "a", "a", "b", "b", "c", "d" } do waiting[#waiting + 1] = asked(lb, name) end
    for _ = 1, 5 do assert.equal("hello", answer(lb, "/redis")) end
    assert.equal(("timeout: a:%d: looking up the name took more than 0.1 s"):format(peer.port),
      answer(lb, "/a", { fields = "timeout: 0.1\r\n" }))
    for _, client in ipairs(waiting) do client:close() end
    asking.no_errors(lb)
  end)

  it("and that hangs does not keep a worker from ending", function()
    names.are "a hanging"
    local lb = start(CONNECT, { args = { "--drain-timeout", "0.1" } })
    local client = asked(lb, "a")
    local seconds = play.timed(answer, lb, "/a", { fields = "timeout: 0.1\r\n" })
    assert.is_true(seconds >= 0.1)
    lb:stop()
    client:close()
  end)

  it("and that hangs keeps neither lb check nor a reload waiting", function()
    names.are "a hanging"
    local path = play.file("hangs.lua", [[
      return { backends = "127.0.0.1:1", choose = function(ctx, backends)
        lb.tcp.connect("a:1", { timeout = 600 })
        return backends[1]
      end }]])
    assert.equal(0, play.lb({ "check", path }, { env = names.environment() }).code)
  end)
end)
