-- h2_attacker - clients of HTTP/2 (h2c) that mean no good, as a program of its own.
--
--   luajit spec/world/h2_attacker.lua KIND ADDRESS
--
-- Each connection sends so much of what KIND names that lb must end it, at once, and nothing more;
-- one that has ended is replaced. Says "at it" when it begins. On SIGTERM it opens no more, waits
-- until those that are there have ended, and says
--   "ended N, by GOAWAY N, left N"     left: lb has not ended them within 20 s
-- "by GOAWAY": with ENHANCE_YOUR_CALM; of others the system threw that away, as more came behind.

local uv = require "luv"
package.path = "./?.lua;" .. package.path
local frames = require "spec.support.h2_frames"
local hpack = require "spec.support.hpack"

local kind, address = arg[1], arg[2]
local host, port = address:match "^(.*):(%d+)$"
local CONNECTIONS = 20

-- --- what is sent: "within" is what lb may take of it, and a fifth more is sent ---

local function block(method, more)
  local list = { { ":method", method or "GET" }, { ":scheme", "http" }, { ":authority", "x" }, { ":path", "/" } }
  for _, field in ipairs(more or {}) do list[#list + 1] = field end
  return hpack.block(list)
end

local GET = block()
local function get(i, more) return frames.headers(2 * i - 1, GET, more or { last = true }) end
local function post(i) return frames.headers(2 * i - 1, block "POST") end

local kinds = {
  rapid_reset = { 100, function(i) return get(i) .. frames.rst(2 * i - 1, "CANCEL") end },
  made_you_reset = { 100, function(i) return get(i) .. frames.window(2 * i - 1, 0) end },
  malformed = { 100, function(i)
    return frames.headers(2 * i - 1, block("GET", { { "X-A", "1" } }), { last = true })
  end },
  too_many = { 201, post },
  continuation = { 10, function(i)
    return i == 1 and get(1, { open = true }) or frames.continuation(1, "\0\1a\1b", { open = true })
  end },
  settings = { 1000, function() return frames.settings() end },
  ping = { 1300, function() return frames.ping() end },
  priority = { 1000, function(i) return frames.priority(2 * i + 1, 0) end },
  empty_data = { 201, function(i) return i == 1 and post(1) or frames.data(1, "") end },
  window_update = { 1300, function() return frames.window(0, 1) end },
  -- A field of 4,000 bytes in the table, then 100,000 times that.
  hpack_bomb = { 1, function()
    return frames.headers(1, GET .. hpack.literal("a", ("b"):rep(4000), { how = "kept" })
      .. hpack.indexed(62):rep(10000), { last = true })
  end },
  -- Answers that nobody takes: lb resets each stream after a while, and then the client leaves.
  window_stall = { 100, get, settings = { { "INITIAL_WINDOW_SIZE", 0 } }, by_time = true },
}

local plan = kinds[kind]
local parts = { frames.PREFACE, frames.settings(plan.settings) }
for i = 1, math.ceil(plan[1] * (plan.by_time and 1 or 1.2)) do parts[#parts + 1] = plan[2](i) end
local ATTACK = table.concat(parts)

-- --- connections ---

local ended, calm, open_count, is_over = 0, 0, 0, false
local open

local function finish()
  print(("ended %d, by GOAWAY %d, left %d"):format(ended, calm, open_count))
  io.flush()
  os.exit(0)
end

-- Looks through what lb sends: a GOAWAY, and how many streams were reset.
local function reader()
  local pending, seen = "", { resets = 0 }
  return seen, function(bytes)
    pending = pending .. bytes
    local at = 1
    while true do
      local frame = frames.next(pending, at)
      if not frame then break end
      at = frame.stop
      if frame.type == "GOAWAY" and frames.number(frame.payload, 5, 4) == frames.ERRORS.ENHANCE_YOUR_CALM then
        seen.is_calm = true
      end
      if frame.type == "RST_STREAM" then seen.resets = seen.resets + 1 end
    end
    pending = pending:sub(at)
  end
end

local function after(ms, fn)
  local timer = uv.new_timer()
  timer:start(ms, 0, function()
    timer:close()
    fn()
  end)
end

function open()
  local conn, is_done = uv.new_tcp(), false
  local seen, take = reader()
  local function done()
    if is_done then return end
    is_done = true
    conn:close()
    open_count, ended = open_count - 1, ended + 1
    calm = calm + (seen.is_calm and 1 or 0)
    if is_over and open_count == 0 then finish() end
    if not is_over then after(1, open) end
  end
  open_count = open_count + 1
  conn:connect(host, tonumber(port), function(err)
    if err then return done() end
    conn:read_start(function(_, bytes)
      if not bytes then return done() end
      take(bytes)
      if plan.by_time and seen.resets == plan[1] then done() end
    end)
    conn:write(ATTACK)
  end)
end

print "at it"
io.flush()
for _ = 1, CONNECTIONS do open() end

local signal = uv.new_signal()
signal:start("sigterm", function()
  if is_over then return end
  is_over = true
  if open_count == 0 then finish() end
  after(20000, finish)
end)
uv.run()
