-- Options of the command line and the variables of the environment that stand for them.
local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef [[
struct options_seen {
  int command;
  const char *script;
  bool script_given;
  struct {
    struct { const char **list; unsigned count; const char *source; } listen, backends;
    struct { const char *text, *source; } workers, log_format;
  } given;
  int event_format, line_format, log_level;
  const char *pid_file;
  const char *state;
  uint64_t drain_timeout_ms;
  bool watches;
  int ask;
  const char *ask_words[6], *admin, *wait, *why, *log;
};
int options_parse(struct options_seen *, int argc, const char **argv, struct buffer *message);
void options_dispose(struct options_seen *);
int setenv(const char *name, const char *value, int overwrite);
int unsetenv(const char *name);
]]

local COMMANDS = { [0] = "run", "check", "ready", "demo", "version", "help", "ask" }
local FORMATS = { [0] = "text", "json" }
local LEVELS = { [0] = "debug", "info", "warn", "error" }

local function text(pointer) return pointer ~= nil and ffi.string(pointer) or nil end

local function list(pointer, count)
  local texts = {}
  for i = 0, count - 1 do texts[#texts + 1] = ffi.string(pointer[i]) end
  return texts
end

-- The options as a table, or nil, the exit status and the message; for help, the text.
local function parse(...)
  local words = { "lb", ... }
  local argv = ffi.new("const char *[?]", #words + 1, words)
  argv[#words] = nil
  local options, buffer = ffi.new "struct options_seen", ffi.new "struct buffer"
  local status = core.options_parse(options, #words, argv, buffer)
  local message = buffer.bytes ~= nil
    and ffi.string(buffer.bytes + buffer.start, tonumber(buffer["end"] - buffer.start)) or ""
  local o = options.given
  local result = {
    command = COMMANDS[options.command], script = text(options.script), script_given = options.script_given,
    listen = list(o.listen.list, o.listen.count), listen_source = text(o.listen.source),
    backends = list(o.backends.list, o.backends.count), backends_source = text(o.backends.source),
    workers = text(o.workers.text), workers_source = text(o.workers.source),
    event_format = FORMATS[options.event_format], line_format = FORMATS[options.line_format],
    log_level = LEVELS[options.log_level], pid_file = text(options.pid_file), state = text(options.state),
    drain_timeout_ms = tonumber(options.drain_timeout_ms), watches = options.watches, message = message,
  }
  core.buffer_dispose(buffer)
  core.options_dispose(options)
  if status ~= 0 then return nil, status, message end
  return result
end

describe("the options", function()
  local VARIABLES = { "LISTEN", "BACKENDS", "WORKERS" }
  local before = {}

  before_each(function()
    for _, name in ipairs(VARIABLES) do
      before[name] = os.getenv(name)
      ffi.C.unsetenv(name)
    end
  end)

  after_each(function()
    for _, name in ipairs(VARIABLES) do
      if before[name] then ffi.C.setenv(name, before[name], 1) else ffi.C.unsetenv(name) end
    end
  end)

  it("have defaults", function()
    local o = parse()
    assert.same({ "run", "balancer.lua", false }, { o.command, o.script, o.script_given })
    assert.same({ {}, {}, nil }, { o.listen, o.backends, o.workers })
    assert.same({ "info", nil, 30000, "" }, { o.log_level, o.pid_file, o.drain_timeout_ms, o.message })
  end)

  it("watch the script of a demo, unless --no-watch overrides that", function()
    assert.is_true(parse("demo").watches)
    assert.is_false(parse("demo", "--no-watch").watches)
    assert.is_true(parse("my.lua", "--watch").watches)
  end)

  local commands = { -- words, command, script
    { {}, "run", "balancer.lua" },
    { { "my.lua" }, "run", "my.lua" },
    { { "check", "my.lua" }, "check", "my.lua" },
    { { "check" }, "check", "balancer.lua" },
    { { "demo" }, "demo", "balancer.lua" },
    { { "demo", "my.lua" }, "demo", "my.lua" },
    { { "version" }, "version", "balancer.lua" },
    { { "--version" }, "version", "balancer.lua" },
    { { "--help" }, "help", "balancer.lua" },
    { { "-h" }, "help", "balancer.lua" },
    { { "help" }, "help", "balancer.lua" },
    { { "check", "--help" }, "help", "balancer.lua" },
    { { "--help", "check" }, "help", "balancer.lua" },
    { { "--workers", "2", "check", "my.lua" }, "check", "my.lua" },
    { { "check", "--workers=2", "my.lua" }, "check", "my.lua" },
    { { "--", "check" }, "run", "check" },
    { { "--", "--help" }, "run", "--help" },
    { { "check", "demo" }, "check", "demo" },
    { { "./check" }, "run", "./check" },
  }
  for _, case in ipairs(commands) do
    local words, command, script = unpack(case)
    it(("take %q as %s of %s"):format(table.concat(words, " "), command, script), function()
      local o = assert(parse(unpack(words)))
      assert.same({ command, script }, { o.command, o.script })
    end)
  end

  for _, case in ipairs { { "--name VALUE", function(name, value) return name, value end },
    { "--name=VALUE", function(name, value) return name .. "=" .. value end } } do
    local form, say = unpack(case)

    it("are said as " .. form, function()
      assert.same({ "127.0.0.1:80,:81" }, parse(say("--listen", "127.0.0.1:80,:81")).listen)
      assert.same({ "a:1" }, parse(say("--backend", "a:1")).backends)
      assert.equal("8", parse(say("--workers", "8")).workers)
      assert.equal("/run/state", parse(say("--state", "/run/state")).state)
      assert.equal("/run/lb.pid", parse(say("--pid-file", "/run/lb.pid")).pid_file)
      assert.equal("a=b", parse(say("--pid-file", "a=b")).pid_file)
      assert.equal(1500, parse(say("--drain-timeout", "1.5")).drain_timeout_ms)
      assert.equal(0, parse(say("--drain-timeout", "0")).drain_timeout_ms)
      for _, level in pairs(LEVELS) do assert.equal(level, parse(say("--log-level", level)).log_level) end
      for _, format in pairs(FORMATS) do
        local o = parse(say("--log-format", format))
        assert.same({ format, format }, { o.event_format, o.line_format })
      end
    end)
  end

  it("can be repeated for several addresses", function()
    local o = parse("--backend", "a:1", "my.lua", "--listen=:1", "--backend=b:2,c:3", "--listen", ":2")
    assert.same({ "a:1", "b:2,c:3" }, o.backends)
    assert.same({ ":1", ":2" }, o.listen)
    assert.same({ "--backend", "--listen" }, { o.backends_source, o.listen_source })
  end)

  it("come from the environment where the command line says nothing", function()
    ffi.C.setenv("LISTEN", ":1", 1)
    ffi.C.setenv("BACKENDS", "a:1,b:2", 1)
    ffi.C.setenv("WORKERS", "3", 1)
    local o = parse()
    assert.same({ { ":1" }, { "a:1,b:2" }, "3" }, { o.listen, o.backends, o.workers })
    assert.same({ "LISTEN", "BACKENDS", "WORKERS" }, { o.listen_source, o.backends_source, o.workers_source })
    o = parse("--listen", ":9", "--backend", "z:9", "--workers", "auto")
    assert.same({ { ":9" }, { "z:9" }, "auto" }, { o.listen, o.backends, o.workers })
    assert.same({ "--listen", "--backend", "--workers" }, { o.listen_source, o.backends_source, o.workers_source })
  end)

  it("take an empty variable as not set", function()
    for _, name in ipairs(VARIABLES) do ffi.C.setenv(name, "", 1) end
    local o = parse()
    assert.same({ {}, {}, nil }, { o.listen, o.backends, o.workers })
  end)

  local wrong = { -- words, message
    { { "--bakend", "a:1" }, "lb: unknown option '--bakend', did you mean '--backend'? See lb --help" },
    { { "--worker=2" }, "lb: unknown option '--worker', did you mean '--workers'? See lb --help" },
    { { "--frobnicate" }, "lb: unknown option '--frobnicate'; see lb --help" },
    { { "-x" }, "lb: unknown option '-x'; see lb --help" },
    { { "--list" }, "lb: unknown option '--list', did you mean '--listen'? See lb --help" },
    { { "--listen" }, "lb: --listen needs a value; see lb --help" },
    { { "--listen=" }, "lb: --listen needs a value; see lb --help" },
    { { "--backend", "" }, "lb: --backend needs a value; see lb --help" },
    { { "--help=me" }, "lb: --help takes no value; see lb --help" },
    { { "--log-format", "xml" }, "lb: --log-format: expected text or json, got 'xml'; see lb --help" },
    { { "--log-level", "loud" }, "lb: --log-level: expected debug, info, warn or error, got 'loud'; see lb --help" },
    { { "--drain-timeout", "soon" },
      "lb: --drain-timeout: expected seconds from 0 to 86400, got 'soon'; see lb --help" },
    { { "--drain-timeout", "-1" }, "lb: --drain-timeout: expected seconds from 0 to 86400, got '-1'; see lb --help" },
    { { "--drain-timeout", "nan" }, "lb: --drain-timeout: expected seconds from 0 to 86400, got 'nan'; see lb --help" },
    { { "--drain-timeout", "." }, "lb: --drain-timeout: expected seconds from 0 to 86400, got '.'; see lb --help" },
    { { "--drain-timeout", "86401" },
      "lb: --drain-timeout: expected seconds from 0 to 86400, got '86401'; see lb --help" },
    { { "a.lua", "b.lua" }, "lb: unexpected 'b.lua'; see lb --help" },
    { { "version", "b.lua" }, "lb: unexpected 'b.lua'; see lb --help" },
    { { "" }, "lb: unexpected ''; see lb --help" },
    { { "chekc", "my.lua" }, "lb: no file 'chekc', did you mean 'lb check'? See lb --help" },
  }
  for _, case in ipairs(wrong) do
    local words, message = unpack(case)
    it(("refuse %q"):format(table.concat(words, " ")), function()
      assert.same({ nil, 2, message }, { parse(unpack(words)) })
    end)
  end

  it("are all listed by --help, with the variables, the signals and the exit status", function()
    local help = parse("--help").message
    for _, name in ipairs { "--listen", "--backend", "--workers", "--log-format", "--log-level", "--pid-file",
      "--state", "--drain-timeout", "--watch", "--no-watch", "SIGHUP",
      "--version", "--help", "LISTEN", "BACKENDS", "WORKERS", "SIGTERM", "SIGINT", "Exit status",
      "lb check", "lb demo", "lb version" } do
      assert.truthy(help:find(name, 1, true), name)
    end
    for line in help:gmatch "[^\n]+" do assert.is_true(#line <= 90, line) end
  end)

  local habits = { -- a word, what the message has
    { "relaod", "^lb: no file 'relaod', did you mean 'lb reload'%?" },
    { "quit", "^lb: there is no command 'quit': lb stop ends one that has admin, and SIGTERM any: kill %$" },
    { "bogus", "^lb: 'bogus' is no file and no command; commands are check, ready, .*, drain, .*; see lb %-%-help$" },
    { "start", "lb FILE runs a script" },
    { "test", "lb check FILE" },
    { "-t", "^lb: unknown option '%-t', did you mean 'lb check FILE'%?" },
    { "--config", "did you mean 'lb FILE'%?" },
    { "-V", "did you mean 'lb version'%?" },
  }
  for _, case in ipairs(habits) do
    local word, pattern = unpack(case)
    it(("say what there is in place of %q"):format(word), function()
      local o, status, message = parse(word)
      assert.same({ nil, 2 }, { o, status })
      assert.truthy(message:find(pattern), message)
    end)
  end

  it("take the words of a command that asks an lb, and no more", function()
    local o = assert(parse("drain", "a", "--wait", "3", "--admin=unix:/x"))
    assert.same({ "ask", {} }, { o.command, o.listen })
    for _, line in ipairs { "drain", "drain a b", "weight a", "status x", "set k", "log debug" } do
      local words = {}
      for word in line:gmatch "%S+" do words[#words + 1] = word end
      local none, status, message = parse(unpack(words))
      assert.same({ nil, 2 }, { none, status })
      assert.truthy(message:find("^lb: expected lb " .. words[1]), message)
    end
  end)

  it("take a script of any name that is there, and one behind a folder", function()
    assert.equal("./reload", assert(parse "./reload").script)
    assert.equal("spec", assert(parse "spec").script)
  end)
end)
