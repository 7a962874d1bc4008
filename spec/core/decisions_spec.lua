-- The rings in which workers keep how requests went (core/shared/decisions), and what readers see.
local ffi = require "ffi"
local core = require "spec.support.core"
local pages = require "spec.support.pages"

ffi.cdef [[
struct decision {
  uint64_t ended_us;
  char id[16];
  uint64_t edition, total_us;
  uint32_t queue_us, policy_us, backends, available;
  uint16_t status, client_port, items_bytes;
  uint8_t has_chosen, is_panic, is_cut, by_fallback, is_wrong, attempts, retries;
  int8_t grpc_status;
  uint8_t unused[2];
  unsigned char items[432];
};
struct decision_item { int says; struct slice text; union { uint64_t number; double value; }; };
void decision_put(struct decision *, const struct decision_item *, size_t most);
bool decision_next(const struct decision *, size_t *at, struct decision_item *out);
void decisions_keep(struct segment *, unsigned worker, const struct decision *, unsigned keep);
unsigned decisions_used(const struct segment *, unsigned worker, int ring);
bool decisions_read(const struct segment *, unsigned worker, int ring, unsigned place, struct decision *out);
/* A version, and the words behind it. */
uint64_t *decisions_place(const struct segment *, unsigned worker, int ring, unsigned place);
]]

local USUAL, WRONG = 0, 1
local WORKER = 3

-- The numbers of enum decision_says, as they stand in the header.
local function numbers()
  local list = pages.read("core/shared/decisions.h"):match "enum decision_says {(.-)};"
  local known, at = {}, 0
  for name in list:gsub("/%*.-%*/", ""):gmatch "DECISION_([%w_]+)" do
    known[name], at = at, at + 1
  end
  return known
end

local SAYS = numbers()

local function item(says, text, number)
  local made = ffi.new("struct decision_item", { says = SAYS[says], text = { text, #text } })
  made.number = number or 0
  return made, text
end

local function decision(fields)
  local d = ffi.new("struct decision")
  for name, value in pairs(fields or {}) do d[name] = value end
  return d
end

-- What the items say: { "TRY", "app1", 210 } each.
local function items(d)
  local names, found, at, one = {}, {}, ffi.new "size_t[1]", ffi.new "struct decision_item"
  for name, number in pairs(SAYS) do names[number] = name end
  while core.decision_next(d, at, one) do
    found[#found + 1] = { names[one.says], ffi.string(one.text.start, one.text.length), tonumber(one.number) }
  end
  return found
end

describe("a record of how a request went", function()
  local function put(d, says, text, number, most) core.decision_put(d, item(says, text, number), most or 200) end

  it("has its items in order, with their numbers", function()
    local d = decision()
    put(d, "CLIENT", "10.0.0.1")
    put(d, "TRY", "app1", 2 ^ 40)
    put(d, "TRY_ERROR", "")
    put(d, "OUT", "app2", 7)
    assert.same({
      { "CLIENT", "10.0.0.1", 0 }, { "TRY", "app1", 2 ^ 40 }, { "TRY_ERROR", "", 0 }, { "OUT", "app2", 7 },
    }, items(d))
  end)

  it("shows where a text was cut", function()
    local d = decision()
    put(d, "TARGET", ("x"):rep(500), 0, 10)
    put(d, "NOTE", ("y"):rep(500), 0, 1000)
    put(d, "WHY", ("z"):rep(10), 0, 10)
    assert.same({ "xxxxxxx...", ("y"):rep(197) .. "...", ("z"):rep(10) },
      { items(d)[1][2], items(d)[2][2], items(d)[3][2] })
  end)

  it("cuts no character in two", function()
    local d = decision()
    put(d, "WHY", "x" .. ("ä"):rep(20), 0, 12)
    put(d, "WHY", ("ä"):rep(20), 0, 12)
    put(d, "NOTE", ("€"):rep(5), 0, 15)
    assert.same({ "xääää...", "ääää...", ("€"):rep(5) }, { items(d)[1][2], items(d)[2][2], items(d)[3][2] })
  end)

  it("leaves out what does not fit, and all behind it, and says so", function()
    local d = decision()
    for _ = 1, 4 do put(d, "TARGET", ("x"):rep(100)) end
    assert.equal(0, d.is_cut)
    put(d, "NOTE", ("x"):rep(100))
    put(d, "WHY", "")
    assert.equal(1, d.is_cut)
    assert.equal(4, #items(d))
  end)

  it("is read to its end at most, whatever stands in it", function()
    math.randomseed(7)
    for _ = 1, 2000 do
      local d = decision { items_bytes = math.random(0, 65535) }
      for i = 0, 431 do d.items[i] = math.random(0, 255) end
      local at, one = ffi.new "size_t[1]", ffi.new "struct decision_item"
      while core.decision_next(d, at, one) do
        local start = ffi.cast("unsigned char *", one.text.start) - d.items
        assert(start >= 0 and start + tonumber(one.text.length) <= 432)
      end
    end
  end)
end)

describe("a ring of records", function()
  local segment
  before_each(function() segment = core.segment_new() end)
  after_each(function() core.segment_free(segment) end)

  local function keep(status, keep_count, wrong)
    core.decisions_keep(segment, WORKER, decision { status = status, ended_us = status, is_wrong = wrong or 0 },
      keep_count or 4)
  end

  local function read(place, ring)
    local d = ffi.new "struct decision"
    return core.decisions_read(segment, WORKER, ring or USUAL, place, d) and d.status or nil
  end

  it("is empty at first", function()
    assert.equal(0, core.decisions_used(segment, WORKER, USUAL))
    assert.is_nil(read(0))
  end)

  it("has the last records, and no more places than are kept", function()
    for status = 1, 6 do keep(status) end
    assert.equal(4, core.decisions_used(segment, WORKER, USUAL))
    assert.same({ 5, 6, 3, 4 }, { read(0), read(1), read(2), read(3) })
    assert.equal(0, core.decisions_used(segment, WORKER, WRONG))
    assert.equal(0, core.decisions_used(segment, WORKER + 1, USUAL))
  end)

  it("has what went wrong apart", function()
    keep(200)
    keep(500, 256, 1)
    assert.same({ 200, 500 }, { read(0), read(0, WRONG) })
  end)

  it("skips a record that is being written, or that a killed worker left so, until another one is there", function()
    keep(1)
    local version = core.decisions_place(segment, WORKER, USUAL, 0)
    assert.equal(2, tonumber(version[0]))
    version[0] = 3 -- it has begun, and written some
    version[1] = 99
    assert.is_nil(read(0))
    for status = 2, 5 do keep(status) end
    assert.equal(5, read(0))
    assert.equal(0, tonumber(version[0] % 2))
  end)

  it("goes on with fewer places, or more", function()
    for status = 1, 4 do keep(status) end
    keep(5, 2)
    assert.same({ 5, 2 }, { read(0), read(1) })
    keep(6, 1024)
    assert.equal(6, read(5))
    assert.equal(6, core.decisions_used(segment, WORKER, USUAL))
    assert.is_nil(read(4))
  end)
end)
