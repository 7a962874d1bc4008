-- What a process says that is about to end, in another process.
local json = require "dkjson"
local play = require "spec.support.play"

local FOREWORD = [[
  local ffi = require "ffi"
  ffi.cdef "void check_speak_json(const char *); void check_last_words(const char *, const char *, ...);"
  local core = ffi.load(os.getenv "LB_CORE" or "build/lb_core.so")
]]

local function said(body)
  local ended = play.run { "luajit", "-e", FOREWORD .. body, name = "luajit" }
  assert.equal(0, ended.code, ended.err)
  return ended.err
end

describe("last words", function()
  after_each(play.curtain)

  it("are a line of text", function()
    local line = said [[core.check_last_words("none", "lb: no %s (%d)", "more room", ffi.new("int", 12))]]
    assert.equal("lb: no more room (12)\n", line)
  end)

  it("are an event in a JSON log", function()
    local line = said [[
      core.check_speak_json "worker 7"
      core.check_last_words("no_room", "lb: no %s \"%s\"\n\27", "room", "here\\")
    ]]
    assert.truthy(line:find "^[^\n]+\n$", line)
    local event = json.decode(line)
    assert.same({ "error", "no_room", "worker 7", 'no room "here\\"\n\27' },
      { event.level, event.event, event.process, event.message })
    assert.truthy(event.time:find "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$", event.time)
  end)

  it("of a broken promise come behind the last changes of states", function()
    local ended = play.run { "luajit", "-e", FOREWORD .. [[
      ffi.cdef "void check_note_state(const char *, const void *, const char *, const char *);"
      ffi.cdef "void check_failed(const char *, const char *, int);"
      for _, to in ipairs { "busy", "idle" } do core.check_note_state("states", nil, "head", to) end
      core.check_failed("it is so", "core/some.c", 7)
    ]], name = "luajit" }
    assert.equal(6, ended.signal)
    assert.equal([[
lb: before it: states (nil): head, then busy
lb: before it: states (nil): head, then idle
lb: broken promise at core/some.c:7: it is so
]], ended.err)
  end)

  it("have the time of the clock", function()
    local function now() return os.date "!%Y-%m-%dT%H:%M:%S" end
    local before = now()
    local time = json.decode(said [[core.check_speak_json "x" core.check_last_words("x", "x")]]).time:sub(1, 19)
    assert.truthy(time >= before and time <= now(), time)
  end)

  for _, at in ipairs { 0, 68169599, 68169600, 951782399, 951782400, 951868800, 1709164800, 1735689599, 4107542400 } do
    it("know the day " .. os.date("!%Y-%m-%d", at), function()
      local line = said(([[
        ffi.cdef "int date_put_utc(char *, size_t, uint64_t);"
        local out = ffi.new "char[48]"
        core.date_put_utc(out, 48, %d * 1000000ull + 1999)
        io.stderr:write(ffi.string(out))
      ]]):format(at))
      assert.equal(os.date("!%Y-%m-%dT%H:%M:%S.001Z", at), line)
    end)
  end

  it("that are too long are cut, and still an event", function()
    for _, byte in ipairs { "x", "\\27", '\\"' } do
      local line = said(([[
        core.check_speak_json "x"
        core.check_last_words("x", "%%s", ("%s"):rep(9000))
      ]]):format(byte))
      assert.truthy(#line <= 4096, #line)
      assert.truthy(#json.decode(line).message > 400)
    end
    assert.equal(4000, #said [[core.check_last_words("x", "%s", ("x"):rep(9000))]])
  end)

  it("wait for nobody", function()
    local ended = play.run { "sh", "-c", [[
      mkfifo "$0/full"; exec 3<>"$0/full"
      dd if=/dev/zero of=/dev/fd/3 oflag=nonblock bs=4096 count=1000 2>/dev/null
      exec luajit -e "$1" 2>&3]], play.directory(), FOREWORD .. [[core.check_last_words("x", "x")]], name = "sh" }
    assert.equal(0, ended.code)
  end)
end)
