-- Sends a copy of some GETs to another system, whose answers nobody sees. Suits trying a new
-- version with real requests. The client waits for nothing: the copy goes when its answer is over.
-- If 20 copies are under way in a worker, no more are made. Only GETs are copied, as they change
-- nothing; cookies and credentials stay here.
local SHADOW, PERCENT, AT_ONCE = "http://127.0.0.1:9009", 10, 20
local under_way = 0                                    -- in this worker

---@type lb.Script
return {
  backends = { "127.0.0.1:9001", "127.0.0.1:9002" },
  choose = lb.policy.round_robin,

  on_done = function(ctx)
    if ctx.method ~= "GET" or ctx.result.status >= 400 or under_way >= AT_ONCE then return end
    if ctx:random(100) > PERCENT then return end
    local url = SHADOW .. ctx.path .. (ctx.query ~= "" and "?" .. ctx.query or "")
    local headers = { Accept = ctx.headers.accept, ["User-Agent"] = "mirror", ["X-Request-ID"] = ctx.id }
    under_way = under_way + 1
    local res, why = lb.http.get(url, { timeout = 5, headers = headers, max_body = 16 * 1024 * 1024 })
    under_way = under_way - 1
    if not res then
      lb.log.info { message = "no answer to a copy: " .. why }
    elseif res.status >= 500 then
      lb.log.warn { message = "a copy failed", status = res.status, path = ctx.path }
    end
  end,
}
