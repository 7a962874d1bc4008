-- Backends as a script sees them, and lists of them (core/policy/backends.lua, lists.lua), over a board
-- of the spec's own.
local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef [[
void board_init(struct segment *, unsigned backends);
bool board_set_up(struct segment *, unsigned backend, int reason, int code, uint64_t now_ms);
struct segment_share;
struct segment_share *numbers_share(struct segment *, unsigned worker, unsigned slot);
void numbers_note_begin(struct segment_share *);
void numbers_note_end(struct segment_share *, bool is_pending);
void random_seed(void);
]]
if not pcall(ffi.typeof, "struct segment_counter") then ffi.cdef "struct segment_counter;" end
ffi.cdef [[
struct segment_counter *counters_find(void *segment, struct slice name) __asm__("counters_find");
uint32_t counters_next(struct segment_counter *, uint32_t n) __asm__("counters_next");
]]
if not pcall(ffi.typeof, "struct lists_call") then
  ffi.cdef "struct lists_call { double number; const uint32_t *backends; int32_t check; uint32_t count, list, panic; };"
end

local SAME, KEEP = 0, 1

describe("backends", function()
  local segment, call, list_for, by_name

  local function open(facts)
    segment = ffi.gc(core.segment_new(), core.segment_free)
    core.board_init(segment, #facts)
    core.random_seed()
    local all = {}
    for i, one in ipairs(facts) do
      core.board_set_up(segment, i - 1, 1, 0, 1)
      all[i] = {
        name = one.name or "b" .. i, address = "127.0.0.1:" .. 9000 + i, host = "127.0.0.1", port = 9000 + i,
        weight = one.weight or 1, tags = one.tags or {}, slot = i - 1,
      }
    end
    local function complain(text, ...) error(text:format(...), 3) end
    local prelude = {
      ffi = setmetatable({ C = core }, { __index = ffi }),
      complain = complain,
      read_only = function(what) return function() complain("%s is read-only", what) end end,
      unknown = function(what, key) error(what .. " has no " .. tostring(key), 3) end,
      tie_turn = core.counters_find(segment, ffi.new("struct slice", "lb:ties", 7)),
    }
    call = ffi.new("struct lists_call", { check = 1 })
    local number = ffi.cast("void *", call) -- its first member
    local backends = assert(loadfile "core/policy/backends.lua")(prelude, ffi.cast("void *", segment), all)
    list_for = assert(loadfile "core/policy/lists.lua")(prelude, backends, number).list_for
    by_name = {}
    for _, one in ipairs(backends.members) do by_name[one.name] = one end
  end

  local held
  local function list(...) -- of those numbers, from 1
    local numbers = { ... }
    held = ffi.new("uint32_t[?]", #numbers + 1)
    for i, number in ipairs(numbers) do held[i - 1] = number - 1 end
    call.backends, call.count, call.list, call.number = held, #numbers, KEEP, call.number + 1
    return list_for(call)
  end

  local function many(count)
    local facts, numbers = {}, {}
    for i = 1, count do facts[i], numbers[i] = {}, i end
    open(facts)
    return list(unpack(numbers))
  end

  local function busy(name, times)
    for _ = 1, times do core.numbers_note_begin(core.numbers_share(segment, 0, tonumber(name:match "%d+") - 1)) end
  end

  local function names(...)
    local said = {}
    for i, one in ipairs { ... } do said[i] = one.name end
    return table.concat(said, " ")
  end

  local function in_flight(one) return one.in_flight end

  describe(":min", function()
    it("is the one with the smallest number", function()
      local backends = many(4)
      busy("b1", 2) busy("b2", 1) busy("b3", 3) busy("b4", 2)
      for _ = 1, 100 do assert.equal("b2", backends:min(in_flight).name) end
    end)

    it("lets several with the same number take turns, and no others", function()
      local backends = many(5)
      busy("b1", 1) busy("b4", 1)
      local seen = {}
      for i = 1, 300 do seen[i] = backends:min(in_flight).name:sub(2) end
      assert.equal(("235"):rep(100), table.concat(seen))
    end)

    it("is nil of an empty list", function()
      many(2)
      assert.is_nil(list():min(in_flight))
    end)

    it("may be called in itself, and after a function of its failed", function()
      local backends = many(3)
      busy("b3", 1)
      assert.has_error(function() backends:min(function() error "no" end) end)
      assert.has_error(function() backends:min(function() return "much" end) end)
      assert.equal("b3", backends:min(function(one)
        return backends:min(function(other) return other == one and -other.in_flight or 0 end) == one and 0 or 1
      end).name)
    end)

    it("refuses a list that is longer than there are backends", function()
      local backends = many(2)
      assert.has_error(function() backends.min({ 1, 2, 3 }, function() return 1 end) end)
    end)
  end)

  describe(":sample", function()
    it("gives different ones", function()
      local backends = many(3)
      for _ = 1, 1000 do
        local a, b = backends:sample(2)
        assert(a ~= b and a and b)
      end
      for n = 3, 5 do
        local seen = {}
        for _, one in ipairs { backends:sample(n) } do seen[one.name] = true end
        assert.same({ b1 = true, b2 = true, b3 = true }, seen)
      end
    end)

    it("gives what there is", function()
      many(2)
      assert.is_nil(list():sample(2))
      assert.equal("b2", names(list(2):sample(2)))
      assert.equal("b1", names(list(1):sample(1)))
      assert.has_error(function() list(1, 2):sample(0) end)
    end)

    -- Chi-square over all ordered pairs and triples; a good generator goes beyond these bounds once in
    -- a million runs or less.
    for n, bound in pairs { [1] = 40, [2] = 70, [3] = 140 } do
      it("is uniform for " .. n, function()
        local backends, draws = many(5), 60000
        local seen, kinds = {}, ({ 5, 20, 60 })[n]
        for _ = 1, draws do
          local key = names(backends:sample(n))
          seen[key] = (seen[key] or 0) + 1
        end
        local sum, count = 0, 0
        for _, times in pairs(seen) do
          count = count + 1
          sum = sum + (times - draws / kinds) ^ 2 / (draws / kinds)
        end
        assert.equal(kinds, count)
        assert(sum < bound, "chi-square " .. sum)
      end)
    end
  end)

  describe(":ring", function()
    local KEYS = 10000

    local function placed(backends, accept)
      local places = {}
      for i = 1, KEYS do places[i] = backends:ring("client-" .. i, accept).name end
      return places
    end

    it("moves the keys of one that leaves, at most 12 % of 10, and no others; they come back with it", function()
      local before = placed(many(10))
      for gone = 1, 10 do
        local others = {}
        for i = 1, 10 do if i ~= gone then others[#others + 1] = i end end
        local after, moved = placed(list(unpack(others))), 0
        for i = 1, KEYS do
          if before[i] == "b" .. gone then moved = moved + 1 else assert.equal(before[i], after[i]) end
        end
        assert(moved > 0 and moved <= 0.12 * KEYS, moved)
      end
      assert.same(before, placed(list(10, 9, 8, 7, 6, 5, 4, 3, 2, 1)))
    end)

    it("goes by weight", function()
      open { { weight = 1 }, { weight = 3 } }
      local share = 0
      for _, name in ipairs(placed(list(1, 2))) do share = share + (name == "b2" and 1 / KEYS or 0) end
      assert(share > 0.72 and share < 0.78, share)
    end)

    it("gives the next in the order of the ring to who refuses the first", function()
      local backends = many(4)
      for i = 1, 100 do
        local key = "k" .. i
        local first = backends:ring(key)
        local others = {}
        for n = 1, 4 do if by_name["b" .. n] ~= first then others[#others + 1] = n end end
        local second = backends:ring(key, function(one) return one ~= first end)
        assert.equal(list(unpack(others)):ring(key), second)
        assert.equal(first, backends:ring(key, function() return false end))
      end
    end)

    it("is nil of an empty list, and takes texts and numbers only", function()
      local backends = many(2)
      assert.equal(backends:ring "12", backends:ring(12))
      assert.has_error(function() backends:ring(nil) end)
      assert.has_error(function() backends:ring("k", 1) end)
      assert.has_error(function() backends.ring({ {} }, "k") end)
      assert.is_nil(list():ring "k")
    end)
  end)

  describe(":tagged", function()
    before_each(function()
      open { { tags = { zone = "a" } }, { tags = { zone = "b" } }, { tags = { zone = "a" } } }
    end)

    it("is a list of those with that tag", function()
      local backends = list(1, 2, 3)
      assert.equal("b1 b3", names(unpack(backends:tagged("zone", "a"))))
      assert.equal("b2", backends:tagged("zone", "b"):min(in_flight).name)
      assert.equal(0, #backends:tagged("zone", "c"))
      assert.equal(0, #backends:tagged("rack", "a"))
      assert.equal("b3", names(unpack(list(2, 3):tagged("zone", "a"))))
      assert.has_error(function() backends:tagged("zone") end)
    end)

    it("is as it was, whatever a script makes of it", function()
      local backends = list(1, 2, 3)
      backends:tagged("zone", "a")[1] = by_name.b2
      assert.equal("b1 b3", names(unpack(backends:tagged("zone", "a"))))
    end)
  end)

  it("has by_name and all", function()
    many(3)
    local backends = list(1, 3)
    assert.equal(by_name.b3, backends:by_name "b3")
    assert.is_nil(backends:by_name "b2")
    assert.equal("b1 b2 b3", names(unpack(backends.all)))
    assert.is_false(backends.panic)
  end)

  it("has the same list until it changes, mended", function()
    local backends = many(3)
    call.list, call.number = SAME, call.number + 1
    assert.equal(backends, list_for(call))
    backends[1] = by_name.b3
    local seen
    for _ = 1, 3 do
      call.number = call.number + 1
      seen = list_for(call)
    end
    assert.equal("b1 b2 b3", names(unpack(seen)))
  end)
end)
