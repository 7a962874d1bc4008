-- The map in core/README.md has every file of core/, and the floors of infra/arrows.lua.
local pages = require "spec.support.pages"

local SECOND = 52                                -- where the second column of the map begins

local function lines_of(text) return text:gmatch "[^\n]+" end

-- folders["net"] = { floor = 2, files = { loop = true, .. } }
local function map()
  local text = pages.read("core/README.md"):match "\n## The map\n.-\n```\n(.-)\n```"
  local folders, folder = {}, nil
  for line in lines_of(text) do
    local name, floor = line:match "^([%l]+)/ +(%d)  %S"
    if name then
      folder = { floor = tonumber(floor), files = {} }
      folders[name] = folder
    elseif line:find "^  %S" then
      for _, cell in ipairs { line:sub(3, SECOND - 1), line:sub(SECOND) } do
        local file, what = cell:match "^([%l%d_]+) +(%S.*)$"
        if file then
          assert(not folder.files[file], file .. " is there twice")
          assert(#what > 1, file)
          folder.files[file] = true
        end
      end
    end
  end
  return folders
end

local function folders_there()
  local folders = {}
  local pipe = assert(io.popen "ls core/*/*.c core/*/*.h core/*/*.lua")
  for path in pipe:lines() do
    local folder, file = path:match "^core/([^/]+)/([^/]+)%.%l+$"
    folders[folder] = folders[folder] or {}
    folders[folder][file] = true
  end
  pipe:close()
  return folders
end

local function without(names, others)
  local list = {}
  for name in pairs(names) do if not others[name] then list[#list + 1] = name end end
  table.sort(list)
  return list
end

describe("the map of the core", function()
  local drawn, there = map(), folders_there()

  it("has every folder, and no other", function()
    assert.same({}, without(there, drawn))
    assert.same({}, without(drawn, there))
  end)

  for name, folder in pairs(drawn) do
    it("has every file of " .. name .. "/, and no other", function()
      assert.same({}, without(there[name], folder.files))
      assert.same({}, without(folder.files, there[name]))
    end)
  end

  it("and the other pages name files that there are", function()
    for _, path in ipairs(pages.all) do
      for file in pages.read(path):gmatch "`(%l+/[%l%d_]+%.[ch])`" do
        local found = io.open("core/" .. file) or io.open(file)
        assert.truthy(found and found:close(), path .. " names " .. file)
      end
    end
  end)

  it("has the floors that infra/arrows.lua checks", function()
    local floors = pages.read("infra/arrows.lua"):match "local floors = (%b{})"
    for name, folder in pairs(drawn) do
      assert.equal(floors:match("%f[%w]" .. name .. " = (%d+)"), tostring(folder.floor), name)
    end
  end)
end)
