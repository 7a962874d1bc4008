-- Sums over a time (core/shared/store.c), from C and from a script.
local ffi = require "ffi"
local loaded = require "spec.support.loaded"
local core = require "spec.support.core"
local crowd = require "spec.support.crowd"
local socket = require "socket"

ffi.cdef [[
int32_t store_window_add(struct segment *, const char *name, size_t length, double seconds, double amount, double *sum);
double store_window_get(struct segment *, const char *name, size_t length, double seconds);
]]

describe("a window", function()
  local segment, sum

  before_each(function()
    segment = core.segment_new()
    sum = ffi.new "double[1]"
  end)
  after_each(function() core.segment_free(segment) end)

  local function add(name, seconds, amount)
    assert(core.store_window_add(segment, name, #name, seconds, amount or 1, sum) == 0)
    return sum[0]
  end
  local function get(name, seconds) return core.store_window_get(segment, name, #name, seconds) end

  it("sums up what was added", function()
    assert.equal(0, get("w", 100))
    assert.equal(1, add("w", 100))
    assert.equal(6.5, add("w", 100, 5.5))
    assert.equal(4.5, add("w", 100, -2))
    assert.equal(4.5, get("w", 100))
  end)

  it("is another one by another name or time", function()
    add("a", 100)
    assert.equal(0, get("b", 100))
    assert.equal(0, get("a", 99))
  end)

  it("forgets what is older than its time, and not before 59/60 of it", function()
    local SECONDS = 1.2
    local first = socket.gettime()
    add("w", SECONDS, 100)
    local after = socket.gettime()
    while true do
      local before = socket.gettime()
      local now = get("w", SECONDS)
      if now == 0 then
        assert.truthy(socket.gettime() - first >= SECONDS * 59 / 60 - 0.002)
        break
      end
      assert.equal(100, now)
      assert.truthy(before - after <= SECONDS + 0.002, before - after)
      socket.sleep(0.002)
    end
  end)

  it("slides: what came later stays longer", function()
    add("w", 0.6, 1)
    socket.sleep(0.3)
    add("w", 0.6, 10)
    local seen = {}
    local ends = socket.gettime() + 0.7
    while socket.gettime() < ends do seen[get("w", 0.6)] = true end
    assert.truthy(seen[11] and seen[10] and seen[0])
    seen[11], seen[10], seen[0] = nil, nil, nil
    assert.is_nil(next(seen))
  end)

  it("is exact over processes, and over those that are killed in the middle", function()
    local KILLS = 60
    local sums = crowd.run {
      processes = 4, seconds = 1.5, kills = KILLS, names = { "added" },
      work = function(_, report)
        add("shared", 1000)
        report("added", 1)
      end,
    }
    local total = get("shared", 1000)
    assert.truthy(sums.added > 1000)
    assert.truthy(total >= sums.added and total <= sums.added + KILLS, ("%d of %d"):format(total, sums.added))
  end)
end)

describe("a script's window", function()
  local segment

  setup(function() segment = core.segment_new() end)
  teardown(function() core.segment_free(segment) end)

  local function run(body) return loaded.run(segment, body) end

  it("adds and gives", function()
    assert.is_nil(run [[
      local errors = lb.window("errors", 60)
      assert(errors:get() == 0 and errors:add() == 1 and errors:add(4) == 5 and errors:get() == 5)
      assert(lb.window("errors", 60):get() == 5)
    ]])
  end)

  it("complains at the script's line", function()
    local function complains(line, wanted) assert.equal("t.lua:1: " .. wanted, run(line)) end
    complains("local w = lb.window()", "lb.window needs a key, got nil")
    complains("local w = lb.window('w')", "lb.window(name, seconds) needs a number of seconds from 0.1 on, got nil")
    complains("local w = lb.window('w', 1) w:add('x')", "window:add(amount) needs a number, got x")
    complains("local w = lb.window('w', 1) w.add(1)", "call it on a window, with a colon: window:add(1)")
    complains("local w = lb.window('w', 1) w:adds(1)", "unknown field 'adds' of a window, did you mean 'add'?")
    complains("local w = lb.window('w', 1) w.x = 1", "a window is read-only, so 'x' cannot be set")
  end)
end)
