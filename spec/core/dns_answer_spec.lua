-- Answers of DNS servers, byte by byte: what is read of them, what is not, and whether c-ares' own
-- readers agree.
local compiled = require "spec.support.compiled"
local ffi = require "ffi"
local mutate = require "spec.support.mutate"
local wire = require "spec.support.dns_wire"

ffi.cdef [[
const char *play_dns_read(const char *bytes, size_t length, const char *name, int type);
const char *play_dns_second(const char *bytes, size_t length, int type);
]]

local library = compiled.load "spec/support/dns.c"

local function read(bytes, name, type)
  return ffi.string(library.play_dns_read(bytes, #bytes, name or "app.test", wire.types[type or "A"]))
end

local function second(bytes, type)
  local said = library.play_dns_second(bytes, #bytes, wire.types[type or "A"])
  return said ~= nil and ffi.string(said) or nil
end

local function message(m)
  m.name, m.type = m.name or "app.test", m.type or "A"
  return wire.message(m)
end

local function a(...) return wire.a("@", ...) end

describe("an answer of a DNS server", function()
  local function is(expected, m, name, type)
    assert.equal(expected, read(message(m), name, type or m.type))
  end

  it("gives all addresses, with the smallest TTL", function()
    is("found ttl=3 10.0.0.1 10.0.0.2", { answer = { a("10.0.0.1", 7), a("10.0.0.2", 3) } })
    is("found ttl=9 fd00::1", { type = "AAAA", answer = { wire.aaaa("@", "fd00::1", 9) } })
  end)

  it("takes names in any letter case, and the owner in full", function()
    is("found ttl=5 10.0.0.1", { name = "App.TEST", answer = { wire.a("aPP.test", "10.0.0.1") } })
  end)

  it("passes over records of other names, types and classes", function()
    local chaos = a("10.0.0.9"):gsub("^(..)(..)..", "%1%2\0\3")
    is("found ttl=5 10.0.0.1", { answer = { wire.a("evil.test", "6.6.6.6", 1), a("10.0.0.1"),
      wire.txt("@", 1, "x"), chaos } })
    is("nodata", { answer = { wire.a("evil.test", "6.6.6.6") } })
  end)

  it("passes over addresses in other sections", function()
    is("nodata ttl=4", { authority = { wire.soa("test", 9, 4), a("6.6.6.6") }, additional = { a("6.6.6.6") } })
  end)

  it("follows aliases, in any order, and takes their TTLs", function()
    is("found ttl=2 10.0.0.1", { answer = { wire.cname("@", "b.test", 9), wire.cname("b.test", "c.test", 2),
      wire.a("c.test", "10.0.0.1", 5) } })
    is("found ttl=2 10.0.0.1", { answer = { wire.a("c.test", "10.0.0.1", 5), wire.cname("b.test", "c.test", 2),
      wire.cname("@", "b.test", 9) } })
    is("nodata ttl=6", { answer = { wire.cname("@", "b.test", 9) }, authority = { wire.soa("test", 6) } })
  end)

  it("is garbage if aliases lead round, or further than 16", function()
    is("garbage", { answer = { wire.cname("@", "b.test"), wire.cname("b.test", "@") } })
    is("garbage", { answer = { wire.cname("@", "@") } })
    for _, length in ipairs { 16, 17 } do
      local chain = { wire.cname("@", "n1") }
      for i = 1, length - 1 do chain[#chain + 1] = wire.cname("n" .. i, "n" .. i + 1) end
      chain[#chain + 1] = wire.a("n" .. length, "10.0.0.1")
      is(length == 16 and "found ttl=5 10.0.0.1" or "garbage", { answer = chain })
    end
  end)

  it("says for how long nothing holds: the SOA's minimum, or its TTL", function()
    is("nxdomain ttl=4", { rcode = 3, authority = { wire.soa("test", 4, 60) } })
    is("nxdomain ttl=60", { rcode = 3, authority = { wire.soa("test", 3600, 60) } })
    is("nxdomain", { rcode = 3 })
    is("nodata", {})
  end)

  it("tells errors apart", function()
    is("servfail", { rcode = 2, answer = { a("10.0.0.1") } })
    is("refused", { rcode = 5 })
    is("the server reports an error", { rcode = 1 })
  end)

  it("is not used if it is truncated", function()
    is("truncated", { tc = true, answer = { a("10.0.0.1") } })
  end)

  it("is garbage if it is not the answer to the question", function()
    is("garbage", { name = "other.test", answer = { wire.a("app.test", "10.0.0.1") } }, "app.test")
    is("garbage", { type = "AAAA", answer = { a("10.0.0.1") } }, "app.test", "A")
    is("garbage", { question = false, answer = { wire.a("app.test", "10.0.0.1") } })
    is("garbage", { flags = 0x0100, answer = { a("10.0.0.1") } }) -- a question
    is("garbage", { flags = 0xa980, answer = { a("10.0.0.1") } }) -- another opcode
  end)

  it("is garbage if a record is not what its type says", function()
    is("garbage", { answer = { a("10.0.0.1"), wire.record("@", "A", 5, "123") } })
    is("garbage", { type = "AAAA", answer = { wire.record("@", "AAAA", 5, "123") } })
    is("garbage", { type = "SRV", answer = { wire.record("@", "SRV", 5, "123456") } })
    is("garbage", { type = "SRV", answer = { wire.record("@", "SRV", 5, "123456\192") .. "\12" } })
    is("garbage", { type = "TXT", answer = { wire.record("@", "TXT", 5, "\9short") } })
  end)

  it("is garbage if counts, lengths or pointers lie", function()
    is("garbage", { answer = { a("10.0.0.1") }, counts = { an = 2 } })
    is("garbage", { answer = { a("10.0.0.1"), a("10.0.0.2") }, counts = { an = 1 } })
    -- Its name is a pointer to itself.
    is("garbage", { answer = { "\192\26\0\1\0\1\0\0\0\5\0\4\1\2\3\4" } })
    is("garbage", { answer = { "\192\255\0\1\0\1\0\0\0\5\0\4\1\2\3\4" } })
    local whole = message { answer = { a("10.0.0.1") } }
    for length = 0, #whole - 1 do assert.equal("garbage", read(whole:sub(1, length))) end
  end)

  it("takes a TTL with its highest bit for 0", function()
    is("found ttl=0 10.0.0.1", { answer = { a("10.0.0.1", 2 ^ 31) } })
    is("found ttl=2147483647 10.0.0.1", { answer = { a("10.0.0.1", 2 ^ 31 - 1) } })
  end)

  it("has up to 4,096 records", function()
    local all = {}
    for i = 1, 4000 do all[i] = a(("10.0.%d.%d"):format(math.floor(i / 256), i % 256)) end
    local words = 0
    for _ in read(message { answer = all }):gmatch "%S+" do words = words + 1 end
    assert.equal(4002, words)
    for i = 1, 4097 do all[i] = wire.record("@", 99, 5, "") end
    is("too many records", { answer = all })
  end)

  it("gives priority, weight, port and target of SRV, with the addresses that the server has added", function()
    is("found ttl=5 1/2/80/a.test 2/0/81/ +a.test 10.0.0.1 +x.test fd00::1", { type = "SRV", answer = {
      wire.srv("@", 1, 2, 80, "a.test"), wire.srv("@", 2, 0, 81, ".") },
      additional = { wire.a("a.test", "10.0.0.1"), wire.aaaa("x.test", "fd00::1"), wire.txt("a.test", 5, "no") } })
  end)

  it("joins the strings of TXT", function()
    is("found ttl=5 'abcdef' ''", { type = "TXT", answer = { wire.txt("@", 5, "abc", "def"), wire.txt("@", 5, "") } })
  end)
end)

describe("c-ares' own readers", function()
  local cases = {
    { answer = { a("10.0.0.1"), a("10.0.0.2") } },
    { answer = { wire.cname("@", "b.test"), wire.a("b.test", "10.0.0.1") } },
    { answer = { wire.cname("@", "b.test"), wire.cname("b.test", "c.test"), wire.a("c.test", "10.0.0.1") } },
    { type = "AAAA", answer = { wire.aaaa("@", "fd00::1"), wire.aaaa("@", "::1") } },
    { type = "SRV", answer = { wire.srv("@", 1, 2, 80, "a.test"), wire.srv("@", 1, 0, 81, "b.test") } },
    { type = "TXT", answer = { wire.txt("@", 5, "one", "two"), wire.txt("@", 5, "three") } },
  }

  local function records(said)
    local found = said:match "^found ttl=%d+(.*)$"
    return found and (found:gsub(" %+%S+ %S+", ""))
  end

  it("find the same records", function()
    for _, case in ipairs(cases) do
      local bytes = message(case)
      assert.equal(records(read(bytes, nil, case.type)), second(bytes, case.type))
    end
  end)

  -- A record of another name is theirs, too, so they may have more.
  it("find in mutated answers whatever ours finds, if they find no fault", function()
    local compared = 0
    for number = 1, 30000 do
      local r = mutate.random(tonumber(os.getenv "SEED") or 1, number, 53)
      local case = r:pick(cases)
      local bytes = mutate.mutate(r, message(case), message(r:pick(cases)))
      local ours = records(read(bytes, nil, case.type))
      local theirs = second(bytes, case.type)
      if ours and theirs then
        compared = compared + 1
        for word in ours:gmatch "%S+" do
          assert(theirs:find(word, 1, true), mutate.escaped(bytes) .. ours .. " is not" .. theirs)
        end
      end
    end
    assert.is_true(compared > 3000, compared)
  end)
end)
