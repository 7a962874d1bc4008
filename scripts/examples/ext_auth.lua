-- Asks a service whether a request may pass, and forwards it only after a 2xx; the service's X-User
-- goes to the backend. Suits a login that several applications share. The client gets a 401, a 403
-- or a redirect of the service as the answer. Anything else, or none within 2 s, is a 503: a
-- request that cannot be checked does not pass. Bodies are not sent to the service.
local SERVICE = "http://127.0.0.1:9009/auth"
local HANDED_ON = { "WWW-Authenticate", "Location", "Set-Cookie" }

local function check(ctx)
  local authorization, why = ctx.headers:one "authorization"
  if why or not ctx.clean_path then return ctx:reject(400, { why = why or ctx.clean_path_error }) end
  local res, failure = lb.http.get(SERVICE, { timeout = 2, headers = {
    Authorization = authorization, Cookie = ctx.headers.cookie, ["X-Client"] = ctx.client_ip,
    ["X-Method"] = ctx.method, ["X-Host"] = ctx.host, ["X-Path"] = ctx.path,
  } })
  local status = res and res.status or 0
  if status >= 200 and status < 300 then return nil, res.headers:one "x-user" or false end
  if status ~= 401 and status ~= 403 and status ~= 302 and status ~= 303 then
    return ctx:reject(503, { retry_after = 1, why = "auth: " .. (failure or status) })
  end
  local headers = {}
  for _, name in ipairs(HANDED_ON) do headers[name] = res.headers:all(name) end
  return ctx:respond { status = status, headers = headers, why = "auth said no" }
end

---@type lb.Script
return {
  backends = { "127.0.0.1:9001" },
  fallback = "fail",

  choose = function(ctx, backends)
    if ctx.vars.user == nil then                       -- once, however often this request is tried
      local answer, user = check(ctx)
      if answer then return answer end
      ctx.vars.user = user
    end
    return lb.policy.round_robin(ctx, backends), { request_headers = { ["X-User"] = ctx.vars.user } }
  end,
}
