-- The board between real processes: what they agree on is in its segment alone.
local ffi = require "ffi"
local boards = require "spec.support.boards"
local core = require "spec.support.core"

ffi.cdef [[
int fork(void);
int waitpid(int pid, int *status, int options);
int kill(int pid, int number);
int usleep(unsigned microseconds);
void _exit(int status);
]]

local now_ms, board, socket, read_address = boards.now_ms, boards.new, boards.socket, boards.read_address
local fail, eject, available = boards.fail, boards.eject, boards.available
local CHECKED, TRAFFIC, REFUSED, RULE = boards.CHECKED, boards.TRAFFIC, boards.REFUSED, boards.RULE

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
      local segment, at = board(count), now_ms()
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
    local segment, holders, at = board(2), board(1), now_ms()
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

  -- Wherever they are, a third one continues.
  it("may be killed at any moment", function()
    local segment, at, count = board(6), now_ms(), 6
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
    assert.equal(201, (read_address(segment)))
    local later = at + 100000
    for i = 0, count - 1 do core.board_note_success(segment, i) end
    for _ = 1, 2 do
      for i = 0, count - 1 do fail(segment, i, RULE.after, later) end
    end
    assert.equal(count - 3, #available(segment, count, later))
  end)
end)
