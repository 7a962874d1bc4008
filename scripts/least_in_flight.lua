-- Sends each request to the backend with the least work in flight for its weight.
-- Suits requests of uneven cost. Keeps no state of its own.
local function load(backend) return backend.in_flight / backend.effective_weight end

return lb.script({}, function()
  return {
    choose = function(ctx, backends)
      return backends:min(load)        -- ties rotate, so an idle pool shares the work
    end,
  }
end)
