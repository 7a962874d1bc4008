-- fake_codes - base64, hex, URLs, queries, networks and dates as lb has them, in plain Lua: for
-- spec/support/fake_lb.lua and spec/support/script.lua.
--
--   fake_codes.new()          { base64 = .., base64url, hex, url, query, net, sha256 }, for lb
--   fake_codes.date, time     for os: always in UTC

local sha256 = require "spec.support.sha256"

local fake_codes = {}

local function check_text(what, text)
  if type(text) ~= "string" then error(what .. " needs a text, got " .. type(text), 3) end
end

local function fails(kind, place) return nil, ("no %s at byte %d"):format(kind, place) end

-- base64, hex, URLs -------------------------------------------------------------------------------

local function base64(kind, alphabet, pads)
  local value_of = {}
  for i = 1, 64 do value_of[alphabet:byte(i)] = i - 1 end

  local function encode(bytes)
    check_text("lb." .. kind .. ".encode", bytes)
    local out = bytes:gsub("..?.?", function(group)
      local a, b, c = group:byte(1, 3)
      local number = a * 65536 + (b or 0) * 256 + (c or 0)
      local text = {}
      for i = 0, 3 do
        local digit = math.floor(number / 64 ^ (3 - i)) % 64
        text[i + 1] = i <= #group and alphabet:sub(digit + 1, digit + 1) or pads and "=" or ""
      end
      return table.concat(text)
    end)
    return out
  end

  local function decode(text)
    check_text("lb." .. kind .. ".decode", text)
    local digits = #text
    if #text % 4 == 0 then digits = #text:match "^(.-)=?=?$" end
    local out, group, bits = {}, 0, 0
    for i = 1, digits do
      local value = value_of[text:byte(i)]
      if not value then return fails(kind, i) end
      group, bits = group * 64 + value, bits + 6
      if bits >= 8 then
        bits = bits - 8
        out[#out + 1] = string.char(math.floor(group / 2 ^ bits))
        group = group % 2 ^ bits
      end
    end
    if digits % 4 == 1 or pads and #text % 4 ~= 0 then return fails(kind, #text + 1) end
    if group ~= 0 then return fails(kind, digits) end
    return table.concat(out)
  end

  return { encode = encode, decode = decode }
end

local LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

local function to_hex(bytes)
  check_text("lb.hex.encode", bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local function from_hex(text)
  check_text("lb.hex.decode", text)
  local wrong = text:find "%X"
  if wrong or #text % 2 == 1 then return fails("hex", wrong or #text + 1) end
  return (text:gsub("..", function(digits) return string.char(tonumber(digits, 16)) end))
end

local function to_url(bytes)
  check_text("lb.url.encode", bytes)
  return (bytes:gsub("[^%w%-._~]", function(c) return ("%%%02X"):format(c:byte()) end))
end

local function unescaped(text)
  return (text:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

local function from_url(text)
  check_text("lb.url.decode", text)
  local wrong = text:find("%%%X") or text:find("%%%x%X") or text:find "%%%x?$"
  if wrong then return fails("percent-encoding", wrong) end
  return unescaped(text)
end

-- Queries -----------------------------------------------------------------------------------------

local function new_query(values, all)
  local methods = {}
  local query = {}
  function methods.all(given, name)
    if given ~= query then error("call it on a query, with a colon: query:all(name)", 2) end
    return { unpack(values[name] or {}) }
  end
  function methods.each(given)
    if given ~= query then error("call it on a query, with a colon: query:each()", 2) end
    local i = 0
    return function()
      i = i + 1
      if all[i] then return all[i][1], all[i][2] end
    end
  end
  return setmetatable(query, {
    __index = function(_, name) return methods[name] or (values[name] or {})[1] end,
    __newindex = function(_, key) error("a query is read-only: " .. tostring(key), 2) end,
    fields = methods, -- for specs that list them
  })
end

local function query(text)
  check_text("lb.query", text)
  local values, all = {}, {}
  for pair in text:gmatch "[^&]+" do
    if #all == 100 then return new_query(values, all), "more than 100 pairs" end
    local name, value = pair:match "^([^=]*)=?(.*)$"
    name, value = unescaped((name:gsub("+", " "))), unescaped((value:gsub("+", " ")))
    values[name] = values[name] or {}
    table.insert(values[name], value)
    all[#all + 1] = { name, value }
  end
  return new_query(values, all)
end

-- Networks ----------------------------------------------------------------------------------------

local function v4_bytes(text)
  local parts = { text:match "^(%d+)%.(%d+)%.(%d+)%.(%d+)$" }
  for i = 1, #parts do
    if tonumber(parts[i]) > 255 or parts[i]:find "^0%d" then return nil end
    parts[i] = tonumber(parts[i])
  end
  return #parts == 4 and parts or nil
end

local function groups_of(text, bytes)
  for group in (text .. ":"):gmatch "([^:]*):" do
    if not group:find "^%x%x?%x?%x?$" then return nil end
    local number = tonumber(group, 16)
    bytes[#bytes + 1] = math.floor(number / 256)
    bytes[#bytes + 1] = number % 256
  end
  return bytes
end

-- 16 bytes, IPv4 as v4-mapped; nil: no address.
local function bytes_of(text)
  if text:find "%z" then return nil end
  local v4 = v4_bytes(text)
  if v4 then return { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, unpack(v4) } end
  local head, last = text:match "^(.*:)(%d+%.%d+%.%d+%.%d+)$"
  if head then
    v4 = v4_bytes(last)
    if not v4 then return nil end
    text = head .. ("%x:%x"):format(v4[1] * 256 + v4[2], v4[3] * 256 + v4[4])
  end
  local before, behind = text:match "^(.-)::(.*)$"
  if not before then
    local bytes = groups_of(text, {})
    return bytes and #bytes == 16 and bytes or nil
  end
  local first = before == "" and {} or groups_of(before, {})
  local rest = behind == "" and {} or groups_of(behind, {})
  if not first or not rest or #first + #rest > 14 then return nil end
  while #first + #rest < 16 do first[#first + 1] = 0 end
  for i = 1, #rest do first[#first + 1] = rest[i] end
  return first
end

local function is_v4(bytes)
  for i = 1, 12 do
    if bytes[i] ~= (i > 10 and 255 or 0) then return false end
  end
  return true
end

local function bit_of(bytes, i) return math.floor(bytes[math.floor(i / 8) + 1] / 2 ^ (7 - i % 8)) % 2 end

local function parse(text)
  local address, digits = text:match "^([^/]*)/?(%d*)$"
  local bytes = address and bytes_of(address)
  if not bytes then return nil, "expected an address or a network" end
  local most = address:find(":", 1, true) and 128 or 32
  local prefix = text:find("/", 1, true) and tonumber(digits) or most
  if prefix > most or (digits == "" and text:find("/", 1, true)) then return nil, "expected a prefix" end
  prefix = most == 32 and prefix + 96 or prefix
  for i = prefix, 127 do
    if bit_of(bytes, i) == 1 then return nil, "bits beyond the prefix are set" end
  end
  return { bytes = bytes, prefix = prefix }
end

local function is_part(part, network)
  if network.prefix > part.prefix or (network.prefix < 96 and is_v4(part.bytes)) then return false end
  for i = 0, network.prefix - 1 do
    if bit_of(part.bytes, i) ~= bit_of(network.bytes, i) then return false end
  end
  return true
end

local function net(...)
  local given = { ... }
  if type(given[1]) == "table" and #given == 1 then given = given[1] end
  if #given == 0 then error("lb.net needs 1 to 10000 networks", 2) end
  local networks = {}
  for i, text in ipairs(given) do
    if type(text) ~= "string" then error(("lb.net: network %d is a text"):format(i), 2) end
    local network, wrong = parse(text)
    if not network then error(("lb.net: '%s': %s"):format(text, wrong), 2) end
    networks[i] = network
  end
  local methods, made = {}, {}
  function methods.has(given_net, address)
    if given_net ~= made then error("call it on a net, with a colon: net:has(address)", 2) end
    local part = type(address) == "string" and parse(address)
    if not part or (address:find("/", 1, true) and part.prefix ~= 64) then return false end
    for _, network in ipairs(networks) do
      if is_part(part, network) then return true end
    end
    return false
  end
  return setmetatable(made, {
    __index = function(_, key) return methods[key] or error("unknown field '" .. tostring(key) .. "' of a net", 2) end,
    fields = methods, -- for specs that list them
  })
end

-- Dates -------------------------------------------------------------------------------------------

function fake_codes.date(format, when)
  format, when = format or "%c", when or os.time()
  if type(format) ~= "string" then error("os.date needs a format, got " .. type(format), 2) end
  if type(when) ~= "number" or not (when >= -62135596800 and when <= 253402300799) then
    error("os.date: a time is a number of seconds in the years 1 to 9999", 2)
  end
  if format:sub(1, 1) ~= "!" then error("os.date gives UTC only, for which a '!' stands in front", 2) end
  format = format:sub(2)
  local wrong = ((format:gsub("%%[aAbBcCdDeFgGhHIjmMnprRStTuUVwWxXyYzZ%%]", "")):match "%%.?")
  if wrong then error("os.date: there is no '" .. wrong .. "'", 2) end
  if #format > 256 or format:find "%z" then error("os.date: a format has 256 bytes at most, and no NUL", 2) end
  return os.date("!" .. format, math.floor(when))
end

-- The days since 1970 of a date of the Gregorian calendar, whose month may be beyond a year.
local function days_of(year, month, day)
  year, month = year + math.floor((month - 1) / 12), (month - 1) % 12 + 1
  if month <= 2 then year, month = year - 1, month + 12 end
  return 365 * year + math.floor(year / 4) - math.floor(year / 100) + math.floor(year / 400)
    + math.floor((153 * (month - 3) + 2) / 5) + day - 1 - 719468
end

function fake_codes.time(when)
  if when == nil then return os.time() end
  local function field(name, default)
    local value = tonumber(when[name] == nil and default or when[name])
    if not value then error("os.time: the field '" .. name .. "' is missing", 3) end
    if math.abs(value) > 1e9 then error("os.time: the field '" .. name .. "' is out of bounds", 3) end
    return math.floor(value)
  end
  local days = days_of(field "year", field "month", field "day")
  return days * 86400 + field("hour", 12) * 3600 + field("min", 0) * 60 + field("sec", 0)
end

function fake_codes.new()
  return {
    base64 = base64("base64", LETTERS .. "+/", true), base64url = base64("base64url", LETTERS .. "-_", false),
    hex = { encode = to_hex, decode = from_hex },
    url = { encode = to_url, decode = from_url },
    query = query, net = net,
    sha256 = function(text)
      check_text("lb.sha256", text)
      if #text > 2 ^ 18 then error("lb.sha256: a text has 262144 bytes at most", 2) end
      return to_hex(sha256.digest(text))
    end,
  }
end

return fake_codes
