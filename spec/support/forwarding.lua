-- forwarding - an address over TCP that leads to a unix socket, as `ssh -L 9131:/run/lb/admin.sock`
-- makes one: so a browser asks lb as whoever may open the socket.
--
--   forwarding.start(path)    its address
--   forwarding.bytes(address) what has come in there so far, of all connections
--
-- A connection that either side closes is closed on the other one.
local uv = require "luv"
local loop = require "spec.support.loop"

local forwarding = {}

local came = {}

local function join(one, other, note)
  one:read_start(function(_, bytes)
    if bytes then
      if note then note(bytes) end
      if not other:is_closing() then other:write(bytes) end
      return
    end
    for _, handle in ipairs { one, other } do
      if not handle:is_closing() then handle:close() end
    end
  end)
end

function forwarding.start(path)
  local server = uv.new_tcp()
  assert(server:bind("127.0.0.1", 0))
  local address = "127.0.0.1:" .. server:getsockname().port
  came[address] = {}
  assert(server:listen(128, loop.callback(function()
    local client, socket = uv.new_tcp(), uv.new_pipe(false)
    server:accept(client)
    socket:connect(path, loop.callback(function(err)
      if err then return client:close() end
      join(client, socket, function(bytes) table.insert(came[address], bytes) end)
      join(socket, client)
    end))
  end)))
  return address
end

function forwarding.bytes(address) return table.concat(came[address]) end

return forwarding
