-- reader - an independent reading of HTTP/1.1 messages, written from RFC 9112, without core/http.
--
--   reader.requests(bytes, mode, empty_lines)        the messages in the bytes, and the verdict
--   reader.responses(bytes, requests, ended, mode)   the same for what answers these requests
--   reader.origin(request)                       the target in origin-form, as a backend gets it
--   reader.value(message, name)                  of the first field of that name
--   reader.values(message, name)                 of all of them
--   reader.lists(message, name, member)          is it in a list, with commas, of that name?
--
-- The strict reading (mode nil) refuses whatever two readers could understand differently; the
-- lenient ones (spec/support/readings.lua) do what readers in the field are known to do instead.
-- The verdict is
--   "whole"    the bytes are messages, each complete
--   "cut"      they are, but for the last one, which is well-formed as far as it goes
--   "bad"      one is malformed; then why says how
--   "tunnel"   behind the last message the connection is no HTTP any more (101)
--   "surplus"  (responses) there are bytes that answer no request
-- A message has from, to (its first and last byte), first (line), fields ({ name, value }, in
-- order), method, target, version or version, status, reason; framing ("none", "counted",
-- "chunked", "close"), body, trailers, extensions (of its chunks, as one text); is_whole. The last
-- of a list may be a message that is not whole: it has a head, or only from.

local ffi = require "ffi"
ffi.cdef "int inet_pton(int family, const char *text, void *out);"

local reader = {}

local find, match, sub, lower, byte = string.find, string.match, string.sub, string.lower, string.byte
local TOKEN = "[%w!#$%%&'*+%-.^_`|~]"
local WHOLE_TOKEN = "^" .. TOKEN .. "+$"
local CONTROL = "[%z\1-\8\10-\31\127]"
local INET6 = 10
local LARGEST = "9223372036854775807" -- 2^63 - 1

local STRICT = {}

-- A result that ends the reading: an error with a table would cost too much.
local CUT, BAD = "cut", "bad"

local function trim(text) return match(text, "^[ \t]*(.-)[ \t]*$") end

-- The line at a place without its end, and where the next begins; or nil, CUT or BAD, and why.
local function take_line(bytes, at, mode)
  local from = at
  while true do
    local stop = find(bytes, "[\r\n]", at)
    if not stop then return nil, CUT end
    if byte(bytes, stop) == 10 then
      if mode.lf then return sub(bytes, from, stop - 1), stop + 1 end
      return nil, BAD, "a bare LF"
    end
    local behind = byte(bytes, stop + 1)
    if behind == 10 then return sub(bytes, from, stop - 1), stop + 2 end
    if not behind then return nil, CUT end
    if mode.cr then return sub(bytes, from, stop - 1), stop + 1 end
    if not mode.bytes then return nil, BAD, "a bare CR" end
    at = stop + 1
  end
end

-- One line to a field: false and why if it is none.
local function read_field(line, mode)
  local colon = find(line, ":", 1, true)
  if not colon then return not mode.bytes and "a line that is no field" end
  local name, value = sub(line, 1, colon - 1), trim(sub(line, colon + 1))
  if mode.nul then
    name, value = match(name, "^%z*([^%z]*)"), match(value, "^([^%z]*)")
  end
  if mode.space then name = trim(name) end
  if not mode.bytes then
    if not find(name, WHOLE_TOKEN) then return "a field name that is no token" end
    if find(value, CONTROL) then return "a control byte in a field value" end
  end
  return nil, name, value
end

-- The fields from a place to the empty line, and where the body begins.
local function take_fields(bytes, at, mode)
  local fields, count = {}, 0
  while true do
    local line, after, why = take_line(bytes, at, mode)
    if not line then return nil, after, why end
    if line == "" then return fields, after end
    at = after
    if find(line, "^[ \t]") and (not mode.space or mode.fold) then
      if not mode.fold then
        if not mode.bytes then return nil, BAD, "a folded line" end
      elseif count > 0 then
        fields[count][2] = trim(fields[count][2] .. " " .. trim(line))
      end
    else
      local fault, name, value = read_field(line, mode)
      if fault then return nil, BAD, fault end
      if name then
        count = count + 1
        fields[count] = { name, value }
      end
    end
  end
end

local function values(fields, name)
  local found
  for i = 1, #fields do
    if #fields[i][1] == #name and lower(fields[i][1]) == name then
      found = found or {}
      found[#found + 1] = fields[i][2]
    end
  end
  return found or STRICT
end

function reader.value(message, name) return values(message.fields, name)[1] end
function reader.values(message, name) return values(message.fields, name) end

-- Does any field of that name have that member in its list?
function reader.lists(message, name, member)
  for _, value in ipairs(values(message.fields, name)) do
    for one in value:gmatch "[^,]+" do
      if lower(trim(one)) == member then return true end
    end
  end
  return false
end

-- --- framing ---

local function strict_length(text)
  if not find(text, "^%d+$") then return nil end
  local digits = match(text, "^0*(.-)$")
  if #digits > #LARGEST or (#digits == #LARGEST and digits > LARGEST) then return nil end
  return tonumber(digits) or 0
end

local function strict_framing(codings, lengths, version)
  if #codings > 0 and #lengths > 0 then return nil, "both framing fields" end
  if #codings > 0 then
    if #codings > 1 then return nil, "several Transfer-Encodings" end
    if version == "1.0" then return nil, "Transfer-Encoding in HTTP/1.0" end
    if lower(codings[1]) ~= "chunked" then return nil, "a transfer coding that is not chunked" end
    return "chunked"
  end
  if #lengths == 0 then return "none" end
  if #lengths > 1 then return nil, "several Content-Lengths" end
  local length = strict_length(lengths[1])
  if not length then return nil, "an invalid Content-Length" end
  return "counted", length
end

local function lenient_framing(codings, lengths, mode)
  local is_chunked = false
  for _, coding in ipairs(codings) do
    local value = lower(coding)
    if mode.coding == "contains" then
      is_chunked = is_chunked or find(value, "chunked", 1, true) ~= nil
    else
      is_chunked = is_chunked or trim(value) == "chunked"
    end
  end
  if is_chunked and not (mode.both == "cl" and #lengths > 0) then return "chunked" end
  if #lengths == 0 then return "none" end
  local all = {}
  for _, value in ipairs(lengths) do
    for one in value:gmatch "[^,]+" do all[#all + 1] = one end
  end
  local text = all[mode.length == "last" and #all or 1] or ""
  return "counted", tonumber(match(text, "^[ \t+]*(%d+)")) or 0
end

local function framing_of(fields, version, mode)
  local codings, lengths = values(fields, "transfer-encoding"), values(fields, "content-length")
  if mode.length then return lenient_framing(codings, lengths, mode) end
  return strict_framing(codings, lengths, version)
end

-- --- chunked (RFC 9112, 7.1) ---

local function quoted_end(text, at)
  at = at + 1
  while at <= #text do
    local c = byte(text, at)
    if c == 34 then return at + 1 end
    if c == 92 then
      at = at + 1
      c = byte(text, at)
    end
    if not c or (c < 32 and c ~= 9) or c == 127 then return nil end
    at = at + 1
  end
end

local function extensions_are_valid(text)
  local at = 1
  while at <= #text do
    at = match(text, "^[ \t]*;[ \t]*" .. TOKEN .. "+()", at)
    if not at then return false end
    local value = match(text, "^[ \t]*=[ \t]*()", at)
    if value then
      at = byte(text, value) == 34 and quoted_end(text, value) or match(text, "^" .. TOKEN .. "+()", value)
      if not at then return false end
    end
  end
  return true
end

local function chunk_size(line, mode)
  if mode.size then
    local digits = match(line, "^[ \t+]*0[xX](%x+)") or match(line, "^[ \t+]*(%x+)")
    return digits and tonumber(sub(digits, -13), 16)
  end
  local digits, rest = match(line, "^(%x+)(.*)$")
  if not digits or not extensions_are_valid(rest) then return nil end
  digits = match(digits, "^0*(.-)$")
  if #digits > 16 or find(digits, "^[89a-fA-F]" .. ("%x"):rep(15) .. "$") then return nil end
  return digits == "" and 0 or tonumber(digits, 16) or 2 ^ 64, rest
end

-- White space in a chunk's extensions (BWS) is valid, and only "bad".
-- How many options its Connection fields have.
function reader.connection_options(message)
  local count = 0
  for _, value in ipairs(reader.values(message, "connection")) do
    for _ in value:gmatch "[^,%s][^,]*" do count = count + 1 end
  end
  return count
end

function reader.has_white_extensions(message)
  return message.extensions ~= nil and message.extensions:gsub('"[^"]*"', ""):find "[ \t]" ~= nil
end

-- The end of the line behind a chunk's data.
local function take_data_end(bytes, at, mode)
  if sub(bytes, at, at + 1) == "\r\n" then return at + 2 end
  if mode.lf and byte(bytes, at) == 10 then return at + 1 end
  if at > #bytes or (at == #bytes and byte(bytes, at) == 13) then return nil, CUT end
  if mode.cr and byte(bytes, at) == 13 then return at + 1 end
  if mode.size then
    local line, after = take_line(bytes, at, mode)
    return line and after, not line and CUT
  end
  return nil, BAD, "a chunk without its CRLF"
end

-- The decoded body, where it ends, and the trailers; without an end, CUT or BAD, and why.
local function take_chunks(bytes, at, mode, message)
  local pieces, count = {}, 0
  local function ended(how, why) return table.concat(pieces), nil, how, why end
  while true do
    local line, after, why = take_line(bytes, at, mode)
    if not line then
      -- What is there of the line must be the beginning of one.
      local digits = sub(bytes, at)
      if after == CUT and not mode.bytes and digits ~= "" and not find(digits, "^%x+[\r \t;]?") then
        return ended(BAD, "a chunk size that is no number")
      end
      return ended(after, why)
    end
    local size, extensions = chunk_size(line, mode)
    if not size then return ended(BAD, "a malformed chunk size") end
    if extensions and extensions ~= "" then message.extensions = (message.extensions or "") .. extensions end
    if size == 0 then
      local trailers, behind, fault = take_fields(bytes, after, mode)
      if not trailers then return ended(behind, fault) end
      return table.concat(pieces), behind, trailers
    end
    count = count + 1
    pieces[count] = sub(bytes, after, math.min(after + size - 1, #bytes))
    if after + size - 1 > #bytes then return ended(CUT) end
    local next_at, how, fault = take_data_end(bytes, after + size, mode)
    if not next_at then return ended(how, fault) end
    at = next_at
  end
end

-- --- messages ---

-- Sets body, to and is_whole; gives nil, or CUT or BAD, and why.
local function take_body(message, bytes, at, ended)
  local framing = message.framing
  if framing == "none" then
    message.body, message.to = "", at - 1
  elseif framing == "counted" then
    message.body = sub(bytes, at, math.min(at + message.length - 1, #bytes))
    if #message.body < message.length then return CUT end
    message.to = at + message.length - 1
  elseif framing == "chunked" then
    local body, after, trailers, why = take_chunks(bytes, at, message.mode, message)
    message.body = body
    if not after then return trailers, why end
    message.trailers, message.to = trailers, after - 1
  else
    message.body, message.to = sub(bytes, at), #bytes
    if ended ~= "end" then return CUT end
  end
  message.is_whole = true
end

-- "host[:port]" (RFC 3986, 3.2.2): a name, an IPv4 address or an IPv6 address in brackets. A comma
-- would be valid in a name, and is what joins two fields to one.
local function authority_is_valid(text)
  local host, rest = match(text, "^(%[[^%]]*%])(.*)$")
  if not host then host, rest = match(text, "^([^:]*)(.*)$") end
  if not find(rest, "^:?%d*$") or find(rest, "^%d") or (tonumber(sub(rest, 2)) or 0) > 65535 then return false end
  local v6 = match(host, "^%[(.*)%]$")
  if v6 then
    return not find(v6, "[^%x:.]") and ffi.C.inet_pton(INET6, v6, ffi.new "char[16]") == 1
  end
  if not find(host, "^[%w%-._~!$&'()*+;=%%]+$") then return false end
  for digits in host:gmatch "%%(.?.?)" do
    if not find(digits, "^%x%x$") then return false end
  end
  return true
end

-- RFC 9112, 3.2. Real clients send bytes that RFC 3986 would have escaped ("|", "{"); they mean one
-- thing.
local function target_fault(method, target)
  if target == "" or find(target, "[^\33-\126]") or find(target, "#", 1, true) then return "a byte in the target" end
  if method == "CONNECT" then return not authority_is_valid(target) and "not an authority" or nil end
  if target == "*" then return method ~= "OPTIONS" and "an asterisk" or nil end
  if byte(target) == 47 then return nil end
  local authority = match(target, "^[hH][tT][tT][pP]://([^/?]*)")
  if not authority or not authority_is_valid(authority) then return "a target of no form" end
end

function reader.origin(request)
  if byte(request.target) == 47 or request.target == "*" then return request.target end
  local rest = match(request.target, "^%a+://[^/?]*(.*)$")
  if not rest then return request.target end
  if rest == "" then return request.method == "OPTIONS" and "*" or "/" end
  return byte(rest) == 63 and "/" .. rest or rest
end

local function request_line_fault(message, mode)
  if mode.line then
    message.method, message.target, message.version = match(message.first, "^%s*(%S+)%s+(%S*)%s*[^%d]*([%d.]*)")
    return not message.method and "no request line" or nil
  end
  message.method, message.target, message.version = match(message.first, "^([^ ]+) ([^ ]+) HTTP/(%d%.%d)$")
  if not message.method then return "a malformed request line" end
  if mode.bytes then return nil end
  if not find(message.method, WHOLE_TOKEN) then return "a method that is no token" end
  if message.version ~= "1.1" and message.version ~= "1.0" then return "another version" end
  return target_fault(message.method, message.target)
end

local function host_fault(message)
  local hosts = values(message.fields, "host")
  if #hosts > 1 then return "several Hosts" end
  if #hosts == 0 then return message.version == "1.1" and "no Host" or nil end
  return not authority_is_valid(hosts[1]) and "an invalid Host" or nil
end

-- The message whose first line is at a place: at least { from }, and nil, CUT or BAD, and why.
local function begin_message(bytes, at, mode)
  local message = { from = at, mode = mode }
  local line, after, why = take_line(bytes, at, mode)
  if not line then return message, nil, after, why end
  message.first = mode.nul and match(line, "^%z*([^%z]*)") or line
  return message, after
end

local function finish_head(message, bytes, at, mode)
  local fields, after, why = take_fields(bytes, at, mode)
  if not fields then return nil, after, why end
  message.fields = fields
  message.head_to = after - 1
  return after
end

local function read_request(bytes, at, mode)
  local message, after, how, why = begin_message(bytes, at, mode)
  if not after then return message, how, why end
  local fault = request_line_fault(message, mode)
  if fault then return message, BAD, fault end
  after, how, why = finish_head(message, bytes, after, mode)
  if not after then return message, how, why end
  fault = not mode.bytes and host_fault(message)
  if fault then return message, BAD, fault end
  message.framing, message.length = framing_of(message.fields, message.version, mode)
  if not message.framing then return message, BAD, message.length end
  message.has_head = true
  return message, take_body(message, bytes, after)
end

-- Where a request begins: behind at most so many empty lines (RFC 9112, 2.2).
local function skip_empty_lines(bytes, at, most, mode)
  while most > 0 do
    if sub(bytes, at, at + 1) == "\r\n" then
      at = at + 2
    elseif mode.lf and byte(bytes, at) == 10 then
      at = at + 1
    else
      break
    end
    most = most - 1
  end
  return at
end

function reader.requests(bytes, mode, empty_lines, from)
  mode = mode or STRICT
  local list, at = {}, from or 1
  while true do
    at = skip_empty_lines(bytes, at, empty_lines or 0, mode)
    if at > #bytes then return list, "whole" end
    local message, how, why = read_request(bytes, at, mode)
    list[#list + 1] = message
    if how then return list, how, why end
    at = message.to + 1
    -- With CONNECT no reader says what the bytes behind it are.
    if message.method == "CONNECT" then return list, "tunnel" end
  end
end

local function status_line_fault(message, mode)
  local pattern = mode.line and "^%s*HTTP/([%d.]+)%s+(%d+)%s*(.*)$" or "^HTTP/(%d%.%d) (%d%d%d)(.*)$"
  message.version, message.status, message.reason = match(message.first, pattern)
  if not message.version then return "a malformed status line" end
  message.status = tonumber(message.status)
  if mode.line or mode.bytes then return nil end
  if message.version ~= "1.1" and message.version ~= "1.0" then return "another version" end
  if message.status < 100 or message.status > 599 then return "a status of no class" end
  -- The space before an absent reason is left out by many, and read in one way only.
  if message.reason ~= "" and byte(message.reason) ~= 32 then return "a malformed status line" end
  message.reason = sub(message.reason, 2)
  return find(message.reason, CONTROL) and "a control byte in the reason" or nil
end

local function read_response(bytes, at, request, ended, mode)
  local message, after, how, why = begin_message(bytes, at, mode)
  if not after then return message, how, why end
  local fault = status_line_fault(message, mode)
  if fault then return message, BAD, fault end
  after, how, why = finish_head(message, bytes, after, mode)
  if not after then return message, how, why end
  local framing, length = framing_of(message.fields, message.version, mode)
  if not framing then return message, BAD, length end
  local status = message.status
  message.is_interim = status < 200
  if request.method == "HEAD" or message.is_interim or status == 204 or status == 304 then
    framing = "none"
  elseif framing == "none" then
    framing = "close"
  end
  message.framing, message.length, message.has_head, message.request = framing, length, true, request
  return message, take_body(message, bytes, after, ended)
end

-- requests: what was asked for, { method, version, wants_upgrade } each, in order.
-- ended: "end", "reset" or nil.
function reader.responses(bytes, requests, ended, mode)
  mode = mode or STRICT
  local list, at, answered = {}, 1, 0
  while at <= #bytes do
    local request = requests[answered + 1]
    if not request then return list, "surplus", "bytes that answer no request" end
    local message, how, why = read_response(bytes, at, request, ended, mode)
    list[#list + 1] = message
    if how then return list, how, why end
    at = message.to + 1
    if message.status == 101 then
      if not request.wants_upgrade then return list, BAD, "an upgrade that nobody asked for" end
      message.rest = sub(bytes, at)
      return list, "tunnel"
    end
    if not message.is_interim then
      answered = answered + 1
      if message.framing == "close" then return list, "whole" end
    end
  end
  return list, "whole"
end

return reader
