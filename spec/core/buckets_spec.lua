-- Buckets of tokens (core/shared/store.c), from C and from a script.
local ffi = require "ffi"
local loaded = require "spec.support.loaded"
local core = require "spec.support.core"
local crowd = require "spec.support.crowd"
local socket = require "socket"

ffi.cdef [[
struct store_bucket { const char *name; size_t length; double rate, burst; };
int32_t store_bucket_take(struct segment *, const struct store_bucket *, const char *key, size_t length, double tokens,
                          double *wait);
uint32_t table_count(void *table);
void *store_table(struct segment *);
]]

describe("a bucket", function()
  local segment, wait

  before_each(function()
    segment = core.segment_new()
    wait = ffi.new "double[1]"
  end)
  after_each(function() core.segment_free(segment) end)

  local function take(key, rate, burst, tokens)
    local bucket = ffi.new("struct store_bucket", "b", 1, rate, burst)
    local outcome = core.store_bucket_take(segment, bucket, key, #key, tokens or 1, wait)
    return outcome == 1, wait[0]
  end

  it("gives the burst at once, whatever the rate", function()
    for _, rate in ipairs { 0.001, 0.03, 1 / 3, 1 } do
      local key = "k" .. rate
      for i = 1, 1000 do assert(take(key, rate, 1000), i) end
      assert.is_false(take(key, rate, 1000))
    end
  end)

  it("says in how many seconds there are enough", function()
    for _ = 1, 10 do take("k", 0.1, 10) end
    local taken, seconds = take("k", 0.1, 10)
    assert.is_false(taken)
    assert.truthy(seconds > 9 and seconds <= 10, seconds)
    taken, seconds = take("k", 0.1, 10, 3)
    assert.is_false(taken)
    assert.truthy(seconds > 29 and seconds <= 30, seconds)
  end)

  it("takes nothing when it refuses", function()
    assert.is_true(take("k", 0.01, 10, 8))
    for _ = 1, 5 do assert.is_false(take("k", 0.01, 10, 3)) end
    assert.is_true(take("k", 0.01, 10, 2))
    assert.is_false(take("k", 0.01, 10))
  end)

  it("never gives more than the burst and what came since", function()
    local RATE, BURST = 200, 20
    local began, taken = socket.gettime(), 0
    repeat
      if take("k", RATE, BURST) then taken = taken + 1 end
    until socket.gettime() > began + 0.5
    local most = BURST + RATE * (socket.gettime() - began) + 1
    assert.truthy(taken <= most, taken)
    assert.truthy(taken > BURST, taken)
  end)

  it("is one for each key, and forgets those that are full again", function()
    for i = 1, 1000 do assert.is_true(take("client" .. i, 100, 1)) end
    socket.sleep(0.02)
    assert.equal(0, core.table_count(core.store_table(segment)))
  end)

  it("is exact over processes, and over those that are killed in the middle", function()
    local KILLS, BURST = 60, 50000
    local sums = crowd.run {
      processes = 4, seconds = 1.5, kills = KILLS, names = { "taken" },
      work = function(_, report)
        if take("shared", 1e-6, BURST) then report("taken", 1) end
      end,
    }
    local left = 0
    while take("shared", 1e-6, BURST) do left = left + 1 end
    local total = sums.taken + left
    assert.truthy(sums.taken > 1000)
    assert.truthy(total <= BURST and total >= BURST - KILLS, total)
  end)
end)

describe("a script's bucket", function()
  local segment

  before_each(function() segment = core.segment_new() end)
  after_each(function() core.segment_free(segment) end)

  local function run(body) return loaded.run(segment, body) end

  it("gives true, or false and the seconds", function()
    assert.is_nil(run [[
      local bucket = lb.bucket("api", { rate = 0.1, burst = 2 })
      assert(bucket:take "10.0.0.1" == true and bucket:take "10.0.0.1" == true)
      local taken, seconds = bucket:take "10.0.0.1"
      assert(taken == false and seconds > 9 and seconds <= 10)
      assert(bucket:take("10.0.0.2", 2) and bucket:take("10.0.0.2", 2) == false)
      assert(lb.bucket("other", { rate = 1 }):take "10.0.0.1")
    ]])
  end)

  it("complains at the script's line", function()
    local function complains(line, wanted) assert.equal("t.lua:1: " .. wanted, run(line)) end
    complains("local b = lb.bucket()", "lb.bucket needs a name of 1 to 48 bytes, got nil")
    complains("local b = lb.bucket 'b'", "lb.bucket(name, { rate =, burst = }) needs a table, got nil")
    complains("local b = lb.bucket('b', {})", "lb.bucket: rate is a number a second, from 1e-6 to 1e6, got nil")
    complains("local b = lb.bucket('b', { rates = 1 })", "unknown field 'rates' of lb.bucket, did you mean 'rate'?")
    complains("local b = lb.bucket('b', { rate = 1, burst = 0 })", "lb.bucket: burst is a number from 1 to 1e6, got 0")
    complains("local b = lb.bucket('b', { rate = 1, full = true })", 'lb.bucket: full is "closed" or "open", got true')
    complains("local b = lb.bucket('b', { rate = 1 }) b:take('x', 2)",
      "bucket:take(key, n): n is above 0 and at most the burst, 1, got 2")
    complains("local b = lb.bucket('b', { rate = 1 }) b.take('x')",
      "call it on a bucket, with a colon: bucket:take(key)")
  end)

  it("lets nobody pass whom it cannot count, unless it is open", function()
    assert.is_nil(run [[
      local count = 0 -- of values that stay: there is no bucket whose place a new one could take
      while lb.set("key" .. count, 1) do count = count + 1 end
      for name, options in pairs { default = {}, closed = { full = "closed" }, open = { full = "open" } } do
        options.rate, options.burst = 0.1, 2
        local taken, seconds, why = lb.bucket(name, options):take "new"
        assert(taken == (name == "open") and seconds == (name ~= "open" and 1 or nil) and why == "full", name)
      end
      assert(lb.window("new", 10):add() == nil)
    ]])
  end)
end)
