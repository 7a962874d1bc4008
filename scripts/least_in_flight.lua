-- Sends each request to the backend with the least work in flight for its weight.
-- Suits requests of uneven cost. Keeps no state of its own.
-- Failures come fast, so a backend that fails looks idle: each request that it has in flight, this
-- one too, counts as many times as it needs on average for a good answer.
local function load(backend)
  local good = math.max(0.1, 1 - backend.error_rate)
  return (math.floor((backend.in_flight + 1) / good) - 1) / backend.effective_weight
end

return lb.script({}, function()
  ---@type lb.Script
  return {
    choose = function(ctx, backends)
      return backends:min(load)        -- ties take turns by weight, so an idle pool shares the work
    end,
  }
end)
