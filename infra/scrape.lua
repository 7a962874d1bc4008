-- make scrape: what it costs to read /metrics with a thousand backends and eight workers.
--
--   luajit infra/scrape.lua [LB] [SCRAPES] [BACKENDS] [WORKERS]    build/lb 200 1000 8
--
-- Then it compares the p99 of a steady load (open loop, from a process of its own) while /metrics
-- is read once a second with that of seconds in which nobody reads. Rounds of both take turns, each
-- is compared with its neighbour, and the median of these ratios counts. Where other work keeps the
-- CPUs busy it says little; `chrt -r 1 make scrape` goes before that.
--
-- Every worker has answered requests of every backend before, one try in ten went wrong, so that no
-- number is missing. CPU time is that of the admin process, of which the kernel counts 10 ms at a
-- time: the sum over all scrapes is divided. It ends by itself, with its figures, PASS or FAIL for
-- each, and the exit status.
local uv = require "luv"

local lb_path = arg[1] or "build/lb"
local SCRAPES, BACKENDS, WORKERS = tonumber(arg[2]) or 200, tonumber(arg[3]) or 1000, tonumber(arg[4]) or 8
local CPU_MS_MAX, BYTES_MAX, PSS_KIB_MAX, P99_RATIO_MAX = 15, 1.5e6, 3 * 1024, 1.05
local ROUNDS, ROUND_S, RATE, LOAD_CLIENTS = 21, 2, 1000, 64
local WAIT_S = 60
local failed = false

local function say(ok, text, ...)
  print((ok and "PASS  " or "FAIL  ") .. text:format(...))
  if not ok then failed = true end
end

local function wait(what, ready)
  local until_ns = uv.hrtime() + WAIT_S * 1e9
  local timer = uv.new_timer()
  timer:start(20, 20, function() end)
  local value = ready()
  while not value do
    assert(uv.hrtime() < until_ns, "waited too long for " .. what)
    uv.run "once"
    value = ready()
  end
  timer:close()
  return value
end

-- --- a steady load: luajit infra/scrape.lua load PORT prints the p50 and the p99 in us ---

-- Requests wait their turn for one of the connections, and that counts.
local function load(port)
  local idle, due, took, left = {}, {}, {}, ROUND_S * RATE
  local function serve()
    while #idle > 0 and #due > 0 do
      local one = table.remove(idle)
      one.began = table.remove(due, 1)
      one.socket:write "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    end
  end
  for i = 1, LOAD_CLIENTS do
    local one = { socket = uv.new_tcp() }
    one.socket:connect("127.0.0.1", port, function(err)
      assert(not err, err)
      idle[#idle + 1] = one
      one.socket:read_start(function(_, bytes)
        assert(bytes, "a connection has ended")
        took[#took + 1] = (uv.hrtime() - one.began) / 1e3
        idle[#idle + 1] = one
        serve()
      end)
    end)
  end
  wait("the connections", function() return #idle == LOAD_CLIENTS end)
  local timer, began = uv.new_timer(), uv.hrtime()
  timer:start(1, 1, function()
    local now = uv.hrtime()
    while left > 0 and now >= began + (ROUND_S * RATE - left) * 1e9 / RATE do
      due[#due + 1] = began + (ROUND_S * RATE - left) * 1e9 / RATE
      left = left - 1
    end
    serve()
  end)
  wait("the answers", function() return #took == ROUND_S * RATE end)
  table.sort(took)
  print(("%d %d"):format(took[math.ceil(#took / 2)], took[math.ceil(#took * 0.99)]))
end

if arg[1] == "load" then
  load(tonumber(arg[2]))
  os.exit(0)
end

-- --- one exchange over a socket ---

-- The whole answer, whose connection the other side closes.
local function ask(socket, connect, request)
  local pieces, over = {}, false
  connect(socket, function(err)
    assert(not err, err)
    socket:write(request)
    socket:read_start(function(_, bytes)
      if bytes then
        pieces[#pieces + 1] = bytes
      else
        over = true
        socket:close()
      end
    end)
  end)
  return function() return over and table.concat(pieces) end
end

local folder = assert(uv.fs_mkdtemp "/tmp/lb-scrape-XXXXXX")
local socket_path = folder .. "/admin.sock"

local function scrape()
  return wait("a scrape", ask(uv.new_pipe(false), function(pipe, done) pipe:connect(socket_path, done) end,
    "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
end

-- --- lb, whose backends are all one server ---

local backend = uv.new_tcp()
assert(backend:bind("127.0.0.1", 0))
assert(backend:listen(512, function()
  local stream = uv.new_tcp()
  backend:accept(stream)
  stream:read_start(function(_, bytes)
    if bytes and bytes:find("GET /cut", 1, true) then
      stream:close_reset()
    elseif bytes then
      stream:write "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"
    elseif not stream:is_closing() then
      stream:close()
    end
  end)
end))

local function write_script()
  local list, port = {}, backend:getsockname().port
  for i = 1, BACKENDS do
    list[i] = ("{ name = 'backend-%04d', address = '127.0.0.%d:%d' }"):format(i, 1, port)
  end
  local file = assert(io.open(folder .. "/balancer.lua", "w"))
  file:write(([[
    local turn = lb.counter "turn"
    return {
      listen = "127.0.0.1:0", workers = %d, admin = "unix:%s", backends = { %s },
      health = { interval = 3600, timeout = 30, eject_after = 0 }, log = { skip = { "/" } },
      choose = function(ctx, backends) return backends[turn:next(#backends)] end,
      on_failure = function() return "fail" end,
    }]]):format(WORKERS, socket_path, table.concat(list, ", ")))
  file:close()
end

write_script()
local said, errors = "", uv.new_pipe(false)
local process, pid = uv.spawn(lb_path, { args = { folder .. "/balancer.lua", "--log-format", "json" },
  stdio = { nil, nil, errors } }, function() end)
assert(process, "cannot start " .. lb_path)
errors:read_start(function(_, bytes) said = said .. (bytes or "") end)

local function finish()
  process:kill "sigterm"
  local timer = uv.new_timer()
  timer:start(5000, 0, function() process:kill "sigkill" end)
  wait("lb to end", function() return not process:is_active() end)
  os.remove(folder .. "/balancer.lua")
  os.remove(socket_path)
  os.remove(folder)
end

-- --- figures ---

local function read(path)
  local file = io.open(path)
  local text = file and file:read "*a" or ""
  if file then file:close() end
  return text
end

local function admin_process()
  for child in read(("/proc/%d/task/%d/children"):format(pid, pid)):gmatch "%d+" do
    if read("/proc/" .. child .. "/comm") == "lb admin\n" then return child end
  end
end

local function cpu_ms(of)
  local user, system = read("/proc/" .. of .. "/stat"):match("%) " .. ("%S+ "):rep(11) .. "(%d+) (%d+)")
  return (user + system) * 10
end

local function pss_kib(of) return tonumber(read("/proc/" .. of .. "/smaps_rollup"):match "Pss:%s*(%d+)") end

-- --- the run ---

local function fill(port)
  local running = 0
  local function one(left)
    local path = left % 10 == 0 and "/cut" or "/"
    local connection, over = uv.new_tcp(), false
    connection:connect("127.0.0.1", port, function(err)
      assert(not err, err)
      connection:write(("GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"):format(path))
      connection:read_start(function(_, bytes)
        if bytes or over then return end
        over = true
        connection:close()
        if left > 1 then one(left - 1) else running = running - 1 end
      end)
    end)
  end
  for _ = 1, 32 do
    running = running + 1
    one(math.ceil(3 * BACKENDS * WORKERS / 32))
  end
  WAIT_S = 600
  wait("the requests", function() return running == 0 end)
end

-- The p99 of one round, in us.
local function round(port, is_scraped)
  local out, told, over = uv.new_pipe(false), "", false
  assert(uv.spawn("luajit", { args = { arg[0], "load", tostring(port) }, stdio = { nil, out, 2 } },
    function() over = true end))
  out:read_start(function(_, bytes) told = told .. (bytes or "") end)
  local timer, due = uv.new_timer(), false
  timer:start(500, 1000, function() due = true end)
  wait("a round", function()
    if due and is_scraped and not over then
      due = false
      scrape()
    end
    return over and told:find "\n"
  end)
  timer:close()
  out:close()
  return tonumber(told:match "(%d+)\n")
end

local function median(list)
  table.sort(list)
  return list[math.ceil(#list / 2)]
end

local function compare(port)
  local scraped, quiet, ratios = {}, {}, {}
  for i = 1, ROUNDS do -- in turn who is first
    if i % 2 == 0 then scraped[i] = round(port, true) end
    quiet[i] = round(port, false)
    scraped[i] = scraped[i] or round(port, true)
    ratios[i] = scraped[i] / quiet[i]
  end
  local ratio = median(ratios)
  say(ratio <= P99_RATIO_MAX,
    "%.3f: p99 of %d requests/s while /metrics is read each second, %d us, over %d us (%.2f at most)", ratio, RATE,
    median(scraped), median(quiet), P99_RATIO_MAX)
end

local function run()
  local port = wait("lb to listen", function()
    return said:match '"event":"listening".-"address":"127%.0%.0%.1:(%d+)"'
  end)
  fill(tonumber(port))
  local admin = admin_process()
  local bytes = #scrape()
  local before, began = cpu_ms(admin), uv.hrtime()
  for _ = 1, SCRAPES do scrape() end
  local cpu, elapsed = (cpu_ms(admin) - before) / SCRAPES, (uv.hrtime() - began) / 1e6 / SCRAPES
  local page = scrape()
  local series = select(2, page:gsub("\n[a-z]", "%0"))
  say(cpu <= CPU_MS_MAX, "%.2f ms of CPU for a scrape (%d at most), %.1f ms until it is here", cpu, CPU_MS_MAX, elapsed)
  say(bytes <= BYTES_MAX, "%d bytes (%d at most), %d series", bytes, BYTES_MAX, series)
  say(pss_kib(admin) <= PSS_KIB_MAX, "%.1f MiB PSS of the admin process (%d at most)", pss_kib(admin) / 1024,
    PSS_KIB_MAX / 1024)
  compare(tonumber(port))
end

local ok, err = pcall(run)
finish()
if not ok then
  print(err, said)
  failed = true
end
os.exit(failed and 1 or 0)
