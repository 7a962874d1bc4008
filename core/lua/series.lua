-- series - the script's own metrics: lb.total, lb.gauge.
--
-- shared/series.c keeps them. A script holds an empty table; which metric that is, and which series
-- the texts of its labels have, is known here only. Of the texts those are kept that have a series,
-- so a client that chooses them fills no memory.
local inside, lb = ...

local ffi, segment, complain = inside.ffi, inside.segment, inside.complain
local C = ffi.C
local error, pairs, setmetatable, tostring, type = error, pairs, setmetatable, inside.tostring, type
local select, concat, find, format, huge = select, table.concat, string.find, string.format, math.huge

ffi.cdef [[
int32_t series_declare(void *segment, struct slice name, int32_t kind, struct slice labels, uint32_t max);
int32_t series_find(void *segment, int32_t metric, struct slice text);
void series_add(void *segment, int32_t metric, int32_t series, double amount);
void series_set(void *segment, int32_t metric, int32_t series, double value);
]]

local TOTAL, GAUGE = 0, 1             -- enum series_kind
local NO_ROOM, OTHERS = -1, -1        -- any other number below 0: the name is another kind's
local NAME_MAX, LABEL_MAX, LABELS_MAX = 48, 32, 4
local MAX, MAX_MAX = 100, 1000        -- values of labels
local OTHER = "(other)"

segment = ffi.cast("void *", segment) -- compiled code takes no light userdata

-- By object: { metric =, labels = how many, series = { by text }, kind = "lb.total" }.
local metrics = setmetatable({}, { __mode = "k" })

-- Values of labels --------------------------------------------------------------------------------

-- One of them, as text; called by what a script calls.
local function text_of(metric, value)
  local kind = type(value)
  if kind == "string" then return value end
  if kind == "number" or kind == "boolean" then return tostring(value) end
  error(format("%s '%s' has %d label%s: a value of one is a text, not a %s", metric.kind, metric.name,
    metric.labels, metric.labels == 1 and "" or "s", kind), 5)
end

local function join(metric, ...)
  local texts, are_others = {}, true
  for i = 1, metric.labels do
    local text = text_of(metric, (select(i, ...)))
    if find(text, "\0", 1, true) then return OTHER end -- it would stand between two
    texts[i], are_others = text, are_others and text == OTHER
  end
  return are_others and OTHER or concat(texts, "\0")
end

local function series_of(metric, ...)
  if select("#", ...) > metric.labels then
    error(format("%s '%s' has %d labels, and got %d values", metric.kind, metric.name, metric.labels,
      select("#", ...)), 3)
  end
  if metric.labels == 0 then return OTHERS end
  local text = join(metric, ...)
  if text == OTHER then return OTHERS end -- or there would be two of them
  local series = metric.series[text]
  if not series then
    series = C.series_find(segment, metric.number, ffi.new("struct slice", text, #text))
    if series ~= OTHERS then metric.series[text] = series end
  end
  return series
end

-- Objects -----------------------------------------------------------------------------------------

local function metric_of(object, call)
  return metrics[object] or error("call it with a colon: " .. call, 3)
end

local total_methods, gauge_methods = {}, {}

function total_methods.add(object, n, ...)
  local metric = metric_of(object, "total:add(n)")
  if n == nil then n = 1 end
  if type(n) ~= "number" or not (n >= 0 and n < huge) then
    complain("total:add(n) needs a number of at least 0, as a total never falls; got %s", tostring(n))
  end
  C.series_add(segment, metric.number, series_of(metric, ...), n)
end

function gauge_methods.set(object, n, ...)
  local metric = metric_of(object, "gauge:set(n)")
  if type(n) ~= "number" or n ~= n then complain("gauge:set(n) needs a number, got %s", tostring(n)) end
  C.series_set(segment, metric.number, series_of(metric, ...), n)
end

-- Names -------------------------------------------------------------------------------------------

local TAKEN = { "_total", "_bucket", "_sum", "_count", "_created", "_info" } -- at a name's end

local function check_name(what, name)
  if type(name) ~= "string" or #name > NAME_MAX or not find(name, "^[a-z][a-z0-9_]*$") or find(name, "__", 1, true) then
    error(format("%s needs a name of a-z, 0-9 and _, of 48 bytes at most, got %s", what, tostring(name)), 3)
  end
  for i = 1, #TAKEN do
    if find(name, TAKEN[i] .. "$") then
      error(format("%s: leave '%s' away, the end of '%s': it has a meaning of its own", what, TAKEN[i], name), 3)
    end
  end
end

local RESERVED = { le = true, quantile = true }

local function check_label(what, label, before)
  if type(label) ~= "string" or #label > LABEL_MAX or not find(label, "^[a-z][a-z0-9_]*$") or RESERVED[label] then
    error(format("%s: a label has a name of a-z, 0-9 and _, of 32 bytes at most, other than le and quantile, not %s",
      what, tostring(label)), 4)
  end
  if before[label] then error(format("%s: there is the label '%s' twice", what, label), 4) end
  before[label] = true
end

-- The labels of { "tenant", "plan", max = 100 }, as one text, how many they are, and max.
local function options_of(what, options)
  if options == nil then return "", 0, 0 end
  if type(options) ~= "table" then error(format("%s: labels are a table, not a %s", what, type(options)), 3) end
  local count, max, before = #options, options.max, {}
  for key in pairs(options) do
    if key ~= "max" and not (type(key) == "number" and key >= 1 and key <= count) then
      error(format("%s: unknown option '%s': there are names of labels, and max", what, tostring(key)), 3)
    end
  end
  if count == 0 or count > LABELS_MAX then
    error(format("%s: %d labels; there are 1 to 4, or no table", what, count), 3)
  end
  for i = 1, count do check_label(what, options[i], before) end
  if max == nil then max = MAX end
  if type(max) ~= "number" or not (max >= 1 and max <= MAX_MAX and max % 1 == 0) then
    error(format("%s: max is a whole number from 1 to 1000, not %s", what, tostring(max)), 3)
  end
  return concat(options, ","), count, max
end

local function slice(text) return ffi.new("struct slice", text, #text) end

local made = {} -- by number

local function maker(what, kind, meta)
  return function(name, options)
    check_name(what, name)
    local labels, count, max = options_of(what, options)
    local number = C.series_declare(segment, slice(name), kind, slice(labels), max)
    if number == NO_ROOM then complain("%s: no room for '%s': there are 128 names", what, name) end
    if number < 0 then complain("%s: '%s' is a metric of the other kind: choose another name", what, name) end
    local metric = made[number]
    if not metric then
      metric = { number = number, labels = count, series = {}, kind = what, name = name }
      made[number] = metric
    end
    local object = setmetatable({}, meta)
    metrics[object] = metric
    return object
  end
end

lb.total = maker("lb.total", TOTAL, inside.object_meta("a total", total_methods))
lb.gauge = maker("lb.gauge", GAUGE, inside.object_meta("a gauge", gauge_methods))
