-- Backends from DNS servers that others wrote: knot, whose zone knsupdate changes, and dnsmasq.
local play = require "spec.support.play"
local uv = require "luv"

local HOST = "127.0.0.1"

local function free_port() -- of UDP and of TCP
  for _ = 1, 100 do
    local tcp, udp = uv.new_tcp(), uv.new_udp()
    assert(tcp:bind(HOST, 0))
    local port = tcp:getsockname().port
    local is_free = udp:bind(HOST, port)
    tcp:close()
    udp:close()
    if is_free then return port end
  end
  error "no port is free for UDP and TCP"
end

local function dig(port, name, type)
  return play.run { "kdig", "+time=1", "+retry=0", "+short", "@" .. HOST, "-p", tostring(port), name, type }.out
end

local ZONE = [[
app.test.      2 IN SOA ns.app.test. root.app.test. 1 3600 600 86400 1
app.test.      2 IN NS ns.app.test.
ns.app.test.   2 IN A 127.0.0.1
]]

-- knot with the zone app.test, which anybody here may update.
local function knot(records)
  local port, folder = free_port(), play.directory()
  play.file("app.test.zone", ZONE .. records)
  local conf = ([[
server:
    listen: 127.0.0.1@%d
    rundir: "%s"
database:
    storage: "%s"
acl:
  - id: anybody
    address: 127.0.0.1
    action: update
zone:
  - domain: app.test
    storage: "%s"
    file: app.test.zone
    zonefile-sync: -1
    journal-content: all
    acl: anybody
]]):format(port, folder, folder, folder)
  local server = play.start { "knotd", "-c", play.file("knot.conf", conf), name = "knot",
    env = { PATH = os.getenv "PATH" .. ":/usr/sbin" } }
  play.wait("knot to answer", function()
    assert(not server.exit, "it has ended")
    return dig(port, "ns.app.test", "A"):find "127.0.0.1"
  end)
  return port, server
end

local function update(port, ...)
  local lines = { ("server %s %d"):format(HOST, port), "zone app.test." }
  for _, line in ipairs { ... } do lines[#lines + 1] = line end
  lines[#lines + 1] = "send\n"
  local run = play.run { "knsupdate", play.file("update", table.concat(lines, "\n")) }
  assert.same({ 0, "" }, { run.code, run.err })
end

-- Backends on one port, each answering with its address.
local function origins(count)
  local list, port = {}, nil
  for i = 1, count do
    local host = "127.0.1." .. i
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

local function start(source, port, settings)
  return play.balancer {
    settings = ([[backends = %q, health = { interval = 0.2, timeout = 5 }, %s
      discovery = { servers = "%s:%d", ttl = { min = 0.2, max = 1 } }]]):format(source, settings or "", HOST, port),
  }
end

local function bodies(lb, requests)
  local seen, list = {}, {}
  for _ = 1, requests do
    local response = lb:fetch "/"
    assert.equal(200, response.status)
    if not seen[response.body] then list[#list + 1] = response.body end
    seen[response.body] = true
  end
  table.sort(list)
  return list
end

local function served_by(lb, ...)
  local wanted = { ... }
  play.wait("answers of " .. table.concat(wanted, " "), function()
    return table.concat(bodies(lb, 3 * #wanted + 3), " ") == table.concat(wanted, " ")
  end)
end

describe("with knot", function()
  after_each(play.curtain)

  it("backends come and go with knsupdate, and no request is lost", function()
    local _, port = origins(3)
    local server = knot "www.app.test. 1 IN A 127.0.1.1\n"
    local lb = start("dns:www.app.test:" .. port, server)
    served_by(lb, "127.0.1.1")
    update(server, "update add www.app.test. 1 A 127.0.1.2", "update add www.app.test. 1 A 127.0.1.3")
    served_by(lb, "127.0.1.1", "127.0.1.2", "127.0.1.3")
    update(server, "update delete www.app.test. A 127.0.1.1")
    served_by(lb, "127.0.1.2", "127.0.1.3")
  end)

  it("a zone without the name changes nothing, and the log says how it would", function()
    local _, port = origins(2)
    local server = knot "www.app.test. 1 IN A 127.0.1.1\nwww.app.test. 1 IN A 127.0.1.2\n"
    local lb = start("dns:www.app.test:" .. port, server)
    served_by(lb, "127.0.1.1", "127.0.1.2")
    update(server, "update delete www.app.test. A")
    assert.matches("discovery%.min", lb:event("discovery_kept").message)
    served_by(lb, "127.0.1.1", "127.0.1.2")
    -- Nothing of before stands in the way: the negative TTL is 1 s.
    update(server, "update add www.app.test. 1 A 127.0.1.2")
    lb:event("discovery_list", { removed = 1 })
    served_by(lb, "127.0.1.2")
  end)

  it("SRV records give ports and weights, and follow updates", function()
    local list = origins(2)
    local other = play.hello("other", { host = "127.0.1.1" })
    local server = knot(("a.app.test. 1 IN A 127.0.1.1\nb.app.test. 1 IN A 127.0.1.2\n" ..
      "_http._tcp.app.test. 1 IN SRV 0 1 %d a.app.test.\n_http._tcp.app.test. 1 IN SRV 0 1 %d b.app.test.\n")
      :format(list[1].port, list[2].port))
    local lb = start("srv:_http._tcp.app.test", server)
    served_by(lb, "127.0.1.1", "127.0.1.2")
    update(server, ("update add _http._tcp.app.test. 1 SRV 0 1 %d a.app.test."):format(other.port))
    served_by(lb, "127.0.1.1", "127.0.1.2", "other")
  end)

  it("a server that stands still, and packets that are dropped, change nothing", function()
    local _, port = origins(2)
    local server, process = knot "www.app.test. 1 IN A 127.0.1.1\nwww.app.test. 1 IN A 127.0.1.2\n"
    local lb = start("dns:www.app.test:" .. port, server)
    served_by(lb, "127.0.1.1", "127.0.1.2")
    process:signal "sigstop"
    assert.matches("timeout", lb:event("discovery_failed").message)
    served_by(lb, "127.0.1.1", "127.0.1.2")
    process:signal "sigcont"
    lb:event "discovery_back"
    for _, kind in ipairs { "udp", "tcp" } do
      local run = play.run { "iptables", "-w", "-A", "INPUT", "-p", kind, "--dport", tostring(server), "-j", "DROP",
        env = { PATH = os.getenv "PATH" .. ":/usr/sbin" } }
      assert.same({ 0, "" }, { run.code, run.err })
    end
    lb:event("discovery_failed", {}, 2)
    served_by(lb, "127.0.1.1", "127.0.1.2")
    play.run { "iptables", "-w", "-F", "INPUT", env = { PATH = os.getenv "PATH" .. ":/usr/sbin" } }
    lb:event("discovery_back", {}, 2)
  end)
end)

describe("with dnsmasq", function()
  after_each(play.curtain)

  it("40 addresses are 40 backends, over TCP as the answer is truncated", function()
    local _, port = origins(40)
    local dns, words, wanted = free_port(), {}, {}
    for i = 1, 40 do
      words[i] = "--host-record=www.app.test,127.0.1." .. i
      wanted[i] = "127.0.1." .. i
    end
    table.sort(wanted)
    local server = play.start {
      "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-hosts", "--no-resolv", "--local=/app.test/",
      "--listen-address=" .. HOST, "--bind-interfaces", "--port=" .. dns, "--local-ttl=1", "--edns-packet-max=512",
      "--user=", "--pid-file=", name = "dnsmasq", env = { PATH = os.getenv "PATH" .. ":/usr/sbin" }, unpack(words),
    }
    play.wait("dnsmasq to answer", function()
      assert(not server.exit, table.concat(server.err, "\n"))
      return dig(dns, "www.app.test", "A"):find "127.0.1.40"
    end)
    local cut = play.run { "kdig", "+time=1", "+ignore", "+noedns", "@" .. HOST, "-p", tostring(dns), "www.app.test" }
    assert.matches("Flags: [%w ]*tc", cut.out)
    local lb = start("dns:www.app.test:" .. port, dns)
    served_by(lb, unpack(wanted))
  end)
end)
