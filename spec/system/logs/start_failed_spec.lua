-- A JSON log says why lb does not start.
local json = require "dkjson"
local play = require "spec.support.play"

local RIGHT = "return { listen = '127.0.0.1:0', backends = '127.0.0.1:9', workers = 1 }"

-- Not more than one line, of that format.
local function refused(status, format, arguments)
  table.insert(arguments, 1, "--log-format")
  table.insert(arguments, 2, format)
  local result = play.lb(arguments)
  assert.equal(status, result.code, result.err)
  assert.truthy(result.err:find "^[^\n]+\n$", result.err)
  return result.err
end

local function script(text) return play.file("some.lua", text) end

local CASES = {
  { "a script that is not there", 2, "/nowhere%.lua: cannot read the script", function()
    return { "/nowhere.lua" }
  end },
  { "a wrong setting", 2, "some%.lua:1: unknown field 'chose'", function()
    return { script "return { chose = 1 }" }
  end },
  { "an init that fails", 2, "some%.lua:1: boom", function()
    return { script "return { backends = '127.0.0.1:9', init = function() error 'boom' end }" }
  end },
  { "a pid file that cannot be", 1, "%-%-pid%-file: cannot write /nowhere/x", function()
    return { script(RIGHT), "--pid-file", "/nowhere/x" }
  end },
  { "a port that is taken", 1, "cannot listen on", function()
    return { script(RIGHT), "--listen", play.hello("x").address }
  end },
  { "a wrong option", 2, "unknown option '%-%-wat'", function() return { "--wat" } end },
}

describe("a start that fails because of", function()
  after_each(play.curtain)

  for _, case in ipairs(CASES) do
    local name, status, pattern, arguments = unpack(case)

    it(name .. " is an event of a JSON log", function()
      local event = json.decode(refused(status, "json", arguments()))
      assert.same({ "error", "start_failed", "supervisor" }, { event.level, event.event, event.process })
      assert.truthy(event.message:find(pattern), event.message)
      assert.falsy(event.message:find "^lb: ", event.message)
    end)

    it(name .. " is a line of text in one of text", function()
      assert.truthy(refused(status, "text", arguments()):find(pattern))
    end)
  end
end)

describe("a script that crashes the process that tries it", function()
  after_each(play.curtain)

  it("is named, and the signal", function()
    local path = script [[return { backends = '127.0.0.1:9', script = { budget_ms = 0 },
      init = function() while true do end end }]]
    local lb = play.start(play.command { "--log-format", "text", path })
    local trial = play.wait("the trial", function() return play.children(lb.pid)[1] end)
    require("luv").kill(trial, "sigkill")
    assert.same({ code = 2, signal = 0 }, lb:wait_exit())
    local said = table.concat(lb.err, "\n")
    assert.truthy(said:find("some%.lua: loading it crashed a worker %(signal 9: "), said)
  end)
end)

describe("a limit on address space", function()
  after_each(play.curtain)
  if os.getenv "ASAN_OPTIONS" then return end -- a sanitized build takes terabytes of it

  local function start(mib)
    local command = { "timeout", "20", "prlimit", "--as=" .. mib * 1024 * 1024 }
    for _, word in ipairs(play.command { script(RIGHT), "--log-format", "json" }) do
      command[#command + 1] = word
    end
    local result = play.run(command)
    assert.equal(1, result.code, result.err)
    local event = json.decode(result.err)
    assert.equal("start_failed", event.event)
    return event.message
  end

  -- The libraries of each system take another part of it.
  it("in which the script cannot be tried is an event", function()
    local mib, said = 290
    repeat
      mib = mib + 10
      said = start(mib)
      assert.truthy(said:find "no shared memory", said)
    until said:find "no shared memory to try the script with"
  end)
end)

describe("lb check", function()
  after_each(play.curtain)

  it("speaks to people, whatever the log is", function()
    local result = play.lb { "check", "--log-format", "json", script "return { chose = 1 }" }
    assert.truthy(result.err:find "some%.lua:1: unknown field 'chose'", result.err)
    assert.falsy(result.err:find "^{", result.err)
  end)
end)
