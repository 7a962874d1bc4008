-- Sends clients of plain HTTP to the same URL with https (308), and tells those that have come with
-- TLS to stay with it for `max_age` seconds (HSTS; 0: to stay no longer). Suits a balancer that
-- listens with TLS and without. Behind a proxy that has TLS set trusted_proxies.
--   listen = { ":80", { ":443", tls = true } }
return lb.script({
  hsts = true,                                         -- false: the field is not sent
  max_age = 86400,                                     -- a day
  subdomains = false,                                  -- true: HSTS is for all below the host, too
  port = 443,                                          -- of https, as clients see it
  except = { "/.well-known/acme-challenge/" },         -- paths that are served without TLS, too
  policy = lb.policy.round_robin,                      -- who serves: any choose(ctx, backends)
}, function(options)
  local port = options.port == 443 and "" or ":" .. options.port
  local field = "max-age=" .. options.max_age .. (options.subdomains and "; includeSubDomains" or "")

  local function is_exempt(path)
    for _, beginning in ipairs(options.except) do
      if path and path:sub(1, #beginning) == beginning then return true end
    end
  end

  local function url_of(ctx)
    local path = ctx.path:sub(1, 1) == "/" and ctx.path or "/"           -- OPTIONS *
    return "https://" .. ctx.host .. port .. path .. (ctx.query ~= "" and "?" .. ctx.query or "")
  end

  ---@type lb.Script
  return {
    choose = function(ctx, backends)
      if ctx.scheme == "https" or is_exempt(ctx.clean_path) then return options.policy(ctx, backends) end
      if ctx.host == "" then return ctx:respond { status = 400, body = "https only, and Host is missing\n" } end
      return ctx:redirect(url_of(ctx), 308)
    end,

    on_response = function(ctx)
      if ctx.scheme ~= "https" or not options.hsts then return nil end   -- RFC 6797, 7.2
      return nil, { response_headers = { ["Strict-Transport-Security"] = field } }
    end,
  }
end)
