-- Each rule in the table of core/reference/rules.md has cases in spec/cases, and each case has a
-- rule there.
local conformance = require "spec.support.conformance"
local files = require "spec.support.files"
local h2_conformance = require "spec.support.h2_conformance"

local SECTION = "\n## HTTP to the letter\n"

local function section()
  local text = files.read "core/reference/rules.md"
  local _, from = assert(text:find(SECTION, 1, true))
  return text:sub(from, text:find("\n## ", from, true))
end

-- The rows that begin with a rule's id in backquotes: id, section, what lb does, where it is shown.
local function rows()
  local list = {}
  for line in section():gmatch "[^\n]+" do
    local id, source, what, shown = line:match "^| `([^`]+)` | (.-) | (.+) | (.-) |$"
    if id then list[#list + 1] = { id = id, source = source, what = what, shown = shown } end
  end
  return list
end

local function exists(path)
  local file = io.open(path)
  return file and file:close()
end

-- The specs that a cell names: `spec/system/backends/reuse_spec.lua`.
local function specs_of(shown)
  local specs = {}
  for path in shown:gmatch "`(spec/[^`]+_spec%.lua)`" do specs[#specs + 1] = path end
  return specs
end

local function all_cases()
  local list = conformance.load ""
  for _, case in ipairs(h2_conformance.load()) do list[#list + 1] = case end
  return list
end

local function by_rule()
  local rules = {}
  for _, case in ipairs(all_cases()) do
    rules[case.rule] = rules[case.rule] or {}
    rules[case.rule][case.file] = true
  end
  return rules
end

describe("the table of rules", function()
  it("has a row for every rule of a case, and no two", function()
    local seen = {}
    for _, row in ipairs(rows()) do
      assert.is_nil(seen[row.id], row.id .. " has two rows")
      seen[row.id] = true
    end
    for rule in pairs(by_rule()) do assert.truthy(seen[rule], rule .. " has cases and no row") end
  end)

  it("names the files that have the cases of a rule, and only those", function()
    local rules = by_rule()
    for _, row in ipairs(rows()) do
      for file in pairs(rules[row.id] or {}) do
        assert.truthy(row.shown:find("`" .. file .. "`", 1, true), ("%s has cases in %s"):format(row.id, file))
      end
      for file in row.shown:gmatch "`([%w_]+)`" do
        assert.truthy((rules[row.id] or {})[file], ("%s has no cases in %s"):format(row.id, file))
      end
    end
  end)

  it("shows every rule by a case, or by a spec that there is", function()
    local rules = by_rule()
    for _, row in ipairs(rows()) do
      local specs = specs_of(row.shown)
      assert.truthy(rules[row.id] or specs[1], row.id .. " is shown by nothing")
      for _, path in ipairs(specs) do assert.truthy(exists(path), path) end
    end
  end)

  it("says for every rule from where it is and what lb does", function()
    local list = rows()
    assert.truthy(#list > 40, #list)
    for _, row in ipairs(list) do
      assert.truthy(row.source:find "%d" or row.source == "ours", row.id .. ": " .. row.source)
      assert.truthy(#row.what > 10, row.id)
    end
  end)
end)

describe("the cases", function()
  it("are at least 300, each with a name of its own", function()
    local cases, seen = all_cases(), {}
    assert.truthy(#conformance.load "" >= 300 and #h2_conformance.load() >= 250)
    for _, case in ipairs(cases) do
      local title = case.rule .. ": " .. case.name
      assert.is_nil(seen[title], title)
      seen[title] = true
    end
  end)

  it("each expect something of both sides", function()
    for _, case in ipairs(conformance.load "") do
      local title = case.rule .. ": " .. case.name
      local wanted = conformance.wanted(case, { address = "127.0.0.1:1" }, { address = "127.0.0.1:2" })
      assert.truthy(wanted.backend == false or wanted.backend[1], title)
      assert.truthy(wanted.client and wanted.client[1] or case.refused, title)
    end
  end)
end)
