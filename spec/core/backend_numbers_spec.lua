-- The numbers of each backend (core/shared/backend_numbers), with a clock of the spec's own.
local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef [[
void board_init(struct segment *, unsigned backends);
void board_forget_worker(struct segment *, unsigned worker);
struct segment_share;
struct segment_share *numbers_share(struct segment *, unsigned worker, unsigned slot);
void numbers_note_begin(struct segment_share *);
void numbers_note_head(struct segment_share *);
void numbers_note_end(struct segment_share *, bool is_pending);
void numbers_note_answer(struct segment_share *, double ms, bool is_error, uint64_t now_ms);
void numbers_note_failure(struct segment *, struct segment_share *, double ms, uint64_t now_ms);
uint32_t numbers_in_flight(const struct segment *, unsigned slot);
uint32_t numbers_pending(const struct segment *, unsigned slot);
uint64_t numbers_requests(const struct segment *, unsigned slot);
uint64_t numbers_failures(const struct segment *, unsigned slot);
double numbers_ewma_ms(struct segment *, unsigned slot, uint64_t now_ms);
double numbers_error_rate(const struct segment *, unsigned slot, uint64_t now_ms);
double numbers_median_ms(struct segment *, uint64_t now_ms);
void numbers_note_error(struct segment *, unsigned slot, const char *text, uint64_t now_ms);
bool numbers_last_error(const struct segment *, unsigned slot, char *text);
void numbers_note_outcome(struct segment *, struct segment_share *, int outcome);
void numbers_outcomes(const struct segment *, unsigned slot, uint64_t *sums);
const char *attempt_outcome_name(int);
void numbers_clear(struct segment *, unsigned slot);
bool standing_drain(struct segment *, unsigned slot, bool draining, uint64_t now_ms);
uint64_t standing_since_ms(const struct segment *, unsigned slot, uint64_t now_ms);
int fork(void);
int waitpid(int pid, int *status, int options);
int kill(int pid, int number);
int usleep(unsigned microseconds);
void _exit(int status);
]]

local START = 1000000                     -- ms of the steady clock
local MEMORY, QUIET, FADE = 2000, 1000, 5000

describe("numbers", function()
  local segment
  before_each(function()
    segment = ffi.gc(core.segment_new(), core.segment_free)
    core.board_init(segment, 5)
  end)

  local function share(worker, slot) return core.numbers_share(segment, worker, slot) end

  local function answers(slot, times, ms, at, worker, is_error)
    for _ = 1, times do core.numbers_note_answer(share(worker or 0, slot), ms, is_error or false, at) end
  end

  local function near(expected, seen)
    assert(math.abs(seen - expected) <= 1e-6 * math.max(1, expected), seen .. ", not " .. expected)
  end

  local function ewma(slot, at) return core.numbers_ewma_ms(segment, slot, at) end
  local function error_rate(slot, at) return core.numbers_error_rate(segment, slot, at) end

  it("of two workers lie on different cache lines, and on neighbouring ones neither", function()
    local function line(worker, slot) return math.floor(tonumber(ffi.cast("uintptr_t", share(worker, slot))) / 128) end
    local last = -1
    for worker = 0, 255 do
      assert.is_true(line(worker, 0) > last, "worker " .. worker .. " and another one")
      last = line(worker, 4095)
    end
  end)

  describe("of what is going on", function()
    it("are summed over the workers", function()
      for worker = 0, 2 do core.numbers_note_begin(share(worker, 1)) end
      core.numbers_note_head(share(1, 1))
      assert.same({ 3, 2, 3 }, { core.numbers_in_flight(segment, 1), core.numbers_pending(segment, 1),
        tonumber(core.numbers_requests(segment, 1)) })
      core.numbers_note_end(share(1, 1), false)
      core.numbers_note_end(share(2, 1), true)
      assert.same({ 1, 1, 3 }, { core.numbers_in_flight(segment, 1), core.numbers_pending(segment, 1),
        tonumber(core.numbers_requests(segment, 1)) })
      assert.equal(0, core.numbers_in_flight(segment, 0))
    end)

    it("lose what a worker that died had in flight, and nothing else", function()
      for worker = 0, 1 do core.numbers_note_begin(share(worker, 2)) end
      core.board_forget_worker(segment, 0)
      assert.same({ 1, 1, 2 }, { core.numbers_in_flight(segment, 2), core.numbers_pending(segment, 2),
        tonumber(core.numbers_requests(segment, 2)) })
    end)
  end)

  describe("of how attempts ended", function()
    -- By name, those that are more than 0.
    local function outcomes(slot)
      local sums, found = ffi.new "uint64_t[15]", {}
      core.numbers_outcomes(segment, slot, sums)
      for i = 0, 14 do
        if sums[i] > 0 then found[ffi.string(core.attempt_outcome_name(i))] = tonumber(sums[i]) end
      end
      return found
    end

    local function ended(worker, slot, outcome) core.numbers_note_outcome(segment, share(worker, slot), outcome) end

    it("are summed over the workers", function()
      for worker = 0, 2 do ended(worker, 1, 1) end
      ended(1, 1, 7)
      ended(2, 1, 7)
      ended(2, 2, 8)
      assert.same({ ok = 3, reset = 2 }, outcomes(1))
      assert.same({ timeout = 1 }, outcomes(2))
      assert.same({}, outcomes(0))
    end)

    it("stay when a worker dies, and its successor counts on", function()
      ended(0, 1, 1)
      ended(0, 1, 2)
      core.board_forget_worker(segment, 0)
      assert.same({ ok = 1, refused = 1 }, outcomes(1))
      ended(0, 1, 2)
      assert.same({ ok = 1, refused = 2 }, outcomes(1))
    end)

    it("begin anew with another backend, which takes them from no other slot", function()
      ended(0, 1, 1)
      ended(0, 1, 2)
      ended(0, 2, 2)
      core.numbers_clear(segment, 1)
      assert.same({}, outcomes(1))
      assert.same({ refused = 1 }, outcomes(2))
      ended(0, 1, 3)
      assert.same({ unreachable = 1 }, outcomes(1))
    end)
  end)

  describe("of latency", function()
    it("are an average that newer samples soon take over", function()
      answers(0, 4, 100, START)
      near(100, ewma(0, START))
      answers(0, 4, 20, START + MEMORY) -- the four before count for two
      near((2 * 100 + 4 * 20) / 6, ewma(0, START + MEMORY))
    end)

    it("are of all workers as if they were one", function()
      answers(0, 3, 50, START, 0)
      answers(0, 1, 10, START + 500, 1)
      answers(0, 2, 30, START + 900, 0)
      answers(1, 3, 50, START)
      answers(1, 1, 10, START + 500)
      answers(1, 2, 30, START + 900)
      near(ewma(1, START + 1200), ewma(0, START + 1200))
    end)

    it("start at the median of the others", function()
      assert.equal(0, ewma(4, START - 1000)) -- nobody knows anything
      answers(0, 1, 10, START)
      answers(1, 1, 30, START)
      answers(2, 1, 500, START)
      near(30, ewma(4, START))
      near(10, ewma(0, START))
    end)

    it("fade while no samples come, and not before", function()
      answers(0, 8, 400, START)
      near(400, ewma(0, START + QUIET))
      near(200, ewma(0, START + QUIET + FADE))
      near(100, ewma(0, START + QUIET + 2 * FADE))
    end)

    it("do not fade while an answer is due", function()
      answers(0, 8, 400, START)
      core.numbers_note_begin(share(1, 0))
      near(400, ewma(0, START + 60000))
      core.numbers_note_end(share(1, 0), true)
      assert(ewma(0, START + 60000) < 1)
    end)

    it("forget after a while how slow it was", function()
      answers(0, 5000, 400, START)
      answers(0, 1, 5, START + 40000)
      assert(ewma(0, START + 40000) < 10)
    end)

    it("have a failure as a slow answer, however fast it came", function()
      core.numbers_note_failure(segment, share(0, 0), 0.1, START)
      near(100, ewma(0, START)) -- nobody else has answered
      answers(1, 3, 50, START + 200)
      answers(2, 3, 50, START + 200)
      core.numbers_note_failure(segment, share(0, 3), 0.1, START + 200)
      near(500, ewma(3, START + 200))
      core.numbers_note_failure(segment, share(0, 4), 2000, START + 200)
      near(2000, ewma(4, START + 200))
      assert.equal(1, tonumber(core.numbers_failures(segment, 3)))
    end)
  end)

  describe("of errors", function()
    it("are the part that failed or was answered 5xx", function()
      assert.equal(0, error_rate(0, START))
      answers(0, 2, 1, START)
      answers(0, 1, 1, START, 1, true)
      core.numbers_note_failure(segment, share(0, 0), 1, START)
      near(0.5, error_rate(0, START))
    end)

    it("fade, too", function()
      answers(0, 3, 1, START, 0, true)
      near(1, error_rate(0, START + QUIET))
      near(0.25, error_rate(0, START + QUIET + 2 * FADE))
      answers(0, 1, 1, START + 60000)
      assert(error_rate(0, START + 60000) < 0.01)
    end)

    local function last_error()
      local text = ffi.new "char[96]"
      return core.numbers_last_error(segment, 0, text) and ffi.string(text) or nil
    end

    it("have the text of the last one", function()
      assert.is_nil(last_error())
      core.numbers_note_error(segment, 0, "connection refused", START)
      assert.equal("connection refused", last_error())
      core.numbers_note_error(segment, 0, ("x"):rep(200), START)
      assert.equal(("x"):rep(95), last_error())
    end)

    it("have a text again after its writer died in the middle", function()
      local pids = {}
      for i = 1, 20 do
        pids[i] = ffi.C.fork()
        if pids[i] == 0 then
          for round = 1, 1e9 do core.numbers_note_error(segment, 0, round % 2 == 0 and "even" or "odd", START) end
          ffi.C._exit(0)
        end
        ffi.C.usleep(1000)
        ffi.C.kill(pids[i], 9)
        ffi.C.waitpid(pids[i], nil, 0)
      end
      core.numbers_note_error(segment, 0, "the next one", START + 1000)
      assert.equal("the next one", last_error())
    end)
  end)

  it("of a slot that another backend gets begin anew", function()
    answers(1, 3, 7, START)
    core.numbers_note_begin(share(0, 0))
    core.numbers_note_end(share(0, 0), true)
    core.numbers_note_failure(segment, share(0, 0), 1, START)
    core.numbers_note_error(segment, 0, "refused", START)
    core.numbers_clear(segment, 0)
    assert.same({ 0, 0, 0 }, { tonumber(core.numbers_requests(segment, 0)), tonumber(core.numbers_failures(segment, 0)),
      error_rate(0, START) })
    near(core.numbers_median_ms(segment, START + 1000), ewma(0, START + 1000))
    assert.is_false(core.numbers_last_error(segment, 0, ffi.new "char[96]"))
  end)

  it("know since when a backend drains, however often that is asked for", function()
    assert.is_true(core.standing_drain(segment, 0, true, START))
    assert.is_false(core.standing_drain(segment, 0, true, START + 5000))
    assert.equal(START, tonumber(core.standing_since_ms(segment, 0, START + 6000)))
  end)
end)
