-- Asks another backend when one answers 502, 503 or 504 to a request that may be repeated. Suits
-- backends that are proxies themselves, or that answer 503 while they start. limits.attempts and
-- the retry budget bound it.
return lb.script({ statuses = { 502, 503, 504 } }, function(options)
  local is_bad = {}
  for _, status in ipairs(options.statuses) do is_bad[status] = true end

  ---@type lb.Script
  return {
    choose = lb.policy.round_robin,

    on_response = function(ctx, backend, res)
      if is_bad[res.status] and ctx.idempotent and ctx.attempts < 3 then return "next" end
    end,
  }
end)
