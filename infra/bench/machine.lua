-- machine - where the bench runs, with what, and how much of it may be used.
--
--   machine.processor(), .kernel(), .system()   in a few words
--   machine.versions(lb, names)    of the programs that take part
--   machine.cores()                { contestant =, load = }: lists for taskset, empty with one
--                                  core; and how many cores there are
--   machine.raise_descriptors()    to as many as this process may have; how many that is

local ffi = require "ffi"
local uv = require "luv"
local process = require "spec.support.process"

ffi.cdef [[
  struct limit { unsigned long soft, hard; };
  int getrlimit(int resource, struct limit *limit);
  int setrlimit(int resource, const struct limit *limit);
]]
local DESCRIPTORS = 7 -- RLIMIT_NOFILE
local DESCRIPTORS_WANTED = 24000 -- a proxy may count two for each of its clients

local machine = {}

local function line_of(path, pattern)
  for line in io.lines(path) do
    local found = line:match(pattern)
    if found then return found end
  end
  return "?"
end

function machine.processor() return line_of("/proc/cpuinfo", "^model name%s*:%s*(.*)") end
function machine.system() return line_of("/etc/os-release", '^PRETTY_NAME="(.*)"') end
function machine.kernel() return uv.os_uname().release end

local function version_of(name, command, pattern)
  local said = process.run(command)
  return name .. " " .. ((said.out .. said.err):match(pattern) or "?")
end

function machine.versions(lb, names)
  local list = { version_of("lb", { lb, "version" }, "lb (%S+)") }
  for _, name in ipairs(names) do
    if name == "haproxy" then table.insert(list, version_of("HAProxy", { "haproxy", "-v" }, "version (%S+)")) end
    if name == "nginx-lua" then table.insert(list, version_of("nginx", { "nginx", "-v" }, "nginx/(%S+)")) end
  end
  table.insert(list, version_of("wrk", { "wrk", "-v" }, "wrk %a*/?(%S+)"))
  table.insert(list, version_of("h2load", { "h2load", "--version" }, "nghttp2/(%S+)"))
  return table.concat(list, ", ")
end

-- The last core that this may use is the contestant's, the others are the load's.
function machine.cores()
  local cores = {}
  for first, last in line_of("/proc/self/status", "^Cpus_allowed_list:%s+(%S+)"):gmatch "(%d+)%-?(%d*)" do
    for core = tonumber(first), tonumber(last) or tonumber(first) do table.insert(cores, core) end
  end
  if #cores < 2 then return {}, #cores end
  return { contestant = tostring(cores[#cores]), load = table.concat(cores, ",", 1, #cores - 1) }, #cores
end

function machine.raise_descriptors()
  local limit = ffi.new "struct limit"
  ffi.C.getrlimit(DESCRIPTORS, limit)
  local hard = tonumber(limit.hard)
  if hard < DESCRIPTORS_WANTED then
    limit.soft, limit.hard = DESCRIPTORS_WANTED, DESCRIPTORS_WANTED -- for those who may
    if ffi.C.setrlimit(DESCRIPTORS, limit) == 0 then return DESCRIPTORS_WANTED end
    limit.hard = hard
  end
  limit.soft = limit.hard
  ffi.C.setrlimit(DESCRIPTORS, limit)
  return tonumber(limit.hard)
end

return machine
