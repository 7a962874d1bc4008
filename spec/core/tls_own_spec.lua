-- Records of lb's own behind OpenSSL's handshake: with OpenSSL as the client, and compared with
-- what OpenSSL as the server makes of the same bytes.
local ffi = require "ffi"
local core = require "spec.support.core"
local own_records = require "spec.support.own_records"
local records = require "spec.support.records"

local SUITES = { 0x1301, 0x1302, 0x1303 }
local ALERT, HANDSHAKE, DATA = "\21", "\22", "\23"
local UPDATE, UPDATE_ASKS = "\24\0\0\1\0" .. HANDSHAKE, "\24\0\0\1\1" .. HANDSHAKE
local CLOSE_NOTIFY = "\1\0" .. ALERT
local LARGEST = 16384

describe("records of lb's own", function()
  after_each(function()
    local out = core.tls_wire.out
    out.start, out["end"] = 0, 0
  end)

  local function forged(pair, ...)
    local list = {}
    for i, inner in ipairs { ... } do
      list[i] = records.forge(pair.keys, inner)
      if inner:sub(1, 4) == "\24\0\0\1" then core.tls_keys_update(pair.keys) end
    end
    return table.concat(list)
  end

  for _, suite in ipairs(SUITES) do
    it(("are understood by OpenSSL, and understand it, behind each number of tickets: %x"):format(suite), function()
      for tickets = 0, 4 do
        local pair = own_records.begin { suite = suite, tickets = tickets }
        assert.is_not_nil(pair.own)
        for _, length in ipairs { 1, 100, 3000, LARGEST, 1 } do
          local text = ("t"):rep(length)
          pair:send(text)
          assert.same({ text, "more" }, { pair:open(pair:sent()) })
          assert.is_true(pair:seal(text))
          assert.same({ text, "more" }, { pair:tell(pair.sealed()) })
        end
        pair:seal_end()
        assert.is_false(pair:seal "more")
        assert.same({ "", "end" }, { pair:tell(pair.sealed()) })
      end
    end)
  end

  it("follow a handshake that resumed a session", function()
    local first = own_records.begin {}
    assert.equal("more", select(2, first:tell "")) -- it reads the ticket
    local pair = own_records.begin { session = first:session() }
    assert.is_true(pair.was_resumed)
    pair:send "hello"
    assert.same({ "hello", "more" }, { pair:open(pair:sent()) })
    assert.is_true(pair:seal "world")
    assert.same({ "world", "more" }, { pair:tell(pair.sealed()) })
  end)

  it("follow a handshake in which the client was asked for another key", function()
    assert.equal(1, own_records.begin({}).flights)
    local pair = own_records.begin { retry = true }
    assert.equal(2, pair.flights)
    pair:send "hello"
    assert.same({ "hello", "more" }, { pair:open(pair:sent()) })
    assert.is_true(pair:seal "world")
    assert.same({ "world", "more" }, { pair:tell(pair.sealed()) })
  end)

  it("begin with the bytes behind Finished, of which OpenSSL has read none", function()
    local pair = own_records.begin { early = "early" }
    assert.same({ "early", "more" }, { pair:open(pair:left()) })
  end)

  it("leave TLS 1.2 to OpenSSL, and a handshake that wrote what is no ticket", function()
    assert.is_nil(own_records.begin({ version = "1.2" }).own)
    local pair = own_records.begin {}
    local ticket = pair.wrote
    for _, wrote in ipairs { "x", ticket .. "\21\3\3\0\2\1\0", ticket:sub(1, -2), "\22" .. ticket:sub(2) } do
      assert.is_false(core.tls_own_take(pair.own, pair.server.ssl, ffi.new("struct slice", wrote, #wrote)))
    end
  end)

  it("leave short records to OpenSSL, if the client asks for them, when it resumes, too", function()
    local first = own_records.begin { short = true }
    assert.is_nil(first.own)
    assert.equal("more", select(2, first:tell(first.wrote)))
    local pair = own_records.begin { short = true, session = first:session() }
    assert.is_true(pair.was_resumed)
    assert.is_nil(pair.own)
  end)

  it("are the same however their bytes come", function()
    local pair = own_records.begin {}
    for _, size in ipairs { 1, 2, 3, 4, 5, 6, 7, 21, 22, 23, 1000, 20000 } do
      pair:send "one"
      pair:send(("2"):rep(5000))
      pair:send "three"
      local bytes, got = pair:sent(), {}
      for at = 1, #bytes, size do
        local plain, outcome = pair:open(bytes:sub(at, at + size - 1))
        assert.equal("more", outcome)
        got[#got + 1] = plain
      end
      assert.is_true(table.concat(got) == "one" .. ("2"):rep(5000) .. "three")
      assert.is_true(pair.own.part.bytes == nil)
    end
  end)

  describe("change their keys", function()
    it("when the client does, and answer it if it asks for that", function()
      local pair = own_records.begin {}
      for i = 1, 8 do
        pair:update(i % 2 == 0)
        pair:send("after " .. i)
        assert.same({ "after " .. i, "more" }, { pair:open(pair:sent()) })
        local answer = pair.sealed()
        assert.equal(i % 2 == 0 and 5 + 5 + 17 or 0, #answer)
        assert.is_true(pair:seal "reply")
        assert.same({ "reply", "more" }, { pair:tell(answer .. pair.sealed()) })
      end
    end)

    it("after 2^24 records of one key", function()
      local pair = own_records.begin {}
      local reader = records.keys(0x1302, ffi.string(pair.own.out.secret, 48))
      pair.own.out.sequence = 2 ^ 24 - 1
      reader.sequence = 2 ^ 24 - 1
      local sealed = {}
      for i = 1, 3 do
        assert.is_true(pair:seal("x"))
        sealed[i] = pair.sealed()
      end
      assert.same({ 23, "x" }, { records.open(reader, sealed[1]) })
      local update = sealed[2]:sub(1, records.measure(sealed[2]))
      assert.same({ 22, "\24\0\0\1\0" }, { records.open(reader, update) })
      assert.is_true(core.tls_keys_update(reader))
      assert.same({ 23, "x" }, { records.open(reader, sealed[2]:sub(#update + 1)) })
      assert.same({ 23, "x" }, { records.open(reader, sealed[3]) })
    end)

    it("16 times a minute at most", function()
      local pair = own_records.begin {}
      local updates = {}
      for i = 1, 16 do updates[i] = UPDATE_ASKS end
      assert.equal("more", select(2, pair:open(forged(pair, unpack(updates)))))
      assert.same({ "", "broken", "too many messages that are no data" }, { pair:open(forged(pair, UPDATE)) })
    end)

    it("no more once the end is said", function()
      local pair = own_records.begin {}
      pair:seal_end()
      pair.sealed()
      assert.same({ "x", "more" }, { pair:open(forged(pair, UPDATE_ASKS, "x" .. DATA)) })
      assert.equal("", pair.sealed())
    end)
  end)

  describe("end", function()
    it("by close_notify, and not before", function()
      local pair = own_records.begin {}
      assert.same({ "last", "end" }, { pair:open(forged(pair, "last" .. DATA, CLOSE_NOTIFY)) })
      local canceled = own_records.begin {}
      assert.same({ "", "end" }, { canceled:open(forged(canceled, "\1\90" .. ALERT, CLOSE_NOTIFY)) })
    end)

    it("by any other alert, which is not answered", function()
      for _, alert in ipairs { "\2\10", "\1\20", "\2\80", "\1\255" } do
        local pair = own_records.begin {}
        assert.equal("broken", select(2, pair:open(forged(pair, alert .. ALERT))))
        assert.equal("", pair.sealed())
      end
    end)

    local function breaks(what, alert, make)
      it("with an alert: " .. what, function()
        local pair = own_records.begin {}
        local bytes = make(pair)
        local plain, outcome = pair:open(bytes)
        assert.same({ "before", "broken" }, { plain, outcome })
        local reader = records.keys(0x1302, ffi.string(pair.own.out.secret, 48))
        reader.sequence = 1 -- behind the ticket
        assert.same({ 21, "\2" .. string.char(alert) }, { records.open(reader, pair.sealed()) })
      end)
    end

    local UNEXPECTED, BAD_MAC, OVERFLOW, ILLEGAL, DECODE = 10, 20, 22, 47, 50
    local BEFORE = "before" .. DATA

    breaks("a wrong tag", BAD_MAC, function(pair)
      return forged(pair, BEFORE) .. forged(pair, "x" .. DATA):sub(1, -2) .. "\0\0"
    end)
    breaks("plain bytes", UNEXPECTED, function(pair) return forged(pair, BEFORE) .. "GET / HTTP/1.1\r\n" end)
    breaks("a change_cipher_spec", UNEXPECTED, function(pair) return forged(pair, BEFORE) .. "\20\3\3\0\1\1" end)
    breaks("a plain alert", UNEXPECTED, function(pair) return forged(pair, BEFORE) .. "\21\3\3\0\2\1\0" end)
    breaks("another version", DECODE, function(pair) return forged(pair, BEFORE) .. "\23\3\1\0\30" end)
    breaks("a head that says too much", OVERFLOW, function(pair) return forged(pair, BEFORE) .. "\23\3\3\65\1" end)
    breaks("zeros alone", UNEXPECTED, function(pair) return forged(pair, BEFORE, "\0\0\0") end)
    breaks("an unknown type", UNEXPECTED, function(pair) return forged(pair, BEFORE, "x\24") end)
    breaks("a sealed change_cipher_spec", UNEXPECTED, function(pair) return forged(pair, BEFORE, "\1\20") end)
    breaks("an alert of three bytes", UNEXPECTED, function(pair) return forged(pair, BEFORE, "\1\0\0" .. ALERT) end)
    breaks("an alert of none", UNEXPECTED, function(pair) return forged(pair, BEFORE, ALERT) end)
    breaks("a ClientHello", UNEXPECTED, function(pair) return forged(pair, BEFORE, "\1\0\0\1\0" .. HANDSHAKE) end)
    breaks("a KeyUpdate that asks for 2", ILLEGAL, function(pair)
      return forged(pair, BEFORE, "\24\0\0\1\2" .. HANDSHAKE)
    end)
    breaks("two KeyUpdates in one record", UNEXPECTED, function(pair)
      return forged(pair, BEFORE, "\24\0\0\1\0\24\0\0\1\0" .. HANDSHAKE)
    end)
    breaks("17 empty records", UNEXPECTED, function(pair)
      local empty = {}
      for i = 1, 17 do empty[i] = DATA end
      return forged(pair, BEFORE, unpack(empty))
    end)
  end)

  it("may be empty 16 times in a row", function()
    local pair = own_records.begin {}
    local empty = {}
    for i = 1, 16 do empty[i] = DATA end
    for _ = 1, 3 do
      assert.equal("more", select(2, pair:open(forged(pair, unpack(empty)))))
      assert.same({ "x", "more" }, { pair:open(forged(pair, "x" .. DATA)) })
    end
  end)

  it("leave nothing of their secrets behind", function()
    local pair = own_records.begin {}
    pair:seal "x"
    local own = ffi.gc(pair.own, nil)
    local secrets = { ffi.string(own["in"].secret, 48), ffi.string(own.out.key, 32) }
    local bytes = ffi.cast("char *", own)
    core.tls_own_free(own)
    local left = ffi.string(bytes, ffi.sizeof "struct tls_own")
    for _, secret in ipairs(secrets) do assert.is_nil(left:find(secret, 1, true)) end
    assert.equal(("\0"):rep(#left - 8), left:sub(9))
  end)

  -- LB_FUZZ says how many conversations.
  it("refuse what OpenSSL refuses, and open what it opens, of mutated bytes", function()
    local random, conversations = math.random, tonumber(os.getenv "LB_FUZZ" or 400)
    local seed = tonumber(os.getenv "LB_SEED" or os.time())
    math.randomseed(seed)
    local seen = {}

    local function one_of(list) return list[random(#list)] end

    local function inner()
      local zeros = random(4) == 1 and ("\0"):rep(random(0, 300)) or ""
      return one_of {
        function() return ("d"):rep(one_of { 1, 2, 15, 100, 1000, LARGEST - 1, LARGEST }) .. DATA end,
        function() return DATA end,
        function() return UPDATE end,
        function() return UPDATE_ASKS end,
        function()
          return string.char(random(0, 255), random(0, 255), random(0, 2)) .. one_of { ALERT, HANDSHAKE, DATA }
        end,
        function() return string.char(random(1, 2), random(0, 120)) .. ALERT end,
        function() return CLOSE_NOTIFY end,
        function() return "\24\0\0" .. string.char(random(0, 2), random(0, 3)) .. HANDSHAKE end,
        function() return ("x"):rep(random(0, 40)) .. string.char(random(0, 255)) end,
        function() return ("z"):rep(LARGEST + random(0, 200)) .. DATA end,
      }() .. zeros
    end

    local mutations = {
      function(b, at)
        local flipped = bit.bxor(b:byte(at), bit.lshift(1, random(0, 7)))
        return b:sub(1, at - 1) .. string.char(flipped) .. b:sub(at + 1)
      end,
      function(b, at) return b:sub(1, at - 1) .. b:sub(at + random(1, 3)) end,
      function(b, at) return b:sub(1, at) .. string.char(random(0, 255)) .. b:sub(at + 1) end,
      function(b, at) return b:sub(1, at) .. b:sub(1, at) .. b:sub(at + 1) end,
      function(b) return b .. b end,
      function(b) return string.char(random(0, 30)) .. b:sub(2) end,
      function(b) return b:sub(1, random(2)) .. string.char(random(0, 4)) .. b:sub(4) end,
      function(b) return b:sub(1, 3) .. string.char(random(0, 70), random(0, 255)) .. b:sub(6) end,
      function(b)
        return one_of { "\20\3\3\0\1\1", "\21\3\3\0\2\1\0", "\22\3\3\0\1\0", "\23\3\3\0\0", "\23\3\3\0\17" } .. b
      end,
    }

    local function conversation()
      local pair, list = own_records.begin { suite = one_of(SUITES) }, {}
      for i = 1, random(1, 6) do
        local is_plain = random(3) > 1
        list[i] = forged(pair, is_plain and ("p"):rep(random(1, 200)) .. DATA or inner())
        if random(8) == 1 then list[i] = one_of(mutations)(list[i], random(#list[i])) end
      end
      if random(20) == 1 and #list > 1 then list[1], list[2] = list[2], list[1] end
      local bytes = table.concat(list)
      local plain, outcome, why = {}, "more", nil
      local at = 1
      while at <= #bytes and outcome == "more" do
        local size = random(3) == 1 and random(1, 40) or #bytes
        plain[#plain + 1], outcome, why = pair:open(bytes:sub(at, at + size - 1))
        at = at + size
      end
      plain = table.concat(plain)
      local theirs, their_outcome = pair:compare(bytes)
      local case = ("LB_SEED=%d: own %s (%s), OpenSSL %s"):format(seed, outcome, why, their_outcome)
      seen[outcome] = (seen[outcome] or 0) + 1
      if outcome == "broken" then
        assert(theirs:sub(1, #plain) == plain, case)
        if their_outcome ~= "broken" then seen[why] = (seen[why] or 0) + 1 end
      else
        assert(outcome == their_outcome and plain == theirs, case)
      end
    end

    for _ = 1, conversations do conversation() end
    if os.getenv "LB_FUZZ" then for what, count in pairs(seen) do print(what, count) end end
    for _, outcome in ipairs { "more", "end", "broken" } do
      assert.is_true((seen[outcome] or 0) > conversations / 100)
    end
  end)
end)
