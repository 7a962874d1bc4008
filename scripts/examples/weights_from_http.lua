-- Takes the weights of the backends from a service, every 5 s, and spreads requests by them:
-- {"a": 3, "b": 1, "c": 0}. A backend with 0 gets no new requests. Suits a scheduler or a
-- deployment that knows more than lb. While the service does not answer, or with nonsense, the last
-- weights stay; backends that it does not name keep theirs.
local SERVICE = "http://127.0.0.1:9009/weights"

local function is_weight(value)
  return type(value) == "number" and value >= 0 and value <= 65535 and value % 1 == 0
end

local function refresh()
  local res, why = lb.http.get(SERVICE, { timeout = 2 })
  local weights = res and res.status == 200 and lb.json.decode(res.body)
  if type(weights) ~= "table" then
    return lb.log.warn("the old weights stay: " .. (why or "no JSON object"))
  end
  for _, one in ipairs(lb.backends) do
    local weight = weights[one.name]
    if is_weight(weight) and weight ~= one.weight then one:set_weight(weight) end
  end
end

lb.after(0, refresh, { once = true })                  -- in one process, for all workers
lb.every(5, refresh, { once = true })

---@type lb.Script
return {
  backends = { { name = "a", address = "127.0.0.1:9001" }, { name = "b", address = "127.0.0.1:9002" } },
  choose = require("weighted_round_robin").choose,
}
