-- Asks for a name and a password before anything is forwarded, and names the user to the backend
-- (X-User). Suits a few people and a page that has no login of its own, over TLS only. The list has
-- SHA-256 of "name:password", so take long passwords:
--   printf %s 'anna:correct horse ..' | sha256sum
-- A mistake in this script lets nobody pass (fallback).
local USERS = {
  anna = "b65438eb50f2bdd226b279fd61eecb2393ff4728e9d95997228bfa48afe6e7b9",
}
local ASK = { ["WWW-Authenticate"] = 'Basic realm="members", charset="UTF-8"' }

local function user_of(ctx)
  local given, why = ctx.headers:one "authorization"
  if not given then return nil, why or "no password" end
  local text = lb.base64.decode(given:match "^[Bb]asic +(%S+)$" or "") or ""
  local name = text:match "^([^:%c]+):"
  if not name then return nil, "not of the form name:password" end
  local is_right = lb.equal(lb.sha256(text), USERS[name] or ("0"):rep(64))
  if not is_right then return nil, "wrong name or password" end
  return name
end

---@type lb.Script
return {
  backends = { "127.0.0.1:9001" },
  fallback = "fail",

  choose = function(ctx, backends)
    local name, why = user_of(ctx)
    if not name then return ctx:reject(401, { headers = ASK, why = why }) end
    return lb.policy.round_robin(ctx, backends),
      { request_headers = { ["X-User"] = name, Authorization = false }, why = name }
  end,
}
