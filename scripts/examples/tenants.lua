-- One service for many tenants, acme.example.com and so on. Each plan has backends of its own and a
-- limit of requests a second for each tenant, whose name the backend gets (X-Tenant). Suits keeping
-- large customers from slowing small ones. A tenant that is not in the list gets a 404. If a plan's
-- backends are all down it gets a 503.
local PLANS = {
  business = lb.bucket("tenants: business", { rate = 100, burst = 200 }),
  free = lb.bucket("tenants: free", { rate = 2, burst = 5 }),
}
local TENANTS = { acme = "business", initech = "business", hooli = "free" }
local turn = lb.counter "tenants"

---@type lb.Script
return {
  backends = {
    { address = "127.0.0.1:9001", tags = { plan = "business" } },
    { address = "127.0.0.1:9002", tags = { plan = "free" } },
  },

  choose = function(ctx, backends)
    local tenant = ctx.host:match "^([^.]+)%.example%.com$"
    local plan = TENANTS[tenant or ""]
    if not plan then return ctx:reject(404, { why = "no such tenant" }) end
    if not ctx.vars.is_counted then                    -- once, however often this request is tried
      ctx.vars.is_counted = true
      local taken, wait, full = PLANS[plan]:take(tenant)
      if not taken then return ctx:reject(full and 503 or 429, { retry_after = wait, why = "quota of " .. plan }) end
    end
    ctx:explain("tenant", tenant)
    local chosen = turn:next(ctx, backends:tagged("plan", plan))
    if not chosen then return nil, "no backend for " .. plan end
    return chosen, { request_headers = { ["X-Tenant"] = tenant }, why = plan }
  end,
}
