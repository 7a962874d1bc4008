-- Sends `percent` of the users to the backends that are tagged `canary`, and the others
-- elsewhere. A user stays on one side, and a higher percentage moves nobody back. Suits trying a
-- new version on a few first.
--   backends = { { address = "10.0.0.9:80", tags = { canary = "yes" } }, "10.0.0.1:80" }
return lb.script({
  percent = 5,
  tag = "canary",
  user = function(ctx) return ctx.cookies.session or ctx.headers:one "authorization" or ctx.client end,
}, function(options)
  local function is_canary(backend) return backend.tags[options.tag] ~= nil end

  local function side(backends, wanted)
    local list = {}
    for _, one in ipairs(backends) do
      if is_canary(one) == wanted then list[#list + 1] = one end
    end
    return list
  end

  -- By a number from 0 to 100, evenly spread, and always the same for a user.
  local function draws_canary(ctx)
    return tonumber(lb.hmac(options.tag, options.user(ctx)):sub(1, 8), 16) / 2 ^ 32 * 100 < options.percent
  end

  ---@type lb.Script
  return {
    choose = function(ctx, backends)
      local wanted = draws_canary(ctx)
      local chosen = lb.policy.least_in_flight(ctx, side(backends, wanted))
        or lb.policy.least_in_flight(ctx, side(backends, not wanted))    -- if this one has nobody
      return chosen, chosen and { why = is_canary(chosen) and "canary" or "stable" } or nil
    end,
  }
end)
