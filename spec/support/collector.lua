-- collector - takes spans by OTLP over HTTP, as a script says, and checks their shape.
--
--   local c = collector.new(fn)       fn(n, request) gives body, status and fields of the n-th
--                                     answer; without fn all are taken
--   c.url                             for the setting tracing.to
--   c.requests                        as of an origin
--   c:spans()                         all that have come, in order: plain tables, with attributes
--                                     by name
--   c:wait(n, what)                   waits for n of them
--   collector.trace(spans)            of one request: its server span, and a list of its tries

local json = require "dkjson"
local luassert = require "luassert"
local play = require "spec.support.play"

local collector = {}

local Collector = {}
Collector.__index = Collector

function collector.new(fn)
  local c = setmetatable({}, Collector)
  c.origin = play.answering(function(request)
    if fn then return fn(#c.origin.requests, request) end
    return "{}", 200, "Content-Type: application/json\r\n"
  end)
  c.requests = c.origin.requests
  c.url = ("http://%s/v1/traces"):format(c.origin.address)
  return c
end

local function is_text(value) return type(value) == "string" end
local function is_digits(value) return is_text(value) and value:find "^%d+$" ~= nil end

-- An attribute has a text, or a number as a text.
local function value_of(attribute)
  luassert.is_true(is_text(attribute.key))
  local kind, value = next(attribute.value)
  luassert.is_nil((next(attribute.value, kind)))
  luassert.is_true(kind == "stringValue" and is_text(value) or kind == "intValue" and is_digits(value), kind)
  return kind == "intValue" and tonumber(value) or value
end

local function by_name(list)
  local found = {}
  for _, attribute in ipairs(list) do
    luassert.is_nil(found[attribute.key], attribute.key)
    found[attribute.key] = value_of(attribute)
  end
  return found
end

local MEMBERS = {
  traceId = true, spanId = true, parentSpanId = true, name = true, kind = true, startTimeUnixNano = true,
  endTimeUnixNano = true, attributes = true, status = true,
}

local function span_of(given)
  for name in pairs(given) do luassert.is_true(MEMBERS[name], name) end
  luassert.truthy(given.traceId:find("^" .. ("[0-9a-f]"):rep(32) .. "$"))
  luassert.truthy(given.spanId:find("^" .. ("[0-9a-f]"):rep(16) .. "$"))
  luassert.is_true(given.kind == 2 or given.kind == 3)
  luassert.is_true(is_digits(given.startTimeUnixNano) and is_digits(given.endTimeUnixNano))
  return {
    trace = given.traceId, span = given.spanId, parent = given.parentSpanId, name = given.name, kind = given.kind,
    from = given.startTimeUnixNano, to = given.endTimeUnixNano, attributes = by_name(given.attributes),
    has_failed = given.status ~= nil and given.status.code == 2,
  }
end

-- ExportTraceServiceRequest (opentelemetry-proto, collector/trace/v1), as its JSON has it.
local function spans_of(body)
  local decoded = assert(json.decode(body))
  luassert.equal(1, #decoded.resourceSpans)
  local resource = decoded.resourceSpans[1]
  luassert.equal(1, #resource.scopeSpans)
  luassert.equal("lb", resource.scopeSpans[1].scope.name)
  local list, of = {}, by_name(resource.resource.attributes)
  for i, span in ipairs(resource.scopeSpans[1].spans) do
    list[i] = span_of(span)
    list[i].service = of["service.name"]
  end
  return list
end

function Collector:spans()
  local all = {}
  for _, request in ipairs(self.requests) do
    for _, span in ipairs(spans_of(request.body)) do all[#all + 1] = span end
  end
  return all
end

function Collector:wait(n, what)
  play.wait(what or n .. " spans", function() return #self:spans() >= n end)
  return self:spans()
end

function collector.trace(spans)
  local server, tries = nil, {}
  for _, span in ipairs(spans) do
    if span.kind == 2 then
      luassert.is_nil(server)
      server = span
    else
      tries[#tries + 1] = span
    end
  end
  return server, tries
end

return collector
