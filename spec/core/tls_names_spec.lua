-- Which site a host name belongs to: exact, one wildcard label, the first one, or none.
local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef [[
struct tls_name_seen { char *text; uint32_t length, site; };
struct tls_names_seen { struct tls_name_seen *slots; uint32_t size, count; bool strict; };
void tls_names_dispose(struct tls_names_seen *);
unsigned tls_names_add(struct tls_names_seen *, struct slice name, unsigned site);
int tls_names_find(const struct tls_names_seen *, struct slice name);
bool tls_names_has(const struct tls_names_seen *, struct slice name);
bool tls_names_is_right(struct slice name);
bool tls_names_is_host(struct slice name);
]]

local NONE = -1

local function slice(text) return ffi.new("struct slice", text, #text) end

local function names(list, strict)
  local all = ffi.gc(ffi.new "struct tls_names_seen", core.tls_names_dispose)
  all.strict = strict or false
  for i, name in ipairs(list) do core.tls_names_add(all, slice(name), i - 1) end
  return function(name) return core.tls_names_find(all, slice(name)) end, all
end

local SITES = { "default.example", "shop.example", "*.shop.example", "a.shop.example", "*.b.shop.example" }

describe("names of sites", function()
  it("are exact before a wildcard, and a wildcard is one label", function()
    local find = names(SITES)
    local cases = {
      ["shop.example"] = 1, ["a.shop.example"] = 3, ["b.shop.example"] = 2, ["x.b.shop.example"] = 4,
      ["x.c.shop.example"] = 0, ["example"] = 0, ["other.example"] = 0, ["default.example"] = 0,
      [".shop.example"] = 0, ["*.shop.example"] = 0,
    }
    for name, site in pairs(cases) do assert.same({ name, site }, { name, find(name) }) end
  end)

  it("do not differ by letter case, nor by a dot at the end", function()
    local find = names { "x", "Shop.Example." }
    for _, name in ipairs { "shop.example", "SHOP.example", "shop.example.", "Shop.Example." } do
      assert.same({ name, 1 }, { name, find(name) })
    end
  end)

  it("lead to none, if they are strict, unless they are there", function()
    local find = names(SITES, true)
    assert.same({ NONE, NONE, NONE, 0, 2 },
      { find "", find "other.example", find "x.c.shop.example", find "default.example", find "b.shop.example" })
    assert.equal(0, (names(SITES))(""))
    assert.equal(NONE, (names({}, true))("a.example"))
    assert.equal(0, (names {})("a.example"))
  end)

  it("belong to whom had them first", function()
    local find, all = names { "a.example", "b.example" }
    assert.equal(1, core.tls_names_add(all, slice "B.example", 7))
    assert.equal(9, core.tls_names_add(all, slice "c.example", 9))
    assert.same({ 1, 9 }, { find "b.example", find "c.example" })
    assert.is_true(core.tls_names_has(all, slice "C.example"))
    assert.is_false(core.tls_names_has(all, slice "d.example"))
  end)

  it("are ten thousand and more, each found", function()
    local list = {}
    for i = 1, 20000 do list[i] = (i % 3 == 0 and "*." or "") .. "site" .. i .. ".example" end
    local find = names(list)
    for i = 1, 20000 do
      assert(find((i % 3 == 0 and "any." or "") .. "site" .. i .. ".example") == i - 1, i)
      assert(find("none" .. i .. ".example") == 0)
    end
  end)

  it("are host names, maybe with one wildcard in front", function()
    for _, name in ipairs { "a", "a.example", "xn--bcher-kva.example", "_dmarc.a.example", "1.a", "a.example." } do
      local text = slice(name)
      assert.same({ name, true, true }, { name, core.tls_names_is_right(text), core.tls_names_is_host(text) })
    end
    assert.is_true(core.tls_names_is_right(slice "*.a.example"))
    assert.is_false(core.tls_names_is_host(slice "*.a.example"))
    for _, name in ipairs { "", ".", "*", "*.", "*a.example", "a.*.example", "*.*.example", "10.0.0.1", "*.1", "::1",
      "a b", "a..b", "-a", "a-", "b\195\188cher.example", "a/b", "a:1", ("a"):rep(64) } do
      assert.same({ name, false }, { name, core.tls_names_is_right(slice(name)) })
    end
  end)
end)
