-- The first story of the README: two backends, the balancer, and a backend that goes and returns.
local play = require "spec.support.play"

local function hello(name, port)
  return play.balancer {
    name = name, file = "scripts/hello.lua", env = { NAME = name },
    listen = "127.0.0.1:" .. (port or 0),
  }
end

local function who(response)
  assert.equal(200, response.status)
  return tonumber(response.body:match "backend (%d)")
end

local function curl(lb, times)
  local seen = {}
  for i = 1, times do seen[i] = who(lb:fetch "/") end
  return seen
end

describe("the first story", function()
  after_each(play.curtain)

  local first, second, lb

  local function begin()
    first, second = hello "backend 1", hello "backend 2"
    lb = play.balancer {
      name = "lb", file = "balancer.lua", workers = 2,
      env = { BACKENDS = first.address .. ", " .. second.address },
    }
  end

  it("answers 1, 2, 1, 2", function()
    begin()
    assert.same({ 1, 2, 1, 2 }, curl(lb, 4))
  end)

  it("serves everything while one backend is stopped and started again", function()
    begin()
    assert.same({ 1, 2 }, curl(lb, 2))

    assert.equal(0, first:stop().code)
    curl(lb, 4)
    assert.truthy(lb:down(first).reason)
    assert.same({ 2, 2, 2, 2 }, curl(lb, 4))

    local again = hello("backend 1", first.port)
    lb:up(again)
    local seen = curl(lb, 4)
    assert.equal(6, seen[1] + seen[2] + seen[3] + seen[4])
    assert.not_equal(seen[1], seen[2])
    assert.not_equal(seen[2], seen[3])
    assert.not_equal(seen[3], seen[4])
  end)

  it("serves everything while a backend is killed under load", function()
    begin()
    curl(lb, 4)
    first:signal "sigkill"
    first.may_fail = true
    curl(lb, 20)
    first:wait_exit()
    lb:down(first)
    assert.same({ 2, 2 }, curl(lb, 2))
    for _, pid in ipairs(first:children()) do play.run { "kill", "-9", tostring(pid) } end
  end)
end)
