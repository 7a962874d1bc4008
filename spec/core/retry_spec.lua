local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef [[
struct retry_facts_given { bool was_sent, idempotent, has_key, allowed, body_whole; };
bool retry_is_safe(const struct retry_facts_given *);

struct retry_budget_seen {
  double fraction;
  uint64_t second;
  uint32_t requests[10], retries[10];
  uint64_t requests_sum, retries_sum;
};
void retry_budget_init(struct retry_budget_seen *, double fraction);
void retry_note_request(struct retry_budget_seen *, uint64_t now_ms);
bool retry_take(struct retry_budget_seen *, uint64_t now_ms);
]]

describe("a request goes out again", function()
  local function is_safe(given) return core.retry_is_safe(ffi.new("struct retry_facts_given", given)) end

  it("if nothing of it was sent", function()
    assert.is_true(is_safe { body_whole = true })
  end)

  it("if its method, its key or the policy makes that harmless", function()
    assert.is_true(is_safe { was_sent = true, body_whole = true, idempotent = true })
    assert.is_true(is_safe { was_sent = true, body_whole = true, has_key = true })
    assert.is_true(is_safe { was_sent = true, body_whole = true, allowed = true })
  end)

  it("never if it may have reached a backend and nothing makes that harmless", function()
    assert.is_false(is_safe { was_sent = true, body_whole = true })
  end)

  it("never if its body is not whole any more", function()
    assert.is_false(is_safe { was_sent = true, idempotent = true })
    assert.is_false(is_safe { was_sent = true, idempotent = true, has_key = true, allowed = true })
  end)

  it("for no other reason", function()
    local names = { "was_sent", "idempotent", "has_key", "allowed", "body_whole" }
    for number = 0, 31 do
      local given = {}
      for i, name in ipairs(names) do given[name] = bit.band(number, bit.lshift(1, i - 1)) ~= 0 end
      local harmless = not given.was_sent or given.idempotent or given.has_key or given.allowed
      given.expected, given.seen = given.body_whole and harmless, is_safe(given)
      assert.same({ given, given.expected }, { given, given.seen })
    end
  end)
end)

describe("the budget of retries", function()
  local function budget(fraction)
    local made = ffi.new "struct retry_budget_seen"
    core.retry_budget_init(made, fraction)
    return made
  end

  local function take_all(from, at)
    local count = 0
    while core.retry_take(from, at) do
      count = count + 1
      assert(count < 100000, "endless")
    end
    return count
  end

  local function requests(to, count, at)
    for _ = 1, count do core.retry_note_request(to, at) end
  end

  for _, start in ipairs { 0, 999, 12345, 1700000000000 } do
    it("is three a second over ten seconds without a request, from " .. start .. " ms", function()
      local b = budget(0.2)
      assert.equal(30, take_all(b, start))
      assert.equal(0, take_all(b, start))
    end)
  end

  it("is a fraction of the requests more", function()
    local b = budget(0.2)
    requests(b, 100, 5000)
    assert.equal(50, take_all(b, 5000))
    requests(b, 4, 5000)
    assert.equal(0, take_all(b, 5000))
    requests(b, 1, 5000)
    assert.equal(1, take_all(b, 5000))
  end)

  it("may be no fraction, or all", function()
    local none, all = budget(0), budget(1)
    requests(none, 1000, 0)
    requests(all, 1000, 0)
    assert.same({ 30, 1030 }, { take_all(none, 0), take_all(all, 0) })
  end)

  it("comes back when its second is ten seconds ago, not before", function()
    local b = budget(0.2)
    assert.equal(30, take_all(b, 20999))
    for at = 21000, 29999, 333 do assert.equal(0, take_all(b, at)) end
    assert.equal(0, take_all(b, 29999))
    assert.equal(30, take_all(b, 30000))
  end)

  it("goes when the requests that gave it are ten seconds ago", function()
    local b = budget(0.5)
    requests(b, 100, 1000)
    for _ = 1, 40 do assert.is_true(core.retry_take(b, 5000)) end
    assert.is_true(core.retry_take(b, 10999))
    assert.is_false(core.retry_take(b, 11000))
    assert.equal(29, take_all(b, 15000)) -- and one is of second 10
  end)

  it("does not mind a long silence, or a clock that stands", function()
    local b = budget(0.2)
    requests(b, 1000, 0)
    take_all(b, 0)
    assert.equal(30, take_all(b, 10000000000))
    assert.equal(0, take_all(b, 10000000000))
    requests(b, 5, 10000000000)
    assert.equal(1, take_all(b, 10000000000))
  end)

  it("is the same as counting every event of the last ten seconds", function()
    math.randomseed(11)
    local b, now, events, refused = budget(0.25), 0, {}, 0
    for step = 1, 20000 do
      local jump = math.random()
      if jump < 0.001 then
        now = now + math.random(0, 30000)
      elseif jump < 0.3 then
        now = now + math.random(0, 150)
      end
      local second = math.floor(now / 1000)
      local asked, taken = 0, 0
      local kept = {}
      for _, event in ipairs(events) do
        if event.second > second - 10 then
          table.insert(kept, event)
          if event.retry then taken = taken + 1 else asked = asked + 1 end
        end
      end
      events = kept
      if math.random() < 0.4 then
        core.retry_note_request(b, now)
        table.insert(events, { second = second })
      else
        local expected = taken + 1 <= asked * 0.25 + 30
        assert.same({ step, expected }, { step, core.retry_take(b, now) })
        if expected then table.insert(events, { second = second, retry = true }) else refused = refused + 1 end
      end
    end
    assert.is_true(refused > 100 and refused < 12000, refused)
  end)
end)
