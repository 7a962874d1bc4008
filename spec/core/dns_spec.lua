-- Lookups (core/dial/dns.c), from servers that follow the rules and from servers that do not.
local compiled = require "spec.support.compiled"
local ffi = require "ffi"
local loop = require "spec.support.loop"
local uv = require "luv"
local wire = require "spec.support.dns_wire"

ffi.cdef [[
int play_dns_begin(const char *path, const char *servers);
void play_dns_turn(void);
void play_dns_ask(int i, const char *name, int type, int other);
void play_dns_cancel(int i);
const char *play_dns_answer(int i);
void play_dns_end(void);
]]

local library = compiled.load "spec/support/dns.c"
local servers, path, poll

local function server(script)
  servers[#servers + 1] = wire.server(script)
  return servers[#servers]
end

local function write(text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

-- Servers with ports of their own can stand in settings only, so resolv.conf has the rest.
local function begin(conf, ...)
  local own = {}
  for i, one in ipairs { ... } do own[i] = type(one) == "string" and one or one.address end
  write(conf or "options timeout:1 attempts:2\n")
  poll = uv.new_poll(library.play_dns_begin(path, #own > 0 and table.concat(own, " ") or nil))
  poll:start("r", function() library.play_dns_turn() end)
end

local function finish() -- the poll first: the next socket may have the same number
  poll:close()
  loop.settle()
  library.play_dns_end()
  poll = nil
end

local function wait(i)
  return ffi.string(loop.wait("an answer", function()
    library.play_dns_turn()
    local said = library.play_dns_answer(i or 0)
    return said ~= nil and said or nil
  end))
end

local function ask(name, type, other, i)
  library.play_dns_ask(i or 0, name, wire.types[type or "A"], other and wire.types[other] or 0)
end

local function look(name, type, other, i)
  ask(name, type, other, i)
  return wait(i)
end

local function one(address, ttl)
  return function(question)
    return { answer = question.type == "A" and { wire.a("@", address, ttl) } or {} }
  end
end

describe("a lookup", function()
  before_each(function()
    servers, path = {}, os.tmpname()
  end)
  after_each(function()
    if poll then finish() end
    for _, one_server in ipairs(servers) do one_server:close() end
    os.remove(path)
    local failure = loop.clear()
    if failure then error(failure, 0) end
  end)

  it("gives what the server answers", function()
    begin(nil, server(one("10.0.0.1", 7)))
    assert.equal("found ttl=7 10.0.0.1 | app.test", look "app.test")
  end)

  it("asks for A and AAAA together", function()
    begin(nil, server(one "10.0.0.1"))
    assert.equal("found ttl=5 10.0.0.1 | nodata | app.test", look("app.test", "A", "AAAA"))
    assert.equal(2, #servers[1].asked)
  end)

  it("asks over TCP if the answer is truncated, and has all of it", function()
    local all = {}
    for i = 1, 2000 do all[i] = wire.a("@", ("10.0.%d.%d"):format(math.floor(i / 256), i % 256)) end
    begin(nil, server(function() return { answer = { unpack(all) } } end))
    local _, count = look("app.test"):gsub("10%.0%.", "")
    assert.equal(2000, count)
    assert.equal(1, servers[1]:count("app.test", "A", "tcp"))
  end)

  it("fails if the answer is truncated and TCP is silent", function()
    begin("options timeout:1 attempts:1", server(function(question)
      return question.over == "udp" and { tc = true, answer = { wire.a("@", "10.0.0.1") } } or nil
    end))
    assert.equal("timeout | app.test", look "app.test")
  end)

  it("does not take an answer over TCP that is truncated, too", function()
    begin(nil, server(function() return { tc = true, answer = { wire.a("@", "10.0.0.1") } } end))
    assert.equal("truncated | app.test", look "app.test")
  end)

  it("asks a silent server twice", function()
    begin("options timeout:1 attempts:2", server(function() end))
    assert.equal("timeout | app.test", look "app.test")
    assert.equal(2, servers[1]:count())
  end)

  it("says that nobody is there", function()
    local gone = server(function() end)
    gone:close()
    begin(nil, gone)
    assert.equal("unreachable | app.test", look "app.test")
  end)

  it("asks the next server if one is silent or fails, and then that one first", function()
    local answers = {
      silent = function() end,
      failing = function() return { rcode = 2 } end,
      refusing = function() return { rcode = 5 } end,
      broken = function(question)
        return question.bytes:sub(1, 2) .. "\129\128\0\1\0\9\0\0\0\0" .. question.bytes:sub(13)
      end,
    }
    for _, kind in ipairs { "silent", "failing", "refusing", "broken" } do
      local bad, good = server(answers[kind]), server(one "10.0.0.1")
      begin("options timeout:1", bad, good)
      assert.equal("found ttl=5 10.0.0.1 | app.test", look "app.test")
      assert.equal("found ttl=5 10.0.0.1 | app.test", look "app.test")
      assert.equal(kind .. (kind == "silent" and 1 or 2), kind .. bad:count())
      finish()
    end
  end)

  it("asks the next server of the settings if one has nothing", function()
    for _, nothing in ipairs { {}, { rcode = 3 } } do
      local empty, good = server(function() return { rcode = nothing.rcode } end), server(one "10.0.0.1")
      begin(nil, empty, good)
      assert.equal("found ttl=5 10.0.0.1 | app.test", look "app.test")
      finish()
    end
  end)

  it("finds nothing only if all servers of the settings say so", function()
    local nothing = function() return { rcode = 3, authority = { wire.soa("test", 4) } } end
    begin(nil, server(nothing), server(nothing))
    assert.equal("nxdomain ttl=4 | app.test", look "app.test")
    finish()
    begin(nil, server(nothing), server(function() return { rcode = 2 } end))
    assert.equal("servfail | app.test", look "app.test")
  end)

  it("asks by the search list, and keeps to the name that it has found", function()
    local failing = false
    begin("search one.test two.test\noptions ndots:2\n", server(function(question)
      if question.name == "app.two.test" then
        return failing and { rcode = 2 } or { answer = { wire.a("@", "10.0.0.2") } }
      end
      return { rcode = 3, authority = { wire.soa("test", 4) } }
    end))
    assert.equal("found ttl=5 10.0.0.2 | app.two.test", look "app")
    assert.equal(1, servers[1]:count "app.one.test")
    assert.equal("found ttl=5 10.0.0.2 | app.two.test", look "app")
    assert.equal(1, servers[1]:count "app.one.test")
    failing = true
    assert.equal("servfail | app.two.test", look "app")
    assert.equal(0, servers[1]:count "app")
    assert.equal("nxdomain ttl=4 | app.test", look("app.test.", "A", nil, 1))
    assert.equal("nxdomain ttl=4 | a.b.c.two.test", look("a.b.c", "A", nil, 2))
  end)

  it("ends with a failure if a server has failed for one of the names", function()
    begin("search one.test\noptions ndots:2", server(function(question)
      return { rcode = question.name == "app.one.test" and 2 or 3 }
    end))
    assert.equal("servfail | app", look "app")
  end)

  it("passes over answers to other questions, with another id or from another port", function()
    local later
    begin(nil, server(function(question)
      later = question
      return wire.message { id = (question.id + 1) % 65536, name = question.name, type = "A",
        answer = { wire.a("@", "6.6.6.6") } }
    end))
    ask "app.test"
    loop.wait("the question", function()
      library.play_dns_turn()
      return later
    end)
    local stranger = uv.new_udp()
    local function send(udp, m)
      m.id, m.type = later.id, "A"
      udp:send(wire.message(m), "127.0.0.1", later.from, function() end)
    end
    send(stranger, { name = "app.test", answer = { wire.a("@", "6.6.6.6") } })
    send(servers[1].udp, { name = "other.test", answer = { wire.a("@", "6.6.6.6") } })
    for _ = 1, 20 do
      loop.settle()
      library.play_dns_turn()
    end
    send(servers[1].udp, { name = "app.test", answer = { wire.a("@", "10.0.0.1") } })
    assert.equal("found ttl=5 10.0.0.1 | app.test", wait())
  end)

  it("has other ids and ports for each question", function()
    begin(nil, server(one "10.0.0.1"))
    local ids, ports, kinds = {}, {}, 0
    for _ = 1, 20 do
      look "app.test"
      local question = servers[1].asked[#servers[1].asked]
      kinds = kinds + (ids[question.id] and 0 or 1) + (ports[question.from] and 0 or 1)
      ids[question.id], ports[question.from] = true, true
    end
    assert.is_true(kinds > 34, kinds)
  end)

  it("is cancelled in silence, at any time", function()
    local asked = false
    begin(nil, server(function() asked = true end))
    ask "app.test"
    loop.wait("the question", function()
      library.play_dns_turn()
      return asked
    end)
    library.play_dns_cancel(0)
    ask("other.test", "A", "AAAA", 1)
    library.play_dns_cancel(1)
    library.play_dns_cancel(1)
    assert.is_true(library.play_dns_answer(0) == nil)
  end)

  it("reads resolv.conf again when it has changed, between questions and within one", function()
    begin("search one.test\noptions ndots:2", server(one "10.0.0.1"))
    assert.equal("found ttl=5 10.0.0.1 | app.one.test", look "app")
    write "search two.test and.more\noptions ndots:2"
    loop.wait("the new search list", function() return look "app" == "found ttl=5 10.0.0.1 | app.two.test" end)
  end)

  it("waits for no server that resolv.conf no longer names", function()
    begin("options timeout:30 attempts:2", server(function(question)
      return question.name ~= "silent.test" and { answer = { wire.a("@", "10.0.0.1") } } or nil
    end))
    ask("silent.test", "A", nil, 1)
    write "options timeout:1 attempts:2 ndots:1"
    loop.wait("both", function()
      look "app.test"
      return library.play_dns_answer(1) ~= nil
    end)
    assert.equal("timeout | silent.test", wait(1))
  end)
end)
