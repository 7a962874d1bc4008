-- The script's own metrics (core/shared/series.c), from C and from a script.
local ffi = require "ffi"
local loaded = require "spec.support.loaded"
local core = require "spec.support.core"
local crowd = require "spec.support.crowd"

ffi.cdef [[
int32_t series_declare(struct segment *, struct slice name, int32_t kind, struct slice labels, uint32_t max);
int32_t series_find(struct segment *, int32_t metric, struct slice text);
void series_add(struct segment *, int32_t metric, int32_t series, double amount);
void series_set(struct segment *, int32_t metric, int32_t series, double value);
struct series_metric {
  uint64_t value;
  uint32_t state, is_shown, has_others, was_told, series, series_max, kind;
  char name[64], labels[144];
};
struct series_series { uint64_t value; uint32_t is_named, metric, length; uint64_t hash; char text[224]; };
const struct series_metric *series_metric(const struct segment *, unsigned metric);
const struct series_series *series_of(const struct segment *, unsigned metric, unsigned n);
unsigned series_count(const struct segment *);
double series_value(const uint64_t *value);
struct totals *totals_own;
void totals_end(void);
]]

local TOTALS = ffi.new "uint64_t[256]"
local TOTAL, GAUGE = 0, 1
local NO_ROOM, OTHER_KIND, OTHERS = -1, -2, -1

local function slice(text) return ffi.new("struct slice", text, #text) end

local segment
local function declare(name, labels, max, kind)
  return core.series_declare(segment, slice(name), kind or TOTAL, slice(labels or ""), max or 0)
end
local function find(metric, text) return core.series_find(segment, metric, slice(text)) end

-- By text, with a comma in place of NUL; "(other)" is there if something was counted so.
local function values_of(metric)
  local found, shown = {}, assert(core.series_metric(segment, metric))
  for n = 0, core.series_count(segment) - 1 do
    local series = core.series_of(segment, metric, n)
    if series ~= nil then
      local text = ffi.string(series.text, series.length):gsub("%z", ",")
      assert(found[text] == nil, "two of " .. text)
      found[text] = core.series_value(ffi.cast("const uint64_t *", series))
    end
  end
  if shown.has_others ~= 0 then found["(other)"] = core.series_value(ffi.cast("const uint64_t *", shown)) end
  return found
end

-- As in a worker, whose totals somebody reads.
local function begin()
  segment = core.segment_new()
  core.totals_own = ffi.cast("struct totals *", TOTALS)
end
local function over()
  core.totals_end()
  core.segment_free(segment)
end

describe("a metric of a script", function()
  before_each(begin)
  after_each(over)

  it("is one for each name, kind and labels", function()
    local a = declare "a"
    assert.equal(a, declare "a")
    assert.not_equal(a, declare("a", "tenant", 5))
    assert.equal(declare("a", "tenant", 5), declare("a", "tenant", 7))
    assert.equal(OTHER_KIND, declare("a", "", 0, GAUGE))
    assert.not_equal(a, declare "b")
  end)

  it("has a name that a script which was only tried has not taken", function()
    core.totals_end()
    local tried = declare "a"
    assert.is_true(core.series_metric(segment, tried) == nil)
    core.totals_own = ffi.cast("struct totals *", TOTALS)
    assert(declare("a", "", 0, GAUGE) >= 0)
  end)

  it("has room for 128 names, and then still for those that are there", function()
    for i = 1, 128 do assert(declare("n" .. i) >= 0, i) end
    assert.equal(NO_ROOM, declare "another")
    assert(declare "n77" >= 0)
  end)

  it("has one value for each text, and one for all others once there are too many", function()
    local m = declare("a", "tenant", 2)
    for _, text in ipairs { "x", "y", "x", "z", "y", "w", "x" } do core.series_add(segment, m, find(m, text), 1) end
    assert.same({ x = 3, y = 2, ["(other)"] = 2 }, values_of(m))
  end)

  it("counts what is no text of its own as others, without taking up room", function()
    local m = declare("a", "tenant", 2)
    for _, text in ipairs { ("x"):rep(225), "\255", "a\192\128" } do assert.equal(OTHERS, find(m, text)) end
    assert(find(m, ("x"):rep(224)) >= 0)
    assert(find(m, "käse") >= 0)
    assert.equal(OTHERS, find(m, "one more"))
  end)

  it("keeps the texts of two metrics apart", function()
    local a, b = declare("a", "t", 5), declare("b", "t", 5)
    core.series_add(segment, a, find(a, "x"), 1.5)
    core.series_set(segment, b, find(b, "x"), -7)
    assert.same({ x = 1.5 }, values_of(a))
    assert.same({ x = -7 }, values_of(b))
  end)

  it("is bounded over all metrics", function()
    local made = 0
    for i = 1, 10 do
      local m = declare("m" .. i, "t", 1000)
      for j = 1, 1000 do made = made + (find(m, "value " .. j) >= 0 and 1 or 0) end
    end
    assert.equal(8192, made)
    assert.equal(8192, core.series_count(segment))
  end)

  it("is exact over processes that find the same new texts at once, some of them killed", function()
    local KILLS, MAX = 40, 300
    local m = declare("a", "t", MAX)
    local sums = crowd.run {
      processes = 4, seconds = 1.5, kills = KILLS, names = { "added" },
      work = function(_, report)
        core.series_add(segment, m, find(m, "text " .. math.random(2 * MAX)), 1)
        report("added", 1)
      end,
    }
    local sum, texts = 0, 0
    for _, value in pairs(values_of(m)) do sum, texts = sum + value, texts + 1 end
    assert(sum >= sums.added and sum <= sums.added + KILLS, sum .. " of " .. sums.added)
    assert(texts <= MAX + 1 and texts > MAX - KILLS, texts)
  end)
end)

describe("a script's lb.total", function()
  before_each(begin)
  after_each(over)

  local function run(body) return loaded.run(segment, body) end

  it("adds, with a value for each label", function()
    assert.is_nil(run [[
      local plain, two = lb.total "plain", lb.total("two", { "tenant", "plan", max = 3 })
      plain:add() plain:add(2.5) plain:add(0)
      lb.total "plain":add(1)
      two:add(1, "a", 1) two:add(2, "a", true) two:add(4, "a", 1)
      two:add(8, "(other)", "(other)") two:add(16, "a\0b", "c")
      two:add(32, "third", "(other)") two:add(64, "fourth", "x")
    ]])
    assert.same({ ["(other)"] = 4.5 }, values_of(0))
    assert.same({ ["a,1"] = 5, ["a,true"] = 2, ["third,(other)"] = 32, ["(other)"] = 88 }, values_of(1))
  end)

  it("stands next to gauges, which have the last value", function()
    assert.is_nil(run [[
      local gauge = lb.gauge("depth", { "queue" })
      gauge:set(3, "a") gauge:set(-1.5, "a") gauge:set(1 / 0, "b")
    ]])
    assert.same({ a = -1.5, b = 1 / 0 }, values_of(0))
  end)

  it("goes on from there when the script is loaded again, even with another max", function()
    assert.is_nil(run "lb.total('a', { 't', max = 1 }):add(1, 'x')")
    assert.is_nil(run "local a = lb.total('a', { 't', max = 2 }) a:add(1, 'x') a:add(1, 'y') a:add(1, 'z')")
    assert.same({ x = 2, y = 1, ["(other)"] = 1 }, values_of(0))
  end)

  it("complains at the script's line", function()
    local function complains(line, wanted) assert.equal("t.lua:1: " .. wanted, run(line)) end
    local NAME = "lb.total needs a name of a-z, 0-9 and _, of 48 bytes at most, got "
    complains("lb.total()", NAME .. "nil")
    complains("lb.total 'A'", NAME .. "A")
    complains("lb.total 'a__b'", NAME .. "a__b")
    complains("lb.total '1a'", NAME .. "1a")
    complains("lb.total(('a'):rep(49))", NAME .. ("a"):rep(49))
    complains("lb.total 'a_total'", "lb.total: leave '_total' away, the end of 'a_total': it has a meaning of its own")
    complains("lb.gauge('a', 'b')", "lb.gauge: labels are a table, not a string")
    complains("lb.gauge('a', {})", "lb.gauge: 0 labels; there are 1 to 4, or no table")
    complains("lb.gauge('a', { 'b', mx = 1 })", "lb.gauge: unknown option 'mx': there are names of labels, and max")
    complains("lb.gauge('a', { 'b', max = 0 })", "lb.gauge: max is a whole number from 1 to 1000, not 0")
    complains("lb.gauge('a', { 'b', 'b' })", "lb.gauge: there is the label 'b' twice")
    complains("lb.gauge('a', { 'le' })", "lb.gauge: a label has a name of a-z, 0-9 and _, of 32 bytes at most, "
      .. "other than le and quantile, not le")
    complains("lb.gauge 'g' lb.total 'g'", "lb.total: 'g' is a metric of the other kind: choose another name")
    complains("lb.total 'a':add(-1)", "total:add(n) needs a number of at least 0, as a total never falls; got -1")
    complains("lb.total 'a':add(0 / 0)", "total:add(n) needs a number of at least 0, as a total never falls; got nan")
    complains("lb.total 'a':add(1, 'x')", "lb.total 'a' has 0 labels, and got 1 values")
    complains("lb.total('a', { 'b' }):add(1)", "lb.total 'a' has 1 label: a value of one is a text, not a nil")
    complains("lb.total 'a'.add(1)", "call it with a colon: total:add(n)")
    complains("lb.gauge 'g':set()", "gauge:set(n) needs a number, got nil")
    complains("lb.gauge 'g':add(1)", "unknown field 'add' of a gauge: there is set")
  end)
end)
