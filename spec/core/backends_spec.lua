-- Backends as a script sees them, and lists of them, over a board of the spec's own.
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
if not pcall(ffi.typeof, "struct lists_call") then
  ffi.cdef [[
    struct lists_request { const void *compared; };
    struct lists_call {
      double number; const uint32_t *backends; int32_t check; uint32_t count, list, panic;
      struct lists_request *request;
    };
  ]]
end

local SAME, KEEP = 0, 1

describe("backends", function()
  local segment, call, list_for, by_name, turns, round_robin

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
      object_meta = function(_, methods) return { __index = methods } end,
      tostring = tostring, segment = ffi.cast("void *", segment),
      policies = {}, list_methods = {}, late = {}, WALK = {},
    }
    assert(loadfile "core/lua/turns.lua")(prelude, {})
    turns, round_robin = prelude.turns, prelude.policies.round_robin
    call = ffi.new("struct lists_call", { check = 1 })
    local backends = assert(loadfile "core/policy/backends.lua")(prelude, ffi.cast("void *", segment), all)
    list_for = assert(loadfile "core/policy/lists.lua")(prelude, backends, call).list_for
    by_name = {}
    for _, one in ipairs(backends.members) do by_name[one.name] = one end
  end

  local held
  local function list(...) -- of those numbers, from 1
    local numbers = { ... }
    held = ffi.new("uint32_t[?]", #numbers + 1)
    for i, number in ipairs(numbers) do held[i - 1] = number - 1 end
    call.backends, call.count, call.list, call.number = held, #numbers, KEEP, call.number + 1
    return list_for()
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

  local function counts(times, choose)
    local seen = {}
    for i = 1, times do
      local name = choose(i).name
      seen[name] = (seen[name] or 0) + 1
    end
    return seen
  end

  local function expect_shares(shares, seen, times)
    for name, share in pairs(shares) do
      local is_near = math.abs((seen[name] or 0) - share * times) <= 2
      assert(is_near, ("%s: %d of %d"):format(name, seen[name] or 0, times))
    end
  end

  describe(":min", function()
    it("is the one with the smallest number", function()
      local backends = many(4)
      busy("b1", 2) busy("b2", 1) busy("b3", 3) busy("b4", 2)
      for _ = 1, 100 do assert.equal("b2", backends:min(in_flight).name) end
    end)

    it("lets all that have the same number come in order", function()
      local backends, seen = many(3), {}
      for i = 1, 300 do seen[i] = backends:min(in_flight).name:sub(2) end
      assert.equal(("123"):rep(100), table.concat(seen))
    end)

    it("lets several with the same number take turns, and no others", function()
      local backends = many(5)
      busy("b1", 1) busy("b4", 1)
      expect_shares({ b1 = 0, b2 = 1 / 3, b3 = 1 / 3, b4 = 0, b5 = 1 / 3 },
        counts(300, function() return backends:min(in_flight) end), 300)
    end)

    it("gives each of them its share when those that have it are others each time", function()
      local backends = many(4)
      local function pick(odd) return backends:min(function(one) return (one.name <= "b2") == odd and 0 or 1 end) end
      expect_shares({ b1 = 1 / 4, b2 = 1 / 4, b3 = 1 / 4, b4 = 1 / 4 },
        counts(100, function(i) return pick(i % 2 == 1) end), 100)
    end)

    it("goes by weight among them", function()
      open { { weight = 99 }, {}, { weight = 50 } }
      local backends = list(1, 2, 3)
      expect_shares({ b1 = 99 / 150, b2 = 1 / 150, b3 = 50 / 150 },
        counts(300, function() return backends:min(function() return 0 end) end), 300)
      busy("b3", 1)
      expect_shares({ b1 = 0.99, b2 = 0.01 }, counts(200, function() return backends:min(in_flight) end), 200)
    end)

    it("lets all take turns if nothing is a number", function()
      local backends = many(3)
      expect_shares({ b1 = 1 / 3, b2 = 1 / 3, b3 = 1 / 3 },
        counts(30, function() return backends:min(function() return 0 / 0 end) end), 30)
      assert.truthy(backends:min(function() return math.huge end))
    end)

    it("takes the neighbour of who was tried, and no turn", function()
      local backends = many(4)
      busy("b3", 1)
      turns.last = function() return 2 end
      for _ = 1, 3 do
        assert.equal("b4", backends:min(in_flight).name)
        assert.equal("b3", backends:min(function() return 0 end).name)
        assert.equal("b3", backends:min(function() return 0 / 0 end).name)
      end
      turns.last = function() return 4 end
      assert.equal("b1", backends:min(in_flight).name)
      turns.last = function() return 0 end
      assert.equal("b1", backends:min(function() return 0 end).name)
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

    -- Chi-square over all ordered pairs and triples; a good generator goes beyond these bounds once
    -- in a million runs or less.
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

    it("moves the keys of a backend that leaves, at most 12 % of 10, and no others; they come back with it", function()
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

  describe("turns", function()
    local function of_pools()
      open {
        { tags = { pool = "x", zone = "1" } }, { tags = { pool = "x", zone = "2" } },
        { tags = { pool = "y", zone = "1" } }, { tags = { pool = "y", zone = "2" } },
      }
      return list(1, 2, 3, 4)
    end

    local function order(times, choose)
      local seen = {}
      for i = 1, times do seen[i] = choose(i).name:sub(2) end
      return table.concat(seen)
    end

    it("are of each group's own, also after a change of the list", function()
      local backends = of_pools()
      local function choose(i) return round_robin(nil, backends:tagged("pool", i % 2 == 1 and "x" or "y")) end
      assert.equal("13241324", order(8, choose))
      assert.equal("1324", order(4, function(i)
        list(1, 3)
        backends = list(1, 2, 3, 4)
        return choose(i)
      end))
    end)

    it("are of each group in a group", function()
      local backends = of_pools()
      local both = { { "pool", "x" }, { "zone", "1" }, { "zone", "2" } }
      local function group(i) return backends:tagged(both[i][1], both[i][2]) end
      assert.equal("112234112234", order(12, function(i)
        if i % 3 == 1 then return round_robin(nil, group(1)) end
        return round_robin(nil, i % 3 == 2 and group(2) or group(3):tagged("zone", "2"))
      end))
    end)

    it("of the ties of a group are its own", function()
      local backends = of_pools()
      assert.equal("13241324", order(8, function(i)
        return backends:tagged("pool", i % 2 == 1 and "x" or "y"):min(in_flight)
      end))
    end)

    it("of lists that a script makes are one, and still nobody is left out", function()
      of_pools()
      local x, y = { by_name.b1, by_name.b2 }, { by_name.b3, by_name.b4 }
      expect_shares({ b1 = 1 / 4, b2 = 1 / 4, b3 = 1 / 4, b4 = 1 / 4 },
        counts(80, function(i) return round_robin(nil, i % 2 == 1 and x or y) end), 80)
      assert.is_nil(round_robin(nil, {}))
    end)

    it("are not taken by a try after the first, which gets the neighbour", function()
      local backends = of_pools()
      local function second(last, from)
        turns.last = function() return last end
        local chosen = round_robin(nil, from).name
        turns.last = function() return 0 end
        return chosen
      end
      assert.equal("b1", round_robin(nil, backends).name)
      for _ = 1, 3 do assert.equal("b3", second(2, list(1, 3, 4))) end
      assert.equal("b1", second(4, list(1, 2, 3)))
      assert.equal("b4", second(3, { by_name.b3, by_name.b4, by_name.b1 }))
      assert.equal("b3", second(1, { by_name.b4, by_name.b1, by_name.b3 }))
      assert.is_nil(round_robin(nil, list()))
      assert.equal("b2", round_robin(nil, backends).name)
    end)

    it("are taken by a try after the first that goes to another group", function()
      local y = of_pools():tagged("pool", "y")
      turns.last = function() return 1 end
      assert.equal("343", order(3, function() return round_robin(nil, y) end))
      assert.equal("343", order(3, function() return y:min(in_flight) end))
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
    assert.equal(backends, list_for())
    backends[1] = by_name.b3
    local seen
    for _ = 1, 3 do
      call.number = call.number + 1
      seen = list_for()
    end
    assert.equal("b1 b2 b3", names(unpack(seen)))
  end)
end)
