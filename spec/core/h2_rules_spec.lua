-- Which frame may come in which state of a stream: the whole table (RFC 9113, 5.1).
local ffi = require "ffi"
local core = require "spec.support.core"

ffi.cdef "int h2_rule(int state, int type, int role);"

local STATES = { "idle", "open", "half local", "half remote", "ended", "reset by peer", "reset by us", "forgotten" }
local TYPES = {
  "DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS", "PUSH_PROMISE", "PING", "GOAWAY", "WINDOW_UPDATE",
  "CONTINUATION",
}
local VERDICTS = { [0] = "goes on", "is ignored", "breaks the stream", "breaks, closed", "breaks the connection" }

-- What the text of 5.1 says of each frame, by state; everything else breaks the connection.
local ALLOWED = {
  DATA = {
    open = "goes on", ["half local"] = "goes on", ["half remote"] = "breaks the stream", ended = "breaks, closed",
    ["reset by peer"] = "breaks the stream", ["reset by us"] = "is ignored", forgotten = "breaks the stream",
  },
  HEADERS = {
    idle = "goes on", open = "goes on", ["half local"] = "goes on", ["half remote"] = "breaks the stream",
    ended = "breaks, closed", ["reset by peer"] = "breaks the stream", ["reset by us"] = "is ignored",
  },
  RST_STREAM = {
    open = "goes on", ["half local"] = "goes on", ["half remote"] = "goes on", ended = "is ignored",
    ["reset by peer"] = "is ignored", ["reset by us"] = "is ignored", forgotten = "is ignored",
  },
}
ALLOWED.WINDOW_UPDATE = ALLOWED.RST_STREAM
ALLOWED.PRIORITY = {}
for _, state in ipairs(STATES) do ALLOWED.PRIORITY[state] = "is ignored" end

local function verdict(state, type_number, role)
  return VERDICTS[core.h2_rule(state, type_number, role)]
end

describe("a frame on a stream", function()
  for t, name in ipairs(TYPES) do
    for s, state in ipairs(STATES) do
      it(("%s, %s"):format(name, state), function()
        local expected = ALLOWED[name] and ALLOWED[name][state] or "breaks the connection"
        assert.equal(expected, verdict(s - 1, t - 1, 0))
        -- No server opens a stream.
        if name == "HEADERS" and state == "idle" then expected = "breaks the connection" end
        -- And what a client has forgotten, it has opened and given up: other streams do not suffer.
        if (name == "HEADERS" or name == "DATA") and state == "forgotten" then expected = "is ignored" end
        assert.equal(expected, verdict(s - 1, t - 1, 1))
      end)
    end
  end

  it("of an unknown type is ignored in every state (5.5)", function()
    for s = 0, #STATES - 1 do
      for _, number in ipairs { 10, 11, 100, 255 } do assert.equal("is ignored", verdict(s, number, 0)) end
    end
  end)
end)
