-- Sends each folder of a site to the backends that serve it, and all else to the site. Suits one
-- host name in front of several applications. The first folder that fits counts. If all backends of
-- a folder are down it answers 503: no other application is asked.
local FOLDERS = {
  { "/api/reports", "reports" },
  { "/api", "api" },
}
local turn = lb.counter "path_groups"

local function is_in(folder, path)
  return path == folder or path:sub(1, #folder + 1) == folder .. "/"
end

local function group_of(path)
  for _, entry in ipairs(FOLDERS) do
    if is_in(entry[1], path) then return entry[2] end
  end
  return "site"
end

---@type lb.Script
return {
  backends = {
    { address = "127.0.0.1:9001", tags = { serves = "site" } },
    { address = "127.0.0.1:9002", tags = { serves = "api" } },
    { address = "127.0.0.1:9003", tags = { serves = "api" } },
    { address = "127.0.0.1:9004", tags = { serves = "reports" } },
  },

  choose = function(ctx, backends)
    local path = ctx.clean_path
    if not path then return ctx:reject(400, { why = ctx.clean_path_error }) end
    local group = group_of(path)
    local chosen = turn:next(ctx, backends:tagged("serves", group))
    if not chosen then return nil, "no backend for " .. group end
    return chosen, { why = group }
  end,
}
