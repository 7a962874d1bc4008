-- What makes a mistake in the program end a process, and go no further.
local play = require "spec.support.play"

-- The ranges of memory that a process shares with others, as "start-end", with what it may do there.
local function shared(pid)
  local found = {}
  for line in io.lines(("/proc/%d/maps"):format(pid)) do
    local range, rights = line:match "^(%x+%-%x+) (%S+) .*/dev/zero"
    if range and rights:sub(4) == "s" then found[range] = rights end
  end
  return found
end

describe("the script that all go by", function()
  after_each(play.curtain)

  it("is in memory that the monitor and the workers can only read, also after a reload", function()
    local backend = play.hello "x"
    local path = play.file("some.lua", ("return { listen = '127.0.0.1:0', backends = %q, workers = 2 }")
      :format(backend.address))
    local lb = play.balancer { file = path, listen = false, workers = false }
    local function are_read_only()
      local supervisor, read_only = shared(lb.pid), {}
      for _, pid in ipairs(lb:children()) do
        for range, rights in pairs(shared(pid)) do
          if rights == "r--s" and supervisor[range] == "rw-s" then read_only[range] = (read_only[range] or 0) + 1 end
        end
      end
      local range, count = next(read_only)
      assert.is_nil(next(read_only, range))
      assert.equal(3, count)
    end
    are_read_only()
    play.file("some.lua", ("return { listen = '127.0.0.1:0', backends = %q, workers = 2, timeouts = { connect = 2 } }")
      :format(backend.address))
    lb:signal "sighup"
    lb:event "reload"
    are_read_only()
    assert.equal("x", lb:fetch("/").body)
  end)
end)
