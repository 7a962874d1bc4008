-- Backends in two tiers: the second one gets requests only while all of the first are down or full.
-- Suits machines of one's own and rented ones, or a near and a far site. If both tiers are full, a
-- 503 says when to come again.
local FULL = 10                                        -- requests in flight for each 1 of weight

local function load(backend) return backend.in_flight / backend.weight end

---@type lb.Script
return {
  backends = {
    { address = "127.0.0.1:9001", tags = { tier = "1" } },
    { address = "127.0.0.1:9002", tags = { tier = "1" } },
    { address = "127.0.0.1:9003", tags = { tier = "2" } },
  },

  choose = function(ctx, backends)
    for _, tier in ipairs { "1", "2" } do
      local chosen = backends:tagged("tier", tier):min(load)
      if chosen and load(chosen) < FULL then return chosen, { why = "tier " .. tier } end
    end
    if #backends == 0 then return nil, "no backend is left" end
    return ctx:reject(503, { retry_after = 1, why = "all tiers are full" })
  end,
}
