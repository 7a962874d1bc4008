-- Draws the arrows between the files of core/ and refuses those that point the wrong way.
--
--   luajit infra/arrows.lua [DIRECTORY]      the directory that holds core/, else this one
--
-- A file includes its own folder and lower floors, by path from core/; a library has one door.
-- Prints each violation as file:line and exits 1 if there is any.

local floors = {
  base = 0,
  shared = 1, lua = 1, http = 1, net = 1,
  config = 2,
  policy = 3, upstream = 3, client = 3,
  admin = 4, proxy = 4,
  process = 5,
}
local MAIN = "main.c"      -- above all floors, and nobody includes it

local doors = {            -- header: the folders and files that may include it
  ["uv.h"] = { "net/", "process/" },
  ["llhttp.h"] = { "http/parse.c" },
}
for _, header in ipairs { "lua.h", "lua.hpp", "lauxlib.h", "lualib.h", "luajit.h" } do
  doors[header] = { "lua/", "policy/", "config/load.c" }
end

local root = (arg[1] or ".") .. "/core/"
local violations, arrows = 0, 0

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

local function check_include(file, line, quote, included)
  arrows = arrows + 1
  local door = included:match("^uv/") and doors["uv.h"] or doors[included:match("[^/]+$")]
  if door then
    if not may_pass(file, door) then
      complain(file, line, "%s has another door: %s", included, table.concat(door, ", "))
    end
  elseif quote == '"' then
    local wrong = objection(file, included)
    if wrong then complain(file, line, wrong, included) end
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
print(("arrows: %d files, %d includes, %d wrong"):format(#files, arrows, violations))
os.exit(violations == 0 and 0 or 1)
