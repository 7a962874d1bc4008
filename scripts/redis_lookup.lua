-- Asks Redis which backend serves a tenant: `GET tenant:NAME` gives the backend's name. Answers are kept for a few
-- seconds. Who is unknown there goes round, and so do all while Redis does not answer. Suits tenants that move.
--   return require "redis_lookup" { redis = "10.0.0.5:6379", backends = { { name = "a", address = "10.0.0.1:80" } } }
return lb.script({
  redis = "127.0.0.1:6379", key = "tenant:",
  timeout = 0.1, keep = 5,                             -- seconds: for each step; that an answer, or none, is good for
  tenant = function(ctx) return ctx.host end,
}, function(options)
  local idle, kept, count, silent_until = {}, {}, 0, 0 -- in each worker

  local function get(key)                              -- the value, or "" if there is none; or nil
    local request, conn = "*2\r\n$3\r\nGET\r\n$" .. #key .. "\r\n" .. key .. "\r\n", table.remove(idle)
    if not conn or not conn:send(request) then         -- none was kept, or Redis has closed it
      conn = lb.tcp.connect(options.redis, { timeout = options.timeout })
      if not conn or not conn:send(request) then return nil end
    end
    local line = conn:line() or ""                     -- "$4" and behind it "app1", "$-1" or "-ERR .."
    local length = line:match "^%$(%d%d?%d?)$"
    local value = line == "$-1" and "\r\n" or length and conn:read(length + 2)
    if not value then return conn:close() end
    idle[#idle + 1] = conn
    return value:sub(1, -3)
  end

  local function backend_of(tenant)
    local now = lb.now()
    if kept[tenant] and now < kept[tenant].till then return kept[tenant].name end
    if now < silent_until or #tenant > 255 then return nil end
    local name = get(options.key .. tenant)
    if not name then silent_until = now + 1 return nil end   -- nobody waits again for a second
    if count >= 10000 then kept, count = {}, 0 end
    kept[tenant], count = { name = name, till = now + options.keep }, count + 1
    return name
  end

  return { choose = function(ctx, backends)
    local name = backend_of(options.tenant(ctx))
    return name and backends:by_name(name) or lb.policy.round_robin(ctx, backends)
  end }
end)
