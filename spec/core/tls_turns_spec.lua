-- How many handshakes a turn of the loop has, and which.
local ffi = require "ffi"
local authority = require "spec.support.authority"
local compiled = require "spec.support.compiled"
local process = require "spec.support.process"
local read = require("spec.support.files").read

ffi.cdef [[
void turns_begin(const char *chain, size_t chain_bytes, const char *key, size_t key_bytes, uint64_t us);
void turns_bytes(unsigned);
const char *turns_end_turn(void);
bool turns_is_open(unsigned);
bool turns_is_flooded(unsigned, unsigned);
void turns_end(void);
]]

describe("a turn of the loop", function()
  local turns, chain, key

  setup(function()
    local made = authority.make { names = { "a.test" } }
    turns, chain, key = compiled.load "spec/support/turns.c", read(made.cert), read(made.key)
  end)
  teardown(process.clear)
  after_each(function() turns.turns_end() end)

  local function begin(us) turns.turns_begin(chain, #chain, key, #key, us) end

  -- Bytes of these clients come in one turn: which are served in it, and in those behind it.
  local function come(from, to)
    for i = from, to do turns.turns_bytes(i) end
    local list = {}
    repeat
      list[#list + 1] = ffi.string(turns.turns_end_turn())
    until list[#list] == ""
    list[#list] = nil
    return list
  end

  local function all_open(count)
    for i = 0, count - 1 do
      if not turns.turns_is_open(i) then return false end
    end
    return true
  end

  it("begins no handshake when 2 ms have gone to others, and the rest keep their order", function()
    begin(600)
    assert.same({ "abcd", "efgh", "ij" }, come(0, 9))
  end)

  it("has one at least, however long that takes", function()
    begin(50000)
    assert.same({ "a", "b", "c" }, come(0, 2))
  end)

  it("has as many as there are while they take less", function()
    begin(10)
    assert.same({ "abcdefghijklmnopqrst" }, come(0, 19))
  end)

  it("counts what clients answer in a handshake, as chains of certificates are verified then", function()
    begin(600)
    come(0, 9)
    assert.is_false(all_open(1))
    assert.same({ "abcd", "efgh", "ij" }, come(0, 9))
    assert.is_true(all_open(10))
  end)

  it("keeps a bounded number of bytes for a handshake that waits for its turn", function()
    begin(50000)
    come(0, 1)
    turns.turns_bytes(0) -- takes all of the turn's time
    assert.is_false(turns.turns_is_flooded(1, 65536))
    assert.is_false(turns.turns_is_flooded(1, 65536))
    assert.is_true(turns.turns_is_flooded(1, 1))
  end)

  it("has those first that have waited longer, whatever they wait for", function()
    begin(600)
    come(0, 3)
    for i = 4, 9 do turns.turns_bytes(i) end
    assert.equal("efgh", ffi.string(turns.turns_end_turn()))
    for i = 0, 3 do turns.turns_bytes(i) end
    assert.equal("ijab", ffi.string(turns.turns_end_turn()))
    assert.equal("cd", ffi.string(turns.turns_end_turn()))
    assert.is_true(all_open(4))
  end)
end)
