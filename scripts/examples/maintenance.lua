-- Closes the site with a page of its own while somebody works on it; clients from the office pass
-- and can look. `curl -X POST 127.0.0.1:9000/close` closes it for all workers at once, `/open`
-- opens it, and a reload changes neither. Suits planned work. What has begun is finished.
local ADMIN = "127.0.0.1:9000"
local OFFICE = lb.net("10.0.0.0/8", "2001:db8::/32")
local PAGE = "<!doctype html><title>Back soon</title><h1>We are back at ten.</h1>\n"

local function switch(ctx)
  if ctx.path ~= "/close" and ctx.path ~= "/open" then return ctx:reject(404) end
  if ctx.method ~= "POST" then return ctx:reject(405, { headers = { Allow = "POST" } }) end
  local is_closed = ctx.path == "/close"
  lb.set("closed", is_closed)
  lb.log.info(is_closed and "the site is closed" or "the site is open")
  return ctx:respond { body = is_closed and "closed\n" or "open\n" }
end

---@type lb.Script
return {
  listen = { ":8080", ADMIN },
  backends = { "127.0.0.1:9001" },

  choose = function(ctx, backends)
    if ctx.listener == ADMIN then return switch(ctx) end
    if lb.get "closed" and not OFFICE:has(ctx.client_ip) then
      local headers = { ["Content-Type"] = "text/html", ["Retry-After"] = 600, ["Cache-Control"] = "no-store" }
      return ctx:respond { status = 503, headers = headers, body = PAGE, why = "closed" }
    end
    return lb.policy.round_robin(ctx, backends)
  end,
}
