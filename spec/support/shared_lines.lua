-- shared_lines - sees from outside which cache lines of shared memory are written.
--
--   local before = shared_lines.read(pid)          every page of it that this process has touched
--   shared_lines.written(before, shared_lines.read(pid))
--                                  the addresses that have changed: { ["7f0000001000"] = true }
--   shared_lines.common(a, b)      a list of what is in both, in order
--
-- A line and its neighbour count as one, as a core may fetch them together. A page that was not
-- there before was all zero. The addresses are the process's own; processes that lb forks have
-- the same.

local ffi = require "ffi"

local shared_lines = {}

local PAGE, APART = 4096, 128 -- SEGMENT_APART
local PRESENT = 2 ^ 31        -- of the upper half of an entry in pagemap

local function open(pid, name) return assert(io.open(("/proc/%d/%s"):format(pid, name), "rb")) end

local function mappings(pid)
  local file, found = open(pid, "maps"), {}
  for line in file:lines() do
    local from, to, file_name = line:match "^(%x+)%-(%x+) rw%-s .-(/%S*)"
    if file_name ~= "/dev/zero" and not (file_name or ""):find "^/memfd:" then from = nil end
    if from then found[#found + 1] = { from = tonumber(from, 16), to = tonumber(to, 16) } end
  end
  file:close()
  assert(#found > 0, "it shares no memory")
  return found
end

-- Only these are read: reading another one would make it.
local function touched(pid, mapping)
  local file, list = open(pid, "pagemap"), {}
  assert(file:seek("set", mapping.from / PAGE * 8))
  local bytes = file:read((mapping.to - mapping.from) / PAGE * 8)
  file:close()
  local halves = ffi.cast("const uint32_t *", bytes)
  for i = 0, #bytes / 8 - 1 do
    if halves[2 * i + 1] >= PRESENT then list[#list + 1] = mapping.from + i * PAGE end
  end
  return list
end

function shared_lines.read(pid)
  local file, pages = open(pid, "mem"), {}
  file:setvbuf "no"
  for _, mapping in ipairs(mappings(pid)) do
    for _, address in ipairs(touched(pid, mapping)) do
      assert(file:seek("set", address))
      pages[address] = assert(file:read(PAGE))
    end
  end
  file:close()
  return pages
end

local NOTHING = ("\0"):rep(PAGE)

function shared_lines.written(before, after)
  local lines = {}
  for address, page in pairs(after) do
    local was = before[address] or NOTHING
    for offset = 1, was ~= page and PAGE or 0, APART do
      if was:sub(offset, offset + APART - 1) ~= page:sub(offset, offset + APART - 1) then
        lines[("%x"):format(address + offset - 1)] = true
      end
    end
  end
  return lines
end

function shared_lines.common(a, b)
  local list = {}
  for line in pairs(a) do
    if b[line] then list[#list + 1] = line end
  end
  table.sort(list)
  return list
end

return shared_lines
