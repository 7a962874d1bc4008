-- lb.script: scripts that are taken as they are, with options of their own (core/lua/modules.lua).
local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef [[
struct config *lb_script_config_load(const char *path, const void *overrides, struct segment *, struct buffer *error)
  __asm__("config_load_file");
void config_print(const struct config *, struct buffer *);
void config_free(struct config *);
]]

local CANARY = [[
return lb.script({ percent = 5, header = false, name = "canary" }, function(options)
  return {
    backends = options.header or ("127.0.0.1:" .. options.percent),
    health = { interval = 7, fall = 4 },
    choose = function() end,
    on_failure = options.name == "bold" and function() end or nil,
  }
end)
]]

describe("lb.script", function()
  local segment, folder

  setup(function()
    segment = core.segment_new()
    folder = os.tmpname()
    os.remove(folder)
    os.execute("mkdir " .. folder)
    local file = assert(io.open(folder .. "/canary.lua", "w"))
    file:write(CANARY)
    file:close()
  end)
  teardown(function()
    core.segment_free(segment)
    os.execute("rm -r " .. folder)
  end)

  local function load(text)
    local path = folder .. "/balancer.lua"
    local file = assert(io.open(path, "w"))
    file:write(text)
    file:close()
    local err, out = ffi.new "struct buffer", ffi.new "struct buffer"
    local config = core.lb_script_config_load(path, nil, segment, err)
    local printed = config ~= nil and out or err
    if config ~= nil then
      core.config_print(config, out)
      core.config_free(config)
    end
    local said = ffi.string(printed.bytes, printed["end"])
    core.buffer_dispose(printed)
    if config == nil then return nil, (said:gsub("^.*/balancer.lua", "balancer.lua")) end
    return assert(loadstring(said))(), said
  end

  local function message(text)
    local settings, said = load(text)
    assert.is_nil(settings)
    return said
  end

  it("gives a script with the defaults", function()
    local settings, printed = load "return require 'canary'"
    assert.equal("127.0.0.1:5", settings.backends[1].address)
    assert.equal("0.0.0.0:3030", settings.listen[1])
    assert.truthy(printed:find "choose: the script's")
    assert.falsy(printed:find "on_failure: the script's")
  end)

  it("has the options that it is called with", function()
    local settings, printed = load "return require 'canary' { percent = 10, name = 'bold' }"
    assert.equal("127.0.0.1:10", settings.backends[1].address)
    assert.truthy(printed:find "on_failure: the script's")
  end)

  it("takes an option whose default is false with any type", function()
    assert.equal("127.0.0.1:1", load("return require 'canary' { header = '127.0.0.1:1' }").backends[1].address)
    assert.equal(2, #load("return require 'canary' { header = { '127.0.0.1:1', '127.0.0.1:2' } }").backends)
  end)

  it("lays settings and hooks over the script's, groups name by name", function()
    local settings, printed = load [[
      return require "canary" {
        backends = "127.0.0.1:20", health = { fall = 9 }, limits = { fields = 20 }, on_failure = function() end,
      }
    ]]
    assert.equal("127.0.0.1:20", settings.backends[1].address)
    assert.same({ 7, 9, 20 }, { settings.health.interval, settings.health.fall, settings.limits.fields })
    assert.truthy(printed:find "on_failure: the script's")
  end)

  it("takes every setting that there is", function()
    local settings = load [[
      return require "canary" {
        listen = ":80", workers = 2, fallback = "fail", trusted_proxies = "::1", forwarded = true, trace = true,
        via = false, body_first = "always", reuse = "all", pages = { [503] = "later", headers = { A = "b" } },
      }
    ]]
    assert.same({ 2, "fail", true, true, false, "always", "all" }, { settings.workers, settings.fallback,
      settings.forwarded, settings.trace, settings.via, settings.body_first, settings.reuse })
    assert.same({ "later", { A = "b" } }, { settings.pages[503].body, settings.pages.headers })
  end)

  it("knows every setting and hook that config/read.c reads, as a setting and not as an option's name", function()
    local file = assert(io.open "core/config/read.c")
    local names = file:read "*a":match "\nvoid read_settings.-known%[%] = {(.-)NULL};"
    file:close()
    local count = 0
    for name in names:gmatch '"([%l_]+)"' do
      local said = message(("return lb.script({ %s = 1 }, function() return {} end)"):format(name))
      assert.truthy(said:find("an option cannot be called '" .. name .. "'", 1, true), said)
      count = count + 1
    end
    assert.is_true(count > 20)
  end)

  it("lays tls over that of the script, name by name", function()
    assert(load [[
      local own = lb.script({}, function() return { tls = { certificates = { "a.pem" }, tickets = 3 } } end)
      local made = own { tls = { strict = true } }
      assert(made.tls.certificates[1] == "a.pem" and made.tls.tickets == 3 and made.tls.strict)
      made.tls = nil
      return made
    ]])
  end)

  it("keeps settings of health next to a check that is a function alone, in either order", function()
    local settings, printed = load [[return require "canary" { health = function() end }]]
    assert.equal(7, settings.health.interval)
    assert.truthy(printed:find "check: the script's")
    settings, printed = load [[
      local own = lb.script({}, function() return { health = function() end, backends = "127.0.0.1:1" } end)
      return own { health = { interval = 3 } }
    ]]
    assert.equal(3, settings.health.interval)
    assert.truthy(printed:find "check: the script's")
  end)

  it("makes another script each time, and leaves the first as it was", function()
    assert(load [[
      local canary = require "canary"
      local one, two = canary { percent = 1 }, canary { percent = 2, health = { fall = 1 } }
      assert(one.backends == "127.0.0.1:1" and two.backends == "127.0.0.1:2" and canary.backends == "127.0.0.1:5")
      assert(one.choose ~= two.choose and one.health.fall == 4 and two.health.fall == 1 and canary.health.fall == 4)
      return one
    ]])
  end)

  it("has demo addresses where neither the script nor the environment names any", function()
    local settings = load "return lb.script({}, function() return {} end)"
    assert.same({ "127.0.0.1:9001", "127.0.0.1:9002" },
      { settings.backends[1].address, settings.backends[2].address })
  end)

  describe("refuses, at the caller's line,", function()
    it("an unknown option, and says which is near", function()
      local text = "return require 'canary' {\n  percent = 1,\n  percnt = 2,\n}"
      assert.equal("balancer.lua:3: unknown option 'percnt', did you mean 'percent'?", message(text))
      assert.equal("balancer.lua:1: unknown option 'chose', did you mean 'choose'?",
        message "return require('canary')({ chose = 1 })")
      assert.equal("balancer.lua:1: unknown option '1'", message "return require 'canary' { 1 }")
      assert.equal("balancer.lua:2: unknown option 'percnt', did you mean 'percent'?",
        message "local s\ns = require 'canary' { percnt = 2 } return s")
    end)

    it("an option of another type", function()
      assert.equal("balancer.lua:2: option 'percent': expected a number, got a string",
        message "return require 'canary' {\n  percent = '1' }")
    end)

    it("what is no table", function()
      assert.equal("balancer.lua:1: expected a table of options, got a number",
        message "return require 'canary' (5)")
    end)

    it("a setting that is wrong, in its own line", function()
      assert.equal("balancer.lua:2: health: unknown field 'fal', did you mean 'fall'?",
        message "return require 'canary' {\n  health = { fal = 1 } }")
    end)

    it("wrong arguments of its own", function()
      local said = message "local a = lb.script(1, 2)"
      assert.truthy(said:find("balancer.lua:1: lb.script(options, make) needs", 1, true))
      assert.truthy(message("local a = lb.script({ choose = 1 }, function() end)"):find(
        "balancer.lua:1: an option cannot be called 'choose'", 1, true))
      assert.truthy(message("local a = lb.script({}, function() end)"):find(
        "has to return a script's table, got nothing", 1, true))
    end)
  end)
end)
