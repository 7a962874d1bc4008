-- Opens some folders only to clients of some networks; all others get a 403. Suits admin pages and
-- internal APIs behind a public name. If lb is behind another proxy, set `trusted_proxies`, or all
-- clients have that proxy's address. A mistake in this script lets nobody pass (fallback).
local OFFICE = lb.net("10.0.0.0/8", "192.0.2.7", "2001:db8::/32")
local MACHINES = lb.net "10.1.0.0/16"
local FOLDERS = { ["/admin"] = OFFICE, ["/internal"] = MACHINES }

local function is_in(folder, path)
  return path == folder or path:sub(1, #folder + 1) == folder .. "/"
end

---@type lb.Script
return {
  backends = { "127.0.0.1:9001" },
  fallback = "fail",

  choose = function(ctx, backends)
    local path = ctx.clean_path
    if not path then return ctx:reject(400, { why = ctx.clean_path_error }) end
    for folder, net in pairs(FOLDERS) do
      local is_closed = is_in(folder, path:lower()) or is_in(folder, ctx.path:lower())
      if is_closed and not net:has(ctx.client_ip) then
        return ctx:reject(403, { why = folder .. " is not for this client" })
      end
    end
    return lb.policy.round_robin(ctx, backends)
  end,
}
