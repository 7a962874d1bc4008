-- report - figures to text: medians, pairs of one round, tables in markdown, goals (pure).
--
--   report.median(values)             of a list, or of values by round; nil without any
--   report.ratios(of, to)             of each round that both have: a list
--   report.spread(values)             "0.83 (0.81 to 0.86)": the median and the middle half, or ""
--   report.table(head, rows)          lines; all columns but the first are aligned to the right
--   report.goals(goals, costs, figures)   lines, how many were missed, and the names of those that
--                                     were not measured. costs(scenario, contestant)
--                                     by round; figures by name

local report = {}

-- The value below which this share of them is.
local function quantile(values, share)
  local sorted = {}
  for _, value in pairs(values) do table.insert(sorted, value) end
  table.sort(sorted)
  if #sorted == 0 then return nil end
  local place = 1 + (#sorted - 1) * share
  local low = math.floor(place)
  local high = math.min(low + 1, #sorted)
  return sorted[low] + (sorted[high] - sorted[low]) * (place - low)
end

function report.median(values) return quantile(values, 0.5) end

function report.ratios(of, to)
  local ratios = {}
  for round, value in pairs(of) do
    if to[round] then table.insert(ratios, value / to[round]) end
  end
  return ratios
end

function report.spread(values)
  if not next(values) then return "" end
  return ("%.2f (%.2f to %.2f)"):format(report.median(values), quantile(values, 0.25), quantile(values, 0.75))
end

function report.table(head, rows)
  local widths, lines = {}, {}
  for _, row in ipairs { head, unpack(rows) } do
    for i, cell in ipairs(row) do widths[i] = math.max(widths[i] or 3, #cell) end
  end
  local function line(row)
    local cells = {}
    for i, cell in ipairs(row) do
      local space = (" "):rep(widths[i] - #cell)
      cells[i] = i == 1 and cell .. space or space .. cell
    end
    lines[#lines + 1] = "| " .. table.concat(cells, " | ") .. " |"
  end
  line(head)
  local rule = {}
  for i, width in ipairs(widths) do rule[i] = i == 1 and ("-"):rep(width) or ("-"):rep(width - 1) .. ":" end
  line(rule)
  for _, row in ipairs(rows) do line(row) end
  return lines
end

local function verdict(value, wanted, stretch)
  if value <= stretch then return "met, and the stretch" end
  if value <= wanted then return "met" end
  return ("missed by %.0f %%"):format((value / wanted - 1) * 100)
end

function report.goals(goals, costs, figures)
  local rows, missed, unknown = {}, 0, {}
  for _, goal in ipairs(goals) do
    local name, wanted, stretch = unpack(goal)
    local value, shown = figures[goal.figure or 0], nil
    if goal.ratio then
      local scenario, over, under = unpack(goal.ratio)
      local of, to = costs(scenario, over), costs(scenario, under)
      local ratios = of and to and report.ratios(of, to) or {}
      value, shown = report.median(ratios), report.spread(ratios)
    end
    if value then
      local figure = wanted < 3 and "%.2f" or wanted < 5 and "%.1f" or "%.0f"
      shown = shown or (wanted < 5 and "%.2f" or "%.1f"):format(value)
      if value > wanted then missed = missed + 1 end
      table.insert(rows, {
        name, figure:format(wanted), figure:format(stretch), shown, verdict(value, wanted, stretch),
      })
    else
      table.insert(unknown, name)
    end
  end
  return report.table({ "goal", "wanted", "stretch", "measured (middle half)", "" }, rows), missed, unknown
end

return report
