-- Limits the requests an hour of each API key, counted in Redis, so that several balancers
-- share one count. Suits plans that are sold. Hours begin with those of the clock. A request that
-- Redis does not count, within 0.1 s for each step, gets a 503; to let it pass instead, leave
-- out the line that says so.
local REDIS, QUOTA, HOUR = "127.0.0.1:6379", 1000, 3600
local INCR = "*2\r\n$4\r\nINCR\r\n$%d\r\n%s\r\n*3\r\n$6\r\nEXPIRE\r\n$%d\r\n%s\r\n$4\r\n3600\r\n"
local idle = {}                                        -- connections of this worker

local function count_of(key)                           -- after this request; or nil and why
  for attempt = 1, 2 do
    local conn, why = attempt == 1 and table.remove(idle), nil
    if not conn then conn, why = lb.tcp.connect(REDIS, { timeout = 0.1 }) end
    if not conn then return nil, why end
    local sent = conn:send(INCR:format(#key, key, #key, key))
    local count, expires = sent and conn:line(), sent and conn:line()
    if expires and #idle < 16 then idle[#idle + 1] = conn else conn:close() end
    if expires then return tonumber(count:match "^:(%d+)$"), count end       -- ":1", or "-ERR .."
  end
  return nil, "no answer"
end

---@type lb.Script
return {
  backends = { "127.0.0.1:9001" },

  choose = function(ctx, backends)
    local key = ctx.headers:one "x-api-key"
    if not key or #key > 100 then return ctx:reject(401, { why = "no key" }) end
    if not ctx.vars.is_counted then                    -- once, however often this request is tried
      ctx.vars.is_counted = true
      local now = os.time()
      local count, why = count_of("quota:" .. key .. ":" .. math.floor(now / HOUR))
      if not count then return ctx:reject(503, { retry_after = 1, why = "redis: " .. why }) end
      if (count or 0) > QUOTA then return ctx:reject(429, { retry_after = HOUR - now % HOUR, why = "quota" }) end
    end
    return lb.policy.round_robin(ctx, backends)
  end,
}
