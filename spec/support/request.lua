-- Builds what a policy is shown of a request: a ctx, as a plain table.
--
--   request { path = "/api", headers = { ["X-User"] = "anna" }, attempts = 2, remaining = 0.5 }
--   request { headers = { ["X-Key"] = { "a", "b" } } }      comes twice
--   request { cookies = { session = "1" } }        the same as headers = { Cookie = "session=1" }
--   request { result = { status = 200, .. } }      as on_done sees it
--
-- What is not given is a first GET of /. Like the real one it refuses a field that does not exist.
-- An answer of ctx's is a table { kind = "respond", "reject" or "redirect", status, headers, body,
-- why }; ctx:allow_replay() shows as replay_allowed, ctx:no_log() as unlogged, ctx:explain(key,
-- value) as explained[key], ctx:compared(..) as compared_last.
-- What ctx:finally was given is called by outcome.finish(ctx).

local clean_path = require "spec.support.clean_path"
local fake_headers = require "spec.support.fake_headers"

local FACTS = {
  id = "1", method = "GET", path = "/", query = "", host = "example.org", scheme = "http", version = "1.1",
  client_ip = "192.0.2.1", client_port = 50000, listener = "0.0.0.0:3030", attempts = 1, retries = 0, tries = 1,
}

-- By IANA's HTTP Method Registry.
local IDEMPOTENT = {}
for method in ([[
  ACL BASELINE-CONTROL BIND CHECKIN CHECKOUT COPY DELETE GET HEAD LABEL LINK MERGE MKACTIVITY MKCALENDAR MKCOL
  MKREDIRECTREF MKWORKSPACE MOVE OPTIONS ORDERPATCH PRI PROPFIND PROPPATCH PUT QUERY REBIND REPORT SEARCH TRACE UNBIND
  UNCHECKOUT UNLINK UNLOCK UPDATE UPDATEREDIRECTREF VERSION-CONTROL ]]):gmatch "%S+" do
  IDEMPOTENT[method] = true
end

local OTHERS = {
  headers = true, cookies = true, idempotent = true, replayable = true, vars = true, result = true, client = true,
  clean_path = true, clean_path_error = true, tls = true, grpc = true, trace_id = true,
}

-- As limits.per_client counts: an IPv6 address by its first 64 bits, unless it is link-local.
local function client_of(ip)
  if not ip:find(":", 1, true) or ip:lower():find "^fe[89ab]" then return ip end
  local before, behind = ip:match "^(.-)::(.*)$"
  local groups, others = {}, 0
  for group in (before or ip):gmatch "%x+" do groups[#groups + 1] = group:lower():match "^0*(%x+)$" end
  for _ in (behind or ""):gmatch "%x+" do others = others + 1 end
  for _ = #groups + 1, 8 - others do groups[#groups + 1] = "0" end
  for group in (behind or ""):gmatch "%x+" do groups[#groups + 1] = group:lower():match "^0*(%x+)$" end
  local length = 4
  while length > 0 and groups[length] == "0" do length = length - 1 end
  return table.concat(groups, ":", 1, length) .. "::/64"
end

local methods = {}

function methods.respond(_, given)
  return {
    kind = "respond", status = given.status or 200, headers = given.headers or {}, body = given.body or "",
    why = given.why,
  }
end

function methods.reject(_, status, given)
  given = given or {}
  local headers = {}
  for name, value in pairs(given.headers or {}) do headers[name] = value end
  headers["Retry-After"] = given.retry_after and math.ceil(given.retry_after) or headers["Retry-After"]
  return { kind = "reject", status = status, headers = headers, why = given.why }
end

function methods.redirect(_, url, status)
  return { kind = "redirect", status = status or 302, headers = { Location = url }, body = "" }
end

function methods.allow_replay(ctx) rawset(ctx, "replay_allowed", true) end

function methods.no_log(ctx) rawset(ctx, "unlogged", true) end

function methods.compared(ctx, one, value, other, others)
  rawset(ctx, "compared_last", { one.name, value, other and other.name, others })
end

function methods.explain(ctx, key, value)
  local explained = rawget(ctx, "explained") or {}
  rawset(ctx, "explained", explained)
  explained[key] = value
end

function methods.finally(ctx, fn)
  assert(type(fn) == "function", "ctx:finally(f) needs a function")
  local finals = rawget(ctx, "finals")
  assert(finals ~= "called", "ctx:finally(f): the request is over")
  if not finals then
    finals = {}
    rawset(ctx, "finals", finals)
  end
  assert(#finals < 16, "ctx:finally(f): a request has 16 of them at most")
  finals[#finals + 1] = fn
end

function methods.random(_, n)
  if n then return math.random(n) end
  return math.random()
end

function methods.remaining() end

-- In the order of the head; of a plain table in that of the names.
local function cookie_list(given, header)
  local list = {}
  for name, value in pairs(given or {}) do list[#list + 1] = { name, value } end
  table.sort(list, function(a, b) return a[1] < b[1] end)
  if given then return list end
  for name, value in (header or ""):gmatch "([^=;%s]+)=([^;]*)" do list[#list + 1] = { name, value } end
  return list
end

local cookie_methods = {}

local function new_cookies(list)
  local lists = {}
  for _, pair in ipairs(list) do
    lists[pair[1]] = lists[pair[1]] or {}
    table.insert(lists[pair[1]], pair[2])
  end
  return setmetatable({}, {
    __index = function(_, name) return cookie_methods[name] or (lists[name] or {})[1] end,
    list = list, lists = lists, methods = cookie_methods,
  })
end

function cookie_methods.all(cookies, name) return { unpack(getmetatable(cookies).lists[name] or {}) } end

function cookie_methods.each(cookies)
  local list, at = getmetatable(cookies).list, 0
  return function()
    at = at + 1
    if list[at] then return unpack(list[at]) end
  end
end

local function request(given)
  local ctx = {}
  for field in pairs(given) do
    assert(FACTS[field] ~= nil or OTHERS[field] or field == "remaining",
      "a request has no field '" .. tostring(field) .. "'")
  end
  for field, default in pairs(FACTS) do
    ctx[field] = given[field] == nil and default or given[field]
  end
  ctx.idempotent = given.idempotent == nil and IDEMPOTENT[ctx.method] or given.idempotent or false
  ctx.replayable = given.replayable == nil and ctx.idempotent or given.replayable or false
  ctx.vars = given.vars or {}
  ctx.headers = fake_headers(given.headers)
  ctx.cookies = new_cookies(cookie_list(given.cookies, ctx.headers.cookie))
  local path, fault = clean_path(ctx.path)
  ctx.host = ctx.host:lower():gsub("%.+$", "")
  ctx.clean_path = given.clean_path or path
  ctx.client = given.client or client_of(ctx.client_ip)
  ctx.result = given.result
  ctx.tls, ctx.grpc, ctx.trace_id = given.tls, given.grpc, given.trace_id
  ctx.remaining = function() return given.remaining end
  return setmetatable(ctx, {
    __index = function(_, key)
      if key == "result" or key == "clean_path" or key == "tls" or key == "grpc" then return nil end
      if key == "clean_path_error" then return given.clean_path_error or fault end
      return methods[key] or error("unknown field '" .. tostring(key) .. "' of ctx", 2)
    end,
    __newindex = function(_, key) error("ctx is read-only: " .. tostring(key), 2) end,
    facts = FACTS, others = OTHERS, methods = methods, -- for specs that list them
  })
end

return request
