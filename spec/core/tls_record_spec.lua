-- A record of TLS 1.3, sealed and opened: the traces of RFC 8448, and what is refused.
local core = require "spec.support.core"
local records = require "spec.support.records"

local hex = records.hex
local AES_128 = 0x1301
local ALERT, HANDSHAKE, DATA = 21, 22, 23
local BAD_MAC, OVERFLOW, DECODE, UNEXPECTED = 20, 22, 50, 10
local LARGEST = 16384

-- RFC 8448, 3: a simple handshake.
local CLIENT = hex "9e40646ce79a7f9dc05af8889bce6552 875afa0b06df0087f792ebb7c17504a5"
local SERVER = hex "a11af9f05531f856ad47116b45a95032 8204b4f44bfb6b3a4b4f1f3fcb631643"
local FIFTY = hex [[000102030405060708090a0b0c0d0e0f101112131415161718
  191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031]]
local TICKET = hex [[040000c90000001efad6aac502000000b22c035d829359ee5ff7af4ec900
    000000262a6494dc486d2c8a34cb33fa90bf1b0070
  ad3c498883c9367c09a2be785abc55cd226097a3a982117283f82a03a143efd3ff5dd36d64e861be7fd61d2827db279cce145077d454a3664d4e6d
  a4d29ee03725a6a4dafcd0fc67d2aea70529513e3da2677fa5906c5b3f7d8f92f228bda40dda721470f9fbf297b5aea617646fac5c03272e970727
  c621a79141ef5f7de6505e5bfbc388e93343694093934ae4d357 0008002a000400000400]]

describe("TLS 1.3 records", function()
  describe("of RFC 8448", function()
    it("have the keys that come of the secrets", function()
      local server, client = records.keys(AES_128, SERVER), records.keys(AES_128, CLIENT)
      assert.equal(hex "9f02283b6c9c07efc26bb9f2ac92e356", require "ffi".string(server.key, 16))
      assert.equal(hex "cf782b88dd83549aadf1e984", require "ffi".string(server.iv, 12))
      assert.equal(hex "17422dda596ed5d9acd890e3c63f5051", require "ffi".string(client.key, 16))
      assert.equal(hex "5b78923dee08579033e523d9", require "ffi".string(client.iv, 12))
    end)

    local function trace(what, secret, list)
      it("are sealed and opened to the byte: " .. what, function()
        local out, into = records.keys(AES_128, secret), records.keys(AES_128, secret)
        for _, record in ipairs(list) do
          local kind, content, bytes = record[1], record[2], hex(record[3])
          assert.equal(bytes, records.seal(out, kind, content))
          assert.equal(#bytes, records.measure(bytes))
          assert.same({ kind, content }, { records.open(into, bytes) })
        end
      end)
    end

    trace("the server's", SERVER, {
      { HANDSHAKE, TICKET, [[17030300de 3a6b8f90414a97d6959c3487680de5134a2b240e6cffac116
    e95d41d6af8f6b580dcf3d11d63c758db28
        9a015940252f55713e061dc13e078891a38efbcf5753ad8ef170ad3c7353d16d9da773b9ca7f2b9fa1b6c0d4a3d03f75e09c30ba1e62972a
        c46f75f7b981be63439b2999ce13064615139891d5e4c5b406f16e3fc181a77ca475840025db2f0a77f81b5ab05b94c01346755f69232c86
        519d86cbeeac87aac347d143f9605d64f650db4d023e70e952ca49fe5137121c74bc2697687e248746d6df353005f3bce18696129c815355
        6b3b6c6779b37bf15985684f]] },
      { DATA, FIFTY, [[1703030043 2e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d90e6dffc602dcb501a59a8
        fcc49c4bf2e5f0a21c0047c2abf332540dd032e167c2955d]] },
      { ALERT, "\1\0", "1703030013 b58fd67166ebf599d24720cfbe7efa7a8864a9" },
    })

    trace("the client's", CLIENT, {
      { DATA, FIFTY, [[1703030043 a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b
        62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4]] },
      { ALERT, "\1\0", "1703030013 c9872760655666b74d7ff1153efd6db6d0b0e3" },
    })

    it("are followed by others, if a key is updated", function()
      local keys = records.keys(AES_128, SERVER)
      keys.sequence = 5
      assert.is_true(core.tls_keys_update(keys))
      assert.equal(hex "51921b8aa3001976eb401d0a4319a8516416a6c56001a357e5d162031e84f916",
        require "ffi".string(keys.secret, 32))
      assert.equal(0, tonumber(keys.sequence))
    end)
  end)

  for name, suite in pairs { ["AES-128-GCM"] = 0x1301, ["AES-256-GCM"] = 0x1302, ["ChaCha20-Poly1305"] = 0x1303 } do
    describe("with " .. name, function()
      local out, into, forger

      before_each(function()
        local secret = ("s"):rep(48)
        out, into, forger = records.keys(suite, secret), records.keys(suite, secret), records.keys(suite, secret)
      end)

      it("are the same as OpenSSL's ciphers make them, whatever their length", function()
        for _, length in ipairs { 0, 1, 15, 16, 17, 100, 1023, 1024, 1025, 2000, 16383, LARGEST } do
          local content = ("c"):rep(length)
          local record = records.seal(out, DATA, content)
          assert.is_true(record == records.forge(forger, content .. "\23"), length)
          local kind, opened = records.open(into, record)
          assert.is_true(kind == DATA and opened == content, length)
        end
      end)

      it("are opened by the keys that follow, and by no others", function()
        for _ = 1, 3 do
          local before = records.seal(out, DATA, "before")
          assert.same({ DATA, "before" }, { records.open(into, before) })
          assert.is_true(core.tls_keys_update(out))
          local after = records.seal(out, DATA, "after")
          local stale = records.keys(suite, require "ffi".string(into.secret, 48))
          assert.is_nil((records.open(stale, after)))
          assert.is_true(core.tls_keys_update(into))
          assert.same({ DATA, "after" }, { records.open(into, after) })
        end
      end)

      it("are refused if any bit is another one", function()
        local record = records.seal(out, DATA, "hello")
        for i = 6, #record do
          for b = 0, 7 do
            local flipped = string.char(bit.bxor(record:byte(i), bit.lshift(1, b)))
            into.sequence = 0
            local kind, _, alert = records.open(into, record:sub(1, i - 1) .. flipped .. record:sub(i + 1))
            assert.same({ nil, BAD_MAC }, { kind, alert })
          end
        end
        into.sequence = 0
        assert.equal(DATA, (records.open(into, record)))
      end)

      it("are refused out of their order", function()
        local first, second = records.seal(out, DATA, "1"), records.seal(out, DATA, "2")
        assert.is_nil((records.open(into, second)))
        into.sequence = 0
        assert.equal(DATA, (records.open(into, first)))
        assert.is_nil((records.open(into, first)))
      end)

      it("may have zeros behind their type, and something in front of them", function()
        assert.same({ DATA, "hello" }, { records.open(into, records.forge(forger, "hello\23\0")) })
        assert.same({ DATA, "\0" }, { records.open(into, records.forge(forger, "\0\23" .. ("\0"):rep(4000))) })
        assert.same({ ALERT, "" }, { records.open(into, records.forge(forger, "\21")) })
        for _, length in ipairs { 1, 100, LARGEST + 1 } do
          local kind, _, alert = records.open(into, records.forge(forger, ("\0"):rep(length)))
          assert.same({ nil, UNEXPECTED }, { kind, alert })
        end
      end)

      it("have 2^14 bytes and their type inside at most, zeros included", function()
        local zeros = "x\23" .. ("\0"):rep(LARGEST - 1)
        assert.same({ DATA, "x" }, { records.open(into, records.forge(forger, zeros)) })
        local kind, _, alert = records.open(into, records.forge(forger, zeros .. "\0"))
        assert.same({ nil, OVERFLOW }, { kind, alert })
      end)
    end)
  end

  describe("have a head", function()
    local function head(kind, version, length)
      return string.char(kind, math.floor(version / 256), version % 256, math.floor(length / 256), length % 256)
    end

    it("that says how long they are, once it is complete", function()
      for length = 0, 4 do assert.equal(0, records.measure(head(23, 0x303, 17):sub(1, length))) end
      assert.equal(5 + 17, records.measure(head(23, 0x303, 17)))
      assert.equal(5 + LARGEST + 256, records.measure(head(23, 0x303, LARGEST + 256) .. "more"))
    end)

    it("that is refused if it cannot be one of theirs", function()
      for _, case in ipairs {
        { head(22, 0x303, 40), UNEXPECTED }, { head(21, 0x303, 2), UNEXPECTED }, { head(20, 0x303, 1), UNEXPECTED },
        { head(24, 0x303, 40), UNEXPECTED }, { head(0, 0x303, 40), UNEXPECTED }, { "GET /", UNEXPECTED },
        { head(23, 0x301, 40), DECODE }, { head(23, 0x304, 40), DECODE }, { head(23, 0x203, 40), DECODE },
        { head(23, 0x303, LARGEST + 257), OVERFLOW }, { head(23, 0x303, 65535), OVERFLOW },
        { head(23, 0x303, 16), DECODE }, { head(23, 0x303, 0), DECODE },
      } do
        local length, _, alert = records.measure(case[1])
        assert.same({ nil, case[2] }, { length, alert })
      end
    end)
  end)

  it("are not made for a suite that is not known", function()
    local keys = require "ffi".new "struct tls_keys"
    for _, suite in ipairs { 0x1300, 0x1304, 0x1305, 0xc02b } do
      assert.equal(0, core.tls_record_secret_bytes(suite))
      assert.is_false(core.tls_keys_set(keys, suite, SERVER))
    end
  end)

  it("leave nothing of their keys behind", function()
    local keys = records.keys(AES_128, SERVER)
    records.seal(keys, DATA, "x")
    core.tls_keys_wipe(keys)
    assert.equal(("\0"):rep(112), require "ffi".string(keys, 112))
  end)
end)
