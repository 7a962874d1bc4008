-- Keeps each browser at one backend by a cookie that names it and cannot be forged. When that
-- backend is gone, it gets another one and a new cookie. Suits sessions in memory. The secret is
-- STICKY_SECRET in the environment, the same for all balancers in front of these backends.
return lb.script({
  cookie = "lb_backend", attributes = "Path=/; HttpOnly; SameSite=Lax",
  secret = os.getenv "STICKY_SECRET" or "",
}, function(options)
  local tokens = {}                                    -- by name: each backend is signed once
  local function token_of(backend)
    tokens[backend.name] = tokens[backend.name] or lb.hmac(options.secret, backend.name)
    return tokens[backend.name]
  end
  local function keeps(vars, one)                      -- weight 0: it keeps its browsers
    local may = one.weight == 0 and one.state == "up" and not vars[one]
    vars[one] = true
    return may
  end

  ---@type lb.Script
  return {
    init = function()
      if options.secret == "" then error("sticky_cookie: set STICKY_SECRET, or the option `secret`", 0) end
    end,

    choose = function(ctx, backends)
      local given = ctx.cookies:all(options.cookie)    -- two, if set for two paths or domains
      for i = 1, math.min(#given, 8) do
        for _, one in ipairs(backends.all) do
          if lb.equal(given[i], token_of(one)) and (backends:by_name(one.name) or keeps(ctx.vars, one)) then
            return one, { why = "sticky" }
          end
        end
      end
      local new = lb.policy.least_in_flight(ctx, backends)
      if not new then return nil end
      local cookie = options.cookie .. "=" .. token_of(new) .. "; " .. options.attributes
      return new, { response_headers = { ["Set-Cookie"] = cookie } }
    end,
  }
end)
