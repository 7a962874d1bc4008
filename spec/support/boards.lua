-- Boards (core/shared/board.h) in memory of their own, and what specs do with their backends.
local ffi = require "ffi"
local luassert = require "luassert"
local core = require "spec.support.core"

-- Each spec file loads this anew, and a struct can be declared once only.
if not pcall(ffi.new, "struct verdict_seen") then
  ffi.cdef [[
struct verdict_seen { bool up; int reason; int code; uint64_t since_ms; };
struct rule_given { uint32_t after; uint64_t for_ms, for_max_ms; };
struct ejection_seen { int state; uint32_t count, tag; uint64_t at_ms; };
typedef struct { long seconds, nanoseconds; } moment;
]]
end
ffi.cdef [[
void board_init(struct segment *, unsigned backends);
struct verdict_seen board_verdict(const struct segment *, unsigned backend);
bool board_set_up(struct segment *, unsigned backend, int reason, int code, uint64_t now_ms);
bool board_set_down(struct segment *, unsigned backend, int reason, int code, uint64_t now_ms);
void verdict_describe(struct buffer *, struct verdict_seen);
uint64_t board_note_failure(struct segment *, unsigned backend, const struct rule_given *, uint64_t now_ms);
bool board_note_success(struct segment *, unsigned backend);
bool board_readmit(struct segment *, unsigned backend);
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
int clock_gettime(int which, moment *);
]]

-- RULE: the third failure in a row ejects, for 1 s, then for twice as long each time, up to 5 s.
local boards = {
  CHECKED = 1, TRAFFIC = 5, REFUSED = -111,
  RULE = ffi.new("struct rule_given", 3, 1000, 5000),
}

-- The steady clock: the end of an ejection is noted by it.
function boards.now_ms()
  local moment = ffi.new "moment"
  ffi.C.clock_gettime(1, moment)
  return tonumber(moment.seconds) * 1000 + math.floor(tonumber(moment.nanoseconds) / 1000000)
end

-- A board with that many backends, which are all up.
function boards.new(count)
  local segment = ffi.gc(core.segment_new(), core.segment_free)
  core.board_init(segment, count)
  for i = 0, count - 1 do core.board_set_up(segment, i, boards.CHECKED, 0, 1) end
  return segment
end

-- Notes that many failures. Returns for how long the last one ejects, in ms: 0 if it does not.
function boards.fail(segment, backend, times, at)
  local length
  for _ = 1, times do length = tonumber(core.board_note_failure(segment, backend, boards.RULE, at)) end
  return length
end

function boards.eject(segment, backend, at)
  local length = boards.fail(segment, backend, boards.RULE.after, at)
  luassert.truthy(length > 0)
  return length
end

-- The indices of those that are available.
function boards.available(segment, count, at)
  local list = {}
  for i = 0, count - 1 do
    if core.board_is_available(segment, i, at) then list[#list + 1] = i end
  end
  return list
end

-- A socket address of AF_INET6, of the same byte throughout.
function boards.socket(byte)
  local s = ffi.new "uint8_t[28]"
  ffi.fill(s, 28, byte)
  ffi.cast("uint16_t *", s)[0] = 10
  return s
end

-- The byte of backend 0's address and its version; nil if it is not known.
function boards.read_address(segment)
  local version, out = ffi.new "uint32_t[1]", ffi.new "uint8_t[32]"
  if not core.board_read_address(segment, 0, version, out) then return nil end
  for i = 3, 27 do if out[i] ~= out[2] then return "torn" end end
  return out[2], version[0]
end

return boards
