-- make dashboard: the dashboard in a real browser, measured and photographed.
--
--   luajit infra/dashboard.lua [LB=build/lb] [TO=build/dashboard] [BACKENDS=1000] [SECONDS=20]
--
-- Prints the bytes of the page; the ms from the arrival of /state, and from the beginning, until
-- all backends are drawn; and the CPU time of an update, of the page's main thread and of the
-- admin process. Each stands next to what is wanted; none is a failure, as other work on the
-- machine shows in it. TO gets pictures with 2 and with all backends, in the light and in the dark,
-- and small.png, which is infra/dashboard.png.

package.path = "./?.lua;" .. package.path

local options = { LB = "build/lb", TO = "build/dashboard", BACKENDS = "1000", SECONDS = "20" }
for _, word in ipairs(arg) do
  local name, value = word:match "^(%u+)=(.*)$"
  assert(name and options[name], "unknown option " .. word)
  options[name] = value
end

local uv = require "luv"
local admin = require "spec.support.admin"
local balancer = require "spec.support.balancer"
local chromium = require "spec.support.chromium"
local files = require "spec.support.files"
local forwarding = require "spec.support.forwarding"
local loop = require "spec.support.loop"
local play = require "spec.support.play"

local BACKENDS, SECONDS, DRAWS = tonumber(options.BACKENDS), tonumber(options.SECONDS), 7

balancer.program = uv.fs_realpath(options.LB) or error("no program " .. options.LB)
play.run { "mkdir", "-p", options.TO }

local function say(text, ...) print(text:format(...)) end

-- --- what is looked at ---

-- A script in TO, which the page names; admin is at the path.
local function start(name, settings, path)
  local file = assert(io.open(options.TO .. "/" .. name, "w"))
  file:write(("return require 'weighted_round_robin' {\nadmin = 'unix:%s', log = { skip = { '/' } },\n%s\n}\n")
    :format(path, settings))
  file:close()
  local lb = play.balancer { file = name, cwd = options.TO, workers = 2 }
  lb.admin, lb.admin_path = "unix:" .. path, path
  admin.ready(lb)
  return lb
end

-- Answers after so many ms, more or less; and none from a moment on, if it may break.
local is_broken = false
local function backend(ms, may_break)
  return play.answering(function(_, conn)
    if ms > 0 then play.pause(ms / 1000 * (0.6 + 0.8 * math.random())) end
    if may_break and is_broken then
      conn:reset()
      loop.quit()
    end
    return "x"
  end)
end

local function load(lb, clients, rate, seconds)
  play.beside(function()
    play.run { "h2load", "--h1", "-t", "1", "-c", tostring(clients), "--rps", tostring(rate), "-D", tostring(seconds),
      "http://" .. lb.address .. "/", seconds = seconds + 60 }
  end)
end

local function many()
  local one, list = backend(0), {}
  for i = 1, BACKENDS do
    local address = i % 97 == 0 and "127.0.0.1:1" or one.address
    list[i] = ("{ name = 'app-%04d', address = %q, tags = { zone = '%s' } }"):format(i, address, ("abc"):sub(i % 3 + 1,
      i % 3 + 1))
  end
  return start("fleet.lua", "health = { interval = 3600, timeout = 30 }, backends = { " .. table.concat(list, ", ")
    .. " }", play.directory() .. "/fleet.sock")
end

local function few(count, name)
  local list = {}
  for i = 1, count do
    local address = i == 5 and "127.0.0.1:1" or backend(({ 4, 6, 5, 9, 0, 22, 7, 5 })[i], i == 7).address
    list[i] = ("{ name = 'app%d', address = %q, weight = %d, tags = { zone = %q } }"):format(i, address,
      i == 4 and 2 or 1, i % 2 == 0 and "b" or "a")
  end
  local settings = "health = { interval = 0.5, eject_after = 3, eject_for = 120 }, backends = { %s }"
  return start(name .. ".lua", settings:format(table.concat(list, ", ")), play.directory() .. "/" .. name .. ".sock")
end

-- --- figures ---

local function bytes_of_page()
  local sum = 0
  for _, name in ipairs { "page.html", "page.css", "page.js", "page_table.js" } do
    sum = sum + #files.read("core/admin/" .. name)
  end
  return sum
end

-- Notes when the rows have been drawn: a frame after they are in the document.
local DRAWN = [[
  new MutationObserver((_, observer) => {
    if (document.querySelectorAll("#rows tr").length < 5) return;
    observer.disconnect();
    requestAnimationFrame(() => setTimeout(() => { window.drawn = performance.now(); }));
  }).observe(document, { childList: true, subtree: true });
]]

local function measure_drawing(browser, url)
  local from_state, from_start = {}, {}
  for i = 1, DRAWS do
    local page = browser:open(url, { before = DRAWN })
    page:wait("the rows", "window.drawn")
    local arrived = page:value
      "performance.getEntriesByType('resource').find((e) => e.name.endsWith('/state')).responseEnd"
    from_start[i] = page:value "window.drawn"
    from_state[i] = from_start[i] - arrived
    page:close()
  end
  table.sort(from_state)
  table.sort(from_start)
  local middle = math.ceil(DRAWS / 2)
  say("%d backends are drawn %.0f ms after /state has come (median of %d; 200 wanted, 100 stretch), %.0f ms after the "
    .. "beginning", BACKENDS, from_state[middle], DRAWS, from_start[middle])
end

local function metric_ms(page, name)
  for _, one in ipairs(page:call("Performance.getMetrics").metrics) do
    if one.name == name then return one.value * 1000 end
  end
end

local function admin_process(lb)
  for _, pid in ipairs(lb:children()) do
    if files.read(("/proc/%d/comm"):format(pid)) == "lb admin\n" then return pid end
  end
end

local function cpu_ms(pid)
  local user, system = files.read(("/proc/%d/stat"):format(pid)):match("%) " .. ("%S+ "):rep(11) .. "(%d+) (%d+)")
  return (user + system) * 10
end

-- Without the word of each request, which the browser writes for us only.
local function measure_updates(page, lb)
  page:call "Network.disable"
  local process = admin_process(lb)
  local thread, script, cpu = metric_ms(page, "ThreadTime"), metric_ms(page, "ScriptDuration"), cpu_ms(process)
  play.pause(SECONDS)
  say("an update each second: %.1f ms of CPU of the page's main thread (8 wanted, 4 stretch), %.1f of them script; "
    .. "%.1f ms of the admin process", (metric_ms(page, "ThreadTime") - thread) / SECONDS,
    (metric_ms(page, "ScriptDuration") - script) / SECONDS, (cpu_ms(process) - cpu) / SECONDS)
end

-- --- pictures ---

local function photograph(page, name)
  for _, dark in ipairs { false, true } do
    page:look { dark = dark }
    play.pause(1.2)
    page:screenshot(("%s/%s%s.png"):format(options.TO, name, dark and "_dark" or ""))
  end
  page:look { dark = false }
end

local function open_row(page, n)
  page:click(("#rows tr:nth-child(%d)"):format(n))
  play.pause(1.2)
end

local function show_many(browser)
  local lb = many()
  local url = "http://" .. forwarding.start(lb.admin_path) .. "/"
  load(lb, 10, 40, SECONDS + 40)
  measure_drawing(browser, url)
  local page = browser:open(url)
  measure_updates(page, lb)
  photograph(page, "thousand")
  page:click "th.state button"
  open_row(page, 3)
  photograph(page, "thousand_open")
  page:close()
  lb:stop()
end

local function show_two(browser)
  local lb = few(2, "pair")
  load(lb, 4, 10, 15)
  local page = browser:open("http://" .. forwarding.start(lb.admin_path) .. "/")
  play.pause(8)
  photograph(page, "two")
  page:look { width = 390, height = 800 }
  photograph(page, "two_narrow")
  page:close()
  lb:stop()
end

-- The picture of the README: something of everything, and a minute of it.
local function show_small(browser)
  local lb = few(8, "shop")
  local page = browser:open("http://" .. forwarding.start(lb.admin_path) .. "/", { width = 1120, height = 610 })
  load(lb, 20, 6, 75)
  play.beside(function()
    play.pause(20)
    load(lb, 10, 8, 15)
    play.pause(25)
    load(lb, 20, 7, 8)
  end)
  play.pause(30)
  admin.ask(lb, "POST", "/backends/app1/weight", { weight = 3, why = "bigger machine" })
  play.pause(20)
  is_broken = true
  admin.ask(lb, "POST", "/backends/app3/drain", { why = "deploy 812" })
  play.pause(12)
  open_row(page, 1)
  page:screenshot(options.TO .. "/small.png")
  photograph(page, "small_both")
  page:close()
  lb:stop()
end

say("%.1f KB of HTML, CSS and script (40 wanted, 25 stretch)", bytes_of_page() / 1024)
local ok, err = xpcall(function()
  local browser = chromium.start()
  show_many(browser)
  show_two(browser)
  show_small(browser)
  browser:close()
end, debug.traceback)
play.curtain()
assert(ok, err)
say("pictures are in %s", options.TO)
