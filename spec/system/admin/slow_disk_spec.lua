-- --state on a disk that does not take what is written: nothing waits for it but the file.
local admin = require "spec.support.admin"
local play = require "spec.support.play"
local uv = require "luv"

describe("--state on a disk that stands still", function()
  local library

  setup(function()
    library = os.tmpname()
    local command = ("%s -std=c11 -D_GNU_SOURCE -O1 -Wall -Wextra -Werror -fPIC -shared -o %s spec/support/slow_disk.c")
      :format(os.getenv "CC" or "gcc", library)
    local status = os.execute(command)
    assert(status == 0 or status == true, command)
  end)
  teardown(function() os.remove(library) end)
  after_each(play.curtain)

  local function start()
    local folder = play.directory()
    local stall = play.file("stall", "")
    local backend = play.hello "x"
    local lb = admin.balancer {
      settings = ("backends = { { name = 'a', address = %q } }"):format(backend.address), may_lose_workers = true,
      args = { "--state", folder .. "/state" },
      env = { SLOW_DISK = stall, LD_PRELOAD = library, -- as in spec.support.names
        ASAN_OPTIONS = (os.getenv "ASAN_OPTIONS" or "") .. ":verify_asan_link_order=0" },
    }
    lb:event("backend_up", { backend = "a" })
    admin.ready(lb)
    play.wait("the writer", function() return uv.fs_stat(folder .. "/state.new") end)
    return lb, folder, function() assert(os.remove(stall)) end
  end

  it("holds up no reload, no worker's successor and no drain", function()
    local lb, folder, go_on = start()
    assert.equal(200, (admin.ask(lb, "POST", "/reload")))
    local before = select(2, admin.get(lb, "/state")).workers[1].pid
    uv.kill(before, "sigkill")
    play.wait("the successor", function()
      local worker = select(2, admin.get(lb, "/state")).workers[1]
      return worker and worker.pid ~= before and worker.ready
    end)
    assert.equal("x", lb:fetch("/").body)
    assert.is_nil(uv.fs_stat(folder .. "/state"))
    go_on()
    play.wait("the file", function() return uv.fs_stat(folder .. "/state") end)
    assert.is_nil(uv.fs_stat(folder .. "/state.new"))
    assert.equal(0, #lb:events "state_failed")
  end)

  it("does not keep lb from its end once the disk goes on, with what was set last", function()
    local lb, folder, go_on = start()
    assert.equal(200, (admin.ask(lb, "POST", "/backends/a/drain", { why = "late" })))
    lb:signal "sigterm"
    lb:event "drain"
    go_on()
    assert.same({ code = 0, signal = 0 }, lb:wait_exit())
    local file = assert(io.open(folder .. "/state"))
    assert.truthy(file:read("*a"):find("late", 1, true))
    file:close()
  end)
end)
