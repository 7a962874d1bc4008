-- api - the names that scripts may use, by object ("lb", "lb.log", "ctx", "backend", ..), as they
-- are written in several places:
--
--   api.annotated()      in scripts/*.d.lua
--   api.built()          in what spec/support builds
--   api.real(lb)         in lb, which a spec has started with api.SCRIPT and spec/support/probe.c
--   api.groups()         names of settings as annotated, by group ("health", ..; "" is the top)
--   api.options()        names of options as annotated, by function ("choose", ..)
--   api.open_classes()   annotated tables that scripts write, where editors accept any name
-- Each gives { object = { name = true } }.

local fake_lb = require "spec.support.fake_lb"
local outcome = require "spec.support.outcome"
local pool = require("spec.support.backend").pool
local request = require "spec.support.request"

local api = {}

-- What the annotations call it, and what the specs do.
local CLASSES = {
  ["lb.Ctx"] = "ctx", ["lb.Headers"] = "headers", ["lb.Cookies"] = "cookies",
  ["lb.Backends"] = "backends", ["lb.Backend"] = "backend",
  ["lb.Failure"] = "err",
  ["lb.Response"] = "res", ["lb.Counter"] = "counter", ["lb.Window"] = "window", ["lb.Bucket"] = "bucket",
  ["lb.Total"] = "total", ["lb.Gauge"] = "gauge",
  ["lb.Timer"] = "timer", ["lb.Connection"] = "conn", ["lb.Result"] = "result", ["lb"] = "lb", ["lb.http"] = "lb.http",
  ["lb.Net"] = "net", ["lb.Query"] = "query", ["lb.url"] = "lb.url", ["lb.hex"] = "lb.hex",
  ["lb.base64"] = "lb.base64", ["lb.base64url"] = "lb.base64url", ["lb.tcp"] = "lb.tcp", ["lb.dns"] = "lb.dns",
  ["lb.json"] = "lb.json", ["lb.log"] = "lb.log", ["lb.policy"] = "lb.policy",
}
local GROUPS = {
  ["lb.Script"] = "", ["lb.HealthSettings"] = "health", ["lb.TimeoutSettings"] = "timeouts",
  ["lb.LimitSettings"] = "limits", ["lb.ScriptSettings"] = "script", ["lb.LogSettings"] = "log",
  ["lb.TlsSettings"] = "tls",
}

local OPTIONS = {
  ["lb.ChoiceOptions"] = "choose", ["lb.HttpRequest"] = "lb.http.request", ["lb.Respond"] = "ctx:respond",
  ["lb.Reject"] = "ctx:reject", ["lb.BucketOptions"] = "lb.bucket", ["lb.BackendSettings"] = "backends",
  ["lb.ReviewOptions"] = "on_response",
}

local function annotations()
  local text = {}
  for path in io.popen("ls scripts/*.d.lua"):lines() do
    for line in io.lines(path) do text[#text + 1] = line end
  end
  return text
end

local function annotated_classes()
  local classes, class, class_of = {}, nil, {}
  for _, line in ipairs(annotations()) do
    local named, parent_class = line:gsub("%(exact%) ", ""):match "^%-%-%-@class ([%w_.]+):? ?([%w_.]*)"
    local field = line:match "^%-%-%-@field ([%w_]+)"
    local variable = line:match "^local ([%w_]+) = {}" or line:match "^([%w_.]+) = {}"
    local owner, name = line:match "^function ([%w_.]+)[.:]([%w_]+)%("
    if named then
      class = named
      classes[class] = {}
      for inherited in pairs(classes[parent_class] or {}) do classes[class][inherited] = true end
    elseif field then
      classes[class][field] = true
    elseif variable then
      class_of[variable] = class
      local parent, last = variable:match "^(lb)%.(%w+)$"
      if parent then classes[parent][last] = true end
    elseif owner then
      classes[class_of[owner]][name] = true
    end
  end
  return classes
end

local function chosen(wanted)
  local from, by_name = annotated_classes(), {}
  for class, name in pairs(wanted) do by_name[name] = assert(from[class], "no class " .. class) end
  return by_name
end

function api.annotated() return chosen(CLASSES) end
function api.groups() return chosen(GROUPS) end

function api.options() return chosen(OPTIONS) end

function api.open_classes()
  local exact, open = {}, {}
  for _, line in ipairs(annotations()) do
    exact[line:match "^%-%-%-@class %(exact%) ([%w_.]+)" or ""] = true
  end
  for _, list in ipairs { GROUPS, OPTIONS } do
    for class in pairs(list) do
      if not exact[class] then open[#open + 1] = class end
    end
  end
  return open
end

local function add(names, from)
  for key in pairs(from or {}) do
    if type(key) == "string" then names[key] = true end
  end
  return names
end

-- What the builders keep in their metatables for this.
local function built_names(object)
  local meta, names = debug.getmetatable(object), {}
  for _, list in ipairs { "fields", "facts", "methods", "others" } do add(names, meta[list]) end
  return names
end

function api.built()
  local lb, world = fake_lb.new()
  world.tcp = function() return function() end end
  local backends = pool { "a" }
  local built = {
    lb = lb, ctx = request {}, headers = request({}).headers, cookies = request({}).cookies,
    backends = backends, backend = backends[1],
    err = outcome.failure {},
    res = outcome.response {}, counter = lb.counter "c", window = lb.window("w", 1),
    total = lb.total "t", gauge = lb.gauge "g",
    bucket = lb.bucket("b", { rate = 1 }), timer = lb.after(1, print), conn = lb.tcp.connect "a:1",
    net = lb.net "::1", query = lb.query "",
  }
  local names = {}
  for object, value in pairs(built) do names[object] = built_names(value) end
  for name in pairs(names.lb) do
    if name ~= "backends" and type(lb[name]) == "table" then names["lb." .. name] = built_names(lb[name]) end
  end
  return names
end

-- Returns its own names as the body of an answer, "object name" each line; the names of on_done
-- are in the log. Its first backend must refuse.
api.SCRIPT = [[
local function add(names, from)
  for key in next, from do
    if type(key) == "string" and key:sub(1, 2) ~= "__" then names[key] = true end
  end
end

-- Names are in the tables that an object's __index is, or that its function holds.
local function names_of(object, names)
  local meta = raw_metatable(object)
  local index = meta and rawget(meta, "__index")
  names = names or {}
  if type(object) == "table" then add(names, object) end
  if type(index) == "table" then return names_of(index, names) end
  for _, held in ipairs(index and held_by(index) or {}) do
    if type(held) == "table" then add(names, held) end
  end
  return names
end

local lines = {}
local function tell(object, value)
  for name in pairs(names_of(value)) do lines[#lines + 1] = object .. " " .. name end
end

local function try(object, make)
  local ok, value = pcall(make)
  if ok and value then tell(object, value) end
end

local function tell_lb(backend)
  tell("lb", lb)
  for name in pairs(names_of(lb)) do
    if name ~= "backends" and type(lb[name]) == "table" then tell("lb." .. name, lb[name]) end
  end
  try("counter", function() return lb.counter "probe" end)
  try("window", function() return lb.window("probe", 1) end)
  try("bucket", function() return lb.bucket("probe", { rate = 1, burst = 1 }) end)
  try("total", function() return lb.total "probe" end)
  try("gauge", function() return lb.gauge "probing" end)
  try("net", function() return lb.net "::1" end)
  try("query", function() return lb.query "" end)
  try("timer", function() return lb.after(1000, function() end) end)
  try("conn", function() return (lb.tcp.connect(backend.address)) end)
end

return {
  health = { interval = 100, fall = 100 },
  script = { budget_ms = 1000 },
  choose = function(ctx, backends)
    local refuses, answers = backends.all[1], backends.all[2]
    if ctx.attempts == 1 then return refuses end
    if not ctx.vars.told then
      tell("ctx", ctx)
      tell("headers", ctx.headers)
      tell("cookies", ctx.cookies)
      tell("backends", backends)
      tell("backend", answers)
      tell_lb(answers)
      ctx.vars.told = true
    end
    return answers
  end,
  on_failure = function(ctx, backend, err)
    tell("err", err)
    return "next"
  end,
  on_response = function(ctx, backend, res)
    tell("res", res)
    return ctx:respond { body = table.concat(lines, "\n") }
  end,
  on_done = function(ctx)
    lines = {}
    tell("result", ctx.result)
    lb.log.info(table.concat(lines, " "))
  end,
}
]]

function api.real(text)
  local names = {}
  for object, name in text:gmatch "(%S+) (%S+)" do
    names[object] = names[object] or {}
    names[object][name] = true
  end
  return names
end

return api
