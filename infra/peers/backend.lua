-- A backend of make peers-faults, in a process of its own: it can be stopped, killed and started.
--
--   luajit infra/peers/backend.lua PORT [closes] [late=MS] [resets=N]
--
-- Answers each request with 200 and 100 bytes: `closes` ends the connection behind it, `late` waits
-- first, `resets` sends a reset instead of every N-th answer. Says "listening
-- PORT"; port 0 is any free one.

local uv = require "luv"

local closes, late, resets = false, 0, math.huge
for _, word in ipairs { unpack(arg, 2) } do
  if word == "closes" then closes = true end
  late = tonumber(word:match "^late=(%d+)$") or late
  resets = tonumber(word:match "^resets=(%d+)$") or resets
end

local ANSWER = ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n%s\r\n%s"):format(
  closes and "Connection: close\r\n" or "", ("x"):rep(100))
local asked = 0

local function finish(stream)
  if not stream:is_closing() then stream:close() end
end

local function answer(stream)
  asked = asked + 1
  if stream:is_closing() then return end
  if asked % resets == 0 then return stream:close_reset() end
  stream:write(ANSWER, function()
    if closes then finish(stream) end
  end)
end

local function answer_later(stream)
  local timer = uv.new_timer()
  timer:start(late, 0, function()
    timer:close()
    answer(stream)
  end)
end

local function accept(server)
  local stream, rest = uv.new_tcp(), ""
  server:accept(stream)
  stream:read_start(function(_, bytes)
    if not bytes then return finish(stream) end
    rest = rest .. bytes
    local from = 1
    while true do
      local _, stop = rest:find("\r\n\r\n", from, true)
      if not stop then break end
      from = stop + 1
      if late > 0 then answer_later(stream) else answer(stream) end
    end
    rest = rest:sub(from)
  end)
end

local server = uv.new_tcp()
assert(server:bind("127.0.0.1", tonumber(arg[1])))
assert(server:listen(1024, function() accept(server) end))
print("listening " .. server:getsockname().port)
io.flush()
uv.run()
