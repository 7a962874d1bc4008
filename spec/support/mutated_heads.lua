-- mutated_heads - mutated messages through core/http, without sockets: parser and judges of heads.
--
--   mutated_heads.run { seed =, from =, to = }    findings as of spec/support/campaign.lua; counts
--
-- However the bytes are cut, the result is that of one piece. A message that lb accepts is one for
-- the strict reader (spec/support/reader.lua), too, and the same one: line, fields, body, and where
-- the next one begins. What is one for that reader is accepted, unless
-- core/reference/rules.md says that lb refuses it.

local ffi = require "ffi"
local core = require "spec.support.core"
local http = require "spec.support.http"
local mutate = require "spec.support.mutate"
local reader = require "spec.support.reader"

ffi.cdef [[
int mutated_request_check(const struct head_seen *, struct arena_seen *, void *out) __asm__("request_check");
int mutated_framing_of_request(const struct head_seen *, uint64_t *length) __asm__("framing_of_request");
int mutated_framing_of_response(const struct head_seen *, bool answers_head, uint64_t *length)
  __asm__("framing_of_response");
]]

local mutated_heads = {}

local EMPTY_LINES = 4
local FRAMING_REFUSED = 4
local FINDINGS_PER_KIND = 20
local DISAGREES = 100
local FIELDS = { "result", "why", "head", "body", "rest", "head_bytes", "fault", "fields", "trailers" }

local checked = ffi.new "char[1024]" -- a struct request, and more
local length = ffi.new "uint64_t[1]"

-- What decides over a head: 0, or why not.
local function fault_of(parse, method)
  local framing
  if method then
    framing = core.mutated_framing_of_response(parse.head, method == "HEAD", length)
    if framing == FRAMING_REFUSED then return framing end
  else
    local arena = http.arena()
    local fault = core.mutated_request_check(parse.head, arena, checked)
    core.http_arena_dispose(arena)
    if fault ~= 0 then return fault end
    framing = core.mutated_framing_of_request(parse.head, length)
  end
  return core.parse_agrees(parse, framing, length[0]) and 0 or DISAGREES
end

local function read(bytes, cut, method)
  local fault
  local seen = http.read(bytes, cut, {
    response = method ~= nil, answers_head = method == "HEAD", finish = true,
    on_parsed = function(parse) fault = fault_of(parse, method) end,
  })
  seen.fault = fault
  seen.fields = seen.fields and table.concat(seen.fields, "\r\n")
  seen.trailers = table.concat(seen.trailers or {}, "\r\n")
  return seen
end

-- Where the reads end: behind each piece.
local function cut_at(pieces)
  local ends, at = {}, 0
  for i, piece in ipairs(pieces) do
    at = at + #piece
    ends[i] = at
  end
  local nth = 1
  return function(from)
    while ends[nth] and ends[nth] <= from do nth = nth + 1 end
    return ends[nth] or math.huge
  end
end

local function difference(a, b)
  for _, name in ipairs(FIELDS) do
    if a[name] ~= b[name] then return ("%s: %s, and %s"):format(name, tostring(a[name]), tostring(b[name])) end
  end
end

local function strict_reading(bytes, method)
  if not method then return reader.requests(bytes, nil, EMPTY_LINES) end
  return reader.responses(bytes, { { method = method, version = "1.1", wants_upgrade = true } }, "end")
end

-- What the reader has, as http.read says it.
local function joined(fields)
  local list = {}
  for i, field in ipairs(fields or {}) do list[i] = field[1] .. ": " .. field[2] end
  return table.concat(list, "\r\n")
end

local function as_seen(message, bytes, method)
  local line = method and ("%s %d %s"):format(message.version, message.status, message.reason)
    or ("%s %s %s"):format(message.method, message.target, message.version)
  return {
    head = line, fields = joined(message.fields), body = message.body, trailers = joined(message.trailers),
    rest = bytes:sub(message.to + 1), result = "end",
  }
end

-- What lb refuses, although it is valid: more than its limits, CONNECT, a TRACE with a body, a
-- Max-Forwards that is not one number, more than 64 options in Connection, white space in a chunk's
-- extensions.
local FAULTS_OF_CHOICE = { [7] = true, [8] = true, [9] = true }
local RESULTS_OF_CHOICE = { ["long line"] = true, ["large head"] = true, ["many fields"] = true }

local function is_refused_by_choice(seen, message)
  return message.method == "CONNECT" or FAULTS_OF_CHOICE[seen.fault] or RESULTS_OF_CHOICE[seen.result] or
    seen.why == "too many bytes of chunk sizes, extensions and trailers" or
    reader.connection_options(message) > 64 or reader.has_white_extensions(message)
end

-- method: of the request that the bytes answer; nil: they are a request themselves.
local function judge(bytes, pieces, method)
  local whole = read(bytes, function() return #bytes end, method)
  local cut = read(bytes, cut_at(pieces), method)
  local differs = difference(whole, cut)
  if differs then return "the result depends on the cuts: " .. differs end
  local list, how, why = strict_reading(bytes, method)
  local message = list[1]
  local is_accepted = whole.result == "end" and whole.fault == 0
  if not is_accepted then
    if not message or not message.is_whole then return nil, "refused" end
    if is_refused_by_choice(whole, message) then return nil, "refused, though valid" end
    return ("valid, and refused: %s %s, fault %s"):format(whole.result, whole.why or "", tostring(whole.fault))
  end
  if not message or not message.is_whole then return "accepted, and is no message: " .. (why or how) end
  local expected = as_seen(message, bytes, method)
  expected.head_bytes, expected.fault = whole.head_bytes, whole.fault
  differs = difference(whole, expected)
  if differs then return "read in another way than the strict reader does: " .. differs end
  return nil, "accepted"
end

function mutated_heads.run(options)
  local findings, counts = {}, {}
  for number = options.from, options.to do
    local method = number % 4 == 0 and (number % 16 == 0 and "HEAD" or "GET") or nil
    local r = mutate.random(options.seed, number, 5)
    local make = method and mutate.response or mutate.request
    local bytes = mutate.mutate(r, make(r, number), make(r, number, 7))
    local ok, what, counted = pcall(judge, bytes, mutate.cuts(r, bytes), method)
    if not ok then what = "an error: " .. tostring(what) end
    if what then
      local kind = "found: " .. what:gsub("%d+", "N"):sub(1, 80)
      counts[kind] = (counts[kind] or 0) + 1
      if counts[kind] <= FINDINGS_PER_KIND then
        findings[#findings + 1] = { kind = "heads", seed = options.seed, number = number, what = what, bytes = bytes }
      end
    else
      counts[counted] = (counts[counted] or 0) + 1
    end
  end
  return findings, counts
end

return mutated_heads
