-- How connections are accepted: in batches, and as far as there are descriptors for them.
local asking = require "spec.support.asking"
local play = require "spec.support.play"

-- The lowest number that none of the process's descriptors has: that of its next one.
local function next_descriptor(pid)
  for fd = 0, math.huge do
    if not require("luv").fs_lstat(("/proc/%d/fd/%d"):format(pid, fd)) then return fd end
  end
end

describe("clients", function()
  after_each(play.curtain)

  it("that came while a worker was held up are all served", function()
    local lb = play.balancer { backends = { play.hello "x" } }
    local clients = {}
    lb:freeze()
    for i = 1, 150 do
      clients[i] = play.client(lb)
      clients[i]:send(("GET /%d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"):format(i))
    end
    lb:thaw()
    for _, client in ipairs(clients) do
      assert.equal(200, client:response().status)
      assert.truthy(client:ended_by_peer())
    end
  end)

  it("for whom there is no descriptor wait until there is one", function()
    local lb = play.balancer {
      script = "return { choose = function(ctx) return ctx:respond { body = 'x' } end }",
    }
    assert.equal("x", lb:fetch("/").body)
    local pid = asking.worker(lb)
    local held = asking.descriptors_at_rest(pid)
    local limit = ("prlimit --pid %d --nofile=%%d:"):format(pid)
    os.execute(limit:format(next_descriptor(pid)))
    local client = play.client(lb)
    client:send "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    play.pause(0.2) -- nobody tells that it waits
    assert.equal(held, asking.descriptors(pid))
    os.execute(limit:format(1000))
    assert.equal(200, client:response().status)
    assert.equal(pid, asking.worker(lb))
  end)
end)
