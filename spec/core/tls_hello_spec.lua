-- What a TLS client says first, byte by byte: which site it wants, and which bytes are no hello.
local hello = require "spec.support.hello"
local mutated_hellos = require "spec.support.mutated_hellos"

local TLS_1_2, TLS_1_3, OLDER = 2, 4, 1
local GREASE = 0x0a0a

local function ready(bytes)
  local step, seen = hello.read(bytes)
  assert.equal("ready", step, seen.why)
  return seen
end

local function refused(bytes)
  local step, seen = hello.read(bytes)
  assert.equal("bad", step)
  return seen.why, seen.alert
end

local function named(name) return ready(hello.records(hello.message { name = name })).name end

local USUAL = hello.message {
  name = "shop.example", alpn = { "h2", "http/1.1" }, versions = { GREASE, 0x0304, 0x0303 },
  session = ("s"):rep(32), suites = "\10\10\19\1\19\2\192\43",
  extensions = { hello.extension(GREASE, ""), hello.extension(35, "ticket"), hello.extension(0x1a1a, "\0") },
}

describe("a ClientHello", function()
  it("says what its client wants", function()
    local bytes = hello.records(USUAL)
    assert.same({
      length = #bytes, name = "shop.example", alpn = { "h2", "http/1.1" }, versions = TLS_1_2 + TLS_1_3,
      has_alpn = true, early_data = false, psk = false, ticket = true,
    }, ready(bytes))
    assert.is_true(hello.offers "http/1.1")
    assert.is_false(hello.offers "http/1.0")
  end)

  it("is not whole before its last byte, and the same however its records cut it", function()
    local whole = ready(hello.records(USUAL))
    for _, size in ipairs { 1, 2, 3, 4, 5, 7, 64, #USUAL - 1, #USUAL } do
      local bytes = hello.records(USUAL, size)
      for length = 0, #bytes - 1 do assert.same({ length, "more" }, { length, (hello.read(bytes:sub(1, length))) }) end
      local seen = ready(bytes)
      assert.equal(#bytes, seen.length)
      seen.length = whole.length
      assert.same(whole, seen)
    end
  end)

  it("ends where its record does, and what is behind that is not its", function()
    local bytes = hello.records(USUAL)
    assert.equal(#bytes, ready(bytes .. "\20\3\3\0\1\1").length)
    assert.equal(#bytes, ready(bytes .. ("x"):rep(40000)).length)
    assert.equal("bytes behind a ClientHello in its record", (refused(hello.records(USUAL .. "\1"))))
  end)

  it("may have no extensions", function()
    assert.same({
      length = 52, name = "", alpn = {}, versions = TLS_1_2 + OLDER, has_alpn = false, early_data = false,
      psk = false, ticket = false,
    }, ready(hello.records(hello.message { extensions = false })))
    assert.equal("", ready(hello.records(hello.message {})).name)
  end)

  it("offers the versions of its list, else those up to its own, 1.2 at most", function()
    local function versions(options) return ready(hello.records(hello.message(options))).versions end
    assert.equal(OLDER, versions { version = 0x0301 })
    assert.equal(OLDER + TLS_1_2, versions { version = 0x0303 })
    assert.equal(OLDER + TLS_1_2, versions { version = 0x0304 })
    assert.equal(TLS_1_3, versions { versions = { 0x0304 } })
    assert.equal(TLS_1_2 + OLDER, versions { versions = { 0x0302, 0x0303 } })
    assert.equal(0, versions { versions = { GREASE, 0x7f1c } })
  end)

  it("says whether it resumes, and sends data early", function()
    local seen = ready(hello.records(hello.message {
      extensions = { hello.extension(42, ""), hello.extension(41, "identities") },
    }))
    assert.same({ true, true }, { seen.early_data, seen.psk })
    assert.is_false(ready(hello.records(hello.message { extensions = { hello.extension(35, "") } })).ticket)
  end)

  it("keeps whole names of a long list of protocols, as many as there is room for", function()
    local long = ("p"):rep(255)
    assert.same({ long }, ready(hello.records(hello.message { alpn = { long, "http/1.1" } })).alpn)
    assert.same({ "a" }, ready(hello.records(hello.message { alpn = { "a", long, "b" } })).alpn)
  end)
end)

describe("the name in a ClientHello", function()
  it("is in lower case, without a dot at its end", function()
    assert.equal("shop.example", named "Shop.EXAMPLE")
    assert.equal("shop.example", named "shop.example.")
    assert.equal("localhost", named "localhost")
    assert.equal("_a.xn--bcher-kva.example", named "_a.xn--bcher-kva.example")
    local long = (("a"):rep(63) .. "."):rep(3) .. ("a"):rep(61)
    assert.equal(long, named(long))
  end)

  it("is none if it is an address, or no host name", function()
    for _, name in ipairs { "192.0.2.1", "[2001:db8::1]", "2001:db8::1", "10.1", "a..b", ".a", "a b", "a_/b", "-a.b",
      "a-.b", "*.example.com", ".", "a\0b", "b\195\188cher.example", ("a"):rep(64) .. ".b", ("a."):rep(127) .. "aa",
      "a.b:443" } do
      assert.same({ name, "" }, { name, named(name) })
    end
  end)

  it("is one", function()
    local two = hello.extension(0, hello.piece(2, hello.server_name "a.b" .. hello.server_name "c.d"))
    assert.same({ "a malformed extension", 50 }, { refused(hello.records(hello.message { extensions = { two } })) })
    local again = hello.extension(0, hello.piece(2, hello.server_name "a.b"))
    assert.same({ "an extension twice", 47 },
      { refused(hello.records(hello.message { name = "a.b", extensions = { again } })) })
    local other = hello.extension(0, hello.piece(2, hello.server_name("a.b", 1)))
    assert.equal("a malformed extension", (refused(hello.records(hello.message { extensions = { other } }))))
  end)
end)

describe("what is no ClientHello", function()
  it("is plain HTTP by its first byte", function()
    for _, text in ipairs { "GET / HTTP/1.1\r\n", "PRI * HTTP/2.0", "\r\nGET", "\n", "get", "PROXY TCP4 " } do
      assert.equal("not tls", (hello.read(text)))
      assert.equal("not tls", (hello.read(text:sub(1, 1))))
    end
  end)

  it("is refused with the first byte that none can have", function()
    local cases = {
      { "\128\46\1\3\1", 1, "a record that is no handshake", 10 },  -- SSL 2
      { "\21\3\3\0\2\2\40", 1, "a record that is no handshake", 10 },
      { "\22\2\1", 2, "a record of an unknown version", 70 },
      { "\22\3\1\0\0", 5, "a record with a wrong length", 50 },
      { "\22\3\1\64\1", 5, "a record with a wrong length", 50 },
      { "\22\3\1\0\5\2", 6, "a message that is no ClientHello", 10 },
      { "\22\3\1\0\2\1\0\23", 8, "a record that is no handshake", 10 },
      { "\22\3\1\2\0\1\0\64\0", 9, "a ClientHello above 16 KiB", 47 },
    }
    for _, case in ipairs(cases) do
      local bytes, at, why, alert = unpack(case)
      assert.equal("more", (hello.read(bytes:sub(1, at - 1))))
      assert.same({ why, alert }, { refused(bytes:sub(1, at)) })
      assert.same({ why, alert }, { refused(bytes .. ("\0"):rep(100)) })
    end
  end)

  it("has lengths that lie", function()
    local function wrong(options, edit)
      local message = hello.message(options)
      return (refused(hello.records(edit and edit(message) or message)))
    end
    -- The message's own length: less than there is, and more than its parts say.
    assert.equal("bytes behind a ClientHello in its record", wrong({ length = 40 }))
    assert.equal("a ClientHello with a wrong length",
      wrong({}, function(m) return "\1" .. hello.piece(3, m:sub(5) .. "\0") end))
    assert.equal("a malformed ClientHello", wrong({}, function(m) return "\1" .. hello.piece(3, m:sub(5, 30)) end))
    assert.equal("a malformed ClientHello", wrong { session = ("s"):rep(33) })
    assert.equal("a malformed ClientHello", wrong { suites = "" })
    assert.equal("a malformed ClientHello", wrong { suites = "\19\1\19" })
    assert.equal("a malformed ClientHello", wrong { compressions = "" })
    assert.equal("a ClientHello that wants compression", wrong { compressions = "\1" })
    assert.equal("a ClientHello of an unknown version", wrong { version = 0x0203 })
    assert.equal("a malformed list of extensions", wrong { extensions = { "\0\16\255\255" } })
    assert.equal("a malformed list of extensions", wrong { extensions = { "\0" } })
    for _, extension in ipairs {
      hello.extension(0, ""), hello.extension(0, "\0\0"), hello.extension(0, "\0\3\0\0\0"),
      hello.extension(0, "\0\9\0\0\3a.b"), hello.extension(0, "\0\6\0\0\3a.bc"), hello.extension(16, ""),
      hello.extension(16, "\0\0"), hello.extension(16, "\0\1\0"), hello.extension(16, "\0\3\3h2"),
      hello.extension(43, ""), hello.extension(43, "\0"), hello.extension(43, "\3\3\4\3"),
      hello.extension(43, "\4\3\4"), hello.extension(42, "x"),
    } do
      assert.equal("a malformed extension", wrong { extensions = { extension } })
    end
    assert.equal("an extension behind pre_shared_key",
      wrong { extensions = { hello.extension(41, "x"), hello.extension(42, "") } })
  end)

  it("is larger than 16 KiB, its records' headers included", function()
    local function padded(bytes, size)
      local message = hello.message { extensions = { hello.extension(21, ("\0"):rep(bytes)) } }
      return hello.records(message, size), #message
    end
    local _, plain = padded(0)
    local most = hello.BYTES_MAX - 5 - plain
    assert.equal(hello.BYTES_MAX, ready((padded(most))).length)
    assert.same({ "a ClientHello above 16 KiB", 47 }, { refused((padded(most + 1))) })
    assert.equal("a ClientHello above 16 KiB", (refused((padded(most, 8000)))))
    assert.equal("a ClientHello above 16 KiB", (refused((padded(6000, 1)))))
    assert.equal("more", (hello.read(padded(6000, 1):sub(1, hello.BYTES_MAX - 1))))
  end)
end)

describe("mutated ClientHellos", function()
  it("are read as a second reader reads them, however they are cut", function()
    local findings, counts = mutated_hellos.run { seed = 1, from = 1, to = 20000 }
    local list = {}
    for i, one in ipairs(findings) do list[i] = ("hellos:%d:%d %s"):format(one.seed, one.number, one.what) end
    assert.same({}, list)
    assert.is_true(counts.ready > 2000 and counts.bad > 2000 and counts.more > 200, counts.ready)
  end)
end)
