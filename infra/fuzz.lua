-- make fuzz: seeded mutations against a running lb, and against its parser. Ends by
-- itself, with what it found.
--
--   luajit infra/fuzz.lua [NAME=VALUE...]
--     LB, LB_CORE   the program (build/lb) and the library (build/lb_core.so)
--     SANITIZED     another build of the program: if given, it gets a tenth as many requests and
--                   responses, and all conversations, of which LB gets a tenth then
--     SEED          1
--     REQUESTS, RESPONSES, HEADS   how many (100000, 100000 and 1000000)
--     HELLOS        ClientHellos of TLS (1000000)
--     CONVERSATIONS of HTTP/2 (100000)
--     LANES         how many side by side (16)
--     REPLAY        kind:seed:number: that one alone, with every byte on every connection, as in
--                   REPLAY=requests:1:4711
--     VERBOSE       1: also what came how often, and what was valid and still refused
--
-- Requests, responses and conversations go through one worker of lb; behind each mutation goes a
-- canary, which must get its own answer. Heads and hellos go to their parsers through the FFI. The
-- exit status is 1 if anything was found, or if a process of lb is not the same, or holds more than
-- it did.
local uv = require "luv"

local settings = {
  LB = "build/lb", LB_CORE = "build/lb_core.so", SANITIZED = "", SEED = "1", REQUESTS = "100000", RESPONSES = "100000",
  HEADS = "1000000", HELLOS = "1000000", CONVERSATIONS = "100000", LANES = "16", REPLAY = "", VERBOSE = "",
}
for _, argument in ipairs(arg) do
  local name, value = argument:match "^([%w_]+)=(.*)$"
  if not settings[name] then
    io.stderr:write("fuzz: unknown setting '", argument, "'\n")
    os.exit(2)
  end
  if value ~= "" then settings[name] = value end
end
uv.os_setenv("LB_CORE", settings.LB_CORE)

local campaign = require "spec.support.campaign"
local json = require "dkjson"
local loop = require "spec.support.loop"
local mutate = require "spec.support.mutate"
local process = require "spec.support.process"

local SHOWN_PER_KIND = 3
local GROWTH_MAX_KIB = 2048 -- resident memory of a process, from the middle of the run to its end
local seed = tonumber(settings.SEED)
local failures = 0

local function say(...)
  io.stdout:write(string.format(...), "\n")
  io.stdout:flush()
end

local function fail(...)
  failures = failures + 1
  say("FAIL  " .. string.format(...))
end

-- --- lb, and what it holds ---

local function start(program, script, kind)
  local reports = process.directory() .. "/report"
  local lb = process.start {
    name = "lb", "sh", "-c", 'exec setpriv --pdeathsig KILL "$@" >/dev/null', "sh", program,
    process.file("fuzz.lua", script), "--workers", "1", "--log-format", "json",
    kind ~= "conversations" and "--listen" or nil, kind ~= "conversations" and "127.0.0.1:0" or nil,
    env = {
      ASAN_OPTIONS = "log_path=" .. reports .. ":detect_leaks=1:detect_stack_use_after_return=1:handle_abort=1",
      UBSAN_OPTIONS = "log_path=" .. reports .. ":abort_on_error=1:print_stacktrace=1",
    },
  }
  lb.events = {}
  lb:on_line(function(_, line) lb.events[#lb.events + 1] = json.decode(line) or { event = line } end)
  loop.wait("lb to listen", function()
    for _, event in ipairs(lb.events) do
      if event.event == "listening" then lb.address = event.address end
    end
    return lb.address or lb.exit
  end)
  assert(lb.address, "lb ended instead of listening")
  loop.pause(0.3) -- all of its processes are there, and have looked at the backends once
  return lb
end

local function descriptors(pid)
  local count, scan = 0, uv.fs_scandir(("/proc/%d/fd"):format(pid))
  while scan and uv.fs_scandir_next(scan) do count = count + 1 end
  return count
end

local function resident_kib(pid)
  local file = io.open(("/proc/%d/status"):format(pid))
  local text = file and file:read "*a" or ""
  if file then file:close() end
  return tonumber(text:match "VmRSS:%s+(%d+)") or 0
end

-- Of all processes of this lb: { pid = { fds, kib } }.
local function held(lb)
  local all = { [lb.pid] = true }
  for _, pid in ipairs(process.children(lb.pid)) do all[pid] = true end
  for pid in pairs(all) do all[pid] = { fds = descriptors(pid), kib = resident_kib(pid) } end
  return all
end

-- The connections that were closed are gone from lb, too, a moment later.
local function held_at_rest(run, lb, wanted)
  run:rest()
  pcall(loop.wait, "descriptors as before", function()
    for pid, was in pairs(wanted) do
      if descriptors(pid) > was.fds then return false end
    end
    return true
  end, 5)
  return held(lb)
end

local function compare_held(before, warm, after, may_grow)
  for pid, was in pairs(before) do
    local is = after[pid]
    if not is then
      fail("process %d of lb is gone", pid)
    else
      local growth = is.kib - warm[pid].kib
      say("      process %d: descriptors %d, at the end %d; resident KiB %d, warm %d, at the end %d", pid, was.fds,
        is.fds, was.kib, warm[pid].kib, is.kib)
      if is.fds > was.fds then fail("process %d: %d descriptors, %d before", pid, is.fds, was.fds) end
      if growth > GROWTH_MAX_KIB and not may_grow then fail("process %d: memory grew by %d KiB", pid, growth) end
    end
  end
  for pid in pairs(after) do
    if not before[pid] then fail("process %d of lb is new", pid) end
  end
end

local function each_report(show)
  local scan = uv.fs_scandir(process.directory())
  while scan do
    local name = uv.fs_scandir_next(scan)
    if not name then break end
    if name:find "^report" then
      local file = io.open(process.directory() .. "/" .. name)
      show(file:read "*a")
      file:close()
    end
  end
end

-- Ends lb as its user would: no process has died, it ends well, and no sanitizer reports anything.
local function stop(lb)
  if not lb.exit then lb:signal "sigterm" end
  local exit = lb:wait_exit(20)
  if exit.code ~= 0 or exit.signal ~= 0 then fail("lb ended with status %d, signal %d", exit.code, exit.signal) end
  for _, event in ipairs(lb.events) do
    if tostring(event.event):find "died" then fail("%s", json.encode(event)) end
  end
  each_report(function(text) fail("%s", text:sub(1, 4000)) end)
  process.clear()
end

-- --- what was found ---

local function show_findings(findings)
  local shown, order = {}, {}
  for _, one in ipairs(findings) do
    local kind = one.what:gsub("%d+", "N"):match "^[^:]*"
    if not shown[kind] then
      shown[kind] = 0
      order[#order + 1] = kind
    end
    shown[kind] = shown[kind] + 1
    if shown[kind] <= SHOWN_PER_KIND then
      say("FOUND %s", one.what)
      say("      make fuzz REPLAY=%s:%d:%d", one.kind, one.seed, one.number)
      say("      mutated %s", mutate.escaped(one.bytes or "", 600))
      if one.detail then say("      %s", tostring(one.detail):sub(1, 2000)) end
    end
  end
  for _, kind in ipairs(order) do
    if shown[kind] > SHOWN_PER_KIND then say("FOUND %d times: %s", shown[kind], kind) end
  end
  failures = failures + #findings
end

local function show_counts(title, counts)
  if settings.VERBOSE == "" then return end
  local list = {}
  for name, value in pairs(counts) do
    local sample = type(value) == "table" and value or nil
    list[#list + 1] = { name = name, count = sample and sample.count or value, sample = sample }
  end
  table.sort(list, function(a, b) return a.count > b.count or (a.count == b.count and a.name < b.name) end)
  say("      %s:", title)
  for _, one in ipairs(list) do
    say("      %8d  %s", one.count, one.name)
    if one.sample then say("                %d: %s", one.sample.number, mutate.escaped(one.sample.bytes, 300)) end
  end
end

local function conclude(findings, began, count, what)
  local seconds = loop.now() - began
  say("%s  %d mutated %s, seed %d: %d findings, in %.0f s (%.0f a second)", #findings == 0 and "PASS" or "FAIL",
    count, what, seed, #findings, seconds, count / seconds)
  show_findings(findings)
end

-- --- campaigns ---

local function pump(done)
  while not done() do uv.run "once" end
end

local function play(kind, to, program, is_sanitized)
  if to == 0 then return end
  local began = loop.now()
  local run = campaign.new {
    kind = kind, seed = seed, to = to, lanes = tonumber(settings.LANES), patience_ms = is_sanitized and 12000 or nil,
  }
  local lb = start(program, run.script, kind)
  local before, warm = held(lb), nil
  run:begin(lb.address)
  pump(function()
    if not warm and run.next > to / 2 then warm = held(lb) end
    return run.is_over or lb.exit
  end)
  local after = held_at_rest(run, lb, before)
  conclude(run.findings, began, run.next - 1, is_sanitized and kind .. ", sanitized" or kind)
  compare_held(before, warm or before, after, is_sanitized)
  show_counts("counted", run.counts)
  show_counts("valid, and refused by lb", run.refused)
  run:close()
  stop(lb)
end

-- Those that go to C without lb.
local MUTATED = { heads = "spec.support.mutated_heads", hellos = "spec.support.mutated_hellos" }

local function play_alone(kind, to)
  if to == 0 then return end
  local began = loop.now()
  local findings, counts = require(MUTATED[kind]).run { seed = seed, from = 1, to = to }
  conclude(findings, began, to, kind)
  show_counts("counted", counts)
end

local function replay(kind, replay_seed, number)
  if MUTATED[kind] then
    show_findings(require(MUTATED[kind]).run { seed = replay_seed, from = number, to = number })
    return
  end
  local run = campaign.new {
    kind = kind, seed = replay_seed, from = number, to = number, lanes = 1,
    on_note = function(text) say("  %s", text) end,
  }
  local lb = start(settings.LB, run.script, kind)
  run:begin(lb.address)
  pump(function() return run.is_over end)
  show_findings(run.findings)
  run:close()
  stop(lb)
end

if settings.REPLAY ~= "" then
  local kind, replay_seed, number = settings.REPLAY:match "^(%l+):(%d+):(%d+)$"
  if not kind then error("REPLAY is kind:seed:number, as in requests:1:4711", 0) end
  replay(kind, tonumber(replay_seed), tonumber(number))
else
  for _, kind in ipairs { "requests", "responses", "conversations" } do
    local count = tonumber(settings[kind:upper()])
    local tenth = math.floor(count / 10)
    if settings.SANITIZED == "" then
      play(kind, count, settings.LB)
    else
      local is_more = kind == "conversations"
      play(kind, is_more and tenth or count, settings.LB)
      play(kind, is_more and count or tenth, settings.SANITIZED, true)
    end
  end
  play_alone("heads", tonumber(settings.HEADS))
  play_alone("hellos", tonumber(settings.HELLOS))
end
say(failures == 0 and "PASS" or "FAIL  %d findings", failures)
os.exit(failures == 0 and 0 or 1)
