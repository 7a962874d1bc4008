-- Backends that switch protocols, clients that ask for it, and lb between them.
local luassert = require "luassert"
local play = require "spec.support.play"

local tunnels = {}

-- Bytes of a client and of a backend, and SWITCHED: the 101 as lb forwards it.
tunnels.HEAD = "GET /chat HTTP/1.1\r\nHost: x\r\n"
tunnels.UPGRADE = tunnels.HEAD .. "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
tunnels.SWITCH = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
tunnels.SWITCHED = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nVia: 1.1 lb\r\n" ..
  "Connection: upgrade\r\n\r\n"
tunnels.GET = "GET /plain HTTP/1.1\r\nHost: x\r\n\r\n"
-- Settings: no check comes in between, and one failure would eject.
tunnels.RARE = "health = { interval = 60, timeout = 5, eject_after = 1 },"

-- Sends back what comes, until its end.
function tunnels.echo(conn)
  while not conn.ended do
    play.wait("bytes", function() return conn.size > 0 or conn.ended end)
    conn:send(conn:exactly(conn.size))
  end
end

-- A backend that switches, and then does what fn says; without it, it sends back what it gets.
function tunnels.switching(fn)
  return play.backend(function(conn)
    play.receive(conn)
    conn:send(tunnels.SWITCH)
    return (fn or tunnels.echo)(conn)
  end)
end

function tunnels.balancer(backend, options)
  options = options or {}
  options.backends = options.backends or { backend }
  options.settings = tunnels.RARE .. (options.settings or "")
  return play.balancer(options)
end

-- A client whose 101 has come.
function tunnels.upgraded(lb, options)
  local client = play.client(lb, options)
  client:send(tunnels.UPGRADE)
  luassert.equal(101, client:response().status)
  return client
end

function tunnels.assert_backend_well(lb)
  luassert.same({}, lb:events "backend_ejected")
  luassert.same({}, lb:events "backend_down")
end

-- Bytes that compress badly and repeat late, always the same.
function tunnels.noise(bytes)
  local parts, seed = {}, 7
  for i = 1, bytes / 4096 do
    seed = (seed * 1103515245 + 12345) % 2147483648
    parts[i] = ("%08x\0\r\n%c%05d"):format(seed, i % 256, i % 100000):rep(256):sub(1, 4096)
  end
  return table.concat(parts)
end

return tunnels
