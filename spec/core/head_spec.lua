-- Fields of a head: found by name, known by kind, looked through for members and numbers.
local ffi = require "ffi"
local http = require "spec.support.http"
local core = require "spec.support.core"

ffi.cdef [[
const struct slice *head_find(const struct head_seen *, struct slice name);
int head_kind_of(struct slice) __asm__("field_kind_of");
const struct field_seen *head_search(const struct head_seen *, int kind, unsigned *at);
bool head_lists(const struct head_seen *, int kind, struct slice token);
bool list_next(struct slice *rest, struct slice *member);
bool number_read(struct slice digits, uint64_t *number);
bool head_keeps_alive(const struct head_seen *);
]]

local CONNECTION = core.head_kind_of(http.slice "CONNECTION")

describe("a head", function()
  it("finds the first field of a name in any letter case", function()
    local head, kept = http.head { "Accept: 1", "X-A: 2", "x-a: 3", "X-AB: 4", "X: 5" }
    local function find(name)
      local value = core.head_find(head, http.slice(name))
      return value ~= nil and http.text(value) or nil
    end
    assert.same({ "1", "2", "2", "4", "5" }, { find "accept", find "X-A", find "x-A", find "x-ab", find "X" })
    for _, name in ipairs { "", "X-", "Accept:", "Accep", "Accepts", "X\45a\0" } do assert.is_nil(find(name)) end
    assert(kept)
  end)

  it("says of what kinds its fields are, whether a parser has looked at them or nobody", function()
    local fields = { "Host: x", "X-A:1", "content-length:  0 ", "Connection: close, X-A", "X_Forwarded_For: y", "X-B:" }
    local made, kept = http.head(fields)
    local text = "GET / HTTP/1.1\r\n" .. table.concat(fields, "\r\n") .. "\r\n\r\n"
    http.read_every_way(text, {
      on_head = function(parsed)
        local seen = {}
        for i = 0, #fields - 1 do
          local kind = core.head_kind_of(made.fields[i].name)
          assert.equal(kind, bit.band(parsed.kinds[i], 0x7f))
          assert.equal(i == 0 or i == 3 or i == 4, parsed.kinds[i] >= 0x80)
          seen[kind] = true
        end
        for kind = 0, 31 do
          assert.equal(seen[kind] or false, core.head_search(made, kind, ffi.new "unsigned[1]") ~= nil)
          assert.equal(seen[kind] or false, core.head_search(parsed, kind, ffi.new "unsigned[1]") ~= nil)
          assert.equal(seen[kind] and 1 or 0, bit.band(bit.rshift(parsed.seen, kind), 1))
        end
      end,
    })
    assert(kept)
  end)

  local lists = { -- value, its members
    { "", {} }, { ",", {} }, { " , ,\t", {} }, { "a", { "a" } }, { "a,b", { "a", "b" } },
    { " a ,\tb\t, c d ,", { "a", "b", "c d" } }, { ",,a,,b,,", { "a", "b" } }, { "a\0,b", { "a\0", "b" } },
  }
  for _, case in ipairs(lists) do
    local value, members = unpack(case)
    it(("takes the list %q apart"):format(value), function()
      local rest, member, seen = http.slice(value), ffi.new "struct slice", {}
      while core.list_next(rest, member) do table.insert(seen, http.text(member)) end
      assert.same(members, seen)
    end)
  end

  it("looks for a member in all fields of a name", function()
    local head, kept = http.head { "Connection: close , X-A", "Other: d", "connection: b" }
    local function lists_member(token) return core.head_lists(head, CONNECTION, http.slice(token)) end
    for _, token in ipairs { "close", "Close", "x-a", "B" } do assert.is_true(lists_member(token), token) end
    for _, token in ipairs { "", "clos", "closed", "d", "x", ",", "close , X-A" } do
      assert.is_false(lists_member(token), token)
    end
    assert(kept)
  end)

  local connections = {
    { "1.1", {}, true },
    { "1.1", { "Connection: keep-alive" }, true },
    { "1.1", { "Connection: close" }, false },
    { "1.1", { "Connection: CLOSE" }, false },
    { "1.1", { "Connection: keep-alive, close" }, false },
    { "1.1", { "Connection: keep-alive", "Connection: X-A , close" }, false },
    { "1.1", { "Connection: closed" }, true },
    { "1.1", { "Proxy-Connection: close" }, true },
    { "2", {}, true },
    { "1.0", {}, false },
    { "1.0", { "Connection: Keep-Alive" }, true },
    { "1.0", { "Connection: keep-alive, close" }, false },
    { "1.0", { "Connection: X-A" }, false },
    { "1.0", { "Keep-Alive: timeout=5" }, false },
  }
  for _, case in ipairs(connections) do
    local version, given, expected = unpack(case)
    given.version = version
    it(("of %s with %q %s the connection"):format(version, table.concat(given, ", "), expected and "keeps" or "ends"),
      function()
        local head, kept = http.head(given)
        assert.equal(expected, core.head_keeps_alive(head))
        assert(kept)
      end)
  end
end)

describe("a number", function()
  local function read(text)
    local number = ffi.new "uint64_t[1]"
    return core.number_read(http.slice(text), number) and number[0] or nil
  end

  it("is digits only, up to 64 bits", function()
    local numbers = { ["0"] = 0ULL, ["7"] = 7ULL, ["0042"] = 42ULL, ["18446744073709551615"] = 18446744073709551615ULL,
      ["0000000000000000000000000000018446744073709551609"] = 18446744073709551609ULL }
    for text, number in pairs(numbers) do assert.is_true(read(text) == number, text) end
  end)

  for _, text in ipairs { "", " ", "-1", "+1", "1 ", " 1", "1x", "0x1", "1.0", "1,1", "1\0", "18446744073709551616",
    "18446744073709551620", "28446744073709551615", "99999999999999999999999999" } do
    it(("is not %q"):format(text), function() assert.is_nil(read(text)) end)
  end
end)
