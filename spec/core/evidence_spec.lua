-- What connects for requests say of a backend (core/shared/evidence.c), and
-- what follows on the board.
local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef [[
void board_init(struct segment *, unsigned backends);
bool board_set_up(struct segment *, unsigned backend, int reason, int code, uint64_t now_ms);
bool board_set_down(struct segment *, unsigned backend, int reason, int code, uint64_t now_ms);
bool board_is_available(const struct segment *, unsigned backend, uint64_t now_ms);
bool board_eject(struct segment *, unsigned backend, uint64_t for_ms, uint64_t now_ms);
bool board_note_success(struct segment *, unsigned backend);
void board_forget_worker(struct segment *, unsigned worker);
void board_release_trial(struct segment *, unsigned backend, uint64_t until_ms);
bool board_claim_in_need(struct segment *, unsigned backend, uint64_t now_ms, uint64_t until_ms);
bool board_is_claimed(const struct segment *, unsigned backend, uint64_t now_ms);
bool board_note_reached(struct segment *, unsigned backend, uint64_t now_ms);
bool evidence_note_failed(struct segment *, unsigned slot, uint64_t now_ms);
void evidence_note_checked(struct segment *, unsigned slot, uint64_t began_ms);
int evidence_open(struct segment *);
void evidence_ask_to_look(struct segment *, unsigned slot);
void evidence_hear(struct segment *);
bool evidence_begin_look(struct segment *, unsigned slot);
bool evidence_go_on_looking(struct segment *, unsigned slot);
bool evidence_end_look(struct segment *, unsigned slot);
int fork(void);
int waitpid(int pid, int *status, int options);
int kill(int pid, int number);
int usleep(unsigned microseconds);
void _exit(int status);
]]

local CHECKED, CONNECT, TIMED_OUT, UNRESOLVED, TRAFFIC, STATUS, SCRIPT = 1, 2, 3, 4, 5, 6, 12

local segment

-- The descriptors of this process, and what has been written to each.
local function eventfds()
  local found = {}
  local list = io.popen "grep -H eventfd-count: /proc/$PPID/fdinfo/* 2>/dev/null"
  for line in list:lines() do
    local fd, count = line:match "fdinfo/(%d+):eventfd%-count:%s+(%x+)"
    if fd then found[fd] = tonumber(count, 16) end
  end
  list:close()
  return found
end

local function fail(at) return core.evidence_note_failed(segment, 0, at) end

before_each(function()
  segment = ffi.gc(core.segment_new(), core.segment_free)
  core.board_init(segment, 2)
  for i = 0, 1 do core.board_set_up(segment, i, CHECKED, 0, 1) end
end)

describe("connects that fail in a row", function()
  it("are enough when they are three, and stay enough", function()
    assert.same({ false, false, true, true }, { fail(10), fail(10), fail(11), fail(5000) })
  end)

  it("count for one backend", function()
    assert.same({ false, false }, { fail(10), fail(10) })
    assert.is_false(core.evidence_note_failed(segment, 1, 10))
  end)

  it("are forgotten with a good check that began after the last of them, and with no other", function()
    fail(10)
    fail(20)
    core.evidence_note_checked(segment, 0, 15)
    core.evidence_note_checked(segment, 0, 20)
    assert.is_true(fail(30))
    core.evidence_note_checked(segment, 0, 31)
    assert.same({ false, false, true }, { fail(40), fail(40), fail(40) })
  end)

  it("are forgotten when it comes up, and when the place is another backend's", function()
    for _ = 1, 3 do fail(10) end
    core.board_set_down(segment, 0, TRAFFIC, -111, 11)
    core.board_set_up(segment, 0, CHECKED, 0, 12)
    assert.same({ false, false }, { fail(20), fail(20) })
    core.board_init(segment, 2)
    assert.is_false(fail(30))
  end)
end)

describe("a look", function()
  it("is begun once, by the process that is asked", function()
    assert.is_false(core.evidence_begin_look(segment, 0))
    core.evidence_ask_to_look(segment, 0)
    core.evidence_ask_to_look(segment, 0)
    assert.same({ true, false }, { core.evidence_begin_look(segment, 0), core.evidence_begin_look(segment, 0) })
    assert.is_false(core.evidence_begin_look(segment, 1))
    assert.is_false(core.evidence_end_look(segment, 0))
    assert.is_false(core.evidence_begin_look(segment, 0))
  end)

  it("that was asked for while one was under way follows it", function()
    core.evidence_ask_to_look(segment, 0)
    assert.is_true(core.evidence_begin_look(segment, 0))
    for _ = 1, 3 do core.evidence_ask_to_look(segment, 0) end
    assert.is_false(core.evidence_begin_look(segment, 0))
    assert.same({ true, false }, { core.evidence_end_look(segment, 0), core.evidence_end_look(segment, 0) })
  end)

  it("is gone on with by the next monitor, wherever the last one died", function()
    assert.is_false(core.evidence_go_on_looking(segment, 0))
    core.evidence_ask_to_look(segment, 0)
    assert.is_true(core.evidence_go_on_looking(segment, 0))
    core.evidence_ask_to_look(segment, 0)
    assert.is_true(core.evidence_go_on_looking(segment, 0))
    assert.is_false(core.evidence_end_look(segment, 0))
  end)

  it("can be asked for again after the process that asked, or was asked, was killed at any moment", function()
    local function disturb()
      for at = 1, 1e9 do
        core.evidence_note_failed(segment, 0, at)
        core.evidence_ask_to_look(segment, 0)
        core.board_claim_in_need(segment, 0, at, at + 5)
        if core.evidence_begin_look(segment, 0) then core.evidence_end_look(segment, 0) end
        core.board_set_down(segment, 0, TRAFFIC, -111, at)
        core.board_note_reached(segment, 0, at)
      end
    end
    for _ = 1, 50 do
      local pid = ffi.C.fork()
      if pid == 0 then
        pcall(disturb)
        ffi.C._exit(1)
      end
      ffi.C.usleep(math.random(500, 3000))
      ffi.C.kill(pid, 9)
      ffi.C.waitpid(pid, nil, 0)
      if core.evidence_go_on_looking(segment, 0) then core.evidence_end_look(segment, 0) end
      core.evidence_ask_to_look(segment, 0)
      assert.same({ true, false }, { core.evidence_begin_look(segment, 0), core.evidence_end_look(segment, 0) })
      core.board_forget_worker(segment, 0)
      core.evidence_note_checked(segment, 0, 1e10)
      assert.same({ false, false, true }, { fail(2e10), fail(2e10), fail(2e10) })
      core.board_set_down(segment, 0, CONNECT, -111, 3e10)
      assert.is_true(core.board_claim_in_need(segment, 0, 3e10, 3e10 + 1))
      assert.is_true(core.board_note_reached(segment, 0, 4e10))
      core.evidence_note_checked(segment, 0, 4e10)
    end
  end)

  it("wakes the monitor once, however many ask", function()
    local before = eventfds()
    assert.equal(0, core.evidence_open(segment))
    local function count()
      for fd, value in pairs(eventfds()) do
        if not before[fd] then return value end
      end
    end
    assert.equal(0, count())
    for _ = 1, 3 do core.evidence_ask_to_look(segment, 0) end
    assert.equal(1, count())
    core.evidence_ask_to_look(segment, 1)
    core.evidence_hear(segment)
    assert.equal(0, count())
    core.evidence_begin_look(segment, 0)
    core.evidence_ask_to_look(segment, 0) -- it is under way anyway
    assert.equal(0, count())
  end)
end)

describe("while none is up", function()
  it("a backend is one request's at a time, down or ejected", function()
    core.board_set_down(segment, 0, CONNECT, -111, 10)
    assert.is_true(core.board_claim_in_need(segment, 0, 20, 100))
    assert.is_true(core.board_is_claimed(segment, 0, 20))
    assert.is_false(core.board_claim_in_need(segment, 0, 20, 200))
    core.board_release_trial(segment, 0, 100)
    assert.is_true(core.board_claim_in_need(segment, 0, 20, 200))
    -- A claim runs out if its holder is stuck.
    assert.is_false(core.board_is_claimed(segment, 0, 200))
    assert.is_true(core.board_claim_in_need(segment, 0, 200, 300))
    core.board_forget_worker(segment, 0) -- and one whose holder may have died is over
    assert.is_true(core.board_claim_in_need(segment, 0, 210, 400))
  end)

  it("an ejected one may be tried before its time is over", function()
    assert.is_true(core.board_eject(segment, 0, 1000, 10))
    assert.same({ true, false }, {
      core.board_claim_in_need(segment, 0, 20, 100), core.board_claim_in_need(segment, 0, 20, 100),
    })
    assert.is_true(core.board_note_success(segment, 0))
    assert.is_false(core.board_is_claimed(segment, 0, 20))
  end)

  it("a backend that has come up meanwhile needs no claim", function()
    for _ = 1, 3 do assert.is_true(core.board_claim_in_need(segment, 0, 20, 100)) end
  end)

  it("a request that reaches it brings it up, unless more than a connection was wanting", function()
    for reason, comes_up in pairs {
      [CONNECT] = true, [TIMED_OUT] = true, [TRAFFIC] = true, [UNRESOLVED] = false, [STATUS] = false, [SCRIPT] = false,
    } do
      core.board_set_down(segment, 0, reason, -1, 10)
      assert.equal(comes_up, core.board_note_reached(segment, 0, 20), reason)
      assert.is_false(core.board_note_reached(segment, 0, 20)) -- the change is one caller's
      assert.equal(comes_up, core.board_is_available(segment, 0, 30))
      core.board_set_up(segment, 0, CHECKED, 0, 30)
    end
    core.board_init(segment, 2)
    assert.is_true(core.board_note_reached(segment, 0, 20)) -- not checked yet
  end)
end)
