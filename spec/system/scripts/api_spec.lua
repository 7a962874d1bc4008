-- What scripts may use has the same names in lb itself, in what spec/support builds, in the
-- annotations of scripts/ and in the pages of scripts/. spec/support/probe.c lets a
-- script inside lb list them.
local api = require "spec.support.api"
local pages = require "spec.support.pages"
local play = require "spec.support.play"

local function lines_of(objects)
  local lines = {}
  for object, names in pairs(objects) do
    for name in pairs(names) do lines[#lines + 1] = object .. " " .. name end
  end
  table.sort(lines)
  return lines
end

-- The lines that only the first has, and those that only the second has.
local function differences(first, second)
  local has, only = {}, { {}, {} }
  for _, line in ipairs(second) do has[line] = true end
  for _, line in ipairs(first) do
    if not has[line] then table.insert(only[1], line) end
    has[line] = nil
  end
  for line in pairs(has) do table.insert(only[2], line) end
  table.sort(only[2])
  return only
end

describe("the names that scripts may use", function()
  local library

  setup(function()
    library = os.tmpname()
    local include = io.popen("pkg-config --cflags luajit"):read "*l"
    local command = ("%s -std=c11 -D_GNU_SOURCE -O1 -Wall -Wextra -Werror -fPIC -shared -o %s %s " ..
      "spec/support/probe.c -ldl"):format(os.getenv "CC" or "gcc", library, include)
    local status = os.execute(command)
    assert(status == 0 or status == true, command)
  end)

  teardown(function() os.remove(library) end)

  after_each(play.curtain)

  local function real()
    local refuses = "127.0.0.1:" .. play.unused_port()
    local lb = play.balancer {
      script = api.SCRIPT, backends = { refuses, play.hello "one" },
      env = {
        LD_PRELOAD = library, ASAN_OPTIONS = (os.getenv "ASAN_OPTIONS" or "") .. ":verify_asan_link_order=0",
      },
    }
    local body = lb:fetch("/").body
    return api.real(body .. "\n" .. lb:event("script").message)
  end

  it("are the names of scripts/*.d.lua, in lb", function()
    assert.same({ {}, {} }, differences(lines_of(api.annotated()), lines_of(real())))
  end)

  it("are the names of scripts/*.d.lua, in what spec/support builds", function()
    local annotated = api.annotated()
    annotated.result = nil -- a table that the spec gives
    assert.same({ {}, {} }, differences(lines_of(annotated), lines_of(api.built())))
  end)

  it("are all explained in the pages of scripts/", function()
    local page, missing = pages.text(pages.policies), {}
    local code = {} -- what stands between backquotes, outside of examples
    for text in page:gsub("```.-```", ""):gmatch "`([^`]+)`" do
      for name in text:gmatch "[%w_]+" do code[name] = true end
    end
    for object, names in pairs(api.annotated()) do
      for name in pairs(names) do
        if not code[name] then missing[#missing + 1] = object .. " " .. name end
      end
    end
    assert.same({}, missing)
  end)

  -- Settings and hooks, which scripts write and do not read.

  local function check(text)
    return play.lb { "check", play.file("settings.lua", text) }
  end

  it("are the names of scripts/*.d.lua, among settings and hooks", function()
    for group, names in pairs(api.groups()) do
      for name in pairs(names) do
        local text = group == "" and ("return { %s = coroutine.create(print) }"):format(name)
          or ("return { backends = 'a:1', %s = { %s = coroutine.create(print) } }"):format(group, name)
        local said = check(text)
        assert.equal(2, said.code)
        assert.is_nil(said.err:find "unknown field", said.err)
      end
    end
  end)

  it("are in scripts/*.d.lua if lb check prints them", function()
    local said = check "return { backends = 'a:1', health = { type = 'http' }, trusted_proxies = '10.0.0.1' }"
    assert.equal(0, said.code, said.err)
    local groups, settings = api.groups(), assert(loadstring(said.out))()
    for name, value in pairs(settings) do
      assert.is_true(groups[""][name], name)
      for inner in pairs(groups[name] and value or {}) do assert.is_true(groups[name][inner], name .. "." .. inner) end
    end
  end)

  it("are in scripts/*.d.lua so that an editor finds any other", function()
    assert.same({}, api.open_classes())
  end)

  -- A script that gives each option to the function that takes it, with a value that none can have.
  local GIVEN = {
    choose = "return { backends = 'a:1', choose = function(_, backends) return backends[1], { %s = print } end }",
    on_response = "return { backends = 'a:1', on_response = function() return nil, { %s = print } end }",
    ["ctx:respond"] = "return { backends = 'a:1', choose = function(ctx) return ctx:respond { %s = print } end }",
    ["ctx:reject"] = "return { backends = 'a:1', choose = function(ctx) return ctx:reject(500, { %s = print }) end }",
    ["lb.bucket"] = "lb.bucket('a', { rate = 1, %s = print }) return { backends = 'a:1' }",
    backends = "return { backends = { { address = 'a:1', %s = print } } }",
  }

  it("are the names of scripts/*.d.lua, among options", function()
    local options = api.options()
    for taker, script in pairs(GIVEN) do
      assert.truthy(check(script:format "no_such_option").err:find "no_such_option", taker)
      for name in pairs(options[taker]) do
        local said = check(script:format(name)).err
        assert.is_nil(said:find "unknown", taker .. " " .. name .. ": " .. said)
      end
    end
  end)

  it("are the names of scripts/*.d.lua, among the options that the pages list", function()
    local page = pages.text(pages.policies)
    local function listed(head)
      local names, first = {}, assert(page:find(head, 1, true), head)
      for cell in page:sub(first, page:find("\n\n", first, true)):gmatch "\n| (`[^|]+) |" do
        for name in cell:gmatch "`([%l_]+)" do names[name] = true end
      end
      return names
    end
    local options = api.options()
    assert.same(options.choose, listed "| option | for this backend only")
    assert.same(options["lb.http.request"], listed "| option | default | |")
  end)
end)
