-- The board that all processes share: verdicts, ejections, trials and addresses of backends.
local ffi = require "ffi"
local boards = require "spec.support.boards"
local core = require "spec.support.core"

local now_ms, board, socket, read_address = boards.now_ms, boards.new, boards.socket, boards.read_address
local fail, eject, available = boards.fail, boards.eject, boards.available

local UNCHECKED, CHECKED, CONNECT, TIMED_OUT, UNRESOLVED, TRAFFIC = 0, 1, 2, 3, 4, 5
local STATUS, SILENT, NOT_HTTP, LARGE_HEAD, CLOSED, CUT = 6, 7, 8, 9, 10, 11
local IN, CLAIMED, OUT = 0, 1, 2
local REFUSED, HOST_UNREACHABLE, RESET = -111, -113, -104
local FOREVER = 0xffffffffffffffffULL

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

  it("says the largest code there is instead of a code for which it has no room", function()
    local v = core.verdict_unpack(core.verdict_pack(ffi.new("struct verdict_seen", { true, CONNECT, -(2 ^ 19), 3 })))
    assert.same({ true, CONNECT, -(2 ^ 19 - 1), 3 }, { v.up, v.reason, v.code, tonumber(v.since_ms) })
  end)

  it("starts as down, unchecked", function()
    local segment = ffi.gc(core.segment_new(), core.segment_free)
    core.board_init(segment, 2)
    local v = core.board_verdict(segment, 1)
    assert.same({ false, UNCHECKED, 0 }, { v.up, v.reason, v.code })
    assert.same({}, available(segment, 2, now_ms()))
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
      core.verdict_describe(buffer, ffi.new("struct verdict_seen", { false, v[1], v[2], 0 }))
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
    local segment, at = board(2), now_ms()
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
    local segment, at = board(2), now_ms()
    for _ = 1, 5 do
      assert.equal(0, fail(segment, 0, 2, at))
      assert.is_false(core.board_note_success(segment, 0))
    end
    assert.equal(0, core.board_failures_in_row(segment, 0))
    assert.equal(FOREVER, core.board_next_change_ms(segment, at))
  end)

  it("does not come where the rule says never, or to a backend that is down", function()
    local segment, at = board(2), now_ms()
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
      local segment, at, out = board(count), now_ms(), 0
      for i = 0, count - 1 do
        if fail(segment, i, 4, at) > 0 or not core.board_is_available(segment, i, at) then out = out + 1 end
      end
      assert.equal(math.floor(count / 2), out)
      assert.equal(count - out, #available(segment, count, at))
    end
  end)

  it("spares the last available one", function()
    local segment, at = board(4), now_ms()
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
    local segment, at = board(2), now_ms()
    eject(segment, 0, at)
    assert.equal(0, fail(segment, 1, 9, at))
    assert.is_true(core.board_readmit(segment, 0))
    assert.is_false(core.board_readmit(segment, 0))
    assert.equal(1000, fail(segment, 1, 1, at))
    assert.same({ 0 }, available(segment, 2, at))
  end)

  it("lasts twice as long each time, up to the most", function()
    local segment = board(2)
    local at = now_ms()
    for _, length in ipairs { 1000, 2000, 4000, 5000, 5000 } do
      assert.equal(length, eject(segment, 0, at))
      core.board_readmit(segment, 0)
    end
  end)

  it("starts over if the last one ended longer ago than it lasted", function()
    local segment, at = board(2), now_ms()
    eject(segment, 0, at)
    core.board_readmit(segment, 0)
    assert.equal(2000, eject(segment, 0, now_ms() + 900))
    core.board_readmit(segment, 0)
    assert.equal(4000, eject(segment, 0, now_ms() + 1900))
    core.board_readmit(segment, 0)
    assert.equal(1000, eject(segment, 0, now_ms() + 4002))
  end)

  it("is not held up by a process that died while it decided", function()
    local segment, at = board(2), now_ms()
    local word = ejection_word(segment, 0)
    local function claim(since) word[0] = core.ejection_pack(ffi.new("struct ejection_seen", CLAIMED, 1, 7, since)) end
    claim(at)
    assert.same({ 0, 1 }, available(segment, 2, at)) -- still in, for everybody
    assert.equal(0, fail(segment, 1, 9, at + 999)) -- it counts as out
    assert.equal(1000, fail(segment, 1, 1, at + 1000)) -- until it is stale
    core.board_readmit(segment, 1)

    claim(at)
    assert.equal(0, fail(segment, 0, 9, at + 999))
    assert.equal(0, fail(segment, 0, 1, at + 1000)) -- taken back
    assert.equal(2000, fail(segment, 0, 1, at + 1000)) -- and then as ever
  end)
end)

describe("a trial", function()
  local function ejected()
    local segment, at = board(2), now_ms()
    return segment, at + eject(segment, 0, at)
  end

  it("is not needed by a backend that is in", function()
    local segment, at = board(1), now_ms()
    for _ = 1, 3 do assert.is_true(core.board_claim_trial(segment, 0, at, at + 100)) end
    assert.is_true(core.board_is_available(segment, 0, at))
  end)

  it("is what ends an ejection, not the success of an attempt that began before it", function()
    local segment, at = board(2), now_ms()
    local over = at + eject(segment, 0, at + 60000) + 60000
    assert.is_false(core.board_note_success(segment, 0))
    assert.same({ 1 }, available(segment, 2, at))
    core.board_claim_trial(segment, 0, over, over + 100)
    assert.is_true(core.board_note_success(segment, 0))
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
    assert.same({ 0, 1 }, available(segment, 2, over + 100)) -- its holder is gone
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

  it("that ends late does not end the next one", function()
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
    assert.is_nil(read_address(board(1)))
  end)

  it("has another version when it has changed, and only then", function()
    local segment = board(1)
    core.board_publish_address(segment, 0, socket(1))
    local byte, first = read_address(segment)
    assert.equal(1, byte)
    local generation = core.board_generation(segment)
    core.board_publish_address(segment, 0, socket(1))
    assert.same({ 1, first }, { read_address(segment) })
    assert.equal(generation, core.board_generation(segment))
    core.board_publish_address(segment, 0, socket(2))
    local other, second = read_address(segment)
    assert.equal(2, other)
    assert.are_not.equal(first, second)
  end)
end)
