-- Draws the arrows between the files of core/ and refuses those that point the wrong way.
--
--   luajit infra/arrows.lua [DIRECTORY]      the directory that holds core/, else this one
--
-- A file includes its own folder and lower floors, by path from core/; a library has one door.
-- No circle: a header and its .c are one file here, and no file includes itself by way of others.
-- Prints each violation as file:line, each circle with its files, and exits 1 if there is any.

local floors = {
  base = 0,
  shared = 1, lua = 1, http = 1,
  net = 2,
  config = 3, dial = 3, wire = 3,
  discover = 4, health = 4, os = 4, script = 4,
  client = 5, policy = 5, upstream = 5,
  admin = 6, lab = 6, proxy = 6,
  reload = 7,
  process = 8,
}
local MAIN = "main.c"      -- above all floors, and nobody includes it

local doors = {            -- header: the folders and files that may include it
  ["uv.h"] = { "net/" },
  ["llhttp.h"] = { "http/parse.c" },
  ["nghttp2.h"] = { "http/hpack.c" },
  ["ares.h"] = { "dial/dns_channel.c" },
  ["openssl"] = { "net/tls_", "net/tls.c" },
}
for _, header in ipairs { "lua.h", "lua.hpp", "lauxlib.h", "lualib.h", "luajit.h" } do
  doors[header] = { "lua/", "script/", "policy/", "config/load.c" }
end

local root = (arg[1] or ".") .. "/core/"
local violations, arrows = 0, 0
local note_include

local function complain(file, line, message, ...)
  print(("core/%s:%d: " .. message):format(file, line, ...))
  violations = violations + 1
end

local function sources()
  local list = {}
  local find = assert(io.popen("cd '" .. root .. "' && find . -name '*.[ch]' | sort"))
  for path in find:lines() do
    list[#list + 1] = path:sub(3)
  end
  find:close()
  return list
end

local function folder_of(path) return path:match("^(.-)/") end

local function exists(path)
  local file = io.open(root .. path)
  return file and file:close()
end

local function may_pass(file, door)
  for _, allowed in ipairs(door) do
    if file:sub(1, #allowed) == allowed then return true end
  end
  return false
end

-- One of our own headers, as `file` sees it: nil, or what is wrong with it.
local function objection(file, included)
  local from, to = folder_of(file), folder_of(included)
  if not exists(included) then return "no core/%s; include by path from core/" end
  if not floors[to] then return "%s is on no floor" end
  if file == MAIN or from == to or floors[to] < floors[from] then return nil end
  if floors[to] == floors[from] then return "%s is a neighbour on the same floor" end
  return "%s is on a higher floor"
end

-- includes["net/loop"]["net/deadline"]: a file of the first includes the header of the second.
local includes = {}

local function module_of(path) return (path:gsub("%.[ch]$", "")) end

function note_include(file, included)
  local from, to = module_of(file), module_of(included)
  includes[from], includes[to] = includes[from] or {}, includes[to] or {}
  if from ~= to then includes[from][to] = true end
end

local function sorted_keys(set)
  local keys = {}
  for key in pairs(set) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

-- The circles, as "net: deadline loop", sorted: the strongly connected components of two files and
-- more, by Tarjan's algorithm.
local function circles()
  local found, stack, on_stack, index, lowest, count = {}, {}, {}, {}, {}, 0
  local function visit(file)
    count = count + 1
    index[file], lowest[file] = count, count
    stack[#stack + 1], on_stack[file] = file, true
    for _, to in ipairs(sorted_keys(includes[file])) do
      if not index[to] then visit(to) end
      if on_stack[to] then lowest[file] = math.min(lowest[file], lowest[to]) end
    end
    if lowest[file] ~= index[file] then return end
    local files = {}
    repeat
      local top = table.remove(stack)
      on_stack[top] = nil
      files[#files + 1] = top:match "[^/]+$"
    until top == file
    table.sort(files)
    if #files > 1 then found[#found + 1] = folder_of(file) .. ": " .. table.concat(files, " ") end
  end
  for _, file in ipairs(sorted_keys(includes)) do
    if not index[file] then visit(file) end
  end
  table.sort(found)
  return found
end

local function check_circles()
  for _, circle in ipairs(circles()) do
    print("a circle in core/" .. circle)
    violations = violations + 1
  end
end

local function check_include(file, line, quote, included)
  arrows = arrows + 1
  local door = included:match("^uv/") and doors["uv.h"] or included:match("^openssl/") and doors.openssl
    or doors[included:match("[^/]+$")]
  if door then
    if not may_pass(file, door) then
      complain(file, line, "%s has another door: %s", included, table.concat(door, ", "))
    end
  elseif quote == '"' then
    local wrong = objection(file, included)
    if wrong then complain(file, line, wrong, included) end
    note_include(file, included)
  end
end

local function check_file(file)
  if file ~= MAIN and not floors[folder_of(file) or ""] then
    complain(file, 1, "lives on no floor")
    return
  end
  local number = 0
  for text in io.lines(root .. file) do
    number = number + 1
    local quote, included = text:match('^%s*#%s*include%s*(["<])([^">]+)[">]')
    if quote then check_include(file, number, quote, included) end
  end
end

local files = sources()
for _, file in ipairs(files) do
  check_file(file)
end
if #files == 0 then
  print("arrows: no sources in " .. root)
  os.exit(1)
end
check_circles()
print(("arrows: %d files, %d includes, %d wrong"):format(#files, arrows, violations))
os.exit(violations == 0 and 0 or 1)
