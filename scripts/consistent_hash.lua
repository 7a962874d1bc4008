-- Sends the same key to the same backend, so that its cache is warm. If a backend leaves, only
-- its own keys move, and they come back with it. None gets more than `bound` times its share of
-- the work in flight: the rest goes to the key's next backend. Up to `at_least` requests in
-- flight are never too many, so that parallel requests of one browser stay together. Suits
-- caches and sharded state.
return lb.script({
  -- Or ctx.path, ctx.headers:one "x-user" or "", ..
  key = function(ctx) return ctx.client end,
  bound = 1.25,
  at_least = 8,
}, function(options)
  ---@type lb.Script
  return {
    choose = function(ctx, backends)
      local in_flight, weight = 1, 0                   -- this request is in flight, too
      for _, one in ipairs(backends) do
        in_flight, weight = in_flight + one.in_flight, weight + one.effective_weight
      end
      local share = options.bound * in_flight / weight
      local function has_room(one)
        return one.in_flight < math.max(options.at_least, math.ceil(share * one.effective_weight))
      end
      local key = options.key(ctx)
      local own = backends:ring(key)
      if not own or has_room(own) then return own end
      -- A backend that fails has room, as failures come fast.
      return backends:ring(key, function(one)
        return one.error_rate < 0.5 and has_room(one)
      end)
    end,
  }
end)
