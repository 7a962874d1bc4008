-- What curves.sh has measured, as a table and as a plot.
--
--   luajit infra/instructions/curves.lua OUT.svg <results
--
-- A line each: "instructions BACKENDS IDLE WORKERS COUNT", and of each round "cpu BACKENDS
-- IDLE WORKERS NS PER_SECOND". The plot has no background and no black, so that it can be read
-- on light and on dark pages.

local BACKENDS, IDLE, WORKERS = { 1, 10, 100, 1000 }, {}, { 1, 2, 4 }
local USUAL_BACKENDS, USUAL_IDLE = 10, 0

local seen = {} -- lists of figures, by kind and case: one of each round

local function note(name, value)
  seen[name] = seen[name] or {}
  table.insert(seen[name], tonumber(value))
end

for line in io.lines() do
  local case, ns, per_second = line:match "^cpu (%d+ %d+ %d+) (%d+) (%d+)$"
  if case then
    note("cpu " .. case, ns / 1000)
    note("rate " .. case, per_second)
  else
    note(line:match "^(instructions %d+ %d+ %d+) (%d+)$")
  end
end

-- There may have been less room than for 10,000.
local is_known = {}
for name in pairs(seen) do
  local idle = tonumber(name:match "^%S+ %d+ (%d+)")
  if not is_known[idle] then IDLE[#IDLE + 1] = idle end
  is_known[idle] = true
end
table.sort(IDLE)

-- Whatever else the machine does makes a round more expensive, never cheaper, so the rounds in
-- which it did little count, and not the middle ones. Which part of the figures is smaller:
local PART = { instructions = 0.5, cpu = 0.25, rate = 0.75 }

local function typical(kind, backends, idle, workers)
  local list = assert(seen[table.concat({ kind, backends, idle, workers }, " ")], "a case is missing")
  table.sort(list)
  return list[math.ceil(#list * PART[kind])]
end

local function thousands(n)
  local text = ("%.0f"):format(n)
  repeat
    local before = text
    text = text:gsub("^(%d+)(%d%d%d)", "%1,%2")
  until text == before
  return text
end

-- Curves: a name and the y of each x --------------------------------------------------------------

local function curve(name, kind, xs, workers, case)
  local ys = {}
  for i, x in ipairs(xs) do
    local backends, idle = case(x)
    ys[i] = typical(kind, backends, idle, workers)
  end
  return { name = name, ys = ys }
end

local function by_backends(x) return x, USUAL_IDLE end
local function by_idle(x) return USUAL_BACKENDS, x end

local function curves(kind, xs, case, workers)
  local list = {}
  for _, count in ipairs(workers) do
    local name = count == 1 and "1 worker" or count .. " workers"
    list[#list + 1] = curve(name, kind, xs, count, case)
  end
  return list
end

-- The table ---------------------------------------------------------------------------------------

local function row(...) print("| " .. table.concat({ ... }, " | ") .. " |") end

local function rows(singular, plural, xs, case)
  local instructions, cpu = curves("instructions", xs, case, { 1 })[1].ys, curves("cpu", xs, case, WORKERS)
  for i, x in ipairs(xs) do
    local cells = { thousands(x) .. " " .. (x == 1 and singular or plural), thousands(instructions[i]) }
    for w = 1, #WORKERS do cells[#cells + 1] = ("%.1f"):format(cpu[w].ys[i]) end
    row(unpack(cells))
  end
end

row("", "instructions in user space", "CPU, us: 1 worker", "2 workers", "4 workers")
row("---", "---:", "---:", "---:", "---:")
rows("backend", "backends", BACKENDS, by_backends)
rows("idle connection", "idle connections", IDLE, by_idle)
local rates = { "requests per second", "" }
for _, workers in ipairs(WORKERS) do
  rates[#rates + 1] = thousands(typical("rate", USUAL_BACKENDS, USUAL_IDLE, workers))
end
row(unpack(rates))

-- The plot ----------------------------------------------------------------------------------------

local WIDTH, HEIGHT, LEFT, TOP, GAP_X, GAP_Y = 340, 130, 60, 40, 70, 80
local COLOURS = { "#3b82f6", "#e8590c", "#2f9e44" }
local svg = {}

local function draw(...) svg[#svg + 1] = string.format(...) end

local function text(x, y, anchor, words, colour)
  draw('<text x="%g" y="%g" text-anchor="%s" fill="%s">%s</text>', x, y, anchor, colour or "#808080", words)
end

local function nice_top(list)
  local most = 0
  for _, one in ipairs(list) do
    for _, y in pairs(one.ys) do most = math.max(most, y) end
  end
  local step = 10 ^ math.floor(math.log10(math.max(most, 1)))
  for _, times in ipairs { 1, 2, 3, 4, 5, 6, 8, 10 } do
    if times * step >= most * 1.1 then return times * step end
  end
  return 20 * step
end

local function panel(column, line, title, xs, x_title, list)
  local left, top = LEFT + (column - 1) * (WIDTH + GAP_X), TOP + (line - 1) * (HEIGHT + GAP_Y)
  local most, bottom = nice_top(list), top + HEIGHT
  text(left, top - 14, "start", title)
  for i = 0, 2 do
    local y = bottom - HEIGHT * i / 2
    draw('<path d="M%g %gH%g" stroke="#808080" stroke-opacity="%g"/>', left, y, left + WIDTH, i == 0 and 1 or 0.3)
    text(left - 6, y + 4, "end", thousands(most * i / 2))
  end
  local function at_x(i) return left + WIDTH * (i - 0.5) / #xs end
  for i, x in ipairs(xs) do text(at_x(i), bottom + 16, "middle", thousands(x)) end
  text(left + WIDTH / 2, bottom + 34, "middle", x_title)
  for number, one in ipairs(list) do
    local points, colour = {}, COLOURS[number]
    for i, y in pairs(one.ys) do
      points[#points + 1] = ("%g,%.1f"):format(at_x(i), bottom - HEIGHT * y / most)
      draw('<circle cx="%g" cy="%.1f" r="3" fill="%s"/>', at_x(i), bottom - HEIGHT * y / most, colour)
    end
    draw('<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>', table.concat(points, " "), colour)
    if #list > 1 then text(left + WIDTH - 4, bottom - 8 - (#list - number) * 15, "end", one.name, colour) end
  end
end

draw('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13">',
  LEFT + 2 * WIDTH + GAP_X + 20, TOP + 2 * HEIGHT + GAP_Y + 45)
local function pair(column, xs, x_title, case)
  panel(column, 1, "instructions of a request, user", xs, x_title, curves("instructions", xs, case, { 1 }))
  panel(column, 2, "CPU time of a request, user and kernel, &#181;s", xs, x_title, curves("cpu", xs, case, WORKERS))
end
pair(1, BACKENDS, "backends", by_backends)
pair(2, IDLE, "idle connections", by_idle)
draw "</svg>"

local file = assert(io.open(arg[1], "w"))
file:write(table.concat(svg, "\n"), "\n")
file:close()
