-- Draws two backends by weight and takes the one that would answer sooner: its latency of the last
-- seconds times the work that waits there. Suits many workers or balancers in front of backends
-- whose speed varies; a slow one gets little, and is tried again as its latency fades. Weights
-- count in the draws, and the costs decide by chance, too, so that small differences do not decide
-- everything. lb.policy.p2c_ewma is the same, to be used in a choose.
local LEAST_MS = 1                                     -- a smaller difference says little
local FAR = 4                                          -- so many times less is far better

-- Failures come fast, which is no strength: as far as one fails, the other's time counts,
-- and only good answers do.
local function cost(one, other, more)
  local good = math.max(0.1, 1 - one.error_rate)
  local ms = math.max(one.ewma_ms, one.error_rate * other.ewma_ms) + LEAST_MS
  local weight = one.effective_weight
  return ms / good * ((one.in_flight + more) / weight + 2 / (weight + other.effective_weight))
end

return lb.script({}, function()
  ---@type lb.Script
  return {
    choose = function(ctx, backends)
      local one, other = lb.policy.random(ctx, backends), lb.policy.random(ctx, backends)
      if one == other then                             -- heavy, or one of few: is one far better?
        local two, three = backends:sample(2)
        other = two ~= one and two or three
        return other and cost(other, one, 1) * FAR < cost(one, other, 0) and other or one
      end
      local a, b = cost(one, other, 0), cost(other, one, 0)
      if ctx:random() * (a ^ 2 + b ^ 2) < a ^ 2 then one, a, other, b = other, b, one, a end
      ctx:compared(one, a, other, b)                   -- for lb explain
      return one
    end,
  }
end)
