-- clients - lb.tcp, lb.dns and lb.http: what is asked for is checked here, and done in C
-- (core/script/tcp_client.c and others), where there is a loop; `host` has the functions then.
--
-- A mistake of a script (a number for a text) is an error. What may be wrong with data (a URL with
-- a space in it, made from a request) is nil and a text, like a peer that does not answer. A
-- function ends with a tail call of the one in C, so that an error names the script's line.
local inside, lb = ...

local host = inside.host
local complain, did_you_mean, locked, names_of = inside.complain, inside.did_you_mean, inside.locked, inside.names_of
local find, format, lower = string.find, string.format, string.lower
local error, next, pairs, rawget, setmetatable = error, next, pairs, rawget, setmetatable
local tostring, type, unpack = inside.tostring, type, unpack

local TIMEOUT_MAX = 3600
local TCP_TIMEOUT, HTTP_TIMEOUT, SILENCE = 1, 5, 60
local BODY_BYTES, BODY_MAX, FIELDS_MAX = 1048576, 16777216, 100 -- core/dial/fetch.h
local LINE_BYTES = 65536

-- nil, or what is wrong with the options, in words.
local function check_options(options, allowed)
  if type(options) ~= "table" then return format("options are a table, not a %s", type(options)) end
  for name in pairs(options) do
    if not allowed[name] then
      local hint = type(name) == "string" and did_you_mean(name, names_of(allowed)) or ""
      return format("unknown option '%s'%s", tostring(name), hint)
    end
  end
end

local function check_timeout(timeout, name)
  if type(timeout) ~= "number" or not (timeout >= 0.001 and timeout <= TIMEOUT_MAX) then
    return format("%s is a number of seconds from 0.001 to %d, not %s", name or "timeout", TIMEOUT_MAX,
      tostring(timeout))
  end
end

-- Names and types of a table that says how a connection is secured (core/dial/secured.h).
local tls_options = { name = "string", ca = "string", cert = "string", key = "string", verify = "boolean" }

local function check_tls(tls)
  if type(tls) ~= "table" then return format("tls is a table, not a %s", type(tls)) end
  local wrong = check_options(tls, tls_options)
  if wrong then return "tls: " .. wrong end
  for name, kind in pairs(tls_options) do
    local value = tls[name]
    if value ~= nil and type(value) ~= kind then
      return format("tls.%s is a %s, not a %s", name, kind == "string" and "text" or kind, type(value))
    end
    if kind == "string" and value and (value == "" or find(value, "\0", 1, true)) then
      return format("tls.%s is empty, or has a NUL byte in it", name)
    end
  end
  if tls.key and not tls.cert then return "tls.cert is missing, the certificate that tls.key belongs to" end
  if tls.ca and tls.verify == false then return "nothing is verified: leave out tls.verify = false, or tls.ca" end
end

-- As C takes it (core/script/tls_options.h): all nil without TLS.
local function tls_arguments(tls)
  if not tls then return nil, nil, nil, nil, nil end
  return tls.name, tls.ca, tls.cert, tls.key, tls.verify ~= false
end

-- lb.tcp ------------------------------------------------------------------------------------------

local tcp_options = { timeout = true, tls = true }

local function connect(address, options)
  if type(address) ~= "string" then
    complain('lb.tcp.connect needs an address such as "redis:6379", not a %s', type(address))
  end
  options = options or {}
  local timeout = type(options) == "table" and options.timeout or TCP_TIMEOUT
  local wrong = check_options(options, tcp_options) or check_timeout(timeout)
  local secure = not wrong and options.tls or nil
  if secure == true then secure = {} end
  wrong = wrong or secure ~= nil and check_tls(secure)
  if wrong then complain("lb.tcp.connect: %s", wrong) end
  if not host.tcp_connect then complain "lb.tcp.connect may be called in hooks only, and in lb.after(0, f)" end
  return host.tcp_connect(address, timeout, tls_arguments(secure))
end

lb.tcp = locked("lb.tcp", { connect = connect })

-- lb.dns ------------------------------------------------------------------------------------------

local dns_types = { A = true, AAAA = true, SRV = true, TXT = true }

local function lookup(name, kind)
  if type(name) ~= "string" then complain("lb.dns.lookup needs a name, not a %s", type(name)) end
  if not dns_types[kind] then
    complain('lb.dns.lookup: the type is "A", "AAAA", "SRV" or "TXT", not %s', tostring(kind))
  end
  if not host.dns_lookup then complain "lb.dns.lookup may be called in hooks only, and in lb.after(0, f)" end
  return host.dns_lookup(name, kind)
end

lb.dns = locked("lb.dns", { lookup = lookup })

-- lb.http -----------------------------------------------------------------------------------------

-- The headers of an answer: a plain table with lower-case names, which is asked in any letter case.
-- Here are all values of each name, by that table: { name = { value, .. } }.
local lists = setmetatable({}, { __mode = "k" })
local header_methods = {}

local function list_of(headers, name)
  local list = lists[headers] or error("call it on headers, with a colon: headers:all(name)", 3)
  if type(name) ~= "string" then error("a header's name is a text, not a " .. type(name), 3) end
  return list[lower(name)] or {}
end

function header_methods.all(headers, name) return { unpack(list_of(headers, name)) } end

function header_methods.one(headers, name)
  local list = list_of(headers, name)
  if #list > 1 then return nil, "repeated" end
  return list[1]
end

function header_methods.each(headers)
  local by_name = lists[headers] or error("call it on headers, with a colon: headers:each()", 2)
  local name, values, i = nil, {}, 0
  return function()
    i = i + 1
    if i > #values then
      name, values = next(by_name, name)
      i = 1
    end
    if name then return name, values[i] end
  end
end

inside.http_lists = lists
inside.http_headers = {
  __index = function(headers, name)
    if header_methods[name] then return header_methods[name] end
    if type(name) == "string" then return rawget(headers, lower(name)) end
  end,
  __metatable = false,
}

-- Names and values in turn; or nil and what is wrong.
local function list_headers(headers)
  local list = {}
  if type(headers) ~= "table" then return nil, format("headers are a table, not a %s", type(headers)) end
  for name, value in pairs(headers) do
    if type(name) ~= "string" then return nil, format("a header's name is a text, not a %s", type(name)) end
    if type(value) == "number" then value = tostring(value) end
    if type(value) ~= "string" then return nil, format("header '%s' is a text, not a %s", name, type(value)) end
    list[#list + 1], list[#list + 2] = name, value
    if #list > 2 * FIELDS_MAX then return nil, format("there are more than %d headers", FIELDS_MAX) end
  end
  return list
end

-- What a request may be given, besides its URL.
local REQUEST_OPTIONS = { timeout = true, headers = true, tls = true, via = true }

local function options_with(more)
  local allowed = {}
  for name in pairs(REQUEST_OPTIONS) do allowed[name] = true end
  for name in pairs(more) do allowed[name] = true end
  return allowed
end

local function check_bytes(bytes, name)
  if type(bytes) ~= "number" or not (bytes >= 0 and bytes <= BODY_MAX) or bytes % 1 ~= 0 then
    return format("%s is a whole number of bytes from 0 to %d, not %s", name, BODY_MAX, tostring(bytes))
  end
end

local function check_request(options, allowed, method, url, timeout)
  local wrong = check_options(options, allowed) or check_timeout(timeout)
    or options.tls ~= nil and check_tls(options.tls)
  if wrong then return wrong end
  if type(method) ~= "string" then return format("method is a text, not a %s", type(method)) end
  if type(url) ~= "string" then return format("url is a text, not a %s", type(url)) end
  if options.via ~= nil and type(options.via) ~= "string" then
    return format("via is a text, not a %s", type(options.via))
  end
  if options.body ~= nil and type(options.body) ~= "string" and type(options.body) ~= "number" then
    return format("body is a text, not a %s", type(options.body))
  end
end

-- A function that asks: `prepare` gives method, URL and options. kind: "fetch" the answer whole, or
-- its "lines".
local function asking(what, kind, more, prepare)
  local allowed, in_c = options_with(more), "http_" .. kind
  local bytes_name = kind == "lines" and "max_line" or "max_body"
  return function(...)
    local method, url, options = prepare(...)
    local given = type(options) == "table" and options or {}
    local timeout, silence = given.timeout or HTTP_TIMEOUT, given.silence or SILENCE
    local bytes = given[bytes_name] or (kind == "lines" and LINE_BYTES or BODY_BYTES)
    local wrong = check_request(options, allowed, method, url, timeout) or check_bytes(bytes, bytes_name)
      or check_timeout(silence, "silence")
    if wrong then complain("%s: %s", what, wrong) end
    local headers, why = list_headers(given.headers or {})
    if not headers then complain("%s: %s", what, why) end
    if not host[in_c] then complain("%s may be called in hooks only, and in lb.after(0, f)", what) end
    local body = type(given.body) == "number" and tostring(given.body) or given.body
    local name, ca, cert, key, verify = tls_arguments(given.tls)
    return host[in_c](method, url, timeout, bytes, body, given.via, silence, name, ca, cert, key, verify,
      unpack(headers))
  end
end

local function get(url, options) return "GET", url, options or {} end

lb.http = locked("lb.http", {
  get = asking("lb.http.get", "fetch", { max_body = true }, get),
  post = asking("lb.http.post", "fetch", { max_body = true, body = true },
    function(url, options) return "POST", url, options or {} end),
  request = asking("lb.http.request", "fetch", { max_body = true, body = true, method = true, url = true },
    function(options)
      if type(options) ~= "table" then return "GET", "", options end
      return options.method or "GET", options.url, options
    end),
  lines = asking("lb.http.lines", "lines", { max_line = true, silence = true }, get),
})
