-- Lists that sources hand over, and what is wrong with them.
local ffi = require "ffi"
local found = require "spec.support.found"

local function wrong(entries)
  local list, words = found.list(entries)
  assert.is_nil(list)
  return words
end

describe("a list of backends", function()
  it("has names, which are the addresses where none is given", function()
    local list = found.list { "10.0.0.1:80", { address = "[::1]:80", name = "b", tags = { { "zone", "a" } } } }
    assert.equal(2, list.count)
    assert.equal("10.0.0.1:80", ffi.string(list.list[0].name.start))
    assert.equal("b", ffi.string(list.list[1].name.start))
    assert.equal("a", ffi.string(list.list[1].tags[0].value.start))
    assert.is_true(list.list[0].identity ~= list.list[1].identity)
  end)

  it("is refused whole, with the place, if one entry is none", function()
    local good = "10.0.0.1:80"
    assert.matches("^entry 2: address '10.0.0.300:80': ", wrong { good, "10.0.0.300:80" })
    assert.matches("^entry 1: address '10.0.0.1:0': ", wrong { "10.0.0.1:0" })
    assert.matches("^entry 1: address '': ", wrong { "" })
    assert.matches("TLS", wrong { "https://10.0.0.1:443" })
    assert.matches("unix", wrong { "unix:/tmp/a" })
    assert.matches("^entry 2: a name has 255 bytes", wrong { good, { address = "a:1", name = ("n"):rep(256) } })
    assert.matches("no control bytes", wrong { { address = "a:1", name = "a\nb" } })
    assert.matches("no control bytes", wrong { { address = "a:1", name = "\xff" } })
    for _, name in ipairs { ".", ".." } do
      assert.matches("^entry 1: '.' and '..' are no names: no URL has them", wrong { { address = "a:1", name = name } })
    end
    assert.matches("weight 65536: 65535 at most", wrong { { address = "a:1", weight = 65536 } })
    assert.matches("priority 65536", wrong { { address = "a:1", priority = 65536 } })
    assert.matches("^entry 3: a second one is called 'x'",
      wrong { { address = "a:1", name = "x" }, good, { address = "b:1", name = "x" }, { address = "c:1", name = "x" } })
  end)

  it("has tags that fit where they are shown", function()
    local tags = {}
    for i = 1, 33 do tags[i] = { "t" .. i, "v" } end
    assert.matches("33 tags: 32 at most", wrong { { address = "a:1", tags = tags } })
    assert.matches("bytes as JSON", wrong { { address = "a:1", tags = { { "t", ('"'):rep(300) } } } })
    assert.matches("without a name", wrong { { address = "a:1", tags = { { "", "v" } } } })
    assert.is_not_nil(found.list { { address = "a:1", tags = { { "t", ("v"):rep(400) } } } })
  end)

  it("has 4,096 at most", function()
    local entries = {}
    for i = 1, 4096 do entries[i] = ("10.0.%d.%d:80"):format(i / 256, i % 256) end
    assert.equal(4096, found.list(entries).count)
    entries[4097] = "10.1.0.0:80"
    assert.equal("entry 4097: too many: 4096 at most", wrong(entries))
  end)
end)
