-- grafana - the queries of infra/grafana.json.
--
--   grafana.queries()      a list of texts
--   grafana.filled(text)   the same without Grafana's variables, as Prometheus takes it

local json = require "dkjson"
local files = require "spec.support.files"

local grafana = {}

local function gather(value, list)
  if type(value) ~= "table" then return list end
  if type(value.expr) == "string" then list[#list + 1] = value.expr end
  for _, one in pairs(value) do gather(one, list) end
  return list
end

function grafana.queries()
  return gather(assert(json.decode(files.read "infra/grafana.json")), {})
end

function grafana.filled(text)
  return (text:gsub("%$__rate_interval", "1m"):gsub("%$%l+", ".*"))
end

return grafana
