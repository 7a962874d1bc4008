-- Gives each tenant, named by a header, a number of requests in a sliding window over all workers;
-- beyond it answers 429. All tenants that are not listed share one quota, so invented names take no
-- memory. Suits an API with plans. If the script fails everybody passes (fallback); if there is no
-- room to count it answers 503, or lets all pass with full = "open".
--   return require "tenant_quota" { quotas = { acme = 1000 }, backends = "10.0.0.1:80" }
return lb.script({
  header = "X-Tenant",
  quotas = {},
  others = 100,
  seconds = 60,
  full = "closed",
  policy = lb.policy.round_robin,                      -- who passes: any choose(ctx, backends)
}, function(options, script)                           -- script: differs for each quota
  if options.full ~= "closed" and options.full ~= "open" then
    error('tenant_quota: full is "closed" or "open", got ' .. options.full, 0)
  end
  local windows = {}
  local function window_of(name)
    windows[name] = windows[name] or lb.window(script .. ":" .. name, options.seconds)
    return windows[name]
  end

  ---@type lb.Script
  return {
    fallback = "round_robin",
    choose = function(ctx, backends)
      if ctx.tries > 1 or ctx.vars[script] then return options.policy(ctx, backends) end
      ctx.vars[script] = "counted"                       -- asked again if all backends were full
      local tenant = ctx.headers:one(options.header) or ""
      local quota = options.quotas[tenant]
      local window = window_of(quota and tenant or "")
      quota = quota or options.others
      local count = window:get() < quota and window:add() -- a refused request is not counted
      if count == nil and options.full == "closed" then return ctx:reject(503, { retry_after = 1, why = "quota" }) end
      if count == false or (count or 0) > quota then
        return ctx:reject(429, { retry_after = options.seconds / 10, why = "quota" })
      end
      return options.policy(ctx, backends)
    end,
  }
end)
