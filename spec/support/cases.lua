-- cases - shorthand for tables of cases (spec/support/conformance.lua says what a case has).
--
--   local cases = require("spec.support.cases").new()
--   cases:refused(rule, name, send, status, more)   400 unless status is given; another request
--                                                   comes right behind, and must not be looked at
--   cases:passes(rule, name, send, backend, more)   reaches the backend like this, is
--                                                   answered, and the connection stays open;
--                                                   more: other members of the case
--   cases:add(case)
--   request(fields, method, target)                 a 1.1 request with Host: x before these lines
--   forwarded(fields, method, target)               how that reaches the backend

local cases = {}
cases.__index = cases

local NEXT = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"

function cases.new() return setmetatable({}, cases) end

function cases:add(case) self[#self + 1] = case end

local function with(case, more)
  for name, value in pairs(more or {}) do case[name] = value end
  return case
end

function cases:refused(rule, name, send, status, more)
  self:add(with({ rule = rule, name = name, send = send .. NEXT, refused = status or 400 }, more))
end

function cases:passes(rule, name, send, backend, more)
  self:add(with({ rule = rule, name = name, send = send, backend = backend, keeps = true }, more))
end

function cases.request(fields, method, target)
  return ("%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n"):format(method or "GET", target or "/", fields or "")
end

function cases.forwarded(fields, method, target)
  return ("%s %s HTTP/1.1\r\nHost: x\r\n%s%%added%%\r\n"):format(method or "GET", target or "/", fields or "")
end

return cases
