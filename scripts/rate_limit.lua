-- Answers 429 to a client that sends more than `rate` requests a second, over all workers; up to
-- `burst` at once are fine. Suits public services: one client cannot take the others' share. It
-- limits by address; behind another proxy set trusted_proxies, or all clients are one. If the
-- script fails everybody passes (fallback). If there is no room to count a client it gets 503, or
-- passes with full = "open".
return lb.script({
  rate = 10,
  burst = 20,
  key = function(ctx) return ctx.client end,           -- or ctx.headers:one "x-api-key" or ""
  full = "closed",
  policy = lb.policy.round_robin,                      -- who passes: any choose(ctx, backends)
}, function(options, name)                             -- name: differs for each limit
  local bucket = lb.bucket(name, { rate = options.rate, burst = options.burst, full = options.full })

  ---@type lb.Script
  return {
    fallback = "round_robin",
    choose = function(ctx, backends)
      -- It is asked again if all backends were full.
      if ctx.tries == 1 and not ctx.vars[name] then
        ctx.vars[name] = "counted"
        local taken, wait, full = bucket:take(options.key(ctx))
        if not taken then return ctx:reject(full and 503 or 429, { retry_after = wait, why = "rate_limit" }) end
      end
      return options.policy(ctx, backends)
    end,
  }
end)
