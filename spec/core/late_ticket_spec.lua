-- How long a session with a server may be resumed: an hour from the handshake that verified it.
local ffi = require "ffi"
local compiled = require "spec.support.compiled"

ffi.cdef [[
void play_ticket(uint64_t began_ms, bool was_resumed, uint32_t version);
bool play_ticket_resumes(uint64_t now_ms);
void play_ticket_end(void);
]]

local MINUTE, HOUR = 60 * 1000, 3600 * 1000
local BEGAN = 48 * HOUR

describe("a session with a server", function()
  local late

  setup(function() late = compiled.load "spec/support/late_ticket.c" end)

  after_each(function() late.play_ticket_end() end)

  local function ends_at(time)
    assert.is_true(late.play_ticket_resumes(time - 1))
    assert.is_false(late.play_ticket_resumes(time))
  end

  it("is as old as its handshake, however late its ticket comes", function()
    assert.is_false(late.play_ticket_resumes(BEGAN))
    late.play_ticket(BEGAN, false, 0)
    ends_at(BEGAN + HOUR)
    late.play_ticket(BEGAN, false, 0)
    ends_at(BEGAN + HOUR)
  end)

  it("is as old as the last handshake in which a certificate was shown", function()
    late.play_ticket(BEGAN, false, 0)
    late.play_ticket(BEGAN + 20 * MINUTE, true, 0)
    ends_at(BEGAN + HOUR)
    late.play_ticket(BEGAN + 40 * MINUTE, false, 0)
    ends_at(BEGAN + 40 * MINUTE + HOUR)
  end)

  it("is none of a server that has other rules by now", function()
    late.play_ticket(BEGAN, false, 1)
    assert.is_false(late.play_ticket_resumes(BEGAN))
  end)
end)
