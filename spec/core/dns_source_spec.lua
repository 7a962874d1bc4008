-- The sources "dns:" and "srv:" (core/discover/dns.c): what they make of servers that change their
-- mind, fail or misbehave.
local compiled = require "spec.support.compiled"
local ffi = require "ffi"
local loop = require "spec.support.loop"
local uv = require "luv"
local wire = require "spec.support.dns_wire"

ffi.cdef [[
int play_source_begin(const char *text, const char *servers, uint64_t min_ms, uint64_t max_ms);
void play_source_turn(void);
unsigned play_source_published(void);
unsigned play_source_failed(void);
const char *play_source_said(void);
void play_source_end(void);
]]

local library = compiled.load "spec/support/dns_source.c"
local servers, poll

local function server(script)
  servers[#servers + 1] = wire.server(script)
  return servers[#servers]
end

-- Questions come as often as every 10 ms here, whatever the TTL.
local function begin(text, ...)
  local own = {}
  for i, one in ipairs { ... } do own[i] = one.address end
  poll = uv.new_poll(library.play_source_begin(text, table.concat(own, " "), 10, 20))
  poll:start("r", function() library.play_source_turn() end)
end

local function said()
  local text = library.play_source_said()
  return text ~= nil and ffi.string(text) or nil
end

local function wait(expected)
  loop.wait(expected, function()
    library.play_source_turn()
    return said() == expected
  end)
end

-- Hears so many more answers of the kind, and gives the last one.
local function hear(count, what)
  local from = library["play_source_" .. what]()
  loop.wait("another answer", function()
    library.play_source_turn()
    return library["play_source_" .. what]() >= from + count
  end)
  return said()
end

-- zone["app.test A"] = what to answer: a message, false for silence; else the name is not there.
local function zone_server(zone)
  return server(function(question)
    local message = zone[question.name:lower() .. " " .. question.type]
    if message == false then return nil end
    if message == nil then
      return { rcode = zone[question.name:lower()] and 0 or 3, authority = { wire.soa("test", 1) } }
    end
    if type(message) == "string" then return message end
    return { answer = { unpack(message) }, additional = message.additional, rcode = message.rcode }
  end)
end

describe("a source in DNS", function()
  before_each(function() servers = {} end)
  after_each(function()
    if poll then
      poll:close()
      loop.settle()
      library.play_source_end()
      poll = nil
    end
    for _, one in ipairs(servers) do one:close() end
    local failure = loop.clear()
    if failure then error(failure, 0) end
  end)

  it("has all addresses of a name, and follows them", function()
    local zone = { ["app.test A"] = { wire.a("@", "10.0.0.2"), wire.a("@", "10.0.0.1") },
      ["app.test AAAA"] = { wire.aaaa("@", "fd00::1") } }
    begin("dns:app.test:8080", zone_server(zone))
    wait "list 10.0.0.1:8080 10.0.0.2:8080 [fd00::1]:8080"
    zone["app.test A"] = { wire.a("@", "10.0.0.3") }
    wait "list 10.0.0.3:8080 [fd00::1]:8080"
  end)

  it("keeps the addresses of a family while its question fails", function()
    local zone = { ["app.test A"] = { wire.a("@", "10.0.0.1") }, ["app.test AAAA"] = { wire.aaaa("@", "fd00::1") } }
    begin("dns:app.test:80", zone_server(zone))
    wait "list 10.0.0.1:80 [fd00::1]:80"
    zone["app.test AAAA"] = { rcode = 2 }
    zone["app.test A"] = { wire.a("@", "10.0.0.2") }
    wait "list 10.0.0.2:80 [fd00::1]:80"
    zone["app.test AAAA"] = {}
    wait "list 10.0.0.2:80"
  end)

  it("is an empty list if the name is not there, and comes back", function()
    local zone = { ["app.test A"] = { wire.a("@", "10.0.0.1") }, ["app.test"] = true }
    begin("dns:app.test:80", zone_server(zone))
    wait "list 10.0.0.1:80"
    zone["app.test A"], zone["app.test"] = nil, nil
    wait "list"
    zone["app.test A"] = { wire.a("@", "10.0.0.9") }
    wait "list 10.0.0.9:80"
  end)

  it("fails while the server does, and says how", function()
    local zone = { ["app.test A"] = { rcode = 2 }, ["app.test AAAA"] = { rcode = 2 } }
    begin("dns:app.test:80", zone_server(zone))
    wait "failed A and AAAA of app.test: servfail"
    hear(3, "failed")
    zone["app.test A"], zone["app.test AAAA"] = { wire.a("@", "10.0.0.1") }, {}
    wait "list 10.0.0.1:80"
    zone["app.test A"], zone["app.test AAAA"] = { rcode = 5 }, { rcode = 5 }
    wait "failed A and AAAA of app.test: refused"
    zone["app.test A"], zone["app.test AAAA"] = false, false
    wait "failed A and AAAA of app.test: timeout"
  end)

  it("fails if there are too many addresses, and takes none of them", function()
    local four, six = {}, {}
    for i = 1, 4000 do four[i] = wire.a("@", ("10.0.%d.%d"):format(math.floor(i / 256), i % 256)) end
    for i = 1, 100 do six[i] = wire.aaaa("@", ("fd00::%x"):format(i)) end
    begin("dns:app.test:80", zone_server { ["app.test A"] = four, ["app.test AAAA"] = six })
    wait "failed too many addresses: 4096 at most"
  end)

  it("has the targets of SRV, with port, priority and weight", function()
    local zone = { ["_http._tcp.app.test SRV"] = { wire.srv("@", 2, 0, 81, "b.test"),
      wire.srv("@", 0, 5, 80, "a.test") },
      ["a.test A"] = { wire.a("@", "10.0.0.1") }, ["a.test"] = true, ["b.test A"] = { wire.a("@", "10.0.0.2") },
      ["b.test AAAA"] = { wire.aaaa("@", "fd00::2") } }
    begin("srv:_http._tcp.app.test", zone_server(zone))
    wait "list 10.0.0.1:80/0/5 10.0.0.2:81/2/1 [fd00::2]:81/2/1"
    zone["_http._tcp.app.test SRV"] = { wire.srv("@", 0, 1, 80, "b.test") }
    wait "list 10.0.0.2:80 [fd00::2]:80"
    zone["_http._tcp.app.test SRV"] = { wire.srv("@", 0, 0, 0, ".") }
    wait "list"
  end)

  it("does not ask for what came with the SRV records, and takes nothing else of that", function()
    local zone = { ["s.test SRV"] = { wire.srv("@", 0, 1, 80, "a.test"),
      additional = { wire.a("a.test", "10.0.0.1"), wire.aaaa("a.test", "fd00::1"), wire.a("evil.test", "6.6.6.6") } } }
    begin("srv:s.test", zone_server(zone))
    wait "list 10.0.0.1:80 [fd00::1]:80"
    assert.equal(0, servers[1]:count "a.test")
  end)

  it("asks for the other family if only one came with the SRV records", function()
    begin("srv:s.test", zone_server { ["s.test SRV"] = { wire.srv("@", 0, 1, 80, "a.test"),
      additional = { wire.aaaa("a.test", "fd00::1") } }, ["a.test A"] = { wire.a("@", "10.0.0.1") } })
    wait "list 10.0.0.1:80 [fd00::1]:80"
    assert.equal(0, servers[1]:count("a.test", "AAAA"))
  end)

  it("keeps a target that does not resolve if it was there before, and leaves a new one out", function()
    local zone = { ["s.test SRV"] = { wire.srv("@", 0, 1, 80, "a.test"), wire.srv("@", 0, 1, 80, "new.test") },
      ["a.test A"] = { wire.a("@", "10.0.0.1") }, ["a.test AAAA"] = {}, ["new.test A"] = { rcode = 2 },
      ["new.test AAAA"] = { rcode = 2 } }
    begin("srv:s.test", zone_server(zone))
    wait "list 10.0.0.1:80"
    zone["s.test SRV"] = { wire.srv("@", 0, 1, 80, "a.test"), wire.srv("@", 0, 1, 80, "b.test") }
    zone["a.test A"], zone["a.test AAAA"] = { rcode = 2 }, { rcode = 2 }
    zone["b.test A"] = { wire.a("@", "10.0.0.2") }
    wait "list 10.0.0.1:80 10.0.0.2:80"
    zone["a.test A"], zone["a.test AAAA"] = nil, nil
    hear(3, "published")
    assert.equal("list 10.0.0.1:80 10.0.0.2:80", said())
  end)

  it("fails if no target of SRV resolves", function()
    begin("srv:s.test", zone_server { ["s.test SRV"] = { wire.srv("@", 0, 1, 80, "a.test") } })
    wait "failed the targets of s.test: nxdomain"
  end)

  it("is an empty list without SRV records, and fails with the server", function()
    local zone = {}
    begin("srv:s.test", zone_server(zone))
    wait "list"
    zone["s.test SRV"] = { rcode = 2 }
    wait "failed SRV of s.test: servfail"
  end)

  it("refuses the whole list if a port is 0", function()
    begin("srv:s.test", zone_server { ["s.test SRV"] = { wire.srv("@", 0, 1, 80, "a.test"),
      wire.srv("@", 0, 1, 0, "b.test") },
      ["a.test A"] = { wire.a("@", "10.0.0.1") }, ["b.test A"] = { wire.a("@", "10.0.0.2") } })
    loop.wait("the failure", function()
      library.play_source_turn()
      return said()
    end)
    assert.matches("^failed entry 2: .*10%.0%.0%.2:0", said())
  end)

  it("has the addresses of the server that knows the name", function()
    begin("dns:app.test:80", zone_server {}, zone_server { ["app.test A"] = { wire.a("@", "10.0.0.1") } })
    wait "list 10.0.0.1:80"
  end)

  it("has thousands of targets, a few at a time", function()
    local answer, zone = {}, {}
    for i = 1, 1000 do
      answer[i] = wire.srv("@", 0, 1, 80, "t" .. i .. ".test")
      zone[("t%d.test A"):format(i)] = { wire.a("@", ("10.0.%d.%d"):format(math.floor(i / 256), i % 256)) }
      zone[("t%d.test"):format(i)] = true
    end
    zone["s.test SRV"] = answer
    begin("srv:s.test", zone_server(zone))
    assert.equal(1000, select(2, hear(1, "published"):gsub(":80", "")))
    assert.equal(1, servers[1]:count("s.test", "SRV", "tcp"))
  end)
end)
