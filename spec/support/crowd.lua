-- crowd - several processes that work on one segment at once, some of them killed in the middle.
--
--   local sums = crowd.run { processes = 4, seconds = 1, kills = 50, names = { "done" }, work = f }
--     work(number, report) is called again and again in each process, which is forked from this
--     one, with its number from 1 on; a process that replaces a killed one has the same number.
--     report(name, amount) adds to what is given back, by name; it is kept in memory of its own,
--     outside of what is tried.
--     kills: so many of the processes are killed, at random moments, and replaced.
--   The processes print nothing. A work that raises an error ends the run with one.

local ffi = require "ffi"

ffi.cdef [[
int fork(void);
int waitpid(int pid, int *status, int options);
int kill(int pid, int signal);
void _exit(int status);
int usleep(unsigned us);
void *mmap(void *, size_t, int, int, int, long);
int munmap(void *, size_t);
]]

local C = ffi.C
local SIGKILL = 9
local BYTES, NAMES = 65536, 16

local crowd = {}

-- A word for each process and name; only that process adds to it.
local function new_board()
  -- To read and to write; shared, of no file.
  return ffi.cast("volatile double *", C.mmap(nil, BYTES, 3, 0x21, -1, 0))
end

local function start(options, board, names, number)
  local pid = C.fork()
  assert(pid >= 0, "no process to be had")
  if pid > 0 then return pid end
  local row = number * NAMES
  local function report(name, amount)
    local at = row + names[name]
    board[at] = board[at] + amount
  end
  local ok = pcall(function()
    math.randomseed(number)
    while board[0] == 0 do options.work(number, report) end
  end)
  C._exit(ok and 0 or 7)
end

local function gather(board, names, processes)
  local sums = {}
  for name, column in pairs(names) do
    sums[name] = 0
    for number = 1, processes do sums[name] = sums[name] + board[number * NAMES + column] end
  end
  return sums
end

function crowd.run(options)
  local board, names, pids = new_board(), {}, {}
  for i, name in ipairs(options.names) do names[name] = i - 1 end
  assert((options.processes + 1) * NAMES * 8 <= BYTES and #options.names <= NAMES)
  for number = 1, options.processes do pids[number] = start(options, board, names, number) end

  local status, failed = ffi.new "int[1]", false
  local kills = options.kills or 0
  for _ = 1, math.max(kills, 1) do
    C.usleep(math.random(options.seconds * 2e6 / math.max(kills, 1)))
    if kills > 0 then
      local number = math.random(options.processes)
      C.kill(pids[number], SIGKILL)
      C.waitpid(pids[number], status, 0)
      failed = failed or status[0] == 7 * 256
      pids[number] = start(options, board, names, number)
    end
  end
  board[0] = 1 -- the end, for all
  for _, pid in ipairs(pids) do
    C.waitpid(pid, status, 0)
    failed = failed or status[0] ~= 0
  end
  local sums = gather(board, names, options.processes)
  C.munmap(ffi.cast("void *", board), BYTES)
  assert(not failed, "a process of the crowd failed")
  return sums
end

return crowd
