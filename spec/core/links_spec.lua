-- Those who wait for a connection of scripts, and what else the loop has to do in the same turn.
local ffi = require "ffi"
require "spec.support.core"

ffi.cdef [[
void play_links_begin(void);
void play_links_turn(void);
unsigned play_links_met(unsigned waiter);
unsigned play_links_laters(void);
]]

-- Symbols of its own come first (-Bsymbolic); the rest of lb is there.
local function load_links()
  local path = os.tmpname()
  local command = ("%s -std=c11 -D_GNU_SOURCE -O1 -Wall -Wextra -Werror -Icore $(pkg-config --cflags libuv) " ..
    "-shared -fPIC -Wl,-Bsymbolic -o %s spec/support/links.c"):format(os.getenv "CC" or "gcc", path)
  local status = os.execute(command)
  assert(status == 0 or status == true, command)
  local library = ffi.load(path)
  os.remove(path)
  return library
end

describe("who waits for a connection of scripts", function()
  it("is woken while others are, and nothing else of the loop is lost", function()
    local links = load_links()
    links.play_links_begin()
    for _ = 1, 3 do links.play_links_turn() end
    assert.equal(1, links.play_links_met(0))
    assert.equal(1, links.play_links_laters())
    -- It found no place the first time, but it had come before the third one.
    assert.equal(2, links.play_links_met(1))
    assert.equal(0, links.play_links_met(2))
  end)
end)
