-- The man pages say what the program and the reference do: commands, options, variables, signals,
-- statuses, settings.
local pages = require "spec.support.pages"

local LB, SCRIPT = pages.read "infra/man/lb.1", pages.read "infra/man/balancer.lua.5"

local function sorted(set)
  local list = {}
  for name in pairs(set) do list[#list + 1] = name end
  table.sort(list)
  return list
end

local function set_of(text, pattern)
  local set = {}
  for name in text:gmatch(pattern) do set[name] = true end
  return set
end

local function section(page, heading)
  local text = page .. "\n.Sh "
  local _, from = text:find("\n.Sh " .. heading .. "\n", 1, true)
  return text:sub(assert(from, heading), text:find("\n.Sh ", from, true))
end

-- The names of its list's items: ".It Fl -watch , Fl -no-watch".
local function items(text, macro, pattern)
  local set = {}
  for line in text:gmatch "\n%.It ([^\n]*)" do
    for name in line:gmatch(macro .. " (" .. pattern .. ")") do set[name] = true end
  end
  return set
end

local function help()
  local pipe = assert(io.popen((os.getenv "LB" or "build/lb") .. " help"))
  local text = pipe:read "*a"
  pipe:close()
  return text
end

local function paragraph(head) return (help() .. "\n\n"):match("\n" .. head .. "[^\n]*\n(.-)\n\n") .. "\n" end

local function agree(program, page, least)
  assert.same(sorted(program), sorted(page))
  assert.is_true(#sorted(program) >= least, #sorted(program))
end

describe("lb(1)", function()
  it("has every command", function()
    local commands = items(section(LB, "DESCRIPTION"), "Cm", "%l+")
    commands.help = nil
    agree(set_of(help(), "\n  lb (%l+)"), commands, 3)
    for name in pairs(commands) do
      assert.truthy(section(LB, "SYNOPSIS"):find("\n.Cm " .. name, 1, true), name)
    end
  end)

  it("has every option", function()
    local options = {}
    for line in paragraph "Options":gmatch "[^\n]+" do
      for name in (line:match "^  (%-.-)  " or line:match "^  (%-%S*)$" or ""):gmatch "%-(%-?[%l-]+)" do
        options[name] = true
      end
    end
    agree(options, items(section(LB, "OPTIONS"), "Fl", "%-?[%l-]+"), 12)
  end)

  it("has every variable of the environment, and those of systemd", function()
    local variables = set_of("\n" .. paragraph "Environment", "\n  (%u+) ")
    for _, path in ipairs { "core/os/notify.c", "core/os/inherited.c" } do
      for name in pages.read(path):gmatch 'getenv%("([%u_]+)"%)' do variables[name] = true end
    end
    agree(variables, items(section(LB, "ENVIRONMENT"), "Ev", "[%u_]+"), 9)
  end)

  it("has every signal", function()
    local signals = {}
    for name in paragraph "Signals":gmatch "SIG%u+%d?" do signals[name] = true end
    agree(signals, items(section(LB, "SIGNALS"), "Dv", "SIG%u+%d?"), 5)
  end)

  it("has every exit status", function()
    agree(set_of("\n" .. paragraph "Exit status", "\n  (%d) "), set_of(section(LB, "EXIT STATUS"), "\n%.It (%d)"), 3)
  end)
end)

describe("balancer.lua(5)", function()
  -- Group by group, in the order of the page of settings: "connect" of "timeouts", "" has no group.
  local function of_reference()
    local set, group = {}, ""
    local text = pages.read "core/reference/settings.md":match "\n## All settings\n(.-)\n\n[^|]" or ""
    for cell in text:gmatch "\n| ([^|]*) |" do
      group = cell:match "^%*%*`([%l%d_.]+)`%*%*$" or group
      if not cell:find "^%*%*" and cell ~= "setting" then
        for name in cell:gmatch "`([%l%d_]+)`" do set[group .. "." .. name] = true end
      end
    end
    return set
  end

  local function of_page()
    local set, group = {}, ""
    for line in section(SCRIPT, "SETTINGS"):gmatch "[^\n]+" do
      group = line:match "^%.Ss ([%l%d_.]+)" or group
      if line:find "^%.It " then
        for name in line:gmatch "Cm ([%l%d_]+)" do set[group .. "." .. name] = true end
      end
    end
    return set
  end

  it("has every setting, in its group", function() agree(of_reference(), of_page(), 90) end)

  it("has every hook, with its parameters", function()
    local hooks = {}
    for name, parameters in pages.read "scripts/reference/hooks.md":gmatch "\n## `([%l_]+)%(([^)]*)%)`" do
      if name ~= "health" then hooks[name .. " " .. parameters:gsub(",", "")] = true end
    end
    local page = {}
    for line in section(SCRIPT, "HOOKS"):gmatch "\n%.It Fn ([^\n]+)" do
      page[line:find " " and line or line .. " "] = true
    end
    agree(hooks, page, 6)
  end)
end)

describe("the version", function()
  it("is the same in the program, the package and the image", function()
    local version = pages.read "core/config/command_line.h":match '#define VERSION "([^"]+)"'
    assert.equal(version, pages.read "infra/debian/changelog":match "^lb %(([^)]+)%)")
    assert.equal(version, pages.read "infra/Dockerfile":match 'image%.version="([^"]+)"')
  end)
end)
