-- The pages hold together: the README is short, and every link leads somewhere.
local pages = require "spec.support.pages"

local README_LINES = 320

local function exists(path)
  local file = io.open(path)
  return file and file:close()
end

-- The name that GitHub gives a heading: "### `ctx:finally(f)`" is #ctxfinallyf.
local function anchor_of(heading)
  return (heading:lower():gsub("[^%w_%- ]", ""):gsub(" ", "-"))
end

local function prose_of(path) return ("\n" .. pages.read(path)):gsub("\n%s*```.-\n%s*```", "\n") end

local known = {}

local function anchors_of(path)
  if known[path] then return known[path] end
  local anchors, text = {}, prose_of(path)
  for heading in text:gmatch "\n#+ ([^\n]+)" do
    local anchor = anchor_of(heading)
    assert(not anchors[anchor], path .. " has two headings #" .. anchor)
    anchors[anchor] = true
  end
  for anchor in text:gmatch '<a id="([^"]+)">' do
    assert(not anchors[anchor], path .. " has two anchors #" .. anchor)
    anchors[anchor] = true
  end
  known[path] = anchors
  return anchors
end

-- "core/README.md" and "../scripts/x.md" are "scripts/x.md".
local function beside(path, target)
  local folders = {}
  for name in ((path:match "^(.*/)" or "") .. target):gmatch "[^/]+" do
    if name == ".." then table.remove(folders) else folders[#folders + 1] = name end
  end
  return table.concat(folders, "/")
end

-- nil, or what is wrong with a link of that page
local function objection(path, link)
  local target, anchor = link:match "^([^#]*)#?(.*)$"
  local file = target == "" and path or beside(path, target)
  if not exists(file) then return "no such file" end
  if anchor ~= "" and not anchors_of(file)[anchor] then return "no such anchor" end
end

describe("the README", function()
  it("is for users, and short", function()
    local _, lines = pages.read("README.md"):gsub("\n", "")
    assert.is_true(lines <= README_LINES, lines .. " lines")
  end)

  it("links every page of the reference", function()
    local text = pages.read "README.md"
    for _, path in ipairs(pages.reference) do
      assert.truthy(text:find("](" .. path .. ")", 1, true), "no link to " .. path)
    end
  end)
end)

describe("the page for authors of policies", function()
  it("links every page of its reference", function()
    local text = pages.read "scripts/README.md"
    for _, path in ipairs(pages.policies) do
      local link = path:match "^scripts/(reference/.*)"
      if link then assert.truthy(text:find("](" .. link .. ")", 1, true), "no link to " .. path) end
    end
  end)
end)

describe("the links", function()
  local count = 0
  for _, path in ipairs(pages.all) do
    it("of " .. path .. " lead somewhere", function()
      local wrong = {}
      for link in prose_of(path):gmatch "%]%(([^)%s]+)%)" do
        local what = not link:find "^https?://" and objection(path, link)
        if what then wrong[#wrong + 1] = link .. ": " .. what end
        count = count + 1
      end
      assert.same({}, wrong)
    end)
  end

  it("of the pages that make install installs lead to a page that it installs, too", function()
    local patterns = pages.read("Makefile"):gsub("\\\n", " "):match "\nPAGES = %$%(wildcard ([^)]*)%)"
    local installed, wrong, pipe = {}, {}, assert(io.popen("ls " .. patterns))
    for path in pipe:lines() do installed[path] = true end
    pipe:close()
    assert(installed["README.md"] and installed["core/reference/log.md"])
    for path in pairs(installed) do
      for target in (path:find "%.md$" and prose_of(path) or ""):gmatch "%]%(([^)%s#]+)[^)%s]*%)" do
        if not target:find "^https?:" and not installed[beside(path, target)] then
          wrong[#wrong + 1] = path .. ": " .. target
        end
      end
    end
    assert.same({}, wrong)
  end)

  it("are many", function() assert.is_true(count > 150, count) end)
end)
