-- What one call of a policy costs, in instructions: make instructions-policy.
--
--   luajit infra/instructions/policy.lua PROGRAM [CASE]
--
-- Each case runs under callgrind twice, with more calls the second time; the difference, divided by
-- the additional calls, is one call, compiled and warm. The harness's own loop is subtracted. The
-- bound is 1.5 times what the prototype of this design took, with its pooled coroutine: the call of
-- choose from C to C, without facts and without what the proxy does with the answer. Backends are
-- objects here, so the last case has the prototype that wrapped them (918 instructions), not the
-- prototype that gave plain numbers (601). Which traces LuaJIT makes depends on addresses, so
-- figures vary a little from run to run. Fails if a case is above its bound.

local FEW, MANY = 100000, 200000
local POOLED = 56 -- instructions of a pooled coroutine
local FACTOR = 1.5

local cases = {
  { "null", 351, "", "return backends[1]" },
  { "round robin", 385, "local turn = lb.counter 'turn'", "return backends[turn:next(#backends)]" },
  { "path, round robin", 699, "local turn = lb.counter 'turn' local sub = string.sub",
    "if sub(ctx.path, 1, 5) ~= '/api/' then return backends[1] end return backends[turn:next(#backends)]" },
  { "one header", 656, "", "return backends[ctx.headers['x-user'] == 'user7' and 2 or 1]" },
  { "least in flight of 8", 918, "local function load(backend) return backend.in_flight end",
    "return backends:min(load)" },
}

local program, only = arg[1], arg[2]

local function instructions(script, calls)
  local pipe = assert(io.popen(("valgrind --tool=callgrind --smc-check=all-non-file --callgrind-out-file=/dev/null " ..
    "%s %s %d 2>&1"):format(program, script, calls)))
  local said = pipe:read "*a"
  pipe:close()
  return tonumber(said:match "Collected : (%d+)") or error("no figure from valgrind:\n" .. said, 0)
end

local harness = (instructions("-", MANY) - instructions("-", FEW)) / (MANY - FEW)

local function measure(case)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  -- The budget is of CPU time, which valgrind makes many times longer.
  file:write(("%s\nreturn { listen = '127.0.0.1:0', script = { budget_ms = 60000 }, " ..
    "choose = function(ctx, backends) %s end }\n"):format(case[3], case[4]))
  file:close()
  local more = instructions(path, MANY) - instructions(path, FEW)
  os.remove(path)
  return more / (MANY - FEW) - harness
end

local failed = false
print "instructions per call      measured   prototype   bound"
for _, case in ipairs(cases) do
  if not only or case[1] == only then
    local prototype = case[2] + POOLED
    local bound = FACTOR * prototype
    local took = measure(case)
    failed = failed or took > bound
    print(("%-26s %8.0f %11.0f %7.0f%s"):format(case[1], took, prototype, bound, took > bound and "  TOO MANY" or ""))
  end
end
os.exit(failed and 1 or 0)
