-- What people look up in the README is there: every event of the log, and every setting of a group
-- with its default, which scripts/lb.d.lua has to know as well. An event's name that reaches
-- log_event in a variable is not seen here.

local NAME_IS_ARGUMENT = { log_event = 2, check_last_words = 1 }

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "*a"
  file:close()
  return text
end

local function sources()
  local pipe = assert(io.popen "ls core/*.c core/*/*.c")
  local text = {}
  for path in pipe:lines() do text[#text + 1] = read(path) end
  pipe:close()
  return table.concat(text)
end

-- log_event(LOG_ERROR, is_monitor ? "monitor_hung" : "worker_hung", pairs, ..
local function names()
  local found = {}
  for called, arguments in sources():gmatch "([%l_]+)(%b());" do
    local wanted, position = NAME_IS_ARGUMENT[called], 0
    for argument in arguments:sub(2):gmatch "[^,]+" do
      position = position + 1
      if position == wanted then
        for name in argument:gmatch '"([%l_]+)"' do found[name] = true end
      end
    end
  end
  return found
end

-- "health.rise" = "1", as in core/config/settings.c
local function settings()
  local text, defaults = read "core/config/settings.c", {}
  for group, name, default in text:gmatch "{[%u%d]+%((%l+), ([%l_]+), ([^,]+)," do
    defaults[group .. "." .. name] = default
  end
  local in_braces = '{"([%l_]+)", SETTING_%u+%d*, offsetof%(struct config, ([%l_.]+)%),%s+([^,]+),'
  for name, group, default in text:gmatch(in_braces) do
    defaults[group:match "^(%l+)" .. "." .. name] = default
  end
  return defaults
end

-- The same, as the table of the README has it: "| `rise`, `fall` | 1, 2 | .. |" is two of them.
local function listed()
  local table_text = read "README.md":match "\n## Settings\n(.-)\n### "
  local group, found = "", {}
  for row in table_text:gmatch "[^\n]+" do
    local first, second = row:match "^|([^|]+)|([^|]*)|"
    group = row:match "^| %*%*`(%l+)`%*%*" or group
    local defaults = (second or ""):gmatch "[^,]+"
    for name in (first or ""):gmatch "`([%l_]+)`" do
      found[group .. "." .. name] = (defaults() or ""):match "^%s*(.-)%s*$"
    end
  end
  return found
end

describe("the README", function()
  it("lists every setting with its default", function()
    local found, types, count = listed(), read "scripts/lb.d.lua", 0
    for name, default in pairs(settings()) do
      count = count + 1
      assert.equal((default:gsub("%* MIB", "MiB")), found[name], name)
      assert.truthy(types:find("---@field " .. name:match "[%l_]+$" .. "? ", 1, true), name)
    end
    assert.is_true(count > 30)
  end)

  it("lists every event", function()
    local list = read("README.md"):match "Events have `time`.-\n## "
    local missing, count = {}, 0
    for name in pairs(names()) do
      count = count + 1
      if not list:find("`" .. name .. "`", 1, true) then missing[#missing + 1] = name end
    end
    assert.same({}, missing)
    assert.is_true(count > 30)
  end)
end)
