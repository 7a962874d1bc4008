-- Ejects a backend for a while when too many of its answers are failures or 5xx, so that clients do
-- not wait for them. At most `cap` of all backends are out at once: if all fail, it is no backend's
-- own fault. Suits backends that fail while they still accept connections. They take turns by
-- weight: by work in flight one that fails fast would get too much, or too little to be judged.
local in_turn = require("weighted_round_robin").choose

return lb.script({
  error_rate = 0.5,        -- of the last seconds,
  requests = 20,           -- if there were so many in the last 10 s
  eject_for = 30,
  cap = 0.5,
}, function(options, script)                           -- script: differs for each breaker
  local windows = {}
  local function recent(backend)
    local name = backend.name
    windows[name] = windows[name] or lb.window(script .. ":" .. name, 10)
    return windows[name]
  end

  local function may_eject(all)
    local out = 1
    for _, one in ipairs(all) do
      if one.state ~= "up" then out = out + 1 end
    end
    return out <= options.cap * #all
  end

  ---@type lb.Script
  return {
    choose = function(ctx, backends)
      local chosen = in_turn(ctx, backends)
      if chosen == nil then return nil end
      if (recent(chosen):add() or 0) > options.requests and chosen.error_rate >= options.error_rate
        and #backends > 1 and may_eject(backends.all) then
        chosen:eject(options.eject_for, ("%d %% errors"):format(chosen.error_rate * 100))
        return backends:min(function(one) return one == chosen and math.huge or one.in_flight / one.weight end)
      end
      return chosen
    end,
  }
end)
