-- attacker - clients of a TLS port that mean no good, as a program of its own.
--
--   luajit spec/world/attacker.lua KIND ADDRESS    until it is killed; says "at it" when it begins
--
-- Each connection that ends is replaced at once. KIND is a name of `kinds` below.

local uv = require "luv"
local loop = require "spec.support.loop"
local tls = require "spec.support.tls"

local kind, address = arg[1], arg[2]
local host, port = address:match "^(.*):(%d+)$"

local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
local HELLO = tls.hello { name = "lb.test" }
-- A record of a ClientHello that has 16 MiB to come.
local HUGE = "\22\3\1\64\0\1\255\255\255" .. ("\0"):rep(16380)

local function after(ms, fn)
  local timer = uv.new_timer()
  timer:start(ms, 0, function()
    timer:close()
    fn()
  end)
end

-- Keeps so many connections; begin(conn, done) is called for each that is open.
local function keep(count, begin)
  local function open()
    local conn, is_over = uv.new_tcp(), false
    local function done()
      if is_over then return end
      is_over = true
      conn:close()
      after(1, open)
    end
    conn:connect(host, tonumber(port), function(err)
      if err then return done() end
      begin(conn, done)
    end)
  end
  for _ = 1, count do open() end
end

local function read(conn, on_bytes, done)
  conn:read_start(function(_, bytes) if bytes then on_bytes(bytes) else done() end end)
end

local function ignore() end

local kinds = {}

-- Hellos that come a byte at a time.
function kinds.slow()
  keep(300, function(conn, done)
    local at = 0
    read(conn, ignore, done)
    local function drip()
      if conn:is_closing() then return end
      at = at + 1
      if at < #HELLO then conn:write(HELLO:sub(at, at)) end
      after(250, drip)
    end
    drip()
  end)
end

-- Handshakes that are begun, answered, and never finished.
function kinds.half_open()
  keep(200, function(conn, done)
    read(conn, ignore, done)
    conn:write(HELLO)
    after(3000, done)
  end)
end

-- As many handshakes as can be: whoever has the answer leaves.
function kinds.flood()
  keep(50, function(conn, done)
    read(conn, done, done)
    conn:write(HELLO)
  end)
end

function kinds.huge()
  keep(50, function(conn, done)
    read(conn, ignore, done)
    local function more()
      if not conn:is_closing() then conn:write(HUGE, function(err) if err then done() else more() end end) end
    end
    more()
  end)
end

function kinds.plain()
  keep(50, function(conn, done)
    read(conn, ignore, done)
    conn:write(GET)
  end)
end

-- Those below have handshakes of their own, one connection after the other.
local function again(options, fn)
  while true do
    local conn = tls.client(address, options)
    pcall(fn, conn)
    conn:close()
    tls.clear()
  end
end

function kinds.renegotiate()
  again({ version = "1.2" }, function(conn)
    for _ = 1, 100 do
      tls.renegotiate(conn)
      loop.pause(0.001)
    end
  end)
end

function kinds.update()
  again({ version = "1.3" }, function(conn)
    for _ = 1, 100 do
      tls.update(conn, 100)
      conn:send(GET)
      loop.pause(0.001)
      if conn.ended then return end
    end
  end)
end

print "at it"
io.flush()
kinds[kind]()
uv.run()
