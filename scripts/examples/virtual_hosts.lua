-- Serves several host names, each by its own backends. Suits many sites behind one address. A name
-- in the list counts before its domain; a host that is not listed gets a 421.
local HOSTS = {
  ["example.com"] = "www",
  ["www.example.com"] = "www",
  ["api.example.com"] = "api",
  ["*.example.net"] = "customers",                     -- one label more: a.example.net
}
local turn = lb.counter "virtual_hosts"

local function site_of(host)
  return HOSTS[host] or HOSTS["*." .. (host:match "^[^.]+%.(.+)$" or "")]
end

---@type lb.Script
return {
  backends = {
    { address = "127.0.0.1:9001", tags = { site = "www" } },
    { address = "127.0.0.1:9002", tags = { site = "api" } },
    { address = "127.0.0.1:9003", tags = { site = "customers" } },
  },

  choose = function(ctx, backends)
    local site = site_of(ctx.host)                     -- in lower case, without port and last dot
    if not site then return ctx:reject(421, { why = "no site of that name" }) end
    local chosen = turn:next(ctx, backends:tagged("site", site))
    if not chosen then return nil, "no backend for " .. site end
    return chosen, { why = site }
  end,
}
