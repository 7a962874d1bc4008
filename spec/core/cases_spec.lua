-- The cases of spec/cases/requests_*.lua through the pure functions alone: bytes in, a decision
-- out. Each is read in one piece, a byte at a time, and split at every place, with the same result.
local ffi = require "ffi"
local conformance = require "spec.support.conformance"
local core = require "spec.support.forward"
local http = require "spec.support.http"
local messages = require "spec.support.messages"

ffi.cdef [[
struct case_request {
  struct target_seen target;
  struct slice host;
  int framing;
  uint64_t length;
  bool wants_upgrade, has_max_forwards, may_end_here;
  uint64_t max_forwards;
  struct slice host_name;
};
int case_check(const struct head_seen *, struct arena_seen *, struct case_request *) __asm__("request_check");
unsigned case_fault_status(int) __asm__("request_fault_status");
bool case_keeps_alive(const struct head_seen *) __asm__("head_keeps_alive");
]]

local PROXY, BACKEND = { address = "127.0.0.1:3030" }, { address = "127.0.0.1:9001" }
local PEER, PROTO = "127.0.0.1", "http"
local CHUNKED = 2
local STATUSES = {
  ["bad"] = 400, ["cut"] = 400, ["bad version"] = 505, ["long line"] = 414, ["large head"] = 431, ["many fields"] = 431,
}

local function settings_of(case) return assert(loadstring("return {" .. (case.limits or "") .. "}"))() end

local function forward(arena, head, request, settings)
  local what = ffi.new "struct forward_request_given"
  what.head, what.target, what.framing, what.length = head, request.target, request.framing, request.length
  what.host = request.host.length > 0 and request.host or http.slice(BACKEND.address)
  what.peer_ip, what.proto = http.slice(PEER), http.slice(PROTO)
  what.is_trusted = table.concat(settings.trusted_proxies or {}):find("127.", 1, true) ~= nil
  what.adds_forwarded = settings.forwarded == true
  what.wants_upgrade, what.has_max_forwards = request.wants_upgrade, request.has_max_forwards
  what.max_forwards, what.names_no_host = request.max_forwards, request.host.length == 0
  return http.text(core.forward_request_head(arena, what))
end

-- What becomes of a complete head: head (as forwarded), status or ends_here; is_chunked and keeps.
local function decide(parse, settings)
  local arena, request = http.arena(), ffi.new "struct case_request"
  local fault = core.case_check(parse.head, arena, request)
  if fault ~= 0 then return { status = core.case_fault_status(fault) } end
  if not core.parse_agrees(parse, request.framing, request.length) then return { status = 400 } end
  local keeps = core.case_keeps_alive(parse.head)
  local is_unwanted = http.text(parse.head.method) == "TRACE" and not settings.trace
  if request.may_end_here and (is_unwanted or request.has_max_forwards and request.max_forwards == 0) then
    return { ends_here = true, keeps = keeps }
  end
  local on = forward(arena, parse.head, request, settings)
  return { head = on, is_chunked = request.framing == CHUNKED, keeps = keeps }
end

-- The trailers that are forwarded, of the head that was sent.
local function trailers_of(sent, trailers)
  if not trailers then return "" end
  local lines = {}
  for line in sent:match "^(.-)\r\n\r\n":gmatch "\r\n([^\r]+)" do lines[#lines + 1] = line end
  local head, kept = http.head(lines)
  local fields, kept_too = http.head(trailers)
  local text = http.text(core.forward_trailers(http.arena(), head, fields.fields, fields.fields_count, nil))
  assert(kept and kept_too)
  return text
end

local function body_of(decision, seen, sent)
  if not decision.is_chunked then return seen.body end
  local chunk = #seen.body > 0 and ("%x\r\n%s\r\n"):format(#seen.body, seen.body) or ""
  return chunk .. (seen.result == "end" and "0\r\n" .. trailers_of(sent, seen.trailers) .. "\r\n" or "")
end

-- What is forwarded of all that was sent, and the status of a refusal, if there is one.
local function outcome_of(case)
  local settings, rest, on = settings_of(case), conformance.sent(case), {}
  local ended_by_client = type(case.send) == "table" and type(case.send[#case.send]) == "table"
  local limits = { request_line = 8192, head = 65536, fields = 128 }
  for name in pairs(limits) do limits[name] = (settings.limits or {})[name] or limits[name] end
  while #rest > 0 do
    local decision
    local seen = http.read_every_way(rest, { limits = limits, finish = ended_by_client or nil,
      on_parsed = function(parse) decision = decide(parse, settings) end })
    if decision and decision.status then return table.concat(on), decision.status end
    if decision and decision.head then
      on[#on + 1] = decision.head .. body_of(decision, seen, rest:gsub("^[\r\n]+", ""))
    end
    if seen.result ~= "end" then return table.concat(on), STATUSES[seen.result] end
    if not decision.keeps then break end
    rest = seen.rest
  end
  return table.concat(on), nil
end

local function list_of(value) return type(value) == "table" and value or { value } end

local function is_one_of(value, list)
  for _, one in ipairs(list_of(list)) do
    if value == one then return true end
  end
  return false
end

-- A body beyond its limit, and an answer before it is there, are no matter of the bytes alone.
local function is_of_bytes(case)
  return not is_one_of(413, case.refused or 0) and not (case.backend_cut and not case.refused)
end

describe("to the pure functions, a request with", function()
  for _, case in ipairs(conformance.load "requests_") do
    if is_of_bytes(case) then
      it(("%s: %s"):format(case.rule, case.name), function()
        local wanted = conformance.wanted(case, PROXY, BACKEND)
        local on, status = outcome_of(case)
        if case.refused then
          assert(is_one_of(status, case.refused) or not status and is_one_of(0, case.refused),
            ("%s, and not %s"):format(status, table.concat(list_of(case.refused), " or ")))
        else
          assert.is_nil(status)
        end
        assert.equal(messages.merge(wanted.backend and wanted.backend[1] or ""), on)
      end)
    end
  end
end)
