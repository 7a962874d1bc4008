-- Adds up what small.sh has measured, prints it by folder and function, and fails above bounds.lua.
--
--   luajit infra/instructions/small.lua FOLDER REQUESTS TRACED
--
-- FOLDER has callgrind's profiles of each column, as off.1 and off.2, and strace's counts
-- calls.{1,2}; of each the second has so many requests more. The cost of an inlined function is its
-- caller's. Code that LuaJIT made is a folder of its own.

local folder, requests, traced = arg[1], tonumber(arg[2]), tonumber(arg[3])
local bounds = dofile(arg[0]:match "^.*/" .. "bounds.lua")
local COMPILED = "LuaJIT's-code" -- its functions have no names
local SHOWN = 60 -- instructions per request from which a function has a line of its own

local ALLOCATORS = { "malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign", "mmap" }
for _, name in ipairs(ALLOCATORS) do ALLOCATORS[name] = true end

-- --- callgrind's format ---
-- "fn=(7) name" once, "fn=(7)" from then on; what follows calls= is not its caller's own.

local function group_of(object, file)
  local part = file:match "core/(%w+)/"
  if object:find "/lb$" and part then return "core/" .. part end
  if object:find "llhttp" or file:find "llhttp" then return "llhttp" end
  if object:find "/lb$" then return "core" end
  if object:find "luajit" then return "LuaJIT" end
  if object:find "uv" then return "libuv" end
  if object:find "/libc%.so" or object:find "/ld%-" then return "libc" end
  return object:find "^/" and object:match "[^/]*$" or COMPILED
end

-- Own instructions by "group function", and calls of allocators by the function that made them.
local function read_profile(path)
  local names = { ob = {}, fl = {}, fn = {} }
  local costs, allocations = {}, {}
  local object, file, caller, callee, key, of_callee
  local function named(kind, text)
    local id, name = text:match "^(%b()) ?(.*)$"
    if name ~= "" then names[kind][id] = name:gsub("'%d+$", "") end
    return names[kind][id]
  end
  for line in io.lines(path) do
    local word, text = line:match "^(%l+)=(.*)$"
    if word == "ob" then
      object = named("ob", text)
    elseif word == "fl" then
      file = named("fl", text)
    elseif word == "fn" then
      caller = named("fn", text)
      key = group_of(object, file) .. " " .. caller
    elseif word == "cfn" then
      callee = named("fn", text)
    elseif word == "cob" then
      named("ob", text)
    elseif word == "fi" or word == "fe" or word == "cfi" or word == "cfl" then
      named("fl", text)
    elseif word == "calls" then
      of_callee = true
      if ALLOCATORS[callee] then allocations[caller] = (allocations[caller] or 0) + tonumber(text:match "^%d+") end
    elseif line:find "^[%d+*-]" then
      if not of_callee then costs[key] = (costs[key] or 0) + (tonumber(line:match " (%d+)$") or 0) end
      of_callee = false
    end
  end
  return costs, allocations
end

local function read_calls(path)
  local calls = {}
  for line in io.lines(path) do
    local count, name = line:match "^ *[%d.]+ +[%d.]+ +%d+ +(%d+) +%d* *([%w_]+)$"
    if name and name ~= "total" then calls[name] = tonumber(count) end
  end
  return calls
end

-- --- differences, per request ---

local function difference(read, name, count)
  local each, sum = {}, 0
  local first, second = read(folder .. "/" .. name .. ".1"), read(folder .. "/" .. name .. ".2")
  for key, value in pairs(second) do
    each[key] = (value - (first[key] or 0)) / count
    sum = sum + each[key]
  end
  return each, math.max(sum, 0)
end

local function costs_of(path) return (read_profile(path)) end
local function allocations_of(path) return select(2, read_profile(path)) end

local function keys_by_value(values)
  local keys = {}
  for key in pairs(values) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return values[a] > values[b] or values[a] == values[b] and a < b end)
  return keys
end

-- --- the table ---

local off, off_sum = difference(costs_of, "off", requests)
local on, on_sum = difference(costs_of, "on", requests)
local tls, tls_sum = difference(costs_of, "tls", requests)
local h2c, h2c_sum = difference(costs_of, "h2c", requests)
local explained, explained_sum = difference(costs_of, "explained", requests)
local kept, kept_sum = difference(costs_of, "kept", requests)
local traced_0, traced_0_sum = difference(costs_of, "traced-0", requests)
local traced_1, traced_1_sum = difference(costs_of, "traced-1", requests)
local COLUMNS = { off, on, tls, h2c, explained, kept, traced_0, traced_1 }

local function row(name, ...) print(("%-44s" .. (" %8.0f"):rep(#COLUMNS)):format(name, ...)) end

-- One figure for each column.
local function of_each(figure)
  local figures = {}
  for i, costs in ipairs(COLUMNS) do figures[i] = figure(costs) end
  return unpack(figures)
end

-- "group function" by group; and by group, what it costs where it costs most.
local groups, largest = {}, {}
for _, costs in ipairs(COLUMNS) do
  for key in pairs(costs) do
    local group = key:match "^%S+"
    groups[group] = groups[group] or {}
    groups[group][key] = math.max(of_each(function(each) return each[key] or 0 end))
  end
end
local function sum_of(costs, group)
  local sum = 0
  for key in pairs(groups[group]) do sum = sum + (costs[key] or 0) end
  return sum
end
for group in pairs(groups) do
  largest[group] = math.max(of_each(function(costs) return sum_of(costs, group) end))
end

print(("%-44s" .. (" %8s"):rep(#COLUMNS)):format("instructions of a small request",
  "log off", "log on", "TLS", "h2c", "admin", "all kept", "traced 0", "traced 1"))
for _, group in ipairs(keys_by_value(largest)) do
  row(group, of_each(function(costs) return sum_of(costs, group) end))
  for _, key in ipairs(keys_by_value(groups[group])) do
    if groups[group][key] >= SHOWN and group ~= COMPILED then
      row("  " .. key:sub(#group + 2), of_each(function(costs) return costs[key] or 0 end))
    end
  end
end
row("all", off_sum, on_sum, tls_sum, h2c_sum, explained_sum, kept_sum, traced_0_sum, traced_1_sum)

-- --- and what else is counted ---

local function print_counts(title, counts, least)
  local parts = {}
  for _, key in ipairs(keys_by_value(counts)) do
    if counts[key] >= least then parts[#parts + 1] = ("%s %.3f"):format(key, counts[key]) end
  end
  print(title .. (parts[1] and table.concat(parts, ", ") or "none"))
end

local allocations, allocations_sum = difference(allocations_of, "on", requests)
local of_tls, of_tls_sum = difference(allocations_of, "tls", requests)
local calls, calls_sum = difference(read_calls, "calls", traced)
print_counts("allocations of a small request, by who asks for them: ", allocations, 0.0005)
print_counts("allocations of one over TLS: ", of_tls, 0.0005)
print_counts("system calls of a small request: ", calls, 0.0005)

local failed = false
print(("\n%-44s %8s %8s"):format("", "measured", "bound"))
for _, figure in ipairs {
  { "instructions, log off", off_sum, bounds.instructions_log_off, "%8.0f" },
  { "instructions, log on", on_sum, bounds.instructions_log_on, "%8.0f" },
  { "instructions, TLS, log off", tls_sum, bounds.instructions_tls, "%8.0f" },
  { "instructions, HTTP/2, log off", h2c_sum, bounds.instructions_h2c, "%8.0f" },
  { "with admin, over log off", explained_sum / off_sum, bounds.explained, "%8.4f" },
  { "the same, each request kept", kept_sum / off_sum, bounds.kept, "%8.4f" },
  { "tracing, no spans, of log off", traced_0_sum / off_sum, bounds.traced_0, "%8.3f" },
  { "tracing, all spans, of log off", traced_1_sum / off_sum, bounds.traced_1, "%8.3f" },
  { "allocations, TLS", of_tls_sum, bounds.allocations_tls, "%8.3f" },
  { "allocations", allocations_sum, bounds.allocations, "%8.3f" },
  { "system calls", calls_sum, bounds.syscalls, "%8.2f" },
} do
  local name, measured, bound, form = unpack(figure)
  local above = measured > bound
  failed = failed or above
  print(("%-44s " .. form .. " " .. form .. "%s"):format(name, measured, bound, above and "  TOO MANY" or ""))
end
os.exit(failed and 1 or 0)
