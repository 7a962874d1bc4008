-- Sends `percent` of the users to the backends that are tagged `canary`, and the others elsewhere. A user stays on
-- their side, and raising the percentage moves nobody back. Suits trying a new version on a few first.
--   backends = { { address = "10.0.0.9:80", tags = { canary = "yes" } }, "10.0.0.1:80", "10.0.0.2:80" }
return lb.script({
  percent = 5,
  tag = "canary",
  user = function(ctx) return ctx.cookies.session or ctx.headers:one "authorization" or ctx.client end,
}, function(options)
  local function is_canary(backend) return backend.tags[options.tag] ~= nil end

  local function draws_canary(ctx)                     -- 0 to 100, evenly, and always the same for a user
    return tonumber(lb.hmac(options.tag, options.user(ctx)):sub(1, 8), 16) / 2 ^ 32 * 100 < options.percent
  end

  return {
    choose = function(ctx, backends)
      local wanted = draws_canary(ctx)
      local chosen = backends:min(function(one)        -- the other side only if this one has nobody
        return (is_canary(one) == wanted and 0 or 1e9) + one.in_flight / one.effective_weight
      end)
      return chosen, chosen and { why = is_canary(chosen) and "canary" or "stable" } or nil
    end,
  }
end)
