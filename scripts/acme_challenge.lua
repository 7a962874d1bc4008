-- Answers challenges of ACME (http-01) with what certbot says, which listens at `address` while it
-- asks for a certificate, and else not. Suits certificates of Let's Encrypt: port 80 stays lb's.
--   certbot certonly --standalone --http-01-port 8888 -d shop.example
return lb.script({
  address = "127.0.0.1:8888",
  policy = lb.policy.round_robin,                      -- who serves: any choose(ctx, backends)
}, function(options)
  local TOKEN = "^/%.well%-known/acme%-challenge/([%w_-]+)$"

  ---@type lb.Script
  return {
    choose = function(ctx, backends)
      local token = ctx.clean_path and ctx.clean_path:match(TOKEN)
      if not token then return options.policy(ctx, backends) end
      local url = "http://" .. options.address .. "/.well-known/acme-challenge/" .. token
      local res, why = lb.http.get(url, { headers = { Host = ctx.host }, max_body = 4096 })
      if not res then return ctx:respond { status = 404, body = "no challenge\n", why = "acme " .. why } end
      return ctx:respond { status = res.status, body = res.body, why = "acme" }
    end,
  }
end)
