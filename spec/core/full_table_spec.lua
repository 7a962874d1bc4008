-- Which keys go when all are taken (core/shared/table.c, victim.c): what expires first, and
-- of each name only keys beyond its share.
local ffi = require "ffi"
local core = require "spec.support.core"
local crowd = require "spec.support.crowd"

if not pcall(ffi.new, "struct table_value") then
  ffi.cdef("struct table_value { uint64_t expires_ms; double number; uint16_t type; uint8_t is_kept, is_sum; " ..
    "uint32_t length; "
    .. "char text[1024]; };")
end
ffi.cdef [[
struct store_value { uint32_t type; double number; const char *text; size_t length; double ttl; bool is_kept; };
struct store_bucket { const char *name; size_t length; double rate, burst; };
const struct table_value *store_get(struct segment *, const char *key, size_t length);
int32_t store_set(struct segment *, const char *key, size_t length, const struct store_value *, bool only_if_absent);
int32_t store_bucket_take(struct segment *, const struct store_bucket *, const char *key, size_t length, double tokens,
                          double *wait);
int32_t store_window_add(struct segment *, const char *name, size_t length, double seconds, double amount, double *sum);
double store_window_get(struct segment *, const char *name, size_t length, double seconds);
uint32_t table_count(void *table);
void *store_table(struct segment *);
]]

local NUMBER, DONE, FULL, TAKEN, NOT_TAKEN = 1, 0, 1, 1, 0
local ROOM = 65536

describe("a full table", function()
  local segment, result

  before_each(function()
    segment = core.segment_new()
    result = ffi.new "double[1]"
  end)
  after_each(function() core.segment_free(segment) end)

  local function set(key, ttl)
    return core.store_set(segment, key, #key, ffi.new("struct store_value", NUMBER, 1, "", 0, ttl or 0), false)
  end
  local function has(key) return core.store_get(segment, key, #key) ~= nil end

  -- A burst of one: who is remembered gets nothing for a long time.
  local function take(name, key)
    local bucket = ffi.new("struct store_bucket", name, #name, 1e-4, 1)
    return core.store_bucket_take(segment, bucket, key, #key, 1, result)
  end

  local function count(first, last, is_there)
    local sum = 0
    for i = first, last do sum = sum + (is_there(i) and 1 or 0) end
    return sum
  end

  local function value_of(prefix) return function(i) return has(prefix .. i) end end

  it("lets go of what expires first", function()
    for i = 1, ROOM do assert(set("key" .. i, 1000 + i) == DONE) end
    for i = 1, ROOM / 8 do assert(set("new" .. i, 1e6) == DONE) end
    assert.equal(ROOM / 8, count(1, ROOM / 8, value_of "new"))
    assert.equal(ROOM / 2, count(ROOM / 2 + 1, ROOM, value_of "key"))
    assert.equal(ROOM * 7 / 8, count(1, ROOM, value_of "key"))
    assert.equal(ROOM, core.table_count(core.store_table(segment)))
  end)

  it("never lets go of a value without a time to live", function()
    for i = 1, ROOM / 2 do assert(set("stays" .. i) == DONE) end
    for i = 1, ROOM do assert(set("goes" .. i, 1e6) == DONE) end
    assert.equal(ROOM / 2, count(1, ROOM / 2, value_of "stays"))
    for i = 1, ROOM do if set("more" .. i) == FULL then break end end
    assert.equal(ROOM / 2, count(1, ROOM / 2, value_of "stays"))
    assert.truthy(count(1, ROOM, value_of "more") > ROOM * 0.45)
  end)

  it("takes nothing from a name that has less than its share", function()
    local BUCKET, OTHER = ROOM * 3 / 8, "clients"
    for i = 1, BUCKET do assert(take("limit", "k" .. i) == TAKEN) end
    for i = 1, 100 do assert(take(OTHER, "k" .. i) == TAKEN) end
    core.store_window_add(segment, "window", 6, 10, 5, result)
    for i = 1, 2 * ROOM do assert(set("flood" .. i, 1e6) == DONE) end
    assert.equal(100, count(1, 100, function(i) return take(OTHER, "k" .. i) == NOT_TAKEN end))
    assert.equal(5, core.store_window_get(segment, "window", 6, 10))
    local kept = count(1, BUCKET, function(i) return take("limit", "k" .. i) == NOT_TAKEN end)
    assert.truthy(kept > BUCKET * 0.9, kept)
  end)

  it("takes from the name that has most", function()
    for i = 1, ROOM do assert(set("flood" .. i, 1e6) == DONE) end
    for i = 1, 1000 do assert(take("limit", "k" .. i) == TAKEN) end
    assert.equal(1000, count(1, 1000, function(i) return take("limit", "k" .. i) == NOT_TAKEN end))
  end)

  it("keeps its count, also if a process is killed while keys come and go", function()
    for i = 1, ROOM do assert(set("key" .. i, 1000 + i % 100) == DONE) end
    for i = 1, 100 do assert(take("limit", "k" .. i) == TAKEN) end
    local KILLS = 100
    local sums = crowd.run {
      processes = 4, seconds = 2, kills = KILLS, names = { "added", "full", "lost" },
      work = function(number, report)
        local key = number .. "/" .. math.random(1e9)
        local is_full = set(key, 1e6) == FULL
        report(is_full and "full" or has(key) and "added" or "lost", 1)
      end,
    }
    assert.truthy(sums.added > 1000)
    assert.equal(0, sums.lost)
    -- Others have taken the room that it made.
    assert.truthy(sums.full < sums.added / 1000, sums.full)
    assert.equal(100, count(1, 100, function(i) return take("limit", "k" .. i) == NOT_TAKEN end))
    local keys = core.table_count(core.store_table(segment))
    -- Each may have left a key that is not counted.
    assert.truthy(keys <= ROOM + KILLS and keys > ROOM - 1000, keys)
  end)
end)
