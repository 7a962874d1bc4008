-- report - figures to text: medians, pairs of one round, tables in markdown (pure).
--
--   report.quartiles(values)   the median, and the ends of the middle half
--   report.ratios(of, to)      of each round that both have
--   report.table(head, rows)   lines; columns as wide as they need, all but the first to the right

local report = {}

function report.quartiles(values)
  local sorted = { unpack(values) }
  table.sort(sorted)
  local n = #sorted
  if n == 0 then return nil end
  local function at(share)
    local place = 1 + (n - 1) * share
    local low = math.floor(place)
    local high = math.min(low + 1, n)
    return sorted[low] + (sorted[high] - sorted[low]) * (place - low)
  end
  return at(0.5), at(0.25), at(0.75)
end

function report.ratios(of, to)
  local ratios = {}
  for round, value in pairs(of) do
    if to[round] then table.insert(ratios, value / to[round]) end
  end
  return ratios
end

function report.ratio(values, bare)
  local median, low, high = report.quartiles(values)
  if not median then return "" end
  return bare and ("%.2f"):format(median) or ("%.2f (%.2f to %.2f)"):format(median, low, high)
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
  for i, width in ipairs(widths) do rule[i] = ("-"):rep(width - (i == 1 and 0 or 1)) .. (i == 1 and "" or ":") end
  line(rule)
  for _, row in ipairs(rows) do line(row) end
  return lines
end

return report
