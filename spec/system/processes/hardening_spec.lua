-- What makes a mistake in the program end a process, and go no further.
local play = require "spec.support.play"

-- The ranges of memory that a process shares with others, by "start-end": what it may do there.
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
      assert.truthy(next(read_only))
      for range, count in pairs(read_only) do assert.equal(3, count, range) end -- files of tls, too
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

describe("the program is compiled with", function()
  after_each(play.curtain)

  local function knows(flags)
    local command = ("%s -O2 -Werror %s -include stdio.h -fsyntax-only -x c /dev/null 2>/dev/null")
    local status = os.execute(command:format(os.getenv "CC" or "gcc", flags))
    return status == 0 or status == true
  end

  local used = play.run { "sh", "-c", "printf 'show:\\n\\t@echo $(HARDENING)\\n' | make -s -f Makefile -f - show" }.out

  for _, flags in ipairs {
    "-fstack-protector-strong", "-fstack-clash-protection", "-fcf-protection", "-mbranch-protection=standard",
    "-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3",
  } do
    it(flags .. ", if the compiler knows that", function()
      assert.equal(knows(flags), used:find(flags, 1, true) ~= nil, used)
    end)
  end
end)
