-- lb.dns.lookup: what scripts hear from a DNS server.
local asking = require "spec.support.asking"
local play = require "spec.support.play"
local wire = require "spec.support.dns_wire"

local server

local function start_server(zone)
  server = wire.server(function(question)
    local records = zone[question.name:lower() .. " " .. question.type]
    if records == false then return nil end
    if records then return { answer = { unpack(records) }, rcode = records.rcode } end
    return { rcode = zone[question.name:lower()] and 0 or 3, authority = { wire.soa("test", 1) } }
  end)
end

describe("lb.dns.lookup", function()
  after_each(function()
    if server then server:close() end
    server = nil
    play.curtain()
  end)

  local function asked(body, zone)
    start_server(zone)
    local lb = asking.start(body, { settings = ("discovery = { servers = %q },"):format(server.address) })
    return asking.answer(lb)
  end

  it("gives addresses", function()
    assert.equal("2 10.0.0.1 7 10.0.0.2 9", asked([[
      local list = assert(lb.dns.lookup("app.test", "A"))
      return #list, list[1].address, list[1].ttl, list[2].address, list[2].ttl]],
      { ["app.test A"] = { wire.a("@", "10.0.0.1", 7), wire.a("@", "10.0.0.2", 9) } }))
  end)

  it("gives IPv6 addresses, services and texts", function()
    assert.equal("fd00::1 a.test 80 2 1 one two", asked([[
      local six, srv = lb.dns.lookup("app.test", "AAAA")[1], lb.dns.lookup("app.test", "SRV")[1]
      return six.address, srv.target, srv.port, srv.weight, srv.priority, lb.dns.lookup("app.test", "TXT")[1].text]],
      { ["app.test AAAA"] = { wire.aaaa("@", "fd00::1") }, ["app.test SRV"] = { wire.srv("@", 1, 2, 80, "a.test") },
        ["app.test TXT"] = { wire.txt("@", 5, "one ", "two") } }))
  end)

  it("says what is wrong", function()
    assert.equal("nil nxdomain: none.test servfail: bad.test nodata: app.test no name for DNS", asked([[
      local _, none = lb.dns.lookup("none.test", "A")
      local _, bad = lb.dns.lookup("bad.test", "A")
      local _, empty = lb.dns.lookup("app.test", "A")
      local list, wrong = lb.dns.lookup("a..b", "A")
      return list, none, bad, empty, wrong]],
      { ["bad.test A"] = { rcode = 2 }, ["app.test"] = true }))
  end)

  it("raises an error for what is no name and no type", function()
    assert.matches("^nil .*lb.dns.lookup needs a name, not a number .*the type is \"A\", \"AAAA\", \"SRV\" or \"TXT\"",
      asked([[
        local _, name = pcall(lb.dns.lookup, 5, "A")
        local _, kind = pcall(lb.dns.lookup, "a", "MX")
        return nil, name, kind]], {}))
  end)

  it("leaves nothing behind when its client leaves while the server is silent", function()
    start_server { ["app.test A"] = false }
    local lb = asking.start([[return (lb.dns.lookup("app.test", "A"))]],
      { settings = ("discovery = { servers = %q },"):format(server.address) })
    local client = play.client(lb)
    client:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    play.wait("the question", function() return server:count() > 0 end)
    client:close()
    lb:exchange { status = 499 }
  end)
end)
