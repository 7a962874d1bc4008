-- A script that is parked, and when a call is tried (core/shared/parking.c), by a clock of ours.
local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef [[
struct parking_cause { uint8_t hook, kind; uint32_t line; };
struct parking_breach { unsigned worker; uint64_t client, now_ms; struct parking_cause cause; };
double sandbox_now(void);
uint64_t parking_number(const struct segment *);
void parking_forget_all(struct segment *) __asm__("parking_forget");
bool parking_note(struct segment *, uint64_t number, unsigned least, const struct parking_breach *);
bool parking_may_try(struct segment *, uint64_t number, uint64_t client, uint64_t now_ms, uint64_t patience_ms);
bool parking_end(struct segment *, uint64_t number, uint64_t *since_ms);
void parking_go_on(struct segment *, uint64_t number, uint64_t client, uint64_t now_ms);
void parking_let_try(struct segment *, uint64_t number);
bool parking_remind(struct segment *, uint64_t number, uint64_t every_ms, uint64_t now_ms, struct parking_cause *);

struct costs {
  struct { uint64_t client, at_ms; uint32_t took_us; } stopped[256];
  unsigned next;
  struct { uint64_t client, until_ms; } refused[8];
  unsigned next_refused;
  uint64_t refused_until_ms;
};
void costs_note(struct costs *, uint64_t client, uint32_t took_us, uint64_t now_ms);
bool costs_has_refused(struct costs *, uint64_t client, uint64_t now_ms);
]]

local A, B, C, NOBODY = 10, 11, 12, 0
local PATIENCE = 11000

describe("a script", function()
  local segment, number, now

  before_each(function()
    segment = ffi.gc(core.segment_new(), core.segment_free)
    number = core.parking_number(segment)
    now = math.floor(core.sandbox_now() * 1000)
  end)

  local function fail(client, worker, of)
    local breach = ffi.new("struct parking_breach", worker or 0, client, now, { 0, 1, 7 })
    return core.parking_note(segment, of or number, 5, breach)
  end

  local function park()
    for _ = 1, 4 do assert.is_false(fail(A)) end
    assert.is_true(fail(B))
  end

  local function may_try(client) return core.parking_may_try(segment, number, client or A, now, PATIENCE) end

  it("is parked by the fifth failure in a second, over all workers", function()
    for i = 1, 4 do assert.is_false(fail(A, i)) end
    assert.is_true(fail(B, 5))
    assert.is_false(fail(A, 1)) -- once
  end)

  it("is not by failures that are further apart", function()
    for _ = 1, 100 do
      assert.is_false(fail(A))
      assert.is_false(fail(B))
      now = now + 520
    end
  end)

  it("is by one client if there is no other, and by nobody's", function()
    for _ = 1, 4 do assert.is_false(fail(NOBODY)) end
    assert.is_true(fail(NOBODY))
  end)

  it("is not for what another one did that was there before", function()
    for _ = 1, 4 do fail(A) end
    core.parking_forget_all(segment)
    now = now + 200
    assert.is_false(fail(B)) -- of the old one
    number = core.parking_number(segment)
    assert.is_false(fail(B))
  end)

  it("rests one second, then two, four and up to sixty", function()
    park()
    for _, seconds in ipairs { 1, 2, 4, 8, 16, 32, 60, 60 } do
      now = now + seconds * 1000 - 1
      assert.is_false(may_try())
      now = now + 1
      assert.is_true(may_try())
      core.parking_go_on(segment, number, A, now)
    end
  end)

  it("is tried for others each second, however often one client's call fails there", function()
    park()
    for _ = 1, 4 do
      now = now + 1000
      if may_try(A) then core.parking_go_on(segment, number, A, now) end
    end
    assert.is_false(may_try(A))
    assert.is_true(may_try(C))
    core.parking_go_on(segment, number, C, now)
    now = now + 1000
    assert.is_false(may_try(C))
  end)

  it("is tried by one call at a time, until that is over or its time is", function()
    park()
    now = now + 1000
    assert.is_true(may_try())
    assert.is_false(may_try())
    core.parking_let_try(segment, number) -- its client has left
    assert.is_true(may_try())
    now = now + PATIENCE - 1
    assert.is_false(may_try())
    now = now + 1 -- its worker was killed
    assert.is_true(may_try())
  end)

  it("is parked no more after a good one, and rests one second the next time", function()
    local since = ffi.new "uint64_t[1]"
    park()
    now = now + 1000
    assert.is_true(may_try())
    core.parking_go_on(segment, number, A, now)
    now = now + 2000
    assert.is_true(may_try())
    assert.is_true(core.parking_end(segment, number, since))
    assert.equal(now - 3000, tonumber(since[0]))
    assert.is_false(core.parking_end(segment, number, since))
    assert.is_false(may_try())
    park()
    assert.is_false(may_try())
    now = now + 1000
    assert.is_true(may_try())
  end)

  it("that is parked still is reported once in a minute", function()
    local cause = ffi.new "struct parking_cause"
    assert.is_false(core.parking_remind(segment, number, 60000, now, cause))
    park()
    assert.is_false(core.parking_remind(segment, number, 60000, now + 59999, cause))
    assert.is_true(core.parking_remind(segment, number, 60000, now + 60000, cause))
    assert.is_false(core.parking_remind(segment, number, 60000, now + 60001, cause))
    assert.equal(7, cause.line)
  end)
end)

describe("the costs of calls that were stopped", function()
  local costs, now

  before_each(function() costs, now = ffi.new "struct costs", 1e9 end)

  local function note(client, ms) core.costs_note(costs, client, ms * 1000, now) end
  local function has_refused(client) return core.costs_has_refused(costs, client, now) end

  it("refuse the client with most of them for a second, if they are above a quarter of the last one", function()
    for _ = 1, 10 do note(A, 13) end
    for _ = 1, 9 do note(B, 13) end
    assert.is_false(has_refused(A))
    note(B, 13)
    assert.is_true(has_refused(A))
    assert.is_false(has_refused(B))
    now = now + 999
    assert.is_true(has_refused(A))
    now = now + 1
    assert.is_false(has_refused(A))
  end)

  it("are forgotten after a second", function()
    for _ = 1, 100 do
      note(A, 200)
      now = now + 1000
      assert.is_false(has_refused(A))
    end
  end)

  it("refuse several, one after the other", function()
    for client = 1, 12 do note(client, 251) end
    for client = 5, 12 do assert.is_true(has_refused(client)) end
  end)

  it("refuse nobody for what was done for nobody", function()
    for _ = 1, 30 do note(NOBODY, 100) end
    assert.is_false(has_refused(NOBODY))
    note(A, 1)
    assert.is_true(has_refused(A))
  end)
end)
