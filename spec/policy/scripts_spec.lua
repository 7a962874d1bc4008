-- What is true of every script that people take as it is.
local files = require "spec.support.files"
local script = require "spec.support.script"

local names = {}
for path in io.popen("ls scripts/*.lua"):lines() do
  if not path:find "%.d%.lua$" then names[#names + 1] = path:match "([^/]+)%.lua$" end
end

local read = files.read

describe("the script", function()
  assert(#names > 10)
  for _, name in ipairs(names) do
    local path = "scripts/" .. name .. ".lua"

    it(name .. " has at most 40 lines, and opens with when to use it", function()
      -- Annotations for editors do not count.
      local text = read(path):gsub("\n%s*%-%-%-@[^\n]*", "")
      local _, lines = text:gsub("\n", "")
      assert.is_true(lines <= 40, lines .. " lines")
      assert.equal("--", text:sub(1, 2))
    end)

    it(name .. " lets editors check its hooks", function()
      assert.truthy(read(path):find "\n *%-%-%-@type lb%.Script\n *return {")
    end)

    it(name .. " takes its addresses from the environment", function()
      local policy = script.load(path, { env = { LISTEN = "127.0.0.1:1", BACKENDS = "127.0.0.1:2", NAME = "x" } })
      assert.equal("127.0.0.1:1", policy.listen)
      if name ~= "hello" then assert.equal("127.0.0.1:2", policy.backends) end
    end)

    it(name .. " is one require away", function()
      local text = ("return require %q { backends = 'a:1', health = { interval = 9 } }"):format(name)
      local policy = script.load_text(text)
      assert.equal("a:1", policy.backends)
      assert.equal(9, policy.health.interval)
      assert.equal("function", type(policy.choose))
      assert.error_matches(function()
        script.load_text(("return require %q { no_such_option = 1 }"):format(name))
      end, "unknown option 'no_such_option'")
    end)

    it(name .. " is in the table of scripts/README.md", function()
      assert.truthy(read("scripts/README.md"):find("`" .. name .. "`", 1, true))
    end)
  end
end)

describe("balancer.lua", function()
  it("lets editors check its hooks", function()
    assert.truthy(read("balancer.lua"):find "\n%-%-%-@type lb%.Script\nreturn {")
  end)
end)

describe("the example", function()
  local example = require "spec.support.example_policy"
  local all = example.names()
  local LINES = { jwks = 60 }
  assert(#all > 10)
  for _, name in ipairs(all) do
    it(name .. " has at most " .. (LINES[name] or 40) .. " lines, and opens with when to use it", function()
      local text = example.read(name)
      local _, lines = text:gsub("\n", "")
      assert.is_true(lines <= (LINES[name] or 40), lines .. " lines")
      assert.equal("-- ", text:sub(1, 3))
      assert.truthy(text:find "Suits%s")
      assert.truthy(text:find "\n%-%-%-@type lb%.Script\nreturn {")
    end)

    it(name .. " is in the table of scripts/README.md", function()
      assert.truthy(read("scripts/README.md"):find("\n| `" .. name .. ".lua` | ", 1, true))
    end)
  end

  it("of each line of that table is there", function()
    local listed = {}
    for name in read("scripts/README.md"):gmatch "\n| `([%w_]+)%.lua` | " do listed[#listed + 1] = name end
    table.sort(listed)
    table.sort(all)
    assert.same(all, listed)
  end)
end)
