-- What goes out together: in one event, and in one turn of the loop.
local ffi = require "ffi"
local compiled = require "spec.support.compiled"

ffi.cdef [[
void play_outbox_begin(void);
void play_outbox_add(int outlet, const char *bytes, size_t length);
void play_outbox_end_event(void);
void play_outbox_send(int outlet);
void play_outbox_drop(int outlet);
void play_outbox_turn(void);
void play_outbox_share(int outlet);
void play_outbox_fill(bool full);
void play_outbox_spoil(bool stale);
size_t play_outbox_notes(const char **text);
]]

local box = compiled.load "spec/support/outbox.c"

local function written()
  local text = ffi.new "const char *[1]"
  local list = {}
  local length = box.play_outbox_notes(text)
  for line in ffi.string(text[0], length):gmatch "[^\n]+" do list[#list + 1] = line end
  return list
end

-- Each string is one event of the outlet.
local function events(outlet, ...)
  for _, bytes in ipairs { ... } do
    box.play_outbox_add(outlet, bytes, #bytes)
    box.play_outbox_end_event()
  end
end

describe("what an outlet says", function()
  before_each(function() box.play_outbox_begin() end)

  it("in several events of a turn leaves in one write, in order", function()
    events(1, "a", "bc", "d")
    assert.same({}, written())
    box.play_outbox_turn()
    assert.same({ "1 abcd" }, written())
    events(1, "e")
    box.play_outbox_turn()
    assert.same({ "1 e" }, written())
  end)

  it("stays apart from what others say in between", function()
    events(1, "a")
    events(2, "x")
    events(1, "b")
    events(2, "y")
    box.play_outbox_turn()
    assert.same({ "1 ab", "2 xy" }, written())
  end)

  it("goes out with more than a little of it, in one write", function()
    local much = ("m"):rep(1025)
    events(1, "a", "b", much, "c")
    assert.same({ "1 ab" .. much }, written())
    box.play_outbox_turn()
    assert.same({ "1 c" }, written())
  end)

  it("goes out when 64 KiB are there, and goes on", function()
    local piece = ("p"):rep(1000)
    for _ = 1, 65 do events(1, piece) end
    assert.same({}, written())
    events(1, piece) -- 66,000 bytes would be too many
    assert.same({ "1 " .. piece:rep(66) }, written())
    events(1, ("q"):rep(384))
    box.play_outbox_turn()
    assert.same({ "1 " .. ("q"):rep(384) }, written())
  end)

  it("fills its room to the last byte", function()
    for _ = 1, 64 do events(1, ("p"):rep(1024)) end
    assert.same({}, written())
    box.play_outbox_turn()
    assert.same({ "1 " .. ("p"):rep(65536) }, written())
  end)

  it("waits for others if it shares its outlet, up to 12 KiB of an event", function()
    local much = ("m"):rep(12288)
    box.play_outbox_share(1)
    events(1, much, "a", much)
    assert.same({}, written())
    events(1, much .. "b", "c")
    assert.same({ "1 " .. much .. "a" .. much .. much .. "b" }, written())
    box.play_outbox_turn()
    assert.same({ "1 c" }, written())
  end)

  it("goes out at once if it is sent, or dropped", function()
    events(1, "a", "b")
    box.play_outbox_send(1)
    assert.same({ "1 ab" }, written())
    events(1, "c")
    box.play_outbox_add(1, "d", 1)
    box.play_outbox_drop(1)
    box.play_outbox_turn()
    assert.same({ "1 c" }, written())
  end)

  it("that may not leave is dropped, and what is said then is not", function()
    events(1, "a")
    box.play_outbox_spoil(true)
    box.play_outbox_turn()
    assert.same({}, written())
    events(1, "b", ("m"):rep(2000))
    assert.same({ "1 " .. ("m"):rep(2000) }, written())
  end)

  it("fits in one write with as many parts as there may be", function()
    events(1, "a")
    for i = 1, 33 do box.play_outbox_add(1, ("%02d"):format(i) .. ("x"):rep(98), 100) end
    local list = written()
    assert.equal(1, #list)
    assert.truthy(list[1]:find "^1 a01x+02x")
    assert.equal(#"1 a" + 3200, #list[1])
    box.play_outbox_end_event()
    box.play_outbox_turn()
    assert.same({ "1 33" .. ("x"):rep(98) }, written())
  end)

  it("is not deferred while something of it is on its way", function()
    events(1, "a")
    box.play_outbox_fill(true)
    events(1, "b")
    assert.same({ "1 ab" }, written())
    box.play_outbox_turn()
    assert.same({}, written())
  end)

  it("waits with that of fifteen others; one more, and all leave", function()
    for i = 1, 16 do events(i, "a", "b") end
    assert.same({}, written())
    events(17, "c")
    assert.equal(16, #written())
    box.play_outbox_turn()
    assert.same({ "17 c" }, written())
  end)
end)
