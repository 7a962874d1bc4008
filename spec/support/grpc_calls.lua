-- grpc_calls - real servers and clients of gRPC (spec/peers/grpc_calls.*), and lb between them.
--
--   grpc_calls.IO, grpc_calls.JS    whose: gRPC's C core (python3-grpcio), and grpc-js, which
--                                   infra/install.sh world puts into build/world
--   grpc_calls.server(name, { by =, port = })   { name =, address =, port =, process = }; by: IO if
--                                   it is not given
--   grpc_calls.start(servers, options)   h2_lb.start before these, once all of them are up
--   grpc_calls.load(lb, calls, at_once, by)   calls under way: at(n) waits until some n of them
--                                   have ended, done() until all have, and gives what counted does
--   grpc_calls.counted(out)         { OK = 1000 }, { one = 500, two = 500 }: by status and by
--                                   server, of the last lines that a client has said
--   grpc_calls.survives_stop(by_server, by_client), survives_kill(..)   10,000 calls while one of
--                                   two servers is stopped, started, and the script reloaded; while
--                                   one is killed

local assert = require "luassert"
local h2_lb = require "spec.support.h2_lb"
local peers = require "spec.support.peers"
local play = require "spec.support.play"
local uv = require "luv"

local grpc_calls = {
  -- as in spec.support.peers
  IO = { "/usr/bin/python3", "-B", "-u", peers.folder .. "grpc_calls.py" },
  JS = { "node", peers.folder .. "grpc_calls.js" },
}

local MANY = 10000
local ENV = { NO_PROXY = "*", NODE_PATH = uv.cwd() .. "/build/world/node_modules" }

local function command(by, words)
  local all = { env = ENV }
  for _, word in ipairs(by or grpc_calls.IO) do table.insert(all, word) end
  for _, word in ipairs(words) do table.insert(all, word) end
  return all
end

function grpc_calls.server(name, options)
  options = options or {}
  local words = command(options.by, { "serve", name, options.port or "0" })
  words.name = "gRPC " .. name
  local process = play.start(words)
  local port = play.wait(words.name .. " to listen", function()
    for _, line in ipairs(process.out) do
      local port = line:match "^listening (%d+)$"
      if port then return port end
    end
    if process.exit then error(words.name .. " ended: " .. table.concat(process.err, "\n"), 0) end
  end)
  return { name = name, address = "127.0.0.1:" .. port, port = port, process = process }
end

function grpc_calls.start(servers, options)
  options = options or {}
  options.backends = {}
  for i, one in ipairs(servers) do options.backends[i] = "h2c://" .. one.address end
  local lb = h2_lb.start(options)
  for _, one in ipairs(servers) do lb:up(one.address) end
  return lb
end

function grpc_calls.counted(out)
  local codes, by_server = out:match "\n?([^\n]*)\n([^\n]*)\n$"
  local function read(line)
    local counts = {}
    for name, count in line:gmatch "(%S+)=(%d+)" do counts[name] = tonumber(count) end
    return counts
  end
  return read(codes), read(by_server)
end

function grpc_calls.load(lb, calls, at_once, by)
  local words = command(by, { "load", lb.address, tostring(calls), tostring(at_once) })
  words.name = "gRPC client"
  local process = play.start(words)
  local client = {}
  function client.at(n)
    play.wait("call " .. n, function()
      for _, line in ipairs(process.out) do
        if (tonumber(line:match "^at (%d+)") or -1) >= n then return true end
      end
      return process.exit
    end)
  end
  function client.done()
    play.wait("the last call", function() return process.exit end, 60)
    return grpc_calls.counted(table.concat(process.out, "\n") .. "\n")
  end
  return client
end

-- A server of the C core cancels a call that it has taken in the moment of its end. lb passes that
-- on, as it is an answer; a script knows better.
local RETRIES = [[
  choose = function(ctx, backends)
    ctx:allow_replay()
    return lb.policy.round_robin(ctx, backends)
  end,
  on_response = function(ctx, backend, res) if res.grpc_status == 1 then return "next" end end,]]

function grpc_calls.survives_stop(by_server, by_client)
  local one, two = grpc_calls.server("one", { by = by_server }), grpc_calls.server("two", { by = by_server })
  local lb = grpc_calls.start({ one, two }, { settings = RETRIES })
  local client = grpc_calls.load(lb, MANY, 8, by_client)
  client.at(1000)
  two.process:signal "sigterm" -- GOAWAY; calls that are there are answered
  two.process:wait_exit()
  client.at(3000)
  lb:signal "sighup"
  assert.truthy(lb:event "reload")
  two = grpc_calls.server("two", { by = by_server, port = two.port })
  lb:up(two.address)
  local codes, counts = client.done()
  assert.same({ OK = MANY }, codes)
  assert.is_true(counts.two > 100, tostring(counts.two))
end

function grpc_calls.survives_kill(by_server, by_client)
  local one, two = grpc_calls.server("one", { by = by_server }), grpc_calls.server("two", { by = by_server })
  local lb = grpc_calls.start { one, two }
  local client = grpc_calls.load(lb, MANY, 8, by_client)
  client.at(1000)
  two.process:signal "sigkill"
  local codes = client.done()
  local unavailable, failed = codes.UNAVAILABLE or 0, MANY - codes.OK
  assert.equal(failed, unavailable)
  assert.equal(unavailable, #lb:exchanges { grpc_status = 14, backend = two.address })
  -- Its system accepts connections until the last of its sockets is closed: twice, then.
  assert.is_true(failed <= 16, failed .. " calls failed")
end

return grpc_calls
