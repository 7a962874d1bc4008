-- The timer wheel against the plain idea of it: a list of times.
local ffi = require "ffi"
local compiled = require "spec.support.compiled"

ffi.cdef [[
void play_begin(uint64_t now_ms, void (*fired)(int));
uint64_t play_alarm(void);
void play_wake(uint64_t now_ms);
void play_turn(void);
void play_set(int, uint64_t delay_ms);
void play_clear(int);
void play_rest(int);
bool play_is_set(int);
]]

local DEADLINES, LATE_MS = 1000, 1
local HOUR = 3600 * 1000
local STARTS = { 0, 1, 255, 256, 65535, 16777215, 2 ^ 32 - 1, 2 ^ 40 + 77 }

describe("a deadline", function()
  local wheel, fired, clock
  local due, handler, wakes -- by number: [earliest, latest]; what else firing does; turns so far

  -- An error cannot pass through the C below: it is kept for the turn to raise.
  local wrong
  local on_fired = ffi.cast("void (*)(int)", function(i)
    local ok, message = pcall(function()
      assert(due[i], "fired though it is not set")
      assert(clock >= due[i].earliest, "early")
      assert(not wheel.play_is_set(i), "is still set when it fires")
      due[i] = nil
      table.insert(fired, i)
      if handler then handler(i) end
    end)
    if not ok then wrong = wrong or message end
  end)

  setup(function() wheel = compiled.load "spec/support/wheel.c" end)
  teardown(function() on_fired:free() end)

  local function begin(now)
    clock, fired, due, handler, wakes, wrong = now, {}, {}, nil, 0, nil
    wheel.play_begin(now, on_fired)
  end

  local function set(i, delay)
    wheel.play_set(i, delay)
    assert(wheel.play_is_set(i))
    due[i] = { earliest = clock + delay, latest = clock + delay + LATE_MS }
  end

  local function clear(i)
    wheel.play_clear(i)
    assert(not wheel.play_is_set(i))
    due[i] = nil
  end

  local function rest(i)
    wheel.play_rest(i)
    assert(not wheel.play_is_set(i))
    due[i] = nil
  end

  local function alarm()
    local at = wheel.play_alarm()
    return at == 0xffffffffffffffffULL and math.huge or tonumber(at)
  end

  -- A turn of the loop at that time: what is read first, then deadlines.
  local function turn(now, read)
    wakes = wakes + 1
    clock = now
    wheel.play_wake(now)
    if read then read() end
    wheel.play_turn()
    if wrong then error(wrong, 0) end
    for i, when in pairs(due) do
      if when.latest <= clock then error(("%d is late: it is %d, due at %d"):format(i, clock, when.earliest)) end
      if alarm() > when.latest then error(("sleeps until %s, beyond %d"):format(alarm(), when.latest)) end
    end
  end
  jit.off(turn)

  local function run(until_ms)
    while alarm() < math.huge and alarm() <= until_ms do turn(alarm()) end
  end

  local function in_order()
    table.sort(fired)
    return fired
  end

  for _, start in ipairs(STARTS) do
    it("passes after any delay, from " .. start .. " ms, never early and 1 ms late at most", function()
      local delays = { 0, 1, 2, 3, 100, 10000, HOUR, 24 * HOUR, 30 * 24 * HOUR }
      for power = 1, 31 do
        for off = -2, 2 do table.insert(delays, math.max(0, 2 ^ power + off)) end
      end
      for i, delay in ipairs(delays) do
        begin(start)
        turn(start, function() set(i, delay) end)
        run(math.huge)
        assert.same({ delay, { i } }, { delay, fired })
        -- A ring more is a turn more, not one for each slot.
        assert.is_true(wakes <= 6, delay .. " ms took " .. wakes .. " turns")
      end
    end)
  end

  it("passes with all others, whatever their delays", function()
    begin(12345)
    turn(12345, function()
      for i = 0, DEADLINES - 1 do set(i, math.floor(1.02 ^ i)) end
    end)
    run(math.huge)
    assert.equal(DEADLINES, #fired)
    for i = 2, DEADLINES do assert.is_true(fired[i - 1] <= fired[i] + 80, i) end
  end)

  it("is not forgotten when it is a whole ring away", function()
    for _, case in ipairs { { 254, 2 ^ 16 - 2 }, { 1000, 2 ^ 24 - 2 }, { 1000, 2 ^ 32 - 256 } } do
      local start, delay = unpack(case)
      begin(start)
      turn(start, function()
        set(1, delay)
        set(2, 0)
      end)
      turn(start + 1)
      assert.same({ 2 }, fired)
      run(math.huge)
      assert.same({ 2, 1 }, fired)
    end
  end)

  it("passes once", function()
    begin(0)
    turn(0, function() set(1, 10) end)
    run(100)
    turn(1000)
    turn(100000)
    assert.same({ 1 }, fired)
    assert.is_false(wheel.play_is_set(1))
  end)

  it("can be set again when it passes", function()
    begin(250)
    handler = function(i) set(i, 10) end
    turn(250, function() set(1, 10) end)
    run(250 + 11 * 100)
    assert.equal(100, #fired)
  end)

  it("that is set to nothing when it passes waits for the next turn", function()
    begin(250)
    handler = function(i) set(i, 0) end
    turn(250, function() set(1, 0) end)
    turn(400)
    assert.equal(1, #fired)
    turn(HOUR)
    assert.equal(2, #fired)
  end)

  it("moves when it is set again", function()
    for _, delays in ipairs { { 10, 500 }, { 500, 10 }, { HOUR, 5 }, { 5, HOUR }, { 70000, 70001 }, { 9, 9 } } do
      begin(77)
      turn(77, function()
        set(1, delays[1])
        set(1, delays[2])
      end)
      run(77 + delays[2] - 1)
      assert.same({}, fired)
      run(math.huge)
      assert.same({ 1 }, fired)
    end
  end)

  it("that is cleared never passes, however often that is said", function()
    begin(0)
    turn(0, function()
      clear(1)
      for i, delay in ipairs { 1, 300, 70000, HOUR } do set(i, delay) end
      for i = 1, 4 do clear(i) end
      clear(1)
    end)
    run(math.huge)
    turn(24 * HOUR)
    assert.same({}, fired)
  end)

  it("that rests does not pass, and passes when it is set again", function()
    begin(0)
    turn(0, function()
      for i, delay in ipairs { 1, 300, 70000, HOUR } do set(i, delay) end
      for i = 1, 4 do rest(i) end
      for i = 3, 4 do set(i, 400) end
      rest(5)
    end)
    run(math.huge)
    turn(24 * HOUR)
    assert.same({ 3, 4 }, in_order())
  end)

  -- As each request does to the deadlines of its connections.
  it("that is moved again and again wakes the loop only where it was first", function()
    begin(0)
    for now = 0, 99 do
      turn(now, function()
        rest(1)
        set(1, 1000)
      end)
    end
    wakes = 0
    run(math.huge)
    assert.same({ 1 }, fired)
    assert.is_true(clock >= 1099)
    assert.is_true(wakes <= 8, wakes)
  end)

  it("that is cleared or moved by another of the same moment does not pass then", function()
    begin(0)
    handler = function(i)
      if #fired > 1 then return end
      for other = 1, 4 do
        if other ~= i and other % 2 == 0 then clear(other) end
        if other ~= i and other % 2 == 1 then set(other, 1000) end
      end
    end
    turn(0, function()
      for i = 1, 4 do set(i, 50) end
    end)
    run(100)
    assert.equal(1, #fired)
    run(math.huge)
    local first = fired[1]
    assert.same(first % 2 == 1 and { first, 4 - first } or { 1, first, 3 }, in_order())
  end)

  it("that another of the same moment sets passes in its own time", function()
    begin(65530)
    handler = function(i)
      if i < 100 then set(i + 1, i % 3 * 128) end
    end
    turn(65530, function() set(1, 5) end)
    run(math.huge)
    assert.equal(100, #fired)
  end)

  it("passes late, but once, after the process stood still", function()
    for _, stall in ipairs { 300, 70000, HOUR, 6 * HOUR } do
      begin(200)
      turn(200, function()
        for i = 1, 50 do set(i, i * 10) end
        set(51, 100000000)
      end)
      turn(200 + stall)
      assert.equal(math.min(50, math.floor((stall - 1) / 10)), #fired)
      run(math.huge)
      assert.equal(51, #fired)
    end
  end)

  it("does not wake a loop that has none", function()
    begin(0)
    turn(0)
    assert.equal(math.huge, alarm())
    turn(0, function() set(1, 10) end)
    run(math.huge)
    assert.equal(math.huge, alarm())
  end)

  local function any_delay()
    local kind = math.random()
    if kind < 0.3 then return math.random(0, 20) end
    if kind < 0.6 then return math.random(0, 2000) end
    if kind < 0.9 then return math.random(0, 100000) end
    return math.random(0, 5 * HOUR)
  end

  local function anything()
    local i = math.random(0, 59)
    local kind = math.random()
    if kind < 0.2 then clear(i) elseif kind < 0.4 then rest(i) else set(i, any_delay()) end
  end

  for seed, start in ipairs(STARTS) do
    it("passes as in a list of times, whatever happens, from " .. start .. " ms", function()
      math.randomseed(seed)
      begin(start)
      handler = function()
        for _ = 1, math.random(0, 2) do anything() end
      end
      local passed = 0
      for _ = 1, 6000 do
        local kind = math.random()
        local now
        if kind < 0.6 and alarm() < math.huge then
          now = alarm()
        elseif kind < 0.95 then -- woken by something else, before the alarm
          now = math.max(clock, math.min(alarm(), clock + math.random(0, 300)))
        else -- it stood still, beyond the alarm perhaps
          now = clock + (math.random() < 0.5 and math.random(0, 2000) or math.random(0, HOUR))
        end
        turn(now, function()
          for _ = 1, math.random(0, 3) do anything() end
        end)
        passed = passed + #fired
        fired = {}
      end
      assert.is_true(passed > 1000, passed)
      handler = nil
      run(math.huge)
      assert.same({}, due)
    end)
  end
end)
