-- require and lb.script (core/lua/modules.c, modules.lua), as the loading of a script sees them.
local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef [[
struct config *modules_config_load(const char *path, const void *overrides, struct segment *, struct buffer *error)
  __asm__("config_load_file");
void config_print(const struct config *, struct buffer *);
void config_free(struct config *);
]]

local function taken(buffer)
  local text = buffer.bytes ~= nil
    and ffi.string(buffer.bytes + buffer.start, tonumber(buffer["end"] - buffer.start)) or ""
  core.buffer_dispose(buffer)
  return text
end

describe("a script's modules", function()
  local segment, folder

  setup(function() segment = core.segment_new() end)
  teardown(function() core.segment_free(segment) end)

  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    os.execute(("mkdir -p %s/scripts %s/lib"):format(folder, folder))
  end)
  after_each(function() os.execute("rm -r " .. folder) end)

  local function write(name, text)
    local file = assert(io.open(folder .. "/" .. name, "w"))
    file:write(text)
    file:close()
  end

  -- The settings, or nil and the message without the folder's name.
  local function load(text, name)
    write(name or "balancer.lua", text)
    local err, out = ffi.new "struct buffer", ffi.new "struct buffer"
    local config = core.modules_config_load(folder .. "/" .. (name or "balancer.lua"), nil, segment, err)
    if config == nil then return nil, (taken(err):gsub(folder:gsub("%p", "%%%0") .. "/", "")) end
    core.config_print(config, out)
    core.config_free(config)
    return assert(loadstring(taken(out)))()
  end

  local function message(text, name)
    local settings, said = load(text, name)
    assert.is_nil(settings)
    return said
  end

  describe("are found", function()
    local WANTED = "local m = require '%s'\nreturn { backends = '127.0.0.1:' .. m.port }"

    local function port_of(name, script)
      return tonumber(assert(load(WANTED:format(name), script)).backends[1].address:match ":(%d+)$")
    end

    it("next to the script", function()
      write("near.lua", "return { port = 1001 }")
      write("scripts/near.lua", "return { port = 1002 }")
      assert.equal(1001, port_of "near")
    end)

    it("in scripts next to the script", function()
      write("scripts/near.lua", "return { port = 1002 }")
      assert.equal(1002, port_of "near")
    end)

    it("next to the script when that is in scripts itself", function()
      write("scripts/near.lua", "return { port = 1002 }")
      assert.equal(1002, port_of("near", "scripts/main.lua"))
    end)

    it("in a folder below, with a dot", function()
      write("lib/my-util_2.lua", "return { port = 1003 }")
      assert.equal(1003, port_of "lib.my-util_2")
    end)

    it("in lb itself, without any file", function()
      local settings = assert(load "return require 'round_robin'")
      assert.equal("127.0.0.1:9002", settings.backends[2].address)
    end)

    it("in lb itself by scripts of lb, whose names files may have, too", function()
      write("weighted_round_robin.lua", "return require 'circuit_breaker'")
      assert(load [[
        local ours, theirs = require "weighted_round_robin", require "circuit_breaker"
        assert(ours == theirs and type(ours.choose) == "function")
        return ours
      ]])
    end)

    it("once by a script and by a script of lb", function()
      assert(load [[
        local before = require "weighted_round_robin"
        require "circuit_breaker"
        assert(before == require "weighted_round_robin")
        return before
      ]])
    end)

    it("once: a second require gives the same value", function()
      write("one.lua", "return {}")
      assert(load [[
        assert(require "one" == require "one")
        return { choose = function() end }
      ]])
    end)

    it("as true where they return nothing", function()
      write("silent.lua", "shared = 1")
      assert(load [[
        assert(require "silent" == true and shared == 1)
        return { choose = function() end }
      ]])
    end)

    it("with what scripts see, and no more", function()
      write("look.lua", "assert(io == nil and debug == nil and lb.counter)")
      assert(load "require 'look' return { choose = function() end }")
    end)
  end)

  describe("are refused", function()
    it("with the places that were looked at, and the line", function()
      assert.equal("balancer.lua:2: no module 'none': there is no none.lua, no scripts/none.lua, "
        .. "and no script of that name in lb itself", message "\nlocal a = require 'none'")
      assert.truthy(message("\nreturn require 'none'"):find "^balancer.lua:2: no module 'none'")
    end)

    it("with the script of lb that was meant, or what lb has in the module's place", function()
      assert.matches("in lb itself; did you mean 'canary'%?$", message "local a = require 'canry'")
      assert.matches("in lb itself; there is lb%.json$", message "local a = require 'cjson'")
      assert.matches("in lb itself; there is lb%.tcp, or the script redis_lookup$",
        message "local a = require 'resty.redis'")
    end)

    it("by names that lead elsewhere", function()
      local long = ("x"):rep(101)
      for _, name in ipairs { "", ".", "..", "../x", "a..b", ".a", "a.", "/etc/passwd", "a/b", "a\\0b", long } do
        local said = message(("local a = require '%s'"):format(name))
        assert.truthy(said:find "^balancer.lua:1: no module can be called '", said)
      end
      assert.truthy(message("require {}"):find "no module can be called")
    end)

    it("that require themselves, in any circle", function()
      write("a.lua", "return require 'b'")
      write("b.lua", "return require 'a'")
      assert.truthy(message("require 'a'"):find("module 'a' requires itself: a > b > a", 1, true))
      assert.truthy(message("require 'balancer'"):find("'balancer' requires itself: balancer > balancer", 1, true))
    end)

    it("after a failure that was caught like before it", function()
      write("a.lua", "error 'no'")
      assert.truthy(message("pcall(require, 'a')\nlocal x = require 'a'"):find("a.lua:1: no", 1, true))
    end)

    it("with their file and line", function()
      write("a.lua", "\nlocal x = = 1")
      assert.equal("a.lua:2: unexpected symbol near '=' (while balancer.lua loads)", message "require 'a'")
      write("a.lua", "\n\nlocal x = nil + 1")
      assert.equal("a.lua:3: attempt to perform arithmetic on a nil value (while balancer.lua loads)",
        message "require 'a'")
    end)

    it("with the line of a wrong setting, where the script only returns the module's table", function()
      write("a.lua", "return {\n  backends = 'a:1',\n  chose = 1 }")
      assert.equal("a.lua:3: unknown field 'chose', did you mean 'choose'?", message "return require 'a'")
      assert.equal("balancer.lua:2: unknown field 'chose', did you mean 'choose'?",
        message "require 'a'\nreturn { chose = 1 }")
    end)

    it("with the whole path, which Lua shortens", function()
      local name = ("x"):rep(70)
      write(name .. ".lua", "error 'no'")
      assert.equal(name .. ".lua:1: no (while balancer.lua loads)", message(("require '%s'"):format(name)))
    end)

    it("as bytecode", function()
      write("a.lua", string.dump(function() end))
      assert.truthy(message("require 'a'"):find("chunk with wrong mode", 1, true))
    end)

    it("that never end, within the script's time", function()
      write("a.lua", "\nwhile true do end")
      assert.truthy(message("require 'a'"):find("a.lua:2: did not end in the time", 1, true))
    end)

    it("that are no files", function()
      os.execute(("mkfifo %s/a.lua"):format(folder))
      assert.truthy(message("require 'a'"):find("a.lua: cannot read the module: it is no regular file", 1, true))
      os.execute(("rm %s/a.lua && mkdir %s/a.lua"):format(folder, folder))
      assert.truthy(message("require 'a'"):find("a.lua: cannot read the module", 1, true))
    end)
  end)
end)

describe("a bundle of modules", function()
  ffi.cdef [[
  struct bundle { void *modules; unsigned count; };
  struct bundle_seen { char *name, *path, *text; size_t bytes; bool is_file; };
  void bundle_add(struct bundle *, struct slice name, const char *path, bool is_file, struct slice text);
  const struct bundle_seen *bundle_find(const struct bundle *, struct slice name, bool is_file);
  void bundle_write(const struct bundle *, struct buffer *);
  bool bundle_read(struct bundle *, struct slice bytes);
  void bundle_dispose(struct bundle *);
  ]]

  local function slice(text) return ffi.new("struct slice", text, #text) end

  it("is the same after it went from one process to another as bytes", function()
    local here, there, bytes = ffi.new "struct bundle", ffi.new "struct bundle", ffi.new "struct buffer"
    core.bundle_add(here, slice "a", "x/a.lua", true, slice "return 1")
    core.bundle_add(here, slice "b", "(built in)", false, slice "")
    core.bundle_add(here, slice "a", "other", true, slice "return 2")
    core.bundle_add(here, slice "a", "scripts/a.lua", false, slice "return 3")
    core.bundle_write(here, bytes)
    local text = taken(bytes)
    assert.truthy(core.bundle_read(there, slice(text)))
    assert.equal(3, there.count)
    local a, b = core.bundle_find(there, slice "a", true), core.bundle_find(there, slice "b", false)
    local function shown(m) return ("%s %s %s"):format(ffi.string(m.path), ffi.string(m.text, m.bytes), m.is_file) end
    assert.equal("x/a.lua return 1 true", shown(a))
    assert.equal("(built in)  false", shown(b))
    assert.equal("scripts/a.lua return 3 false", shown(core.bundle_find(there, slice "a", false)))
    core.bundle_dispose(there)
    for length = 1, #text - 1 do
      if core.bundle_read(there, slice(text:sub(1, length))) then assert.truthy(there.count < 3) end
      core.bundle_dispose(there)
    end
    core.bundle_dispose(here)
  end)
end)
