-- usage - what a contestant has used, as /proc tells it: of all of its processes and threads.
--
--   usage.processes(pid)   that process and its descendants
--   usage.cpu(pids)        { seconds =, user =, system = }: the first of all threads, as the
--                          scheduler counts them; the others in coarse ticks
--   usage.memory(pids)     { pss =, private = } bytes

local uv = require "luv"

local usage = {}

local TICKS = 100 -- a second, in /proc/PID/stat, on every Linux that Debian runs on

local function read(path)
  local file = io.open(path)
  if not file then return nil end
  local text = file:read "*a"
  file:close()
  return text
end

local function entries(path)
  local names, scan = {}, uv.fs_scandir(path)
  while scan do
    local name = uv.fs_scandir_next(scan)
    if not name then break end
    names[#names + 1] = tonumber(name)
  end
  return names
end

function usage.processes(root)
  local children = {}
  for _, pid in ipairs(entries "/proc") do
    local state, parent = (read(("/proc/%d/stat"):format(pid)) or ""):match "^%d+ %(.*%) (%a) (%d+)"
    if state and state ~= "Z" then
      parent = tonumber(parent)
      children[parent] = children[parent] or {}
      table.insert(children[parent], pid)
    end
  end
  local found, at = { root }, 1
  while found[at] do
    for _, child in ipairs(children[found[at]] or {}) do found[#found + 1] = child end
    at = at + 1
  end
  return found
end

function usage.threads(pid) return entries(("/proc/%d/task"):format(pid)) end

-- Nil: one of them is gone.
function usage.cpu(pids)
  local sum = { seconds = 0, user = 0, system = 0 }
  for _, pid in ipairs(pids) do
    local stat = read(("/proc/%d/stat"):format(pid))
    if not stat then return nil end
    -- Fields 14 and 15; the name, in parentheses, is the second.
    local user, system = stat:match("%) %a" .. (" %-?%d+"):rep(10) .. " (%d+) (%d+)")
    sum.user, sum.system = sum.user + user / TICKS, sum.system + system / TICKS
    for _, thread in ipairs(usage.threads(pid)) do
      local text = read(("/proc/%d/task/%d/schedstat"):format(pid, thread))
      sum.seconds = sum.seconds + (text and tonumber(text:match "^%d+") or 0) / 1e9
    end
  end
  return sum
end

function usage.memory(pids)
  local sum = { pss = 0, private = 0 }
  for _, pid in ipairs(pids) do
    local text = read(("/proc/%d/smaps_rollup"):format(pid)) or ""
    sum.pss = sum.pss + (tonumber(text:match "\nPss:%s+(%d+) kB") or 0) * 1024
    sum.private = sum.private + (tonumber(text:match "\nPrivate_Dirty:%s+(%d+) kB") or 0) * 1024
  end
  return sum
end

return usage
