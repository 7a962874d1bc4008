-- Lets only requests with a token (JWT) pass that is valid now and for us; names its user to the
-- backend (X-User). Suits APIs behind a login service. Takes HS256 only, with JWT_SECRET of the
-- environment. A mistake in this script lets nobody pass (fallback). LEEWAY: clocks may differ (s).
local SECRET, AUDIENCE, LEEWAY = os.getenv "JWT_SECRET" or "", "api.example.com", 30

local function decoded(part)
  local value = lb.json.decode(lb.base64url.decode(part) or "")
  return type(value) == "table" and value or {}
end

local function user_of(token)
  local head, body, signature = token:match "^([%w_-]+)%.([%w_-]+)%.([%w_-]+)$"
  if not head or decoded(head).alg ~= "HS256" then return nil, "no HS256 token" end
  local expected = lb.base64url.encode(lb.hex.decode(lb.hmac(SECRET, head .. "." .. body)))
  if not lb.equal(signature, expected) then return nil, "signature" end
  local claims, now = decoded(body), os.time()
  if type(claims.exp) ~= "number" or now > claims.exp + LEEWAY then return nil, "expired" end
  if claims.nbf and (type(claims.nbf) ~= "number" or now < claims.nbf - LEEWAY) then return nil, "not yet valid" end
  local is_for_us = false
  for _, one in ipairs(type(claims.aud) == "table" and claims.aud or { claims.aud }) do
    is_for_us = is_for_us or one == AUDIENCE
  end
  if not is_for_us then return nil, "not for us" end
  if type(claims.sub) ~= "string" or not claims.sub:find "^[%w@._-]+$" then return nil, "no subject" end
  return claims.sub
end

---@type lb.Script
return {
  backends = { "127.0.0.1:9001" }, fallback = "fail",
  init = function() assert(#SECRET >= 32, "set JWT_SECRET, of 32 bytes or more") end,

  choose = function(ctx, backends)
    local user, why = user_of((ctx.headers:one "authorization" or ""):match "^[Bb]earer +(%S+)$" or "")
    if not user then
      return ctx:reject(401, { headers = { ["WWW-Authenticate"] = 'Bearer error="invalid_token"' }, why = why })
    end
    return lb.policy.round_robin(ctx, backends), { request_headers = { ["X-User"] = user }, why = user }
  end,
}
