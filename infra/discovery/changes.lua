-- What it costs each worker that one of many backends changes, where the list is a file.
--
--   infra/apart.sh luajit infra/discovery/changes.lua LB [BACKENDS [CHANGES]]
--
-- Each change takes one backend from the list and adds another. Prints the CPU time of each worker
-- for one change, beyond what it takes when nothing happens, and how long a change takes from the
-- file to the event.
local lb, backends, changes = arg[1], tonumber(arg[2] or 1000), tonumber(arg[3] or 100)
if lb:sub(1, 1) ~= "/" then lb = os.getenv "PWD" .. "/" .. lb end
local WORKERS, BOUND_MS = 2, 2

local folder = io.popen("mktemp -d /tmp/lb-bench-XXXXXX"):read "*l"

local function write(name, text)
  local file = assert(io.open(folder .. "/" .. name, "w"))
  file:write(text)
  file:close()
end

local function read(path)
  local file = io.open(path)
  local text = file and file:read "*a" or ""
  if file then file:close() end
  return text
end

-- The list from that number on, so that the next one differs by two.
local function save(first)
  local list = {}
  for i = first, first + backends - 1 do
    list[#list + 1] = ('"127.1.%d.%d:9"'):format(math.floor(i / 250) % 250, i % 250 + 1)
  end
  write("list.json.new", "[" .. table.concat(list, ",") .. "]")
  assert(os.rename(folder .. "/list.json.new", folder .. "/list.json"))
end

local function events(name)
  local _, count = read(folder .. "/err"):gsub('"event":"' .. name .. '"', "")
  return count
end

local function nap(ms) os.execute(("sleep %.3f"):format(ms / 1000)) end

local function wait(what, is_so)
  for _ = 1, 3000 do
    if is_so() then return end
    nap(5)
  end
  error("waited too long for " .. what .. "\n" .. read(folder .. "/err"):sub(-2000))
end

local function pids(parent, name)
  local found = {}
  for pid in io.popen("pgrep -P " .. parent .. " -f ."):lines() do
    if read("/proc/" .. pid .. "/comm"):find(name) or read("/proc/" .. pid .. "/cmdline"):find(name) then
      found[#found + 1] = pid
    end
  end
  return found
end

local function cpu_ms(pid) return tonumber(read("/proc/" .. pid .. "/schedstat"):match "^(%d+)" or 0) / 1e6 end

write("balancer.lua", ([[
return {
  listen = "127.0.0.1:0", workers = %d, backends = "file:list.json",
  health = { interval = 3600 },
  choose = function(ctx, backends) return backends[1] end,
}]]):format(WORKERS))
save(0)
os.execute(("cd %s && (exec %s balancer.lua --log-format json >out 2>err & echo $! >pid)"):format(folder, lb))
local supervisor = read(folder .. "/pid"):match "%d+"

local function run()
  wait("lb to listen", function() return events "listening" > 0 end)
  local workers = pids(supervisor, "worker")
  if #workers == 0 then workers = pids(supervisor, "lb") end
  nap(1500)
  local function sum(list)
    local total = {}
    for i, pid in ipairs(list) do total[i] = cpu_ms(pid) end
    return total
  end
  local began = os.time()
  local before = sum(workers)
  for i = 1, changes do
    save(i)
    wait("change " .. i, function() return events "discovery_list" > i end)
  end
  nap(300)
  local after, seconds = sum(workers), os.time() - began
  nap(seconds * 1000)
  local idle = sum(workers)
  local worst = 0
  for i, pid in ipairs(workers) do
    local each = ((after[i] - before[i]) - (idle[i] - after[i])) / changes
    print(("process %s (%s): %.3f ms of CPU for one of %d"):format(pid,
      (read("/proc/" .. pid .. "/cmdline"):gsub("%z", " ")), each, backends))
    if read("/proc/" .. pid .. "/cmdline"):find "worker" or read("/proc/" .. pid .. "/comm"):find "worker" then
      worst = math.max(worst, each)
    end
  end
  print(("worst worker: %.3f ms (bound %g)"):format(worst, BOUND_MS))
  return worst > 0 and worst <= BOUND_MS
end

local is_fine, result = pcall(run)
os.execute("kill " .. supervisor)
wait("its end", function() return not io.open("/proc/" .. supervisor .. "/stat") end)
os.execute("rm -rf " .. folder)
if not is_fine then error(result, 0) end
os.exit(result and 0 or 1)
