-- What answers of DNS mean for a list (core/discover/dns_rules.c).
local ffi = require "ffi"
local core = require "spec.support.core"
local wire = require "spec.support.dns_wire"

ffi.cdef [[
struct dns_answer { int outcome; uint32_t ttl_s; unsigned count, extras; void *records; struct buffer texts; };
struct dns_family { uint8_t (*list)[16]; unsigned count; };
struct dns_target { char *name; struct dns_family known[2], heard[2]; int outcomes[2]; bool is_heard[2]; };
struct dns_entry { uint32_t target; uint16_t port, priority, weight; };
struct dns_targets { struct dns_target *list; unsigned count; struct dns_entry *entries; unsigned entries_count;
  uint32_t ttl_s; unsigned heard; };
struct dns_backend { uint8_t family, address[16]; uint16_t port, priority, weight; };
struct dns_pace { uint64_t min_ms, max_ms; };

void dns_answer_read(struct dns_answer *, const char *bytes, size_t length, const char *name, int type);
void dns_answer_dispose(struct dns_answer *);
const char *dns_outcome_text(int outcome);
void dns_targets_dispose(struct dns_targets *);
void dns_targets_of_name(struct dns_targets *, const char *name, uint16_t port);
void dns_targets_of_srv(struct dns_targets *, const struct dns_answer *, struct dns_targets *before);
void dns_target_hear(struct dns_targets *, unsigned target, unsigned family, const struct dns_answer *);
int dns_target_settle(struct dns_target *, bool stays);
struct dns_backend *dns_targets_backends(const struct dns_targets *, unsigned *count);
uint64_t dns_pace_next(const struct dns_pace *, uint32_t ttl_s, bool nothing, double unit);
uint64_t dns_pace_retry(const struct dns_pace *, unsigned failures, double unit);
void mem_free(void *);
]]

-- An answer of a name, of message m; freed at the end of the spec.
local answers = {}
local function answer(name, type, m)
  m.name, m.type = name, type
  local bytes, read = wire.message(m), ffi.new "struct dns_answer"
  core.dns_answer_read(read, bytes, #bytes, name, wire.types[type])
  answers[#answers + 1] = read
  return read
end

local function found(type, ...)
  local list = {}
  for i, address in ipairs { ... } do list[i] = (type == "A" and wire.a or wire.aaaa)("@", address) end
  return answer("app.test", type, { answer = list })
end

local function nothing(type) return answer("app.test", type, {}) end
local function failed(type) return answer("app.test", type, { rcode = 2 }) end

-- "1.2.3.4:80", with /priority/weight if they are not 0 and 1.
local function shown(targets)
  local count = ffi.new "unsigned[1]"
  local list, out = core.dns_targets_backends(targets, count), {}
  if list == nil then return "too many" end
  for i = 0, count[0] - 1 do
    local b, text = list[i]
    if b.family == 0 then
      text = ("%d.%d.%d.%d:%d"):format(b.address[0], b.address[1], b.address[2], b.address[3], b.port)
    else
      text = ("[..%x]:%d"):format(b.address[15], b.port)
    end
    out[#out + 1] = (b.priority == 0 and b.weight == 1) and text or ("%s/%d/%d"):format(text, b.priority, b.weight)
  end
  core.mem_free(list)
  return table.concat(out, " ")
end

local function new()
  return ffi.gc(ffi.new "struct dns_targets", core.dns_targets_dispose)
end

-- A round of target 0: "found" or why not.
local function round(targets, a, aaaa, stays)
  if a then core.dns_target_hear(targets, 0, 0, a) end
  if aaaa then core.dns_target_hear(targets, 0, 1, aaaa) end
  return ffi.string(core.dns_outcome_text(core.dns_target_settle(targets.list[0], stays or false)))
end

local function name()
  local targets = new()
  core.dns_targets_of_name(targets, "app.test", 80)
  return targets
end

after_each(function()
  for _, one in ipairs(answers) do core.dns_answer_dispose(one) end
  answers = {}
end)

describe("the addresses of a name", function()
  it("are those of A and AAAA, sorted, each once", function()
    local t = name()
    assert.equal("found", round(t, found("A", "10.0.0.2", "10.0.0.10", "10.0.0.2"), found("AAAA", "fd00::9")))
    assert.equal("10.0.0.2:80 10.0.0.10:80 [..9]:80", shown(t))
  end)

  it("are those of one family if the other has none, also if it had some", function()
    local t = name()
    round(t, found("A", "10.0.0.1"), found("AAAA", "fd00::1"))
    assert.equal("found", round(t, found("A", "10.0.0.2"), nothing "AAAA"))
    assert.equal("10.0.0.2:80", shown(t))
  end)

  it("keep what is known of a family that fails", function()
    local t = name()
    round(t, found("A", "10.0.0.1"), found("AAAA", "fd00::1"))
    assert.equal("found", round(t, found("A", "10.0.0.2"), failed "AAAA"))
    assert.equal("10.0.0.2:80 [..1]:80", shown(t))
  end)

  it("stay if one family has none and the other fails, or both fail", function()
    local t = name()
    round(t, found("A", "10.0.0.1"), nothing "AAAA")
    assert.equal("servfail", round(t, nothing "A", failed "AAAA"))
    assert.equal("servfail", round(t, failed "A", failed "AAAA"))
    assert.equal("10.0.0.1:80", shown(t))
  end)

  it("are none if there are none", function()
    local t = name()
    round(t, found("A", "10.0.0.1"), nothing "AAAA")
    assert.equal("nodata", round(t, nothing "A", nothing "AAAA"))
    assert.equal("", shown(t))
  end)

  it("are too many above 4,096", function()
    local t, parts = name(), {}
    for i = 1, 4000 do parts[i] = wire.a("@", ("10.1.%d.%d"):format(math.floor(i / 256), i % 256)) end
    local six = {}
    for i = 1, 97 do six[i] = wire.aaaa("@", ("fd00::%x"):format(i)) end
    round(t, answer("app.test", "A", { answer = parts }), answer("app.test", "AAAA", { answer = six }))
    assert.equal("too many", shown(t))
    six[97] = nil
    round(t, answer("app.test", "A", { answer = parts }), answer("app.test", "AAAA", { answer = six }))
    assert.equal(4096, select(2, shown(t):gsub(":80", "")))
  end)
end)

describe("the targets of SRV records", function()
  local function srv(...) return answer("_http._tcp.app.test", "SRV", { answer = { ... } }) end
  local function of(a, before)
    local t = new()
    core.dns_targets_of_srv(t, a, before or new())
    return t
  end

  it("have port, weight and priority, and 0 as weight is 1", function()
    local t = of(srv(wire.srv("@", 2, 0, 81, "a.test"), wire.srv("@", 0, 7, 80, "a.test")))
    assert.equal(1, t.count)
    round(t, found("A", "10.0.0.1"), nothing "AAAA")
    assert.equal("10.0.0.1:80/0/7 10.0.0.1:81/2/1", shown(t))
  end)

  it("are none if the service is not offered", function()
    local t = of(srv(wire.srv("@", 0, 0, 0, ".")))
    assert.equal(0, t.count)
    assert.equal("", shown(t))
  end)

  it("are the same in any letter case, and take one address with a port once", function()
    local t = of(srv(wire.srv("@", 1, 5, 80, "A.test"), wire.srv("@", 0, 3, 80, "a.TEST")))
    assert.equal(1, t.count)
    round(t, found("A", "10.0.0.1"), nothing "AAAA")
    assert.equal("10.0.0.1:80/0/3", shown(t))
  end)

  it("use the addresses that came with the answer, of targets only", function()
    local t = of(answer("s.test", "SRV", { answer = { wire.srv("@", 0, 1, 80, "a.test", 9) },
      additional = { wire.a("a.test", "10.0.0.1", 4), wire.a("evil.test", "6.6.6.6", 1) } }))
    assert.is_true(t.list[0].is_heard[0])
    assert.is_false(t.list[0].is_heard[1])
    assert.equal(4, t.ttl_s)
    assert.equal("found", round(t, nil, nothing "AAAA"))
    assert.equal("10.0.0.1:80", shown(t))
  end)

  it("stay if they were there and do not resolve, and are left out else", function()
    local first = of(srv(wire.srv("@", 0, 1, 80, "a.test")))
    round(first, found("A", "10.0.0.1"), nothing "AAAA", true)
    for _, none in ipairs { nothing, failed } do
      local t = of(srv(wire.srv("@", 0, 1, 80, "a.test"), wire.srv("@", 0, 1, 80, "b.test")), first)
      round(t, none "A", none "AAAA", true)
      assert.equal("10.0.0.1:80", shown(t))
      first = t
    end
  end)

  it("are forgotten when SRV no longer has them", function()
    local first = of(srv(wire.srv("@", 0, 1, 80, "a.test")))
    round(first, found("A", "10.0.0.1"), nothing "AAAA", true)
    local second = of(srv(wire.srv("@", 0, 1, 80, "b.test")), first)
    local third = of(srv(wire.srv("@", 0, 1, 80, "a.test")), second)
    round(third, failed "A", failed "AAAA", true)
    assert.equal("", shown(third))
  end)
end)

describe("the next question", function()
  local pace = ffi.new("struct dns_pace", 1000, 10000)
  local unknown = 2 ^ 32 - 1
  local function next_ms(ttl, is_nothing, unit)
    return tonumber(core.dns_pace_next(pace, ttl, is_nothing, unit or 0))
  end

  it("comes after the TTL, within bounds", function()
    assert.same({ 1000, 1000, 7000, 10000, 10000 },
      { next_ms(0, false), next_ms(1, false), next_ms(7, false), next_ms(600, false), next_ms(2 ^ 31 - 1, false) })
  end)

  it("has a jitter of a tenth, and never exceeds the bound", function()
    assert.equal(5500, next_ms(5, false, 1))
    assert.equal(9000, next_ms(600, false, 1))
  end)

  it("comes after the SOA's minimum if there is nothing, and after 30 s at most", function()
    assert.same({ 1000, 4000, 30000, 10000 },
      { next_ms(0, true), next_ms(4, true), next_ms(3600, true), next_ms(unknown, true) })
  end)

  it("comes soon after a failure, and then less often", function()
    local list = {}
    for i = 1, 6 do list[i] = tonumber(core.dns_pace_retry(pace, i, 0)) end
    assert.same({ 1000, 2000, 4000, 8000, 10000, 10000 }, list)
    assert.equal(10000, tonumber(core.dns_pace_retry(pace, 1000000, 0)))
  end)
end)
