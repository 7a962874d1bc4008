-- What all workers keep together (core/shared/table.c, store.c), from C and from a script.
local ffi = require "ffi"
local loaded = require "spec.support.loaded"
local core = require "spec.support.core"
local crowd = require "spec.support.crowd"
local sha256 = require "spec.support.sha256"

if not pcall(ffi.new, "struct table_value") then
  ffi.cdef("struct table_value { uint64_t expires_ms; double number; uint16_t type; uint8_t is_kept, is_sum; " ..
    "uint32_t length; "
    .. "char text[1024]; };")
end
ffi.cdef [[
struct store_value { uint32_t type; double number; const char *text; size_t length; double ttl; bool is_kept; };
const struct table_value *store_get(struct segment *, const char *key, size_t length);
int32_t store_set(struct segment *, const char *key, size_t length, const struct store_value *, bool only_if_absent);
int32_t store_remove(struct segment *, const char *key, size_t length);
int32_t store_incr(struct segment *, const char *key, size_t length, double by, double ttl, double *sum);
uint32_t table_count(void *table);
void *store_table(struct segment *);
]]

local NUMBER, TEXT = 1, 3
local DONE, FULL, PRESENT, NO_NUMBER, TOO_LONG = 0, 1, 2, 3, 4
local ROOM = 65536

describe("the store", function()
  local segment, sum

  before_each(function()
    segment = core.segment_new()
    sum = ffi.new "double[1]"
  end)
  after_each(function() core.segment_free(segment) end)

  local function get(key)
    local value = core.store_get(segment, key, #key)
    if value == nil then return nil end
    return value.type == TEXT and ffi.string(value.text, value.length) or value.number
  end

  local function set(key, value, ttl, only_if_absent)
    local text = type(value) == "string" and value or ""
    local given = ffi.new("struct store_value", text == value and TEXT or NUMBER, tonumber(value) or 0, text, #text,
      ttl or 0)
    return core.store_set(segment, key, #key, given, only_if_absent or false)
  end

  local function incr(key, by, ttl)
    local outcome = core.store_incr(segment, key, #key, by or 1, ttl or 0, sum)
    return outcome == DONE and sum[0] or nil, outcome
  end

  local function count() return core.table_count(core.store_table(segment)) end

  local function wait(seconds)
    local socket = require "socket"
    socket.sleep(seconds)
  end

  it("keeps numbers and texts by key, and gives the last", function()
    assert.is_nil(get "a")
    assert.equal(DONE, set("a", 1.5))
    assert.equal(DONE, set("b", "text"))
    assert.equal(1.5, get "a")
    assert.equal("text", get "b")
    assert.equal(DONE, set("a", ("x"):rep(1024)))
    assert.equal(("x"):rep(1024), get "a")
    assert.equal(DONE, set("a", ""))
    assert.equal("", get "a")
    assert.equal(2, count())
  end)

  it("tells keys apart to the byte, of any length and empty ones too", function()
    local long = ("k"):rep(60000)
    local keys = {
      "", "a", "a\0", "a\0\0", "\0", ("k"):rep(128), ("k"):rep(127), ("k"):rep(129), "12345678", "123456789",
      long, long .. "\0", "\0" .. long, sha256.digest(long), "K" .. sha256.digest(long),
    }
    for i, key in ipairs(keys) do assert.equal(DONE, set(key, i)) end
    for i, key in ipairs(keys) do assert.equal(i, get(key)) end
    assert.equal(#keys, count())
    for _, key in ipairs(keys) do assert.equal(DONE, core.store_remove(segment, key, #key)) end
    assert.equal(0, count())
  end)

  it("refuses texts that are too long", function()
    assert.equal(TOO_LONG, set("k", ("x"):rep(1025)))
  end)

  it("adds a value only where there is none", function()
    assert.equal(DONE, set("a", 1, 0, true))
    assert.equal(PRESENT, set("a", 2, 0, true))
    assert.equal(1, get "a")
    assert.equal(DONE, core.store_remove(segment, "a", 1))
    assert.is_nil(get "a")
    assert.equal(DONE, set("a", 3, 0, true))
    assert.equal(3, get "a")
  end)

  it("counts up and down from 0, numbers only", function()
    assert.equal(1, incr "n")
    assert.equal(-1.5, incr("n", -2.5))
    set("t", "text")
    assert.equal(NO_NUMBER, select(2, incr "t"))
    assert.equal("text", get "t")
  end)

  it("forgets a value when its time is over, and counts from 0 again", function()
    incr("n", 5, 0.05)
    assert.equal(6, incr("n", 1, 100)) -- the first one's time stays
    set("t", "text", 0.05)
    set("stays", 1)
    wait(0.06)
    assert.is_nil(get "n")
    assert.is_nil(get "t")
    assert.equal(1, incr("n", 1))
    assert.equal(DONE, set("t", "new", 0, true))
    assert.equal(3, count())
  end)

  it("is not slow when it is full: clients can use up the keys", function()
    for i = 1, ROOM do assert(set("key " .. i, i) == DONE) end
    local begun = os.clock() -- CPU time of this process, which runs nothing else
    count()
    local thorough, slowest, found = os.clock() - begun, math.huge, 0
    for _ = 1, 3 do
      wait(0.55) -- the next refusal looks through all of them
      local worst = 0
      for i = 1, 20 do
        begun = os.clock()
        assert.equal(FULL, set("new " .. i, i))
        worst = math.max(worst, os.clock() - begun)
      end
      slowest = math.min(slowest, worst)
    end
    assert.truthy(slowest < thorough / 2, slowest .. " s of " .. thorough)
    for i = 1, 3 do assert(set("key " .. i, i, 0.001) == DONE) end
    wait(0.55)
    for i = 1, 4 do found = found + (set("new " .. i, i) == DONE and 1 or 0) end
    assert.equal(3, found)
  end)

  it("is full at last, says so, and loses nothing of what it has", function()
    for i = 1, ROOM do assert(set("key" .. i, i) == DONE) end
    assert.equal(FULL, set("one more", 1))
    assert.equal(FULL, select(2, incr "one more"))
    assert.is_nil(get "one more")
    for i = 1, ROOM do assert(get("key" .. i) == i) end
    for i = 1, ROOM, 100 do assert(incr("key" .. i) == i + 1) end
    core.store_remove(segment, "key7", 4)
    assert.equal(DONE, set("one more", 1))
  end)

  it("uses the room of what has expired", function()
    for i = 1, ROOM do assert(set("old" .. i, i, i > 100 and 0.02 or 0) == DONE) end
    wait(0.03)
    for i = 1, ROOM - 100 do assert(set("new" .. i, i) == DONE, i) end
    assert.equal(FULL, set("one more", 1))
    for i = 1, 100 do assert.equal(i, get("old" .. i)) end
  end)

  it("takes no memory beyond what its keys need, however often they change", function()
    for i = 1, 100000 do incr("k" .. i % 5) end
    assert.equal(5, count())
    local high = ffi.cast("uint32_t *", core.store_table(segment))[5]
    assert.truthy(high < 40, high)
  end)

  local function key_of(i) return "key" .. i end

  it("is exact over processes, and over those that are killed in the middle", function()
    local KEYS, KILLS = 8, 150
    local sums = crowd.run {
      processes = 4, seconds = 3, kills = KILLS, names = { "added", "torn", "lost" },
      work = function(number, report)
        local key = key_of(math.random(KEYS))
        local added, outcome = incr(key)
        if not added then report("lost", outcome == FULL and 1 or 1000) else report("added", 1) end
        -- Texts of one letter: another one in it would be half of another's value.
        local letter = string.char(96 + number)
        set("text" .. math.random(3), letter:rep(math.random(1, 1024)), math.random() < 0.1 and 0.001 or 0)
        local seen = get("text" .. math.random(3))
        if seen and seen ~= seen:sub(1, 1):rep(#seen) then report("torn", 1) end
        set("short" .. number .. math.random(50), 1, 0.001)
      end,
    }
    local total = 0
    for i = 1, KEYS do total = total + get(key_of(i)) end
    assert.equal(0, sums.torn)
    assert.equal(0, sums.lost)
    assert.truthy(sums.added > 1000)
    -- A killed process may have added and not reported it.
    assert.truthy(total >= sums.added and total <= sums.added + KILLS, ("%d of %d"):format(total, sums.added))
    -- Nothing is left of the killed ones: what is counted is what can be read.
    wait(0.005)
    local readable = KEYS
    for i = 1, 3 do readable = readable + (get("text" .. i) and 1 or 0) end
    assert.equal(readable, count())
    assert.equal(readable, count())
  end)

  it("adds a key once, also if several try at the same time", function()
    local sums = crowd.run {
      processes = 4, seconds = 0.5, names = { "won" },
      work = function(_, report)
        if set("once" .. math.random(100000), 1, 0, true) == DONE then report("won", 1) end
      end,
    }
    assert.equal(count(), sums.won)
  end)
end)

describe("a script's store", function()
  local segment

  before_each(function() segment = core.segment_new() end)
  after_each(function() core.segment_free(segment) end)

  -- The message of what went wrong while it was loaded, or nil.
  local function run(body) return loaded.run(segment, body) end

  it("has what the reference says", function()
    assert.is_nil(run [[
      assert(lb.get "a" == nil and lb.set("a", 5) == true and lb.get "a" == 5)
      assert(lb.incr "a" == 6 and lb.incr("a", -10) == -4 and lb.incr("new", 2, 10) == 2)
      assert(lb.add("a", 1) == false and lb.add("b", "x") == true and lb.get "b" == "x")
      assert(lb.set "b" and lb.get "b" == nil and lb.set(7, true) and lb.get "7" == true)
      assert(lb.set("f", false) and lb.get "f" == false and lb.set("e", "") and lb.get "e" == "")
    ]])
    assert.is_nil(run 'assert(lb.get "a" == -4, "it is another script now, and the same store")')
  end)

  it("takes whatever a client may send as a key", function()
    assert.is_nil(run [[
      for _, key in ipairs { "", "\0", "a\0b", ("x"):rep(10000), ("x"):rep(10000) .. "\0" } do
        local window, bucket = lb.window(key, 10), lb.bucket("name", { rate = 1, burst = 2 })
        assert(lb.get(key) == nil and lb.set(key, 1) and lb.add(key, 1) == false and lb.incr(key) == 2)
        assert(lb.get(key) == 2 and window:get() == 0 and window:add(3) == 3 and window:get() == 3)
        assert(bucket:take(key, 2) == true and bucket:take(key, 2) == false)
      end
    ]])
  end)

  it("complains at the script's line", function()
    local function complains(line, wanted)
      assert.equal("t.lua:1: " .. wanted, run(line))
    end
    complains("local a = lb.get(nil)", "lb.get needs a key, got nil")
    complains("local a = lb.set('a', {})", "lb.set: a value is a text, a number or a boolean, not a table")
    complains("local a = lb.add('a', ('x'):rep(1025))", "lb.add: a text has 1024 bytes at most, not 1025")
    complains("local a = lb.set('a', 0/0)", "lb.set: nan is not a value")
    complains("local a = lb.set('a', 1, 0)", "lb.set: the time to live is a number of seconds above 0, got 0")
    complains("local a = lb.incr('a', 1/0)", "lb.incr adds a number, got inf")
    complains("local a = lb.set('a', 1, { ttl = 0 })",
      "lb.set: the time to live is a number of seconds above 0, got 0")
    complains("local a = lb.add('a', 1, { keep = 1 })", "lb.add: keep is true or false, got 1")
    complains("local a = lb.set('a', 1, { kept = true })", "lb.set: unknown field 'kept': there is keep, ttl")
    complains("lb.set('a', 'x') local a = lb.incr 'a'", "lb.incr: the value of 'a' is no number")
  end)
end)
