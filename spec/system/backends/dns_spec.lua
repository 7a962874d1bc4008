-- Backends from DNS, "dns:" and "srv:", from a server that the spec scripts.
local play = require "spec.support.play"
local wire = require "spec.support.dns_wire"

local server

-- zone["app.test A"] = records; false: silence; nil: there is no such name.
local function start_server(zone)
  server = wire.server(function(question)
    local records = zone[question.name:lower() .. " " .. question.type]
    if records == false then return nil end
    if records then return { answer = { unpack(records) }, rcode = records.rcode } end
    return { rcode = zone[question.name:lower()] and 0 or 3, authority = { wire.soa("test", 1) } }
  end)
end

-- As many as there are hosts, all on one port; each answers with its host.
local function origins(...)
  local list, port = {}, nil
  for i, host in ipairs { ... } do
    list[i] = play.hello(host, { host = host })
    if port then
      list[i]:stop()
      list[i].port = port
      list[i]:start()
    end
    port = list[i].port
  end
  return list, port
end

local function start(source, options)
  options = options or {}
  return play.balancer {
    settings = ([[backends = "%s", health = { interval = 0.2, timeout = 5 },
      discovery = { servers = "%s", ttl = { min = 0.05, max = 0.1 }, %s }, %s]])
      :format(source, server.address, options.discovery or "", options.settings or ""),
    may_fail = options.may_fail,
  }
end

-- Waits until requests are answered by these, and by nobody else, in 12 in a row.
local function served_by(lb, ...)
  local wanted = table.concat({ ... }, " ")
  play.wait("answers of " .. wanted, function()
    local seen, list = {}, {}
    for _ = 1, 12 do
      local body = lb:fetch("/").body
      if not seen[body] then list[#list + 1] = body end
      seen[body] = true
    end
    table.sort(list)
    return table.concat(list, " ") == wanted
  end)
end

describe("backends from DNS", function()
  after_each(function()
    if server then server:close() end
    server = nil
    play.curtain()
  end)

  it("are all addresses of a name, as they come and go", function()
    local _, port = origins("127.0.0.2", "127.0.0.3", "127.0.0.4")
    local zone = { ["app.test A"] = { wire.a("@", "127.0.0.2"), wire.a("@", "127.0.0.3") }, ["app.test"] = true }
    start_server(zone)
    local lb = start("dns:app.test:" .. port)
    served_by(lb, "127.0.0.2", "127.0.0.3")
    zone["app.test A"] = { wire.a("@", "127.0.0.3"), wire.a("@", "127.0.0.4") }
    served_by(lb, "127.0.0.3", "127.0.0.4")
  end)

  it("are the targets of SRV records, each with its port", function()
    local one, two = play.hello("one", { host = "127.0.0.2" }), play.hello("two", { host = "127.0.0.3" })
    start_server { ["_http._tcp.app.test SRV"] = { wire.srv("@", 0, 1, one.port, "a.test"),
      wire.srv("@", 0, 1, two.port, "b.test") }, ["a.test A"] = { wire.a("@", "127.0.0.2") },
      ["b.test A"] = { wire.a("@", "127.0.0.3") }, ["a.test"] = true, ["b.test"] = true }
    served_by(start "srv:_http._tcp.app.test", "one", "two")
  end)

  it("stay while the name has none, and while the server fails or is silent", function()
    local _, port = origins("127.0.0.2", "127.0.0.3")
    local records = { wire.a("@", "127.0.0.2"), wire.a("@", "127.0.0.3") }
    local zone = { ["app.test A"] = records, ["app.test AAAA"] = {} }
    start_server(zone)
    local lb = start("dns:app.test:" .. port)
    served_by(lb, "127.0.0.2", "127.0.0.3")
    zone["app.test A"] = {}
    lb:event("discovery_kept", { source = "dns:app.test:" .. port })
    zone["app.test A"], zone["app.test AAAA"] = { rcode = 2 }, { rcode = 2 }
    assert.matches("servfail", lb:event("discovery_failed", { source = "dns:app.test:" .. port }).message)
    zone["app.test A"], zone["app.test AAAA"] = false, false
    local asked = server:count()
    play.wait("another question", function() return server:count() > asked end)
    served_by(lb, "127.0.0.2", "127.0.0.3")
  end)

  for _, case in ipairs {
    { "dns:app.test", "port" }, { "dns:10.0.0.1:80", "DNS is asked for names" }, { "srv:", "missing" },
    { "srv:a b", "letters" }, { "dns:app.test:0", "port" },
  } do
    it(("are not taken from '%s'"):format(case[1]), function()
      local path = play.file("wrong.lua", ("return { backends = { %q } }\n"):format(case[1]))
      local run = play.run(play.command { "check", path })
      assert.not_equal(0, run.status)
      assert.matches(case[2], run.err)
    end)
  end
end)
