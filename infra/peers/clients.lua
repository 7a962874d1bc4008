-- clients - who asks a proxy in make peers-faults.
--
--   clients.good(address)        8 of them, half over kept connections, half over a new one for
--                                each request; each asks again 20 ms after it asked, or when it has
--                                its answer, if that is later. Has asked, lost, kinds (lost, by
--                                kind) and times (in ms, of lost ones too). stop()
--                                returns when none waits any more
--   clients.slow(address, n)     n connections, each sends a head that never ends, a byte a second
--   clients.silent(address, n)   n connections that say nothing
--   clients.aborting(address, n) n clients, each asks, resets after 10 ms, comes again after 100 ms
-- Each of these has stop(), too. A client that is sent away comes again a second later.

local uv = require "luv"
local loop = require "spec.support.loop"

local clients = {}

local GOOD, PACE_MS, PATIENCE_MS = 8, 20, 15000
-- All at once would hold up the good ones, too.
local COME_WITHIN_MS, COMES_AGAIN_MS = 2000, 1000

local function close(handle)
  if not handle:is_closing() then handle:close() end
end

local function after(ms, fn)
  local timer = uv.new_timer()
  timer:start(ms, 0, loop.callback(function()
    timer:close()
    fn()
  end))
end

local function connect(port, on_open, on_bytes, on_end)
  local stream = uv.new_tcp()
  stream:connect("127.0.0.1", port, loop.callback(function(err)
    if err then return on_end(stream, err) end
    on_open(stream)
    if stream:is_closing() then return end
    stream:read_start(loop.callback(function(wrong, bytes)
      if bytes then on_bytes(stream, bytes) else on_end(stream, wrong or "closed") end
    end))
  end))
  return stream
end

local function port_of(address) return tonumber(address:match ":(%d+)$") end

-- The status, when the answer is whole.
local function status_of(bytes)
  local head, body = bytes:match "^(.-\r\n)\r\n(.*)$"
  local length = head and tonumber(head:lower():match "\r\ncontent%-length: *(%d+)")
  return length and #body >= length and tonumber(head:match "^HTTP/1%.1 (%d+)")
end

local function note(sums, what, took)
  sums.asked = sums.asked + 1
  table.insert(sums.times, took)
  if what == "200" then return end
  sums.lost = sums.lost + 1
  sums.kinds[what] = (sums.kinds[what] or 0) + 1
end

-- One request at a time, over and over.
local function ask(sums, port, keeps)
  local request = ("GET / HTTP/1.1\r\nHost: faults\r\n%s\r\n"):format(keeps and "" or "Connection: close\r\n")
  local stream, got, began, once -- began: nil between two requests
  local patience = uv.new_timer()

  local function finish(what)
    if not began then return end
    local took = (uv.hrtime() - began) / 1e6
    began = nil
    patience:stop()
    note(sums, what, took)
    if stream and not (keeps and what == "200" and sums.going) then
      close(stream)
      stream = nil
    end
    if sums.going then return after(math.max(1, PACE_MS - took), once) end
    close(patience)
    sums.clients = sums.clients - 1
  end

  local function take(from, bytes)
    if from ~= stream then return end
    got = got .. bytes
    local status = status_of(got)
    if status then finish(tostring(status)) end
  end

  local function lose(from, why)
    close(from)
    if from ~= stream then return end
    stream = nil
    finish(why)
  end

  function once()
    began, got = uv.hrtime(), ""
    patience:start(PATIENCE_MS, 0, loop.callback(function() finish "no answer" end))
    if stream then
      stream:write(request)
    else
      stream = connect(port, function(on) on:write(request) end, take, lose)
    end
  end

  sums.clients = sums.clients + 1
  once()
end

function clients.good(address)
  local sums = { asked = 0, lost = 0, kinds = {}, times = {}, going = true, clients = 0 }
  for i = 1, GOOD do ask(sums, port_of(address), i % 2 == 0) end
  function sums.stop()
    sums.going = false
    loop.wait("the last answers", function() return sums.clients == 0 end, 2 * PATIENCE_MS / 1000)
  end
  return sums
end

-- Connections that come again when they are ended, each with a part to play.
local function crowd(address, count, play)
  local all = { open = {}, going = true }
  local function come()
    if not all.going then return end
    local stream
    local function again(on)
      close(on)
      all.open[on] = nil
      after(COMES_AGAIN_MS, come)
    end
    stream = connect(port_of(address), play, function() end, again)
    all.open[stream] = true
  end
  for i = 1, count do after(i * COME_WITHIN_MS / count, come) end
  function all.stop()
    all.going = false
    for stream in pairs(all.open) do close(stream) end
  end
  return all
end

function clients.silent(address, count) return crowd(address, count, function() end) end

function clients.slow(address, count)
  return crowd(address, count, function(stream)
    stream:write "GET / HTTP/1.1\r\nX-Slow: "
    local timer = uv.new_timer()
    timer:start(1000, 1000, loop.callback(function()
      if stream:is_closing() then return close(timer) end
      stream:write "x"
    end))
  end)
end

function clients.aborting(address, count)
  local all = { going = true }
  local function come()
    if not all.going then return end
    connect(port_of(address), function(stream)
      stream:write "GET / HTTP/1.1\r\nHost: faults\r\n\r\n"
      after(10, function()
        if not stream:is_closing() then stream:close_reset() end
        after(100, come)
      end)
    end, function() end, function(stream, why)
      close(stream)
      if why == "ECONNREFUSED" then after(COMES_AGAIN_MS, come) end
    end)
  end
  for _ = 1, count do come() end
  function all.stop() all.going = false end
  return all
end

return clients
