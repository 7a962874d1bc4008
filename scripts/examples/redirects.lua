-- Sends clients to where a page is now, in one step: from http to https, from other names of the
-- site to its own, from old paths to new ones. Suits a site that has moved. A proxy in front, which
-- `trusted_proxies` must name, says whether a request came by https. Other hosts get a 421, so
-- nobody can be sent elsewhere by a made-up Host.
local HOST = "www.example.com"
local OTHER_NAMES = { ["example.com"] = true, ["example.net"] = true }
local MOVED = { ["/about-us"] = "/about", ["/feed.xml"] = "/rss" }

---@type lb.Script
return {
  backends = { "127.0.0.1:9001" },
  trusted_proxies = "127.0.0.0/8, 10.0.0.0/8",

  choose = function(ctx, backends)
    if ctx.host ~= HOST and not OTHER_NAMES[ctx.host] then return ctx:reject(421, { why = "no name of ours" }) end
    local moved = MOVED[ctx.clean_path or ""]
    if ctx.host ~= HOST or ctx.scheme ~= "https" or moved then
      local query = ctx.query ~= "" and "?" .. ctx.query or ""
      local path = moved or ctx.path:match "^/.*" or "/"               -- of OPTIONS * it is "*"
      return ctx:redirect("https://" .. HOST .. path .. query, 308)    -- 308: the method stays
    end
    return lb.policy.round_robin(ctx, backends)
  end,
}
