-- metrics - pages for Prometheus, read strictly, and asked of a balancer.
--
--   metrics.read(text, is_open)   page, or an error that says what is wrong, and in which line
--   metrics.of(lb, options)       the page of a balancer of spec.support.admin; options.open: in
--                                 OpenMetrics; options.over: an address; gives the response, too
--   page.families[name]   { type =, help =, samples = { { name =, labels = {..}, value = } } }
--   page.values["name{a=\"b\"}"]  each value, by its line without the value
--   metrics.sum(page, name, labels)  of all samples of that name whose labels are these, or more
--   metrics.fell(before, after)   the first line of a counter or histogram whose value fell, or nil

local wire = require "spec.support.wire"

local metrics = {}

local NAME, LABEL = "^[%a_:][%w_:]*$", "^[%a_][%w_]*$"
local TYPES = { counter = true, gauge = true, histogram = true }
local OPEN_TYPES = { counter = true, gauge = true, histogram = true, info = true }

local function number_of(text)
  local special = ({ ["+Inf"] = 1 / 0, ["-Inf"] = -1 / 0, NaN = 0 / 0 })[text]
  if special then return special end
  assert(text:find "^%-?%d+%.?%d*$" or text:find "^%-?%d+%.?%d*e[+-]?%d+$", "no number: " .. text)
  return tonumber(text)
end

-- a="b",c="d" behind the brace; gives the labels, and what is behind the closing one.
local function labels_of(text)
  local labels, at = {}, 1
  while text:sub(at, at) ~= "}" do
    local name, from = text:match('^([%w_]+)="()', at)
    assert(name and name:find(LABEL) and labels[name] == nil, "a label is wrong: " .. text:sub(at))
    local value = {}
    at = from
    while text:sub(at, at) ~= '"' do
      local escaped = text:match("^\\(.)", at)
      assert(at <= #text and (not escaped or escaped:find '["\\n]'), "a label's value is wrong: " .. text)
      value[#value + 1] = escaped == "n" and "\n" or escaped or text:sub(at, at)
      at = at + (escaped and 2 or 1)
    end
    labels[name] = table.concat(value)
    at = at + 1
    if text:sub(at, at) == "," then at = at + 1 else assert(text:sub(at, at) == "}", "no end of labels: " .. text) end
  end
  return labels, text:sub(at + 1)
end

-- What a sample of the family is called, behind the family's name.
local function suffixes(kind, is_open)
  if kind == "histogram" then return { _bucket = true, _sum = true, _count = true } end
  if not is_open then return { [""] = true } end
  return kind == "counter" and { _total = true } or kind == "info" and { _info = true } or { [""] = true }
end

local function take_sample(page, family, line, is_open)
  local name, rest = line:match "^([%w_:]+)(.*)$"
  assert(name and name:find(NAME), "no name")
  assert(family and name:sub(1, #family.name) == family.name, name .. " has no TYPE before it")
  assert(suffixes(family.type, is_open)[name:sub(#family.name + 1)], name .. " is no sample of a " .. family.type)
  local labels = {}
  if rest:sub(1, 1) == "{" then labels, rest = labels_of(rest:sub(2)) end
  local key = line:sub(1, #line - #rest)
  assert(page.values[key] == nil, "there is " .. key .. " twice")
  local sample = { name = name, labels = labels, value = number_of(assert(rest:match "^ (%S+)$", "no value")) }
  page.values[key] = sample.value
  family.samples[#family.samples + 1] = sample
  if family.type == "counter" then assert(sample.value >= 0, "a counter below 0") end
end

local function take_comment(page, line, family, is_open)
  local what, name, rest = line:match "^# (%u+) ([%w_:]+) (.+)$"
  if what == "HELP" then
    assert(not page.families[name], name .. " has HELP twice")
    page.families[name] = { name = name, help = rest, samples = {} }
    return page.families[name]
  end
  assert(what == "TYPE" and family and family.name == name and not family.type, "a comment that is none")
  assert((is_open and OPEN_TYPES or TYPES)[rest], "no type: " .. rest)
  family.type = rest
  return family
end

-- The buckets, sum and count of each set of other labels.
local function series_of(family)
  local found = {}
  for _, sample in ipairs(family.samples) do
    local others = {}
    for name, value in pairs(sample.labels) do
      if name ~= "le" then others[#others + 1] = name .. "=" .. value end
    end
    table.sort(others)
    local key = table.concat(others, ",")
    found[key] = found[key] or { last = 0, bound = -1 / 0 }
    local one = found[key]
    if sample.name == family.name .. "_bucket" then
      local le = number_of(sample.labels.le)
      assert(le > one.bound and sample.value >= one.last, "buckets that fall")
      one.bound, one.last = le, sample.value
    else
      one[sample.name:sub(#family.name + 2)] = sample.value
    end
  end
  return found
end

local function check_histogram(family)
  for _, one in pairs(series_of(family)) do
    assert(one.bound == 1 / 0 and one.count == one.last and one.sum, family.name .. " is not whole")
  end
end

local function read(text, is_open, tell)
  local page, family = { families = {}, values = {} }, nil
  assert(text:sub(-1) == "\n", "no newline at the end")
  if is_open then
    assert(text:sub(-6) == "# EOF\n", "no EOF")
    text = text:sub(1, -7)
  end
  for line in text:gmatch "([^\n]*)\n" do
    tell(line)
    if line:sub(1, 1) == "#" then
      family = take_comment(page, line, family, is_open)
    else
      take_sample(page, family, line, is_open)
    end
  end
  for _, one in pairs(page.families) do
    tell(one.name)
    assert(one.type, "no TYPE")
    if one.type == "histogram" then check_histogram(one) end
    if not is_open then assert((one.type == "counter") == (one.name:find "_total$" ~= nil), "a counter's name") end
  end
  return page
end

function metrics.read(text, is_open)
  local at
  local ok, page = pcall(read, text, is_open, function(line) at = line end)
  if not ok then error(("%s\nin: %s"):format(page, at or "the whole"), 2) end
  return page
end

function metrics.of(lb, options)
  options = options or {}
  local fields = options.open and "Accept: application/openmetrics-text;version=1.0.0,*/*;q=0.1\r\n" or ""
  local response = wire.fetch(options.over or lb.admin, "/metrics", { fields = fields, host = "localhost" })
  assert(response.status == 200, response.status)
  return metrics.read(response.body, options.open), response
end

local function has(sample, labels)
  for name, value in pairs(labels) do
    if sample.labels[name] ~= value then return false end
  end
  return true
end

function metrics.sum(page, name, labels)
  local sum = 0
  for _, family in pairs(page.families) do
    for _, sample in ipairs(family.samples) do
      if sample.name == name and has(sample, labels or {}) then sum = sum + sample.value end
    end
  end
  return sum
end

function metrics.fell(before, after)
  for _, family in pairs(before.families) do
    for _, sample in ipairs(family.type ~= "gauge" and family.samples or {}) do
      local labels = {}
      for name, value in pairs(sample.labels) do labels[name] = value end
      local now = metrics.sum(after, sample.name, labels)
      if now < sample.value then return ("%s fell from %s to %s"):format(sample.name, sample.value, now) end
    end
  end
end

return metrics
