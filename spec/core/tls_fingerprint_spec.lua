-- JA4 of ClientHellos: FoxIO's example, and each rule of its description.
local hello = require "spec.support.hello"

local GREASE = { 0x0a0a, 0x1a1a, 0xfafa }

local function number(value) return string.char(math.floor(value / 256), value % 256) end

local function list(text)
  local values = {}
  for digits in text:gmatch "%x%x%x%x" do values[#values + 1] = number(tonumber(digits, 16)) end
  return table.concat(values)
end

-- types: of the extensions, in hex; of those with a content it stands in contents.
local function extensions(types, contents)
  local all = {}
  for digits in types:gmatch "%x%x%x%x" do
    local type = tonumber(digits, 16)
    all[#all + 1] = hello.extension(type, contents[type] or "")
  end
  return all
end

local function of(message)
  local step, seen = hello.read(hello.records(hello.message(message)))
  assert.equal("ready", step, seen.why)
  return hello.fingerprint()
end

local SNI = hello.piece(2, hello.server_name "shop.example")
local function alpn(...)
  local names = ""
  for _, name in ipairs { ... } do names = names .. hello.piece(1, name) end
  return hello.piece(2, names)
end

-- What Chrome sends, in the example of the description (JA4_r).
local SUITES = "1301 1302 1303 c02b c02f c02c c030 cca9 cca8 c013 c014 009c 009d 002f 0035"
local TYPES = "001b 0000 0033 0010 4469 0017 002d 000d 0005 0023 0012 002b ff01 000b 000a 0015"
local SIGNATURES = "0403 0804 0401 0503 0805 0501 0806 0601"

local function chrome(changed)
  changed = changed or {}
  local contents = {
    [0] = SNI, [16] = alpn(unpack(changed.alpn or { "h2", "http/1.1" })),
    [13] = hello.piece(2, list(changed.signatures or SIGNATURES)),
    [43] = hello.piece(1, list(changed.versions or "1a1a 0304 0303")),
  }
  return {
    suites = list(changed.suites or SUITES), extensions = extensions(changed.types or TYPES, contents),
    version = changed.version,
  }
end

local function without(text, ...)
  for _, word in ipairs { ... } do text = text:gsub(word .. " ?", "") end
  return text
end

describe("the fingerprint of a ClientHello", function()
  it("is that of the description", function()
    assert.equal("t13d1516h2_8daaf6152771_e5627efa2ab1", of(chrome()))
  end)

  it("does not depend on the order of suites and extensions, but on that of signatures", function()
    local function turned(text)
      local words = {}
      for word in text:gmatch "%x+" do table.insert(words, 1, word) end
      return table.concat(words, " ")
    end
    assert.equal("t13d1516h2_8daaf6152771_e5627efa2ab1", of(chrome { suites = turned(SUITES), types = turned(TYPES) }))
    assert.not_equal("e5627efa2ab1", of(chrome { signatures = turned(SIGNATURES) }):match "_(%x+)$")
  end)

  it("leaves GREASE out, wherever it is", function()
    for _, value in ipairs(GREASE) do
      local word = ("%04x "):format(value)
      assert.equal("t13d1516h2_8daaf6152771_e5627efa2ab1", of(chrome {
        suites = word .. SUITES, types = word .. TYPES, signatures = word .. SIGNATURES, versions = word .. "0304 0303",
      }))
    end
    assert.equal("t13d1616h2", of(chrome { suites = "0a1a " .. SUITES }):match "^[^_]+")
  end)

  it("has the highest version that is offered", function()
    local function version(changed) return of(chrome(changed)):sub(1, 3) end
    assert.equal("t12", version { versions = "0303 0302 0301" })
    assert.equal("t13", version { versions = "0301 0304 0303" })
    assert.equal("t00", version { versions = "7f1c" })
    local plain = without(TYPES, "002b")
    assert.equal("t12", version { types = plain })
    assert.equal("t11", version { types = plain, version = 0x0302 })
    assert.equal("t10", version { types = plain, version = 0x0301 })
    assert.equal("ts3", version { types = plain, version = 0x0300 })
  end)

  it("says whether a name is asked for, which counts as an extension only", function()
    assert.equal("t13i1515h2_8daaf6152771_e5627efa2ab1", of(chrome { types = without(TYPES, "0000") }))
  end)

  it("has the ends of the first protocol", function()
    local function ends(...) return of(chrome { alpn = { ... } }):match "^t13d1516(..)_8daaf6152771_e5627efa2ab1$" end
    assert.equal("h1", ends("http/1.1", "h2"))
    assert.equal("hh", ends "h")
    assert.equal("ab", ends "\171")
    assert.equal("ad", ends "\171\205")
    assert.equal("3b", ends "0\171")
    assert.equal("01", ends "01")
    assert.equal("3d", ends "01\171\205")
    assert.equal("01", ends "0\171\2051")
    assert.equal("t13d151500_8daaf6152771_e5627efa2ab1", of(chrome { types = without(TYPES, "0010") }))
  end)

  it("has zeros for what is not there", function()
    assert.equal("t12i010000_0f2cb44170f4_000000000000", of { suites = list "1301", extensions = false })
    assert.equal("t12i010000_0f2cb44170f4_000000000000", of { suites = list "1301" })
    assert.equal("t12i000000_000000000000_000000000000", of { suites = list "0a0a" })
    assert.equal("t12d010200_0f2cb44170f4", of { suites = list "1301",
      extensions = extensions("0000 0017", { [0] = SNI }) }:match "^(.*)_")
  end)

  it("counts to 99, and is none above 250 values", function()
    local words = {}
    for i = 1, 300 do words[i] = ("%04x"):format(i) end
    assert.equal("t12i990000", of { suites = list(table.concat(words, " ", 1, 250)) }:match "^[^_]+")
    assert.is_nil(of { suites = list(table.concat(words, " ", 1, 251)) })
    assert.is_nil(of { suites = list "1301", extensions = extensions(table.concat(words, " ", 50, 300), {}) })
  end)
end)
