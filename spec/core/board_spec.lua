local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef [[
struct verdict_seen { bool up; int reason; int code; uint64_t since_ms; };
struct rule_given { uint32_t after; uint64_t for_ms, for_max_ms; };
struct ejection_seen { int state; uint32_t count, tag; uint64_t at_ms; };

void board_init(struct segment *, unsigned backends);
struct verdict_seen board_verdict(const struct segment *, unsigned backend);
bool board_set_up(struct segment *, unsigned backend, int reason, int code, uint64_t now_ms);
bool board_set_down(struct segment *, unsigned backend, int reason, int code, uint64_t now_ms);
void board_describe(struct buffer *, struct verdict_seen);
uint64_t board_note_failure(struct segment *, unsigned backend, const struct rule_given *, uint64_t now_ms);
bool board_note_success(struct segment *, unsigned backend);
bool board_claim_trial(struct segment *, unsigned backend, uint64_t now_ms, uint64_t until_ms);
void board_release_trial(struct segment *, unsigned backend, uint64_t until_ms);
bool board_is_available(const struct segment *, unsigned backend, uint64_t now_ms);
uint64_t board_generation(const struct segment *);
uint64_t board_next_change_ms(const struct segment *, uint64_t now_ms);
uint32_t board_failures_in_row(const struct segment *, unsigned backend);
void board_forget_worker(struct segment *, unsigned worker);
void board_publish_address(struct segment *, unsigned backend, const void *);
bool board_read_address(const struct segment *, unsigned backend, uint32_t *version, void *out);
uint64_t verdict_pack(struct verdict_seen);
struct verdict_seen verdict_unpack(uint64_t word);
uint64_t ejection_pack(struct ejection_seen);
struct ejection_seen ejection_unpack(uint64_t word);

int fork(void);
int waitpid(int pid, int *status, int options);
int kill(int pid, int number);
int usleep(unsigned microseconds);
void _exit(int status);
typedef struct { long seconds, nanoseconds; } moment;
int clock_gettime(int which, moment *);
]]

local UNCHECKED, CHECKED, CONNECT, TIMED_OUT, UNRESOLVED, TRAFFIC = 0, 1, 2, 3, 4, 5
local STATUS, SILENT, NOT_HTTP, LARGE_HEAD, CLOSED, CUT = 6, 7, 8, 9, 10, 11
local IN, CLAIMED, OUT = 0, 1, 2
local REFUSED, HOST_UNREACHABLE, RESET = -111, -113, -104
local RULE = ffi.new("struct rule_given", 3, 1000, 5000)
local FOREVER = 0xffffffffffffffffULL

-- The steady clock: the end of an ejection is noted by it.
local function now()
  local moment = ffi.new "moment"
  ffi.C.clock_gettime(1, moment)
  return tonumber(moment.seconds) * 1000 + math.floor(tonumber(moment.nanoseconds) / 1000000)
end

local function board(count)
  local segment = ffi.gc(core.segment_new(), core.segment_free)
  core.board_init(segment, count)
  for i = 0, count - 1 do core.board_set_up(segment, i, CHECKED, 0, 1) end
  return segment
end

local function fail(segment, backend, times, at)
  local length
  for _ = 1, times do length = tonumber(core.board_note_failure(segment, backend, RULE, at)) end
  return length
end

local function eject(segment, backend, at)
  local length = fail(segment, backend, RULE.after, at)
  assert.truthy(length > 0)
  return length
end

local function available(segment, count, at)
  local list = {}
  for i = 0, count - 1 do
    if core.board_is_available(segment, i, at) then list[#list + 1] = i end
  end
  return list
end

local function socket(byte) -- an AF_INET6 one, of the same byte throughout
  local s = ffi.new "uint8_t[28]"
  ffi.fill(s, 28, byte)
  ffi.cast("uint16_t *", s)[0] = 10
  return s
end

local function read(segment)
  local version, out = ffi.new "uint32_t[1]", ffi.new "uint8_t[32]"
  if not core.board_read_address(segment, 0, version, out) then return nil end
  for i = 3, 27 do if out[i] ~= out[2] then return "torn" end end
  return out[2], version[0]
end

-- The word of a backend's ejection, which is behind that of its verdict.
local function ejection_word(segment, backend)
  core.board_set_down(segment, backend, CONNECT, -77, 987654321)
  local wanted = core.verdict_pack(core.board_verdict(segment, backend))
  local words = ffi.cast("uint64_t *", segment)
  local at = 0
  while words[at] ~= wanted do at = at + 1 end
  core.board_set_up(segment, backend, CHECKED, 0, 1)
  return words + at + 1
end

describe("a verdict", function()
  it("survives the word that it is packed into", function()
    for _, v in ipairs {
      { false, UNCHECKED, 0, 0 }, { true, CHECKED, 0, 1 }, { false, CONNECT, REFUSED, 2 ^ 40 - 1 },
      { false, UNRESOLVED, -3008, 123456789 }, { false, TIMED_OUT, -70000, 5 }, { false, TRAFFIC, -4095, 2 ^ 33 },
      { true, TRAFFIC, -(2 ^ 19 - 1), 2 ^ 40 - 1 }, { true, STATUS, -204, 77 }, { false, CUT, RESET, 2 ^ 40 - 1 },
      { true, CUT, -(2 ^ 19 - 1), 2 ^ 40 - 1 }, { false, SILENT, -1000, 0 },
    } do
      local seen = core.verdict_unpack(core.verdict_pack(ffi.new("struct verdict_seen", v)))
      assert.same(v, { seen.up, seen.reason, seen.code, tonumber(seen.since_ms) })
    end
  end)

  it("says the largest code there is instead of one that it has no room for", function()
    local v = core.verdict_unpack(core.verdict_pack(ffi.new("struct verdict_seen", { true, CONNECT, -(2 ^ 19), 3 })))
    assert.same({ true, CONNECT, -(2 ^ 19 - 1), 3 }, { v.up, v.reason, v.code, tonumber(v.since_ms) })
  end)

  it("starts as down, unchecked", function()
    local segment = ffi.gc(core.segment_new(), core.segment_free)
    core.board_init(segment, 2)
    local v = core.board_verdict(segment, 1)
    assert.same({ false, UNCHECKED, 0 }, { v.up, v.reason, v.code })
    assert.same({}, available(segment, 2, now()))
  end)

  it("changes once, for one caller", function()
    local segment = ffi.gc(core.segment_new(), core.segment_free)
    core.board_init(segment, 1)
    local steps = { -- what, is it a change, up, reason, code and since afterwards
      { "down", CONNECT, REFUSED, 100, true, false, CONNECT, REFUSED, 100 }, -- the first of all
      { "down", CONNECT, REFUSED, 200, false, false, CONNECT, REFUSED, 100 },
      { "down", TIMED_OUT, -1000, 300, false, false, TIMED_OUT, -1000, 100 }, -- noted, since stays
      { "up", CHECKED, 0, 400, true, true, CHECKED, 0, 400 },
      { "up", CHECKED, 0, 500, false, true, CHECKED, 0, 400 },
      { "down", TRAFFIC, REFUSED, 600, true, false, TRAFFIC, REFUSED, 600 },
      { "up", STATUS, -204, 700, true, true, STATUS, -204, 700 },
      { "down", STATUS, -503, 800, true, false, STATUS, -503, 800 },
    }
    for i, s in ipairs(steps) do
      local what, reason, code, at, change, up, reason_after, code_after, since = unpack(s)
      local before = core.board_generation(segment)
      local won
      if what == "up" then
        won = core.board_set_up(segment, 0, reason, code, at)
      else
        won = core.board_set_down(segment, 0, reason, code, at)
      end
      local v = core.board_verdict(segment, 0)
      assert.same({ i, change, up, reason_after, code_after, since },
        { i, won, v.up, v.reason, v.code, tonumber(v.since_ms) })
      assert.equal(change, core.board_generation(segment) ~= before)
      assert.equal(up, core.board_is_available(segment, 0, at))
    end
  end)

  it("is said in words", function()
    for _, v in ipairs {
      { CONNECT, REFUSED, "connection refused" }, { TRAFFIC, HOST_UNREACHABLE, "no route to host" },
      { TIMED_OUT, -1000, "no answer within 1 s" }, { TIMED_OUT, -250, "no answer within 0.25 s" },
      { TIMED_OUT, 0, "no answer in time" }, { UNRESOLVED, -3008, "the name is not known" },
      { UNRESOLVED, -3007, "the name has no address" }, { UNRESOLVED, 0, "the resolver does not answer" },
      { UNRESOLVED, -3001, "the resolver fails for now" }, { UNRESOLVED, -1, "the name cannot be resolved" },
      { UNCHECKED, 0, "not checked yet" }, { CHECKED, 0, "accepts connections" },
      { STATUS, -503, "status 503" }, { SILENT, -1000, "no response within 1 s" },
      { SILENT, -1, "no response within 0.001 s" }, { SILENT, 0, "no response in time" },
      { NOT_HTTP, 0, "not an HTTP response" }, { LARGE_HEAD, 0, "a response head beyond the limits" },
      { CLOSED, 0, "closed before a response" },
      { CLOSED, RESET, "closed before a response: connection reset by peer" },
      { CUT, 0, "closed in the middle of the response" },
      { CUT, RESET, "closed in the middle of the response: connection reset by peer" },
    } do
      local buffer = ffi.new "struct buffer"
      core.board_describe(buffer, ffi.new("struct verdict_seen", { false, v[1], v[2], 0 }))
      assert.equal(v[3], ffi.string(buffer.bytes, buffer["end"]))
      core.buffer_dispose(buffer)
    end
  end)
end)

describe("an ejection", function()
  it("survives the word that it is packed into", function()
    for _, e in ipairs { { IN, 0, 0, 0 }, { CLAIMED, 63, 65535, 2 ^ 40 - 1 }, { OUT, 5, 77, 123456789 } } do
      local seen = core.ejection_unpack(core.ejection_pack(ffi.new("struct ejection_seen", e)))
      assert.same(e, { seen.state, seen.count, seen.tag, tonumber(seen.at_ms) })
    end
  end)

  it("comes with the failure that makes the row full, and takes the backend out for its time", function()
    local segment, at = board(2), now()
    assert.equal(0, fail(segment, 0, 2, at))
    assert.same({ 0, 1 }, available(segment, 2, at))
    local before = core.board_generation(segment)
    assert.equal(1000, fail(segment, 0, 1, at))
    assert.are_not.equal(before, core.board_generation(segment))
    assert.same({ 1 }, available(segment, 2, at))
    assert.same({ 1 }, available(segment, 2, at + 999))
    assert.same({ 0, 1 }, available(segment, 2, at + 1000))
    assert.equal(at + 1000, tonumber(core.board_next_change_ms(segment, at)))
    assert.equal(0, fail(segment, 0, 5, at + 1)) -- what was under way when it went out
  end)

  it("does not come when a success is between the failures", function()
    local segment, at = board(2), now()
    for _ = 1, 5 do
      assert.equal(0, fail(segment, 0, 2, at))
      assert.is_false(core.board_note_success(segment, 0))
    end
    assert.equal(0, core.board_failures_in_row(segment, 0))
    assert.equal(FOREVER, core.board_next_change_ms(segment, at))
  end)

  it("does not come where the rule says never, or to one that is down", function()
    local segment, at = board(2), now()
    local never = ffi.new("struct rule_given", 0, 1000, 5000)
    for _ = 1, 9 do assert.equal(0, tonumber(core.board_note_failure(segment, 0, never, at))) end
    core.board_set_down(segment, 0, TRAFFIC, REFUSED, at)
    assert.equal(0, fail(segment, 0, 9, at))
    core.board_set_up(segment, 0, CHECKED, 0, at)
    assert.equal(0, core.board_failures_in_row(segment, 0))
    assert.same({ 0, 1 }, available(segment, 2, at))
  end)

  it("takes out half of the backends at most", function()
    for count = 1, 9 do
      local segment, at, out = board(count), now(), 0
      for i = 0, count - 1 do
        if fail(segment, i, 4, at) > 0 or not core.board_is_available(segment, i, at) then out = out + 1 end
      end
      assert.equal(math.floor(count / 2), out)
      assert.equal(count - out, #available(segment, count, at))
    end
  end)

  it("spares the last one that is available", function()
    local segment, at = board(4), now()
    core.board_set_down(segment, 1, CONNECT, REFUSED, at)
    core.board_set_down(segment, 2, CONNECT, REFUSED, at)
    eject(segment, 3, at)
    assert.equal(0, fail(segment, 0, 9, at))
    assert.same({ 0 }, available(segment, 4, at))
    core.board_set_up(segment, 2, CHECKED, 0, at)
    assert.equal(1000, fail(segment, 0, 1, at))
    assert.same({ 2 }, available(segment, 4, at))
  end)

  it("makes room for another when it ends", function()
    local segment, at = board(2), now()
    eject(segment, 0, at)
    assert.equal(0, fail(segment, 1, 9, at))
    assert.is_true(core.board_note_success(segment, 0))
    assert.is_false(core.board_note_success(segment, 0))
    assert.equal(1000, fail(segment, 1, 1, at))
    assert.same({ 0 }, available(segment, 2, at))
  end)

  it("lasts twice as long each time, up to the most", function()
    local segment = board(2)
    local at = now()
    for _, length in ipairs { 1000, 2000, 4000, 5000, 5000 } do
      assert.equal(length, eject(segment, 0, at))
      core.board_note_success(segment, 0)
    end
  end)

  it("starts over if the last one ended longer ago than it lasted", function()
    local segment, at = board(2), now()
    eject(segment, 0, at)
    core.board_note_success(segment, 0)
    assert.equal(2000, eject(segment, 0, now() + 900))
    core.board_note_success(segment, 0)
    assert.equal(4000, eject(segment, 0, now() + 1900))
    core.board_note_success(segment, 0)
    assert.equal(1000, eject(segment, 0, now() + 4002))
  end)

  it("is not held up by a process that died while it decided", function()
    local segment, at = board(2), now()
    local word = ejection_word(segment, 0)
    local function claim(since) word[0] = core.ejection_pack(ffi.new("struct ejection_seen", CLAIMED, 1, 7, since)) end
    claim(at)
    assert.same({ 0, 1 }, available(segment, 2, at)) -- still in, for everybody
    assert.equal(0, fail(segment, 1, 9, at + 999)) -- it counts as one that is out
    assert.equal(1000, fail(segment, 1, 1, at + 1000)) -- until it is stale
    core.board_note_success(segment, 1)

    claim(at)
    assert.equal(0, fail(segment, 0, 9, at + 999))
    assert.equal(0, fail(segment, 0, 1, at + 1000)) -- taken back
    assert.equal(2000, fail(segment, 0, 1, at + 1000)) -- and then as ever
  end)
end)

describe("a trial", function()
  local function ejected()
    local segment, at = board(2), now()
    return segment, at + eject(segment, 0, at)
  end

  it("is not needed by a backend that is in", function()
    local segment, at = board(1), now()
    for _ = 1, 3 do assert.is_true(core.board_claim_trial(segment, 0, at, at + 100)) end
    assert.is_true(core.board_is_available(segment, 0, at))
  end)

  it("is for one at a time, after the ejection's time", function()
    local segment, over = ejected()
    assert.is_false(core.board_claim_trial(segment, 0, over - 1, over + 100))
    local before = core.board_generation(segment)
    assert.is_true(core.board_claim_trial(segment, 0, over, over + 100))
    assert.are_not.equal(before, core.board_generation(segment))
    assert.is_false(core.board_claim_trial(segment, 0, over, over + 100))
    assert.same({ 1 }, available(segment, 2, over))
    assert.equal(over + 100, tonumber(core.board_next_change_ms(segment, over)))
    assert.same({ 0, 1 }, available(segment, 2, over + 100)) -- whoever had it is gone
    assert.is_true(core.board_claim_trial(segment, 0, over + 100, over + 200))
  end)

  it("that goes well ends the ejection", function()
    local segment, over = ejected()
    core.board_claim_trial(segment, 0, over, over + 100)
    assert.is_true(core.board_note_success(segment, 0))
    assert.same({ 0, 1 }, available(segment, 2, over))
    assert.equal(FOREVER, core.board_next_change_ms(segment, over))
    assert.is_true(core.board_claim_trial(segment, 0, over, over + 100))
    assert.is_true(core.board_claim_trial(segment, 0, over, over + 100))
  end)

  it("that fails ejects again, for longer", function()
    local segment, over = ejected()
    for _, length in ipairs { 2000, 4000, 5000 } do
      assert.is_true(core.board_claim_trial(segment, 0, over, over + 60000))
      assert.equal(length, fail(segment, 0, 1, over + 50))
      assert.is_false(core.board_is_available(segment, 0, over + 50))
      over = over + 50 + length
      assert.is_true(core.board_is_available(segment, 0, over)) -- the old trial is in nobody's way
    end
  end)

  it("that ends without a verdict leaves the next one to others", function()
    local segment, over = ejected()
    core.board_claim_trial(segment, 0, over, over + 60000)
    core.board_release_trial(segment, 0, over + 60000)
    assert.same({ 0, 1 }, available(segment, 2, over))
    assert.is_true(core.board_claim_trial(segment, 0, over, over + 100))
  end)

  it("that ends late does not end the one that came after it", function()
    local segment, over = ejected()
    assert.is_true(core.board_claim_trial(segment, 0, over, over + 100))
    assert.is_true(core.board_claim_trial(segment, 0, over + 100, over + 300))
    core.board_release_trial(segment, 0, over + 100)
    assert.is_false(core.board_claim_trial(segment, 0, over + 200, over + 400))
    core.board_release_trial(segment, 0, over + 300)
    assert.is_true(core.board_claim_trial(segment, 0, over + 200, over + 400))
  end)

  it("is not failed by an attempt from before the ejection", function()
    local segment, over = ejected()
    assert.equal(0, fail(segment, 0, 5, over + 10))
    assert.same({ 0, 1 }, available(segment, 2, over + 10))
  end)
end)

describe("an address", function()
  it("is not known before it is published", function()
    assert.is_nil(read(board(1)))
  end)

  it("has another version when it has changed, and only then", function()
    local segment = board(1)
    core.board_publish_address(segment, 0, socket(1))
    local byte, first = read(segment)
    assert.equal(1, byte)
    local generation = core.board_generation(segment)
    core.board_publish_address(segment, 0, socket(1))
    assert.same({ 1, first }, { read(segment) })
    assert.equal(generation, core.board_generation(segment))
    core.board_publish_address(segment, 0, socket(2))
    local other, second = read(segment)
    assert.equal(2, other)
    assert.are_not.equal(first, second)
  end)
end)

-- Real processes, as in life: what they agree on is in the segment alone.
describe("processes at once", function()
  -- Each begins when all are there, and leaves a number; the sum of these.
  local function sum_over(count, work)
    local gate, results = board(1), ffi.cast("uint32_t *", board(0)) + 1024
    local pids, sum, status = {}, 0, ffi.new "int[1]"
    for i = 1, count do
      pids[i] = ffi.C.fork()
      if pids[i] == 0 then
        results[2 * i] = 1
        while core.board_failures_in_row(gate, 0) == 0 do end
        local ok, number = pcall(work, i)
        results[2 * i + 1] = ok and number or 0
        ffi.C._exit(ok and 0 or 1)
      end
    end
    for i = 1, count do
      while results[2 * i] == 0 do ffi.C.usleep(100) end
    end
    core.board_note_failure(gate, 0, RULE, 1)
    for i, pid in ipairs(pids) do
      ffi.C.waitpid(pid, status, 0)
      assert.equal(0, status[0])
      sum = sum + results[2 * i + 1]
    end
    return sum
  end

  it("agree on one winner for each change", function()
    local segment, count = board(4000), 4000
    for round = 1, 20 do
      assert.equal(count, sum_over(2, function()
        local won = 0
        for i = 0, count - 1 do
          if core.board_set_down(segment, i, TRAFFIC, REFUSED, 5) then won = won + 1 end
        end
        return won
      end), round)
      for i = 0, count - 1 do core.board_set_up(segment, i, CHECKED, 0, 1) end
    end
  end)

  it("never eject more than half, and each once", function()
    for count = 2, 20 do
      local segment, at = board(count), now()
      local long = ffi.new("struct rule_given", 1, 1000000, 1000000)
      local ejected = sum_over(8, function(which)
        local mine = 0
        for round = 0, 300 do
          local backend = (round * which + which) % count
          if core.board_note_failure(segment, backend, long, at) > 0 then mine = mine + 1 end
          assert(#available(segment, count, at) >= count - math.floor(count / 2))
        end
        return mine
      end)
      assert.equal(count - ejected, #available(segment, count, at))
      -- who stepped back, because others claimed at the same moment, may go out now
      for i = 0, count - 1 do core.board_note_failure(segment, i, long, at) end
      assert.equal(count - math.floor(count / 2), #available(segment, count, at))
    end
  end)

  it("let one of them have the trial", function()
    local segment, holders, at = board(2), board(1), now()
    local over = at + eject(segment, 0, at)
    assert.equal(0, sum_over(2, function()
      local together = 0
      for _ = 1, 1000000 do
        if core.board_claim_trial(segment, 0, over, over + 1000) then
          core.board_note_failure(holders, 0, RULE, at)
          if core.board_failures_in_row(holders, 0) ~= 1 then together = together + 1 end
          core.board_note_success(holders, 0)
          core.board_release_trial(segment, 0, over + 1000)
        end
      end
      return together
    end))
  end)

  it("read an address that is being written whole, or not at all", function()
    local segment, one, two = board(1), socket(1), socket(2)
    core.board_publish_address(segment, 0, one)
    sum_over(2, function(which)
      local version, out = ffi.new "uint32_t[1]", ffi.new "uint8_t[32]"
      local words = ffi.cast("uint32_t *", out)
      for _ = 1, which == 1 and 300000 or 3000000 do
        if which == 1 then
          core.board_publish_address(segment, 0, two)
          core.board_publish_address(segment, 0, one)
        elseif core.board_read_address(segment, 0, version, out) then
          assert(words[1] == words[3] and words[3] == words[5] and words[5] == words[6])
        end
      end
      return 0
    end)
  end)

  -- Wherever they are, a third one goes on.
  it("may be killed at any moment", function()
    local segment, at, count = board(6), now(), 6
    local short = ffi.new("struct rule_given", 1, 1, 1)
    local function disturb(which)
      for round = 0, 1e9 do
        local backend = (round * which) % count
        core.board_note_failure(segment, backend, short, at)
        if round % 3 == 0 then core.board_note_success(segment, backend) end
        core.board_publish_address(segment, 0, socket(round % 200))
      end
    end
    for round = 1, 100 do
      local pid = ffi.C.fork()
      if pid == 0 then
        pcall(disturb, round % 5 + 1)
        ffi.C._exit(1)
      end
      ffi.C.usleep(math.random(500, 3000))
      ffi.C.kill(pid, 9)
      ffi.C.waitpid(pid, nil, 0)
    end
    core.board_publish_address(segment, 0, socket(201))
    assert.equal(201, (read(segment)))
    local later = at + 100000
    for i = 0, count - 1 do core.board_note_success(segment, i) end
    for _ = 1, 2 do
      for i = 0, count - 1 do fail(segment, i, RULE.after, later) end
    end
    assert.equal(count - 3, #available(segment, count, later))
  end)
end)
