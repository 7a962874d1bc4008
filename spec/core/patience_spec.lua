-- How long a client connection may stay as it is, and what follows: the table of client/patience.c.
local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef [[
enum patience_state {
  PATIENCE_RESTING, PATIENCE_HEAD, PATIENCE_BODY, PATIENCE_TAKING, PATIENCE_UNREAD, PATIENCE_UNSEEN,
  PATIENCE_EXCHANGE, PATIENCE_LINGERING,
};
struct patience_seen {
  enum patience_state state;
  bool is_over, is_slow, is_gone, has_ended;
  uint8_t idle_times;
  uint32_t unsent;
  uint64_t silent_ms;
};
struct config_timeouts {
  uint64_t connect_ms, request_head_ms, request_body_ms, response_head_ms, response_body_ms, keep_alive_ms,
    upstream_idle_ms, request_ms, queue_ms, tunnel_ms;
};
enum patience_step {
  PATIENCE_WAIT, PATIENCE_READ, PATIENCE_PROBE, PATIENCE_FAIL, PATIENCE_RESET, PATIENCE_CLOSE,
};
struct patience { enum patience_step step; uint64_t within_ms; };
struct patience patience_next(const struct patience_seen *, const struct config_timeouts *);
const char *patience_why(const struct patience_seen *);
bool patience_probes(uint8_t *times);
]]

local steps = { [0] = "wait", "read", "probe", "fail", "reset", "close" }
local timeouts = ffi.new("struct config_timeouts",
  { request_head_ms = 1000, request_body_ms = 2000, response_body_ms = 30000, keep_alive_ms = 4000 })
local FOREVER = 0xffffffffffffffffULL

local function seen(state, more)
  local facts = ffi.new("struct patience_seen", more or {})
  facts.state = "PATIENCE_" .. state
  return facts
end

-- "wait" and for how many ms, or what follows.
local function next_of(state, more)
  local patience = core.patience_next(seen(state, more), timeouts)
  local step = steps[tonumber(patience.step)]
  if step ~= "wait" then return step end
  return step, patience.within_ms == FOREVER and "forever" or tonumber(patience.within_ms)
end

local function over(more)
  local facts = { is_over = true }
  for name, value in pairs(more or {}) do facts[name] = value end
  return facts
end

local function why(state, more) return ffi.string(core.patience_why(seen(state, more))) end

describe("patience with a client", function()
  it("waits for each part of a request as its timeout says", function()
    assert.same({ "wait", 4000 }, { next_of "RESTING" })
    assert.same({ "wait", 1000 }, { next_of "HEAD" })
    assert.same({ "wait", 2000 }, { next_of "BODY" })
  end)

  it("closes a connection that rests for too long", function() assert.equal("close", next_of("RESTING", over())) end)

  it("fails a head that is not complete in time", function()
    assert.equal("fail", next_of("HEAD", over()))
    assert.equal("request head not complete within timeouts.request_head", why("HEAD", over()))
  end)

  it("fails a body of which nothing comes", function()
    assert.equal("fail", next_of("BODY", over()))
    assert.equal("nothing of the body within timeouts.request_body", why("BODY", over()))
  end)

  it("closes where that body is no longer wanted", function()
    assert.equal("close", next_of("BODY", over { is_gone = true }))
  end)

  it("fails a body that comes too slowly as soon as that is seen", function()
    assert.equal("fail", next_of("BODY", { is_slow = true }))
    assert.equal("less of the body came than limits.least_rate", why("BODY", { is_slow = true }))
  end)

  it("asks every 10 s what a client has taken", function()
    assert.same({ "wait", 10000 }, { next_of "TAKING" })
    assert.same({ "wait", 10000 }, { next_of("TAKING", { silent_ms = 20000 }) })
    assert.same({ "wait", 1 }, { next_of("TAKING", { silent_ms = 29999 }) })
  end)

  it("resets a client that takes nothing", function()
    assert.equal("reset", next_of("TAKING", { silent_ms = 30000 }))
    assert.equal("the client took nothing of the answer within timeouts.response_body",
      why("TAKING", { silent_ms = 30000 }))
  end)

  it("resets a client that takes too little", function()
    assert.equal("reset", next_of("TAKING", { is_slow = true }))
    assert.equal("the client took less of the answer than limits.least_rate", why("TAKING", { is_slow = true }))
  end)

  it("begins to read when an answer takes longer than most do", function()
    assert.same({ "wait", 20 }, { next_of "UNREAD" })
    assert.equal("read", next_of("UNREAD", over()))
  end)

  it("asks twice a second where reading does not show that the client leaves", function()
    assert.same({ "wait", 500 }, { next_of "UNSEEN" })
    assert.same({ "wait", 500 }, { next_of("UNSEEN", over()) })
  end)

  it("leaves the time to the exchange where reading shows it", function()
    assert.same({ "wait", "forever" }, { next_of "EXCHANGE" })
    assert.same({ "wait", "forever" }, { next_of("EXCHANGE", over()) })
  end)

  it("probes a client that has half-closed, and closes a client that is gone", function()
    for _, state in ipairs { "UNSEEN", "EXCHANGE" } do
      assert.equal("probe", next_of(state, over { has_ended = true }))
      assert.equal("close", next_of(state, over { has_ended = true, is_gone = true }))
    end
    assert.equal("close", next_of("UNREAD", over { is_gone = true }))
    assert.equal("wait", next_of("UNSEEN", { has_ended = true, is_gone = true }))
  end)
end)

describe("a client that lingers", function()
  it("is looked at every 2 s", function()
    assert.same({ "wait", 2000 }, { next_of("LINGERING", { unsent = 100 }) })
    assert.same({ "wait", 2000 }, { next_of("LINGERING", { unsent = 100, idle_times = 15 }) })
  end)

  it("goes when it has everything and sends nothing more", function()
    assert.same({ "wait", 2000 }, { next_of "LINGERING" })
    assert.equal("close", next_of("LINGERING", { idle_times = 1 }))
  end)

  it("goes when it takes nothing within timeouts.response_body", function()
    assert.equal("close", next_of("LINGERING", { unsent = 100, idle_times = 16 }))
  end)

  it("goes after a minute of that, however long timeouts.response_body is", function()
    local patient = ffi.new("struct config_timeouts", { response_body_ms = 3600000 })
    local function step(times)
      return steps[tonumber(core.patience_next(seen("LINGERING", { unsent = 1, idle_times = times }), patient).step)]
    end
    assert.equal("wait", step(29))
    assert.equal("close", step(30))
  end)

  it("goes when it takes too little", function()
    assert.equal("close", next_of("LINGERING", { unsent = 100, is_slow = true }))
  end)
end)

describe("probing", function()
  it("happens less and less often, and never stops", function()
    local times, probed = ffi.new "uint8_t[1]", {}
    for look = 1, 300 do
      if core.patience_probes(times) then probed[#probed + 1] = look end
    end
    assert.same({ 1, 2, 4, 8, 16, 32, 64, 128, 192, 256 }, probed)
  end)
end)
