-- troubles - the rows of make peers-faults: what each does to a scene.
--
--   A row has name, what (for the table), and of these what it needs:
--     backends   words for each of the two (infra/peers/backend.lua)
--     act        act(scene, seconds), next to the load: scene.backends[i]:pause(), go_on(),
--                kill(), start(), vanish(), appear() (packets to and from it are dropped, and are
--                not any more), scene.address
--     loses      every such SYN to the backends is dropped
--     descriptors  how many each process of the proxy may open
--     minute     lasts a minute, not 20 s
--     strict     lb must lose no answer

local loop = require "spec.support.loop"
local clients = require "infra.peers.clients"

local function loss(every)
  return {
    name = "loss" .. every, what = ("every %dth SYN to a backend lost"):format(every), loses = every,
    backends = { "closes", "closes" }, minute = true, strict = true,
  }
end

-- One thing at a quarter of the time, another at half of it.
local function between(first, second)
  return function(scene, seconds)
    loop.pause(seconds / 4)
    first(scene.backends[1])
    loop.pause(seconds / 4)
    second(scene.backends[1])
  end
end

local function beside(kind, count)
  return function(scene, seconds)
    local crowd = clients[kind](scene.address, count)
    loop.pause(seconds)
    crowd.stop()
  end
end

return {
  { name = "none", what = "nothing", strict = true },
  loss(500), loss(100), loss(20),
  { name = "resets", what = "a backend resets every 10th request", backends = { "resets=10", "" } },
  { name = "restarted", what = "a backend is killed and comes back",
    act = between(function(backend) backend:kill() end, function(backend) backend:start() end) },
  { name = "gone", what = "a backend's host is gone, then back",
    act = between(function(backend) backend:vanish() end, function(backend) backend:appear() end) },
  { name = "half_open", what = "a backend's host reboots: its connections are half open",
    act = between(function(backend)
      backend:vanish()
      backend:kill()
      backend:start()
    end, function(backend) backend:appear() end) },
  { name = "paused", what = "a backend is paused, and goes on",
    act = between(function(backend) backend:pause() end, function(backend) backend:go_on() end) },
  { name = "slow", what = "a backend takes 500 ms for each answer", backends = { "late=500", "" } },
  { name = "slow_clients", what = "200 clients send a byte a second", act = beside("slow", 200) },
  { name = "silent", what = "1,000 clients say nothing; 256 descriptors", strict = true, descriptors = 256,
    act = beside("silent", 1000) },
  { name = "aborting", what = "50 clients ask and reset, over and over", backends = { "late=20", "late=20" },
    act = beside("aborting", 50) },
}
