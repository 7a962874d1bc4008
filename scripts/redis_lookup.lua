-- Asks Redis which backend serves a tenant: `GET tenant:NAME` gives its name. Unknown tenants go
-- round. Answers are kept for a few seconds, and while Redis is silent. Suits tenants that move.
--   return require "redis_lookup" { redis = "10.0.0.5:6379", backends = { { name = "a", .. } } }
local function keep(cache, key, value)                 -- the last 10,000 keys, and as many before
  if cache.count >= 10000 then cache[1], cache[2], cache.count = {}, cache[1], 0 end
  cache[1][key], cache.count = value, cache.count + (cache[1][key] and 0 or 1)
end
return lb.script({
  redis = "127.0.0.1:6379", key = "tenant:", tenant = function(ctx) return ctx.host end,
  timeout = 0.1, keep = 5,                             -- seconds: a step's; an answer's
}, function(options)
  local idle, silent_until, known, unknown = {}, 0, { {}, {}, count = 0 }, { {}, {}, count = 0 }
  local function get(key)                              -- value or ""; or nil, is the key wrong?
    local request, conn = "*2\r\n$3\r\nGET\r\n$" .. #key .. "\r\n" .. key .. "\r\n", table.remove(idle)
    if not conn or not conn:send(request) then         -- none was kept, or Redis has closed it
      local made, why = lb.tcp.connect(options.redis, { timeout = options.timeout })
      if not made or not made:send(request) then return nil, (why or ""):find "^limit" end
      conn = made
    end
    local line = conn:line() or ""                     -- "$4", then "app1"; "$-1"; "-ERR .."
    local length = tonumber(line:match "^%$(%d+)$")
    local value = line:find "^%$?%-" and "\r\n" or length and length < 1000 and conn:read(length + 2)
    if value and #idle < 16 then idle[#idle + 1] = conn else conn:close() end
    return value and not line:find "^%-" and value:sub(1, -3) or nil, value or (length or 0) >= 1000
  end
  local function backend_of(tenant)
    local now, last = lb.now(), known[1][tenant] or known[2][tenant] or {}
    local again_at = math.max(last.till or 0, silent_until, unknown[1][tenant] or unknown[2][tenant] or 0)
    if now < again_at or #tenant > 255 then return last.name end
    last.till = now + 1                                -- others go by the last answer meanwhile
    local name, is_wrong = get(options.key .. tenant)
    if name and name ~= "" then keep(known, tenant, { name = name, till = now + options.keep }) return name end
    if name then known[1][tenant], known[2][tenant], last.name = nil, nil, nil end
    if name or is_wrong then keep(unknown, tenant, now + (name and options.keep or 1)) else silent_until = now + 1 end
    return last.name
  end
  ---@type lb.Script
  return { choose = function(ctx, backends)
    return backends:by_name(backend_of(options.tenant(ctx))) or lb.policy.round_robin(ctx, backends)
  end }
end)
