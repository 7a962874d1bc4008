-- Scripts that never end, in a running lb with one worker: each is stopped, its request is answered
-- all the same, and so are the requests of others. RUNAWAYS=20000 (make runaways) plays
-- more, SEED=1 the same ones.
local play = require "spec.support.play"
local runaways = require "spec.support.runaways"

local TIMES = tonumber(os.getenv "RUNAWAYS" or 1000)
local SEED = tonumber(os.getenv "SEED" or os.time())
local GET = "GET %s HTTP/1.1\r\nHost: x\r\n\r\n"
-- KiB beyond what the worker held when it had met each of them once.
local GROWTH = 24 * 1024

describe("with a script that runs away", function()
  local lb, neighbour, runs

  local function status_of(pid, field)
    local file = assert(io.open(("/proc/%d/status"):format(pid)))
    local text = file:read "*a"
    file:close()
    return tonumber(text:match(field .. ":%s*(%d+)"))
  end

  local function worker()
    for _, pid in ipairs(lb:children()) do
      local file = assert(io.open(("/proc/%d/comm"):format(pid)))
      local name = file:read "*l"
      file:close()
      if name == "lb worker 1" then return pid end
    end
  end

  local function descriptors_of(pid)
    local count, scan = 0, require("luv").fs_scandir(("/proc/%d/fd"):format(pid))
    while require("luv").fs_scandir_next(scan) do count = count + 1 end
    return count
  end

  local function start()
    lb = play.balancer { script = runaways.script, workers = 1, backends = { play.hello "one", play.hello "two" } }
    neighbour, runs = play.client(lb), 0
  end

  -- Both are sent before either is answered, so the neighbour meets a busy worker. Without the
  -- watchdog its answer would never come. Each runaway has another client: for a second the script
  -- is not asked again for the same one.
  local function run(number)
    runs = runs + 1
    local client = play.client(lb, { from = ("127.1.%d.%d"):format(runs / 250, runs % 250 + 1) })
    client:send(GET:format("/run/" .. number))
    neighbour:send(GET:format "/neighbour")
    assert.equal(200, neighbour:response().status, runaways.list[number].name)
    assert.equal(200, client:response().status, runaways.list[number].name)
    client:close()
  end

  it("of at least 40 kinds", function() assert.truthy(#runaways.list >= 40) end)

  describe("the request is answered by the built-in rule, and a neighbour as ever:", function()
    setup(start)
    teardown(play.curtain)

    for number, runaway in ipairs(runaways.list) do
      it(runaway.name, function()
        run(number)
        assert.is_true(lb:exchange({ path = "/run/" .. number }).policy.fallback)
        assert.same({}, lb:events "worker_died")
      end)
    end
  end)

  describe("again and again", function()
    after_each(play.curtain)

    it(("%d times at random (seed %d), nothing is left behind"):format(TIMES, SEED), function()
      start()
      for number = 1, #runaways.list do run(number) end
      local pid = worker()
      local function at_rest() return play.until_still(function() return descriptors_of(pid) end) end
      local memory, descriptors = status_of(pid, "RssAnon"), at_rest()
      math.randomseed(SEED)
      for _ = 1, TIMES do run(math.random(#runaways.list)) end
      assert.equal(pid, worker())
      assert.equal(descriptors, at_rest())
      local grown = status_of(pid, "RssAnon") - memory
      -- A sanitizer keeps for a while what is freed.
      if play.slow == 1 then assert.truthy(grown < GROWTH, grown .. " KiB") end
      assert.same({}, lb:events "worker_died")
    end)
  end)
end)
