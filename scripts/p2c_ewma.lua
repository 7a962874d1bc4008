-- Looks at two backends by chance and takes the one that would answer sooner: its latency of the last seconds
-- times the work that waits there. Suits many workers or balancers in front of backends whose speed varies;
-- a slow one gets little, and is tried again as its latency fades.
local function cost(backend) return backend.ewma_ms * (backend.in_flight + 1) / backend.effective_weight end

return lb.script({}, function()
  return {
    choose = function(ctx, backends)
      local one, other = backends:sample(2)
      if other and cost(other) < cost(one) then return other end
      return one
    end,
  }
end)
