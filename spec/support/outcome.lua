-- Builds what a policy is shown of a try's end: a response's head, or a failure.
--
--   outcome.response { status = 503, headers = { ["Retry-After"] = "1" } }   res of on_response
--   outcome.failure { kind = "reset", phase = "head" }                       err of on_failure
--   outcome.finish(ctx, { status = 499 })     the request is over: calls what ctx:finally was given
--
-- A response without a status is a 200.

local fake_headers = require "spec.support.fake_headers"

local outcome = {}

local RESPONSE = { status = true, headers = true, grpc_status = true }
local FAILURE = { kind = "connect", phase = "connect", message = "connection refused" }

local function strict(what, built, fields)
  return setmetatable(built, {
    __index = function(_, key)
      if key == "grpc_status" and fields[key] then return nil end
      error("unknown field '" .. tostring(key) .. "' of " .. what, 2)
    end,
    __newindex = function(_, key) error(what .. " is read-only: " .. tostring(key), 2) end,
    fields = fields, -- for specs that list them
  })
end

local function check(what, given, known)
  for name in pairs(given) do
    assert(known[name], what .. " has no field '" .. tostring(name) .. "'")
  end
end

function outcome.response(given)
  check("a response", given, RESPONSE)
  local built = { status = given.status or 200, headers = fake_headers(given.headers), grpc_status = given.grpc_status }
  return strict("res", built, RESPONSE)
end

function outcome.failure(given)
  check("a failure", given, FAILURE)
  local built = {}
  for name, default in pairs(FAILURE) do built[name] = given[name] or default end
  return strict("err", built, FAILURE)
end

-- As in lb each function is called, also after another one fails; then its error is raised.
function outcome.finish(ctx, result)
  local finals, failure = rawget(ctx, "finals") or {}, nil
  rawset(ctx, "finals", "called")
  rawset(ctx, "result", result)
  for i = finals == "called" and 0 or #finals, 1, -1 do
    local ok, err = pcall(finals[i], ctx)
    if not ok then failure = failure or err end
  end
  if failure then error(failure, 0) end
end

return outcome
