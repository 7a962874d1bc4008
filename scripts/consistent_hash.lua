-- Sends the same key to the same backend, so that its cache is warm; if a backend leaves, only its own keys move,
-- and they come back with it. None gets more than `bound` times its share of the work in flight: what is beyond
-- goes to the key's next backend. Suits caches and sharded state.
return lb.script({
  key = function(ctx) return ctx.client end,           -- or ctx.path, ctx.headers:one "x-user" or "", ..
  bound = 1.25,
}, function(options)
  return {
    choose = function(ctx, backends)
      local in_flight, weight = 1, 0                   -- this request is in flight, too
      for _, one in ipairs(backends) do
        in_flight, weight = in_flight + one.in_flight, weight + one.effective_weight
      end
      local share = options.bound * in_flight / weight
      return backends:ring(options.key(ctx), function(one)
        return one.in_flight < math.ceil(share * one.effective_weight)
      end)
    end,
  }
end)
